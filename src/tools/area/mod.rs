//! Areas with hard edges, and filling them with one value: a pixel lies in an area
//! when its middle does, and nothing is in between.

mod flood;
mod polygon;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::document::{TILE_SIDE_PX, Tile, TileChange, TileGrid, TileIndex};
use crate::geometry::{CanvasPoint, CanvasRect};

pub(super) use flood::{flooded, same_everywhere};
pub(super) use polygon::Polygon;

/// What can say which pixels of a row it covers.
pub(super) trait Area {
    /// A rectangle that holds it.
    fn bounds(&self) -> CanvasRect;

    /// Adds the columns that it covers in a row, from left to right.
    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>);
}

/// A rectangle of whole pixels.
impl Area for CanvasRect {
    fn bounds(&self) -> CanvasRect {
        *self
    }

    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>) {
        if (self.min[1]..self.max[1]).contains(&row) {
            spans.push(self.min[0]..self.max[0]);
        }
    }
}

/// The ellipse that touches all sides of a rectangle.
pub(super) struct Ellipse(pub CanvasRect);

impl Area for Ellipse {
    fn bounds(&self) -> CanvasRect {
        self.0
    }

    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>) {
        let center = self.0.center();
        let half = [self.0.width() as f32 * 0.5, self.0.height() as f32 * 0.5];
        let across = (row as f32 + 0.5 - center.y) / half[1];
        if across.abs() < 1.0 {
            let reach = half[0] * (1.0 - across * across).sqrt();
            spans.push(columns(center.x - reach, center.x + reach));
        }
    }
}

/// The pixels of a row whose middles lie between two places.
fn columns(from: f32, to: f32) -> Range<i32> {
    let first = |x: f32| (x - 0.5).ceil() as i32;
    first(from)..first(to)
}

/// A straight line with round ends; as thin as a pixel it leads from the middle of one
/// to the middle of another.
pub(super) fn line(from: CanvasPoint, to: CanvasPoint, width_px: f32) -> Polygon {
    const CORNERS_OF_AN_END: u32 = 24;
    let is_thin = width_px < 2.0;
    let laid = |point: CanvasPoint| match is_thin {
        true => CanvasPoint::new(point.x.floor() + 0.5, point.y.floor() + 0.5),
        false => point,
    };
    let (from, to) = (laid(from), laid(to));
    let radius = (width_px * 0.5).max(0.5);
    let heading = (to.y - from.y).atan2(to.x - from.x);
    let half_turn = std::f32::consts::PI;
    let mut corners = Vec::new();
    for (end, start) in [
        (to, heading - half_turn * 0.5),
        (from, heading + half_turn * 0.5),
    ] {
        for corner in 0..=CORNERS_OF_AN_END {
            let angle = start + half_turn * corner as f32 / CORNERS_OF_AN_END as f32;
            // A round end of a pixel's width would miss its own pixel's corners.
            let reach = if is_thin { radius + 1e-3 } else { radius };
            corners.push(CanvasPoint::new(
                end.x + angle.cos() * reach,
                end.y + angle.sin() * reach,
            ));
        }
    }
    Polygon::new(corners)
}

/// The tiles in which an area gets a value. Tiles that have it already are left out.
pub(super) fn filled(
    grid: &TileGrid<u8>,
    area: &impl Area,
    value: u8,
) -> BTreeMap<TileIndex, TileChange<u8>> {
    let whole = CanvasRect::from_size(grid.size_px());
    let bounds = area.bounds().intersect(&whole);
    let mut tiles = NewTiles::new(grid, value);
    let mut spans = Vec::new();
    // Row by row of tiles, so that no row of the area is asked for twice.
    let (mut row, end) = (bounds.min[1], bounds.max[1]);
    while row < end {
        let band = row / TILE_SIDE_PX as i32;
        let last = ((band + 1) * TILE_SIDE_PX as i32).min(end);
        let rows: Vec<Vec<Range<i32>>> = (row..last)
            .map(|row| {
                spans.clear();
                area.spans(row, &mut spans);
                spans.clone()
            })
            .collect();
        let strip = CanvasRect::from_min_max([bounds.min[0], row], [bounds.max[0], last]);
        for index in grid.indices_in(strip) {
            let inside = index.rect().intersect(&whole);
            let (left, right) = (inside.min[0], inside.max[0]);
            let covers_row = |spans: &Vec<Range<i32>>| {
                spans
                    .iter()
                    .any(|span| span.start <= left && span.end >= right)
            };
            let is_whole = inside.height() as usize == rows.len() && rows.iter().all(covers_row);
            if is_whole {
                tiles.fill_whole(index, inside);
                continue;
            }
            for (row, spans) in (row..last).zip(&rows) {
                for span in spans {
                    let part = span.start.max(left)..span.end.min(right);
                    if part.start < part.end {
                        tiles.fill(index, row, part);
                    }
                }
            }
        }
        row = last;
    }
    tiles.changes()
}

/// New tiles that get one value in some places.
pub(super) struct NewTiles<'a> {
    grid: &'a TileGrid<u8>,
    value: u8,
    tiles: BTreeMap<TileIndex, Option<Arc<Tile<u8>>>>,
    /// Tiles that have the value as far as the picture goes, made once a shape.
    whole: BTreeMap<[u32; 2], Option<Arc<Tile<u8>>>>,
}

impl<'a> NewTiles<'a> {
    pub fn new(grid: &'a TileGrid<u8>, value: u8) -> Self {
        Self {
            grid,
            value,
            tiles: BTreeMap::new(),
            whole: BTreeMap::new(),
        }
    }

