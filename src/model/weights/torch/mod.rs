//! PyTorch checkpoints (`.ckpt`, `.pt`, `.pth`, `.bin`), read without Python and
//! without doing anything that they say.
//!
//! A checkpoint is a pickle that describes tensors as views of storages, and the
//! storages. The pickle is read as data (`pickle`), what it may call is a list
//! (`calls`), tensors are found in its values (`state`) and storages in the file
//! (`container`). Numbers are read when they are asked for.

mod calls;
mod container;
mod pickle;
mod state;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::Dtype;

use super::super::ModelError;
use super::numbers::{self, Bytes, Stored, read_exact_at};
use super::{WeightDtype, WeightSource};
use crate::files::{Archive, open_file};
use container::{Contents, Place, Storage};
use state::View;

/// All tensors together may be so many times as large as the file, and a little more:
/// a first stage is there twice in some models, and nothing more often.
const MOST_SHARED: u64 = 8;
const SHARED_ALWAYS: u64 = 16 << 20;
/// What is read around a view may be so many times as large as the view, and a little
/// more.
const MOST_AROUND: usize = 4;
const AROUND_ALWAYS: usize = 16 << 20;

/// To reach a view in a packed storage all before it is unpacked: for all of them so many
/// times as much as they have, and a little more.
const MOST_UNPACKED: u64 = 4;
const UNPACKED_ALWAYS: u64 = 16 << 20;

/// A PyTorch checkpoint, opened and checked but not read.
#[derive(Debug)]
pub struct TorchFile {
    path: PathBuf,
    file: File,
    archive: Option<Archive>,
    storages: BTreeMap<String, Storage>,
    tensors: BTreeMap<String, View>,
}

impl TorchFile {
    /// Whether a file that begins with these bytes may be a checkpoint.
    pub fn is_begun_by(start: &[u8]) -> bool {
        // The length of a safetensors' header may look like the head of a pickle.
        let is_pickle = || matches!(start, [0x80, 0..6, ..]) && start.get(8) != Some(&b'{');
        start.starts_with(container::ZIP) || is_pickle()
    }

    /// Reads what a file says of its tensors.
    ///
    /// # Errors
    /// If it cannot be read, is no checkpoint, is damaged, or asks for something that
    /// is not known: one sentence that names it.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = open_file(path).map_err(ModelError::io("read", path))?;
        let unclear = |message: String| ModelError::Checkpoint {
            path: path.to_path_buf(),
            message,
        };
        let mut start = [0; container::ZIP.len()];
        let is_zip = read_exact_at(&file, &mut start, 0).is_ok() && start == *container::ZIP;
        let contents = if is_zip {
            container::from_zip(&file)
        } else {
            container::from_stream(&file)
        };
        let contents = contents.map_err(unclear)?;
        let length = file.metadata().map_err(ModelError::io("read", path))?.len();
        check(&contents, length).map_err(unclear)?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            archive: contents.archive,
            storages: contents.storages,
            tensors: contents.state.tensors,
        })
    }

    /// The numbers of a tensor one after the other, as bytes of its kind of number.
    ///
    /// # Errors
    /// If there is no tensor of that name or it cannot be read.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, ModelError> {
        let (view, storage) = self.find(name)?;
        self.gather(name, view, storage)
    }

    fn unclear(&self, message: String) -> ModelError {
        ModelError::Checkpoint {
            path: self.path.clone(),
            message,
        }
    }

    fn find(&self, name: &str) -> Result<(&View, &Storage), ModelError> {
        let view = self.tensors.get(name);
        let found = view.and_then(|view| Some((view, self.storages.get(&view.storage)?)));
        found.ok_or_else(|| self.unclear(format!("it has no {name}")))
    }

    /// A part of a storage.
    fn part(&self, storage: &Storage, begin: usize, length: usize) -> Result<Vec<u8>, ModelError> {
        let mut bytes = vec![0; length];
        match (&storage.place, &self.archive) {
            (Place::Packed(name), Some(archive)) => archive
                .read_part(name, begin as u64, &mut bytes)
                .map_err(|_| self.unclear(format!("its part {name} is damaged")))?,
            (Place::At(offset), _) => read_exact_at(&self.file, &mut bytes, offset + begin as u64)
                .map_err(ModelError::io("read", &self.path))?,
            (Place::Packed(name), None) => {
                return Err(self.unclear(format!("it has no {name}")));
            }
        }
        Ok(bytes)
    }

    fn gather(&self, name: &str, view: &View, storage: &Storage) -> Result<Vec<u8>, ModelError> {
        let size = view.dtype.bitsize() / 8;
        // Both were computed when the file was opened.
        let (count, end) = view.count().zip(view.end()).unwrap_or_default();
        let around = (end.saturating_sub(view.first)) * size;
        if count == 0 {
            return Ok(Vec::new());
        }
        if around > AROUND_ALWAYS.saturating_add((count * size).saturating_mul(MOST_AROUND)) {
            let message = format!("{name} is a few numbers far apart in a large storage");
            return Err(self.unclear(message));
        }
        let bytes = self.part(storage, view.first * size, around)?;
        if view.is_plain() {
            return Ok(bytes);
        }
        let mut gathered = Vec::with_capacity(count * size);
        let mut index = vec![0; view.shape.len()];
        let mut at = 0;
        for _ in 0..count {
            gathered.extend_from_slice(&bytes[at * size..][..size]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += view.strides[axis];
                if index[axis] < view.shape[axis] {
                    break;
                }
                at -= view.strides[axis] * view.shape[axis];
                index[axis] = 0;
            }
        }
        Ok(gathered)
    }
}

