//! Latents that outlast a run: what a first stage made of pictures is kept for the next
//! run with the same first stage, whatever that trains.
//!
//! A picture is known by its pixels as they go into the network, and the first stage by
//! its digest, so that it does not matter where either lies, and masked pictures and
//! scenes are kept like photographs. What is kept is the distribution of the latents
//! (mean and deviation), from which every run draws with noise of its own.
//!
//! On disk: for each first stage and size of pictures a folder with parts, files that
//! appear whole or not at all. Each begins with a line and two counts; then come, for each
//! picture, its key and a check of its numbers; then the numbers. Everything can be made
//! again: what is damaged is deleted, as is, when there is too much, what was not used for
//! longest. Decision: nothing that fails here ends a run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::files::write_whole;

/// Begins every part.
const MAGIC: &[u8; 20] = b"velatura latents 01\n";
const ENDING: &str = "latents";
/// Bytes of the beginning with both counts.
const HEAD: u64 = MAGIC.len() as u64 + 16;
/// Digits of the digest of a first stage in the name of its folder.
const DIGITS: usize = 32;
/// Bytes that are kept of all first stages.
const MOST_BYTES: u64 = 2 << 30;
/// Bytes that one run adds: what it begins with is worth more to the next one than what
/// it ends with.
const RUN_BYTES: usize = 512 << 20;
/// Bytes that wait for being written.
const WAITING_BYTES: usize = 32 << 20;
/// Parts that are kept of all first stages.
const MOST_PARTS: usize = 512;
/// How old a file must be that a run began to write and did not finish.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// What tells a picture from others, before a first stage.
type Key = [u8; 32];
/// What tells whether numbers are what they were.
type Check = [u8; 8];

/// Where the numbers of a picture lie.
#[derive(Clone, Copy)]
struct Place {
    part: usize,
    number: u64,
    check: Check,
}

/// A file of latents. It is not held open: a run may come to have many.
struct Part {
    path: PathBuf,
    /// Pictures in it.
    count: u64,
    /// Numbers of each.
    numbers: u64,
    is_used: bool,
}

impl Part {
    /// The numbers of a picture.
    fn read(&mut self, key: Key, place: Place) -> io::Result<Vec<f32>> {
        let mut file = File::open(&self.path)?;
        let mut bytes = vec![0; self.numbers as usize * 4];
        let start = HEAD + 40 * self.count + 4 * self.numbers * place.number;
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        if check(&key, &bytes) != place.check {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if !std::mem::replace(&mut self.is_used, true) {
            // What is used stays; where the system cannot note it, it goes earlier.
            file.set_modified(SystemTime::now()).ok();
        }
        let numbers = bytes.as_chunks().0.iter();
        Ok(numbers.map(|it| f32::from_le_bytes(*it)).collect())
    }
}

/// The latents of a first stage for pictures of a size.
pub(super) struct LatentStore {
    root: PathBuf,
    folder: PathBuf,
    /// Begins every key.
    name: String,
    /// `None` where one was damaged, or is gone.
    parts: Vec<Option<Part>>,
    known: BTreeMap<Key, Place>,
    /// Not written yet.
    fresh: BTreeMap<Key, Vec<f32>>,
    fresh_bytes: usize,
    /// Bytes that this run may still add.
    room: usize,
    found: u64,
    missed: u64,
    most_bytes: u64,
}

impl LatentStore {
    /// Looks up what is known of a first stage with this digest, among those in `root`.
    pub fn open(root: &Path, digest: &str, size_px: u32) -> Self {
        let brief = digest.get(..DIGITS).unwrap_or(digest);
        let folder = root.join(format!("{brief}-{size_px}px"));
        let mut store = Self {
            root: root.to_owned(),
            name: format!("{digest} {size_px}\n"),
            parts: Vec::new(),
            known: BTreeMap::new(),
            fresh: BTreeMap::new(),
            fresh_bytes: 0,
            room: RUN_BYTES,
            found: 0,
            missed: 0,
            most_bytes: MOST_BYTES,
            folder,
        };
        for (path, ..) in parts_in(&store.folder) {
            if let Err(error) = store.read(&path) {
                log::warn!("latents in {} are made anew: {error}", path.display());
                if is_damage(&error) {
                    fs::remove_file(&path).ok();
                }
            }
        }
        store
    }

