//! By what weights are known: a digest of all their bytes, made beside other work
//! and remembered as long as the files stay what they are, that of large ones also for
//! the next start.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::super::ModelError;
use super::remembered::Fingerprint;
use crate::files::open_file;
use crate::nn::ops;

/// What it is remembered as, of whole files and of their numbers alone.
const NAMES: [&str; 2] = ["sha256", "sha256 of data"];

/// By what it is seen that a file was exchanged without reading it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileStamp {
    path: PathBuf,
    size_bytes: u64,
    changed: Option<SystemTime>,
}

impl FileStamp {
    /// The stamp of a file; `None` where there is none.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_path_buf(),
            size_bytes: metadata.len(),
            changed: metadata.modified().ok(),
        })
    }
}

/// Digests that are known already, by the stamps of their files
/// and whether they are those of the numbers alone.
static KNOWN: Mutex<BTreeMap<(Vec<FileStamp>, bool), String>> = Mutex::new(BTreeMap::new());

/// SHA-256 of weight files.
#[derive(Debug)]
pub struct WeightDigest {
    files: Vec<PathBuf>,
    /// Without the headers of safetensors files.
    is_of_data: bool,
    is_begun: AtomicBool,
    digits: OnceLock<Result<String, Arc<ModelError>>>,
}

impl WeightDigest {
    /// The digest of files in this order. Nothing is read yet.
    pub fn new(files: Vec<PathBuf>) -> Arc<Self> {
        Self::new_as(files, false)
    }

    /// As [`Self::new`], of the numbers of one file without its header: other programs
    /// know a LoRA by these, since a header may be written anew.
    pub fn of_data(file: PathBuf) -> Arc<Self> {
        Self::new_as(vec![file], true)
    }

    fn new_as(files: Vec<PathBuf>, is_of_data: bool) -> Arc<Self> {
        Arc::new(Self {
            files,
            is_of_data,
            is_begun: AtomicBool::new(false),
            digits: OnceLock::new(),
        })
    }

    /// Begins to read the files on a thread that gives way to others: gigabytes take
    /// seconds, for which nobody should wait before painting.
    pub fn begin(self: &Arc<Self>) {
        if self.digits.get().is_some() || self.is_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let theirs = Arc::clone(self);
        let thread = std::thread::Builder::new().name("weights' digest".into());
        let work = move || {
            ops::give_way();
            theirs.made().is_ok()
        };
        // Where no thread can be had, the first who asks does the work.
        thread.spawn(work).ok();
    }

    /// All hexadecimal digits; reads the files, or waits until they are read.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn digits(&self) -> Result<String, Arc<ModelError>> {
        self.made().clone()
    }

    fn made(&self) -> &Result<String, Arc<ModelError>> {
        // Whoever comes second waits here for the first.
        self.digits
            .get_or_init(|| sha256(&self.files, self.is_of_data).map_err(Arc::new))
    }
}

/// SHA-256 of files in this order, as hexadecimal digits.
fn sha256(files: &[PathBuf], is_of_data: bool) -> Result<String, ModelError> {
    let stamps = || files.iter().map(|path| FileStamp::of(path)).collect();
    let before: Option<Vec<FileStamp>> = stamps();
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(digits) = before
        .as_ref()
        .and_then(|stamps| known().get(&(stamps.clone(), is_of_data)).cloned())
    {
        return Ok(digits);
    }
    let name = NAMES[usize::from(is_of_data)];
    let looks = Fingerprint::of(files);
    let remembered = looks
        .as_ref()
        .and_then(|looks| looks.recall::<String>(name));
    if let (Some(stamps), Some(digits)) = (&before, remembered.filter(|it| is_sha256(it))) {
        known().insert((stamps.clone(), is_of_data), digits.clone());
        return Ok(digits);
    }
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for path in files {
        let mut file = open_file(path).map_err(ModelError::io("read", path))?;
        if is_of_data {
            skip_header(&mut file).map_err(ModelError::io("read", path))?;
        }
        loop {
            let count = file
                .read(&mut buffer)
                .map_err(ModelError::io("read", path))?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
        }
    }
    let digits = hexadecimal(&digest.finalize());
    // Only what did not change while it was read.
    if let Some(stamps) = stamps().filter(|after| Some(after) == before.as_ref()) {
        known().insert((stamps, is_of_data), digits.clone());
        if let Some(looks) = looks {
            looks.remember(name, &digits);
        }
    }
    Ok(digits)
}

pub(in crate::model) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_sha256(digits: &str) -> bool {
    digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Goes to the numbers of a safetensors file; of other files to the beginning.
fn skip_header(file: &mut File) -> io::Result<()> {
    let mut start = [0; 9];
    let begin = match file.read_exact(&mut start) {
        Ok(()) if start[8] == b'{' => {
            let [a, b, c, d, e, f, g, h, _] = start;
            u64::from_le_bytes([a, b, c, d, e, f, g, h]).saturating_add(8)
        }
        _ => 0,
    };
    file.seek(io::SeekFrom::Start(begin)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_files_as_they_are_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("w.safetensors");
        let digits = |text: &str| {
            std::fs::write(&path, text).expect("written");
            let digest = WeightDigest::new(vec![path.clone()]);
            digest.begin();
            digest.digits().expect("read")
        };
        // `printf abc | sha256sum`
        let abc = digits("abc");
        assert_eq!(&abc[..10], "ba7816bf8f");
        assert_ne!(digits("abcd"), abc);
        assert_eq!(digits("abc"), abc);
        std::fs::remove_file(&path).expect("removed");
        assert!(WeightDigest::new(vec![path]).digits().is_err());
    }
}
