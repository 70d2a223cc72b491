//! The frame tool: draws, moves and pulls what the next job paints.

use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::outline::{
    Grip, Lines, REACH_POINTS, SLOP_POINTS, Side, Snap, drawn, guides, moved_by, pulled_to,
};
use super::overlay::{Cursor, Overlay, OverlayShape};
use super::tool::{FrameGuide, Target, Tool, ToolContext, ToolError, ToolId, ToolInfo};
use crate::document::{BoundingBox, Document, DocumentEditor, Edit, FrameChoice};
use crate::geometry::{CanvasPoint, CanvasRect};
use crate::icons;

/// Names the tool.
pub const FRAME: ToolId = ToolId("frame");

static INFO: ToolInfo = ToolInfo {
    id: FRAME,
    label: "Frame",
    icon: icons::CROP,
    key: "C",
    hint: "Drag to draw the part that the model sees; drag it over the edge to paint beyond. \
           Shift keeps the ratio, Ctrl does not snap.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(FrameTool::default())
}

/// Where the handles of a frame stand.
pub fn handle_places(frame: CanvasRect) -> [CanvasPoint; 8] {
    let frame = outline_of(frame);
    Grip::HANDLES.map(|grip| grip.place(&frame))
}

/// Draws, moves and pulls the frame.
#[derive(Debug, Default)]
struct FrameTool {
    gesture: Option<Gesture>,
    /// What the pointer would do where it hovers.
    hovered: Option<Cursor>,
}

/// From the press to the release.
#[derive(Debug)]
struct Gesture {
    /// What was chosen before, and where the frame was.
    before: FrameChoice,
    start: BoundingBox,
    /// Where the pointer went down.
    grabbed: CanvasPoint,
    deed: Deed,
    /// Whether the pointer moved so far that this is no click.
    is_drag: bool,
    /// Whether Ctrl was up since the press, so that it now switches snapping off.
    is_command_free: bool,
    /// What came in line with what, along each axis.
    met: [Vec<f32>; 2],
}

/// What a gesture does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Draw,
    Move,
    Pull(Grip),
}

impl Deed {
    /// What a press at an event's place would do. With no frame but the canvas itself a
    /// press inside of it draws one.
    fn at(event: &PointerEvent, document: &Document, guide: FrameGuide) -> Self {
        let reach_px = REACH_POINTS / event.points_per_pixel;
        let is_canvas = guide.rect == document.rect();
        let is_chosen = matches!(document.frame(), FrameChoice::Fixed(_));
        match Grip::at(&outline_of(guide.rect), event.position, reach_px) {
            _ if event.modifiers.command => Self::Draw,
            Some(grip) if !grip.is_inside() => Self::Pull(grip),
            Some(_) if is_chosen || !is_canvas => Self::Move,
            _ => Self::Draw,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Draw => "Draw frame",
            Self::Move => "Move frame",
            Self::Pull(_) => "Resize frame",
        }
    }

    fn cursor(self) -> Cursor {
        match self {
            Self::Draw => Cursor::Crosshair,
            Self::Move => Cursor::Move,
            Self::Pull(grip) => Cursor::Resize {
                x: grip.x.sign(),
                y: grip.y.sign(),
            },
        }
    }
}

impl FrameTool {
    fn take(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        for event in events.iter().filter(|event| event.position.is_finite()) {
            match event.phase {
                PointerPhase::Press if self.gesture.is_none() && !context.editor.is_busy() => {
                    self.press(event, context)?;
                }
                PointerPhase::Drag => {
                    if let Some(gesture) = &mut self.gesture {
                        gesture.drag(event, context)?;
                    }
                }
                PointerPhase::Release => {
                    if let Some(mut gesture) = self.gesture.take() {
                        gesture.drag(event, context)?;
                        gesture.release(context.editor);
                        self.hovered = None;
                    }
                }
                PointerPhase::Hover => {
                    let deed = Deed::at(event, context.editor.document(), context.frame);
                    self.hovered = Some(deed.cursor());
                }
                PointerPhase::Press => {}
            }
        }
        Ok(())
    }

    fn press(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        if event.button != PointerButton::Primary {
            return Ok(());
        }
        let document = context.editor.document();
        let (deed, before) = (Deed::at(event, document, context.frame), document.frame());
        context.editor.begin(deed.label())?;
        self.gesture = Some(Gesture {
            before,
            start: outline_of(context.frame.rect),
            grabbed: event.position,
            deed,
            is_drag: false,
            is_command_free: !event.modifiers.command,
            met: Default::default(),
        });
        Ok(())
    }
}

