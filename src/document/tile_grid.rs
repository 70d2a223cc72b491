//! Pixels in copy-on-write tiles.

use std::sync::{Arc, OnceLock};

use image::{GrayImage, RgbaImage};

use crate::geometry::CanvasRect;

/// Side of a tile in pixels.
pub const TILE_SIDE_PX: u32 = 256;

const SIDE: usize = TILE_SIDE_PX as usize;

/// What a [`TileGrid`] can hold: a plain value whose default means "nothing here".
pub trait Pixel: Copy + Default + PartialEq + Send + Sync + std::fmt::Debug + 'static {}

impl Pixel for u8 {}
impl Pixel for [u8; 4] {}

/// A square of [`TILE_SIDE_PX`]² pixels, row-major.
///
/// Pixels of a border tile that lie outside of the picture stay blank.
#[derive(Clone)]
pub struct Tile<P> {
    pixels: Box<[P]>,
    /// Whether it is blank, once somebody asked: the window asks every frame.
    is_blank: OnceLock<bool>,
    /// What is painted on it, and how many pixels can be seen, once somebody asked.
    bounds: OnceLock<CanvasRect>,
    seen_px: OnceLock<u32>,
    /// How often each value stands on it, once somebody asked.
    pub(super) counts: OnceLock<Arc<[u32; 256]>>,
}

impl<P: PartialEq> PartialEq for Tile<P> {
    fn eq(&self, other: &Self) -> bool {
        self.pixels == other.pixels
    }
}

impl<P> std::fmt::Debug for Tile<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tile({TILE_SIDE_PX}²)")
    }
}

impl<P: Pixel> Tile<P> {
    /// A tile with nothing on it.
    pub fn blank() -> Self {
        Self {
            pixels: vec![P::default(); SIDE * SIDE].into_boxed_slice(),
            is_blank: OnceLock::new(),
            bounds: OnceLock::new(),
            seen_px: OnceLock::new(),
            counts: OnceLock::new(),
        }
    }

    /// All pixels, row-major.
    pub fn pixels(&self) -> &[P] {
        &self.pixels
    }

    /// All pixels for writing, row-major.
    pub fn pixels_mut(&mut self) -> &mut [P] {
        self.is_blank.take();
        self.bounds.take();
        self.seen_px.take();
        self.counts.take();
        &mut self.pixels
    }

    /// One row of pixels.
    pub fn row(&self, y: u32) -> &[P] {
        let start = y as usize * SIDE;
        &self.pixels[start..start + SIDE]
    }

    /// One row of pixels for writing.
    pub fn row_mut(&mut self, y: u32) -> &mut [P] {
        let start = y as usize * SIDE;
        &mut self.pixels_mut()[start..start + SIDE]
    }

    /// Whether nothing is on the tile.
    pub fn is_blank(&self) -> bool {
        *self
            .is_blank
            .get_or_init(|| self.pixels.iter().all(|pixel| *pixel == P::default()))
    }

    /// The smallest rectangle that holds everything painted, from the tile's corner.
    /// Looked for once for as long as the tile stays as it is.
    fn bounds(&self) -> CanvasRect {
        let found = || {
            let mut bounds = CanvasRect::EMPTY;
            for y in 0..TILE_SIDE_PX {
                let row = self.row(y);
                let painted = |pixel: &P| *pixel != P::default();
                let (Some(first), Some(last)) =
                    (row.iter().position(painted), row.iter().rposition(painted))
                else {
                    continue;
                };
                bounds = bounds.union(&CanvasRect::from_min_max(
                    [first as i32, y as i32],
                    [last as i32 + 1, y as i32 + 1],
                ));
            }
            bounds
        };
        *self.bounds.get_or_init(found)
    }

    /// Memory taken by the pixels.
    pub const fn size_bytes() -> usize {
        SIDE * SIDE * size_of::<P>()
    }
}

impl Tile<[u8; 4]> {
    /// Whether something can be seen everywhere; `inside` is the part of the tile that
    /// lies in the picture.
    pub(super) fn is_whole(&self, inside: CanvasRect) -> bool {
        let seen = || self.pixels.iter().filter(|pixel| pixel[3] > 0).count() as u32;
        *self.seen_px.get_or_init(seen) == inside.width() * inside.height()
    }
}

