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

/// Numbers that a thread asks memory for, and fills.
const PIECE: usize = 1 << 17;
/// Numbers that are converted at once.
const CONVERTED: usize = 1 << 13;
/// Rows and columns turned at once when a matrix is transposed: the tile fits the first cache.
const TILE: usize = 32;
/// Bytes of rows that are read before they are turned: they stay in the cache.
const BAND: usize = 1 << 20;

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
    let convert = |bytes: &[u8], values: &mut [T]| T::decode(decode, bytes, size, values);
    let stays = T::STORED == stored.dtype && cfg!(target_endian = "little");
    let values = match stored.shape {
        [rows, columns, ..] if is_transposed && count > 0 => {
            let sides = [*rows, *columns];
            match stays {
                true => transposed(stored, sides, size, |bytes, values: &mut [T]| {
                    bytemuck::cast_slice_mut(values).copy_from_slice(bytes);
                    true
                }),
                false => transposed(stored, sides, size, convert),
            }
        }
        _ => filled(count, |first, values| {
            let start = (first * size) as u64;
            if stays {
                let bytes = bytemuck::cast_slice_mut(values);
                return stored.bytes.read_exact_at(bytes, start).map(|()| true);
            }
            // Whole numbers of four bytes, so that they lie where numbers must.
            let mut buffer = [0_u32; 2 * CONVERTED];
            let mut all_fit = true;
            for (part, values) in values.chunks_mut(CONVERTED).enumerate() {
                let bytes = &mut bytemuck::cast_slice_mut(&mut buffer)[..values.len() * size];
                let start = start + (part * CONVERTED * size) as u64;
                stored.bytes.read_exact_at(bytes, start)?;
                all_fit &= convert(bytes, values);
            }
            Ok(all_fit)
        }),
    };
    match values.map_err(ModelError::io("read", path))? {
        Some(values) => Ok(TensorData::new(values, shape.to_vec())),
        None => Err(ModelError::TooLarge {
            path: path.to_path_buf(),
            key: name.to_owned(),
        }),
    }
}

/// Numbers that `fill(first, part)` puts there part by part, on many threads; none when it says
/// of a part that a number is too large.
///
/// Each thread asks for the memory of its parts: to clear the pages that the system lends takes
/// as long as to read them.
fn filled<T: Held>(
    count: usize,
    fill: impl Fn(usize, &mut [T]) -> io::Result<bool> + Sync,
) -> io::Result<Option<Vec<T>>> {
    let mut values = ops::untouched(count);
    let all_fit = if count <= PIECE {
        fill(0, &mut values)?
    } else {
        let pieces = values.par_chunks_mut(PIECE).enumerate();
        let filled = pieces.map(|(piece, values)| {
            ops::lend(values);
            fill(piece * PIECE, values)
        });
        filled.try_reduce(|| true, |one, other| Ok(one && other))?
    };
    Ok(all_fit.then_some(values))
}

/// A matrix with its axes swapped; `convert` makes numbers of bytes, and says whether all fit. None
/// when one does not.
fn transposed<T: Held>(
    stored: &Stored<'_>,
    [rows, columns]: [usize; 2],
    size: usize,
    convert: impl Fn(&[u8], &mut [T]) -> bool + Sync,
) -> io::Result<Option<Vec<T>>> {
    let mut values = ops::untouched(rows * columns);
    if rows * columns > PIECE {
        values.par_chunks_mut(PIECE).for_each(ops::lend);
    }
    let row_bytes = columns * size;
    let band = (BAND / row_bytes)
        .next_multiple_of(TILE)
        .clamp(TILE, rows.max(TILE));
    for top in (0..rows).step_by(band) {
        let height = band.min(rows - top);
        // Scratch that begins where numbers may lie.
        let all_fit = ops::with_scratch((height * row_bytes).div_ceil(4), |buffer| {
            let bytes = &mut bytemuck::cast_slice_mut(buffer)[..height * row_bytes];
            fetch(stored, top * row_bytes, bytes)?;
            let bytes = &*bytes;
            let parts = values.par_chunks_mut(TILE * rows).enumerate();
            Ok::<_, io::Error>(parts.all(|(part, out)| {
                let mut tiles = bytes.chunks(TILE * row_bytes).enumerate();
                tiles.all(|(tile, lines)| {
                    let lines = lines.chunks_exact(row_bytes);
                    let lines = lines.map(|line| &line[part * TILE * size..]);
                    let top = top + tile * TILE;
                    match (out.len() / rows, lines.len()) {
                        (TILE, TILE) if size_of::<T>() == 2 => {
                            turn_halves(lines, size, &convert, out, [top, rows])
                        }
                        // Of a length that the compiler knows.
                        (TILE, TILE) => turn(lines, [TILE, TILE], size, &convert, out, [top, rows]),
                        (width, height) => {
                            turn(lines, [height, width], size, &convert, out, [top, rows])
                        }
                    }
                })
            }))
        })?;
        if !all_fit {
            return Ok(None);
        }
    }
    Ok(Some(values))
}

