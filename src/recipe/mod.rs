//! What a job is made of: plain, serialisable descriptions of a generation or a
//! training run, and the forms in which they travel inside picture files.
//!
//! Everybody may use this room; it uses only `files`, `geometry`, `pixels` and `random`,
//! and no window or tensor library: only `std`, `serde` and crates that read and write
//! files.
//! It is the one vocabulary shared by the window, the command line, the engine and
//! the samplers, so that a picture made in one of them can be made again in
//! any other.

mod canvas;
mod colour;
mod control;
mod control_infotext;
mod drawing;
mod enlarged;
mod exif;
mod finish;
mod frame;
mod generate;
mod guide;
mod infotext;
mod input;
mod jpeg_end;
mod kept_fields;
mod kept_inputs;
mod latents;
mod layout;
mod lora;
mod naming;
mod painted;
pub mod palette;
pub mod param;
mod picture_files;
mod picture_reading;
mod png_text;
mod prediction;
pub mod prompt;
mod sampler_id;
mod scaling;
mod schedule;
mod semantic;
mod spec_error;
mod things;
mod train;
mod upscale;
mod webp_chunks;

pub use canvas::{Tile, WindowChoice, is_strip};
pub use control::{
    CONTROL_END, CONTROL_START, CONTROL_WEIGHT, ControlKind, ControlSpec, MAX_CONTROLS,
};
pub use drawing::{BoxUse, MOST_REGIONS, MapUse, box_number};
pub use finish::Finish;
pub use frame::{FrameError, FrameSpec, Framing, Infill, MaskedContent};
pub use generate::{GenerateSpec, ImageInput, LAYOUT_BIAS, MAX_SIDE_PX, MaskInput, ModelSource};
pub use guide::GuideKind;
pub use infotext::{read_infotext, write_infotext};
pub use input::{InputSpec, MaskConvention, class_number};
pub use latents::Latents;
pub use layout::{LayoutBox, LayoutError, LayoutInput, MAX_BOXES};
pub use lora::{LoraSpec, LoraTagError, NamedFile};
pub use naming::{next_picture_path, today};
pub use painted::{FoundRecipe, PRIVATE_KEYWORD, PaintedRecipe, RecipeForm};
pub use palette::{Palette, PaletteClass, PaletteError};
pub use picture_files::{LeftOut, PictureFormat, RecipeFileError, SaveOptions, save_picture};
pub use picture_reading::{
    DecodedPicture, OpenedPicture, PictureWarning, decode_picture, open_picture, picture_size,
    read_recipe,
};
pub use prediction::Prediction;
pub use sampler_id::SamplerId;
pub use scaling::scale_picture;
pub use schedule::Schedule;
pub use semantic::{SemanticError, SemanticInput};
pub use spec_error::{SizeError, SpecError};
pub use things::{Things, knows_things};
pub use train::{Degradation, Fit, LatentKind, TrainSpec, TrainTarget, TrainTask};
pub use upscale::{Enlarger, SuperResolution, UpscaleSpec, enlarging_window_px};
