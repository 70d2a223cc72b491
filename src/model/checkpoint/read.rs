//! Reading safetensors, whole or in shards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::tensor::{Element, TensorData};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use memmap2::{Mmap, MmapOptions};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use super::super::ModelError;
use super::WeightDtype;

/// Numbers converted by one thread at a time.
const CHUNK: usize = 1 << 16;
/// Rows and columns turned at once when a matrix is transposed: the tile fits the first cache.
const TILE: usize = 32;

/// The weight files of one network, opened and checked but not read.
#[derive(Debug)]
pub struct WeightFiles {
    index: PathBuf,
    files: Vec<PathBuf>,
    handles: Vec<File>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    offset: u64,
    length: usize,
}

impl WeightFiles {
    /// Opens the weights in a network's folder: `stem.safetensors`, its shards,
    /// or its f16 variant.
    ///
    /// # Errors
    /// If there are none, they are pickles, or a file is damaged.
    pub fn open(folder: &Path, stem: &str) -> Result<Self, ModelError> {
        let names = super::file_names(stem);
        let Some(index) = names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
        else {
            return Err(match super::pickles(folder, stem) {
                Some(pickle) => ModelError::Pickle(pickle),
                None => ModelError::MissingWeights {
                    folder: folder.to_path_buf(),
                    expected: names.to_vec(),
                },
            });
        };
        if index
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let shards = shards(&index)?;
            Self::from_files(
                index,
                shards.into_iter().map(|name| folder.join(name)).collect(),
            )
        } else {
            Self::from_files(index.clone(), vec![index])
        }
    }

    /// Opens a single safetensors file.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn open_file(path: &Path) -> Result<Self, ModelError> {
        Self::from_files(path.to_path_buf(), vec![path.to_path_buf()])
    }

    fn from_files(index: PathBuf, files: Vec<PathBuf>) -> Result<Self, ModelError> {
        let mut entries = BTreeMap::new();
        let mut handles = Vec::with_capacity(files.len());
        for (number, path) in files.iter().enumerate() {
            let file = File::open(path).map_err(ModelError::io("read", path))?;
            read_header(path, &file, number, &mut entries)?;
            handles.push(file);
        }
        Ok(Self {
            index,
            files,
            handles,
            entries,
        })
    }

    /// The file that names the weights: the only one, or the index of the shards.
    pub fn path(&self) -> PathBuf {
        self.index.clone()
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The shape stored under a key.
    pub fn shape(&self, key: &str) -> Option<&[usize]> {
        self.entries.get(key).map(|entry| entry.shape.as_slice())
    }

    /// The numbers stored under a key, as `dtype`; `transposed` swaps the first
    /// two axes, and `shape` is that of the result.
    ///
    /// # Errors
    /// If there is no such key, it holds no floating-point numbers, or `dtype`
    /// cannot hold one of them.
    ///
    /// # Panics
    /// When there are more or fewer numbers than in `shape`: a bug of the caller.
    pub fn read(
        &self,
        key: &str,
        shape: &[usize],
        transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        match dtype {
            WeightDtype::F32 => self.read_as::<f32>(key, shape, transposed),
            WeightDtype::F16 => self.read_as::<f16>(key, shape, transposed),
            WeightDtype::Bf16 => self.read_as::<bf16>(key, shape, transposed),
        }
    }

    fn read_as<T: Held>(
        &self,
        key: &str,
        shape: &[usize],
        transposed: bool,
    ) -> Result<TensorData, ModelError> {
        let damaged = |path: &Path, message: String| ModelError::Damaged {
            path: path.to_path_buf(),
            message,
        };
        let Some(entry) = self.entries.get(key) else {
            return Err(damaged(&self.index, format!("it has no {key}")));
        };
        let path = &self.files[entry.file];
        let (decode, size): (Decode, usize) = match entry.dtype {
            Dtype::F32 => (decode_f32, 4),
            Dtype::F16 => (decode_f16, 2),
            Dtype::BF16 => (decode_bf16, 2),
            other => {
                return Err(damaged(
                    path,
                    format!("{key} holds {other:?} instead of F32, F16 or BF16"),
                ));
            }
        };
        let mut values = vec![T::default(); entry.shape.iter().product()];
        if entry.length > 0 {
            // Mapped anew for each tensor, so that pages already converted do not count against memory.
            let map = map(&self.handles[entry.file], entry.offset, entry.length)
                .map_err(ModelError::io("read", path))?;
            let all_fit = match entry.shape.as_slice() {
                [rows, columns, ..] if transposed => {
                    transpose_into(&map, size, [*rows, *columns], decode, &mut values)
                }
                _ => copy_into(&map, size, decode, &mut values),
            };
            if !all_fit {
                return Err(ModelError::TooLarge {
                    path: path.clone(),
                    key: key.to_owned(),
                });
            }
        }
        Ok(TensorData::new(values, shape.to_vec()))
    }

    /// SHA-256 of all files, in the order of their names, as hexadecimal digits.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn sha256(&self) -> Result<String, ModelError> {
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        for path in &self.files {
            let mut file = File::open(path).map_err(ModelError::io("read", path))?;
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
        Ok(digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

/// The files that an index names.
fn shards(index: &Path) -> Result<BTreeSet<String>, ModelError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = fs::read_to_string(index).map_err(ModelError::io("read", index))?;
    let json = |message: String| ModelError::Json {
        path: index.to_path_buf(),
        message,
    };
    let parsed: Index = serde_json::from_str(&text).map_err(|error| json(error.to_string()))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    match names
        .iter()
        .find(|name| Path::new(name).components().count() != 1 || name.starts_with('.'))
    {
        Some(name) => Err(json(format!(
            "it names the file {name:?} outside of its folder"
        ))),
        None => Ok(names),
    }
}

fn read_header(
    path: &Path,
    file: &File,
    number: usize,
    entries: &mut BTreeMap<String, Entry>,
) -> Result<(), ModelError> {
    let damaged = |message: String| ModelError::Damaged {
        path: path.to_path_buf(),
        message,
    };
    let length = file.metadata().map_err(ModelError::io("read", path))?.len();
    let length =
        usize::try_from(length).map_err(|_| damaged("it is too large for this machine".into()))?;
    if length == 0 {
        return Err(damaged("it is empty".into()));
    }
    let map = map(file, 0, length).map_err(ModelError::io("read", path))?;
    let (header, metadata) =
        SafeTensors::read_metadata(&map).map_err(|error| damaged(error.to_string()))?;
    for key in metadata.offset_keys() {
        let Some(info) = metadata.info(&key) else {
            continue;
        };
        let (start, end) = info.data_offsets;
        let entry = Entry {
            file: number,
            dtype: info.dtype,
            shape: info.shape.clone(),
            offset: (8 + header + start) as u64,
            length: end - start,
        };
        entries.insert(key, entry);
    }
    Ok(())
}

/// Maps a part of a file for reading.
#[allow(unsafe_code)]
fn map(file: &File, offset: u64, length: usize) -> std::io::Result<Mmap> {
    // SAFETY: the map is read only, and the bytes are copied out before the
    // caller returns. Were another program to change the file meanwhile, we
    // would read other numbers; the length was checked against the file.
    unsafe { MmapOptions::new().offset(offset).len(length).map(file) }
}

/// Turns little-endian bytes into as many numbers.
type Decode = fn(&[u8], &mut [f32]);

fn decode_f32(bytes: &[u8], values: &mut [f32]) {
    match bytemuck::try_cast_slice::<u8, f32>(bytes) {
        Ok(stored) if cfg!(target_endian = "little") => values.copy_from_slice(stored),
        _ => {
            for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(4)) {
                *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
    }
}

fn decode_f16(bytes: &[u8], values: &mut [f32]) {
    match bytemuck::try_cast_slice::<u8, f16>(bytes) {
        Ok(stored) if cfg!(target_endian = "little") => stored.convert_to_f32_slice(values),
        _ => {
            for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(2)) {
                *value = f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
            }
        }
    }
}

fn decode_bf16(bytes: &[u8], values: &mut [f32]) {
    for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(2)) {
        *value = f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16);
    }
}

