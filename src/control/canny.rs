//! Edges of a picture (Canny 1986), pixel for pixel those of OpenCV's `Canny` with its
//! defaults, by which the networks were trained.

use image::{GrayImage, Luma, RgbImage};

/// Slopes above the second are edges, and those above the first that touch one.
const LEAST: i32 = 100;
const SURE: i32 = 200;

/// Tangent of 22.5°, in fixed point, and its bits.
const TANGENT: i64 = 13_573;
const BITS: u32 = 15;

/// The edges, in white on black.
pub fn canny(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let slopes = Slopes::of(picture);
    let mut edges = GrayImage::new(width, height);
    let mut open = Vec::new();
    for y in 0..height {
        for x in 0..width {
            if slopes.strength(x.into(), y.into()) > SURE && slopes.is_ridge(x, y) {
                edges.put_pixel(x, y, Luma([255]));
                open.push((x, y));
            }
        }
    }
    // From what is sure along what touches it.
    while let Some((x, y)) = open.pop() {
        for (x, y) in around(x, y, [width, height]) {
            let is_new = edges.get_pixel(x, y)[0] == 0;
            if is_new && slopes.strength(x.into(), y.into()) > LEAST && slopes.is_ridge(x, y) {
                edges.put_pixel(x, y, Luma([255]));
                open.push((x, y));
            }
        }
    }
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([edges.get_pixel(x, y)[0]; 3])
    })
}

fn around(x: u32, y: u32, [width, height]: [u32; 2]) -> impl Iterator<Item = (u32, u32)> {
    let side = |at: u32, end: u32| at.saturating_sub(1)..(at + 2).min(end);
    side(y, height).flat_map(move |y| side(x, width).map(move |x| (x, y)))
}

/// How steep a picture is at each pixel, to the right and downwards, in the channel in
/// which it is steepest.
struct Slopes {
    width: usize,
    height: usize,
    slopes: Vec<[i32; 2]>,
}

impl Slopes {
    fn of(picture: &RgbImage) -> Self {
        let (width, height) = picture.dimensions();
        let [right, bottom] = [width, height].map(|side| i64::from(side) - 1);
        // The picture goes on over its edges as it ends there.
        let at = |x: i64, y: i64| {
            let place = [x.clamp(0, right.max(0)), y.clamp(0, bottom.max(0))];
            picture.get_pixel(place[0] as u32, place[1] as u32).0
        };
        let slope = |x: i64, y: i64| {
            let rows = [-1, 0, 1].map(|dy| [-1, 0, 1].map(|dx| at(x + dx, y + dy)));
            let of = |channel: usize| {
                let value = |row: usize, column: usize| i32::from(rows[row][column][channel]);
                let column =
                    |column: usize| value(0, column) + 2 * value(1, column) + value(2, column);
                let row = |row: usize| value(row, 0) + 2 * value(row, 1) + value(row, 2);
                [column(2) - column(0), row(2) - row(0)]
            };
            // The first of those that are equally steep.
            let later = [1, 2].map(of).into_iter();
            later.fold(of(0), |steepest, it| match size(it) > size(steepest) {
                true => it,
                false => steepest,
            })
        };
        let places =
            (0..i64::from(height)).flat_map(|y| (0..i64::from(width)).map(move |x| (x, y)));
        Self {
            width: width as usize,
            height: height as usize,
            slopes: places.map(|(x, y)| slope(x, y)).collect(),
        }
    }

    fn slope(&self, x: i64, y: i64) -> Option<[i32; 2]> {
        let x = usize::try_from(x).ok().filter(|x| *x < self.width)?;
        let y = usize::try_from(y).ok().filter(|y| *y < self.height)?;
        self.slopes.get(y * self.width + x).copied()
    }

    /// How steep it is; 0 beyond the picture.
    fn strength(&self, x: i64, y: i64) -> i32 {
        self.slope(x, y).map_or(0, size)
    }

    /// Whether nothing is as steep before it and nothing steeper behind it, along its slope.
    fn is_ridge(&self, x: u32, y: u32) -> bool {
        let (x, y) = (i64::from(x), i64::from(y));
        let [across, down] = self.slope(x, y).unwrap_or_default().map(i64::from);
        let here = self.strength(x, y);
        let flat = across.abs() * TANGENT;
        let steep = flat + (across.abs() << (BITS + 1));
        let rise = down.abs() << BITS;
        if rise < flat {
            return here > self.strength(x - 1, y) && here >= self.strength(x + 1, y);
        }
        if rise > steep {
            return here > self.strength(x, y - 1) && here >= self.strength(x, y + 1);
        }
        let side = if (across < 0) == (down < 0) { 1 } else { -1 };
        here > self.strength(x - side, y - 1) && here > self.strength(x + side, y + 1)
    }
}

fn size([across, down]: [i32; 2]) -> i32 {
    across.abs() + down.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_one_line_of_edges() {
        let step = RgbImage::from_fn(16, 12, |x, _| image::Rgb([if x < 8 { 20 } else { 200 }; 3]));
        let edges = canny(&step);
        for y in 0..12 {
            let row: u32 = (0..16)
                .map(|x| u32::from(edges.get_pixel(x, y)[0] / 255))
                .sum();
            assert_eq!(row, 1);
        }
        let faint = RgbImage::from_fn(16, 12, |x, _| image::Rgb([if x < 8 { 20 } else { 40 }; 3]));
        assert!(canny(&faint).pixels().all(|pixel| pixel.0 == [0; 3]));
        assert_eq!(canny(&RgbImage::new(1, 1)).dimensions(), (1, 1));
        assert_eq!(canny(&RgbImage::new(0, 3)).dimensions(), (0, 3));
    }
}
