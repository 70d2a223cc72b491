//! A round brush that paints masks, classes or colours, or erases them.

mod settings;
mod stamp;
mod stroke;
mod stroke_path;

use settings::{BrushSettings, SIZE_ID};

use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::medium::Medium;
use super::options::ToolOptions;
use super::overlay::{Cursor, Overlay, OverlayShape};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolInfo};
use crate::document::{Document, DocumentError, LayerId};
use crate::geometry::CanvasPoint;
use stamp::StrokePoint;
use stroke::Stroke;

/// Whether a brush adds or takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrushMode {
    /// Covers a mask, or gives a class.
    Paint,
    /// Uncovers a mask, or takes the class away.
    Erase,
}

impl BrushMode {
    fn opposite(self) -> Self {
        match self {
            Self::Paint => Self::Erase,
            Self::Erase => Self::Paint,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Paint => "Brush stroke",
            Self::Erase => "Erase",
        }
    }
}

/// A round brush, or eraser, for masks and semantic layers, or for pictures.
///
/// Pressing starts a stroke, releasing commits it as one step. With Ctrl, or
/// the secondary button, it does the opposite; with Shift it draws a straight
/// line from where the last stroke ended; with Alt it takes the class under the
/// pointer in hand. It acts on the selected layer if that is a mask or a semantic
/// layer, and otherwise takes the active mask, or a new one, and selects it.
/// Classes have hard edges, whatever is set. A brush of colours acts on the selected layer
/// if that is a picture, and otherwise on the one that it painted on last, or a new one; with
/// Alt it takes the colour under the pointer in hand.
#[derive(Debug)]
pub(super) struct BrushTool {
    info: &'static ToolInfo,
    mode: BrushMode,
    medium: Medium,
    settings: BrushSettings,
    /// The stroke in progress.
    stroke: Option<Box<Stroke>>,
    /// Where the last stroke ended, and on which layer.
    last_end: Option<(LayerId, CanvasPoint)>,
    /// Where a pointer hovers that would draw a straight line if it were pressed.
    line_to: Option<CanvasPoint>,
    /// Whether it paints classes, which have hard edges.
    is_hard: bool,
    /// Whether a press would take a class in hand.
    is_picking: bool,
}

impl BrushTool {
    /// A brush at rest.
    pub fn new(info: &'static ToolInfo, mode: BrushMode) -> Self {
        Self {
            info,
            mode,
            medium: Medium::Values,
            settings: BrushSettings::default(),
            stroke: None,
            last_end: None,
            line_to: None,
            is_hard: false,
            is_picking: false,
        }
    }

    /// A brush of colours at rest.
    pub fn of_colours(info: &'static ToolInfo, mode: BrushMode) -> Self {
        Self {
            medium: Medium::Colours,
            ..Self::new(info, mode)
        }
    }

    /// The layer that was painted on last.
    fn last_layer(&self) -> Option<LayerId> {
        self.last_end.map(|(layer, _)| layer)
    }

    /// Whether Alt takes what is seen in hand.
    fn picks(&self, document: &Document) -> bool {
        self.medium == Medium::Colours || self.medium.paints_classes(document)
    }

    fn take(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        for event in events.iter().filter(|event| event.position.is_finite()) {
            let is_drawing = self.stroke.is_some();
            match event.phase {
                PointerPhase::Press if !is_drawing && !context.editor.is_busy() => {
                    self.press(event, context)?;
                }
                PointerPhase::Drag if is_drawing => self.draw(event),
                PointerPhase::Release if is_drawing => self.release(event, context)?,
                PointerPhase::Hover => {
                    let picks = self.is_hard || self.medium == Medium::Colours;
                    self.is_picking = event.modifiers.alt && picks;
                    self.line_to = event.modifiers.shift.then_some(event.position);
                }
                _ => {}
            }
        }
        match &mut self.stroke {
            Some(stroke) => Ok(stroke.paint(context.editor)?),
            None => Ok(()),
        }
    }

