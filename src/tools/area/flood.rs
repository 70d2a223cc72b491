//! What looks the same as the pixel that was clicked.
//!
//! Goes from tile to tile: one that has a single value is filled as a whole and never
//! looked through, so that filling a large empty canvas takes no time.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Coverage;
use crate::document::{TILE_SIDE_PX, TileGrid, TileIndex};
use crate::geometry::CanvasRect;

/// What belongs together: a value of the clicked pixel and one of another.
pub(in crate::tools) type IsSame = fn(u8, u8) -> bool;

const SIDE: usize = TILE_SIDE_PX as usize;

/// Everything that is the same as the pixel at `at` and touches it, over pixels that share a
/// side. Nothing when that lies outside.
pub(in crate::tools) fn flooded(grid: &TileGrid<u8>, at: [i32; 2], is_same: IsSame) -> Coverage {
    let mut flood = Flood::new(grid, at, is_same);
    flood.run();
    flood.covered
}

/// Everything that is the same as the pixel at `at`, wherever it is. Nothing when that lies
/// outside.
pub(in crate::tools) fn same_everywhere(
    grid: &TileGrid<u8>,
    at: [i32; 2],
    is_same: IsSame,
) -> Coverage {
    let whole = CanvasRect::from_size(grid.size_px());
    let mut covered = Coverage::none(grid.size_px());
    if !holds(&whole, at) {
        return covered;
    }
    let clicked = grid.pixel(at[0], at[1]);
    for index in grid.indices() {
        let inside = index.rect().intersect(&whole);
        let part = Part::of(grid, index, inside);
        match part.uniform {
            Some(there) if is_same(clicked, there) => covered.fill_whole(index),
            Some(_) => {}
            None => {
                for y in 0..inside.height() as usize {
                    for run in part.runs(y, |there| is_same(clicked, there)) {
                        covered.fill(
                            index,
                            inside.min[1] + y as i32,
                            shifted(&run, inside.min[0]),
                        );
                    }
                }
            }
        }
    }
    covered
}

fn holds(rect: &CanvasRect, at: [i32; 2]) -> bool {
    (0..2).all(|axis| (rect.min[axis]..rect.max[axis]).contains(&at[axis]))
}

fn shifted(run: &Range<usize>, left: i32) -> Range<i32> {
    run.start as i32 + left..run.end as i32 + left
}

/// The part of a tile that lies in the picture.
struct Part<'a> {
    pixels: Option<&'a [u8]>,
    width: usize,
    /// The value of all of it, if it has one.
    uniform: Option<u8>,
}

impl<'a> Part<'a> {
    fn of(grid: &'a TileGrid<u8>, index: TileIndex, inside: CanvasRect) -> Self {
        let tile = grid.tile(index);
        Self {
            pixels: tile.map(|tile| tile.pixels()),
            width: inside.width() as usize,
            uniform: tile.map_or(Some(0), |tile| tile.uniform_value(inside)),
        }
    }

    fn row(&self, y: usize) -> &'a [u8] {
        let pixels = self.pixels.unwrap_or(&[0; SIDE * SIDE]);
        &pixels[y * SIDE..y * SIDE + self.width]
    }

    /// The runs of a row whose values are wanted.
    fn runs(&self, y: usize, is_wanted: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
        let row = self.row(y);
        let mut runs = Vec::new();
        let mut x = 0;
        while x < row.len() {
            let start = x;
            while x < row.len() && is_wanted(row[x]) {
                x += 1;
            }
            if x > start {
                runs.push(start..x);
            }
            x += 1;
        }
        runs
    }
}

/// A fill in progress.
struct Flood<'a> {
    grid: &'a TileGrid<u8>,
    whole: CanvasRect,
    clicked: u8,
    is_same: IsSame,
    covered: Coverage,
    /// Pixels that were reached, for tiles with several values; `None` for a tile that
    /// is reached as a whole.
    reached: BTreeMap<TileIndex, Option<Vec<bool>>>,
    /// Runs of pixels from which to look, by the tile that they lie in.
    waiting: BTreeMap<TileIndex, Vec<(i32, Range<i32>)>>,
}

