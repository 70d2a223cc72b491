//! Small pictures as cameras, programs and the web leave them: `bsrgan_light` of the paper's
//! code (`ldm/modules/image_degradation/bsrgan_light.py`), after Zhang et al. 2021
//! (<https://arxiv.org/abs/2103.14006>). A model that learnt from small ones which are
//! merely small enlarges the noise and the blocks of others along with them.
//!
//! Blur, shrinking, noise and JPEG follow each other in a random order. What is done to a
//! picture is drawn first, as a list of [`Step`]s, and then done.

mod jpeg;
mod kernel;
mod noise;
mod resize;

use image::{RgbImage, imageops};

use crate::random::Random;

pub use jpeg::recompressed;
pub use kernel::Kernel;
pub use noise::Noise;
pub use resize::Interpolation;

/// Shares of the pictures that are halved at first, that shrink by interpolation, and that
/// are JPEG files once more on the way.
const HALVED: f32 = 0.25;
const INTERPOLATED: f32 = 0.8;
const RECOMPRESSED: f32 = 0.9;
/// Side of the kernel that stands before pixels are left out.
const LONG_KERNEL: usize = 25;
/// Qualities of JPEG files.
const QUALITIES: [u64; 2] = [80, 95];

/// A picture of numbers, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row.
    pub values: Vec<[f32; 3]>,
}

impl Pixels {
    /// The numbers of a picture.
    pub fn of(picture: &RgbImage) -> Self {
        let values = picture.pixels();
        Self {
            width: picture.width() as usize,
            height: picture.height() as usize,
            values: values
                .map(|it| it.0.map(|byte| f32::from(byte) / 255.0))
                .collect(),
        }
    }

    /// The nearest bytes.
    pub fn picture(&self) -> RgbImage {
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let at = y as usize * self.width + x as usize;
            image::Rgb(self.values[at].map(byte))
        })
    }

    fn clamped(mut self) -> Self {
        for value in self.values.iter_mut().flatten() {
            *value = value.clamp(0.0, 1.0);
        }
        self
    }
}

/// Something that is done to a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Blur; what is beyond the border is mirrored.
    Blur(Kernel),
    /// Half the sides, each pixel of all that it stands for.
    Halve,
    /// Other sides, by an interpolation that sees few pixels.
    Resize {
        /// Width and height.
        size: [usize; 2],
        /// How.
        how: Interpolation,
    },
    /// One of so many pixels of each row and column.
    Skip(usize),
    /// Noise.
    Noise(Noise),
    /// What a JPEG file of a quality from 1 to 100 loses.
    Jpeg(u8),
}

impl Step {
    /// Does it; `normals` gives so many numbers of the standard normal distribution.
    #[must_use]
    pub fn done(&self, pixels: &Pixels, normals: &mut dyn FnMut(usize) -> Vec<f32>) -> Pixels {
        match self {
            Self::Blur(kernel) => kernel.over(pixels),
            Self::Halve => resize::halved(pixels).clamped(),
            Self::Resize { size, how } => resize::resized(pixels, *size, *how).clamped(),
            Self::Skip(step) => resize::skipped(pixels, *step),
            Self::Noise(noise) => noise.added(pixels, normals).clamped(),
            Self::Jpeg(quality) => Pixels::of(&recompressed(&pixels.picture(), *quality)),
        }
    }
}

