//! The hand: drags the picture, enlarges it on a click.

use super::event::{PointerEvent, PointerPhase};
use super::overlay::{Cursor, Overlay};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo};
use crate::document::Document;
use crate::geometry::{CanvasPoint, CanvasView};
use crate::icons;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("pan_zoom"),
    label: "Hand",
    icon: icons::HAND,
    key: "H",
    hint: "Drag to move the picture. Click to enlarge, Alt-click to reduce.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(HandTool::default())
}

/// Screen pixels that the pointer may move and still have clicked.
const CLICK_SLOP_PX: f32 = 4.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Ready,
    /// The button is down and the pointer has hardly moved.
    Pressed {
        grabbed: CanvasPoint,
        before: CanvasView,
    },
    Dragging {
        grabbed: CanvasPoint,
        before: CanvasView,
    },
}

/// Drags the picture; a click enlarges about the pointer, an Alt-click reduces.
#[derive(Debug, Default)]
struct HandTool {
    state: State,
}

impl HandTool {
    fn transition(&self, event: &PointerEvent, view: &mut CanvasView) -> State {
        match (self.state, event.phase) {
            (State::Ready, PointerPhase::Press) => State::Pressed {
                grabbed: event.position,
                before: *view,
            },
            (State::Pressed { grabbed, before }, PointerPhase::Drag) => {
                if grabbed.distance(event.position) * view.zoom < CLICK_SLOP_PX {
                    return self.state;
                }
                *view = view.dragged(grabbed, event.position);
                State::Dragging { grabbed, before }
            }
            (State::Dragging { grabbed, before }, PointerPhase::Drag) => {
                *view = view.dragged(grabbed, event.position);
                State::Dragging { grabbed, before }
            }
            (State::Pressed { grabbed, .. }, PointerPhase::Release) => {
                *view = if event.modifiers.alt {
                    view.zoomed_out(grabbed)
                } else {
                    view.zoomed_in(grabbed)
                };
                State::Ready
            }
            (_, PointerPhase::Release) => State::Ready,
            (state, _) => state,
        }
    }
}

impl Tool for HandTool {
    fn info(&self) -> &'static ToolInfo {
        &INFO
    }

    fn target(&self, _document: &Document) -> Result<Target, ToolError> {
        Ok(Target::View)
    }

    fn handle(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        for (index, event) in events.iter().enumerate() {
            // The view moves under the pointer, so that of several drags in one
            // frame only the last is told in a view that it still knows.
            let next = events.get(index + 1).map(|next| next.phase);
            if (event.phase, next) != (PointerPhase::Drag, Some(PointerPhase::Drag)) {
                self.state = self.transition(event, context.view);
            }
        }
        Ok(())
    }

    fn cancel(&mut self, context: &mut ToolContext<'_>) {
        if let State::Pressed { before, .. } | State::Dragging { before, .. } = self.state {
            *context.view = before;
        }
        self.state = State::Ready;
    }

    fn is_active(&self) -> bool {
        self.state != State::Ready
    }

    fn overlay(&self, _document: &Document) -> Overlay {
        if self.is_active() {
            Cursor::Grabbing.into()
        } else {
            Cursor::Grab.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentEditor;
    use crate::tools::FrameGuide;

    fn event(phase: PointerPhase, x: f32) -> PointerEvent {
        PointerEvent::new(phase, CanvasPoint::new(x, 0.0))
    }

    #[test]
    fn a_click_enlarges_and_an_alt_click_reduces() {
        let mut tool = HandTool::default();
        let mut view = CanvasView {
            zoom: 1.0,
            ..CanvasView::default()
        };
        tool.state = tool.transition(&event(PointerPhase::Press, 5.0), &mut view);
        tool.state = tool.transition(&event(PointerPhase::Release, 5.0), &mut view);
        assert_eq!(view.zoom, 2.0);
        tool.state = tool.transition(&event(PointerPhase::Press, 5.0), &mut view);
        let mut up = event(PointerPhase::Release, 5.0);
        up.modifiers.alt = true;
        tool.state = tool.transition(&up, &mut view);
        assert_eq!(view.zoom, 1.0);
        assert_eq!(tool.state, State::Ready);
    }

    #[test]
    fn a_drag_moves_the_view_against_the_pointer() {
        let mut tool = HandTool::default();
        let mut view = CanvasView {
            zoom: 1.0,
            ..CanvasView::default()
        };
        tool.state = tool.transition(&event(PointerPhase::Press, 5.0), &mut view);
        tool.state = tool.transition(&event(PointerPhase::Drag, 25.0), &mut view);
        assert_eq!(view.center.x, -20.0);
        tool.state = tool.transition(&event(PointerPhase::Release, 25.0), &mut view);
        assert_eq!(tool.state, State::Ready);
        assert_eq!(view.zoom, 1.0);
    }

    #[test]
    fn many_drags_in_one_frame_move_the_view_as_one() {
        let moved = |events: &[PointerEvent]| {
            let mut editor = DocumentEditor::new(Document::blank([64, 64]).unwrap());
            let mut view = CanvasView {
                zoom: 1.0,
                ..CanvasView::default()
            };
            let mut context = ToolContext {
                editor: &mut editor,
                view: &mut view,
                frame: FrameGuide::default(),
                colours: &mut crate::tools::Colours::default(),
            };
            HandTool::default().handle(events, &mut context).unwrap();
            view.center.x
        };
        let press = event(PointerPhase::Press, 5.0);
        let drags = [10.0, 17.0, 25.0].map(|x| event(PointerPhase::Drag, x));
        assert_eq!(moved(&[press, drags[2]]), -20.0);
        assert_eq!(moved(&[press, drags[0], drags[1], drags[2]]), -20.0);
    }
}