impl<'a> Flood<'a> {
    fn new(grid: &'a TileGrid<u8>, at: [i32; 2], is_same: IsSame) -> Self {
        let whole = CanvasRect::from_size(grid.size_px());
        let mut flood = Self {
            grid,
            whole,
            clicked: grid.pixel(at[0], at[1]),
            is_same,
            covered: Coverage::none(grid.size_px()),
            reached: BTreeMap::new(),
            waiting: BTreeMap::new(),
        };
        flood.wait(at[1], at[0]..at[0] + 1);
        flood
    }

    /// Remembers to look at a run of pixels, which may lie in several tiles or outside.
    fn wait(&mut self, row: i32, columns: Range<i32>) {
        let run = CanvasRect::from_min_max([columns.start, row], [columns.end, row + 1]);
        let run = run.intersect(&self.whole);
        for index in self.grid.indices_in(run) {
            let part = run.intersect(&index.rect());
            let columns = part.min[0]..part.max[0];
            if !matches!(self.reached.get(&index), Some(None)) {
                self.waiting.entry(index).or_default().push((row, columns));
            }
        }
    }

    fn run(&mut self) {
        while let Some((index, runs)) = self.waiting.pop_first() {
            let inside = index.rect().intersect(&self.whole);
            let part = Part::of(self.grid, index, inside);
            match part.uniform {
                Some(there) if (self.is_same)(self.clicked, there) => {
                    self.reach_whole(index, inside);
                }
                Some(_) => {}
                None => self.reach_runs(index, inside, &part, runs),
            }
        }
    }

    fn reach_whole(&mut self, index: TileIndex, inside: CanvasRect) {
        if self.reached.insert(index, None).is_some() {
            return;
        }
        self.covered.fill_whole(index);
        let ([left, top], [right, bottom]) = (inside.min, inside.max);
        for row in [top - 1, bottom] {
            self.wait(row, left..right);
        }
        for column in [left - 1, right] {
            for row in top..bottom {
                self.wait(row, column..column + 1);
            }
        }
    }

