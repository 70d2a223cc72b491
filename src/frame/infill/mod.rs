//! What stands at first where a picture has nothing.

mod patch_match;

use image::{Rgb, RgbImage, RgbaImage};

use super::distance::nearest;
use super::membrane::{Colour, Membrane};
use crate::pixels::{WHITE, flattened};
use crate::random::Random;
use crate::recipe::Infill;

/// Puts something wherever a picture is transparent; what is half transparent lies over
/// it. A picture of which nothing is opaque is laid on white.
pub(super) fn filled(picture: &RgbaImage, infill: Infill, seed: u64) -> RgbImage {
    let is_known: Vec<bool> = picture.pixels().map(|pixel| pixel[3] == 255).collect();
    if !is_known.contains(&false) {
        return flattened(picture, WHITE);
    }
    let canvas = Canvas {
        colours: picture
            .pixels()
            .map(|pixel| [0, 1, 2].map(|k| f32::from(pixel[k])))
            .collect(),
        is_known,
        width: picture.width() as usize,
    };
    let Some(nearest) = nearest(&canvas.is_known, canvas.width) else {
        return flattened(picture, WHITE);
    };
    let ground = match infill {
        Infill::EdgeColour => nearest.iter().map(|at| canvas.colours[*at]).collect(),
        Infill::Blur => canvas.smooth(),
        Infill::Noise => canvas.rough(seed),
        Infill::PatchMatch => patch_match::completed(&canvas, seed),
    };
    laid_over(picture, &ground)
}

/// Colours by row, some of which are known.
#[derive(Clone)]
struct Canvas {
    colours: Vec<Colour>,
    is_known: Vec<bool>,
    width: usize,
}

impl Canvas {
    fn height(&self) -> usize {
        self.colours.len() / self.width.max(1)
    }

    /// A smooth passage where nothing is known.
    fn smooth(&self) -> Vec<Colour> {
        let mut membrane = Membrane {
            colours: self.colours.clone(),
            is_known: self.is_known.clone(),
            width: self.width,
        };
        membrane.relax();
        membrane.colours
    }

    /// A smooth passage with noise as strong as neighbours differ where they are known.
    fn rough(&self, seed: u64) -> Vec<Colour> {
        let (mut squares, mut pairs) = ([0.0_f64; 3], 0_u32);
        for at in 0..self.colours.len() {
            let left = (at % self.width != 0).then(|| at - 1);
            let above = at.checked_sub(self.width);
            for near in [left, above].into_iter().flatten() {
                if !self.is_known[at] || !self.is_known[near] {
                    continue;
                }
                for (k, square) in squares.iter_mut().enumerate() {
                    *square += f64::from(self.colours[at][k] - self.colours[near][k]).powi(2);
                }
                pairs += 1;
            }
        }
        // Two independent numbers differ by √2 of their deviation.
        let deviation = squares.map(|sum| (sum / f64::from(2 * pairs.max(1))).sqrt() as f32);
        let noise = Random::new(seed, 0).normals(self.colours.len());
        let mut colours = self.smooth();
        for (at, colour) in colours.iter_mut().enumerate() {
            if !self.is_known[at] {
                // The same for all channels, as of grain and texture.
                (0..3).for_each(|k| colour[k] += noise[at] * deviation[k]);
            }
        }
        colours
    }
}

fn laid_over(picture: &RgbaImage, ground: &[Colour]) -> RgbImage {
    let mut whole = RgbImage::new(picture.width(), picture.height());
    for ((to, from), ground) in whole.pixels_mut().zip(picture.pixels()).zip(ground) {
        let alpha = f32::from(from[3]) / 255.0;
        *to = Rgb([0, 1, 2].map(|k| {
            // The cast saturates.
            (f32::from(from[k]) * alpha + ground[k] * (1.0 - alpha)).round() as u8
        }));
    }
    whole
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    /// Stripes on the left half; nothing on the right.
    fn stripes() -> RgbaImage {
        RgbaImage::from_fn(96, 64, |x, y| match (x < 48, y / 4 % 2) {
            (true, 0) => Rgba([220, 60, 40, 255]),
            (true, _) => Rgba([40, 60, 220, 255]),
            (false, _) => Rgba([0; 4]),
        })
    }

    #[test]
    fn what_is_there_stays_and_the_rest_is_like_it() {
        let picture = stripes();
        for infill in Infill::ALL {
            let whole = filled(&picture, infill, 3);
            for (x, y, pixel) in picture.enumerate_pixels() {
                let found = whole.get_pixel(x, y);
                if pixel[3] == 255 {
                    assert_eq!(found.0, pixel.0[..3], "{infill:?}");
                }
                // The green of all that there is.
                assert!(
                    infill == Infill::Noise || found[1].abs_diff(60) < 3,
                    "{infill:?}"
                );
            }
            assert_eq!(whole, filled(&picture, infill, 3), "{infill:?}");
        }
    }

    #[test]
    fn each_kind_does_what_it_is_called() {
        let red = |whole: &RgbImage, x, y| i32::from(whole.get_pixel(x, y)[0]);
        let edge = filled(&stripes(), Infill::EdgeColour, 3);
        assert!((0..64).all(|y| red(&edge, 90, y) == red(&edge, 40, y)));
        let blur = filled(&stripes(), Infill::Blur, 3);
        assert!((0..64).all(|y| (100..160).contains(&red(&blur, 90, y))));
        let noise = filled(&stripes(), Infill::Noise, 3);
        assert!((1..64).any(|y| (red(&noise, 90, y) - red(&noise, 90, y - 1)).abs() > 30));
        // The stripes go on.
        let pieces = filled(&stripes(), Infill::PatchMatch, 3);
        let same = (0..64).filter(|y| (red(&pieces, 60, *y) - red(&pieces, 40, *y)).abs() < 40);
        assert!(same.count() > 48);
    }

    #[test]
    fn a_picture_of_nothing_is_white_and_small_ones_are_filled() {
        for infill in Infill::ALL {
            let nothing = filled(&RgbaImage::new(9, 5), infill, 1);
            assert!(nothing.pixels().all(|pixel| *pixel == WHITE));
            let mut dot = RgbaImage::new(5, 3);
            dot.put_pixel(2, 1, Rgba([10, 20, 30, 255]));
            let whole = filled(&dot, infill, 1);
            assert!(
                whole.pixels().all(|pixel| pixel.0 == [10, 20, 30]),
                "{infill:?}"
            );
        }
    }
}