/// What is done to a picture of some width and height to make one of a `factor`-th of them.
pub fn bsrgan_light(size: [usize; 2], factor: usize, random: &mut Random) -> Vec<Step> {
    let mut factor = factor.max(1);
    let mut size = size;
    let mut steps = Vec::new();
    if factor == 4 && random.happens(HALVED) {
        let half = size.map(|side| (side / 2).max(1));
        steps.push(match random.happens(0.5) {
            true => Step::Resize {
                size: half,
                how: Interpolation::any(random),
            },
            false => Step::Halve,
        });
        size = half;
        factor = 2;
    }
    let mut order = random.permutation(5);
    // The size that is asked for comes after the random one.
    let place = |order: &[u32], what: u32| order.iter().position(|it| *it == what);
    if let (Some(random_size), Some(last_size)) = (place(&order, 1), place(&order, 2))
        && random_size > last_size
    {
        order.swap(random_size, last_size);
    }
    for what in order {
        match what {
            0 => steps.push(Step::Blur(Kernel::any(factor, random))),
            1 if random.happens(INTERPOLATED) => {
                let by = f64::from(random.between(1.0, 2.0 * factor as f32));
                let shrunk = size.map(|side| ((side as f64 / by) as usize).max(1));
                steps.push(Step::Resize {
                    size: shrunk,
                    how: Interpolation::any(random),
                });
            }
            1 => {
                let deviation = random.between(0.1, 0.6 * factor as f32);
                let kernel = Kernel::isotropic(LONG_KERNEL, f64::from(deviation));
                steps.push(Step::Blur(kernel.shifted(factor)));
                steps.push(Step::Skip(factor));
            }
            2 => steps.push(Step::Resize {
                size: size.map(|side| (side / factor).max(1)),
                how: Interpolation::any(random),
            }),
            3 => steps.push(Step::Noise(Noise::any(random))),
            _ if random.happens(RECOMPRESSED) => steps.push(any_jpeg(random)),
            _ => {}
        }
    }
    steps.push(any_jpeg(random));
    steps
}

fn any_jpeg(random: &mut Random) -> Step {
    let [least, most] = QUALITIES;
    Step::Jpeg((least + random.below(most - least + 1)) as u8)
}

/// A picture of a `factor`-th of the sides, as somebody may have found it.
pub fn degraded(picture: &RgbImage, factor: u32, random: &mut Random) -> RgbImage {
    let (width, height) = picture.dimensions();
    let steps = bsrgan_light(
        [width, height].map(|side| side as usize),
        factor as usize,
        random,
    );
    let mut pixels = Pixels::of(picture);
    for step in &steps {
        pixels = step.done(&pixels, &mut |count| random.normals(count));
    }
    let small = pixels.picture();
    let [width, height] = [width, height].map(|side| side.div_ceil(factor.max(1)));
    match small.dimensions() == (width, height) {
        true => small,
        // Sides that the factor does not divide.
        false => imageops::resize(&small, width, height, imageops::FilterType::CatmullRom),
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(64, 48, |x, y| {
            let is_bar = (x / 5 + y / 7) % 2 == 0;
            Rgb(if is_bar { [220, 90, 40] } else { [20, 60, 200] })
        })
    }

    #[test]
    fn small_pictures_have_their_size_and_depend_on_the_seed_alone() {
        for factor in [2, 3, 4] {
            for seed in 0..40 {
                let made = || degraded(&picture(), factor, &mut Random::new(seed, 0));
                let small = made();
                let size = (64_u32.div_ceil(factor), 48_u32.div_ceil(factor));
                assert_eq!(small.dimensions(), size, "{factor} {seed}");
                assert_eq!(small, made());
            }
        }
        let one = degraded(&picture(), 4, &mut Random::new(1, 0));
        assert_ne!(one, degraded(&picture(), 4, &mut Random::new(2, 0)));
        let tiny = RgbImage::from_pixel(4, 4, Rgb([9; 3]));
        for seed in 0..40 {
            let small = degraded(&tiny, 4, &mut Random::new(seed, 0));
            assert_eq!(small.dimensions(), (1, 1));
        }
    }

    #[test]
    fn steps_come_in_every_order_but_for_the_two_sizes() {
        let mut first = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let steps = bsrgan_light([64, 64], 4, &mut Random::new(seed, 0));
            let place = |is: fn(&Step) -> bool| steps.iter().position(is);
            let is_noise = |step: &Step| matches!(step, Step::Noise(_));
            let is_small = |step: &Step| matches!(step, Step::Resize { size: [16, 16], .. });
            let (noise, small) = (place(is_noise), place(is_small));
            assert!(
                matches!(steps.last(), Some(Step::Jpeg(80..=95))),
                "{steps:?}"
            );
            first.insert(noise < small);
            let last_size = steps.iter().rev().find_map(|step| match step {
                Step::Resize { size, .. } => Some(*size),
                _ => None,
            });
            assert_eq!(last_size, Some([16, 16]), "{steps:?}");
        }
        assert_eq!(first.len(), 2, "noise comes before the size and after it");
    }
}
