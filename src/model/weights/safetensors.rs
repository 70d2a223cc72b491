//! One safetensors file.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use super::super::ModelError;
use super::numbers::{self, Bytes, Stored, read_exact_at};
use super::places::LFS_POINTER;
use super::{WeightDtype, WeightSource};
use crate::files::open_file;

/// Bytes of the number that says how long the header is.
const PREFIX: usize = 8;
/// Longest header: a long note in it is there twice while it is read. Those of the largest
/// models have two megabytes.
const MOST_HEADER_BYTES: u64 = 64 << 20;

/// Most tensors of a file: whole models with their averages have some thousands.
const MOST_TENSORS: usize = 1 << 16;
/// Most commas of a header: those of a tensor with five axes, and one behind it.
const MOST_COMMAS: usize = 8 * MOST_TENSORS;

/// A safetensors file, opened and checked but not read.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: File,
    entries: BTreeMap<String, Entry>,
    notes: HashMap<String, String>,
}

#[derive(Debug)]
struct Entry {
    dtype: safetensors::Dtype,
    shape: Vec<usize>,
    offset: u64,
    length: usize,
}

impl SafetensorsFile {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or stands for a file that was not fetched.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = open_file(path).map_err(ModelError::io("read", path))?;
        let (entries, notes) = read_header(path, &file)?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            entries,
            notes,
        })
    }
}

impl WeightSource for SafetensorsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.entries.keys().map(String::as_str))
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    fn dtype(&self, name: &str) -> Option<safetensors::Dtype> {
        self.entries.get(name).map(|entry| entry.dtype)
    }

    fn note(&self, key: &str) -> Option<&str> {
        self.notes.get(key).map(String::as_str)
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        let Some(entry) = self.entries.get(name) else {
            return Err(damaged(&self.path, format!("it has no {name}")));
        };
        let stored = Stored {
            bytes: Bytes::InFile(&self.file, entry.offset),
            path: &self.path,
            name,
            dtype: entry.dtype,
            shape: &entry.shape,
            length: entry.length,
        };
        numbers::read(&stored, shape, is_transposed, dtype)
    }
}

pub(super) fn damaged(path: &Path, message: impl Into<String>) -> ModelError {
    ModelError::Damaged {
        path: path.to_path_buf(),
        message: message.into(),
    }
}

/// A header as it is written.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "__metadata__")]
    notes: Option<HashMap<String, String>>,
    #[serde(flatten)]
    tensors: HashMap<String, TensorInfo>,
}

/// What a header tells of tensors, and what it says besides.
type Header = (BTreeMap<String, Entry>, HashMap<String, String>);

fn read_header(path: &Path, file: &File) -> Result<Header, ModelError> {
    let damaged = |message: String| damaged(path, message);
    let read = |buffer: &mut [u8], offset| {
        read_exact_at(file, buffer, offset).map_err(ModelError::io("read", path))
    };
    let length = file.metadata().map_err(ModelError::io("read", path))?.len();
    let mut start = [0; LFS_POINTER.len()];
    let known = start.len().min(length as usize);
    read(&mut start[..known], 0)?;
    if start == *LFS_POINTER {
        return Err(ModelError::LfsPointer(path.to_path_buf()));
    }
    if length == 0 {
        return Err(damaged("it is empty".into()));
    }
    let Some(prefix) = start[..known].first_chunk::<PREFIX>() else {
        return Err(damaged("it is too short for a header".into()));
    };
    let header = u64::from_le_bytes(*prefix);
    if header > MOST_HEADER_BYTES || header > length - PREFIX as u64 {
        return Err(damaged(format!(
            "its header would be {header} bytes long, and the file has {length}"
        )));
    }
    let mut text = vec![0; header as usize];
    read(&mut text, PREFIX as u64)?;
    check_counts(&text).map_err(damaged)?;
    let told: Told = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    drop(text);
    let mut tensors: Vec<(String, TensorInfo)> = told.tensors.into_iter().collect();
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let metadata = Metadata::new(None, tensors).map_err(|error| damaged(error.to_string()))?;
    let begin = PREFIX as u64 + header;
    if begin.checked_add(metadata.data_len() as u64) != Some(length) {
        return Err(damaged(format!(
            "its header describes {} bytes of weights, and {} follow",
            metadata.data_len(),
            length - begin
        )));
    }
    let entries = metadata.tensors().into_iter().map(|(name, info)| {
        let (start, end) = info.data_offsets;
        let entry = Entry {
            dtype: info.dtype,
            shape: info.shape.clone(),
            offset: begin + start as u64,
            length: end - start,
        };
        (name, entry)
    });
    Ok((entries.collect(), told.notes.unwrap_or_default()))
}

/// Refuses headers of which what is read would take many times the memory of the text: by
/// braces and commas outside of quotes, which cannot be written otherwise.
fn check_counts(text: &[u8]) -> Result<(), String> {
    let (mut braces, mut commas) = (0, 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'{' if !is_quoted => braces += 1,
            b',' if !is_quoted => commas += 1,
            _ => {}
        }
    }
    // Those of the header and of its notes are no tensors.
    if braces > MOST_TENSORS + 2 {
        return Err(format!(
            "its header names more than {MOST_TENSORS} tensors, which no model has"
        ));
    }
    if commas > MOST_COMMAS {
        return Err(format!(
            "its header is a list of more than {MOST_COMMAS} things, which no model needs"
        ));
    }
    Ok(())
}
