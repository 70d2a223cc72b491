//! From the events of the window to those of the tool in hand.

use egui::{Event, Key, MouseWheelSource, MouseWheelUnit, Pos2, Response, Ui};

use crate::app::{Command, CommandSink};
use crate::geometry::{CanvasPoint, CanvasView, UiPoint, Viewport};
use crate::tools::{Modifiers, PointerButton, PointerEvent, PointerPhase};

/// How much one notch of a mouse wheel enlarges.
const ZOOM_PER_NOTCH: f32 = 1.2;

/// How many points of a touchpad enlarge as much as one notch of a wheel.
const POINTS_PER_NOTCH: f32 = 50.0;

/// What the pointer is doing on the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Idle,
    /// The tool in hand gets the events of this button.
    Tool(PointerButton),
    /// The picture is dragged by the given document point.
    Panning {
        grabbed: CanvasPoint,
        button: egui::PointerButton,
    },
    /// Two fingers move the picture.
    Pinching,
}

/// Follows the pointer from frame to frame.
#[derive(Debug, Default)]
pub(super) struct Gesture {
    state: State,
    /// How hard the pen presses; `None` for a mouse.
    pressure: Option<f32>,
    is_space_held: bool,
}

impl Gesture {
    /// Whether the picture is being dragged.
    pub fn is_panning(&self) -> bool {
        matches!(self.state, State::Panning { .. } | State::Pinching)
    }

    /// Whether pressing the button would drag the picture.
    pub fn would_pan(&self) -> bool {
        self.is_space_held
    }

    /// Takes the events of this frame.
    pub fn update(
        &mut self,
        ui: &Ui,
        response: &Response,
        viewport: &Viewport,
        view: &mut CanvasView,
        commands: &mut CommandSink,
    ) {
        let typing = ui.ctx().text_edit_focused();
        let (events, modifiers, pinch, latest, is_double_click) = ui.input(|i| {
            (
                i.events.clone(),
                i.modifiers,
                i.multi_touch(),
                i.pointer.latest_pos(),
                i.pointer
                    .button_double_clicked(egui::PointerButton::Primary),
            )
        });
        self.is_space_held = !typing && ui.input(|i| i.key_down(Key::Space));
        let is_above = |pos: Pos2| response.contains_pointer() && response.rect.contains(pos);
        // Buttons that lie on the canvas take their clicks themselves. What
        // `Response` says of hovering will not do: on a slow machine a press and
        // what follows it come in one frame, which is neither hover nor click.
        let hit = ui.ctx().viewport(|viewport| viewport.hits.click);
        let is_hit = hit.is_some_and(|widget| widget.id == response.id) || response.clicked();
        let is_over = |pos: Pos2| ui.is_enabled() && is_hit && response.rect.contains(pos);

        if let Some(pinch) = pinch {
            if self.state != State::Pinching {
                self.abandon(commands);
                self.state = State::Pinching;
            }
            let before = view
                .transform(viewport)
                .canvas_from_ui(ui_point(pinch.center_pos - pinch.translation_delta));
            let here = view
                .transform(viewport)
                .canvas_from_ui(ui_point(pinch.center_pos));
            *view = view
                .dragged(before, here)
                .zoomed_about(before, view.zoom * pinch.zoom_delta);
            return;
        }
        if self.state == State::Pinching {
            self.state = State::Idle;
        }

        let mut frame = Frame {
            view,
            viewport,
            modifiers,
            is_double_click: false,
            told: Vec::new(),
        };
        for event in &events {
            match event {
                Event::Touch { force, phase, .. } => {
                    let ended = matches!(phase, egui::TouchPhase::End | egui::TouchPhase::Cancel);
                    self.pressure = if ended { None } else { *force };
                }
                Event::PointerButton {
                    pos,
                    button,
                    pressed: true,
                    modifiers,
                } => {
                    frame.modifiers = *modifiers;
                    if is_over(*pos) {
                        // A click on the canvas ends typing, as anywhere else.
                        ui.memory_mut(|memory| memory.stop_text_input());
                        self.press(*pos, *button, &mut frame);
                    }
                }
                Event::PointerButton {
                    pos,
                    button,
                    pressed: false,
                    modifiers,
                } => {
                    frame.modifiers = *modifiers;
                    frame.is_double_click = is_double_click;
                    self.release(*pos, *button, &mut frame);
                }
                Event::PointerMoved(pos) => self.moved(*pos, is_over(*pos), &mut frame),
                Event::ModifiersChanged(modifiers) => {
                    frame.modifiers = *modifiers;
                    // A tool that means something else by them shows it at once.
                    if let (State::Tool(_), Some(pos)) = (self.state, latest) {
                        self.moved(pos, true, &mut frame);
                    }
                }
                Event::WindowFocused(false) => {
                    frame.flush(commands);
                    self.abandon(commands);
                }
                Event::MouseWheel {
                    unit,
                    delta,
                    source,
                    modifiers,
                    ..
                } => {
                    if let Some(pos) = latest.filter(|pos| is_above(*pos)) {
                        let is_wheel = is_wheel(*source, *unit);
                        frame.wheel(*unit, *delta, is_wheel, *modifiers, pos);
                    }
                }
                Event::Zoom(factor) => {
                    if let Some(pos) = latest.filter(|pos| is_above(*pos)) {
                        frame.zoom_about(pos, *factor);
                    }
                }
                _ => {}
            }
        }
        frame.flush(commands);
    }

