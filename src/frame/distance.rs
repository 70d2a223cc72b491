//! How far inside of a mask a pixel lies, how thick the mask is there, and what lies
//! nearest outside.
//!
//! Squares of distances are whole numbers, and so are the places where one
//! parabola passes below another (Felzenszwalb and Huttenlocher 2012,
//! <https://doi.org/10.4086/toc.2012.v008a019>): nothing here is rounded,
//! however large the picture is.

use image::GrayImage;

use crate::geometry::CanvasRect;

/// A part of a picture, without its right and bottom ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub left: u32,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
}

/// The smallest part with all that is covered, and one pixel around it as far as
/// the picture goes: what is nearest to a pixel inside lies there. `None` if
/// nothing is covered.
pub(super) fn covered_area(coverage: &GrayImage) -> Option<Area> {
    let bounds = mask_bounds(coverage)?;
    let ([left, top], [right, bottom]) = (bounds.min, bounds.max);
    // The bounds lie in the picture, so that none is negative.
    let before = |at: i32| (at as u32).saturating_sub(1);
    Some(Area {
        left: before(left),
        top: before(top),
        right: (right as u32 + 1).min(coverage.width()),
        bottom: (bottom as u32 + 1).min(coverage.height()),
    })
}

/// The smallest rectangle that holds all that is covered; `None` if nothing is.
pub fn mask_bounds(mask: &GrayImage) -> Option<CanvasRect> {
    let width = mask.width() as usize;
    let is_covered = |row: &[u8]| row.iter().any(|it| *it > 0);
    let rows = || mask.as_raw().chunks_exact(width.max(1));
    let top = rows().position(is_covered)?;
    let bottom = rows().rposition(is_covered)? + 1;
    let covered = || rows().take(bottom).skip(top);
    let left = covered().filter_map(|row| row.iter().position(|it| *it > 0));
    let right = covered().filter_map(|row| row.iter().rposition(|it| *it > 0));
    let (left, right) = (left.min()?, right.max()? + 1);
    // Sides of pictures fit into 31 bits.
    let corner = |x: usize, y: usize| [x as i32, y as i32];
    Some(CanvasRect::from_min_max(
        corner(left, top),
        corner(right, bottom),
    ))
}

/// Squares of distances that no pixel has.
const FAR: i32 = i32::MAX;

/// Distances and thicknesses of a part of a mask.
pub(super) struct Edges {
    area: Area,
    /// Square of the distance to the nearest pixel without coverage; [`FAR`]
    /// where everything is covered.
    depths: Vec<i32>,
    /// Square of the radius of the disc inside of the mask in which the pixel
    /// lies deepest, by its power (Aurenhammer 1987,
    /// <https://doi.org/10.1137/0216006>).
    radii: Vec<i32>,
}

impl Edges {
    pub fn of(coverage: &GrayImage, area: Area) -> Self {
        let (width, height) = (
            (area.right - area.left) as usize,
            (area.bottom - area.top) as usize,
        );
        let outside: Vec<i32> = (0..width * height)
            .map(|i| {
                let (x, y) = (
                    area.left + (i % width) as u32,
                    area.top + (i / width) as u32,
                );
                if coverage.get_pixel(x, y).0[0] == 0 {
                    0
                } else {
                    FAR
                }
            })
            .collect();
        let mut depths = outside;
        let mut marks = vec![0; width * height];
        transform(&mut depths, &mut marks, width);
        // min over q of |p − q|² − depth²(q): whose disc covers p most.
        let mut powers: Vec<i32> = depths
            .iter()
            .map(|depth| if *depth == FAR { FAR } else { -depth })
            .collect();
        let mut radii = depths.clone();
        transform(&mut powers, &mut radii, width);
        Self {
            area,
            depths,
            radii,
        }
    }

    /// How much of the edge a pixel has behind it, from 0 to 1.
    pub fn ramp(&self, x: u32, y: u32, feather_px: f32) -> f32 {
        let width = (self.area.right - self.area.left) as usize;
        let at = (y - self.area.top) as usize * width + (x - self.area.left) as usize;
        if self.depths[at] == FAR {
            return 1.0;
        }
        let root = |square: i32| f64::from(square).sqrt() as f32;
        let reach = (feather_px + 1.0).min(root(self.radii[at]));
        (root(self.depths[at]) / reach).min(1.0)
    }
}

/// For every place of a grid the nearest known one; `None` if none is known.
pub(super) fn nearest(is_known: &[bool], width: usize) -> Option<Vec<usize>> {
    if !is_known.contains(&true) {
        return None;
    }
    let distance = |known: &bool| if *known { 0 } else { FAR };
    let mut distances: Vec<i32> = is_known.iter().map(distance).collect();
    let mut places: Vec<i32> = (0..).take(is_known.len()).collect();
    transform(&mut distances, &mut places, width);
    Some(places.into_iter().map(|place| place as usize).collect())
}

