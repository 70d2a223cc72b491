//! The generation frame: the part of a picture that a model sees and paints.
//!
//! A job paints what is inside of a frame, at the size that suits the model, and
//! gives back a patch of the frame's own size. Here are all the steps around the
//! painting, and nothing of the painting itself: where a frame lies and how large it
//! is painted. It knows numbers and pixels only, no document and no model, so that
//! the window, the command line and the engine share one rule.

mod place;

pub use place::{FrameModel, RATIOS, around_mask, painted_px, usual_padding_px};
