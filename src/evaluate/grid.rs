//! The cells that pictures of any shape are read in, and what is likeliest in each.

use image::{GrayImage, Luma};

use super::judge::Sight;
use super::network::{CELL_PX, CELLS, SIZE_PX};
use super::questions::label_count;
use crate::pixels::regions::regions;
use crate::scenes::{Stuff, classes};

/// Longest side of what is read, in squares; longer pictures are squeezed.
const MOST_SQUARES: usize = 8;
/// Cells from one square to the next: a quarter overlaps.
const STRIDE: usize = CELLS * 3 / 4;
/// Parts of a square up to which a hole in an object belongs to it.
const LARGEST_HOLE: f32 = 0.03;
/// From this likelihood on an object that touches another one is one of its own.
const SURE: f32 = 0.6;

/// The cells that a picture is read in: its shorter side is one square.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Cells across and down.
    pub cells: [usize; 2],
}

impl Grid {
    pub fn of(size_px: [u32; 2]) -> Self {
        let [width, height] = size_px.map(|side| side.max(1) as usize);
        let long = |side: usize, other: usize| {
            let cells = (side * CELLS).div_ceil(other);
            cells.clamp(CELLS, CELLS * MOST_SQUARES)
        };
        Self {
            cells: [long(width, height), long(height, width)],
        }
    }

    pub fn size_px(self) -> [u32; 2] {
        self.cells.map(|cells| (cells * CELL_PX) as u32)
    }

    /// The first cell of each square along a side.
    fn starts(cells: usize) -> impl Iterator<Item = usize> {
        let rest = cells - CELLS;
        let steps = rest.div_ceil(STRIDE);
        (0..=steps).map(move |step| (step * rest).checked_div(steps).unwrap_or(0))
    }

    /// The first cells of all squares.
    pub fn squares(self) -> impl Iterator<Item = [usize; 2]> {
        let [across, down] = self.cells;
        Self::starts(down).flat_map(move |y| Self::starts(across).map(move |x| [x, y]))
    }

    /// What the squares say, averaged: `[label][cell]`.
    pub fn joined(self, sights: &[Sight]) -> Vec<f32> {
        let [across, down] = self.cells;
        let all = across * down;
        let mut sums = vec![0.0; label_count() * all];
        let mut counts = vec![0.0; all];
        for ([left, top], sight) in self.squares().zip(sights) {
            for cell in 0..CELLS * CELLS {
                let to = (top + cell / CELLS) * across + left + cell % CELLS;
                counts[to] += 1.0;
                for label in 0..label_count() {
                    sums[label * all + to] += sight.shares[label * CELLS * CELLS + cell];
                }
            }
        }
        for label in sums.chunks_mut(all) {
            label
                .iter_mut()
                .zip(&counts)
                .for_each(|(sum, count)| *sum /= count);
        }
        sums
    }

