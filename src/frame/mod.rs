//! The generation frame: the part of a picture that a model sees and paints.
//!
//! A job paints what is inside of a frame, at the size that suits the model, and
//! gives back a patch of the frame's own size. Here are all the steps around the
//! painting, and nothing of the painting itself: where a frame lies ([`around_mask`]),
//! what is cut for it ([`cut_picture`], [`Repaint`]), what lies around it
//! ([`surroundings`]), what the model sees of that
//! ([`FrameView`]), and how what it painted goes back ([`stitched`]). It knows numbers
//! and pixels only, no document and no model, so that the window, the command line and
//! the engine share one rule.

mod cut;
mod distance;
mod grown;
mod infill;
mod masks;
mod membrane;
mod paste;
mod place;
mod removed;
mod rim;
mod stitch;
mod surroundings;
mod view;

pub use cut::{Repaint, cut_layout, cut_mask, cut_picture, cut_semantic, join_empty, keep_rim};
pub use distance::mask_bounds;
pub use grown::{grown_px, with_patch};
pub use masks::MaskUnion;
pub use paste::paste_back;
pub use place::{FrameModel, RATIOS, around_mask, painted_px, usual_padding_px};
pub use removed::{removal_part, removed};
pub use stitch::{patch_bytes, scaled_to, stitched};
pub use surroundings::{surroundings, surroundings_px};
pub use view::FrameView;
