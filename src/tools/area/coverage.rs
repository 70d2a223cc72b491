//! How much of each pixel an area covers, and what paint makes of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use super::Area;
use crate::document::{Pixel, TILE_SIDE_PX, Tile, TileChange, TileGrid, TileIndex};
use crate::geometry::CanvasRect;
use crate::tools::ink::Ink;

/// How the edge of an area is laid on pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools) enum Edges {
    /// A pixel is covered when its middle is.
    Hard,
    /// A pixel is covered as much as 4 × 4 parts of it.
    Soft,
}

impl Edges {
    /// Parts of a pixel's side that are told apart.
    fn fineness(self) -> i32 {
        match self {
            Self::Hard => 1,
            Self::Soft => 4,
        }
    }
}

/// What is covered of a tile.
enum Cover {
    /// All of it that lies in the picture.
    Whole,
    /// So much of each pixel.
    Part(Box<Tile<u8>>),
}

/// How much of each pixel of a picture is covered.
pub(in crate::tools) struct Coverage {
    whole: CanvasRect,
    tiles: BTreeMap<TileIndex, Cover>,
}

impl Coverage {
    /// Nothing, of a picture of a size.
    pub fn none(size_px: [u32; 2]) -> Self {
        Self {
            whole: CanvasRect::from_size(size_px),
            tiles: BTreeMap::new(),
        }
    }

    /// What an area covers of it.
    pub fn of(area: &impl Area, size_px: [u32; 2], edges: Edges) -> Self {
        let mut covered = Self::none(size_px);
        let fineness = edges.fineness();
        let bounds = area.bounds().intersect(&covered.whole);
        let fine = area.enlarged(fineness);
        let tiles = TileGrid::<u8>::new(size_px);
        let mut spans = Vec::new();
        // Row by row of tiles, so that no row of the area is asked for twice.
        let (mut row, end) = (bounds.min[1], bounds.max[1]);
        while row < end {
            let band = row / TILE_SIDE_PX as i32;
            let last = ((band + 1) * TILE_SIDE_PX as i32).min(end);
            let rows: Vec<Vec<Range<i32>>> = (row * fineness..last * fineness)
                .map(|row| {
                    spans.clear();
                    fine.spans(row, &mut spans);
                    spans.clone()
                })
                .collect();
            let strip = CanvasRect::from_min_max([bounds.min[0], row], [bounds.max[0], last]);
            for index in tiles.indices_in(strip) {
                covered.cover(index, row, &rows, fineness);
            }
            row = last;
        }
        covered
    }

    /// Covers what rows of an area cover of a tile, of which so many make one row of pixels;
    /// the first of these is `top`.
    fn cover(&mut self, index: TileIndex, top: i32, rows: &[Vec<Range<i32>>], fineness: i32) {
        let inside = index.rect().intersect(&self.whole);
        let (left, right) = (inside.min[0], inside.max[0]);
        let covers_row = |spans: &Vec<Range<i32>>| {
            let mut spans = spans.iter();
            spans.any(|span| span.start <= left * fineness && span.end >= right * fineness)
        };
        let height = inside.height() as usize * fineness as usize;
        if height == rows.len() && rows.iter().all(covers_row) {
            self.fill_whole(index);
            return;
        }
        let most = (fineness * fineness) as u16;
        let mut sums = vec![0_u8; inside.width() as usize];
        for (row, lines) in (top..).zip(rows.chunks(fineness as usize)) {
            sums.fill(0);
            for span in lines.iter().flatten() {
                add(&mut sums, left, span, fineness);
            }
            if sums.iter().all(|sum| *sum == 0) {
                continue;
            }
            if let Some(amounts) = self.row_mut(index, row) {
                for (amount, sum) in amounts.iter_mut().zip(&sums) {
                    *amount = ((u16::from(*sum) * 255 + most / 2) / most) as u8;
                }
            }
        }
    }

