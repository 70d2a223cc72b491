//! Writing zip archives.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes an archive of some files, each a name and its bytes, packed.
///
/// # Errors
/// What the system says.
pub fn write_archive(to: &mut File, files: &[(&str, &[u8])]) -> io::Result<()> {
    let mut archive = ZipWriter::new(BufWriter::new(to));
    let packed = FileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        archive.start_file(*name, packed)?;
        archive.write_all(bytes)?;
    }
    archive.finish()?.flush()
}