/// Names a tile of a grid by column and row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileIndex {
    /// Column, from 0 at the left.
    pub column: u32,
    /// Row, from 0 at the top.
    pub row: u32,
}

impl TileIndex {
    /// The pixels that the tile covers, also outside of the picture.
    pub fn rect(self) -> CanvasRect {
        let start = |index: u32| (index * TILE_SIDE_PX) as i32;
        CanvasRect::from_min_size([start(self.column), start(self.row)], [TILE_SIDE_PX; 2])
    }
}

/// A picture of any size in tiles that are shared until written.
///
/// A tile that was never painted on takes no memory. Cloning a grid copies
/// pointers only.
#[derive(Clone, Debug)]
pub struct TileGrid<P> {
    size_px: [u32; 2],
    columns: u32,
    tiles: Vec<Option<Arc<Tile<P>>>>,
}

impl<P: Pixel> PartialEq for TileGrid<P> {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<Tile<P>>>, b: &Option<Arc<Tile<P>>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (None, None) => true,
            (Some(tile), None) | (None, Some(tile)) => tile.is_blank(),
        };
        self.size_px == other.size_px
            && self.tiles.iter().zip(&other.tiles).all(|(a, b)| same(a, b))
    }
}

impl<P: Pixel> TileGrid<P> {
    /// A blank grid.
    pub fn new(size_px: [u32; 2]) -> Self {
        let [columns, rows] = size_px.map(|side| side.div_ceil(TILE_SIDE_PX));
        Self {
            size_px,
            columns,
            tiles: vec![None; columns as usize * rows as usize],
        }
    }

    /// A grid with the given pixels, row-major; pixels outside of `size_px` are
    /// not read. Parts that are blank take no memory.
    ///
    /// `pixel` is asked once for every position.
    pub fn from_fn(size_px: [u32; 2], mut pixel: impl FnMut(u32, u32) -> P) -> Self {
        let mut grid = Self::new(size_px);
        let whole = CanvasRect::from_size(size_px);
        for index in grid.indices() {
            let rect = index.rect().intersect(&whole);
            let mut tile = Tile::blank();
            for y in 0..rect.height() {
                let row = tile.row_mut(y);
                for (x, value) in row.iter_mut().take(rect.width() as usize).enumerate() {
                    *value = pixel(
                        index.column * TILE_SIDE_PX + x as u32,
                        index.row * TILE_SIDE_PX + y,
                    );
                }
            }
            grid.set_tile(index, unless_blank(tile));
        }
        grid
    }

    /// The grid cut or extended to another size, measured from its top-left
    /// corner. Tiles that are kept whole are shared, so this takes no time.
    pub fn resized(&self, size_px: [u32; 2]) -> Self {
        let mut grid = Self::new(size_px);
        let old = CanvasRect::from_size(self.size_px);
        let kept = old.intersect(&CanvasRect::from_size(size_px));
        for index in grid.indices_in(kept) {
            let Some(tile) = self.tile(index) else {
                continue;
            };
            let part = index.rect().intersect(&kept);
            let tile = if part == index.rect().intersect(&old) {
                Some(Arc::clone(tile))
            } else {
                let mut cut = Tile::blank();
                let width = part.width() as usize;
                for y in 0..part.height() {
                    cut.row_mut(y)[..width].copy_from_slice(&tile.row(y)[..width]);
                }
                unless_blank(cut)
            };
            grid.set_tile(index, tile);
        }
        grid
    }