/// A kind of number that weights are held as.
trait Held: Element + Default {
    /// Decodes numbers; false when one is too large.
    fn decode(decode: Decode, bytes: &[u8], size: usize, out: &mut [Self]) -> bool {
        let mut buffer = [0.0; 1024];
        let mut all_fit = true;
        for (out, bytes) in out.chunks_mut(1024).zip(bytes.chunks(1024 * size)) {
            let wide = &mut buffer[..out.len()];
            decode(bytes, wide);
            all_fit &= Self::narrow(wide, out);
        }
        all_fit
    }

    /// Rounds numbers; false when one is too large.
    fn narrow(wide: &[f32], out: &mut [Self]) -> bool;
}

impl Held for f32 {
    fn decode(decode: Decode, bytes: &[u8], _: usize, out: &mut [Self]) -> bool {
        decode(bytes, out);
        true
    }

    fn narrow(wide: &[f32], out: &mut [Self]) -> bool {
        out.copy_from_slice(wide);
        true
    }
}

impl Held for f16 {
    fn narrow(wide: &[f32], out: &mut [Self]) -> bool {
        out.convert_from_f32_slice(wide);
        let mut pairs = wide.iter().zip(out);
        pairs.all(|(wide, narrow)| narrow.is_finite() || !wide.is_finite())
    }
}

impl Held for bf16 {
    fn narrow(wide: &[f32], out: &mut [Self]) -> bool {
        out.convert_from_f32_slice(wide);
        true
    }
}

fn copy_into<T: Held>(bytes: &[u8], size: usize, decode: Decode, values: &mut [T]) -> bool {
    let parts = values
        .par_chunks_mut(CHUNK)
        .zip(bytes.par_chunks(size * CHUNK));
    parts
        .map(|(values, bytes)| T::decode(decode, bytes, size, values))
        .reduce(|| true, |a, b| a && b)
}

/// Writes a matrix column by column, `TILE` columns of `TILE` rows at a time.
fn transpose_into<T: Held>(
    bytes: &[u8],
    size: usize,
    [rows, columns]: [usize; 2],
    decode: Decode,
    values: &mut [T],
) -> bool {
    values
        .par_chunks_mut(TILE * rows)
        .enumerate()
        .map(|(part, out)| {
            let first = part * TILE;
            let width = out.len() / rows;
            let mut tile = [[0.0; TILE]; TILE];
            let mut line = [0.0; TILE];
            let mut all_fit = true;
            for top in (0..rows).step_by(TILE) {
                let height = TILE.min(rows - top);
                for (row, values) in tile[..height].iter_mut().enumerate() {
                    let start = ((top + row) * columns + first) * size;
                    decode(&bytes[start..start + width * size], &mut values[..width]);
                }
                for column in 0..width {
                    for (value, row) in line.iter_mut().zip(&tile) {
                        *value = row[column];
                    }
                    let out = &mut out[column * rows + top..][..height];
                    all_fit &= T::narrow(&line[..height], out);
                }
            }
            all_fit
        })
        .reduce(|| true, |a, b| a && b)
}
