//! How much memory a run will take, told before anything is allocated.

use super::TrainError;
use super::config::TrainConfig;
use super::usual;
use crate::model::{MemoryEstimate, ModelFolder};
use crate::recipe::{TrainSpec, TrainTarget};

/// Memory for a run, about: of the networks that are trained.
///
/// # Errors
/// If a configuration cannot be read or is not supported, or the run lacks one.
pub fn memory_needed(spec: &TrainSpec) -> Result<MemoryEstimate, TrainError> {
    let config = TrainConfig::read(spec.config.as_deref())?;
    let from = spec.from.as_ref().map(ModelFolder::open).transpose()?;
    if spec.target == TrainTarget::Autoencoder {
        let sizes = match (&from, config.autoencoder) {
            (Some(model), _) => model.autoencoder_config()?.clone(),
            (None, Some(sizes)) => sizes,
            (None, None) => usual::autoencoder(spec.size_px),
        };
        return Ok(sizes.training_memory([spec.size_px; 2], spec.batch)?);
    }
    let first_stage = match (&from, &spec.first_stage) {
        (Some(model), _) => model.clone(),
        (None, Some(path)) => ModelFolder::open(path)?,
        (None, None) => return Err(TrainError::setting("there is no first stage")),
    };
    let latents = first_stage.autoencoder_config()?;
    let side = spec.size_px as usize / latents.downsampling();
    let sizes = match (&from, config.unet) {
        (Some(model), _) => model.unet_config()?.clone(),
        (None, Some(sizes)) => sizes,
        (None, None) => usual::unet(side, latents.latent_channels, usual::text_width(side)),
    };
    Ok(sizes.training_memory([side; 2], spec.batch)?)
}
