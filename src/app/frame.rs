//! Which part of the canvas the next job paints, at what size, and what that makes of
//! the job.

use std::cell::Cell;

use super::command::Command;
use super::form::Intent;
use super::state::AppState;
use crate::document::{DocumentId, DocumentRevision, Filling, FrameChoice};
use crate::frame::{FrameModel, around_mask, painted_px, usual_padding_px};
use crate::geometry::{CanvasPoint, CanvasRect};
use crate::recipe::MAX_SIDE_PX;
use crate::recipe::param::{Number, Range, Shown};
use crate::tools::{FRAME, FrameGuide};

/// Pixels of the picture around a mask that the model sees.
pub static PADDING: Number = Number {
    id: "padding",
    label: "Padding",
    hint: "How much of the picture around the mask the model sees, in pixels",
    unit: Some("px"),
    allowed: Range::whole(0, MAX_SIDE_PX as u64),
    offered: Range::whole(0, 512),
    shown: Shown::WholeByMagnitude,
    infotext: None,
};

/// A canvas of so many times the model's own pixels is more than it paints at once.
const FAR_TOO_LARGE: u64 = 16;

/// Something that is done to the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FrameCommand {
    /// Chooses what is painted.
    Choose(FrameChoice),
    /// Puts the frame around the mask, where it stays.
    FitMask,
    /// Puts the frame around the canvas.
    FitCanvas,
    /// Puts the frame somewhere by numbers.
    Place {
        /// Where.
        rect: CanvasRect,
        /// Whether this is the end of the change: one undo step per drag.
        done: bool,
    },
    /// Gives the frame another size about its middle.
    Resize([u32; 2]),
    /// Moves the frame by so many multiples of what suits the model, right and down.
    Nudge([i32; 2]),
    /// Shows the frame with every tool, or only with its own.
    ToggleOnCanvas,
}

impl From<FrameCommand> for Command {
    fn from(command: FrameCommand) -> Self {
        Self::Frame(command)
    }
}

/// The part of the canvas that a job paints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobFrame {
    /// Where it lies; it may reach over the edges.
    pub rect: CanvasRect,
    /// The size at which the model paints it.
    pub painted_px: [u32; 2],
}

impl JobFrame {
    /// A position on the canvas in pixels of what is painted.
    pub fn painted_at(&self, point: CanvasPoint) -> CanvasPoint {
        let [left, top] = self.rect.min.map(|at| at as f32);
        let [across, down] = self.scale();
        CanvasPoint::new((point.x - left) * across, (point.y - top) * down)
    }

    /// Painted pixels in one of the canvas, along each axis.
    fn scale(&self) -> [f32; 2] {
        let size_px = self.rect.size_px();
        [0, 1].map(|axis: usize| self.painted_px[axis] as f32 / size_px[axis].max(1) as f32)
    }
}

/// How the frame is shown on the canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameShown {
    /// Where it lies.
    pub rect: CanvasRect,
    /// Its size, and that at which it is painted.
    pub label: String,
    /// Whether its tool is in hand.
    pub is_in_hand: bool,
}

/// How much there is in a part of a document: asked often, and worked out once.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownFilling(Cell<Option<(DocumentId, DocumentRevision, CanvasRect, Filling)>>);

impl AppState {
    /// What a frame has to know of the chosen model.
    pub fn frame_model(&self) -> FrameModel {
        let model = self.model_summary();
        FrameModel {
            native_px: model.map_or(64, |model| model.native_size_px).max(1),
            multiple_px: model.map_or(8, |model| model.size_multiple_px).max(1),
            composes: model.is_some_and(|model| model.places_boxes),
        }
    }

    /// The frame of the next job; `None` where it paints the whole canvas, pixel for
    /// pixel.
    pub fn job_frame(&self) -> Option<JobFrame> {
        let rect = match self.document().frame() {
            FrameChoice::Automatic => self.automatic_frame(),
            FrameChoice::Canvas => None,
            FrameChoice::Fixed(rect) => Some(rect),
        }?;
        Some(JobFrame {
            rect,
            painted_px: painted_px(rect.size_px(), self.frame_model()),
        })
    }

    /// What suits the mask, where there is one and the picture is larger than the model's.
    fn automatic_frame(&self) -> Option<CanvasRect> {
        let document = self.document();
        let heeds_mask = self.front().heeds_mask && document.has_picture();
        if !heeds_mask || !self.frame_model().is_smaller_than(document.size_px()) {
            return None;
        }
        self.around_mask()
    }

    /// The frame that suits the mask; `None` where nothing is masked.
    pub fn around_mask(&self) -> Option<CanvasRect> {
        let document = self.document();
        let rect = around_mask(
            document.mask_bounds(),
            self.padding_px(),
            document.size_px(),
            self.frame_model(),
        );
        (!rect.is_empty()).then_some(rect)
    }

