//! The part of a layer that is on the graphics card.

use crate::document::{Pixel, TILE_SIDE_PX, TileGrid, TileIndex};
use crate::geometry::CanvasRect;

/// A rectangle of whole tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TileArea {
    /// Column and row of the first tile.
    pub first: [u32; 2],
    /// Columns and rows.
    pub counts: [u32; 2],
}

impl TileArea {
    /// What a layer needs: the tiles that hold something, and one more on each
    /// side where the picture has one; `None` when nothing is held.
    ///
    /// The margin is blank. Without it the edge of what was painted would not
    /// fade into nothing, and the outline of a mask would stop at it.
    pub fn around<P: Pixel>(grid: &TileGrid<P>) -> Option<Self> {
        let (mut low, mut high) = ([u32::MAX; 2], [0; 2]);
        for index in grid.indices().filter(|index| grid.tile(*index).is_some()) {
            for (axis, place) in [index.column, index.row].into_iter().enumerate() {
                low[axis] = low[axis].min(place);
                high[axis] = high[axis].max(place);
            }
        }
        if low[0] > high[0] {
            return None;
        }
        let counts = grid.tile_counts();
        let first = low.map(|place| place.saturating_sub(1));
        let end = |axis: usize| (high[axis] + 2).min(counts[axis]);
        Some(Self {
            first,
            counts: [end(0) - first[0], end(1) - first[1]],
        })
    }

    /// Column and row behind the last tile.
    pub fn end(&self) -> [u32; 2] {
        [0, 1].map(|axis| self.first[axis] + self.counts[axis])
    }

    /// The tiles that both have; with no columns or rows where there are none.
    pub fn intersect(&self, other: &Self) -> Self {
        let first = [0, 1].map(|axis| self.first[axis].max(other.first[axis]));
        let (a, b) = (self.end(), other.end());
        let counts = [0, 1].map(|axis: usize| a[axis].min(b[axis]).saturating_sub(first[axis]));
        Self { first, counts }
    }

    /// Whether all tiles of the other are in this one.
    pub fn contains(&self, other: &Self) -> bool {
        self.intersect(other) == *other
    }

    /// How many tiles there are.
    pub fn tile_count(&self) -> u64 {
        u64::from(self.counts[0]) * u64::from(self.counts[1])
    }

    /// The tiles, row by row.
    pub fn indices(&self) -> impl Iterator<Item = TileIndex> + use<> {
        let (first, end) = (self.first, self.end());
        (first[1]..end[1])
            .flat_map(move |row| (first[0]..end[0]).map(move |column| TileIndex { column, row }))
    }

    /// Where a tile of the area comes among its [`Self::indices`].
    pub fn slot(&self, index: TileIndex) -> usize {
        let row = (index.row - self.first[1]) as usize;
        row * self.counts[0] as usize + (index.column - self.first[0]) as usize
    }

    /// The pixels of the area that lie inside of a picture of the given size.
    pub fn rect(&self, size_px: [u32; 2]) -> CanvasRect {
        let start = self.first.map(|place| (place * TILE_SIDE_PX) as i32);
        let size = self.counts.map(|count| count * TILE_SIDE_PX);
        CanvasRect::from_min_size(start, size).intersect(&CanvasRect::from_size(size_px))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(first: [u32; 2], counts: [u32; 2]) -> TileArea {
        TileArea { first, counts }
    }

    #[test]
    fn only_what_is_painted_counts_with_one_tile_around() {
        let mut grid = TileGrid::<u8>::new([3000, 3000]);
        assert_eq!(TileArea::around(&grid), None);
        grid.tile_mut(TileIndex { column: 4, row: 5 });
        assert_eq!(TileArea::around(&grid), Some(area([3, 4], [3, 3])));
        // No margin outside of the picture, which is 12 tiles wide.
        grid.tile_mut(TileIndex { column: 11, row: 0 });
        assert_eq!(TileArea::around(&grid), Some(area([3, 0], [9, 7])));
    }

    #[test]
    fn areas_know_what_they_share() {
        let (a, b) = (area([1, 1], [4, 3]), area([3, 2], [5, 9]));
        assert_eq!(a.intersect(&b), area([3, 2], [2, 2]));
        assert!(a.contains(&area([2, 2], [3, 2])) && !a.contains(&b));
        assert_eq!(a.intersect(&area([9, 9], [1, 1])).tile_count(), 0);
        let indices: Vec<_> = a.indices().collect();
        assert_eq!(indices.len() as u64, a.tile_count());
        for (slot, index) in indices.into_iter().enumerate() {
            assert_eq!(a.slot(index), slot);
        }
        assert_eq!(
            a.rect([1000, 900]),
            CanvasRect::from_min_max([256, 256], [1000, 900])
        );
    }
}