    /// The grid on a canvas of another size, with its top-left corner at the given
    /// place; what lies outside is cut off. Moves every row that is painted: not for the
    /// window's thread.
    pub fn placed(&self, size_px: [u32; 2], at: [i32; 2]) -> Self {
        if at == [0, 0] {
            return self.resized(size_px);
        }
        let mut grid = Self::new(size_px);
        let (own, whole) = (
            CanvasRect::from_size(self.size_px),
            CanvasRect::from_size(size_px),
        );
        for from in self.indices() {
            let Some(tile) = self.tile(from).filter(|tile| !tile.is_blank()) else {
                continue;
            };
            let moved = from.rect().intersect(&own).moved_by(at).intersect(&whole);
            for to in grid.indices_in(moved) {
                let area = to.rect().intersect(&moved);
                let width = area.width() as usize;
                let [left, top] = [0, 1].map(|axis: usize| area.min[axis] - to.rect().min[axis]);
                let source =
                    [0, 1].map(|axis: usize| area.min[axis] - at[axis] - from.rect().min[axis]);
                let target = grid.tile_mut(to);
                for y in 0..area.height() {
                    let row = &tile.row(source[1] as u32 + y)[source[0] as usize..][..width];
                    target.row_mut(top as u32 + y)[left as usize..][..width].copy_from_slice(row);
                }
            }
        }
        for index in grid.indices() {
            if grid.tile(index).is_some_and(|tile| tile.is_blank()) {
                grid.set_tile(index, None);
            }
        }
        grid
    }

    /// Width and height in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        self.size_px
    }

    /// Number of tile columns and rows.
    pub fn tile_counts(&self) -> [u32; 2] {
        [self.columns, self.size_px[1].div_ceil(TILE_SIDE_PX)]
    }

    /// Every tile index, row by row.
    pub fn indices(&self) -> impl Iterator<Item = TileIndex> + use<P> {
        let [columns, rows] = self.tile_counts();
        (0..rows).flat_map(move |row| (0..columns).map(move |column| TileIndex { column, row }))
    }

    /// The indices of the tiles that a rectangle touches.
    pub fn indices_in(&self, rect: CanvasRect) -> impl Iterator<Item = TileIndex> + use<P> {
        let rect = rect.intersect(&CanvasRect::from_size(self.size_px));
        let range = |axis: usize| {
            let side = TILE_SIDE_PX as i32;
            let end = if rect.is_empty() {
                0
            } else {
                (rect.max[axis] - 1) / side + 1
            };
            (rect.min[axis] / side) as u32..end as u32
        };
        let (columns, rows) = (range(0), range(1));
        rows.flat_map(move |row| columns.clone().map(move |column| TileIndex { column, row }))
    }

    fn slot(&self, index: TileIndex) -> usize {
        debug_assert!(
            index.column < self.columns,
            "tile index is inside of the grid"
        );
        index.row as usize * self.columns as usize + index.column as usize
    }

    /// The tile, or `None` where it is blank.
    pub fn tile(&self, index: TileIndex) -> Option<&Arc<Tile<P>>> {
        self.tiles[self.slot(index)].as_ref()
    }

    /// Puts a tile in place and gives back the one that was there.
    pub fn set_tile(
        &mut self,
        index: TileIndex,
        tile: Option<Arc<Tile<P>>>,
    ) -> Option<Arc<Tile<P>>> {
        let slot = self.slot(index);
        std::mem::replace(&mut self.tiles[slot], tile)
    }

    /// The tile for writing; copied first if anybody else holds it.
    pub fn tile_mut(&mut self, index: TileIndex) -> &mut Tile<P> {
        let slot = self.slot(index);
        Arc::make_mut(self.tiles[slot].get_or_insert_with(|| Arc::new(Tile::blank())))
    }

    /// The value at a position; blank outside of the picture.
    pub fn pixel(&self, x: i32, y: i32) -> P {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return P::default();
        };
        if x >= self.size_px[0] || y >= self.size_px[1] {
            return P::default();
        }
        let index = TileIndex {
            column: x / TILE_SIDE_PX,
            row: y / TILE_SIDE_PX,
        };
        self.tile(index).map_or_else(P::default, |tile| {
            tile.row(y % TILE_SIDE_PX)[(x % TILE_SIDE_PX) as usize]
        })
    }

    /// All pixels, row-major.
    pub fn to_pixels(&self) -> Vec<P> {
        let [width, height] = self.size_px.map(|side| side as usize);
        let mut pixels = vec![P::default(); width * height];
        for index in self.indices() {
            let Some(tile) = self.tile(index) else {
                continue;
            };
            let rect = index.rect().intersect(&CanvasRect::from_size(self.size_px));
            for y in 0..rect.height() {
                let start = (rect.min[1] as usize + y as usize) * width + rect.min[0] as usize;
                let count = rect.width() as usize;
                pixels[start..start + count].copy_from_slice(&tile.row(y)[..count]);
            }
        }
        pixels
    }

    /// What is made of the pixels of a part that lies inside of the picture, row-major.
    pub fn pixels_in<Q>(&self, part: CanvasRect, make: impl Fn(P) -> Q) -> Vec<Q> {
        let mut made = Vec::with_capacity(part.width() as usize * part.height() as usize);
        for y in part.min[1]..part.max[1] {
            let line = CanvasRect::from_min_max([part.min[0], y], [part.max[0], y + 1]);
            for index in self.indices_in(line) {
                let (tile_rect, inside) = (index.rect(), index.rect().intersect(&line));
                let count = inside.width() as usize;
                let Some(tile) = self.tile(index) else {
                    made.extend((0..count).map(|_| make(P::default())));
                    continue;
                };
                let row = tile.row((y - tile_rect.min[1]) as u32);
                let from = (inside.min[0] - tile_rect.min[0]) as usize;
                made.extend(row[from..from + count].iter().map(|pixel| make(*pixel)));
            }
        }
        made
    }

    /// Whether nothing was painted.
    pub fn is_blank(&self) -> bool {
        self.tiles.iter().flatten().all(|tile| tile.is_blank())
    }

    /// Memory taken by the tiles, shared or not.
    pub fn size_bytes(&self) -> usize {
        self.tiles.iter().flatten().count() * Tile::<P>::size_bytes()
    }

    /// The smallest rectangle that holds everything painted.
    pub fn content_bounds(&self) -> CanvasRect {
        let mut bounds = CanvasRect::EMPTY;
        for index in self.indices() {
            let Some(tile) = self.tile(index) else {
                continue;
            };
            let own = tile.bounds();
            if !own.is_empty() {
                bounds = bounds.union(&own.moved_by(index.rect().min));
            }
        }
        bounds
    }

    /// Whether the tiles fit the size and nothing is painted outside of it.
    pub(super) fn is_valid(&self) -> bool {
        let [columns, rows] = self.size_px.map(|side| side.div_ceil(TILE_SIDE_PX));
        columns == self.columns
            && self.tiles.len() == columns as usize * rows as usize
            && CanvasRect::from_size(self.size_px).union(&self.content_bounds())
                == CanvasRect::from_size(self.size_px)
    }
}

