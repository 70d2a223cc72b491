//! Connected regions of label maps.

use image::{GrayImage, Luma};

/// A connected region of one label; corners do not connect.
#[derive(Clone, Debug)]
pub struct Region {
    /// What its pixels have.
    pub label: u8,
    /// Its pixels; one at least.
    pub pixels: Vec<[u32; 2]>,
}

impl Region {
    /// Left, top, right and bottom; the last two are outside of it.
    pub fn bounds(&self) -> [u32; 4] {
        let start = [u32::MAX, u32::MAX, 0, 0];
        self.pixels.iter().fold(start, |bounds, [x, y]| {
            let [left, top, right, bottom] = bounds;
            [
                left.min(*x),
                top.min(*y),
                right.max(x + 1),
                bottom.max(y + 1),
            ]
        })
    }

    /// How much of its convex hull it covers: about 1 for boxes, discs and blobs, less for
    /// what has legs or branches.
    pub fn solidity(&self) -> f32 {
        let [_, top, _, bottom] = self.bounds();
        let mut rows = vec![[u32::MAX, 0]; (bottom - top) as usize];
        for [x, y] in &self.pixels {
            let row = &mut rows[(y - top) as usize];
            *row = [row[0].min(*x), row[1].max(x + 1)];
        }
        // The hull goes down along the right ends and up along the left ones: of the
        // corners of each row those that turn one way.
        let edge = |side: usize| {
            let ends = rows.iter().zip(0..).filter(|(row, _)| row[0] < row[1]);
            let corners = ends.flat_map(move |(row, y)| [y, y + 1].map(|y| [row[side], y]));
            let mut kept: Vec<[f32; 2]> = Vec::new();
            for corner in corners {
                let corner = corner.map(|at| at as f32);
                while let [.., before, last] = kept[..] {
                    let turn = (last[0] - before[0]) * (corner[1] - before[1])
                        - (last[1] - before[1]) * (corner[0] - before[0]);
                    let is_outside = if side == 1 { turn > 0.0 } else { turn < 0.0 };
                    if is_outside {
                        break;
                    }
                    kept.pop();
                }
                kept.push(corner);
            }
            kept
        };
        let mut hull = edge(1);
        hull.extend(edge(0).into_iter().rev());
        let next = hull.iter().cycle().skip(1);
        let twice: f32 = hull
            .iter()
            .zip(next)
            .map(|(a, b)| a[0] * b[1] - b[0] * a[1])
            .sum();
        self.pixels.len() as f32 / (twice.abs() / 2.0).max(1.0)
    }
}

/// All regions of a map.
pub fn regions(map: &GrayImage) -> Vec<Region> {
    let (width, height) = map.dimensions();
    let mut seen = vec![false; width as usize * height as usize];
    let place = |[x, y]: [u32; 2]| y as usize * width as usize + x as usize;
    let mut found = Vec::new();
    for (x, y, Luma([label])) in map.enumerate_pixels() {
        if std::mem::replace(&mut seen[place([x, y])], true) {
            continue;
        }
        let mut pixels = vec![[x, y]];
        let mut next = 0;
        while let Some(at) = pixels.get(next).copied() {
            next += 1;
            for [x, y] in neighbours(at, map) {
                let is_same = map.get_pixel(x, y).0 == [*label];
                if is_same && !std::mem::replace(&mut seen[place([x, y])], true) {
                    pixels.push([x, y]);
                }
            }
        }
        found.push(Region {
            label: *label,
            pixels,
        });
    }
    found
}

/// The pixels beside one, not over the edge.
pub fn neighbours([x, y]: [u32; 2], map: &GrayImage) -> impl Iterator<Item = [u32; 2]> + use<> {
    let (width, height) = map.dimensions();
    let beside = [
        (x > 0).then(|| [x - 1, y]),
        (y > 0).then(|| [x, y - 1]),
        (x + 1 < width).then(|| [x + 1, y]),
        (y + 1 < height).then(|| [x, y + 1]),
    ];
    beside.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solidity(size: u32, is_in: impl Fn(f32, f32) -> bool) -> f32 {
        let map = GrayImage::from_fn(size, size, |x, y| {
            let [x, y] = [x, y].map(|at| at as f32 + 0.5);
            Luma([u8::from(is_in(x, y))])
        });
        let found = regions(&map).into_iter().find(|it| it.label == 1);
        found.expect("a region").solidity()
    }

    #[test]
    fn what_has_arms_is_less_solid() {
        assert_eq!(solidity(20, |x, y| x > 3.0 && y > 5.0), 1.0);
        let disc = solidity(40, |x, y| (x - 20.0).hypot(y - 20.0) < 15.0);
        assert!((0.94..1.0).contains(&disc), "{disc}");
        // A triangle is its own hull, but for the steps of its edge.
        let triangle = solidity(60, |x, y| x < y);
        assert!((0.95..=1.0).contains(&triangle), "{triangle}");
        // Five ninths of a square, and the hull lacks its corners: 5 / 7.
        let cross = solidity(30, |x, y| {
            let is_middle = |at: f32| (10.0..20.0).contains(&at);
            is_middle(x) || is_middle(y)
        });
        assert!((cross - 5.0 / 7.0).abs() < 1e-6, "{cross}");
        let ring = solidity(40, |x, y| {
            (10.0..15.0).contains(&(x - 20.0).hypot(y - 20.0))
        });
        assert!(ring < 0.6, "{ring}");
    }
}