    fn press(&mut self, pos: Pos2, button: egui::PointerButton, frame: &mut Frame<'_>) {
        if self.state != State::Idle {
            return;
        }
        let pans = button == egui::PointerButton::Middle
            || (button == egui::PointerButton::Primary && self.is_space_held);
        if pans {
            self.state = State::Panning {
                grabbed: frame.canvas_from_ui(pos),
                button,
            };
        } else if let Some(button) = tool_button(button) {
            self.state = State::Tool(button);
            frame.send(PointerPhase::Press, pos, button, self.pressure);
        }
    }

    fn moved(&mut self, pos: Pos2, is_over: bool, frame: &mut Frame<'_>) {
        match self.state {
            State::Tool(button) => frame.send(PointerPhase::Drag, pos, button, self.pressure),
            State::Panning { grabbed, .. } => {
                let here = frame.canvas_from_ui(pos);
                *frame.view = frame.view.dragged(grabbed, here);
            }
            State::Idle if is_over => {
                frame.send(
                    PointerPhase::Hover,
                    pos,
                    PointerButton::Primary,
                    self.pressure,
                );
            }
            State::Idle | State::Pinching => {}
        }
    }

    fn release(&mut self, pos: Pos2, released: egui::PointerButton, frame: &mut Frame<'_>) {
        match self.state {
            State::Tool(button) if tool_button(released) == Some(button) => {
                frame.send(PointerPhase::Release, pos, button, self.pressure);
                self.state = State::Idle;
            }
            State::Panning { button, .. } if released == button => self.state = State::Idle,
            _ => {}
        }
    }

    fn abandon(&mut self, commands: &mut CommandSink) {
        if matches!(self.state, State::Tool(_)) {
            commands.push(Command::CancelGesture);
        }
        self.state = State::Idle;
    }
}

/// What the events of one frame act on.
struct Frame<'a> {
    view: &'a mut CanvasView,
    viewport: &'a Viewport,
    modifiers: egui::Modifiers,
    is_double_click: bool,
    /// What the tool is told.
    told: Vec<PointerEvent>,
}

impl Frame<'_> {
    fn canvas_from_ui(&self, pos: Pos2) -> CanvasPoint {
        self.view
            .transform(self.viewport)
            .canvas_from_ui(ui_point(pos))
    }

    fn send(
        &mut self,
        phase: PointerPhase,
        pos: Pos2,
        button: PointerButton,
        pressure: Option<f32>,
    ) {
        let event = PointerEvent {
            phase,
            position: self.canvas_from_ui(pos),
            pressure,
            button,
            modifiers: Modifiers {
                shift: self.modifiers.shift,
                command: self.modifiers.command,
                alt: self.modifiers.alt,
            },
            points_per_pixel: self.view.transform(self.viewport).points_per_pixel,
            is_double_click: phase == PointerPhase::Release && self.is_double_click,
        };
        // Of a pointer that only hovers the newest place is enough.
        let is_hover = |event: &mut PointerEvent| event.phase == PointerPhase::Hover;
        if phase == PointerPhase::Hover {
            self.told.pop_if(is_hover);
        }
        self.told.push(event);
    }

    /// Tells the tool.
    fn flush(&mut self, commands: &mut CommandSink) {
        if !self.told.is_empty() {
            commands.push(Command::Pointer(std::mem::take(&mut self.told)));
        }
    }

    fn zoom_about(&mut self, pos: Pos2, factor: f32) {
        let anchor = self.canvas_from_ui(pos);
        *self.view = self.view.zoomed_about(anchor, self.view.zoom * factor);
    }

    fn wheel(
        &mut self,
        unit: MouseWheelUnit,
        delta: egui::Vec2,
        is_wheel: bool,
        modifiers: egui::Modifiers,
        pos: Pos2,
    ) {
        let notches = match unit {
            MouseWheelUnit::Point => delta / POINTS_PER_NOTCH,
            MouseWheelUnit::Line => delta,
            MouseWheelUnit::Page => delta * 4.0,
        };
        if modifiers.command || modifiers.ctrl || (is_wheel && !modifiers.shift) {
            self.zoom_about(pos, ZOOM_PER_NOTCH.powf(notches.y));
            return;
        }
        let mut points = notches * POINTS_PER_NOTCH;
        if modifiers.shift && points.x == 0.0 {
            points = egui::vec2(points.y, 0.0);
        }
        let grabbed = self.canvas_from_ui(pos);
        let pulled = self.canvas_from_ui(pos + points);
        *self.view = self.view.dragged(grabbed, pulled);
    }
}

/// Whether the event comes from a mouse and not from fingers on a touchpad.
fn is_wheel(source: MouseWheelSource, unit: MouseWheelUnit) -> bool {
    match source {
        MouseWheelSource::Wheel => true,
        MouseWheelSource::Trackpad | MouseWheelSource::Momentum => false,
        MouseWheelSource::Unknown => unit != MouseWheelUnit::Point,
    }
}

fn ui_point(pos: Pos2) -> UiPoint {
    UiPoint::new(pos.x, pos.y)
}

fn tool_button(button: egui::PointerButton) -> Option<PointerButton> {
    match button {
        egui::PointerButton::Primary => Some(PointerButton::Primary),
        egui::PointerButton::Secondary => Some(PointerButton::Secondary),
        _ => None,
    }
}
