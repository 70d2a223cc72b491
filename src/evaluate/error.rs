//! Why a model could not be judged.

use std::io;
use std::path::PathBuf;

use super::Task;
use crate::diffusion::DiffusionError;
use crate::files::reason_of;
use crate::model::ModelError;
use crate::recipe::{PictureFormat, RecipeFileError, SpecError};
use crate::scenes::SceneError;
use crate::train::TrainError;

/// Why a model could not be judged, in a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A file cannot be read or written.
    #[error("cannot {action} \u{201c}{}\u{201d}: {}", path.display(), reason_of(source))]
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
    /// More than anybody waits for, and more than is kept in memory.
    #[error("{0} pictures are too many; ask for at most {most}", most = super::MOST_PICTURES)]
    TooMany(u32),
    /// A training of no steps, or of more than anybody waits for.
    #[error("{0} steps of training are out of range; ask for 1 to {most}", most = super::sweep::MOST_TRAINING_STEPS)]
    TrainingSteps(u64),
    /// The model cannot be asked for a task.
    #[error("the model cannot be asked for {}; leave this task out", .0.name())]
    NotTaken(Task),
    /// A place where no pictures are.
    #[error(
        "there are no pictures in \u{201c}{}\u{201d}; name a folder with {} files directly in it", .0.display(), PictureFormat::NAMES
    )]
    NoPictures(PathBuf),
    /// Neither pictures nor statistics.
    #[error(
        "\u{201c}{}\u{201d} is neither a folder of pictures nor an .npz file of statistics", .0.display()
    )]
    NoSet(PathBuf),
    /// So few pictures have no spread.
    #[error("\u{201c}{}\u{201d} holds one picture; at least 2 are needed to compare sets", .0.display())]
    OnePicture(PathBuf),
    /// The same, of pictures that lie in no folder.
    #[error("{0} pictures say nothing of a set; at least 2 are needed")]
    TooFewPictures(u64),
    /// A picture cannot be read.
    #[error(transparent)]
    Picture(#[from] RecipeFileError),
    /// A file of statistics that holds none.
    #[error("\u{201c}{}\u{201d} holds no statistics as pytorch-fid keeps them: {reason}", path.display())]
    Statistics {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Statistics of another network than the one in use.
    #[error(
        "the statistics in \u{201c}{}\u{201d} are of {found}, and this would compare them with {used}; \
         use one network for both", path.display()
    )]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// What they are of.
        found: String,
        /// What looks here.
        used: String,
    },
    /// Two files of statistics of different networks.
    #[error("sets of {} and of {} cannot be compared; use one network for both", .0[0], .0[1])]
    TwoNetworks([String; 2]),
    /// Statistics of different widths.
    #[error("sets of {0} and of {1} features cannot be compared; use one network for both")]
    OtherFeatures(usize, usize),
    /// Matrices that are no covariances.
    #[error("the covariances of a set are none: they stretch something by less than nothing")]
    NoCovariance,
    /// Weights of something else.
    #[error(
        "\u{201c}{}\u{201d} does not hold the weights of Inception that FID is computed with: {reason}; \
         name pt_inception-2015-12-05-6726825d.pth, or the same as safetensors", path.display()
    )]
    NotInception {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No first stage of a sweep.
    #[error(
        "there is no first stage of {0} pixels a side in the sweep; choose of 1, 2, 4, 8, 16 and 32"
    )]
    Factor(u32),
    /// No models of a sweep for scenes of this size.
    #[error("there are no models for scenes of {0} pixels in the sweep; choose 32 or 64")]
    SceneSide(u32),
    /// No seeds, or more than anybody waits for.
    #[error("{0} seeds are out of range; ask for 1 to {most}", most = super::sweep::MOST_SEEDS)]
    Seeds(u32),
    /// A model of a sweep has learnt too long to be tried after fewer steps.
    #[error(
        "what lies in \u{201c}{}\u{201d} has learnt for {} steps already and cannot be tried after {}; \
         name another folder", folder.display(), steps[0], steps[1]
    )]
    TrainedFurther {
        /// The folder of its run.
        folder: PathBuf,
        /// Steps behind it, and steps asked for.
        steps: [u64; 2],
    },
    /// A model of a sweep was begun with another training.
    #[error(
        "what lies in \u{201c}{}\u{201d} was begun with {} {what}, not with {}; ask for the same, or \
         name another folder", folder.display(), steps[0], steps[1]
    )]
    TrainedOtherwise {
        /// The folder of its run.
        folder: PathBuf,
        /// Which steps.
        what: &'static str,
        /// As it was begun, and as it is asked for.
        steps: [u64; 2],
    },
    /// A network of senseless weights.
    #[error("the network sees no numbers in the pictures; its weights are damaged")]
    NoFeatures,
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