/// Whether every tensor lies within its storage, and all of them together are not
/// many times what the file has.
fn check(contents: &Contents, length: u64) -> Result<(), String> {
    let (mut all, mut passed) = (0_u64, 0_u64);
    for (name, view) in &contents.state.tensors {
        let storage = contents.storages.get(&view.storage);
        let storage = storage.ok_or_else(|| format!("it lacks the numbers of {name}"))?;
        let size = view.dtype.bitsize() / 8;
        let sizes = view.count().zip(view.end());
        let bytes = sizes.and_then(|(count, end)| {
            let (bytes, end) = (count.checked_mul(size)?, end.checked_mul(size)?);
            (end <= storage.bytes).then_some((bytes, end))
        });
        let Some((bytes, end)) = bytes else {
            return Err(format!(
                "{name} with the shape {:?} reaches beyond its storage",
                view.shape
            ));
        };
        all = all.saturating_add(bytes as u64);
        if matches!(storage.place, Place::Packed(_)) {
            passed = passed.saturating_add(end as u64);
        }
    }
    if all > SHARED_ALWAYS.saturating_add(length.saturating_mul(MOST_SHARED)) {
        return Err(format!(
            "its tensors would take {all} bytes, and the file has {length}"
        ));
    }
    let packed = contents.storages.values();
    let packed = packed.filter(|storage| matches!(storage.place, Place::Packed(_)));
    let packed: u64 = packed.map(|storage| storage.bytes as u64).sum();
    if passed > UNPACKED_ALWAYS.saturating_add(packed.saturating_mul(MOST_UNPACKED)) {
        return Err(format!(
            "to read its tensors {passed} bytes would be unpacked, and there are {packed}"
        ));
    }
    Ok(())
}

impl WeightSource for TorchFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.tensors.keys().map(String::as_str))
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|view| view.shape.as_slice())
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|view| view.dtype)
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        let (view, storage) = self.find(name)?;
        let size = view.dtype.bitsize() / 8;
        let gathered;
        let (bytes, length) = match &storage.place {
            Place::At(offset) if view.is_plain() => {
                let offset = offset + (view.first * size) as u64;
                let bytes = Bytes::InFile(&self.file, offset);
                (bytes, view.count().unwrap_or_default() * size)
            }
            _ => {
                // Before anything is gathered for it: is it what was asked for?
                if view.count() != Some(shape.iter().product()) {
                    let found = &view.shape;
                    return Err(self.unclear(format!("{name} is {found:?} instead of {shape:?}")));
                }
                gathered = self.gather(name, view, storage)?;
                (Bytes::InMemory(&gathered), gathered.len())
            }
        };
        let stored = Stored {
            bytes,
            path: &self.path,
            name,
            dtype: view.dtype,
            shape: &view.shape,
            length,
        };
        numbers::read(&stored, shape, is_transposed, dtype).map_err(|error| match error {
            ModelError::Damaged { message, .. } => self.unclear(message),
            other => other,
        })
    }
}
