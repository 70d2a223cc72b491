//! Between pictures and numbers.
//!
//! Networks see a picture as three planes (red, green, blue) of numbers in
//! [-1, 1], row by row, and know nothing of transparency.

pub mod regions;

use image::{Rgb, RgbImage, Rgba, RgbaImage};

/// What transparent pictures are laid on for networks.
pub const WHITE: Rgb<u8> = Rgb([255; 3]);

/// A picture as planes.
pub fn planes(picture: &RgbImage) -> Vec<f32> {
    let mut planes = Vec::with_capacity(picture.as_raw().len());
    push_planes(picture, &mut planes);
    planes
}

/// Adds the planes of a picture to those of others.
pub fn push_planes(picture: &RgbImage, planes: &mut Vec<f32>) {
    for channel in 0..3 {
        let plane = picture.as_raw().iter().skip(channel).step_by(3);
        planes.extend(plane.map(|byte| f32::from(*byte) / 127.5 - 1.0));
    }
}

/// Planes of about [-1, 1] as a picture; where there are fewer than three, the
/// last stands for the others.
pub fn picture(planes: &[f32], width: usize, height: usize) -> RgbImage {
    let area = (width * height).max(1);
    let last = (planes.len() / area).saturating_sub(1);
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        Rgb([0, 1, 2].map(|channel: usize| {
            let value = planes
                .get(channel.min(last) * area + at)
                .copied()
                .unwrap_or(0.0);
            ((value * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
        }))
    })
}

/// The picture laid on a plain colour. Blends 8-bit sRGB values as they are, as
/// every canvas on the screen does, so that it looks like the window.
pub fn flattened(picture: &RgbaImage, background: Rgb<u8>) -> RgbImage {
    let mut flat = RgbImage::new(picture.width(), picture.height());
    for (to, from) in flat.pixels_mut().zip(picture.pixels()) {
        let alpha = u32::from(from[3]);
        for channel in 0..3 {
            let blended =
                u32::from(from[channel]) * alpha + u32::from(background[channel]) * (255 - alpha);
            // At most (255 · 255 + 127) / 255 = 255.
            to[channel] = ((blended + 127) / 255) as u8;
        }
    }
    flat
}

/// The picture with nothing of it transparent.
pub fn opaque(picture: &RgbImage) -> RgbaImage {
    let mut whole = RgbaImage::new(picture.width(), picture.height());
    for (to, from) in whole.pixels_mut().zip(picture.pixels()) {
        let [r, g, b] = from.0;
        *to = Rgba([r, g, b, 255]);
    }
    whole
}

/// The peak signal-to-noise ratio of a mean squared difference of bytes, in decibels.
pub fn psnr_db(mean_square: f64) -> f64 {
    // Equal pictures are a thousand times closer than a byte can tell, not infinitely.
    10.0 * (255.0 * 255.0 / mean_square.max(1e-3)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours() -> RgbImage {
        RgbImage::from_fn(16, 16, |x, y| {
            Rgb([(16 * y + x) as u8, x as u8, 255 - y as u8])
        })
    }

    #[test]
    fn pictures_survive_the_way_there_and_back() {
        let values = planes(&colours());
        assert_eq!((values[0], values[256 * 2]), (-1.0, 1.0));
        assert_eq!(picture(&values, 16, 16), colours());
        let grey = picture(&values[..256], 16, 16);
        assert!(grey.pixels().all(|Rgb([r, g, b])| r == g && g == b));
    }

    #[test]
    fn what_is_transparent_shows_the_background() {
        let glass = RgbaImage::from_fn(3, 1, |x, _| Rgba([0, 100, 200, (x * 127) as u8]));
        let flat = flattened(&glass, WHITE);
        assert_eq!(flat.get_pixel(0, 0), &WHITE);
        assert_eq!(flat.get_pixel(1, 0), &Rgb([128, 178, 228]));
        assert_eq!(flattened(&opaque(&colours()), WHITE), colours());
    }
}
