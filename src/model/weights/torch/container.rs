//! Where in a checkpoint its pickle and its numbers lie: in a zip archive, or one
//! after the other as PyTorch wrote them before version 1.6.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};

use super::pickle::{Pickle, Value};
use super::state::{State, StorageClaim};
use crate::files::{Archive, ArchiveEntry, ArchiveError};

/// How an archive begins.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";

/// Longest pickle in an archive, unpacked.
const MOST_PICKLE_BYTES: u64 = 32 << 20;
/// Packed files of an archive may be so many times as long as it, and a little more.
const MOST_UNPACKED: u64 = 20;
const UNPACKED_ALWAYS: u64 = 16 << 20;
/// By what the older format is known, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

/// Where the numbers of a storage lie.
#[derive(Debug)]
pub(super) enum Place {
    /// In the file as they are, from here on.
    At(u64),
    /// Packed, under this name in the archive.
    Packed(String),
}

/// Numbers that tensors are parts of.
#[derive(Debug)]
pub(super) struct Storage {
    pub place: Place,
    pub bytes: usize,
}

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Contents {
    pub state: State,
    pub storages: BTreeMap<String, Storage>,
    pub archive: Option<Archive>,
}

/// Reads what an archive says, but no numbers.
pub(super) fn from_zip(file: &File) -> Result<Contents, String> {
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let archive = file.try_clone().map_err(|error| error.to_string())?;
    let archive = Archive::open(archive).map_err(|error| sentence(&error))?;
    let pickle = archive.entries().iter().find_map(|entry| {
        let folder = entry.name.strip_suffix("data.pkl")?;
        (folder.is_empty() || folder.ends_with('/')).then(|| folder.to_owned())
    });
    let Some(folder) = pickle else {
        return Err("it is a zip archive without the data.pkl of a checkpoint".into());
    };
    let is_program = |entry: &ArchiveEntry| {
        let inner = entry.name.strip_prefix(&folder);
        inner.is_some_and(|inner| inner.starts_with("code/"))
    };
    if archive.entries().iter().any(is_program) {
        return Err("it is a TorchScript program and not a checkpoint of weights".into());
    }
    let read = |name: &str, most| archive.read(&format!("{folder}{name}"), most);
    match read("byteorder", 16) {
        Ok(order) if order.trim_ascii() == b"big" => {
            return Err(
                "its numbers have their bytes in the order of another kind of computer".into(),
            );
        }
        _ => {}
    }
    let bytes = read("data.pkl", MOST_PICKLE_BYTES).map_err(|error| sentence(&error))?;
    // Whether anything refers to them or not.
    let packed = archive.entries().iter().filter(|entry| !entry.is_stored);
    let unpacked = packed.fold(0_u64, |sum, entry| sum.saturating_add(entry.bytes));
    if unpacked > UNPACKED_ALWAYS.saturating_add(length.saturating_mul(MOST_UNPACKED)) {
        return Err(format!(
            "it would unpack to {unpacked} bytes, which no weights do"
        ));
    }
    let pickle = Pickle::read(&mut bytes.as_slice())?;
    let state = State::of(&pickle)?;
    let entries = archive.entries().iter();
    let entries: BTreeMap<&str, &ArchiveEntry> =
        entries.map(|entry| (entry.name.as_str(), entry)).collect();
    let mut storages = BTreeMap::new();
    for (key, claim) in &state.storages {
        let name = format!("{folder}data/{key}");
        let entry = entries.get(name.as_str());
        let entry = entry.ok_or_else(|| format!("it lacks the numbers of its storage {key}"))?;
        let bytes = claimed(key, claim)?;
        if entry.bytes != bytes as u64 {
            return Err(format!(
                "its storage {key} is said to have {bytes} bytes, and there are {}",
                entry.bytes
            ));
        }
        let place = if entry.is_stored {
            let end = entry.offset.checked_add(entry.packed_bytes);
            if entry.packed_bytes != entry.bytes || end.is_none_or(|end| end > length) {
                return Err(format!("it ends before its storage {key} does"));
            }
            Place::At(entry.offset)
        } else {
            Place::Packed(name)
        };
        storages.insert(key.clone(), Storage { place, bytes });
    }
    Ok(Contents {
        state,
        storages,
        archive: Some(archive),
    })
}

