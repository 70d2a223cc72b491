//! Between the tiles of a layer and a PNG file of what is painted on it.

use std::io::{BufRead, Cursor, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::document::{Pixel, TILE_SIDE_PX, Tile, TileGrid, TileIndex};
use crate::geometry::CanvasRect;

/// Bytes that the decoder may take beside the pixels.
const MAX_DECODER_BYTES: usize = 16 << 20;

/// What can be the pixel of a layer's PNG file.
pub(super) trait PngPixel: Pixel {
    /// How the file says it, always with 8 bits a channel.
    const COLOR: png::ColorType;

    /// Puts pixels as the file has them at the end of bytes.
    fn push(pixels: &[Self], bytes: &mut Vec<u8>);

    /// The pixels of a row of the file.
    fn read(bytes: &[u8]) -> &[Self];
}

impl PngPixel for [u8; 4] {
    const COLOR: png::ColorType = png::ColorType::Rgba;

    fn push(pixels: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(pixels.as_flattened());
    }

    fn read(bytes: &[u8]) -> &[Self] {
        bytes.as_chunks().0
    }
}

impl PngPixel for u8 {
    const COLOR: png::ColorType = png::ColorType::Grayscale;

    fn push(pixels: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(pixels);
    }

    fn read(bytes: &[u8]) -> &[Self] {
        bytes
    }
}

/// Memory that the layers of a project may still take.
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Takes bytes; `false` when there are not as many left.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let left = |left: u64| left.checked_sub(bytes);
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, left).is_ok()
    }
}

/// Why a layer's PNG file is of no use.
#[derive(Debug)]
pub(super) enum LayerError {
    /// What is wrong with it.
    Damaged(String),
    /// The budget is used up.
    TooLarge,
}

