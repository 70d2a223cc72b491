//! Where a picture looks like one of its pixels.

use std::collections::BTreeMap;
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
    // Where nothing is painted all tiles of a shape are one.
    let mut unpainted = BTreeMap::new();
    for index in grid.indices() {
        let inside = index.rect().intersect(&whole);
        let shown = match grid.tile(index) {
            Some(tile) => Arc::new(told(inside, |y, row| {
                for (shown, pixel) in row.iter_mut().zip(tile.row(y)) {
                    *shown = u8::from(is_alike(*pixel));
                }
            })),
            None if !is_alike([0; 4]) => continue,
            None => {
                let shape = [inside.width(), inside.height()];
                let all = || Arc::new(told(inside, |_, row| row.fill(1)));
                Arc::clone(unpainted.entry(shape).or_insert_with(all))
            }
        };
        map.set_tile(index, Some(shown));
    }
    map
}

/// A tile of which the rows inside of the picture are written.
fn told(inside: CanvasRect, write: impl Fn(u32, &mut [u8])) -> Tile<u8> {
    let mut tile = Tile::blank();
    for y in 0..inside.height() {
        write(y, &mut tile.row_mut(y)[..inside.width() as usize]);
    }
    tile
}