    /// How much of the picture around the mask the model sees.
    pub fn padding_px(&self) -> u32 {
        let chosen = self.form().framing.padding_px;
        chosen
            .unwrap_or_else(|| usual_padding_px(self.document().mask_bounds(), self.frame_model()))
    }

    /// Whether the padding decides where the frame of the next job lies.
    pub fn uses_padding(&self) -> bool {
        self.document().frame() == FrameChoice::Automatic && self.job_frame().is_some()
    }

    /// Whether the next job keeps to the inside of a mask that was drawn.
    pub fn heeds_mask(&self) -> bool {
        let document = self.document();
        let has_mask = match self.job_frame() {
            Some(frame) => document.has_mask_in(frame.rect),
            None => document.has_mask_content(),
        };
        has_mask && self.front().heeds_mask
    }

    /// What a press on Generate would do inside of a frame.
    pub(super) fn intent_in(&self, frame: JobFrame) -> Intent {
        let has_start = self.heeds_mask() || self.front().starts_from_picture;
        match self.filling(frame.rect) {
            Filling::Partly if has_start => Intent::Outpaint,
            Filling::Whole if self.heeds_mask() => Intent::Inpaint,
            Filling::Whole if has_start => Intent::ImageToImage,
            Filling::Nothing | Filling::Partly | Filling::Whole => Intent::TextToImage,
        }
    }

    fn filling(&self, part: CanvasRect) -> Filling {
        let document = self.document();
        let asked = (document.id(), document.revision(), part);
        if let Some((id, revision, part, filling)) = self.known_filling.0.get()
            && (id, revision, part) == asked
        {
            return filling;
        }
        let filling = document.filling(part);
        let (id, revision, part) = asked;
        self.known_filling
            .0
            .set(Some((id, revision, part, filling)));
        filling
    }

    /// Why the next job cannot be painted in its frame, as a sentence.
    pub(super) fn frame_obstacle(&self) -> Option<&'static str> {
        let frame = self.job_frame()?;
        let is_allowed = self.document().allows_frame(frame.rect, 1);
        (!is_allowed).then_some(
            "The canvas would have more than 8192 pixels a side: move the frame nearer to it",
        )
    }

    /// What the frame leaves out, or what a frame would help, as a sentence.
    pub fn frame_concern(&self) -> Option<String> {
        let document = self.document();
        let Some(frame) = self.job_frame() else {
            let model = self.model_summary()?;
            let area = |[width, height]: [u32; 2]| u64::from(width) * u64::from(height);
            let native = [model.native_size_px; 2];
            let is_large = area(self.painted_size_px()) > FAR_TOO_LARGE * area(native);
            let windows = self.windows(self.form().spec.windows);
            let windows = windows.side_px(self.painted_size_px(), model.native_size_px);
            return (is_large && windows.is_none()).then(|| {
                let side = model.native_size_px;
                let name = &model.name;
                format!(
                    "This is far more than the {side} × {side} that {name} paints well: press C \
                     and draw a frame"
                )
            });
        };
        let mask = document.mask_bounds();
        if mask.is_empty() || !self.front().heeds_mask || frame.rect.holds(&mask) {
            return None;
        }
        Some(match document.has_mask_in(frame.rect) {
            true => "A part of the mask lies outside of the frame and is left alone".to_owned(),
            false => "The mask lies outside of the frame and is not heeded".to_owned(),
        })
    }

    /// How the frame is shown now, if it is.
    pub fn frame_shown(&self) -> Option<FrameShown> {
        let is_in_hand = frame_is_in_hand(self);
        let frame = self.job_frame();
        let is_seen = frame.is_some() && self.settings.panels.frame_on_canvas;
        if !is_in_hand && !is_seen {
            return None;
        }
        let rect = frame.map_or_else(|| self.document().rect(), |frame| frame.rect);
        let [[width, height], [across, down]] = [rect.size_px(), self.painted_size_px()];
        let label = match [width, height] == [across, down] {
            true => format!("{width} × {height}"),
            false => format!("{width} × {height} → {across} × {down}"),
        };
        Some(FrameShown {
            rect,
            label,
            is_in_hand,
        })
    }

    /// What the frame tool is to know.
    pub(super) fn frame_guide(&self) -> FrameGuide {
        let frame = self.job_frame();
        FrameGuide {
            rect: frame.map_or_else(|| self.document().rect(), |frame| frame.rect),
            multiple_px: self.frame_model().multiple_px,
        }
    }
}

/// Whether the tool for the frame is in hand.
pub fn frame_is_in_hand(state: &AppState) -> bool {
    state.toolbox.active().id == FRAME
}
