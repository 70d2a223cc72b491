//! What is wrong with a job that cannot be done.

use super::control::MAX_CONTROLS;
use super::frame::FrameError;
use super::generate::MAX_SIDE_PX;
use super::layout::LayoutError;
use super::lora::LoraTagError;
use super::param::{Range, Value, WIDTH};
use super::semantic::SemanticError;

/// What sentences call a field: most are words that its options have too.
fn spoken(field: &str) -> String {
    match field {
        "layout_bias" => "box focus".to_owned(),
        "second_strength" => "the strength of the second pass".to_owned(),
        "second_steps" => "the number of steps of the second pass".to_owned(),
        "layout_weight" => "the weight of the boxes".to_owned(),
        "semantic_weight" => "the weight of the label map".to_owned(),
        field => field.replace('_', " "),
    }
}

/// What is wrong with a [`GenerateSpec`](super::GenerateSpec).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// The size cannot be painted.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// A number is outside of its range.
    #[error("{} is {value}; it must be {allowed}", spoken(field))]
    OutOfRange {
        /// The field, by its [id](super::param::Number::id).
        field: &'static str,
        /// The value given.
        value: Value,
        /// What is allowed.
        allowed: Range,
    },
    /// A picture cannot be enlarged.
    #[error(
        "{width_px} × {height_px} pixels cannot be enlarged; each side must be from 1 to {most_px}"
    )]
    Enlarged {
        /// Its width.
        width_px: u32,
        /// Its height.
        height_px: u32,
        /// The longest side that can be.
        most_px: u32,
    },
    /// A picture would be painted over at a size that cannot be painted.
    #[error(
        "made larger, the picture would have {} × {} pixels, and its second pass can have {MAX_SIDE_PX} a side; paint it smaller, or leave the second pass out",
        .0[0], .0[1]
    )]
    SecondPass([u32; 2]),
    /// A mask without a picture, or of another size.
    #[error(
        "the mask is {} × {} pixels but the picture is {} × {}; make them the same size",
        mask_px[0], mask_px[1], image_px[0], image_px[1]
    )]
    MaskSize {
        /// Size of the mask.
        mask_px: [u32; 2],
        /// Size of the picture.
        image_px: [u32; 2],
    },
    /// A mask without a picture.
    #[error("a mask was given without a picture; give the picture to repaint too")]
    MaskWithoutImage,
    /// Strengths without a mask.
    #[error("strengths were given without a mask; give the mask that they are for")]
    StrengthsWithoutMask,
    /// A frame cannot be.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// What is to be repainted in a frame has another size.
    #[error(
        "the picture is {} × {} pixels but its frame is {} × {}; cut it to the frame",
        image_px[0], image_px[1], frame_px[0], frame_px[1]
    )]
    FrameSize {
        /// Size of the picture.
        image_px: [u32; 2],
        /// Size of the frame.
        frame_px: [u32; 2],
    },
    /// A part of a picture is to go on over its edges.
    #[error(
        "a frame is a part of a picture and cannot be tiled; leave the frame or the tiling out"
    )]
    FrameTiled,
    /// A box cannot be.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A label map cannot be.
    #[error(transparent)]
    Semantic(#[from] SemanticError),
    /// A LoRA in the prompt cannot be understood.
    #[error(transparent)]
    LoraTag(#[from] LoraTagError),
    /// A control begins when it has ended.
    #[error(
        "the ControlNet {0} would begin when it has ended; let it begin before, such as from 0 to 1"
    )]
    ControlTimes(String),
    /// More controls than a job may have.
    #[error("a picture can be controlled by {MAX_CONTROLS} ControlNets at most; leave some out")]
    ManyControls,
    /// A control has no picture.
    #[error("there is no picture for the ControlNet {0} to see; give it one, or one to repaint")]
    ControlWithoutPicture(String),
    /// A LoRA's weight is no number.
    #[error("the weight of the LoRA {0} is no number from -100 to 100; give it one, such as 0.8")]
    LoraWeight(String),
}

/// A picture size that cannot be painted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "{width_px} × {height_px} pixels cannot be painted; each side must be {}",
    WIDTH.allowed
)]
pub struct SizeError {
    /// Width asked for.
    pub width_px: u32,
    /// Height asked for.
    pub height_px: u32,
}