    /// Gives the value to some columns of a row of a tile.
    pub fn fill(&mut self, index: TileIndex, row: i32, columns: Range<i32>) {
        let grid = self.grid;
        let tile = self
            .tiles
            .entry(index)
            .or_insert_with(|| grid.tile(index).cloned());
        if tile.is_none() && self.value == 0 {
            return;
        }
        let [left, top] = index.rect().min;
        let tile = Arc::make_mut(tile.get_or_insert_with(|| Arc::new(Tile::blank())));
        let columns = (columns.start - left) as usize..(columns.end - left) as usize;
        tile.row_mut((row - top) as u32)[columns].fill(self.value);
    }

    /// Gives the value to the whole of a tile, of which `inside` lies in the picture.
    pub fn fill_whole(&mut self, index: TileIndex, inside: CanvasRect) {
        let shape = [inside.width(), inside.height()];
        let value = self.value;
        let tile = self.whole.entry(shape).or_insert_with(|| {
            (value != 0).then(|| {
                let mut tile = Tile::blank();
                for y in 0..shape[1] {
                    tile.row_mut(y)[..shape[0] as usize].fill(value);
                }
                Arc::new(tile)
            })
        });
        self.tiles.insert(index, tile.clone());
    }

    /// What changes.
    pub fn changes(self) -> BTreeMap<TileIndex, TileChange<u8>> {
        let mut changes = BTreeMap::new();
        for (index, after) in self.tiles {
            let before = self.grid.tile(index).cloned();
            let after = after.filter(|tile| self.value != 0 || !tile.is_blank());
            let is_same = match (&before, &after) {
                (Some(before), Some(after)) => Arc::ptr_eq(before, after) || before == after,
                (None, None) => true,
                (Some(tile), None) | (None, Some(tile)) => tile.is_blank(),
            };
            if !is_same {
                changes.insert(index, TileChange { before, after });
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn applied(
        grid: &TileGrid<u8>,
        changes: BTreeMap<TileIndex, TileChange<u8>>,
    ) -> TileGrid<u8> {
        let mut grid = grid.clone();
        for (index, change) in changes {
            grid.set_tile(index, change.after);
        }
        grid
    }

    /// What an area is by its description, pixel by pixel.
    fn expected(size_px: [u32; 2], is_inside: impl Fn(f32, f32) -> bool) -> TileGrid<u8> {
        TileGrid::from_fn(size_px, |x, y| {
            if is_inside(x as f32 + 0.5, y as f32 + 0.5) {
                7
            } else {
                0
            }
        })
    }

    fn drawn(size_px: [u32; 2], area: &impl Area) -> TileGrid<u8> {
        let grid = TileGrid::new(size_px);
        applied(&grid, filled(&grid, area, 7))
    }

    #[test]
    fn rectangles_and_ellipses_cover_the_pixels_whose_middles_they_hold() {
        let size_px = [600, 520];
        for rect in [
            CanvasRect::from_min_max([3, 250], [4, 259]),
            CanvasRect::from_min_max([-50, -50], [1000, 1000]),
            CanvasRect::from_min_max([200, 100], [571, 513]),
        ] {
            let inside = |x: f32, y: f32| rect.contains(CanvasPoint::new(x, y));
            assert_eq!(drawn(size_px, &rect), expected(size_px, inside), "{rect:?}");
            let [rx, ry] = [rect.width(), rect.height()].map(|side| f64::from(side) / 2.0);
            let (cx, cy) = (f64::from(rect.center().x), f64::from(rect.center().y));
            let shown = drawn(size_px, &Ellipse(rect));
            let inside = |x: f32, y: f32| {
                let (x, y) = ((f64::from(x) - cx) / rx, (f64::from(y) - cy) / ry);
                x * x + y * y < 1.0
            };
            let off = shown
                .to_pixels()
                .into_iter()
                .zip(expected(size_px, inside).to_pixels());
            assert!(off.filter(|(a, b)| a != b).count() <= 4, "{rect:?}");
        }
    }

    #[test]
    fn whole_tiles_are_shared_and_what_is_the_same_already_is_no_change() {
        let grid = TileGrid::<u8>::new([1024, 1024]);
        let whole = CanvasRect::from_size([1024, 1024]);
        let changes = filled(&grid, &whole, 9);
        let mut tiles = changes.values().filter_map(|change| change.after.as_ref());
        let first = tiles.next().unwrap();
        assert!(tiles.all(|tile| Arc::ptr_eq(tile, first)));
        let full = applied(&grid, changes);
        assert!(filled(&full, &whole, 9).is_empty());
        assert!(filled(&grid, &whole, 0).is_empty());
        assert_eq!(applied(&full, filled(&full, &whole, 0)).size_bytes(), 0);
    }

    #[test]
    fn a_thin_line_is_connected_and_reaches_both_ends() {
        for (x, y) in [
            (40.0, 3.0),
            (3.0, 40.0),
            (40.0, 40.0),
            (17.0, 38.0),
            (5.0, 5.0),
        ] {
            let (from, to) = (CanvasPoint::new(5.3, 5.9), CanvasPoint::new(x, y));
            let grid = drawn([64, 64], &line(from, to, 1.0));
            for end in [from, to] {
                assert_eq!(grid.pixel(end.x as i32, end.y as i32), 7, "{x} {y}");
            }
            let steps = (from.x - x).abs().max((from.y - y).abs()).ceil() as usize;
            let count = grid.counts()[7] as usize;
            assert!(
                count >= steps && count <= 2 * steps + 2,
                "{count} of {steps}"
            );
        }
    }
}
