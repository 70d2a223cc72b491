//! Writing safetensors.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use burn::tensor::TensorData;
use half::{bf16, f16};
use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::super::ModelError;
use super::{Arranged, WeightDtype, WeightSource as _};
use crate::files::write_atomically;

/// Numbers converted at once.
const CHUNK: usize = 1 << 14;

/// Fetches the numbers of a tensor.
pub(super) type Fetch = Box<dyn FnOnce() -> Result<TensorData, String>>;

/// A tensor to write, fetched when its turn comes.
pub(super) struct Entry {
    pub key: String,
    /// In memory; a transposed one is written with its axes swapped.
    pub shape: Vec<usize>,
    pub transposed: bool,
    pub read: Fetch,
}

/// The shape in a file of a tensor of this shape in memory.
pub(super) fn stored_shape(shape: &[usize], is_transposed: bool) -> Vec<usize> {
    if is_transposed {
        shape.iter().rev().copied().collect()
    } else {
        shape.to_vec()
    }
}

impl WeightDtype {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

/// Writes all entries to a file that appears whole or not at all.
pub(super) fn write(
    path: &Path,
    mut entries: Vec<Entry>,
    dtype: WeightDtype,
) -> Result<(), ModelError> {
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    write_atomically(path, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write_to(&mut out, entries, dtype)?;
        out.flush()
    })
    .map_err(ModelError::io("write", path))
}

/// Writes tensors of given names, shapes and numbers to a file that appears whole or not
/// at all.
///
/// # Errors
/// If the file cannot be written, or a number does not fit `dtype`.
pub fn save_tensors(
    path: &Path,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    dtype: WeightDtype,
) -> Result<(), ModelError> {
    write(path, tensors.into_iter().map(given).collect(), dtype)
}

/// A tensor of given numbers.
pub(super) fn given((key, shape, values): (String, Vec<usize>, Vec<f32>)) -> Entry {
    Entry {
        key,
        shape: shape.clone(),
        transposed: false,
        read: Box::new(move || Ok(TensorData::new(values, shape))),
    }
}

/// Is told how many bytes more are written, and answers whether writing goes on.
pub type WriteWatch<'a> = &'a mut dyn FnMut(u64) -> bool;

/// Writes tensors that lie elsewhere to a file that appears whole or not at all: one after
/// the other, in `dtype` or each as it is stored, so that no more than one is in memory.
///
/// # Errors
/// If one cannot be read, the file cannot be written, a number does not fit `dtype`, or
/// `goes_on` says so.
pub fn save_arranged(
    path: &Path,
    arranged: &Arranged,
    dtype: Option<WeightDtype>,
    goes_on: WriteWatch<'_>,
) -> Result<(), ModelError> {
    let kept = |name: &str| arranged.written_dtype(name, dtype);
    let mut header = Header::new(arranged.notes());
    let mut names: Vec<&str> = arranged.names().collect();
    // Wide numbers first, so that each begins at a multiple of its size.
    names.sort_by_key(|name| std::cmp::Reverse(kept(name).bytes()));
    for name in &names {
        let shape = arranged.shape(name).unwrap_or_default();
        header.put(name, shape, kept(name));
    }
    let mut failure = None;
    let written = write_atomically(path, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        header.write_to(&mut out)?;
        for name in names {
            let (shape, dtype) = (arranged.shape(name).unwrap_or_default(), kept(name));
            let read = arranged.read(name, shape, false, dtype);
            let read = read.and_then(|data| match goes_on(data.bytes().len() as u64) {
                true => Ok(data),
                false => Err(ModelError::WritingEnded(path.to_path_buf())),
            });
            match read {
                Ok(data) => out.write_all(&in_order(data.bytes(), dtype))?,
                Err(error) => {
                    let message = error.to_string();
                    failure = Some(error);
                    return Err(io::Error::other(message));
                }
            }
        }
        out.flush()
    });
    match failure {
        // What is wrong with the tensor says more than that the file was not written.
        Some(error) => Err(error),
        None => written.map_err(ModelError::io("write", path)),
    }
}

