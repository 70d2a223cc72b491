//! What can stop a training run.

use std::io;
use std::path::{Path, PathBuf};

use crate::diffusion::DiffusionError;
use crate::files::reason_of;
use crate::model::ModelError;
use crate::recipe::PictureFormat;
use crate::scenes::SceneError;

use super::source::SkippedPicture;

/// Why a training run cannot start or go on, in a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} \u{201c}{}\u{201d}: {}", path.display(), reason_of(source))]
    Io {
        /// "read", "write", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The folder of pictures holds none.
    #[error(
        "there are no pictures in \u{201c}{}\u{201d}; it needs {} files, in folders of their own if you like",
        .0.display(), PictureFormat::NAMES
    )]
    NoPictures(PathBuf),
    /// Every picture of the folder had to be left out.
    #[error(
        "none of the {count} pictures in \u{201c}{}\u{201d} can be used; the first is \u{201c}{}\u{201d}: {}",
        folder.display(), first.path.display(), first.reason
    )]
    NoUsablePictures {
        /// The folder.
        folder: PathBuf,
        /// Number of pictures found.
        count: usize,
        /// The first of them.
        first: Box<SkippedPicture>,
    },
    /// A setting of the run makes no sense.
    #[error("{0}")]
    Setting(String),
    /// The configuration of a run from random weights cannot be used.
    #[error("\u{201c}{}\u{201d} cannot be used: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// There is nothing to go on from.
    #[error("there is no checkpoint in \u{201c}{}\u{201d} to go on from; start without resuming", .0.display())]
    NoCheckpoint(PathBuf),
    /// The folder holds another run.
    #[error(
        "\u{201c}{}\u{201d} already holds a training run; resume it, or choose another output folder",
        .0.display()
    )]
    OutputInUse(PathBuf),
    /// A run that begins would replace a model.
    #[error(
        "\u{201c}{}\u{201d} is already there and would be replaced; choose another output folder",
        .0.display()
    )]
    InTheWay(PathBuf),
    /// Another run is at work in the folder.
    #[error(
        "another training run is at work in \u{201c}{}\u{201d}; wait for its end, or choose another output folder",
        .0.display()
    )]
    OutputBusy(PathBuf),
    /// The checkpoint cannot be read.
    #[error("the checkpoint \u{201c}{}\u{201d} cannot be resumed: {message}", path.display())]
    DamagedCheckpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The checkpoint belongs to another run.
    #[error("the checkpoint \u{201c}{}\u{201d} cannot be resumed: {message}", path.display())]
    ForeignCheckpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// The loss is no number, again and again.
    #[error(
        "training has diverged: the loss was no finite number for {0} steps in a row; resume the last checkpoint with a smaller learning rate"
    )]
    Diverged(u32),
    /// Weights have become useless.
    #[error(
        "the weights of the {0} are no finite numbers any more, and are not written; resume the last checkpoint with a smaller learning rate"
    )]
    NotFinite(String),
    /// A model cannot be read, made or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The noise schedule makes no sense.
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
    /// The storybook scenes cannot be drawn.
    #[error(transparent)]
    Scenes(#[from] SceneError),
    /// The device failed.
    #[error("the device failed while training: {0}")]
    Device(String),
}

impl TrainError {
    /// Turns an I/O error into a sentence.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(super) fn setting(message: impl Into<String>) -> Self {
        Self::Setting(message.into())
    }

    pub(super) fn device(error: impl std::fmt::Display) -> Self {
        Self::Device(error.to_string())
    }
}