/// A PNG file of a part of the canvas.
///
/// # Errors
/// What the encoder says.
pub(super) fn encode<P: PngPixel>(
    grid: &TileGrid<P>,
    part: CanvasRect,
    change: impl Fn(P) -> P,
) -> Result<Vec<u8>, png::EncodingError> {
    let mut pixels = Vec::with_capacity(part.width() as usize * part.height() as usize);
    let mut row = Vec::with_capacity(part.width() as usize);
    for y in part.min[1]..part.max[1] {
        row.clear();
        push_row(grid, part, y, &mut row);
        row.iter_mut().for_each(|pixel| *pixel = change(*pixel));
        P::push(&row, &mut pixels);
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, part.width(), part.height());
    encoder.set_color(P::COLOR);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    if P::COLOR == png::ColorType::Rgba {
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

fn push_row<P: Pixel>(grid: &TileGrid<P>, part: CanvasRect, y: i32, row: &mut Vec<P>) {
    let line = CanvasRect::from_min_max([part.min[0], y], [part.max[0], y + 1]);
    for index in grid.indices_in(line) {
        let inside = index.rect().intersect(&line);
        let start = row.len();
        let Some(tile) = grid.tile(index) else {
            row.resize(start + inside.width() as usize, P::default());
            continue;
        };
        let from = (inside.min[0] - index.rect().min[0]) as usize;
        let pixels = tile.row((y - index.rect().min[1]) as u32);
        row.extend_from_slice(&pixels[from..from + inside.width() as usize]);
    }
}

/// The tiles of a PNG file that shows `part` of a canvas of `size_px`, inside of
/// which it lies. Tiles take of the budget; blank ones are not kept.
///
/// # Errors
/// When the file is cut off, has another form or size, or takes too much.
pub(super) fn decode<P: PngPixel>(
    file: &[u8],
    size_px: [u32; 2],
    part: CanvasRect,
    budget: &Budget,
    change: impl Fn(P) -> P,
) -> Result<TileGrid<P>, LayerError> {
    let mut reader = reader_of::<P>(file, [part.width(), part.height()])?;
    let damaged = |error: png::DecodingError| LayerError::Damaged(error.to_string());
    let mut grid = TileGrid::new(size_px);
    let mut band: Vec<Option<Tile<P>>> = Vec::new();
    let mut line = vec![P::default(); part.width() as usize];
    for y in part.min[1]..part.max[1] {
        let row = reader.next_row().map_err(damaged)?;
        let row = row.ok_or_else(|| LayerError::Damaged("it ends early".to_owned()))?;
        let pixels = P::read(row.data());
        if pixels.len() != line.len() {
            return Err(LayerError::Damaged("a row has another length".to_owned()));
        }
        for (to, from) in line.iter_mut().zip(pixels) {
            *to = change(*from);
        }
        take_row(&mut band, part, y, &line, budget)?;
        let is_last_of_band = ((y + 1) as u32).is_multiple_of(TILE_SIDE_PX) || y + 1 == part.max[1];
        if is_last_of_band {
            let row = y as u32 / TILE_SIDE_PX;
            for (column, tile) in (0..).zip(band.drain(..)) {
                grid.set_tile(TileIndex { column, row }, tile.map(Arc::new));
            }
        }
    }
    Ok(grid)
}

/// Puts a row of pixels on the tiles of a row of tiles. A tile is made when
/// something is painted on it.
fn take_row<P: Pixel>(
    band: &mut Vec<Option<Tile<P>>>,
    part: CanvasRect,
    y: i32,
    line: &[P],
    budget: &Budget,
) -> Result<(), LayerError> {
    let side = TILE_SIDE_PX as usize;
    let mut left = part.min[0] as usize;
    let mut rest = line;
    while !rest.is_empty() {
        let (column, inner) = (left / side, left % side);
        let (pixels, after) = rest.split_at(rest.len().min(side - inner));
        (left, rest) = (left + pixels.len(), after);
        if pixels.iter().all(|pixel| *pixel == P::default()) {
            continue;
        }
        if band.len() <= column {
            band.resize_with(column + 1, || None);
        }
        if band[column].is_none() && !budget.take(Tile::<P>::size_bytes() as u64) {
            return Err(LayerError::TooLarge);
        }
        let tile = band[column].get_or_insert_with(Tile::blank);
        tile.row_mut(y as u32 % TILE_SIDE_PX)[inner..inner + pixels.len()].copy_from_slice(pixels);
    }
    Ok(())
}

fn reader_of<P: PngPixel>(
    file: &[u8],
    size_px: [u32; 2],
) -> Result<png::Reader<impl BufRead + Seek>, LayerError> {
    let damaged = |error: png::DecodingError| LayerError::Damaged(error.to_string());
    let limits = png::Limits {
        bytes: MAX_DECODER_BYTES,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // The decoder makes room for a row before it can be asked for sizes.
    let info = decoder.read_header_info().map_err(damaged)?;
    let has_form = (info.color_type, info.bit_depth) == (P::COLOR, png::BitDepth::Eight);
    if info.size() != size_px.into() {
        return Err(LayerError::Damaged(format!(
            "it has {} × {} pixels instead of {} × {}",
            info.width, info.height, size_px[0], size_px[1]
        )));
    }
    if !has_form || info.interlaced {
        return Err(LayerError::Damaged(
            "its pixels have another form".to_owned(),
        ));
    }
    decoder.read_info().map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_canvas_goes_out_and_comes_in() {
        let size_px = [700, 530];
        let painted = |x: u32, y: u32| (200..620).contains(&x) && (7..300).contains(&y);
        let grid = TileGrid::from_fn(size_px, |x, y| match painted(x, y) {
            true => [x as u8, y as u8, (x ^ y) as u8, 1 + (x % 255) as u8],
            false => [0; 4],
        });
        let part = grid.content_bounds();
        assert_eq!(part, CanvasRect::from_min_max([200, 7], [620, 300]));
        let file = encode(&grid, part, |pixel| pixel).unwrap();
        let budget = Budget::new(1 << 20 << 20);
        let back = decode(&file, size_px, part, &budget, |pixel| pixel).unwrap();
        assert_eq!(back, grid);
        assert_eq!(back.size_bytes(), grid.size_bytes());
    }

    #[test]
    fn memory_is_asked_for_before_it_is_taken() {
        let grid = TileGrid::from_fn([600, 600], |_, _| 9_u8);
        let part = grid.content_bounds();
        let file = encode(&grid, part, |value| value).unwrap();
        let most = 9 * Tile::<u8>::size_bytes() as u64;
        let open = |bytes| {
            decode(&file, [600; 2], part, &Budget::new(bytes), |value: u8| {
                value
            })
        };
        assert_eq!(open(most).unwrap(), grid);
        assert!(matches!(open(most - 1), Err(LayerError::TooLarge)));
    }
}
