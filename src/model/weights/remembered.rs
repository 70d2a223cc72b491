//! What was computed of large weight files, remembered for the next start.
//!
//! A digest reads gigabytes, and what stands in for a decoder is fitted with several
//! pictures; both depend on the weights alone. Whether the files are still the same is
//! told by their places, sizes and times and by some of their bytes.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::digest::hexadecimal;
use super::numbers::read_exact_at;
use crate::files::write_whole;
use crate::folders;

/// Name of the file in which it is remembered.
const FILE: &str = "weights.json";
/// Smaller files are read again as soon as looked up.
const LEAST_BYTES: u64 = 64 << 20;
/// Bytes that are looked at in each of three places.
const SAMPLE_BYTES: u64 = 1 << 16;
/// What is remembered at most; the oldest goes first.
const MOST: usize = 64;

/// One at a time reads and writes what is remembered.
static TURN: Mutex<()> = Mutex::new(());

/// How large weight files look; other weights look otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<Look>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    path: PathBuf,
    size_bytes: u64,
    changed_ns: u64,
    /// SHA-256 of some bytes of the beginning, the middle and the end.
    sample: String,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// What was computed.
    what: String,
    /// Of which files.
    files: Vec<Look>,
    value: Value,
}

impl Fingerprint {
    /// The fingerprint of files; `None` where one cannot be read, or they are so small
    /// that nothing of them need be remembered.
    pub fn of(files: &[PathBuf]) -> Option<Self> {
        let size = |path: &PathBuf| Some(std::fs::metadata(path).ok()?.len());
        let all: u64 = files.iter().map(size).sum::<Option<_>>()?;
        if all < LEAST_BYTES {
            return None;
        }
        files
            .iter()
            .map(|path| look(path))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// What was computed of these files earlier.
    pub fn recall<T: DeserializeOwned>(&self, what: &str) -> Option<T> {
        self.recall_in(&folders::library()?, what)
    }

    /// Remembers what was computed of these files, if they are still the same.
    pub fn remember<T: Serialize>(&self, what: &str, value: &T) {
        if let Some(folder) = folders::library() {
            self.remember_in(&folder, what, value);
        }
    }

    fn recall_in<T: DeserializeOwned>(&self, folder: &Path, what: &str) -> Option<T> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = entries(folder).into_iter();
        let mut found = entries.filter(|entry| entry.what == what && entry.files == self.0);
        serde_json::from_value(found.next()?.value).ok()
    }

    fn remember_in<T: Serialize>(&self, folder: &Path, what: &str, value: &T) {
        let files: Vec<PathBuf> = self.0.iter().map(|look| look.path.clone()).collect();
        let Some(value) = serde_json::to_value(value)
            .ok()
            .filter(|_| Self::of(&files).as_ref() == Some(self))
        else {
            return;
        };
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = entries(folder);
        let paths = |looks: &[Look]| -> Vec<PathBuf> {
            looks.iter().map(|look| look.path.clone()).collect()
        };
        entries.retain(|entry| entry.what != what || paths(&entry.files) != files);
        entries.push(Entry {
            what: what.to_owned(),
            files: self.0.clone(),
            value,
        });
        entries.drain(..entries.len().saturating_sub(MOST));
        let written = std::fs::create_dir_all(folder).and_then(|()| {
            let text = serde_json::to_vec(&entries)?;
            write_whole(&folder.join(FILE), |file| file.write_all(&text))
        });
        if let Err(error) = written {
            log::warn!("What was computed of weights could not be remembered: {error}");
        }
    }
}

fn look(path: &Path) -> Option<Look> {
    let path = std::fs::canonicalize(path).ok()?;
    let file = File::open(&path).ok()?;
    let metadata = file.metadata().ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let size_bytes = metadata.len();
    let count = SAMPLE_BYTES.min(size_bytes);
    let mut digest = Sha256::new();
    let mut sample = vec![0; count as usize];
    for start in [0, (size_bytes - count) / 2, size_bytes - count] {
        read_exact_at(&file, &mut sample, start).ok()?;
        digest.update(&sample);
    }
    Some(Look {
        path,
        size_bytes,
        changed_ns: u64::try_from(changed.as_nanos()).ok()?,
        sample: hexadecimal(&digest.finalize()),
    })
}

/// What is remembered, oldest first; nothing where the file is none of ours.
fn entries(folder: &Path) -> Vec<Entry> {
    let text = std::fs::read(folder.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom};

    use super::*;

    #[test]
    fn what_was_computed_of_weights_is_known_while_they_stay_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("library");
        let path = folder.path().join("w.safetensors");
        let mut file = File::create(&path).expect("created");
        file.set_len(LEAST_BYTES).expect("a large file");
        let files = [path.clone()];
        let seen = Fingerprint::of(&files).expect("large enough");
        assert_eq!(seen.recall_in::<String>(&place, "digest"), None);
        seen.remember_in(&place, "digest", &"abc");
        seen.remember_in(&place, "fit", &[0.1_f32, -2.5]);
        let again = Fingerprint::of(&files).expect("large enough");
        let digest: Option<String> = again.recall_in(&place, "digest");
        assert_eq!(digest.as_deref(), Some("abc"));
        assert_eq!(again.recall_in(&place, "fit"), Some([0.1_f32, -2.5]));
        // Of another kind than it was.
        assert_eq!(again.recall_in::<Vec<f32>>(&place, "digest"), None);
        let time = file
            .metadata()
            .and_then(|it| it.modified())
            .expect("a time");
        // Other bytes in the middle, at the same time.
        file.seek(SeekFrom::Start(LEAST_BYTES / 2))
            .expect("a place");
        file.write_all(b"x").expect("written");
        file.set_modified(time).expect("set back");
        let other = Fingerprint::of(&files).expect("large enough");
        assert_eq!(other.recall_in::<String>(&place, "digest"), None);
        // What changed meanwhile is not remembered.
        seen.remember_in(&place, "digest", &"late");
        other.remember_in(&place, "digest", &"def");
        let digest: Option<String> = other.recall_in(&place, "digest");
        assert_eq!(digest.as_deref(), Some("def"));
        assert_eq!(entries(&place).len(), 2);
        std::fs::write(place.join(FILE), "{").expect("written");
        assert_eq!(other.recall_in::<String>(&place, "digest"), None);
    }

    #[test]
    fn small_files_are_not_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("w");
        std::fs::write(&path, "abc").expect("written");
        assert_eq!(Fingerprint::of(std::slice::from_ref(&path)), None);
        assert_eq!(Fingerprint::of(&[path.with_extension("none")]), None);
        assert_eq!(Fingerprint::of(&[]), None);
    }
}