    fn press(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        self.line_to = None;
        if event.modifiers.alt && self.picks(context.editor.document()) {
            self.medium.pick(context, event.position);
            return Ok(());
        }
        let flips = event.modifiers.command || event.button == PointerButton::Secondary;
        let mode = if flips {
            self.mode.opposite()
        } else {
            self.mode
        };
        context.editor.begin(mode.label())?;
        let is_erasing = mode == BrushMode::Erase;
        let opened = self
            .medium
            .open(context, self.last_layer(), is_erasing, event.position);
        let (id, paint) = opened?;
        let document = context.editor.document();
        let layer = document.layer(id).ok_or(DocumentError::NoSuchLayer(id))?;
        let at = stroke_point(event, &self.settings);
        let line_from = self
            .last_end
            .filter(|(known, _)| event.modifiers.shift && *known == id);
        let start = line_from.map_or(at, |(_, position)| StrokePoint { position, ..at });
        let size_px = document.size_px();
        let mut stroke = Stroke::start(layer, size_px, start, &self.settings, paint)?;
        if line_from.is_some() {
            stroke.straight_to(at);
        }
        self.last_end = Some((id, event.position));
        self.stroke = Some(Box::new(stroke));
        Ok(())
    }

    fn draw(&mut self, event: &PointerEvent) {
        let Some(stroke) = &mut self.stroke else {
            return;
        };
        let last = stroke.last();
        // A pen that leaves presses with nothing: the stroke keeps its width.
        let at = if event.phase == PointerPhase::Release {
            StrokePoint {
                position: event.position,
                ..last
            }
        } else {
            stroke_point(event, &self.settings)
        };
        if at != last {
            stroke.extend_to(at);
        }
        if let Some((_, position)) = &mut self.last_end {
            *position = event.position;
        }
    }

    fn release(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        self.draw(event);
        if let Some(stroke) = &mut self.stroke {
            stroke.finish();
            stroke.paint(context.editor)?;
        }
        self.stroke = None;
        context.editor.commit();
        Ok(())
    }
}

impl Tool for BrushTool {
    fn info(&self) -> &'static ToolInfo {
        self.info
    }

    fn options(&self) -> Option<&dyn ToolOptions> {
        Some(&self.settings)
    }

    fn options_mut(&mut self) -> Option<&mut dyn ToolOptions> {
        Some(&mut self.settings)
    }

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        let is_erasing = self.mode == BrushMode::Erase;
        self.medium
            .target(document, self.last_layer(), is_erasing, None)
    }

    fn paints_colours(&self) -> bool {
        self.medium == Medium::Colours
    }

    fn is_option_idle(&self, id: &str, document: &Document) -> bool {
        id != SIZE_ID && self.medium.paints_classes(document)
    }

    fn handle(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        self.is_hard = self.medium.paints_classes(context.editor.document());
        if !context.editor.is_busy() {
            // Undo, or another document, ended the stroke.
            self.stroke = None;
        }
        let result = self.take(events, context);
        if result.is_err() {
            self.cancel(context);
        }
        result
    }

    fn cancel(&mut self, context: &mut ToolContext<'_>) {
        context.editor.cancel();
        self.stroke = None;
    }

    fn is_active(&self) -> bool {
        self.stroke.is_some()
    }

    fn overlay(&self, _document: &Document) -> Overlay {
        if self.is_picking && self.stroke.is_none() {
            return Cursor::Crosshair.into();
        }
        let cursor = Cursor::Ring {
            size_px: self.settings.size_px,
            core_px: match self.is_hard {
                true => self.settings.size_px,
                false => self.settings.size_px * self.settings.hardness,
            },
        };
        let line = self.last_end.zip(self.line_to);
        let line = line.map(|((_, from), to)| OverlayShape::Line { from, to });
        Overlay {
            cursor,
            shapes: line.into_iter().collect(),
            standing: Vec::new(),
        }
    }
}

/// What the brush is at an event: its size and strength follow the pressure
/// where the user wants that and the device tells it.
fn stroke_point(event: &PointerEvent, settings: &BrushSettings) -> StrokePoint {
    let pressure = event
        .pressure
        .filter(|p| p.is_finite())
        .map_or(1.0, |p| p.clamp(0.0, 1.0));
    let by = |follows: bool| if follows { pressure } else { 1.0 };
    StrokePoint {
        position: event.position,
        radius_px: (settings.size_px * 0.5 * by(settings.pressure_sets_size)).max(0.5),
        flow: by(settings.pressure_sets_opacity),
    }
}

#[cfg(test)]
mod colour_tests;
#[cfg(test)]
mod tests;