impl Gesture {
    fn drag(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        let moved_px = self.grabbed.distance(event.position);
        self.is_drag |= moved_px * event.points_per_pixel >= SLOP_POINTS;
        self.is_command_free |= !event.modifiers.command;
        if !self.is_drag {
            return Ok(());
        }
        let document = context.editor.document();
        let multiple_px = context.frame.multiple_px.max(1);
        let rect = self.outcome(event, document.size_px(), multiple_px);
        // What no canvas could have, and what is no frame, is passed over.
        if document.allows_frame(rect, multiple_px) {
            context.editor.apply(Edit::SetFrame {
                before: self.before,
                after: FrameChoice::Fixed(rect),
            })?;
        }
        Ok(())
    }

    /// The frame as the pointer has it now.
    fn outcome(&mut self, event: &PointerEvent, size_px: [u32; 2], multiple_px: u32) -> CanvasRect {
        let snaps = !(event.modifiers.command && self.is_command_free);
        let snap = Snap {
            lines: Lines::edges(size_px),
            reach_px: match snaps {
                true => REACH_POINTS / event.points_per_pixel,
                false => -1.0,
            },
            grid_px: if snaps { multiple_px as f32 } else { 1.0 },
        };
        let (outline, sides) = match self.deed {
            Deed::Draw => (drawn(self.grabbed, event, &snap), [Side::EDGES; 2]),
            Deed::Move => {
                let start = std::slice::from_ref(&self.start);
                let by_px = moved_by(start, &[0], self.grabbed, event, &snap);
                (self.start.moved_by(by_px), [Side::ALL; 2])
            }
            Deed::Pull(grip) => {
                let [min, max] = pulled_to(&self.start, grip, self.grabbed, event, &snap);
                (BoundingBox::from_corners(min, max, ""), grip.moving_sides())
            }
        };
        self.met = snap.met(&outline, sides);
        rect_of(&outline)
    }

    /// Keeps what came out; a click, and a frame that is where it was, is no step.
    fn release(&self, editor: &mut DocumentEditor) {
        match self.is_drag && editor.document().frame() != self.before {
            true => editor.commit(),
            false => editor.cancel(),
        };
    }
}

impl Tool for FrameTool {
    fn info(&self) -> &'static ToolInfo {
        &INFO
    }

    fn target(&self, _document: &Document) -> Result<Target, ToolError> {
        Ok(Target::Frame)
    }

    fn handle(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        if !context.editor.is_busy() {
            // Undo, or another document, ended the gesture.
            self.gesture = None;
        }
        let result = self.take(events, context);
        if result.is_err() {
            self.cancel(context);
        }
        result
    }

    fn cancel(&mut self, context: &mut ToolContext<'_>) {
        if self.gesture.take().is_some() {
            context.editor.cancel();
        }
    }

    fn is_active(&self) -> bool {
        self.gesture.is_some()
    }

    fn overlay(&self, document: &Document) -> Overlay {
        let gesture = self.gesture.as_ref();
        let mut shapes = Vec::new();
        if let Some(gesture) = gesture.filter(|gesture| gesture.is_drag)
            && let FrameChoice::Fixed(rect) = document.frame()
        {
            let frame = outline_of(rect);
            shapes.extend(guides(&gesture.met, &frame, document.size_px()));
            let beyond = match document.rect().holds(&rect) {
                true => "",
                false => ", reaches over the edge",
            };
            shapes.push(OverlayShape::Note {
                at: CanvasPoint::new(frame.center().x, frame.max.y),
                text: format!("{}, {}{beyond}", rect.min[0], rect.min[1]),
            });
        }
        let hovered = self.hovered.unwrap_or(Cursor::Crosshair);
        Overlay {
            cursor: gesture.map_or(hovered, |gesture| gesture.deed.cursor()),
            shapes,
            standing: Vec::new(),
        }
    }
}

fn outline_of(frame: CanvasRect) -> BoundingBox {
    let point = |[x, y]: [i32; 2]| CanvasPoint::new(x as f32, y as f32);
    BoundingBox::from_corners(point(frame.min), point(frame.max), "")
}

fn rect_of(outline: &BoundingBox) -> CanvasRect {
    // The casts saturate.
    let corner = |at: CanvasPoint| [at.x.round() as i32, at.y.round() as i32];
    CanvasRect::from_min_max(corner(outline.min), corner(outline.max))
}

#[cfg(test)]
mod tests;
