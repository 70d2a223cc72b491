//! The networks of a latent diffusion model and the folders they live in.
//!
//! Built on `nn`; used by `diffusion` and `train`, which must not be named
//! here. A [`Model`] is a first stage ([`FirstStage`]), a denoiser and a list of
//! [`conditioner`]s; its [`Manifest`] says what can be asked of it. On disk it is
//! a diffusers folder ([`ModelFolder`]), so that what is trained here opens in
//! Python and the other way round. What files say is turned into our own words
//! at one place for each dialect: the sizes of a denoiser in `unet/diffusers.rs`,
//! the names of weights in the tables of [`weights::names`], checkpoints of the paper's
//! code in [`paper`]. What a file is that nobody has opened yet says [`inspect`].

mod autoencoder;
mod classifier;
mod clip;
pub mod conditioner;
mod controlnet;
mod error;
mod first_stage;
mod folder;
pub mod inspect;
mod json;
mod layout_prior;
mod limits;
pub mod lora;
mod lpips;
mod manifest;
mod memory;
pub mod paper;
pub mod tiny;
mod turns;
mod unet;
mod upscaler;
pub mod weights;
mod whole;
pub mod windows;
mod word_piece;
mod work;

pub use autoencoder::{
    AutoencoderKl, AutoencoderKlConfig, AutoencoderTiny, AutoencoderTinyConfig, CodebookLoss,
    DiagonalGaussian, Quantized, VqModel, VqModelConfig, presets,
};
pub use classifier::{Classifier, ClassifierConfig, ClassifierFile, ClassifierLatents, Pool};
pub use clip::{ClipTextConfig, ClipTextModel, ClipTokenizer, HiddenAct};
pub use controlnet::{Control, ControlNet, ControlNetConfig, ControlNetFile};
pub use error::ModelError;
pub use first_stage::{
    ChannelStatistics, Draw, FirstStage, FirstStageConfig, FirstStageReference, LatentInfo, Pixels,
    Scaling, SharedWeights, TiledStage, first_stage_config, first_stage_digest, gradient_parts,
    is_pixels, load_first_stage,
};
pub use folder::{
    Conversion, ModelFolder, ModelParts, OriginalNetwork, groups_of, is_single_target,
};
pub use layout_prior::{LayoutPrior, LayoutPriorConfig, PlacedBox};
pub use lpips::Lpips;
pub use manifest::Manifest;
pub use memory::{Beside, MemoryEstimate};
pub use turns::TurnWatch;
pub use unet::{
    Architecture, Grounding, Level, Middle, PerLevel, Residuals, Told, UNet2d, UNet2dConfig,
};
pub use upscaler::Upscaler;
pub use weights::WeightDtype;
pub use whole::{Additions, Model};
pub use word_piece::WordPieceTokenizer;
