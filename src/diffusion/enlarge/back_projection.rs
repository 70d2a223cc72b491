//! Enlarged pictures that agree with the small ones that they were made of.

use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb32FImage, RgbImage};

/// Times that it is done: what one leaves over is small, and what more would gain is noise.
const PASSES: usize = 2;
/// Rows of the small picture that are done together, so that memory does not grow with height.
const BAND_PX: u32 = 64;
/// Rows of the small picture around on which others depend: in each pass two when the picture is
/// made small and two when differences are enlarged.
const REACH_PX: u32 = 4 * PASSES as u32;

/// A picture moved towards those that are the small one when bicubic interpolation makes them
/// small: what differs there is enlarged and added (Irani and Peleg 1991, "Improving resolution
/// by image registration"). What the small one cannot show stays as it was painted.
///
/// Only for models whose small pictures were made so in training: of others this would bring
/// back noise and blocks that they learnt to remove.
pub(in crate::diffusion) fn back_projected(mut painted: RgbImage, small: &RgbImage) -> RgbImage {
    let ([width, height], [across, down]) = (sides(&painted), sides(small));
    let factor = width / across;
    if [across * factor, down * factor] != [width, height] {
        return whole(&painted, small);
    }
    let rows = |picture: &RgbImage, from: u32, to: u32| {
        imageops::crop_imm(picture, 0, from, picture.width(), to - from).to_image()
    };
    let before = painted.clone();
    for top in (0..down).step_by(BAND_PX as usize) {
        let (from, to) = (top.saturating_sub(REACH_PX), top + BAND_PX + REACH_PX);
        let to = to.min(down);
        let seen = rows(&before, from * factor, to * factor);
        let band = whole(&seen, &rows(small, from, to));
        let bottom = (top + BAND_PX).min(down);
        let band = rows(&band, (top - from) * factor, (bottom - from) * factor);
        imageops::replace(&mut painted, &band, 0, i64::from(top * factor));
    }
    painted
}

fn sides(picture: &RgbImage) -> [u32; 2] {
    picture.dimensions().into()
}

/// [`back_projected`], all rows together.
fn whole(painted: &RgbImage, small: &RgbImage) -> RgbImage {
    let resized = |picture: &Rgb32FImage, (width, height)| {
        imageops::resize(picture, width, height, FilterType::CatmullRom)
    };
    let large = painted.dimensions();
    // Differences are negative too, which interpolation would cut off, so both are enlarged.
    let told = resized(&floats(small), large);
    let mut picture = floats(painted);
    for _ in 0..PASSES {
        let seen = resized(&resized(&picture, small.dimensions()), large);
        let differences = told.as_raw().iter().zip(seen.as_raw());
        for (value, (told, seen)) in picture.iter_mut().zip(differences) {
            *value = (*value + told - seen).clamp(0.0, 1.0);
        }
    }
    DynamicImage::from(picture).into_rgb8()
}

fn floats(picture: &RgbImage) -> Rgb32FImage {
    DynamicImage::from(picture.clone()).into_rgb32f()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::psnr_db;

    fn decibels(one: &RgbImage, other: &RgbImage) -> f64 {
        let pairs = one.as_raw().iter().zip(other.as_raw());
        let squares = pairs.map(|(one, other)| f64::from(one.abs_diff(*other)).powi(2));
        psnr_db(squares.sum::<f64>() / one.as_raw().len() as f64)
    }

    #[test]
    fn what_is_wrong_in_small_is_mended_and_details_stay() {
        for step in [3, 7, 11, 20] {
            // Stripes and gradients, of some steps finer than a small picture can show.
            let real = RgbImage::from_fn(128, 128, |x, y| {
                let stripe = 60 * ((x / step + y / step) % 2);
                image::Rgb([(x + stripe) as u8, (y + stripe) as u8, (200 - y / 2) as u8])
            });
            let small = imageops::resize(&real, 32, 32, FilterType::CatmullRom);
            // Too dark to the right, as of a model that got colours wrong.
            let mut painted = real.clone();
            for (x, _, pixel) in painted.enumerate_pixels_mut() {
                for value in &mut pixel.0 {
                    *value = (u32::from(*value) * (512 - x) / 512) as u8;
                }
            }
            let mended = back_projected(painted.clone(), &small);
            let again = imageops::resize(&mended, 32, 32, FilterType::CatmullRom);
            let [before, after] = [&painted, &mended].map(|picture| decibels(picture, &real));
            assert!(after > before + 6.0, "{before} {after}");
            assert!(decibels(&again, &small) > 35.0);
        }
    }

    #[test]
    fn pictures_of_any_size_keep_it() {
        let painted = RgbImage::from_pixel(27, 9, image::Rgb([90, 100, 110]));
        let small = RgbImage::from_pixel(7, 3, image::Rgb([90, 100, 110]));
        assert_eq!(back_projected(painted.clone(), &small), painted);
    }

    #[test]
    fn bands_are_not_seen() {
        let tall = |width: u32, height: u32, step: u32| {
            RgbImage::from_fn(width, height, |x, y| {
                let value = |scale| ((x * 7 + y * scale) / step % 200) as u8;
                image::Rgb([value(3), value(11), value(29)])
            })
        };
        let (painted, small) = (tall(24, 840, 9), tall(6, 210, 3));
        let (banded, at_once) = (
            back_projected(painted.clone(), &small),
            whole(&painted, &small),
        );
        let pairs = banded.as_raw().iter().zip(at_once.as_raw());
        let most = pairs.map(|(one, other)| one.abs_diff(*other)).max();
        assert!(most <= Some(1), "{most:?}");
    }
}