    /// A row of a tile; `None` where all of it is covered.
    fn row_mut(&mut self, index: TileIndex, row: i32) -> Option<&mut [u8]> {
        let blank = || Cover::Part(Box::new(Tile::blank()));
        match self.tiles.entry(index).or_insert_with(blank) {
            Cover::Whole => None,
            Cover::Part(tile) => Some(tile.row_mut((row - index.rect().min[1]) as u32)),
        }
    }

    /// Covers some columns of a row of a tile.
    pub fn fill(&mut self, index: TileIndex, row: i32, columns: Range<i32>) {
        let left = index.rect().min[0];
        if let Some(amounts) = self.row_mut(index, row) {
            amounts[(columns.start - left) as usize..(columns.end - left) as usize].fill(255);
        }
    }

    /// Covers the whole of a tile.
    pub fn fill_whole(&mut self, index: TileIndex) {
        self.tiles.insert(index, Cover::Whole);
    }

    /// The tiles that paint changes where it is laid so. Tiles that have it already are left
    /// out, and those that look alike are shared.
    pub fn changes<P: Pixel>(
        &self,
        grid: &TileGrid<P>,
        ink: impl Ink<P>,
    ) -> BTreeMap<TileIndex, TileChange<P>> {
        let mut alike = BTreeMap::new();
        let mut changes = BTreeMap::new();
        for (index, cover) in &self.tiles {
            let before = grid.tile(*index).cloned();
            if before.is_none() && ink.erases() {
                continue;
            }
            let inside = index.rect().intersect(&self.whole);
            let painted = match cover {
                Cover::Whole if before.is_none() || ink.hides() => {
                    let shape = [inside.width(), inside.height()];
                    match alike.entry(shape) {
                        Entry::Occupied(known) => Arc::clone(known.get()),
                        Entry::Vacant(new) => {
                            let tile = painted(Tile::blank(), inside, cover, ink);
                            Arc::clone(new.insert(Arc::new(tile)))
                        }
                    }
                }
                cover => {
                    let tile = before.as_ref();
                    let tile = tile.map_or_else(Tile::blank, |tile| (**tile).clone());
                    Arc::new(painted(tile, inside, cover, ink))
                }
            };
            // What was erased takes no memory.
            let after = Some(painted).filter(|tile| !ink.erases() || !tile.is_blank());
            let is_same = match (&before, &after) {
                (Some(before), Some(after)) => Arc::ptr_eq(before, after) || before == after,
                (None, None) => true,
                (Some(tile), None) | (None, Some(tile)) => tile.is_blank(),
            };
            if !is_same {
                changes.insert(*index, TileChange { before, after });
            }
        }
        changes
    }
}

/// Adds how much of each pixel of a row a span covers, in parts of their sides; the first
/// pixel is `left`.
fn add(sums: &mut [u8], left: i32, span: &Range<i32>, fineness: i32) {
    let most = sums.len() as i32 * fineness;
    let within = |at: i32| at.saturating_sub(left * fineness).clamp(0, most);
    let (start, end) = (within(span.start), within(span.end));
    if start >= end {
        return;
    }
    let (first, last) = (start / fineness, (end - 1) / fineness);
    let mut lay = |column: i32, parts: i32| sums[column as usize] += parts as u8;
    if first == last {
        return lay(first, end - start);
    }
    lay(first, (first + 1) * fineness - start);
    lay(last, end - last * fineness);
    for sum in &mut sums[first as usize + 1..last as usize] {
        *sum += fineness as u8;
    }
}

/// A tile with paint over what is covered of it.
fn painted<P: Pixel>(
    mut tile: Tile<P>,
    inside: CanvasRect,
    cover: &Cover,
    ink: impl Ink<P>,
) -> Tile<P> {
    for y in 0..inside.height() {
        let row = &mut tile.row_mut(y)[..inside.width() as usize];
        match cover {
            Cover::Whole => row
                .iter_mut()
                .for_each(|pixel| *pixel = ink.over(*pixel, 255)),
            Cover::Part(amounts) => {
                for (pixel, amount) in row.iter_mut().zip(amounts.row(y)) {
                    if *amount > 0 {
                        *pixel = ink.over(*pixel, *amount);
                    }
                }
            }
        }
    }
    tile
}