    /// The likeliest label of each pixel, between the middles of cells as the way from
    /// one to the next says: borders are no stairs of cells.
    pub fn likeliest(self, shares: &[f32]) -> GrayImage {
        let [across, down] = self.cells;
        let [width, height] = self.size_px();
        let taps = |at: u32, cells: usize| {
            let place = ((at as f32 + 0.5) / CELL_PX as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
            let first = place as usize;
            (first, (first + 1).min(cells - 1), place - first as f32)
        };
        GrayImage::from_fn(width, height, |x, y| {
            let (left, right, along) = taps(x, across);
            let (top, bottom, below) = taps(y, down);
            let corners = [
                (top * across + left, (1.0 - along) * (1.0 - below)),
                (top * across + right, along * (1.0 - below)),
                (bottom * across + left, (1.0 - along) * below),
                (bottom * across + right, along * below),
            ];
            let share = |label: usize| -> f32 {
                let of = &shares[label * across * down..];
                corners
                    .iter()
                    .map(|(cell, weight)| of[*cell] * weight)
                    .sum()
            };
            // Whether there is an object at all is surer than which one it is.
            let best = |labels: std::ops::Range<usize>| {
                labels.fold((0, 0.0, 0.0), |(best, most, sum), label| {
                    let share = share(label);
                    let (best, most) = if share > most {
                        (label, share)
                    } else {
                        (best, most)
                    };
                    (best, most, sum + share)
                })
            };
            let surface = best(0..Stuff::ALL.len());
            let object = best(Stuff::ALL.len()..label_count());
            let best = if object.2 > surface.2 {
                object
            } else {
                surface
            };
            // There are under 255 labels; a test of the scenes holds them to that.
            Luma([best.0 as u8])
        })
    }

    /// Makes one object of those that touch and that are not told apart surely, by what
    /// is likeliest in all of them; and of the holes in them, which are their windows.
    pub fn settle_objects(self, labels: &mut GrayImage, shares: &[f32]) {
        const OWN: u8 = 2;
        let all = self.cells[0] * self.cells[1];
        let share = |label: u8, [x, y]: [u32; 2]| {
            let [column, row] = [x, y].map(|at| at as usize / CELL_PX);
            shares[usize::from(label) * all + row * self.cells[0] + column]
        };
        let mean = |label: u8, pixels: &[[u32; 2]]| {
            let sum: f32 = pixels.iter().map(|at| share(label, *at)).sum();
            sum / pixels.len() as f32
        };
        let is_object = |label: u8| class_of(label).is_some();
        let mut solid = labels.clone();
        for label in solid.pixels_mut() {
            label.0 = [u8::from(is_object(label.0[0]))];
        }
        let most = (SIZE_PX * SIZE_PX) as f32 * LARGEST_HOLE;
        let (width, height) = solid.dimensions();
        for hole in regions(&solid) {
            let [left, top, right, bottom] = hole.bounds();
            let is_inside = left > 0 && top > 0 && right < width && bottom < height;
            if hole.label == 0 && is_inside && (hole.pixels.len() as f32) < most {
                for [x, y] in hole.pixels {
                    solid.put_pixel(x, y, Luma([1]));
                }
            }
        }
        let parts = regions(labels);
        for object in regions(&solid).into_iter().filter(|it| it.label == 1) {
            let kinds = Stuff::ALL.len()..label_count();
            let likeliest = kinds
                .map(|label| label as u8)
                .map(|label| (label, mean(label, &object.pixels)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((likeliest, _)) = likeliest else {
                continue;
            };
            // Marks its own pixels, so that parts of it are known by one of theirs.
            for [x, y] in &object.pixels {
                solid.put_pixel(*x, *y, Luma([OWN]));
            }
            let own = parts.iter().filter(|part| {
                let [x, y] = part.pixels[0];
                solid.get_pixel(x, y).0 == [OWN]
            });
            for part in own {
                let is_sure = is_object(part.label) && mean(part.label, &part.pixels) >= SURE;
                if !is_sure {
                    for [x, y] in &part.pixels {
                        labels.put_pixel(*x, *y, Luma([likeliest]));
                    }
                }
            }
            for [x, y] in &object.pixels {
                solid.put_pixel(*x, *y, Luma([0]));
            }
        }
    }
}

/// The kind of object that a label stands for; `None` for surfaces.
pub(super) fn class_of(label: u8) -> Option<usize> {
    let class = usize::from(label).checked_sub(Stuff::ALL.len())?;
    (class < classes().len()).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_cover_pictures_of_every_shape() {
        for size_px in [[64, 64], [1, 9000], [300, 128], [128, 129], [4096, 4096]] {
            let grid = Grid::of(size_px);
            let [across, down] = grid.cells;
            assert!(across.min(down) == CELLS, "{size_px:?}: {grid:?}");
            assert!(across.max(down) <= CELLS * MOST_SQUARES);
            let mut seen = vec![false; across * down];
            for [left, top] in grid.squares() {
                for cell in 0..CELLS * CELLS {
                    seen[(top + cell / CELLS) * across + left + cell % CELLS] = true;
                }
            }
            assert!(seen.iter().all(|seen| *seen), "{size_px:?}");
        }
    }
}
