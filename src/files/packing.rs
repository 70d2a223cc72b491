//! Writing zip archives.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes files into an archive one after the other, as they are.
pub struct PlainArchive<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> PlainArchive<W> {
    /// An archive without files.
    pub fn new(to: W) -> Self {
        Self(ZipWriter::new(to))
    }

    /// Adds a file of so many bytes, which `write` gives.
    ///
    /// # Errors
    /// What `write` or the system says.
    pub fn add(
        &mut self,
        name: &str,
        bytes: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let stored = FileOptions::default().compression_method(CompressionMethod::Stored);
        // Longer files have their length in a longer field.
        let stored = stored.large_file(bytes >= u64::from(u32::MAX));
        self.0.start_file(name, stored)?;
        write(&mut self.0)
    }

    /// Writes the list of the files.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.finish()?.flush()
    }
}

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
