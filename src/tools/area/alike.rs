//! Where a picture looks like one of its pixels.

use std::sync::Arc;

use crate::document::{Tile, TileGrid};
use crate::geometry::CanvasRect;

/// Less than this is not covered in full: the soft edge of a stroke belongs to the hole that
/// it goes around, so that a fill behind it leaves no gap.
const OPAQUE: u8 = 250;

/// Where a picture looks like the pixel at `at`: 1, elsewhere 0. Where nothing is to be seen
/// there, that is all that is not opaque; else what has its colour, no channel off by more
/// than `tolerance`. Reads every pixel.
pub(in crate::tools) fn alike(
    grid: &TileGrid<[u8; 4]>,
    at: [i32; 2],
    tolerance: u8,
) -> TileGrid<u8> {
    let clicked = grid.pixel(at[0], at[1]);
    let is_alike = |pixel: [u8; 4]| match clicked[3] {
        0 => pixel[3] < OPAQUE,
        _ => pixel[3] > 0 && (0..3).all(|it| pixel[it].abs_diff(clicked[it]) <= tolerance),
    };
    let whole = CanvasRect::from_size(grid.size_px());
    let mut map = TileGrid::new(grid.size_px());
    for index in grid.indices() {
        let inside = index.rect().intersect(&whole);
        let tile = grid.tile(index);
        if tile.is_none() && !is_alike([0; 4]) {
            continue;
        }
        let mut shown = Tile::blank();
        for y in 0..inside.height() {
            let row = &mut shown.row_mut(y)[..inside.width() as usize];
            match tile {
                Some(tile) => {
                    for (shown, pixel) in row.iter_mut().zip(tile.row(y)) {
                        *shown = u8::from(is_alike(*pixel));
                    }
                }
                None => row.fill(1),
            }
        }
        map.set_tile(index, Some(Arc::new(shown)));
    }
    map
}
