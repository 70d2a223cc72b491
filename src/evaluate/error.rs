//! Why a model could not be judged.

use std::io;
use std::path::PathBuf;

use super::Task;
use crate::diffusion::DiffusionError;
use crate::model::ModelError;
use crate::recipe::SpecError;
use crate::scenes::SceneError;
use crate::train::TrainError;

/// Why a model could not be judged, in a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A file cannot be read or written.
    #[error("cannot {action} \u{201c}{}\u{201d}: {source}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The judge knows other scenes than this program paints.
    #[error(
        "the judge in \u{201c}{}\u{201d} was trained on other scenes; name another folder to train a new one", .0.display()
    )]
    ForeignJudge(PathBuf),
    /// Nothing to judge by.
    #[error("at least 2 captions are needed to tell obedience from chance")]
    TooFew,
    /// The model cannot be asked for a task.
    #[error("the model cannot be asked for {}; leave this task out", .0.name())]
    NotTaken(Task),
    /// A number of the pictures is out of range.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Painting was stopped.
    #[error("the evaluation was stopped")]
    Stopped,
    /// The model cannot paint.
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
    /// The judge's weights cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The scenes cannot be drawn.
    #[error(transparent)]
    Scenes(#[from] SceneError),
    /// The judge cannot be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The device failed.
    #[error("the device failed while judging: {0}")]
    Device(String),
}

impl EvaluateError {
    pub(super) fn device(error: impl std::fmt::Display) -> Self {
        Self::Device(error.to_string())
    }
}
