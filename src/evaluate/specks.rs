//! Label maps without specks.

use image::{GrayImage, Luma};

use crate::pixels::regions::{neighbours, regions};

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
