//! Pictures at another size.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Rgba, RgbaImage};

/// Scales a picture with a Lanczos window of three lobes.
///
/// Colours are weighted by their opacity: what cannot be seen does not shine
/// into what can.
pub fn scale_picture(picture: &RgbaImage, width_px: u32, height_px: u32) -> RgbaImage {
    let filter = FilterType::Lanczos3;
    if picture.pixels().all(|pixel| pixel[3] == 255) {
        return imageops::resize(picture, width_px, height_px, filter);
    }
    // 255 · 255 fits into 16 bits, so nothing is lost before scaling.
    let mut weighted = ImageBuffer::<Rgba<u16>, Vec<u16>>::new(picture.width(), picture.height());
    for (to, from) in weighted.pixels_mut().zip(picture.pixels()) {
        let [r, g, b, a] = from.0.map(u16::from);
        *to = Rgba([r * a, g * a, b * a, a * 255]);
    }
    let scaled = imageops::resize(&weighted, width_px, height_px, filter);
    drop(weighted);
    let mut straight = RgbaImage::new(width_px, height_px);
    for (to, from) in straight.pixels_mut().zip(scaled.pixels()) {
        let [r, g, b, a] = from.0.map(u32::from);
        let channel = |value: u32| match a {
            0 => 0,
            // The window's lobes overshoot, so a colour may outweigh its opacity.
            _ => ((value * 255 + a / 2) / a).min(255) as u8,
        };
        *to = Rgba([
            channel(r),
            channel(g),
            channel(b),
            ((a + 127) / 255).min(255) as u8,
        ]);
    }
    straight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_does_not_darken_edges() {
        // Red on the left; on the right nothing, of which the colour is black.
        let picture = RgbaImage::from_fn(95, 95, |x, _| {
            if x < 48 {
                Rgba([250, 10, 10, 255])
            } else {
                Rgba([0, 0, 0, 0])
            }
        });
        let scaled = scale_picture(&picture, 64, 64);
        let mut soft = 0;
        for pixel in scaled.pixels() {
            if pixel[3] > 8 {
                assert!(pixel[0] >= 240 && pixel[1] <= 20, "{pixel:?}");
                soft += u32::from(pixel[3] < 250);
            }
        }
        assert!(
            soft >= 64,
            "the edge lies between two pixels of the new size"
        );
    }

    #[test]
    fn opaque_pictures_are_scaled_as_ever() {
        let picture = RgbaImage::from_fn(31, 17, |x, y| {
            Rgba([(x * 8) as u8, (y * 15) as u8, (x * y) as u8, 255])
        });
        let expected = imageops::resize(&picture, 64, 20, FilterType::Lanczos3);
        assert_eq!(scale_picture(&picture, 64, 20), expected);
    }
}
