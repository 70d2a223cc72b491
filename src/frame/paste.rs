//! The repainted part back into the picture.

use image::{GrayImage, Rgba, RgbaImage};

use super::distance::{Edges, covered_area};

/// Lays `result` over `original` where `coverage` says so, with an edge that
/// grows softly over `feather_px` pixels inside of the mask, and over fewer
/// where the mask is thinner. Pixels without coverage stay as they were, bit
/// for bit.
///
/// All three have the same size; what the result lacks stays original.
pub fn paste_back(
    original: &RgbaImage,
    result: &RgbaImage,
    coverage: &GrayImage,
    feather_px: f32,
) -> RgbaImage {
    let mut pasted = original.clone();
    let Some(area) = covered_area(coverage) else {
        return pasted;
    };
    let edges = (feather_px > 0.0).then(|| Edges::of(coverage, area));
    for y in area.top..area.bottom {
        for x in area.left..area.right {
            let covered = f32::from(coverage.get_pixel(x, y).0[0]) / 255.0;
            if covered == 0.0 {
                continue;
            }
            let edge = edges
                .as_ref()
                .map_or(1.0, |edges| edges.ramp(x, y, feather_px));
            // A smooth ramp has no visible beginning or end.
            let weight = covered * edge * edge * (3.0 - 2.0 * edge);
            let (Some(new), Some(old)) = (
                result.get_pixel_checked(x, y),
                pasted.get_pixel_mut_checked(x, y),
            ) else {
                continue;
            };
            *old = mixed(*old, *new, weight);
        }
    }
    pasted
}

/// Colours weighted by their opacity, so that what cannot be seen does not shine through.
fn mixed(Rgba(old): Rgba<u8>, Rgba(new): Rgba<u8>, weight: f32) -> Rgba<u8> {
    let (old_alpha, new_alpha) = (
        f32::from(old[3]) * (1.0 - weight),
        f32::from(new[3]) * weight,
    );
    let alpha = old_alpha + new_alpha;
    if alpha <= 0.0 {
        return Rgba(old);
    }
    let channel = |k: usize| {
        let sum = f32::from(old[k]) * old_alpha + f32::from(new[k]) * new_alpha;
        (sum / alpha).round() as u8
    };
    Rgba([channel(0), channel(1), channel(2), alpha.round() as u8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

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
    fn pixels_outside_stay_as_they_were() {
        let mask = disc(32);
        let original =
            RgbaImage::from_fn(32, 32, |x, y| Rgba([x as u8, y as u8, 7, (x * 8) as u8]));
        let result = RgbaImage::from_pixel(32, 32, Rgba([200, 100, 50, 255]));
        for feather in [0.0, 4.0, 100.0] {
            let pasted = paste_back(&original, &result, &mask, feather);
            for (x, y, pixel) in mask.enumerate_pixels() {
                if pixel.0[0] == 0 {
                    assert_eq!(pasted.get_pixel(x, y), original.get_pixel(x, y));
                }
            }
        }
        let hard = paste_back(&original, &result, &mask, 0.0);
        assert_eq!(hard.get_pixel(16, 16), result.get_pixel(16, 16));
        let soft = paste_back(&original, &result, &mask, 4.0);
        assert_eq!(soft.get_pixel(16, 16), result.get_pixel(16, 16));
        let edge = soft.get_pixel(4, 16).0[0];
        assert!(edge > 4 && edge < 100, "{edge}");
    }

    #[test]
    fn a_whole_mask_takes_the_whole_result() {
        let original = RgbaImage::from_pixel(5, 3, Rgba([1, 2, 3, 0]));
        let result = RgbaImage::from_pixel(5, 3, Rgba([9, 8, 7, 255]));
        let mask = GrayImage::from_pixel(5, 3, Luma([255]));
        assert_eq!(paste_back(&original, &result, &mask, 8.0), result);
    }

    /// How much of the difference between black and white arrives, at most.
    fn most_painted(mask: &GrayImage, feather_px: f32) -> u8 {
        let (width, height) = mask.dimensions();
        let black = RgbaImage::from_pixel(width, height, Rgba([0, 0, 0, 255]));
        let white = RgbaImage::from_pixel(width, height, Rgba([255; 4]));
        let pasted = paste_back(&black, &white, mask, feather_px);
        pasted.pixels().map(|pixel| pixel.0[0]).max().unwrap_or(0)
    }

    #[test]
    fn the_edge_is_never_wider_than_the_mask_is_thick() {
        let mask = |is_in: fn(u32, u32) -> bool| {
            GrayImage::from_fn(40, 40, |x, y| Luma([if is_in(x, y) { 255 } else { 0 }]))
        };
        for feather in [1.0, 4.0, 64.0] {
            assert_eq!(
                most_painted(&mask(|x, y| (x, y) == (20, 20)), feather),
                255,
                "a dot"
            );
            assert_eq!(most_painted(&mask(|x, _| x == 9), feather), 255, "a hair");
            assert_eq!(
                most_painted(&mask(|x, _| (9..12).contains(&x)), feather),
                255,
                "a line"
            );
            assert_eq!(
                most_painted(&mask(|x, y| x.abs_diff(y) < 3), feather),
                255,
                "a slope"
            );
        }
        // A thin part of a thick mask is as it would be alone.
        let lollipop = mask(|x, y| (20..38).contains(&y) && (10..30).contains(&x) || x == 20);
        let (black, white) = (
            RgbaImage::from_pixel(40, 40, Rgba([0, 0, 0, 255])),
            RgbaImage::from_pixel(40, 40, Rgba([255; 4])),
        );
        let pasted = paste_back(&black, &white, &lollipop, 4.0);
        assert_eq!(pasted.get_pixel(20, 5).0[0], 255);
        assert!(
            pasted.get_pixel(10, 30).0[0] < 40,
            "the edge of the thick part is soft"
        );
        assert_eq!(pasted.get_pixel(20, 30).0[0], 255);
    }
}
