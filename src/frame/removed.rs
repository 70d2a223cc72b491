//! What a mask covers, out of a picture: filled with what lies around it.

use image::{GrayImage, Rgba, RgbaImage, imageops};

use super::infill::filled;
use crate::geometry::CanvasRect;
use crate::recipe::{Infill, scale_picture};

/// So much of the picture is looked at around a mask at least.
const LEAST_AROUND_PX: i32 = 128;
/// Larger parts are filled at this size, which bounds time and memory.
const MOST_PX: u32 = 2048;

/// The part of a picture that is to be looked at for [`removed`], given what the mask's
/// pixels lie in: as much around it as it is long.
pub fn removal_part(mask_bounds: CanvasRect, picture: CanvasRect) -> CanvasRect {
    let longest = mask_bounds.width().max(mask_bounds.height());
    // Sides of pictures fit into 31 bits.
    let around = (longest as i32).max(LEAST_AROUND_PX);
    let [min, max] = [mask_bounds.min, mask_bounds.max];
    CanvasRect::from_min_max(
        min.map(|at| at.saturating_sub(around)),
        max.map(|at| at.saturating_add(around)),
    )
    .intersect(&picture)
}

/// What comes in the place of what a mask of the same size covers, however little: pieces
/// of the rest of the picture; clear where nothing is covered. Nothing of the picture is
/// seen through it. `None` where nothing is covered, or nothing else is opaque.
pub fn removed(picture: &RgbaImage, mask: &GrayImage, seed: u64) -> Option<RgbaImage> {
    let (width, height) = picture.dimensions();
    if width.max(height) > MOST_PX {
        let scaled = |side: u32| (side * MOST_PX).div_ceil(width.max(height));
        let [small_width, small_height] = [width, height].map(scaled);
        let small = scale_picture(picture, small_width, small_height);
        let filter = imageops::FilterType::Triangle;
        let small_mask = imageops::resize(mask, small_width, small_height, filter);
        let all = GrayImage::from_fn(small_width, small_height, |x, y| {
            let covered = small_mask.get_pixel(x, y).0[0];
            [if covered > 0 { 255 } else { 0 }].into()
        });
        let patch = filled_where(&small, &all, seed)?;
        return Some(inside(scale_picture(&patch, width, height), mask));
    }
    Some(inside(filled_where(picture, mask, seed)?, mask))
}

/// The picture with something in the place of what is covered.
fn filled_where(picture: &RgbaImage, mask: &GrayImage, seed: u64) -> Option<RgbaImage> {
    let mut known = picture.clone();
    let mut is_covered = false;
    for (pixel, covered) in known.pixels_mut().zip(mask.as_raw()) {
        if *covered > 0 {
            is_covered = true;
            *pixel = Rgba([0; 4]);
        }
    }
    let has_rest = known.pixels().any(|pixel| pixel[3] == 255);
    (is_covered && has_rest).then(|| {
        let filled = filled(&known, Infill::PatchMatch, seed);
        RgbaImage::from_fn(picture.width(), picture.height(), |x, y| {
            let [r, g, b] = filled.get_pixel(x, y).0;
            Rgba([r, g, b, 255])
        })
    })
}

fn inside(mut picture: RgbaImage, mask: &GrayImage) -> RgbaImage {
    for (pixel, covered) in picture.pixels_mut().zip(mask.as_raw()) {
        *pixel = match *covered {
            0 => Rgba([0; 4]),
            _ => Rgba([pixel[0], pixel[1], pixel[2], 255]),
        };
    }
    picture
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    /// Sky above grass with stripes, and a red ball.
    fn scene(side: u32) -> (RgbaImage, GrayImage) {
        let is_ball = |x: u32, y: u32, more: u32| {
            let middle = [side / 2, side / 2];
            let reach = side / 8 + more;
            x.abs_diff(middle[0]).pow(2) + y.abs_diff(middle[1]).pow(2) <= reach * reach
        };
        let picture =
            RgbaImage::from_fn(side, side, |x, y| match (is_ball(x, y, 0), y < side / 2) {
                (true, _) => Rgba([230, 20, 20, 255]),
                (_, true) => Rgba([90, 160, 240, 255]),
                _ if x / 8 % 2 == 0 => Rgba([60, 140, 40, 255]),
                _ => Rgba([90, 180, 60, 255]),
            });
        let mask = GrayImage::from_fn(side, side, |x, y| match is_ball(x, y, 3) {
            true => Luma([if is_ball(x, y, 1) { 255 } else { 40 }]),
            false => Luma([0]),
        });
        (picture, mask)
    }

    #[test]
    fn what_is_covered_is_gone_and_the_rest_is_clear() {
        // Beyond the size up to which pieces are looked for, too.
        for side in [96, 600] {
            let (picture, mask) = scene(side);
            let patch = removed(&picture, &mask, 1).expect("something is covered");
            let (mut wrong, mut all) = (0, 0);
            for (x, y, pixel) in patch.enumerate_pixels() {
                if mask.get_pixel(x, y).0[0] == 0 {
                    assert_eq!(*pixel, Rgba([0; 4]));
                    continue;
                }
                assert_eq!(pixel[3], 255);
                assert!(pixel[0] < 130, "a red pixel at {x}, {y}: {pixel:?}");
                // The horizon may lie a little elsewhere.
                let is_far = y.abs_diff(side / 2) > side / 24;
                let is_sky = pixel[2] > 150;
                all += u32::from(is_far);
                wrong += u32::from(is_far && is_sky != (y < side / 2));
            }
            assert!(wrong * 20 < all, "{side}: {wrong} of {all}");
        }
    }

    #[test]
    fn the_texture_of_large_pictures_stays() {
        let (picture, mask) = scene(600);
        let patch = removed(&picture, &mask, 1).expect("something is covered");
        // Stripes below, as sharp as they are.
        let y = 340;
        let greens = (270..330).map(|x| patch.get_pixel(x, y).0);
        let sharp = greens
            .filter(|it| it[1].abs_diff(140) < 8 || it[1].abs_diff(180) < 8)
            .count();
        assert!(sharp > 45, "{sharp} of 60");
    }

    #[test]
    fn there_must_be_something_around() {
        let (picture, mask) = scene(32);
        assert_eq!(removed(&picture, &GrayImage::new(32, 32), 1), None);
        let all = GrayImage::from_pixel(32, 32, Luma([9]));
        assert_eq!(removed(&picture, &all, 1), None);
        assert_eq!(removed(&RgbaImage::new(32, 32), &mask, 1), None);
    }

    #[test]
    fn as_much_is_looked_at_as_the_mask_is_long() {
        let picture = CanvasRect::from_size([1000, 800]);
        let mask = CanvasRect::from_min_size([300, 10], [200, 40]);
        let part = removal_part(mask, picture);
        assert_eq!((part.min, part.max), ([100, 0], [700, 250]));
        let small = CanvasRect::from_min_size([300, 400], [4, 4]);
        assert_eq!(removal_part(small, picture).size_px(), [260, 260]);
    }
}
