//! What a job is made of: plain, serialisable descriptions of a generation or a
//! training run, and the forms in which they travel inside picture files.
//!
//! Everybody may use this room; it uses only `files`, and no window or tensor
//! library: only `std`, `serde` and crates that read and write files. It is
//! the one vocabulary shared by the window, the command line, the engine and
//! the samplers, so that a picture made in one of them can be made again in
//! any other.

mod exif;
mod generate;
mod infotext;
mod naming;
mod painted;
mod picture_files;
mod png_text;
mod sampler_id;
mod train;

pub use generate::{
    GenerateSpec, ImageInput, MAX_SIDE_PX, MaskInput, ModelSource, SizeError, SpecError,
};
pub use infotext::{read_infotext, write_infotext};
pub use naming::{next_picture_path, today};
pub use painted::{FoundRecipe, PRIVATE_KEYWORD, PaintedRecipe, RecipeForm};
pub use picture_files::{
    OpenedPicture, PictureFormat, RecipeFileError, SaveOptions, open_picture, read_recipe,
    save_picture,
};
pub use sampler_id::SamplerId;
pub use train::{TrainSpec, TrainTarget};