impl TileGrid<[u8; 4]> {
    /// The pixels of a picture. Reads every one of them: not for the window's thread.
    pub fn from_image(image: &RgbaImage) -> Self {
        let width = image.width() as usize;
        let (pixels, _) = image.as_raw().as_chunks::<4>();
        let mut grid = Self::new(image.dimensions().into());
        for index in grid.indices() {
            let rect = index
                .rect()
                .intersect(&CanvasRect::from_size(grid.size_px()));
            let (left, count) = (rect.min[0] as usize, rect.width() as usize);
            let mut tile = Tile::blank();
            for y in 0..rect.height() {
                let start = (rect.min[1] as usize + y as usize) * width + left;
                tile.row_mut(y)[..count].copy_from_slice(&pixels[start..start + count]);
            }
            grid.set_tile(index, unless_blank(tile));
        }
        grid
    }

    /// The pixels of a picture where the mask covers anything; the rest is clear.
    /// Reads every one of them: not for the window's thread.
    pub fn from_image_inside(image: &RgbaImage, mask: &GrayImage) -> Self {
        Self::from_fn(image.dimensions().into(), |x, y| {
            let covers = mask
                .get_pixel_checked(x, y)
                .is_some_and(|coverage| coverage.0[0] > 0);
            if covers {
                image.get_pixel(x, y).0
            } else {
                [0; 4]
            }
        })
    }
}

/// A tile to keep, or none: what is blank takes no memory.
fn unless_blank<P: Pixel>(tile: Tile<P>) -> Option<Arc<Tile<P>>> {
    (!tile.is_blank()).then(|| Arc::new(tile))
}

#[cfg(test)]
mod tests;
