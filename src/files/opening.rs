//! Opening what somebody else chose.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Opens a file to read it. To open a pipe would wait for somebody who writes into it, and
/// a device may never end: both are refused.
///
/// # Errors
/// What the system says, or that it is no file.
pub fn open_file(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return File::open(path);
    }
    let reason = "it is a pipe or a device; choose a file";
    Err(io::Error::new(ErrorKind::InvalidInput, reason))
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::reason_of;
    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            let reason = reason_of(&open_file(path).unwrap_err());
            assert!(reason.contains("a pipe or a device"), "{reason}");
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(open_file(&file).is_ok());
        assert_eq!(
            open_file(&folder.path().join("none")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}
