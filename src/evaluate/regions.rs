//! Connected regions of label maps.

use image::{GrayImage, Luma};

/// A connected region of one label; corners do not connect.
#[derive(Clone, Debug)]
pub(super) struct Region {
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
pub(super) fn regions(map: &GrayImage) -> Vec<Region> {
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

/// The pixels beside one.
fn neighbours([x, y]: [u32; 2], map: &GrayImage) -> impl Iterator<Item = [u32; 2]> + use<> {
    let (width, height) = map.dimensions();
    let beside = [
        (x > 0).then(|| [x - 1, y]),
        (y > 0).then(|| [x, y - 1]),
        (x + 1 < width).then(|| [x + 1, y]),
        (y + 1 < height).then(|| [x, y + 1]),
    ];
    beside.into_iter().flatten()
}

/// Gives regions of fewer pixels the label that most of the pixels around them have,
/// the smallest first.
pub(super) fn without_specks(map: &mut GrayImage, least: usize) {
    // What two specks say of each other is settled by the next time.
    const MOST_TIMES: usize = 4;
    for _ in 0..MOST_TIMES {
        let mut specks = regions(map);
        specks.retain(|region| region.pixels.len() < least);
        specks.sort_by_key(|region| region.pixels.len());
        let mut has_changed = false;
        for speck in specks {
            let mut around = [0_u32; 256];
            for at in &speck.pixels {
                for [x, y] in neighbours(*at, map) {
                    let label = map.get_pixel(x, y).0[0];
                    if label != speck.label {
                        around[usize::from(label)] += 1;
                    }
                }
            }
            let most = around.iter().enumerate().max_by_key(|(_, count)| **count);
            let Some((label, 1..)) = most.map(|(label, count)| (label as u8, *count)) else {
                continue;
            };
            has_changed = true;
            for [x, y] in speck.pixels {
                map.put_pixel(x, y, Luma([label]));
            }
        }
        if !has_changed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specks_go_and_regions_stay() {
        let mut map = GrayImage::from_fn(20, 10, |x, _| Luma([u8::from(x >= 10)]));
        map.put_pixel(3, 3, Luma([7]));
        map.put_pixel(4, 4, Luma([7]));
        for (x, y) in [(14, 2), (15, 2), (14, 3), (15, 3)] {
            map.put_pixel(x, y, Luma([9]));
        }
        assert_eq!(regions(&map).len(), 5);
        without_specks(&mut map, 4);
        let left = regions(&map);
        let labels: Vec<u8> = left.iter().map(|region| region.label).collect();
        assert_eq!(labels, [0, 1, 9]);
        assert_eq!(left[2].bounds(), [14, 2, 16, 4]);
        assert_eq!(left[0].pixels.len(), 100);

        // A map that is nothing but a speck has nothing else to be.
        let mut tiny = GrayImage::from_pixel(2, 1, Luma([5]));
        without_specks(&mut tiny, 9);
        assert_eq!(tiny.as_raw(), &[5, 5]);
    }
}
