//! The hand: drags the picture, enlarges it on a click.

use super::event::{PointerEvent, PointerPhase};
use super::settings::ToolSettings;
use super::tool::{Tool, ToolContext, ToolCursor, ToolError, ToolId, ToolResponse};
use crate::geometry::{CanvasPoint, CanvasView};

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
pub struct PanZoomTool {
    state: State,
}

impl PanZoomTool {
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

impl Tool for PanZoomTool {
    fn id(&self) -> ToolId {
        ToolId::PanZoom
    }

    fn handle(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<ToolResponse, ToolError> {
        self.state = self.transition(event, context.view);
        Ok(ToolResponse::default())
    }

    fn cancel(&mut self, context: &mut ToolContext<'_>) -> ToolResponse {
        if let State::Pressed { before, .. } | State::Dragging { before, .. } = self.state {
            *context.view = before;
        }
        self.state = State::Ready;
        ToolResponse::default()
    }

    fn is_active(&self) -> bool {
        self.state != State::Ready
    }

    fn cursor(&self, _settings: &ToolSettings) -> ToolCursor {
        if self.is_active() {
            ToolCursor::Grabbing
        } else {
            ToolCursor::Grab
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(phase: PointerPhase, x: f32) -> PointerEvent {
        PointerEvent::new(phase, CanvasPoint::new(x, 0.0))
    }

    #[test]
    fn a_click_enlarges_and_an_alt_click_reduces() {
        let mut tool = PanZoomTool::default();
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
        let mut tool = PanZoomTool::default();
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
}
