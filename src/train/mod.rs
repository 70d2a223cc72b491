//! The trainer: both stages of a latent diffusion model, and classifiers that lead one,
//! from random weights or from a model, on a folder of pictures or on storybook scenes.
//!
//! Called by the engine; it does not know it. A [`Run`] is a value that is
//! stepped and tells an observer what happens; [`run`] does a whole job.
//! Decision: all randomness is a function of the seed and the number of the
//! step, and the order of pictures does not depend on threads, so that a run
//! which was held, or broken off and resumed, has exactly the losses of one that
//! was not; a checkpoint holds tensors and one number, the step.

mod autoencoder;
mod box_classes;
mod checkpoint;
mod classifier;
mod config;
pub mod degradation;
mod diffusion;
mod discriminator;
mod encoded;
mod encoder;
mod error;
mod event;
mod folder;
mod going_on;
mod holdings;
mod kinds;
mod latent_cache;
mod latent_store;
mod learner;
mod limits;
mod loader;
mod masks;
mod memory;
mod metrics;
mod noising;
mod paper_form;
mod perceptual;
mod pictures;
mod random;
#[cfg(test)]
mod reference;
mod rough_map;
mod run_file;
mod run_folder;
mod scene_pictures;
mod schedule;
mod second_stage;
mod session;
mod sheet;
mod source;
mod telling;
mod tensor_file;
mod tensors;
mod usual;

use std::cell::Cell;
use std::ops::ControlFlow;

use burn::tensor::Device;

pub use config::{ConditionShares, TokenizerConfig, TrainConfig, TrainingConfig};
pub use error::TrainError;
pub use event::{StepReport, TrainEvent, TrainOutcome};
pub use folder::{FolderReport, ImageFolder, preview_of_folder, survey_of_folder};
pub use holdings::Holdings;
pub use learner::{Learner, LearnerOptions, Update};
pub use memory::memory_needed;
pub use run_file::{FoundRun, is_free_for_run, is_run_file, is_sizes_file, read_run, save_run};
pub use scene_pictures::ScenePictures;
pub use schedule::Decay;
pub use session::Run;
pub use source::{Known, PictureSource, Sample, SkippedPicture, SourceIdentity, Whole};

use crate::recipe::TrainSpec;

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
    let is_stopped = Cell::new(false);
    let tell = |event| is_stopped.set(is_stopped.get() | observer(event).is_break());
    let mut run = Run::open(spec, device, Box::new(tell))?;
    while !run.is_complete() && !is_stopped.get() {
        run.step()?;
    }
    run.finish()
}
