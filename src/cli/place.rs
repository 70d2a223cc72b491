//! Whether a file can be written where a command is to write it, found out before
//! anything is computed.

use std::path::Path;

use super::CliError;
use crate::files;
use crate::files::reason_of;
use crate::recipe::{PictureFormat, RecipeFileError};

/// Finds out whether a file can be written before anything is painted.
pub(super) fn try_place(path: &Path) -> Result<(), CliError> {
    files::can_write(path).map_err(|error| CliError::Write {
        path: path.to_owned(),
        reason: reason_of(&error),
    })
}

/// Refuses a file name before hours are spent on a picture that it cannot hold.
pub(super) fn check_output(path: &Path) -> Result<(), CliError> {
    if PictureFormat::from_path(path).is_none() {
        let path = path.to_owned();
        return Err(RecipeFileError::UnknownFormat { path }.into());
    }
    check_folder(path)
}

/// Refuses a name in a folder that is not there.
pub(super) fn check_folder(path: &Path) -> Result<(), CliError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(CliError::NoFolder(folder.to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_refused_before_anything_is_painted() {
        assert!(check_output(Path::new("a.gif")).is_err());
        assert!(check_output(Path::new("/no/such/folder/a.png")).is_err());
        assert!(check_output(Path::new("a.webp")).is_ok());
    }
}
