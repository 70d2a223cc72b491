//! The first stage of a run: out of a model, or a new one.

use burn::tensor::Device;

use super::AutoencoderStage;
use super::codebook::CodebookBounds;
use super::divergence::DivergenceBounds;
use crate::model::{FirstStageConfig, ModelFolder};
use crate::nn;
use crate::recipe::TrainSpec;
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::pictures::Pictures;
use crate::train::session::Stage;
use crate::train::{limits, usual};

/// Makes or loads the network that a job names.
pub(in crate::train) fn open(
    spec: &TrainSpec,
    config: &TrainConfig,
    device: &Device,
    pictures: Pictures,
) -> Result<Box<dyn Stage>, TrainError> {
    let device = device.clone().autodiff();
    let _seeded = nn::seeded(&device, spec.seed);
    let from = spec.from.as_ref().map(ModelFolder::open).transpose()?;
    let sizes = match (&from, &config.autoencoder) {
        (Some(from), _) => from.first_stage_config()?.clone(),
        (None, Some(sizes)) => sizes.clone(),
        (None, None) => usual::first_stage(spec)?,
    };
    check_sizes(&sizes, spec.size_px)?;
    Ok(match &sizes {
        FirstStageConfig::Kl(sizes) => {
            let network = match &from {
                Some(from) => from.load_autoencoder(&device)?,
                None => sizes.init(&device)?,
            };
            let bounds = DivergenceBounds::new(spec);
            let stage = AutoencoderStage::new(spec, config, &device, pictures, network, bounds)?;
            Box::new(stage)
        }
        FirstStageConfig::Vq(sizes) => {
            let network = match &from {
                Some(from) => from.load_vq_model(&device)?,
                None => sizes.init(&device)?,
            };
            let bounds = CodebookBounds::new(spec, &config.training, sizes.num_vq_embeddings);
            let stage = AutoencoderStage::new(spec, config, &device, pictures, network, bounds)?;
            Box::new(stage)
        }
        FirstStageConfig::Tiny(_) => {
            return Err(TrainError::setting(
                "a tiny autoencoder stands in for a large one and is not trained here; take an \
                 AutoencoderKL or a VQModel",
            ));
        }
        FirstStageConfig::Pixels(_) => {
            return Err(TrainError::setting(
                "pixels as latents have no network that could be trained",
            ));
        }
    })
}

/// Checks that pictures of this side can be taken apart and put together again.
fn check_sizes(sizes: &FirstStageConfig, size_px: u32) -> Result<(), TrainError> {
    let channels = match sizes {
        FirstStageConfig::Kl(sizes) => [sizes.in_channels, sizes.out_channels],
        FirstStageConfig::Vq(sizes) => [sizes.in_channels, sizes.out_channels],
        FirstStageConfig::Tiny(sizes) => [sizes.in_channels, sizes.out_channels],
        FirstStageConfig::Pixels(_) => [3; 2],
    };
    if channels != [3; 2] {
        return Err(TrainError::setting(
            "only autoencoders of red, green and blue can be trained",
        ));
    }
    limits::check_side(size_px, sizes.info())
}
