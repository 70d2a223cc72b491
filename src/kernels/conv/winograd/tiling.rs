//! How pictures fall into tiles, and how transformed tiles lie in memory.

use std::ops::Range;

use super::super::shape::ConvShape;
use super::lines::{OUT, PLACES};
use crate::kernels::product;

/// Values of transformed tiles that are held at a time (8 MiB).
const TILE_VALUES: usize = 2 * 1024 * 1024;
/// Tiles that are held at least, because kernels are transformed anew for each chunk, unless
/// that takes more values than these (36 MiB).
const CHUNK_TILES: usize = 256;
const MOST_TILE_VALUES: usize = 9 * 1024 * 1024;
/// Values of a line of the cache.
const LINE: usize = 16;

/// How the output falls into tiles. A strip is one row of tiles.
pub struct Tiling {
    /// Tiles of a strip.
    pub across: usize,
    /// Strips of a picture.
    pub down: usize,
    /// Strips of all pictures.
    pub strips: usize,
}

impl Tiling {
    /// That of a convolution.
    pub fn new(shape: &ConvShape) -> Self {
        let [height, width] = shape.output();
        let [down, across] = [height.div_ceil(OUT), width.div_ceil(OUT)];
        Self {
            across,
            down,
            strips: shape.batch * down,
        }
    }

    /// Ranges of strips whose tiles of so many channels may be held together.
    pub fn chunks(&self, channels: usize) -> Vec<Range<usize>> {
        let fitting = |values| values / (PLACES * channels).max(1);
        let tiles = fitting(TILE_VALUES).max(CHUNK_TILES.min(fitting(MOST_TILE_VALUES)));
        let each = tiles / self.across.max(1);
        // Chunks of about equal size.
        let count = self.strips.div_ceil(each.max(1));
        (0..count)
            .map(|i| self.strips * i / count..self.strips * (i + 1) / count)
            .collect()
    }
}

/// Where the values of a place begin, so that the places, which are often a
/// power of two apart, do not all fall into the same lines of the cache.
pub fn place_stride(values: usize) -> usize {
    values.next_multiple_of(LINE) + LINE
}

/// How transformed tiles lie: `[place][panel][channel][tile of the panel]`.
#[derive(Clone, Copy)]
pub struct Panels {
    /// How many there are.
    pub count: usize,
    /// Tiles of a panel; the last may have room for more than there are.
    pub tiles: usize,
    /// Values between the beginnings of two panels.
    pub stride: usize,
    /// Whether [`product`] multiplies with them as they lie.
    pub are_laid_out: bool,
}

impl Panels {
    /// All tiles side by side.
    pub fn one(channels: usize, tiles: usize) -> Self {
        Self {
            are_laid_out: false,
            ..Self::new(channels, 1, tiles)
        }
    }

    /// As products are quickest.
    pub fn quick(channels: usize, tiles: usize, rows: usize) -> Self {
        if !product::suits(rows, channels, tiles) {
            return Self::one(channels, tiles);
        }
        let [count, tiles] = product::panels(tiles);
        Self::new(channels, count, tiles)
    }

    fn new(channels: usize, count: usize, tiles: usize) -> Self {
        Self {
            count,
            tiles,
            stride: place_stride(channels * tiles),
            are_laid_out: true,
        }
    }

    /// Values of all of them.
    pub fn len(&self) -> usize {
        PLACES * self.count * self.stride
    }
}
