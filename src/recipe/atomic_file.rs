//! Files that appear whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

/// Writes a file under another name in the same folder, and gives it its name
/// once its bytes are on the disk. On failure nothing is left behind and an
/// older file of that name is untouched.
pub(super) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    // Renaming onto a link would replace the link instead of what it names.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".velatura-").suffix(".tmp");
    // Temporary files are private; a saved picture has the usual permissions,
    // or those of the file that it replaces.
    let old = std::fs::metadata(&path).map(|metadata| metadata.permissions());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    write(file.as_file_mut())?;
    if let Ok(permissions) = old {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    // The new name is on the disk only after its folder is. Not every file
    // system can do that, and the file itself is whole either way.
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().ok();
    }
    Ok(())
}
