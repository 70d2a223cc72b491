//! What is done to the frame.

use super::Core;
use crate::app::frame::FrameCommand;
use crate::app::notices::Severity;
use crate::document::{DocumentError, FrameChoice};
use crate::geometry::CanvasRect;

impl Core {
    pub(super) fn change_frame(&mut self, command: FrameCommand) -> Result<(), DocumentError> {
        let state = &self.state;
        let rect = state.frame_guide().rect;
        let (label, choice) = match command {
            FrameCommand::Choose(choice) => ("Choose frame", choice),
            FrameCommand::FitCanvas => ("Fit frame", FrameChoice::Fixed(state.document().rect())),
            FrameCommand::FitMask => match state.around_mask() {
                Some(rect) => ("Fit frame", FrameChoice::Fixed(rect)),
                None => {
                    let text = "There is no mask to fit the frame to: paint one first";
                    self.state.notices.push(Severity::Info, text);
                    return Ok(());
                }
            },
            FrameCommand::Place { rect, .. } => ("Place frame", FrameChoice::Fixed(rect)),
            FrameCommand::Resize(size_px) => {
                ("Resize frame", FrameChoice::Fixed(resized(rect, size_px)))
            }
            FrameCommand::Nudge(steps) => {
                let multiple_px = state.frame_model().multiple_px;
                let moved = FrameChoice::Fixed(nudged(rect, steps, multiple_px));
                ("Nudge frame", moved)
            }
            FrameCommand::ToggleOnCanvas => {
                self.state.settings.panels.frame_on_canvas ^= true;
                return Ok(());
            }
        };
        if let FrameChoice::Fixed(rect) = choice
            && !state.document().allows_frame(rect, 1)
        {
            return Ok(());
        }
        let editor = &mut self.state.documents.front_mut().editor;
        editor.set_frame(label, choice)?;
        if matches!(
            command,
            FrameCommand::Choose(_)
                | FrameCommand::FitMask
                | FrameCommand::FitCanvas
                | FrameCommand::Resize(_)
                | FrameCommand::Place { done: true, .. }
        ) {
            editor.end_slider_drag();
        }
        Ok(())
    }
}

/// A frame of another size with the same middle.
fn resized(rect: CanvasRect, size_px: [u32; 2]) -> CanvasRect {
    let start = |axis: usize| {
        let middle = i64::from(rect.min[axis]) + i64::from(rect.max[axis]);
        // Within a canvas, whose sides are far below what fits.
        (middle - i64::from(size_px[axis])).div_euclid(2) as i32
    };
    CanvasRect::from_min_size([start(0), start(1)], size_px)
}

/// A frame moved so many steps from multiple to multiple; the first step may be shorter.
fn nudged(rect: CanvasRect, steps: [i32; 2], multiple_px: u32) -> CanvasRect {
    let multiple = i32::try_from(multiple_px.max(1)).unwrap_or(1);
    let by = |axis: usize| {
        let at = rect.min[axis];
        let beyond = at.rem_euclid(multiple);
        match steps[axis] {
            0 => 0,
            steps if steps < 0 && beyond > 0 => (steps + 1) * multiple - beyond,
            steps => steps * multiple - beyond,
        }
    };
    rect.moved_by([by(0), by(1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_nudged_from_multiple_to_multiple() {
        let at = |x, y| CanvasRect::from_min_size([x, y], [20, 10]);
        assert_eq!(nudged(at(3, -3), [1, 1], 8), at(8, 0));
        assert_eq!(nudged(at(3, -3), [-1, -1], 8), at(0, -8));
        assert_eq!(nudged(at(8, 16), [-1, 8], 8), at(0, 80));
        assert_eq!(nudged(at(5, 5), [0, 0], 8), at(5, 5));
    }

    #[test]
    fn frames_are_resized_about_their_middle() {
        let rect = CanvasRect::from_min_size([10, 20], [20, 10]);
        let larger = CanvasRect::from_min_size([0, -5], [40, 60]);
        assert_eq!(resized(rect, [40, 60]), larger);
        assert_eq!(resized(larger, [20, 10]), rect);
    }
}
