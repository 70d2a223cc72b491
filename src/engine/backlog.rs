//! The frames that the strip has not fetched yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::protocol::TrajectoryFrame;

/// Most bytes of pixels that wait to be fetched.
const BUDGET_BYTES: usize = 64 << 20;

/// Frames in the order in which they were made, until somebody drains them.
///
/// The engine never waits for the window: when nobody drains, the oldest
/// frames go first, so that the bytes held stay under a budget.
#[derive(Clone, Debug, Default)]
pub struct FrameBacklog {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    frames: VecDeque<TrajectoryFrame>,
    size_bytes: usize,
    is_watched: bool,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            size_bytes: 0,
            is_watched: true,
        }
    }
}

impl FrameBacklog {
    /// Adds the newest frame.
    pub fn push(&self, frame: TrajectoryFrame) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.size_bytes += frame.size_bytes();
        waiting.frames.push_back(frame);
        while waiting.size_bytes > BUDGET_BYTES && waiting.frames.len() > 1 {
            if let Some(oldest) = waiting.frames.pop_front() {
                waiting.size_bytes -= oldest.size_bytes();
            }
        }
    }

    /// Says whether anybody looks at frames; if not, none need be made.
    pub fn set_watched(&self, is_watched: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_watched = is_watched;
    }

    /// Whether anybody looks at frames.
    pub fn is_watched(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_watched
    }

    /// Takes every waiting frame, oldest first.
    pub fn drain(&self) -> Vec<TrajectoryFrame> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.size_bytes = 0;
        waiting.frames.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::JobId;

    fn frame(step: u32, side_px: u32) -> TrajectoryFrame {
        let image = Arc::new(image::RgbaImage::new(side_px, side_px));
        TrajectoryFrame {
            job: JobId(1),
            index: 0,
            step,
            total: 9,
            image,
            planes: None,
        }
    }

    #[test]
    fn frames_come_out_in_order_and_once() {
        let backlog = FrameBacklog::default();
        (1..=3).for_each(|step| backlog.push(frame(step, 4)));
        let steps: Vec<u32> = backlog.drain().iter().map(|frame| frame.step).collect();
        assert_eq!(steps, [1, 2, 3]);
        assert!(backlog.drain().is_empty());
    }

    #[test]
    fn the_oldest_frames_go_when_the_budget_is_spent() {
        let backlog = FrameBacklog::default();
        // Each frame is 16 MiB, so four fit.
        (1..=6).for_each(|step| backlog.push(frame(step, 2048)));
        let steps: Vec<u32> = backlog.drain().iter().map(|frame| frame.step).collect();
        assert_eq!(steps, [3, 4, 5, 6]);
    }
}
