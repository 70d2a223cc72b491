//! Reading zip archives that anybody may have made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::reason_of;

/// Most bytes that are read to learn what an archive holds.
const MAX_DIRECTORY_BYTES: u64 = 16 << 20;

/// Most files in an archive; a directory that says more is not believed.
const MAX_FILES: u64 = 0xffff;

/// Longest comment at the end of an archive, with the records around it.
const TAIL_BYTES: u64 = (1 << 16) + 128;

/// An archive whose directory was found to be sound: no name stands twice, no two
/// files share bytes, nothing is hidden. Several threads may read files of it.
#[derive(Debug)]
pub struct Archive {
    zip: Mutex<ZipArchive<Bounded>>,
    entries: Vec<ArchiveEntry>,
}

/// A file of an archive.
#[derive(Clone, Debug)]
pub struct ArchiveEntry {
    /// Its name, with slashes.
    pub name: String,
    /// Where its bytes begin in the archive.
    pub offset: u64,
    /// How many there are in the archive.
    pub packed_bytes: u64,
    /// How many there are said to be when they are unpacked.
    pub bytes: u64,
    /// Whether they lie in the archive as they are.
    pub is_stored: bool,
}

/// Why a file is not read.
#[derive(Debug)]
pub enum ArchiveError {
    /// There is none of that name.
    Missing,
    /// It is longer than it can be.
    TooLong,
    /// What is wrong with it.
    Damaged(String),
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::FileNotFound => Self::Missing,
            ZipError::Io(error) => error.into(),
            error => Self::Damaged(error.to_string()),
        }
    }
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Damaged(reason_of(&error))
    }
}

impl Archive {
    /// Reads the directory of an archive.
    ///
    /// # Errors
    /// When the file is no archive, or one that is not as it should be.
    pub fn open(mut file: File) -> Result<Self, ArchiveError> {
        if claims_too_many(&mut file)? {
            return Err(ArchiveError::Damaged(
                "it claims more files than it can hold".to_owned(),
            ));
        }
        let left = Arc::new(AtomicU64::new(MAX_DIRECTORY_BYTES));
        let mut archive = ZipArchive::new(Bounded {
            inner: BufReader::new(file),
            left: Arc::clone(&left),
        })?;
        let entries = check_directory(&mut archive)?;
        // From here on who reads a file says how much it may be.
        left.store(u64::MAX, Ordering::Relaxed);
        Ok(Self {
            zip: Mutex::new(archive),
            entries,
        })
    }

    /// All files of the archive.
    pub fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    /// The bytes of a file of the archive, unpacked.
    ///
    /// # Errors
    /// When there is none of that name, it has more than `most` bytes, or it is
    /// damaged.
    pub fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut archive = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let file = archive.by_name(name)?;
        if file.size() > most {
            return Err(ArchiveError::TooLong);
        }
        // What it says of its size may be wrong: one more byte tells.
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(ArchiveError::TooLong);
        }
        Ok(bytes)
    }

    /// Fills a buffer from a file of the archive, unpacked, leaving out its first
    /// `skipped` bytes.
    ///
    /// # Errors
    /// When there is none of that name, it ends before, or it is damaged.
    pub fn read_part(
        &self,
        name: &str,
        skipped: u64,
        buffer: &mut [u8],
    ) -> Result<(), ArchiveError> {
        let mut archive = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = archive.by_name(name)?;
        io::copy(&mut file.by_ref().take(skipped), &mut io::sink())?;
        file.read_exact(buffer)?;
        Ok(())
    }
}

/// Whether every name stands once and no two files share bytes: a few bytes that
/// are the contents of many files would unpack to any length.
fn check_directory(archive: &mut ZipArchive<Bounded>) -> Result<Vec<ArchiveEntry>, ArchiveError> {
    let mut names = BTreeSet::new();
    let (mut ranges, mut entries) = (Vec::new(), Vec::new());
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index)?;
        if !names.insert(file.name_raw().to_vec()) {
            return Err(ArchiveError::Damaged(
                "a name stands twice in it".to_owned(),
            ));
        }
        let end = file.data_start().saturating_add(file.compressed_size());
        ranges.push((file.header_start(), end));
        entries.push(ArchiveEntry {
            name: file.name().to_owned(),
            offset: file.data_start(),
            packed_bytes: file.compressed_size(),
            bytes: file.size(),
            is_stored: file.compression() == CompressionMethod::Stored,
        });
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|two| two[0].1 > two[1].0) {
        return Err(ArchiveError::Damaged(
            "two of its files share their bytes".to_owned(),
        ));
    }
    Ok(entries)
}

/// Whether the end of an archive claims more files than [`MAX_FILES`]. Only the
/// long form of its last record can; the reader of archives believes it and takes
/// memory at once.
fn claims_too_many(file: &mut File) -> io::Result<bool> {
    const LOCATOR: &[u8] = b"PK\x06\x07";
    const LOCATOR_BYTES: usize = 20;
    const END: &[u8] = b"PK\x05\x06";
    const LONG_END_BYTES: usize = 56;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.by_ref().take(TAIL_BYTES).read_to_end(&mut tail)?;
    for at in 0..tail.len().saturating_sub(LOCATOR_BYTES) {
        let (locator, after) = (&tail[at..at + LOCATOR_BYTES], &tail[at + LOCATOR_BYTES..]);
        if !locator.starts_with(LOCATOR) || !after.starts_with(END) {
            continue;
        }
        let start = number(locator, 8);
        let mut record = [0; LONG_END_BYTES];
        file.seek(SeekFrom::Start(start))?;
        let is_there = file.read_exact(&mut record).is_ok();
        let counts = [number(&record, 24), number(&record, 32)];
        let is_sound = is_there && record.starts_with(b"PK\x06\x06");
        if !is_sound || counts.iter().any(|count| *count > MAX_FILES) {
            return Ok(true);
        }
    }
    file.rewind()?;
    Ok(false)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..).and_then(<[u8]>::first_chunk);
    eight.map_or(u64::MAX, |eight| u64::from_le_bytes(*eight))
}

/// A reader that ends with an error when too much was read.
#[derive(Debug)]
struct Bounded {
    inner: BufReader<File>,
    left: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let order = Ordering::Relaxed;
        let taken = |left: u64| left.checked_sub(read as u64);
        let is_within = self.left.fetch_update(order, order, taken).is_ok();
        is_within.then_some(read).ok_or_else(|| {
            io::Error::other("its list of files is longer than that of any such file")
        })
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
