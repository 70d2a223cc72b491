//! Between the tiles of a layer and a PNG file of what is painted on it.

use std::io::{BufRead, Cursor, Seek};

use super::tile_rows::{Budget, LayerError, TileRows};
use crate::document::{Pixel, TileGrid};
use crate::files::damage_of;
use crate::geometry::CanvasRect;

/// Bytes that the decoder may take beside the pixels.
const MAX_DECODER_BYTES: usize = 16 << 20;

/// What can be the pixel of a layer's PNG file.
pub(super) trait PngPixel: Pixel {
    /// How the file says it, always with 8 bits a channel.
    const COLOR: png::ColorType;

    /// Pixels as the file has them.
    fn bytes(pixels: Vec<Self>) -> Vec<u8>;

    /// The pixels of a row of the file.
    fn read(bytes: &[u8]) -> &[Self];
}

impl PngPixel for [u8; 4] {
    const COLOR: png::ColorType = png::ColorType::Rgba;

    fn bytes(pixels: Vec<Self>) -> Vec<u8> {
        pixels.into_flattened()
    }

    fn read(bytes: &[u8]) -> &[Self] {
        bytes.as_chunks().0
    }
}

impl PngPixel for u8 {
    const COLOR: png::ColorType = png::ColorType::Grayscale;

    fn bytes(pixels: Vec<Self>) -> Vec<u8> {
        pixels
    }

    fn read(bytes: &[u8]) -> &[Self] {
        bytes
    }
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
    let pixels = P::bytes(grid.pixels_in(part, change));
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
    let damaged = |error: png::DecodingError| LayerError::Damaged(damage_of(&error).to_owned());
    let mut rows = TileRows::new(size_px, part, budget);
    let mut line = vec![P::default(); part.width() as usize];
    for _ in 0..part.height() {
        let row = reader.next_row().map_err(damaged)?;
        let row = row.ok_or_else(|| LayerError::Damaged("it ends early".to_owned()))?;
        let pixels = P::read(row.data());
        if pixels.len() != line.len() {
            return Err(LayerError::Damaged("a row has another length".to_owned()));
        }
        for (to, from) in line.iter_mut().zip(pixels) {
            *to = change(*from);
        }
        rows.push(&line)?;
    }
    Ok(rows.finish())
}

fn reader_of<P: PngPixel>(
    file: &[u8],
    size_px: [u32; 2],
) -> Result<png::Reader<impl BufRead + Seek>, LayerError> {
    let damaged = |error: png::DecodingError| LayerError::Damaged(damage_of(&error).to_owned());
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
    use crate::document::Tile;

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