    /// Reads which pictures a part has.
    fn read(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        if length > MOST_BYTES {
            return Err(damaged());
        }
        let mut head = [0; HEAD as usize];
        file.read_exact(&mut head)?;
        let counts = head.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (count, numbers) = counts.split_at(8);
        let [count, numbers] = [count, numbers].map(|it| it.try_into().map(u64::from_le_bytes));
        let (count, numbers) = (
            count.map_err(|_| damaged())?,
            numbers.map_err(|_| damaged())?,
        );
        let entry = numbers.checked_mul(4).and_then(|it| it.checked_add(40));
        let whole = entry.and_then(|it| it.checked_mul(count)?.checked_add(HEAD));
        if whole != Some(length) || numbers == 0 {
            return Err(damaged());
        }
        // No more than the file is long.
        let mut index = vec![0; count as usize * 40];
        file.read_exact(&mut index)?;
        let part = self.parts.len();
        for (entry, number) in index.chunks_exact(40).zip(0..) {
            let (key, check) = entry.split_at(32);
            if let (Ok(key), Ok(check)) = (key.try_into(), check.try_into()) {
                let place = Place {
                    part,
                    number,
                    check,
                };
                self.known.insert(key, place);
            }
        }
        self.parts.push(Some(Part {
            path: path.to_owned(),
            count,
            numbers,
            is_used: false,
        }));
        Ok(())
    }

    fn key(&self, pixels: &[f32]) -> Key {
        let mut digest = Sha256::new();
        digest.update(&self.name);
        digest.update(bytemuck::cast_slice::<f32, u8>(pixels));
        digest.finalize().into()
    }

    /// What is kept of a picture.
    pub fn find(&mut self, pixels: &[f32]) -> Option<Vec<f32>> {
        let key = self.key(pixels);
        if let Some(numbers) = self.fresh.get(&key) {
            self.found += 1;
            return Some(numbers.clone());
        }
        let found = self.known.get(&key).copied();
        let numbers = found.and_then(|place| self.numbers(key, place));
        match numbers {
            Some(_) => self.found += 1,
            None => self.missed += 1,
        }
        numbers
    }

    fn numbers(&mut self, key: Key, place: Place) -> Option<Vec<f32>> {
        let part = self.parts.get_mut(place.part)?.as_mut()?;
        let error = match part.read(key, place) {
            Ok(numbers) => return Some(numbers),
            Err(error) => error,
        };
        log::warn!("latents in {} are made anew: {error}", part.path.display());
        if is_damage(&error) {
            fs::remove_file(&part.path).ok();
        }
        // What cannot be read now, for want of open files for instance, may be later.
        if is_damage(&error) || error.kind() == io::ErrorKind::NotFound {
            self.parts[place.part] = None;
        }
        None
    }

    /// Keeps what a first stage made of a picture.
    pub fn add(&mut self, pixels: &[f32], numbers: &[f32]) {
        let bytes = size_of_val(numbers);
        if bytes > self.room {
            return;
        }
        self.room -= bytes;
        self.fresh_bytes += bytes;
        let key = self.key(pixels);
        self.fresh.insert(key, numbers.to_vec());
        if self.fresh_bytes >= WAITING_BYTES {
            self.keep();
        }
    }

    /// Writes down what is not written yet.
    pub fn keep(&mut self) {
        let asked = std::mem::take(&mut self.found) + std::mem::take(&mut self.missed);
        if asked > 0 {
            let made = self.fresh.len();
            log::info!("{asked} pictures were looked up among latents; {made} new ones are kept");
        }
        self.fresh_bytes = 0;
        // Those of a length; all have the same, but for what nobody asks for any more.
        while let Some(numbers) = self.fresh.first_key_value().map(|(_, it)| it.len()) {
            let alike = self.fresh.extract_if(.., |_, it| it.len() == numbers);
            let alike: BTreeMap<Key, Vec<f32>> = alike.collect();
            let written = self.write(&alike, numbers);
            let read = written.and_then(|path| self.read(&path));
            if let Err(error) = read {
                let folder = self.folder.display();
                log::warn!("latents cannot be kept in {folder}: {error}");
                self.room = 0;
                self.fresh.clear();
            }
        }
    }

    fn write(&self, alike: &BTreeMap<Key, Vec<f32>>, numbers: usize) -> io::Result<PathBuf> {
        let mut digest = Sha256::new();
        alike.keys().for_each(|key| digest.update(key));
        let name: String = digest.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = self.folder.join(format!("{name}.{ENDING}"));
        let bytes = HEAD + alike.len() as u64 * (40 + 4 * numbers as u64);
        self.make_room(bytes);
        fs::create_dir_all(&self.folder)?;
        let of = |numbers: &[f32]| -> Vec<u8> {
            numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
        };
        write_whole(&path, |file| {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            out.write_all(MAGIC)?;
            out.write_all(&(alike.len() as u64).to_le_bytes())?;
            out.write_all(&(numbers as u64).to_le_bytes())?;
            for (key, numbers) in alike {
                out.write_all(key)?;
                out.write_all(&check(key, &of(numbers)))?;
            }
            for numbers in alike.values() {
                out.write_all(&of(numbers))?;
            }
            out.flush()
        })?;
        Ok(path)
    }