/// min over q of |p − q|² + f(q) for every pixel p; each pixel takes the mark of
/// its q along.
fn transform(values: &mut [i32], marks: &mut [i32], width: usize) {
    let height = values.len() / width.max(1);
    let mut line = Line::default();
    for x in 0..width {
        line.take((0..height).map(|y| (values[y * width + x], marks[y * width + x])));
        for (y, (value, mark)) in line.lowest().into_iter().enumerate() {
            (values[y * width + x], marks[y * width + x]) = (value, mark);
        }
    }
    for y in 0..height {
        let row = y * width..(y + 1) * width;
        line.take(row.clone().map(|at| (values[at], marks[at])));
        for (at, (value, mark)) in row.zip(line.lowest()) {
            (values[at], marks[at]) = (value, mark);
        }
    }
}

/// A row or a column with its marks.
#[derive(Default)]
struct Line {
    points: Vec<(i32, i32)>,
}

impl Line {
    fn take(&mut self, points: impl Iterator<Item = (i32, i32)>) {
        self.points.clear();
        self.points.extend(points);
    }

    /// The lower envelope of the parabolas that stand on the points.
    fn lowest(&self) -> Vec<(i32, i32)> {
        // Each parabola and the first place where it lies below those before it.
        let mut roots: Vec<(i64, i64)> = Vec::new();
        let height = |q: i64| i64::from(self.points[q as usize].0);
        for q in (0..self.points.len() as i64).filter(|q| self.points[*q as usize].0 != FAR) {
            let start = loop {
                let Some((p, begin)) = roots.last().copied() else {
                    break i64::MIN;
                };
                let rise = (height(q) + q * q) - (height(p) + p * p);
                let start = rise.div_euclid(2 * (q - p)) + 1;
                if start > begin {
                    break start;
                }
                roots.pop();
            };
            roots.push((q, start));
        }
        let mut k = 0;
        (0..self.points.len() as i64)
            .map(|p| {
                while k + 1 < roots.len() && roots[k + 1].1 <= p {
                    k += 1;
                }
                roots.get(k).map_or((FAR, FAR), |(q, _)| {
                    let value = (p - q) * (p - q) + height(*q);
                    (value as i32, self.points[*q as usize].1)
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    fn depths(mask: &GrayImage) -> Vec<i32> {
        let whole = Area {
            left: 0,
            top: 0,
            right: mask.width(),
            bottom: mask.height(),
        };
        Edges::of(mask, whole).depths
    }

    fn disc(size: u32) -> GrayImage {
        let middle = size as f32 / 2.0;
        GrayImage::from_fn(size, size, |x, y| {
            let (dx, dy) = (x as f32 - middle, y as f32 - middle);
            Luma([if dx.hypot(dy) < 0.4 * size as f32 {
                255
            } else {
                0
            }])
        })
    }

    #[test]
    fn distances_are_those_of_the_nearest_pixel() {
        let mask = disc(24);
        let outside: Vec<(i32, i32)> = mask
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0[0] == 0)
            .map(|(x, y, _)| (x as i32, y as i32))
            .collect();
        for (i, depth) in depths(&mask).into_iter().enumerate() {
            let (x, y) = (i as i32 % 24, i as i32 / 24);
            let nearest = outside
                .iter()
                .map(|(a, b)| (a - x).pow(2) + (b - y).pow(2))
                .min();
            assert_eq!(Some(depth), nearest);
        }
    }

    #[test]
    fn distances_stay_exact_in_the_largest_pictures() {
        // Squares of 2²⁴ and more, which f32 rounds.
        for gap in [1, 2, 3, 7, 4095, 4097, 8190] {
            let mask = GrayImage::from_fn(8192, 1, |x, _| {
                Luma([if x == 0 || x % gap == 1 { 0 } else { 255 }])
            });
            let zeros: Vec<i64> = (0..8192_i64)
                .filter(|x| mask.get_pixel(*x as u32, 0).0[0] == 0)
                .collect();
            for (x, depth) in depths(&mask).into_iter().enumerate() {
                let x = x as i64;
                let after = zeros.partition_point(|zero| *zero < x);
                let near = [after.checked_sub(1), Some(after)].into_iter().flatten();
                let nearest = near
                    .filter_map(|k| zeros.get(k))
                    .map(|zero| (zero - x).pow(2));
                assert_eq!(Some(i64::from(depth)), nearest.min(), "{gap} at {x}");
            }
        }
    }

    #[test]
    fn only_the_covered_part_is_looked_at() {
        let mut mask = GrayImage::new(30, 20);
        assert_eq!(covered_area(&mask), None);
        mask.put_pixel(0, 4, Luma([1]));
        mask.put_pixel(12, 19, Luma([255]));
        let area = covered_area(&mask).unwrap();
        assert_eq!(
            (area.left, area.top, area.right, area.bottom),
            (0, 3, 14, 20)
        );
    }
}
