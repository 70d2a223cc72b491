//! From bytes in a file to numbers in memory.

use std::fs::File;
use std::io;
use std::path::Path;

use burn::tensor::{Element, TensorData};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};
use safetensors::Dtype;

use super::super::ModelError;
use super::WeightDtype;
use super::safetensors::damaged;
use crate::nn::ops;

/// Numbers read and converted by one thread at a time.
const CHUNK: usize = 1 << 16;
/// Rows and columns turned at once when a matrix is transposed: the tile fits the first cache.
const TILE: usize = 32;

/// Where the numbers of a tensor lie.
pub(super) struct Stored<'a> {
    pub bytes: Bytes<'a>,
    pub path: &'a Path,
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: &'a [usize],
    pub length: usize,
}

/// The bytes of a tensor, in the order of its shape.
#[derive(Clone, Copy)]
pub(super) enum Bytes<'a> {
    /// In a file, from here on.
    InFile(&'a File, u64),
    /// Gathered from where they lay apart.
    InMemory(&'a [u8]),
}

impl Bytes<'_> {
    fn read_exact_at(self, buffer: &mut [u8], start: u64) -> io::Result<()> {
        match self {
            Self::InFile(file, offset) => read_exact_at(file, buffer, offset + start),
            Self::InMemory(bytes) => {
                let part = bytes
                    .get(start as usize..)
                    .and_then(|rest| rest.get(..buffer.len()));
                buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// Reads the numbers of a tensor as `dtype`; [`super::WeightSource::read`] says the rest.
pub(super) fn read(
    stored: &Stored<'_>,
    shape: &[usize],
    is_transposed: bool,
    dtype: WeightDtype,
) -> Result<TensorData, ModelError> {
    match dtype {
        WeightDtype::F32 => read_as::<f32>(stored, shape, is_transposed),
        WeightDtype::F16 => read_as::<f16>(stored, shape, is_transposed),
        WeightDtype::Bf16 => read_as::<bf16>(stored, shape, is_transposed),
    }
}

fn read_as<T: Held>(
    stored: &Stored<'_>,
    shape: &[usize],
    is_transposed: bool,
) -> Result<TensorData, ModelError> {
    let (path, name) = (stored.path, stored.name);
    let (decode, size): (Decode, usize) = match stored.dtype {
        Dtype::F32 => (decode_f32, 4),
        Dtype::F16 => (decode_f16, 2),
        Dtype::BF16 => (decode_bf16, 2),
        Dtype::F64 => (decode_f64, 8),
        // A number that stands alone, such as the alpha of a LoRA, may be a whole one.
        Dtype::I64 if stored.length == 8 => (decode_i64, 8),
        Dtype::I32 if stored.length == 4 => (decode_i32, 4),
        other => {
            return Err(ModelError::NumberKind {
                path: path.to_path_buf(),
                key: name.to_owned(),
                found: format!("{other:?}"),
            });
        }
    };
    let count: usize = stored.shape.iter().product();
    // Of what is turned, all axes but the first two are of one number.
    let is_matrix = stored.shape.iter().skip(2).all(|length| *length == 1);
    let has_as_many = shape.iter().product::<usize>() == count && count * size == stored.length;
    if !has_as_many || (is_transposed && !is_matrix) {
        let found = stored.shape;
        return Err(damaged(
            path,
            format!("{name} is {found:?} instead of {shape:?}"),
        ));
    }
    // By the system, not by us: it hands out pages that are clear.
    let mut values = bytemuck::allocation::zeroed_vec::<T>(count);
    let all_fit = match stored.shape {
        [rows, columns, ..] if is_transposed && count > 0 => {
            // Whole numbers of four bytes, so that they lie where numbers must.
            let mut bytes = vec![0_u32; stored.length.div_ceil(4)];
            let bytes = &mut bytemuck::cast_slice_mut(&mut bytes)[..stored.length];
            fetch(stored, bytes).map(|()| {
                let sides = [*rows, *columns];
                match bytemuck::try_cast_slice::<u8, T>(bytes) {
                    Ok(stays) if T::STORED == stored.dtype && cfg!(target_endian = "little") => {
                        transpose(stays, sides, &mut values);
                        true
                    }
                    _ => transpose_into(bytes, size, sides, decode, &mut values),
                }
            })
        }
        _ if T::STORED == stored.dtype && cfg!(target_endian = "little") => {
            fetch(stored, bytemuck::cast_slice_mut(&mut values)).map(|()| true)
        }
        _ => convert(stored, size, decode, &mut values),
    };
    if !all_fit.map_err(ModelError::io("read", path))? {
        return Err(ModelError::TooLarge {
            path: path.to_path_buf(),
            key: name.to_owned(),
        });
    }
    Ok(TensorData::new(values, shape.to_vec()))
}

/// Reads all bytes as they are, on many threads.
fn fetch(stored: &Stored<'_>, bytes: &mut [u8]) -> io::Result<()> {
    let parts = bytes.par_chunks_mut(4 * CHUNK).enumerate();
    parts
        .map(|(part, bytes)| {
            let start = (part * 4 * CHUNK) as u64;
            stored.bytes.read_exact_at(bytes, start)
        })
        .collect()
}

/// Reads and converts; false when a number is too large.
fn convert<T: Held>(
    stored: &Stored<'_>,
    size: usize,
    decode: Decode,
    values: &mut [T],
) -> io::Result<bool> {
    let parts = values.par_chunks_mut(CHUNK).enumerate();
    parts
        .map_init(
            || vec![0_u32; CHUNK * size.div_ceil(4)],
            |buffer, (part, values)| {
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(buffer);
                let bytes = &mut bytes[..values.len() * size];
                let start = (part * CHUNK * size) as u64;
                stored.bytes.read_exact_at(bytes, start)?;
                Ok(T::decode(decode, bytes, size, values))
            },
        )
        .try_reduce(|| true, |a, b| Ok(a && b))
}

/// Fills a buffer from a place in a file, whoever else reads it meanwhile.
#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Fills a buffer from a place in a file, whoever else reads it meanwhile.
#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
        Ok(stored) if cfg!(target_endian = "little") => ops::widen_f16(stored, values),
        _ => {
            for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(2)) {
                *value = f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
            }
        }
    }
}

fn decode_bf16(bytes: &[u8], values: &mut [f32]) {
    match bytemuck::try_cast_slice::<u8, bf16>(bytes) {
        Ok(stored) if cfg!(target_endian = "little") => stored.convert_to_f32_slice(values),
        _ => {
            for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(2)) {
                *value = bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
            }
        }
    }
}

