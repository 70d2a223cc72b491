//! The rows of a layer's pixels, as a file has them one after the other, become tiles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::document::{Pixel, TILE_SIDE_PX, Tile, TileGrid, TileIndex};
use crate::geometry::CanvasRect;

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

/// Why the pixels of a layer is of no use.
#[derive(Debug)]
pub(super) enum LayerError {
    /// What is wrong with it.
    Damaged(String),
    /// The budget is used up.
    TooLarge,
}

/// A layer of which rows come one after the other.
pub(super) struct TileRows<'a, P> {
    grid: TileGrid<P>,
    /// The tiles that the last rows lie on.
    band: Vec<Option<Tile<P>>>,
    part: CanvasRect,
    /// The row that comes next.
    y: i32,
    budget: &'a Budget,
}

impl<'a, P: Pixel> TileRows<'a, P> {
    /// None yet, of a part of a canvas of `size_px`, inside of which it lies. Tiles take of
    /// the budget; blank ones are not kept.
    pub fn new(size_px: [u32; 2], part: CanvasRect, budget: &'a Budget) -> Self {
        Self {
            grid: TileGrid::new(size_px),
            band: Vec::new(),
            part,
            y: part.min[1],
            budget,
        }
    }

    /// Takes the next row, which is as wide as the part.
    ///
    /// # Errors
    /// When it needs a tile and the budget is used up.
    pub fn push(&mut self, line: &[P]) -> Result<(), LayerError> {
        self.paint(line)?;
        self.y += 1;
        if (self.y as u32).is_multiple_of(TILE_SIDE_PX) {
            self.keep_band();
        }
        Ok(())
    }

    /// The tiles of all rows that came.
    pub fn finish(mut self) -> TileGrid<P> {
        self.keep_band();
        self.grid
    }

    fn keep_band(&mut self) {
        // Before the first row nothing is kept.
        let row = (self.y - 1).max(0) as u32 / TILE_SIDE_PX;
        for (column, tile) in (0..).zip(self.band.drain(..)) {
            self.grid
                .set_tile(TileIndex { column, row }, tile.map(Arc::new));
        }
    }

    /// Paints a row. A tile is made when something is painted on it.
    fn paint(&mut self, line: &[P]) -> Result<(), LayerError> {
        let side = TILE_SIDE_PX as usize;
        let mut left = self.part.min[0] as usize;
        let mut rest = line;
        while !rest.is_empty() {
            let (column, inner) = (left / side, left % side);
            let (pixels, after) = rest.split_at(rest.len().min(side - inner));
            (left, rest) = (left + pixels.len(), after);
            if pixels.iter().all(|pixel| *pixel == P::default()) {
                continue;
            }
            if self.band.len() <= column {
                self.band.resize_with(column + 1, || None);
            }
            if self.band[column].is_none() && !self.budget.take(Tile::<P>::size_bytes() as u64) {
                return Err(LayerError::TooLarge);
            }
            let tile = self.band[column].get_or_insert_with(Tile::blank);
            tile.row_mut(self.y as u32 % TILE_SIDE_PX)[inner..inner + pixels.len()]
                .copy_from_slice(pixels);
        }
        Ok(())
    }
}
