//! How much memory a run will take, told before anything is allocated.

use super::TrainError;
use super::config::TrainConfig;
use super::usual;
use crate::model::{ClassifierFile, MemoryEstimate, ModelFolder, first_stage_config};
use crate::recipe::{TrainSpec, TrainTarget};

/// Memory for a run, about: of the networks that are trained.
///
/// # Errors
/// If a configuration cannot be read or is not supported, or the run lacks one.
pub fn memory_needed(spec: &TrainSpec) -> Result<MemoryEstimate, TrainError> {
    let config = TrainConfig::of(spec)?;
    if spec.target == TrainTarget::Classifier {
        return classifier_memory(spec, config);
    }
    let from = spec.from.as_ref().map(ModelFolder::open).transpose()?;
    if spec.target == TrainTarget::Autoencoder {
        let sizes = match (&from, config.autoencoder) {
            (Some(model), _) => model.first_stage_config()?.clone(),
            (None, Some(sizes)) => sizes,
            (None, None) => usual::first_stage(spec)?,
        };
        return Ok(sizes.training_memory([spec.size_px; 2], spec.batch)?);
    }
    let latents = match (&from, &spec.first_stage) {
        (Some(model), _) => model.first_stage_config()?.info(),
        (None, Some(path)) => first_stage_config(path)?.info(),
        (None, None) => return Err(TrainError::setting("there is no first stage")),
    };
    let side = spec.size_px as usize / latents.factor;
    let sizes = match (&from, config.unet) {
        (Some(model), _) => model.unet_config()?.clone(),
        (None, Some(sizes)) => sizes,
        (None, None) => usual::unet(side, latents.channels, usual::text_width(side)),
    };
    Ok(sizes.training_memory([side; 2], spec.batch)?)
}

/// The same for a classifier.
fn classifier_memory(spec: &TrainSpec, config: TrainConfig) -> Result<MemoryEstimate, TrainError> {
    let sizes = match (&spec.from, &spec.first_stage, config.classifier) {
        (Some(from), ..) => ClassifierFile::open(from)?.config().clone(),
        (None, _, Some(sizes)) => sizes,
        (None, Some(path), None) => {
            let latents = first_stage_config(path)?.info();
            let side = spec.size_px as usize / latents.factor;
            usual::classifier(side, latents.channels)
        }
        (None, None, None) => return Err(TrainError::setting("there is no first stage")),
    };
    Ok(sizes.training_memory(spec.batch)?)
}
