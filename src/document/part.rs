//! Parts of a document: how much is there, and cut out for a job.
//!
//! Only the tiles that a part touches are looked at, so that a small part of a large
//! canvas costs as much as a small canvas.

use image::{GrayImage, RgbaImage};

use super::class_map::class_index;
use super::composite::{blend_over, opacity_to_u8};
use super::layer::{Layer, LayerKind};
use super::picture::{Document, check_size};
use super::tile_grid::{Pixel, Tile, TileGrid, TileIndex};
use crate::geometry::CanvasRect;
use crate::recipe::palette::NOTHING;

/// How much of a part of the canvas there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// Nothing anywhere.
    Nothing,
    /// Something, and nothing at other places.
    Partly,
    /// Something everywhere.
    Whole,
}

impl Document {
    /// Where the top-left corner of the canvas lies in a plane that stays when the canvas
    /// grows to the left or above.
    pub fn origin_px(&self) -> [i32; 2] {
        self.contents.origin_px
    }

    /// Whether a frame is one that can be painted: with sides of at least so many pixels,
    /// and so near that a canvas may reach as far.
    pub fn allows_frame(&self, frame: CanvasRect, least_px: u32) -> bool {
        frame.size_px().iter().all(|side| *side >= least_px)
            && check_size(self.rect().union(&frame).size_px()).is_ok()
    }

    /// A part of the canvas as a part of the plane that stays when the canvas grows.
    pub fn on_plane(&self, part: CanvasRect) -> CanvasRect {
        part.moved_by(self.contents.origin_px)
    }

    /// A part of that plane as a part of the canvas as it is now.
    pub fn on_canvas(&self, part: CanvasRect) -> CanvasRect {
        part.moved_by(self.contents.origin_px.map(i32::saturating_neg))
    }

    /// How much there is to see in a part, which may reach over the canvas.
    pub fn filling(&self, part: CanvasRect) -> Filling {
        let inside = part.intersect(&self.rect());
        let grids: Vec<_> = self
            .seen_pictures()
            .filter(|(_, opacity)| *opacity > 0)
            .map(|(grid, _)| grid)
            .collect();
        let Some(first) = grids.first().filter(|_| !inside.is_empty()) else {
            return Filling::Nothing;
        };
        let (mut has_some, mut has_gaps) = (false, inside != part);
        for index in first.indices_in(inside) {
            let on_tile = index.rect().intersect(&self.rect());
            let area = index.rect().intersect(&inside);
            let tiles: Vec<_> = grids.iter().filter_map(|grid| grid.tile(index)).collect();
            if tiles.iter().any(|tile| tile.is_whole(on_tile)) {
                has_some = true;
            } else {
                let (some, gaps) = mixed(&tiles, index, area);
                has_some |= some;
                has_gaps |= gaps;
            }
            if has_some && has_gaps {
                return Filling::Partly;
            }
        }
        match has_some {
            true => Filling::Whole,
            false => Filling::Nothing,
        }
    }

    /// The visible picture layers of a part laid over each other, with straight alpha;
    /// clear where there is nothing, also beyond the edges of the canvas.
    ///
    /// A single opaque layer comes out bit for bit.
    pub fn composite_in(&self, part: CanvasRect) -> RgbaImage {
        let mut image = RgbaImage::new(part.width(), part.height());
        let (below, _) = image.as_mut().as_chunks_mut::<4>();
        for (grid, opacity) in self.seen_pictures() {
            each_row(grid, part, |start, above| {
                for (under, over) in below[start..].iter_mut().zip(above) {
                    *under = blend_over(*under, *over, opacity);
                }
            });
        }
        image
    }

    /// The smallest rectangle that holds everything that the visible masks cover.
    pub fn mask_bounds(&self) -> CanvasRect {
        let grids = self.seen_masks().filter_map(Layer::mask);
        let bounds = grids.map(TileGrid::content_bounds);
        bounds.fold(CanvasRect::EMPTY, |all, bounds| all.union(&bounds))
    }

    /// Whether the visible masks cover anything in a part.
    pub fn has_mask_in(&self, part: CanvasRect) -> bool {
        self.seen_masks()
            .filter_map(Layer::mask)
            .any(|grid| has_content_in(grid, part))
    }

    /// What the visible masks cover in a part, together: 255 = repaint, 0 = keep.
    /// `None` where that is nothing.
    pub fn mask_in(&self, part: CanvasRect) -> Option<GrayImage> {
        if !self.has_mask_in(part) {
            return None;
        }
        let mut image = GrayImage::new(part.width(), part.height());
        let values = image.as_mut();
        for grid in self.seen_masks().filter_map(Layer::mask) {
            each_row(grid, part, |start, row| {
                for (value, covered) in values[start..].iter_mut().zip(row) {
                    *value = (*value).max(*covered);
                }
            });
        }
        Some(image)
    }

    /// How strongly each place of a part is repainted where the visible masks differ:
    /// 255 = as strongly as the job says. `None` where all are at full strength.
    pub fn strengths_in(&self, part: CanvasRect) -> Option<GrayImage> {
        let masks = || self.seen_masks().filter(|layer| !layer.content.is_blank());
        if masks().all(|layer| layer.strength >= 1.0) {
            return None;
        }
        // One more than the strength, so that 0 is where no mask covers anything.
        let mut strongest = vec![0u16; part.width() as usize * part.height() as usize];
        for layer in masks() {
            let Some(grid) = layer.mask() else { continue };
            let own = u16::from(opacity_to_u8(layer.strength)) + 1;
            each_row(grid, part, |start, row| {
                for (found, covered) in strongest[start..].iter_mut().zip(row) {
                    if *covered > 0 {
                        *found = own.max(*found);
                    }
                }
            });
        }
        let values = strongest.into_iter().map(|found| match found {
            0 => 255,
            found => (found - 1) as u8,
        });
        GrayImage::from_raw(part.width(), part.height(), values.collect())
    }

