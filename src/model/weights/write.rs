//! Writing safetensors.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use burn::tensor::TensorData;
use half::{bf16, f16};
use serde_json::{Map, Value, json};

use super::super::ModelError;
use super::WeightDtype;
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
    let entries = tensors.into_iter().map(|(key, shape, values)| Entry {
        key,
        shape: shape.clone(),
        transposed: false,
        read: Box::new(move || Ok(TensorData::new(values, shape))),
    });
    write(path, entries.collect(), dtype)
}

fn write_to(out: &mut impl Write, entries: Vec<Entry>, dtype: WeightDtype) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut offset = 0;
    for entry in &entries {
        let end = offset + entry.shape.iter().product::<usize>() * dtype.bytes();
        let shape = stored_shape(&entry.shape, entry.transposed);
        let info = json!({ "dtype": dtype.name(), "shape": shape, "data_offsets": [offset, end] });
        header.insert(entry.key.clone(), info);
        offset = end;
    }
    let mut text = serde_json::to_vec(&Value::Object(header))?;
    text.resize(text.len().next_multiple_of(8), b' ');
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(&text)?;
    for entry in entries {
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
        write_values(out, &key, &values, dtype)?;
    }
    Ok(())
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

fn write_values(
    out: &mut impl Write,
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
