//! Rectangles of a picture.

/// A rectangle inside of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Part {
    /// A picture cut into parts of about equal size, none longer than `longest_px`.
    pub fn tiles([width, height]: [usize; 2], longest_px: usize) -> Vec<Self> {
        let cuts = |side: usize| {
            let count = side.div_ceil(longest_px);
            (0..count).map(move |index| (side * index / count, side * (index + 1) / count))
        };
        let rows = cuts(height);
        rows.flat_map(|(top, bottom)| {
            cuts(width).map(move |(left, right)| Self {
                left,
                top,
                right,
                bottom,
            })
        })
        .collect()
    }

    /// With so many pixels more on each side, as far as the picture goes.
    pub fn grown(self, by: usize, [width, height]: [usize; 2]) -> Self {
        Self {
            left: self.left.saturating_sub(by),
            top: self.top.saturating_sub(by),
            right: (self.right + by).min(width),
            bottom: (self.bottom + by).min(height),
        }
    }

    pub fn width(self) -> usize {
        self.right - self.left
    }

    pub fn height(self) -> usize {
        self.bottom - self.top
    }

    /// Columns and rows of its pixels, row by row.
    pub fn places(self) -> impl Iterator<Item = (u32, u32)> {
        (self.top..self.bottom)
            .flat_map(move |y| (self.left..self.right).map(move |x| (x as u32, y as u32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_picture_once() {
        for size in [[1, 1], [128, 129], [300, 7], [1000, 513]] {
            let mut seen = vec![0; size[0] * size[1]];
            for tile in Part::tiles(size, 128) {
                assert!(tile.width() <= 128 && tile.height() <= 128);
                for (x, y) in tile.places() {
                    seen[y as usize * size[0] + x as usize] += 1;
                }
            }
            assert!(seen.iter().all(|count| *count == 1), "{size:?}");
        }
    }
}
