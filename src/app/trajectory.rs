//! The steps of a job: where they stand, which are kept, and what names one.

use std::sync::Arc;

use image::{GrayImage, RgbaImage};

use super::background::Origin;
use crate::document::{Document, DocumentId, DocumentRevision, DocumentSnapshot};
use crate::engine::protocol::{StepId, TrajectoryFrame};
use crate::geometry::CanvasRect;
use crate::gpu::share::SharedTensor;
use crate::recipe::GenerateSpec;

/// Most bytes of trajectory frames that are kept for the strip.
const STRIP_BUDGET_BYTES: usize = 256 << 20;

/// Most bytes of those that lie on the graphics card, where the next job wants
/// them. A step without them is shown from its small picture.
const PLANES_BUDGET_BYTES: usize = 64 << 20;

/// Where the pictures of a job belong: kept from the moment in which the job is
/// described until its last picture stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The document that the job was described from.
    pub document: DocumentId,
    /// What the document was then.
    pub revision: DocumentRevision,
    /// The part of the document's plane that the pictures cover: the whole canvas as it
    /// was then, or the frame.
    pub area: CanvasRect,
    /// Whether it is a frame.
    pub is_framed: bool,
    /// Whether the picture of the document ends in the frame.
    pub is_beyond: bool,
    /// Where they show; everywhere if there is none.
    pub mask: Option<Arc<GrayImage>>,
}

impl Placement {
    /// All of a document.
    pub(super) fn whole(document: &DocumentSnapshot) -> Self {
        Self {
            document: document.id(),
            revision: document.revision(),
            area: document.on_plane(document.rect()),
            is_framed: false,
            is_beyond: false,
            mask: None,
        }
    }

    /// Where the pictures of a job belong that was described from a document, as that is
    /// now. What is painted smaller and finished to its size covers it.
    pub(super) fn of(origin: &Origin, spec: &GenerateSpec, canvas: Option<&Document>) -> Self {
        let painted_px = [spec.width_px, spec.height_px];
        let finished_px = spec.finish.map(|finish| finish.finished_px(painted_px));
        let canvas_px = canvas.map(Document::size_px);
        let covered_px = finished_px.filter(|finished_px| canvas_px == Some(*finished_px));
        let covered = CanvasRect::from_size(covered_px.unwrap_or(painted_px));
        let covered = canvas.map_or(covered, |canvas| canvas.on_plane(covered));
        Self {
            document: origin.document,
            revision: origin.revision,
            area: origin.area.unwrap_or(covered),
            is_framed: origin.area.is_some(),
            is_beyond: origin.keeps_opaque,
            mask: spec.mask.as_ref().map(|mask| Arc::clone(&mask.0)),
        }
    }
}

/// The steps of one job that are kept, in order.
#[derive(Clone, Debug, Default)]
pub struct Run {
    frames: Vec<TrajectoryFrame>,
    size_bytes: usize,
}

impl Run {
    /// The steps that are kept, in order.
    pub fn frames(&self) -> &[TrajectoryFrame] {
        &self.frames
    }

    /// The frame of a step, if it is kept.
    pub fn frame(&self, step: StepId) -> Option<&TrajectoryFrame> {
        self.frames.iter().find(|frame| StepId::of(frame) == step)
    }

    /// Adds the newest step. Where all of them would take too much memory, every
    /// other one goes, so that the whole run stays in view; the one that is shown
    /// stays.
    pub fn push(&mut self, frame: TrajectoryFrame, shown: Option<StepId>) {
        self.frames.push(frame);
        let planes: Vec<usize> = self
            .frames
            .iter()
            .map(TrajectoryFrame::planes_bytes)
            .collect();
        let shown_index = self
            .frames
            .iter()
            .position(|frame| Some(StepId::of(frame)) == shown);
        for (frame, keeps) in self
            .frames
            .iter_mut()
            .zip(kept_planes(&planes, shown_index))
        {
            frame.planes = frame.planes.take().filter(|_| keeps);
        }
        self.size_bytes = self.frames.iter().map(TrajectoryFrame::size_bytes).sum();
        while self.size_bytes > STRIP_BUDGET_BYTES && self.frames.len() > 3 {
            let last = self.frames.len() - 1;
            let mut index = 0;
            self.frames.retain(|frame| {
                let keep = index % 2 == 0 || index == last || Some(StepId::of(frame)) == shown;
                index += 1;
                keep
            });
            self.size_bytes = self.frames.iter().map(TrajectoryFrame::size_bytes).sum();
        }
    }
}

/// Which frames keep what they hold on the graphics card: the shown one, the last
/// one, and of the others the newest for which there is room.
fn kept_planes(bytes: &[usize], shown: Option<usize>) -> Vec<bool> {
    let mut left = PLANES_BUDGET_BYTES.saturating_sub(shown.map_or(0, |shown| bytes[shown]));
    let mut kept = vec![false; bytes.len()];
    for (index, bytes) in bytes.iter().enumerate().rev() {
        let is_wanted = Some(index) == shown || index + 1 == kept.len();
        kept[index] = is_wanted || *bytes <= left;
        if kept[index] && Some(index) != shown {
            left = left.saturating_sub(*bytes);
        }
    }
    kept
}

/// A picture that stands on the canvas for now: a step of a trajectory.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The picture, possibly smaller than the place it fills.
    pub image: Arc<RgbaImage>,
    /// The same picture in full on the window's graphics card, if it is there.
    pub planes: Option<Arc<SharedTensor>>,
    /// Where it stands.
    pub place: Placement,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::JobId;

    fn frame(step: u32) -> TrajectoryFrame {
        TrajectoryFrame {
            job: JobId(1),
            index: 0,
            step,
            total: 20,
            image: Arc::new(RgbaImage::new(2048, 2048)),
            planes: None,
        }
    }

    #[test]
    fn a_long_run_is_thinned_out_but_keeps_its_last_and_its_shown_step() {
        let shown = StepId {
            job: JobId(1),
            picture: 0,
            step: 2,
        };
        let mut run = Run::default();
        (1..=20).for_each(|step| run.push(frame(step), Some(shown)));
        let steps: Vec<u32> = run.frames().iter().map(|frame| frame.step).collect();
        assert!(steps.len() <= 16, "{steps:?}");
        assert_eq!((steps.first(), steps.last()), (Some(&1), Some(&20)));
        let kept = run.frame(shown).expect("what is looked at stays");
        assert_eq!(kept.step, 2);
    }

    #[test]
    fn the_graphics_card_keeps_the_newest_steps_and_the_shown_one() {
        const MIB: usize = 1 << 20;
        let count = |kept: &[bool]| kept.iter().filter(|kept| **kept).count();
        let kept = kept_planes(&[3 * MIB; 40], None);
        assert_eq!(count(&kept), 21);
        assert!(kept[19..].iter().all(|kept| *kept));
        let kept = kept_planes(&[3 * MIB; 40], Some(0));
        assert_eq!(count(&kept), 21);
        assert!(kept[0] && kept[39] && !kept[1]);
        // The last one stays, however large.
        assert_eq!(kept_planes(&[100 * MIB; 3], None), [false, false, true]);
        assert_eq!(kept_planes(&[0; 3], None), [true; 3]);
    }
}