fn decode_f64(bytes: &[u8], values: &mut [f32]) {
    let wide = bytes.as_chunks::<8>().0;
    for (value, bytes) in values.iter_mut().zip(wide) {
        *value = f64::from_le_bytes(*bytes) as f32;
    }
}

fn decode_i64(bytes: &[u8], values: &mut [f32]) {
    let whole = bytes.as_chunks::<8>().0;
    for (value, bytes) in values.iter_mut().zip(whole) {
        *value = i64::from_le_bytes(*bytes) as f32;
    }
}

fn decode_i32(bytes: &[u8], values: &mut [f32]) {
    let whole = bytes.as_chunks::<4>().0;
    for (value, bytes) in values.iter_mut().zip(whole) {
        *value = i32::from_le_bytes(*bytes) as f32;
    }
}

/// A kind of number that weights are held as.
trait Held: Element + Default + bytemuck::Pod {
    /// The same kind in a file.
    const STORED: Dtype;

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
    const STORED: Dtype = Dtype::F32;

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
    const STORED: Dtype = Dtype::F16;

    fn narrow(wide: &[f32], out: &mut [Self]) -> bool {
        out.convert_from_f32_slice(wide);
        let mut pairs = wide.iter().zip(out);
        pairs.all(|(wide, narrow)| narrow.is_finite() || !wide.is_finite())
    }
}

impl Held for bf16 {
    const STORED: Dtype = Dtype::BF16;

    fn narrow(wide: &[f32], out: &mut [Self]) -> bool {
        out.convert_from_f32_slice(wide);
        true
    }
}

/// Writes a matrix column by column as it is, in tiles of `TILE` columns and rows.
fn transpose<T: Copy + Default + Send + Sync>(
    stored: &[T],
    [rows, columns]: [usize; 2],
    values: &mut [T],
) {
    let parts = values.par_chunks_mut(TILE * rows).enumerate();
    parts.for_each(|(part, out)| {
        let first = part * TILE;
        let width = out.len() / rows;
        let mut tile = [[T::default(); TILE]; TILE];
        for top in (0..rows).step_by(TILE) {
            let height = TILE.min(rows - top);
            for (row, values) in tile[..height].iter_mut().enumerate() {
                let start = (top + row) * columns + first;
                values[..width].copy_from_slice(&stored[start..][..width]);
            }
            for (column, out) in out.chunks_exact_mut(rows).enumerate() {
                let out = &mut out[top..][..height];
                for (value, row) in out.iter_mut().zip(&tile) {
                    *value = row[column];
                }
            }
        }
    });
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
