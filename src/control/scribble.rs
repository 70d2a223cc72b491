//! Strokes, as networks see them that were trained on scribbles: white on black.

use image::{Pixel as _, Rgb, RgbImage, RgbaImage};

use crate::pixels::{WHITE, flattened};

/// From where on something is there, or is bright.
const HALF: u8 = 128;

/// The strokes of a picture. On a layer that is clear somewhere all that is opaque is
/// one, of whatever colour; else the ground is what there is more of, bright or dark, and
/// the rest is strokes.
pub fn scribble(picture: &RgbaImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let drawn = |is_stroke: &dyn Fn(u32, u32) -> bool| {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([if is_stroke(x, y) { 255 } else { 0 }; 3])
        })
    };
    if picture.pixels().any(|pixel| pixel[3] < HALF) {
        return drawn(&|x, y| picture.get_pixel(x, y)[3] >= HALF);
    }
    let flat = flattened(picture, WHITE);
    let is_bright = |x: u32, y: u32| flat.get_pixel(x, y).to_luma()[0] >= HALF;
    let bright = flat.pixels().filter(|pixel| pixel.to_luma()[0] >= HALF);
    let is_ground_bright = 2 * bright.count() > flat.pixels().len();
    drawn(&|x, y| is_bright(x, y) != is_ground_bright)
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    #[test]
    fn strokes_are_white_whatever_they_were() {
        let line = |ground: [u8; 4], stroke: [u8; 4]| {
            let picture =
                RgbaImage::from_fn(9, 9, |x, _| Rgba(if x == 4 { stroke } else { ground }));
            scribble(&picture)
        };
        for (ground, stroke) in [
            ([255; 4], [0, 0, 0, 255]),
            ([0, 0, 0, 255], [255; 4]),
            ([0; 4], [0, 0, 0, 255]),
            ([0; 4], [250, 250, 250, 255]),
        ] {
            let seen = line(ground, stroke);
            for (x, _, pixel) in seen.enumerate_pixels() {
                assert_eq!(pixel.0, [if x == 4 { 255 } else { 0 }; 3]);
            }
        }
        assert_eq!(scribble(&RgbaImage::new(0, 0)).dimensions(), (0, 0));
    }
}