    /// The same where masks are taken gradually: what is covered in part is repainted as
    /// much less strongly. `mask` is what [they cover together](Self::mask_in), and is
    /// made to say only where they cover anything.
    pub fn gradual_strengths_in(&self, part: CanvasRect, mask: &mut GrayImage) -> GrayImage {
        let mut strengths = GrayImage::new(part.width(), part.height());
        let values = strengths.as_mut();
        for layer in self.seen_masks() {
            let Some(grid) = layer.mask() else { continue };
            let own = u32::from(opacity_to_u8(layer.strength));
            each_row(grid, part, |start, row| {
                for (found, covered) in values[start..].iter_mut().zip(row) {
                    // At most (255 · 255 + 127) / 255 = 255.
                    *found = (*found).max(((u32::from(*covered) * own + 127) / 255) as u8);
                }
            });
        }
        for covered in mask.iter_mut().filter(|covered| **covered > 0) {
            *covered = 255;
        }
        strengths
    }

    /// The label map of a part that a job is made from: class indices, 255 for none, of
    /// the visible semantic layers, of which the upper cover the lower. `None` when they
    /// hold nothing there. Not for the window's thread.
    pub fn label_map_in(&self, part: CanvasRect) -> Option<GrayImage> {
        let layers = self.layers().iter().filter(|layer| layer.visible);
        let mut grids = layers
            .filter_map(Layer::semantic)
            .filter(|grid| has_content_in(grid, part))
            .peekable();
        grids.peek()?;
        let mut map = GrayImage::from_pixel(part.width(), part.height(), image::Luma([NOTHING]));
        let values = map.as_mut();
        for grid in grids {
            each_row(grid, part, |start, row| {
                for (index, stored) in values[start..].iter_mut().zip(row) {
                    if *stored != 0 {
                        *index = class_index(*stored);
                    }
                }
            });
        }
        Some(map)
    }

    /// The picture layers that are seen, and how opaque they are.
    fn seen_pictures(&self) -> impl Iterator<Item = (&TileGrid<[u8; 4]>, u8)> {
        let layers = self.layers().iter().filter(|layer| layer.visible);
        layers.filter_map(|layer| Some((layer.raster()?, opacity_to_u8(layer.opacity))))
    }

    /// The masks that act, from bottom to top.
    pub fn seen_masks(&self) -> impl Iterator<Item = &Layer> {
        let layers = self.layers().iter();
        layers.filter(|layer| layer.visible && layer.kind() == LayerKind::Mask)
    }
}

/// Shows the rows of a grid that lie in a part, each with where its first value stands
/// in the part, counted row by row.
fn each_row<P: Pixel>(grid: &TileGrid<P>, part: CanvasRect, mut show: impl FnMut(usize, &[P])) {
    let whole = CanvasRect::from_size(grid.size_px());
    let inside = part.intersect(&whole);
    for index in grid.indices_in(inside) {
        let Some(tile) = grid.tile(index) else {
            continue;
        };
        let area = index.rect().intersect(&inside);
        for y in area.min[1]..area.max[1] {
            let down = (y - part.min[1]) as usize;
            let across = (area.min[0] - part.min[0]) as usize;
            let start = down * part.width() as usize + across;
            show(start, row_in(tile, index, area, y));
        }
    }
}

/// The values of a tile that lie in one row of an area.
fn row_in<P: Pixel>(tile: &Tile<P>, index: TileIndex, area: CanvasRect, y: i32) -> &[P] {
    let [left, top] = index.rect().min;
    let columns = (area.min[0] - left) as usize..(area.max[0] - left) as usize;
    &tile.row((y - top) as u32)[columns]
}

/// Whether anything is painted in a part of a grid.
fn has_content_in<P: Pixel>(grid: &TileGrid<P>, part: CanvasRect) -> bool {
    let inside = part.intersect(&CanvasRect::from_size(grid.size_px()));
    let mut indices = grid.indices_in(inside);
    indices.any(|index| {
        let Some(tile) = grid.tile(index) else {
            return false;
        };
        let area = index.rect().intersect(&inside);
        if area == index.rect() || tile.is_blank() {
            return !tile.is_blank();
        }
        let is_painted = |value: &P| *value != P::default();
        (area.min[1]..area.max[1]).any(|y| row_in(tile, index, area, y).iter().any(is_painted))
    })
}

/// Whether there is something, and whether there is nothing, in an area of tiles that
/// lie over each other.
fn mixed(
    tiles: &[&std::sync::Arc<Tile<[u8; 4]>>],
    index: TileIndex,
    area: CanvasRect,
) -> (bool, bool) {
    let (mut has_some, mut has_gaps) = (false, tiles.is_empty());
    for y in area.min[1]..area.max[1] {
        let rows: Vec<_> = tiles
            .iter()
            .map(|tile| row_in(tile, index, area, y))
            .collect();
        for x in 0..area.width() as usize {
            let is_seen = rows.iter().any(|row| row[x][3] > 0);
            has_some |= is_seen;
            has_gaps |= !is_seen;
        }
        if has_some && has_gaps {
            break;
        }
    }
    (has_some, has_gaps)
}

#[cfg(test)]
mod tests;
