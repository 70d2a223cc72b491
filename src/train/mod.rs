//! The trainer: both stages of a latent diffusion model, from random weights or
//! from a model, on a folder of pictures or on storybook scenes.
//!
//! Called by the engine and the command line; it knows neither. [`run`] does a
//! whole job and tells an observer what happens. Decision: all randomness is a
//! function of the seed and the number of the step, and the order of pictures
//! does not depend on threads, so that a run which was broken off and resumed
//! has exactly the losses of one that was not; a checkpoint holds tensors and
//! one number, the step.

mod autoencoder;
mod checkpoint;
mod config;
mod diffusion;
mod discriminator;
mod encoder;
mod error;
mod event;
mod image_folder;
mod latent_cache;
mod learner;
mod loader;
mod masks;
mod metrics;
mod noising;
mod perceptual;
mod pictures;
mod random;
mod scene_pictures;
mod schedule;
mod second_stage;
mod session;
mod sheet;
mod source;
mod tensor_file;

use std::fs;
use std::ops::ControlFlow;

use burn::tensor::Device;

pub use config::{TokenizerConfig, TrainConfig, TrainingConfig};
pub use error::TrainError;
pub use event::{StepReport, TrainEvent, TrainOutcome};
pub use image_folder::ImageFolder;
pub use random::Random;
pub use scene_pictures::ScenePictures;
pub use schedule::Decay;
pub use source::{PictureSource, Sample, SkippedPicture};

use self::checkpoint::Checkpoints;
use self::session::Reporter;
use crate::recipe::{TrainSpec, TrainTarget};

/// Does a training job. `observer` is told what happens; when it answers
/// `Break`, the run writes a checkpoint and the model of now, and ends.
///
/// The output folder receives `checkpoints/`, `metrics.jsonl`, `samples/` and
/// `model/`, a model folder that is replaced at every checkpoint.
///
/// # Errors
/// If a setting makes no sense, pictures or models cannot be read, the
/// checkpoint to resume is of another run, a file cannot be written, or the
/// loss is no number for many steps in a row.
pub fn run(
    spec: &TrainSpec,
    device: &Device,
    observer: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
) -> Result<TrainOutcome, TrainError> {
    validate(spec)?;
    let config = TrainConfig::read(spec.config.as_deref())?;
    let mut reporter = Reporter::new(observer);
    let mut skipped = Vec::new();
    let found = pictures::open(spec, config.training.sticker_share, &mut skipped)?;
    reporter.skip(skipped);
    fs::create_dir_all(&spec.output).map_err(TrainError::io("make the folder", &spec.output))?;
    let checkpoints = Checkpoints::new(&spec.output);
    if spec.resume {
        checkpoints.newest()?;
    } else if checkpoints.is_in_use() {
        return Err(TrainError::OutputInUse(spec.output.clone()));
    }
    let pictures = found.source.describe();
    let decay = config.training.decay;
    match spec.target {
        TrainTarget::Autoencoder => {
            let mut stage = autoencoder::AutoencoderStage::new(spec, &config, device, found)?;
            session::drive(spec, decay, &pictures, &mut stage, &mut reporter)
        }
        TrainTarget::Diffusion => {
            let mut stage = diffusion::DiffusionStage::new(spec, &config, device, found)?;
            session::drive(spec, decay, &pictures, &mut stage, &mut reporter)
        }
    }
}

fn validate(spec: &TrainSpec) -> Result<(), TrainError> {
    let rules = [
        (spec.batch > 0, "the batch must have at least 1 picture"),
        (
            spec.accumulate > 0,
            "a step must have at least 1 forward pass",
        ),
        (
            spec.size_px >= 8,
            "pictures must have at least 8 pixels a side",
        ),
        (spec.steps > 0, "the run must have at least 1 step"),
        (
            spec.learning_rate.is_finite() && spec.learning_rate > 0.0,
            "the learning rate must be a positive number",
        ),
        (
            (0.0..1.0).contains(&spec.ema_decay),
            "the decay of the averaged weights must be at least 0 and below 1",
        ),
        (
            (0.0..=1.0).contains(&spec.caption_dropout),
            "the share of dropped captions must be between 0 and 1",
        ),
        (
            spec.weight_decay >= 0.0 && spec.clip_norm >= 0.0,
            "weight decay and gradient clipping must not be negative",
        ),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, message)) => Err(TrainError::setting(*message)),
        None => Ok(()),
    }
}
