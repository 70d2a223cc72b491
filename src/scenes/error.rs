//! What can go wrong when scenes are made.

use crate::files::reason_of;
use std::path::PathBuf;

/// Why scenes could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The side asked for is out of range.
    #[error("scenes of {0} pixels cannot be drawn; choose a side between 16 and 1024 pixels")]
    Size(u32),
    /// A bundled sprite is broken: the program was built from damaged files.
    #[error("the bundled sprite '{name}' cannot be read ({reason}); reinstall Velatura")]
    Sprite {
        /// The sprite.
        name: String,
        /// What the decoder said.
        reason: String,
    },
    /// A file that is none of ours would be replaced.
    #[error("{path} is not of a folder of storybook scenes and would be replaced; choose an empty folder", path = .0.display())]
    Foreign(PathBuf),
    /// A file or folder could not be written.
    #[error("cannot write {}: {}", path.display(), reason_of(source))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