    /// Deletes what was not used for longest, until so many bytes more are not too many.
    fn make_room(&self, bytes: u64) {
        let folders = fs::read_dir(&self.root).into_iter().flatten();
        let folders = folders.filter_map(Result::ok).map(|entry| entry.path());
        let mut parts: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for folder in folders.filter(|path| path.is_dir() && is_of_store(path)) {
            let own = parts_in(&folder).into_iter();
            parts.extend(own.map(|(path, size, used)| (used, size, path)));
            forget_unfinished(&folder);
        }
        parts.sort();
        let mut all: u64 = parts.iter().map(|(_, size, _)| size).sum();
        let mut count = parts.len();
        for (_, size, path) in parts {
            if all + bytes <= self.most_bytes && count < MOST_PARTS {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                all -= size;
                count -= 1;
                // Only an empty folder goes.
                if let Some(folder) = path.parent() {
                    fs::remove_dir(folder).ok();
                }
            }
        }
    }
}

/// Whether an error says that a file is not what it should be, rather than that it cannot be
/// read now.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    matches!(error.kind(), InvalidData | UnexpectedEof)
}

/// Whether a folder is called as those of first stages are: the user may have chosen a
/// place where other things lie.
fn is_of_store(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    let parts = name.and_then(|name| name.strip_suffix("px")?.split_once('-'));
    parts.is_some_and(|(digest, size)| {
        let is_digest = digest.bytes().all(|digit| digit.is_ascii_hexdigit());
        digest.len() == DIGITS && is_digest && size.parse::<u32>().is_ok()
    })
}

fn check(key: &Key, bytes: &[u8]) -> Check {
    let mut digest = Sha256::new();
    digest.update(key);
    digest.update(bytes);
    let digest: [u8; 32] = digest.finalize().into();
    let mut check = Check::default();
    check.copy_from_slice(&digest[..size_of::<Check>()]);
    check
}

/// The parts in a folder by name, how large they are and when they were used.
fn parts_in(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let parts = entries.filter_map(Result::ok).filter_map(|entry| {
        let path = entry.path();
        let metadata = entry.metadata().ok()?;
        let is_part = metadata.is_file() && path.extension().is_some_and(|it| it == ENDING);
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        is_part.then_some((path, metadata.len(), used))
    });
    let mut parts: Vec<_> = parts.collect();
    parts.sort();
    parts
}

