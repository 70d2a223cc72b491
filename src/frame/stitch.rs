//! What was painted, back into the frame.

use image::{GrayImage, Rgba, RgbaImage};

use super::paste::paste_back;
use super::rim::match_rim;
use crate::recipe::scale_picture;

/// Lays what was painted of a frame, at whatever size, over what was cut of the picture,
/// where `coverage` says so: scaled to the frame, with its colours matched to the rim,
/// and with a soft edge inside of the mask as [`paste_back`] makes it. Pixels without
/// coverage stay as they were, bit for bit.
///
/// What was painted lies beneath what is half transparent, so that no hole is left where
/// anything is covered.
pub fn stitched(
    original: &RgbaImage,
    painted: &RgbaImage,
    coverage: &GrayImage,
    feather_px: f32,
) -> RgbaImage {
    let mut patch = scaled_to(painted, original.dimensions().into());
    let scale = |frame: u32, painted: u32| frame.div_ceil(painted.max(1));
    let scale =
        scale(original.width(), painted.width()).max(scale(original.height(), painted.height()));
    match_rim(original, &mut patch, coverage, scale);
    let mut ground = original.clone();
    for ((below, above), covered) in patch
        .pixels()
        .zip(ground.pixels_mut())
        .zip(coverage.as_raw())
    {
        if *covered > 0 && above[3] < 255 {
            *above = over(*above, *below);
        }
    }
    paste_back(&ground, &patch, coverage, feather_px)
}

/// Memory that a patch of this size takes while it is put together, at most.
pub fn patch_bytes(frame_px: [u32; 2]) -> u64 {
    // Original, patch, ground and result, and the distances from the mask's edge.
    const BYTES_PER_PIXEL: u64 = 4 * 4 + 4 * 4;
    u64::from(frame_px[0]) * u64::from(frame_px[1]) * BYTES_PER_PIXEL
}

/// A painted picture at the size of its frame.
pub fn scaled_to(painted: &RgbaImage, frame_px: [u32; 2]) -> RgbaImage {
    if <[u32; 2]>::from(painted.dimensions()) == frame_px {
        return painted.clone();
    }
    scale_picture(painted, frame_px[0], frame_px[1])
}

/// A colour laid over an opaque one.
fn over(above: Rgba<u8>, below: Rgba<u8>) -> Rgba<u8> {
    let alpha = u32::from(above[3]);
    let channel = |k: usize| {
        let sum = u32::from(above[k]) * alpha + u32::from(below[k]) * (255 - alpha);
        // At most (255 · 255 + 127) / 255 = 255.
        ((sum + 127) / 255) as u8
    };
    Rgba([channel(0), channel(1), channel(2), 255])
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn the_part_that_was_empty_is_opaque_and_begins_where_the_picture_ends() {
        let original = RgbaImage::from_fn(64, 32, |x, _| match x {
            ..32 => Rgba([100, 120, 140, 255]),
            32 => Rgba([100, 120, 140, 90]),
            _ => Rgba([0; 4]),
        });
        let coverage = GrayImage::from_fn(64, 32, |x, y| Luma([255 - original.get_pixel(x, y)[3]]));
        let painted = RgbaImage::from_pixel(16, 8, Rgba([130, 100, 150, 255]));
        let whole = stitched(&original, &painted, &coverage, 4.0);
        for (x, y, pixel) in whole.enumerate_pixels() {
            assert_eq!(pixel[3], 255);
            let old = original.get_pixel(x, y);
            if x < 32 {
                assert_eq!(pixel, old);
            }
            for k in 0..3 {
                let wanted = [100, 120, 140][k];
                assert!(pixel[k].abs_diff(wanted) <= 2, "{x}, {y}: {pixel:?}");
            }
        }
    }
}