/// Reads what a file of the older format says, but no numbers.
pub(super) fn from_stream(file: &File) -> Result<Contents, String> {
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let file = file.try_clone().map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(file);
    reader.rewind().map_err(|error| error.to_string())?;
    let magic = Pickle::read(&mut reader)?;
    if !matches!(magic.root(), Value::Large(digits) if **digits == MAGIC) {
        return Err("it is a pickle, but none that PyTorch wrote".into());
    }
    let version = Pickle::read(&mut reader)?;
    if !matches!(version.root(), Value::Int(VERSION)) {
        return Err("it is of a version of PyTorch's older format that is not known".into());
    }
    // What the computer was like on which it was written.
    let system = Pickle::read(&mut reader)?;
    if let Value::Dict(entries) = system.root() {
        let order = entries
            .iter()
            .find(|(key, _)| system.text(*key) == Some("little_endian"));
        if order.is_some_and(|(_, value)| matches!(system.get(*value), Value::Bool(false))) {
            return Err(
                "its numbers have their bytes in the order of another kind of computer".into(),
            );
        }
    }
    let pickle = Pickle::read(&mut reader)?;
    let mut state = State::of(&pickle)?;
    state.all_storages(&pickle)?;
    let order = Pickle::read(&mut reader)?;
    let unclear = || "it does not say in which order its storages lie".to_owned();
    let (Value::List(order_ids) | Value::Tuple(order_ids)) = order.root() else {
        return Err(unclear());
    };
    let mut storages = BTreeMap::new();
    let mut at = reader
        .stream_position()
        .map_err(|error| error.to_string())?;
    for id in order_ids {
        let key = order.text(*id).ok_or_else(unclear)?;
        let claim = state.storages.get(key).ok_or_else(unclear)?;
        let bytes = claimed(key, claim)?;
        let mut count = [0; 8];
        reader
            .seek(SeekFrom::Start(at))
            .and_then(|_| reader.read_exact(&mut count))
            .map_err(|_| format!("it ends before its storage {key} does"))?;
        let count = u64::from_le_bytes(count);
        if count != claim.count as u64 {
            return Err(format!(
                "its storage {key} is said to have {} numbers, and there are {count}",
                claim.count
            ));
        }
        let begin = at + 8;
        at = begin.saturating_add(bytes as u64);
        if at > length {
            return Err(format!("it ends before its storage {key} does"));
        }
        let place = Place::At(begin);
        if storages
            .insert(key.to_owned(), Storage { place, bytes })
            .is_some()
        {
            return Err(format!("its storage {key} is there twice"));
        }
    }
    Ok(Contents {
        state,
        storages,
        archive: None,
    })
}

/// The bytes that a storage is said to have.
fn claimed(key: &str, claim: &StorageClaim) -> Result<usize, String> {
    let size = claim.dtype.map_or(1, |dtype| dtype.bitsize() / 8);
    let bytes = claim.count.checked_mul(size);
    let bytes = bytes.filter(|bytes| isize::try_from(*bytes).is_ok());
    bytes.ok_or_else(|| format!("its storage {key} is said to be larger than any memory"))
}

fn sentence(error: &ArchiveError) -> String {
    match error {
        ArchiveError::Missing => "a file of the archive is not there".into(),
        ArchiveError::TooLong => "its data.pkl is longer than that of any checkpoint".into(),
        ArchiveError::Damaged(reason) => {
            format!("the archive is damaged ({reason}); download or copy it again")
        }
    }
}