/// Writes the first `width` numbers of `height` lines as so many columns of `rows` numbers, from
/// row `top` on; false when one is too large.
#[inline(always)]
fn turn<'a, T: Held>(
    lines: impl Iterator<Item = &'a [u8]>,
    [height, width]: [usize; 2],
    size: usize,
    convert: &impl Fn(&[u8], &mut [T]) -> bool,
    out: &mut [T],
    [top, rows]: [usize; 2],
) -> bool {
    let mut tile = [[T::zeroed(); TILE]; TILE];
    let mut all_fit = true;
    for (tile, line) in tile.iter_mut().zip(lines) {
        all_fit &= convert(&line[..width * size], &mut tile[..width]);
    }
    for (column, out) in out.chunks_exact_mut(rows).take(width).enumerate() {
        let out = &mut out[top..][..height];
        for (value, row) in out.iter_mut().zip(&tile) {
            *value = row[column];
        }
    }
    all_fit
}

/// [`turn`] of whole tiles of numbers of two bytes: four are turned at once, as one of eight
/// bytes, which takes half the time of going one by one.
fn turn_halves<'a, T: Held>(
    lines: impl Iterator<Item = &'a [u8]>,
    size: usize,
    convert: &impl Fn(&[u8], &mut [T]) -> bool,
    out: &mut [T],
    [top, rows]: [usize; 2],
) -> bool {
    const FOURS: usize = TILE / 4;
    let mut tile = [[0_u64; FOURS]; TILE];
    let mut all_fit = true;
    for (tile, line) in tile.iter_mut().zip(lines) {
        all_fit &= convert(&line[..TILE * size], bytemuck::cast_slice_mut(tile));
    }
    let mut turned = [[0_u64; FOURS]; TILE];
    for (place, [a, b, c, d]) in tile.as_chunks::<4>().0.iter().enumerate() {
        for four in 0..FOURS {
            let square = turned_square([a[four], b[four], c[four], d[four]]);
            for (column, numbers) in square.into_iter().enumerate() {
                turned[4 * four + column][place] = numbers;
            }
        }
    }
    for (out, turned) in out.chunks_exact_mut(rows).zip(&turned) {
        out[top..][..TILE].copy_from_slice(bytemuck::cast_slice(turned));
    }
    all_fit
}

/// Four rows of four numbers of two bytes with their axes swapped, on processors of either byte
/// order.
#[inline(always)]
fn turned_square([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    /// The first two of four, and the first of each two.
    const HALF: u64 = 0xffff_ffff;
    const EACH: u64 = 0x0000_ffff_0000_ffff;
    let [a, b, c, d] = [a, b, c, d].map(u64::to_le);
    let (ac, bd) = ((a & HALF) | (c << 32), (b & HALF) | (d << 32));
    let (ca, db) = ((a >> 32) | (c & !HALF), (b >> 32) | (d & !HALF));
    let pair = |one: u64, other: u64| {
        let even = (one & EACH) | ((other & EACH) << 16);
        let odd = ((one >> 16) & EACH) | (other & !EACH);
        [even, odd].map(u64::from_le)
    };
    let [[first, second], [third, fourth]] = [pair(ac, bd), pair(ca, db)];
    [first, second, third, fourth]
}

/// Reads bytes as they are from a place on, on many threads.
fn fetch(stored: &Stored<'_>, start: usize, bytes: &mut [u8]) -> io::Result<()> {
    let parts = bytes.par_chunks_mut(BAND / 4).enumerate();
    parts
        .map(|(part, bytes)| {
            let start = (start + part * BAND / 4) as u64;
            stored.bytes.read_exact_at(bytes, start)
        })
        .collect()
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
