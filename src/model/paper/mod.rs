//! Models as the paper's code and its successors keep them: a checkpoint in one
//! file, and a YAML file that says what it is of.
//!
//! [`OriginalConfig`] reads the YAML. Sizes are values ([`OriginalUnet`],
//! [`OriginalFirstStage`], [`OriginalConditioner`]); the names and shapes of weights
//! follow from them (`keys`), and where there is no YAML the sizes follow from the
//! names and shapes that a file has (`guess`), but for the heads of attention. What
//! diffusers calls the same weights is a table (`diffusers`), which is read the other way
//! round where a network lies alone without its configuration (`from_diffusers`).

mod conditioner;
mod config;
mod diffusers;
mod first_stage;
mod from_diffusers;
mod guess;
mod keys;
mod leftovers;
mod parts;
mod released;
mod sgm;
mod told;
mod unet;
mod yaml;

pub use conditioner::{ClipSizes, OriginalConditioner, TokenTransformer};
pub use config::{Joined, OriginalConfig, OriginalPrediction, OriginalSchedule, ToldConditioner};
pub use first_stage::OriginalFirstStage;
pub use released::{Released, released};
pub use unet::{OriginalAttention, OriginalHeads, OriginalLevel, OriginalUnet};
pub use yaml::read_yaml;

pub(super) use first_stage::first_stage_config;
pub(super) use from_diffusers::{Lone, lacks_last_convolutions};
pub(super) use guess::Seen;
pub(super) use keys::Layout;
pub(super) use leftovers::is_leftover;
pub(super) use released::matching;

/// A text encoder of the CLIP family, by whose names its weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipKind {
    /// transformers'.
    Clip,
    /// OpenCLIP's.
    OpenClip,
}

/// Where the parts of a model lie in a checkpoint.
pub(super) const UNET: &str = "model.diffusion_model.";
/// The first stage.
pub(super) const FIRST_STAGE: &str = "first_stage_model.";
/// Averaged weights, whose names have no dots.
pub(super) const AVERAGES: &str = "model_ema.";

#[cfg(test)]
mod tests;
