//! What a run tells while it goes on.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbaImage;

use super::source::SkippedPicture;

/// Something that happened in a training run.
#[derive(Clone, Debug)]
pub enum TrainEvent {
    /// The networks are made, the pictures found, the checkpoint read.
    Started {
        /// Steps done before, by the runs that this one goes on from.
        step: u64,
        /// Steps in all.
        total: u64,
        /// Weights that are trained.
        parameters: usize,
        /// Where the pictures come from.
        pictures: String,
    },
    /// A step is done.
    Step(StepReport),
    /// The model was judged: on pictures that it is not trained on, unless the
    /// name of the figure begins with `train_`.
    Evaluation {
        /// Steps done.
        step: u64,
        /// What was measured, with its unit: `psnr_db`.
        name: &'static str,
        /// The value.
        value: f64,
    },
    /// A sample sheet was written.
    SampleSheet {
        /// Steps done.
        step: u64,
        /// The sheet: 8-bit RGBA.
        image: Arc<RgbaImage>,
        /// Its file.
        path: PathBuf,
    },
    /// A checkpoint and the model of now were written.
    Checkpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The model's folder.
        model: PathBuf,
    },
    /// A picture was left out.
    Skipped(SkippedPicture),
    /// Something was done differently from what was asked; the run goes on.
    Warning {
        /// A sentence for the user.
        message: String,
    },
}

/// Figures of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Steps done, counted from the first run on.
    pub step: u64,
    /// Steps in all.
    pub total: u64,
    /// The loss that is minimised, on this step's pictures.
    pub loss: f32,
    /// The learning rate.
    pub learning_rate: f64,
    /// Pictures a second, of late.
    pub images_per_sec: f32,
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f32,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct TrainOutcome {
    /// Folder of the trained model.
    pub model: PathBuf,
    /// Steps done.
    pub step: u64,
    /// Whether all steps were done, rather than the run stopped by its observer.
    pub is_complete: bool,
    /// Loss of the last step; `None` if there was none to do.
    pub loss: Option<f32>,
    /// Pictures that were left out.
    pub skipped: Vec<SkippedPicture>,
}
