//! The networks of a latent diffusion model and the folders they live in.
//!
//! Built on `nn`; used by `diffusion` and `train`, which must not be named
//! here. A model is a diffusers folder ([`ModelFolder`]): the configurations
//! are the JSON files themselves, read by serde, and the weights keep the key
//! names of diffusers, so that what is trained here opens in Python and the
//! other way round. No second format exists.

mod autoencoder;
mod clip;
mod error;
mod folder;
mod json;
mod limits;
mod memory;
mod studio;
mod unet;
pub mod weights;

pub use autoencoder::{AutoencoderKl, AutoencoderKlConfig, DiagonalGaussian};
pub use clip::{ClipTextConfig, ClipTextModel, ClipTokenizer, HiddenAct};
pub use error::ModelError;
pub use folder::{ModelFolder, ModelParts};
pub use memory::MemoryEstimate;
pub use studio::{MaskConvention, StudioConfig, UNetInput};
pub use unet::{Architecture, Level, PerLevel, UNet2d, UNet2dConfig};
pub use weights::WeightDtype;
