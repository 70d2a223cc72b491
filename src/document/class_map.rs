//! The classes of semantic layers: how they are stored, counted and given away.

use std::sync::Arc;

use image::{GrayImage, Luma};

use super::picture::Document;
use super::tile_grid::{TILE_SIDE_PX, Tile, TileGrid};
use crate::geometry::CanvasRect;

/// What a semantic layer stores for a class: one more than its index, so that a
/// blank tile, which takes no memory, is a tile without classes. 255, which is no
/// class, becomes 0.
pub const fn stored_class(index: u8) -> u8 {
    index.wrapping_add(1)
}

/// The index of a class that a semantic layer stores; 255 for no class.
pub const fn class_index(stored: u8) -> u8 {
    stored.wrapping_sub(1)
}

impl Tile<u8> {
    /// How many pixels have each value. Counted once for as long as the tile stays
    /// as it is, whoever holds it.
    pub fn counts(&self) -> &[u32; 256] {
        self.counts.get_or_init(|| {
            let mut counts = [0; 256];
            for value in self.pixels() {
                counts[usize::from(*value)] += 1;
            }
            Arc::new(counts)
        })
    }

    /// The value of all pixels inside of the picture, if they share one; `inside` is
    /// the part of the tile that lies in it.
    pub fn uniform_value(&self, inside: CanvasRect) -> Option<u8> {
        let value = *self.pixels().first()?;
        let count = self.counts()[usize::from(value)];
        let outside = TILE_SIDE_PX * TILE_SIDE_PX - inside.width() * inside.height();
        let expected = inside.width() * inside.height() + if value == 0 { outside } else { 0 };
        (count == expected).then_some(value)
    }
}

impl TileGrid<u8> {
    /// How many pixels of the picture have each value. Tiles that nobody counted yet
    /// are looked through: not for the window's thread.
    pub fn counts(&self) -> [u64; 256] {
        let mut counts = [0; 256];
        for index in self.indices() {
            let Some(tile) = self.tile(index) else {
                continue;
            };
            for (sum, count) in counts.iter_mut().zip(tile.counts()).skip(1) {
                *sum += u64::from(*count);
            }
        }
        let [width, height] = self.size_px().map(u64::from);
        counts[0] = width * height - counts[1..].iter().sum::<u64>();
        counts
    }

    /// The classes of a label map (indices, 255 for none) as a semantic layer stores
    /// them. Reads every pixel: not for the window's thread.
    pub fn from_class_map(map: &GrayImage) -> Self {
        Self::from_fn(map.dimensions().into(), |x, y| {
            stored_class(map.get_pixel(x, y).0[0])
        })
    }

    /// The grid as a label map: class indices, 255 for none. Reads every pixel: not
    /// for the window's thread.
    pub fn to_class_map(&self) -> GrayImage {
        let [width, height] = self.size_px();
        let indices = self.to_pixels().into_iter().map(class_index).collect();
        GrayImage::from_raw(width, height, indices)
            .unwrap_or_else(|| GrayImage::from_pixel(width, height, Luma([255])))
    }
}

impl Document {
    /// The colours of the classes by what semantic layers store; clear where the
    /// palette has no class.
    pub fn class_colors(&self) -> [[u8; 4]; 256] {
        let mut colors = [[0; 4]; 256];
        for class in &self.palette().classes {
            let [r, g, b] = class.color;
            colors[usize::from(stored_class(class.index))] = [r, g, b, 255];
        }
        colors[0] = [0; 4];
        colors
    }

    /// The label map of the whole canvas that a job is made from; see
    /// [`Self::label_map_in`]. Not for the window's thread.
    pub fn label_map(&self) -> Option<GrayImage> {
        self.label_map_in(self.rect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::TileIndex;

    #[test]
    fn every_index_comes_back_and_nothing_is_blank() {
        for index in 0..=255 {
            assert_eq!(class_index(stored_class(index)), index);
        }
        assert_eq!(stored_class(255), 0);
        let map = GrayImage::from_fn(300, 260, |x, y| Luma([(x * 7 + y * 3) as u8]));
        let grid = TileGrid::from_class_map(&map);
        assert_eq!(grid.to_class_map(), map);
        let nothing = GrayImage::from_pixel(300, 260, Luma([255]));
        assert_eq!(TileGrid::from_class_map(&nothing).size_bytes(), 0);
    }

    #[test]
    fn counts_leave_out_what_lies_outside_and_follow_changes() {
        let mut grid = TileGrid::from_fn([300, 270], |x, _| u8::from(x < 40));
        let counts = grid.counts();
        assert_eq!((counts[0], counts[1]), (260 * 270, 40 * 270));
        let first = TileIndex { column: 0, row: 0 };
        grid.tile_mut(first).row_mut(0)[0] = 9;
        let counts = grid.counts();
        assert_eq!((counts[1], counts[9]), (40 * 270 - 1, 1));
    }

    #[test]
    fn tiles_of_one_value_are_known_at_the_border_too() {
        let grid = TileGrid::from_fn([300, 270], |_, _| 3);
        let whole = CanvasRect::from_size([300, 270]);
        for index in grid.indices() {
            let tile = grid.tile(index).unwrap();
            let inside = index.rect().intersect(&whole);
            assert_eq!(tile.uniform_value(inside), Some(3));
        }
        let mut tile = Tile::<u8>::blank();
        assert_eq!(tile.uniform_value(CanvasRect::from_size([9, 9])), Some(0));
        tile.row_mut(0)[0] = 1;
        assert_eq!(tile.uniform_value(CanvasRect::from_size([9, 9])), None);
    }
}