/// In what numbers stay the same that are stored as `dtype`, as far as they are used.
pub(super) fn held_dtype(dtype: Option<Dtype>) -> WeightDtype {
    match dtype {
        Some(Dtype::F16) => WeightDtype::F16,
        Some(Dtype::BF16) => WeightDtype::Bf16,
        _ => WeightDtype::F32,
    }
}

/// The bytes of numbers with the least of each first, as in files.
fn in_order(bytes: &[u8], dtype: WeightDtype) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytes);
    }
    let numbers = bytes.chunks_exact(dtype.bytes());
    Cow::Owned(
        numbers
            .flat_map(|number| number.iter().rev().copied())
            .collect(),
    )
}

/// What a file says of its tensors.
struct Header {
    entries: Map<String, Value>,
    offset: usize,
}

impl Header {
    fn new<'a>(notes: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut told = json!({ "format": "pt" });
        for (key, value) in notes {
            told[key] = json!(value);
        }
        let entries = Map::from_iter([("__metadata__".to_owned(), told)]);
        Self { entries, offset: 0 }
    }

    /// Tells of the next tensor.
    fn put(&mut self, name: &str, shape: &[usize], dtype: WeightDtype) {
        let end = self.offset + shape.iter().product::<usize>() * dtype.bytes();
        let offsets = [self.offset, end];
        let info = json!({ "dtype": dtype.name(), "shape": shape, "data_offsets": offsets });
        self.entries.insert(name.to_owned(), info);
        self.offset = end;
    }

    fn write_to(self, out: &mut impl Write) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Value::Object(self.entries))?;
        text.resize(text.len().next_multiple_of(8), b' ');
        out.write_all(&(text.len() as u64).to_le_bytes())?;
        out.write_all(&text)
    }
}

fn write_to(out: &mut impl Write, entries: Vec<Entry>, dtype: WeightDtype) -> io::Result<()> {
    let mut header = Header::new([]);
    for entry in &entries {
        let shape = stored_shape(&entry.shape, entry.transposed);
        header.put(&entry.key, &shape, dtype);
    }
    header.write_to(out)?;
    for entry in entries {
        write_entry(out, entry, dtype)?;
    }
    Ok(())
}

/// Writes the numbers of a tensor.
pub(super) fn write_entry(
    out: &mut (impl Write + ?Sized),
    entry: Entry,
    dtype: WeightDtype,
) -> io::Result<()> {
    let Entry {
        key,
        shape,
        transposed,
        read,
    } = entry;
    let values: Vec<f32> = read()
        .and_then(|data| {
            data.try_into_vec_as::<f32>()
                .map_err(|error| error.to_string())
        })
        .map_err(|message| io::Error::other(format!("{key} cannot be fetched: {message}")))?;
    let values = match shape.as_slice() {
        [rows, columns] if transposed => transpose(&values, *rows, *columns),
        _ => values,
    };
    write_values(out, &key, &values, dtype)
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

fn write_values(
    out: &mut (impl Write + ?Sized),
    key: &str,
    values: &[f32],
    dtype: WeightDtype,
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK * 4);
    for values in values.chunks(CHUNK) {
        bytes.clear();
        match dtype {
            WeightDtype::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            WeightDtype::Bf16 => {
                bytes.extend(
                    values
                        .iter()
                        .flat_map(|value| bf16::from_f32(*value).to_le_bytes()),
                );
            }
            WeightDtype::F16 => {
                let halves = values.iter().map(|value| f16::from_f32(*value));
                let lost = values.iter().zip(halves.clone());
                if let Some((value, _)) = lost
                    .into_iter()
                    .find(|(v, h)| v.is_finite() && !h.is_finite())
                {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("{key} holds {value}, which f16 cannot hold; choose f32 or bf16"),
                    ));
                }
                bytes.extend(halves.flat_map(f16::to_le_bytes));
            }
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}
