//! Which part of a picture a job sees and paints, and what stands there at first.

use serde::{Deserialize, Serialize};

use super::generate::MAX_SIDE_PX;
use crate::geometry::CanvasRect;

/// Beyond this many pixels from the corner of the picture no frame is meant.
const FARTHEST_PX: i32 = 1 << 20;

/// What stands at first where the picture has nothing: where it is transparent, and
/// beyond its edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Infill {
    /// The colour of the nearest pixel that there is.
    #[default]
    EdgeColour,
    /// A smooth passage between the colours around.
    Blur,
    /// A smooth passage, as rough as the picture is.
    Noise,
    /// Pieces of the picture that fit each other.
    PatchMatch,
}

impl Infill {
    /// All, in the order in which menus list them.
    pub const ALL: [Self; 4] = [Self::EdgeColour, Self::Blur, Self::Noise, Self::PatchMatch];

    /// What the command line calls it.
    pub fn id(self) -> &'static str {
        match self {
            Self::EdgeColour => "edge-colour",
            Self::Blur => "blur",
            Self::Noise => "noise",
            Self::PatchMatch => "patchmatch",
        }
    }

    /// What menus call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::EdgeColour => "Edge colour",
            Self::Blur => "Blur",
            Self::Noise => "Noise",
            Self::PatchMatch => "PatchMatch",
        }
    }
}

/// What stands at first inside of the mask. It is seen where the strength is less than
/// all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskedContent {
    /// The picture.
    #[default]
    Original,
    /// The infill, as if the picture had nothing there.
    Fill,
    /// Latents of noise.
    LatentNoise,
    /// Latents of zero.
    LatentNothing,
}

impl MaskedContent {
    /// All, in the order in which menus list them.
    pub const ALL: [Self; 4] = [
        Self::Original,
        Self::Fill,
        Self::LatentNoise,
        Self::LatentNothing,
    ];

    /// What the command line calls it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Fill => "fill",
            Self::LatentNoise => "latent-noise",
            Self::LatentNothing => "latent-nothing",
        }
    }

    /// What menus call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Original => "Original",
            Self::Fill => "Fill",
            Self::LatentNoise => "Latent noise",
            Self::LatentNothing => "Latent nothing",
        }
    }

    /// What A1111's infotext calls it; it does not speak of the original.
    pub(super) fn infotext(self) -> Option<&'static str> {
        match self {
            Self::Original => None,
            Self::Fill => Some("fill"),
            Self::LatentNoise => Some("latent noise"),
            Self::LatentNothing => Some("latent nothing"),
        }
    }
}

/// How a frame is put around a mask, and what stands in it at first: what a user
/// chooses once for many frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Framing {
    /// Pixels around the mask that the job sees; `None` takes what suits the mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding_px: Option<u32>,
    /// What stands where the picture has nothing.
    pub infill: Infill,
    /// What stands inside of the mask.
    pub masked_content: MaskedContent,
}

/// The part of a picture that a job sees and paints, in pixels of the picture. It may
/// reach over the picture's edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameSpec {
    /// Its first column.
    pub x: i32,
    /// Its first row.
    pub y: i32,
    /// Columns.
    pub width_px: u32,
    /// Rows.
    pub height_px: u32,
    /// How it came about.
    #[serde(flatten)]
    pub framing: Framing,
}

/// Why there can be no such frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Its size cannot be.
    #[error(
        "the frame is {} × {} pixels; each side must be from 1 to {MAX_SIDE_PX}",
        .0[0], .0[1]
    )]
    Size([u32; 2]),
    /// It lies nowhere near the picture.
    #[error("the frame begins at {}, {}, far outside of the picture; move it onto the picture", .0[0], .0[1])]
    Place([i32; 2]),
}

impl FrameSpec {
    /// The frame of a rectangle.
    pub fn new(rect: CanvasRect, framing: Framing) -> Self {
        Self {
            x: rect.min[0],
            y: rect.min[1],
            width_px: rect.width(),
            height_px: rect.height(),
            framing,
        }
    }

    /// Where it lies.
    pub fn rect(&self) -> CanvasRect {
        CanvasRect::from_min_size([self.x, self.y], self.size_px())
    }

    /// Width and height.
    pub fn size_px(&self) -> [u32; 2] {
        [self.width_px, self.height_px]
    }

    /// Checks size and place.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn validate(&self) -> Result<(), FrameError> {
        let allowed = 1..=MAX_SIDE_PX;
        if !self.size_px().iter().all(|side| allowed.contains(side)) {
            return Err(FrameError::Size(self.size_px()));
        }
        let near = -FARTHEST_PX..=FARTHEST_PX;
        if !near.contains(&self.x) || !near.contains(&self.y) {
            return Err(FrameError::Place([self.x, self.y]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_json_and_old_ones_have_defaults() {
        let frame = FrameSpec {
            framing: Framing {
                padding_px: Some(12),
                infill: Infill::PatchMatch,
                masked_content: MaskedContent::LatentNoise,
            },
            ..FrameSpec::new(
                CanvasRect::from_min_max([-5, 3], [59, 40]),
                Framing::default(),
            )
        };
        let text = serde_json::to_string(&frame).unwrap();
        assert_eq!(serde_json::from_str::<FrameSpec>(&text).unwrap(), frame);
        assert!(text.contains("\"infill\":\"patch_match\""), "{text}");
        let bare = r#"{"x": 1, "y": 2, "width_px": 3, "height_px": 4}"#;
        let bare: FrameSpec = serde_json::from_str(bare).unwrap();
        assert_eq!(bare.rect(), CanvasRect::from_min_max([1, 2], [4, 6]));
        assert_eq!(bare.framing, Framing::default());
    }

    #[test]
    fn absurd_frames_are_refused() {
        let frame = |x, width_px| FrameSpec {
            x,
            width_px,
            height_px: 64,
            ..FrameSpec::default()
        };
        assert_eq!(frame(-64, 64).validate(), Ok(()));
        for (x, width) in [
            (0, 0),
            (0, MAX_SIDE_PX + 1),
            (i32::MIN, 64),
            (i32::MAX, u32::MAX),
        ] {
            assert!(frame(x, width).validate().is_err(), "{x}, {width}");
        }
    }
}
