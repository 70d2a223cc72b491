//! What can go wrong with a project file.

use std::path::PathBuf;

use crate::document::MAX_SIDE_PX;
use crate::files::reason_of;

/// Why a project could not be opened or saved.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The file could not be read.
    #[error("\u{201c}{}\u{201d} could not be opened: {}", path.display(), reason_of(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is of another kind.
    #[error(
        "\u{201c}{}\u{201d} is not a Velatura project; open a .{} file or a picture",
        .0.display(), super::EXTENSION
    )]
    NotAProject(PathBuf),
    /// The file has a form that this program does not know yet.
    #[error(
        "\u{201c}{}\u{201d} was saved by a newer program ({program}); update Velatura to open it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The program that saved it.
        program: String,
    },
    /// The file is cut off, or says what cannot be.
    #[error("\u{201c}{}\u{201d} is damaged and cannot be opened: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A Photoshop file has a form that is not read.
    #[error(
        "\u{201c}{}\u{201d} {form}; save it as PSD in RGB colours with 8 bits a channel and open it again",
        path.display()
    )]
    PsdForm {
        /// The file.
        path: PathBuf,
        /// What about it is not read.
        form: &'static str,
    },
    /// The canvas is larger than the studio can hold.
    #[error(
        "\u{201c}{}\u{201d} has a canvas of {} × {} pixels; a side may have 1 to {MAX_SIDE_PX}",
        path.display(), size_px[0], size_px[1]
    )]
    CanvasSize {
        /// The file.
        path: PathBuf,
        /// Width and height.
        size_px: [u32; 2],
    },
    /// The layers take more memory than there is.
    #[error(
        "\u{201c}{}\u{201d} needs more than the {megabytes} MB of memory at hand; close other \
         programs and open it again",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The memory at hand.
        megabytes: u64,
    },
    /// The file could not be written.
    #[error("\u{201c}{}\u{201d} could not be saved: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says, or what no project may hold.
        reason: String,
    },
}

/// Something in a project that was passed over, as a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectWarning {
    /// How a layer was painted is told in a way that is not understood.
    #[error("how the layer \u{201c}{0}\u{201d} was painted could not be read")]
    Recipe(String),
    /// Layers of a Photoshop file do more than to lie over each other.
    #[error(
        "its layers are blended in ways that this studio does not know, so that the topmost one shows the picture as a whole"
    )]
    Blended,
}