/// Deletes what runs that were killed left half written.
fn forget_unfinished(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten();
    for entry in entries.filter_map(Result::ok) {
        let is_ours = entry.path().extension().is_some_and(|it| it == "tmp")
            && entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(b".velatura-");
        let changed = entry.metadata().and_then(|it| it.modified()).ok();
        let age = changed.and_then(|it| it.elapsed().ok());
        if is_ours && age.is_some_and(|age| age > LEFT_BEHIND) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn picture(seed: u8) -> Vec<f32> {
        (0..12).map(|at| f32::from(seed) + at as f32).collect()
    }

    fn filled(root: &Path) -> PathBuf {
        let mut store = LatentStore::open(root, DIGEST, 2);
        for seed in 0..3 {
            assert!(store.find(&picture(seed)).is_none());
            store.add(&picture(seed), &[f32::from(seed), -1.5]);
        }
        // At once, and after it is written.
        assert_eq!(store.find(&picture(1)), Some(vec![1.0, -1.5]));
        store.keep();
        assert_eq!(store.find(&picture(2)), Some(vec![2.0, -1.5]));
        store.folder
    }

    fn only_part(folder: &Path) -> PathBuf {
        let parts = parts_in(folder);
        assert_eq!(parts.len(), 1);
        parts[0].0.clone()
    }

    #[test]
    fn what_was_encoded_is_known_in_the_next_run() {
        let root = tempfile::tempdir().expect("a folder");
        filled(root.path());
        let mut store = LatentStore::open(root.path(), DIGEST, 2);
        assert_eq!(store.find(&picture(0)), Some(vec![0.0, -1.5]));
        assert_eq!(store.find(&picture(2)), Some(vec![2.0, -1.5]));
        assert_eq!(store.find(&picture(3)), None);
        // Of another first stage, and of another size, nothing is known.
        let other = DIGEST.replace('0', "1");
        assert_eq!(
            LatentStore::open(root.path(), &other, 2).find(&picture(0)),
            None
        );
        assert_eq!(
            LatentStore::open(root.path(), DIGEST, 4).find(&picture(0)),
            None
        );
        // Whose digest begins alike shares the folder and nothing else.
        let alike = format!("{}{}", &DIGEST[..DIGITS], &other[DIGITS..]);
        assert_eq!(
            LatentStore::open(root.path(), &alike, 2).find(&picture(0)),
            None
        );
    }

    #[test]
    fn what_is_damaged_is_made_anew() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = filled(root.path());
        let path = only_part(&folder);
        let whole = fs::read(&path).expect("a part");
        type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
        let ways: [Damage<'_>; 5] = [
            &|bytes| bytes.truncate(bytes.len() - 1),
            &|bytes| bytes.truncate(10),
            &|bytes| bytes[0] ^= 1,
            &|bytes| bytes[MAGIC.len()..][..16].fill(0xff),
            // Seen when it is asked for.
            &|bytes| bytes.iter_mut().rev().take(24).for_each(|byte| *byte ^= 1),
        ];
        for damage in ways {
            let mut bytes = whole.clone();
            damage(&mut bytes);
            fs::write(&path, bytes).expect("written");
            let mut store = LatentStore::open(root.path(), DIGEST, 2);
            assert_eq!(store.find(&picture(1)), None);
            assert!(!path.exists());
            for seed in 0..3 {
                assert!(store.find(&picture(seed)).is_none());
                store.add(&picture(seed), &[f32::from(seed), -1.5]);
            }
            store.keep();
            assert_eq!(fs::read(&path).expect("a part"), whole);
        }
    }

    #[test]
    fn what_cannot_be_read_for_now_is_not_lost() {
        let root = tempfile::tempdir().expect("a folder");
        let path = only_part(&filled(root.path()));
        let mut store = LatentStore::open(root.path(), DIGEST, 2);
        // A folder in its place cannot be read either, and is no damage.
        let aside = root.path().join("aside");
        fs::rename(&path, &aside).expect("moved");
        fs::create_dir(&path).expect("a folder");
        assert_eq!(store.find(&picture(1)), None);
        fs::remove_dir(&path).expect("removed");
        fs::rename(&aside, &path).expect("moved");
        assert_eq!(store.find(&picture(1)), Some(vec![1.0, -1.5]));
    }

    #[test]
    fn what_is_longer_than_everything_may_be_is_damaged() {
        let root = tempfile::tempdir().expect("a folder");
        let path = only_part(&filled(root.path()));
        // A count that says so, and nothing behind it.
        let mut bytes = fs::read(&path).expect("a part");
        let count: u64 = 1 << 26;
        bytes[MAGIC.len()..][..8].copy_from_slice(&count.to_le_bytes());
        fs::write(&path, bytes).expect("written");
        let file = File::options().write(true).open(&path).expect("a part");
        file.set_len(HEAD + count * (40 + 4 * 2)).expect("a length");
        drop(file);
        let mut store = LatentStore::open(root.path(), DIGEST, 2);
        assert!(store.known.is_empty() && !path.exists());
        assert_eq!(store.find(&picture(1)), None);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let root = tempfile::tempdir().expect("a folder");
        // What others keep there stays, whatever it is called.
        let no_size = format!("{}-px", &DIGEST[..DIGITS]);
        let others = ["latents", "0123-2px", &no_size]
            .map(|name| root.path().join(name).join("mine.latents"));
        for path in &others {
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "mine").expect("written");
        }
        let folder = filled(root.path());
        let old = only_part(&folder);
        let mut store = LatentStore::open(root.path(), DIGEST, 2);
        store.add(&picture(7), &[7.0, 0.0]);
        store.keep();
        assert_eq!(parts_in(&folder).len(), 2);
        let long_ago = SystemTime::UNIX_EPOCH;
        let file = File::options().write(true).open(&old).expect("a part");
        file.set_modified(long_ago).expect("a time");
        let size = old.metadata().expect("a part").len();
        let mut store = LatentStore::open(root.path(), DIGEST, 2);
        store.most_bytes = size + 150;
        store.add(&picture(8), &[8.0, 0.0]);
        store.keep();
        assert!(!old.exists());
        let mut store = LatentStore::open(root.path(), DIGEST, 2);
        assert_eq!(store.find(&picture(0)), None);
        assert_eq!(store.find(&picture(7)), Some(vec![7.0, 0.0]));
        assert_eq!(store.find(&picture(8)), Some(vec![8.0, 0.0]));
        assert!(others.iter().all(|path| path.exists()));
        // Too much for one run is not kept.
        store.room = 7;
        store.add(&picture(9), &[9.0, 0.0]);
        assert_eq!(store.find(&picture(9)), None);
    }

    #[test]
    fn a_place_that_cannot_be_written_ends_nothing() {
        let root = tempfile::tempdir().expect("a folder");
        let file = root.path().join("file");
        fs::write(&file, "").expect("written");
        let mut store = LatentStore::open(&file, DIGEST, 2);
        store.add(&picture(1), &[1.0]);
        store.keep();
        assert_eq!(store.find(&picture(1)), None);
    }
}