    /// Spreads within one tile, run by run of its rows.
    fn reach_runs(
        &mut self,
        index: TileIndex,
        inside: CanvasRect,
        part: &Part<'_>,
        starts: Vec<(i32, Range<i32>)>,
    ) {
        let (left, top) = (inside.min[0], inside.min[1]);
        let (clicked, is_same) = (self.clicked, self.is_same);
        let known = self.reached.remove(&index).flatten();
        let mut reached = known.unwrap_or_else(|| vec![false; SIDE * SIDE]);
        let within = |(row, columns): (i32, Range<i32>)| {
            let columns = (columns.start - left) as usize..(columns.end - left) as usize;
            ((row - top) as usize, columns)
        };
        let mut stack: Vec<(usize, Range<usize>)> = starts.into_iter().map(within).collect();
        let height = inside.height() as usize;
        while let Some((y, columns)) = stack.pop() {
            let row = part.row(y);
            let mut x = columns.start;
            while x < columns.end {
                let is_new = !reached[y * SIDE + x] && is_same(clicked, row[x]);
                if !is_new {
                    x += 1;
                    continue;
                }
                let wanted = |x: &usize| is_same(clicked, row[*x]);
                let start = (0..x).rev().take_while(wanted).last().unwrap_or(x);
                let end = (x..part.width).take_while(wanted).last().unwrap_or(x) + 1;
                reached[y * SIDE + start..y * SIDE + end].fill(true);
                let line = top + y as i32;
                let run = shifted(&(start..end), left);
                self.covered.fill(index, line, run.clone());
                if y > 0 {
                    stack.push((y - 1, start..end));
                } else {
                    self.wait(line - 1, run.clone());
                }
                if y + 1 < height {
                    stack.push((y + 1, start..end));
                } else {
                    self.wait(line + 1, run.clone());
                }
                if start == 0 {
                    self.wait(line, left - 1..left);
                }
                if end == part.width {
                    self.wait(line, run.end..run.end + 1);
                }
                x = end;
            }
        }
        self.reached.insert(index, Some(reached));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::applied;
    use super::*;
    use crate::tools::ink::ValueInk;

    fn equal(one: u8, other: u8) -> bool {
        one == other
    }

    /// The same by the book: a stack of single pixels.
    fn slowly(grid: &TileGrid<u8>, at: [i32; 2], value: u8) -> TileGrid<u8> {
        let [width, height] = grid.size_px().map(|side| side as i32);
        let mut pixels = grid.to_pixels();
        let clicked = grid.pixel(at[0], at[1]);
        let mut seen = vec![false; pixels.len()];
        let mut stack = vec![at];
        while let Some([x, y]) = stack.pop() {
            if x < 0 || y < 0 || x >= width || y >= height {
                continue;
            }
            let place = (y * width + x) as usize;
            if seen[place] || grid.pixel(x, y) != clicked {
                continue;
            }
            seen[place] = true;
            pixels[place] = value;
            stack.extend([[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]]);
        }
        TileGrid::from_fn(grid.size_px(), |x, y| {
            pixels[(y as i32 * width + x as i32) as usize]
        })
    }

    #[test]
    fn a_fill_reaches_what_touches_and_nothing_else() {
        let size_px = [530, 300];
        let rings = |x: u32, y: u32| {
            let distance = (x as f32 - 260.0).hypot(y as f32 - 150.0);
            1 + (distance / 23.0) as u8 % 3
        };
        let spiral = |x: u32, y: u32| {
            let (dx, dy) = (x as f32 - 256.0, y as f32 - 150.0);
            u8::from(((dx.hypot(dy) / 9.0 + dy.atan2(dx)).sin()) > 0.0)
        };
        let maps = [
            TileGrid::from_fn(size_px, rings),
            TileGrid::from_fn(size_px, spiral),
            TileGrid::new(size_px),
            TileGrid::from_fn(size_px, |x, _| u8::from(x > 400)),
        ];
        for (number, grid) in maps.iter().enumerate() {
            for at in [[0, 0], [256, 150], [255, 255], [529, 299], [300, 40]] {
                let quick = applied(grid, &flooded(grid, at, equal));
                assert_eq!(quick, slowly(grid, at, 9), "map {number} from {at:?}");
                assert!(quick.counts()[9] > 0);
            }
        }
    }

    #[test]
    fn without_touching_all_that_is_the_same_is_reached() {
        let grid = TileGrid::from_fn([530, 300], |x, y| ((x / 7 + y / 5) % 3) as u8);
        let before = grid.counts();
        for at in [[0, 0], [8, 0], [500, 299]] {
            let clicked = usize::from(grid.pixel(at[0], at[1]));
            let counts = applied(&grid, &same_everywhere(&grid, at, equal)).counts();
            assert_eq!((counts[9], counts[clicked]), (before[clicked], 0));
        }
    }

    #[test]
    fn a_click_outside_fills_nothing() {
        let grid = TileGrid::new([30, 30]);
        for at in [[-1, 3], [30, 3], [3, 4000]] {
            for covered in [flooded(&grid, at, equal), same_everywhere(&grid, at, equal)] {
                assert!(covered.changes(&grid, ValueInk::Class(1)).is_empty());
            }
        }
    }

    #[test]
    fn a_large_blank_canvas_is_filled_with_one_tile() {
        let grid = TileGrid::new([8192, 8192]);
        let changes = flooded(&grid, [4000, 4000], equal).changes(&grid, ValueInk::Class(5));
        let tiles: Vec<_> = changes
            .values()
            .filter_map(|change| change.after.as_ref())
            .collect();
        assert_eq!(tiles.len(), 1024);
        assert!(
            tiles
                .iter()
                .all(|tile| std::sync::Arc::ptr_eq(tile, tiles[0]))
        );
    }
}
