//! Files that appear whole or not at all, and zip archives of strangers.
//!
//! Every room that saves or opens something may use this one; it uses nothing of ours.

mod archive;
mod opening;
mod packing;
mod reason;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub use archive::{Archive, ArchiveEntry, ArchiveError};
pub use opening::open_file;
pub use packing::{PlainArchive, write_archive};
pub use reason::{damage_of, reason_of};

/// Links that may lead to links.
const MOST_LINKS: usize = 40;

/// Writes a file under another name in the same folder, and gives it its name
/// once its bytes are on the disk. On failure nothing is left behind and an
/// older file of that name is untouched.
///
/// The new file has the permissions of the one that it replaces, else the usual
/// ones: a plain temporary file could be read by its owner only.
///
/// # Errors
/// What `write` or the system says.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    replace(path, true, write)
}

/// As [`write_atomically`], but without waiting for the disk: for one of many files
/// that are easily made again.
///
/// # Errors
/// What `write` or the system says.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    replace(path, false, write)
}

fn replace(
    path: &Path,
    is_awaited: bool,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let path = behind_links(path);
    let folder = folder_of(&path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".velatura-").suffix(".tmp");
    let old = std::fs::metadata(&path).map(|metadata| metadata.permissions());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder);
    let mut file = file.map_err(|error| without_name(folder, &error))?;
    write(file.as_file_mut())?;
    if let Ok(permissions) = old {
        file.as_file().set_permissions(permissions)?;
    }
    if is_awaited {
        file.as_file().sync_all()?;
    }
    file.persist(&path).map_err(|error| error.error)?;
    // The new name is on the disk only after its folder is. Not every file
    // system can do that, and the file itself is whole either way.
    #[cfg(unix)]
    if is_awaited && let Ok(folder) = File::open(folder) {
        folder.sync_all().ok();
    }
    Ok(())
}

/// Finds out whether [`write_atomically`] could write to `path`; leaves nothing
/// behind and an older file untouched.
///
/// # Errors
/// What the system says.
pub fn can_write(path: &Path) -> io::Result<()> {
    let path = behind_links(path);
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = folder_of(&path);
    tempfile::tempfile_in(folder).map_err(|error| without_name(folder, &error))?;
    if !path.exists() {
        // The name may be too long, or one that the system does not take.
        File::create_new(&path)?;
        std::fs::remove_file(&path)?;
    }
    Ok(())
}

/// What is wrong with a folder that no file can be made in; the name that the file would
/// have had meanwhile means nothing to anybody.
fn without_name(folder: &Path, error: &io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        let sentence = format!(
            "there is no folder {}; create it, or choose another one",
            folder.display()
        );
        return io::Error::new(error.kind(), sentence);
    }
    io::Error::new(error.kind(), reason_of(error))
}

/// What a link names, also where that is not there yet: renaming onto the link
/// would replace the link itself.
fn behind_links(path: &Path) -> PathBuf {
    if let Ok(found) = std::fs::canonicalize(path) {
        return found;
    }
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(named) = std::fs::read_link(&path) else {
            break;
        };
        path = folder_of(&path).join(named);
    }
    path
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        for error in [
            write_atomically(&gone.join("a.txt"), |_| Ok(())).unwrap_err(),
            can_write(&gone.join("a.txt")).unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            let wanted = format!("there is no folder {}; create it", gone.display());
            assert!(error.to_string().starts_with(&wanted), "{error}");
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.txt");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, |file| {
            file.write_all(b"half of the n")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_is_tried_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        can_write(&at("new.txt")).unwrap();
        std::fs::write(at("old.txt"), "old").unwrap();
        can_write(&at("old.txt")).unwrap();
        assert_eq!(std::fs::read(at("old.txt")).unwrap(), b"old");
        std::fs::create_dir(at("folder.png")).unwrap();
        assert!(can_write(&at("folder.png")).is_err());
        assert!(can_write(&at("nowhere/new.txt")).is_err());
        assert!(can_write(&at(&"x".repeat(400))).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("later.txt", at("link.txt")).unwrap();
        write_atomically(&at("link.txt"), |file| file.write_all(b"now")).unwrap();
        assert!(at("link.txt").is_symlink());
        assert_eq!(std::fs::read(at("later.txt")).unwrap(), b"now");
    }
}
