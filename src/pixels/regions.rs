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
