//! What a job is made of: plain, serialisable descriptions of a generation or a
//! training run, and the forms in which they travel inside picture files.
//!
//! Everybody may use this room; it uses only `std`, `serde` and `image`. It is
//! the one vocabulary shared by the window, the command line, the engine and
//! the samplers, so that a picture made in one of them can be made again in
//! any other.

mod generate;
mod train;

pub use generate::{
    GenerateSpec, ImageInput, MaskInput, ModelSource, SamplerKind, SizeError, SpecError,
};
pub use train::{TrainSpec, TrainTarget};
