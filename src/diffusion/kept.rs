//! What of a picture is put back while the rest is repainted.

use burn::tensor::{Tensor, TensorData};
use image::GrayImage;

use super::sampler::Sampler;
use crate::model::conditioner::MaskPlanes;

/// What is kept of a picture, and the noise that it is put under.
///
/// A place of which the strength is less than that of the job is put back until only so
/// much of the run is left as its strength says (differential diffusion, Levin and Fried
/// 2023, <https://arxiv.org/abs/2306.00950>).
#[derive(Clone, Debug)]
pub(super) struct Kept {
    clean: Tensor<4>,
    noise: Tensor<4>,
    /// The share of the run for which each place is repainted: 0 is always kept, 1
    /// never.
    shares: Tensor<4>,
    /// Index of the first evaluation of the run.
    first: usize,
}

/// Strengths are told apart in steps of 1 / 255, so that half of the run is 128 of them:
/// a little more than half a step too much is the same.
const FINENESS: f64 = 0.6 / 255.0;

impl Kept {
    /// What is kept of clean latents, given the share of each of their places.
    pub fn new(clean: Tensor<4>, noise: Tensor<4>, shares: &[f32], first: usize) -> Self {
        Self {
            shares: plane(shares, &clean),
            clean,
            noise,
            first,
        }
    }

    /// The latents with what is kept put back, at the noise of an index.
    pub fn restored(&self, latents: Tensor<4>, sampler: &dyn Sampler, index: usize) -> Tensor<4> {
        let end = sampler.grid().timesteps().len();
        let around = if index == end {
            self.clean.clone()
        } else {
            sampler
                .grid()
                .noised(self.clean.clone(), self.noise.clone(), index)
        };
        let left = (end - index) as f64 / (end - self.first).max(1) as f64;
        // What is repainted all the time is free even when all is left.
        let least = (left + FINENESS).min(1.0);
        let free = self.shares.clone().greater_equal_elem(least).float();
        around * (1.0 - free.clone()) + latents * free
    }
}

/// The share of a run for which each place of the latents is repainted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Strengths(pub Vec<f32>);

impl Strengths {
    /// From a map of the picture: that of the strongest pixel of the mask in each place.
    /// Places outside of the mask are left to a denoiser that sees it, and kept for
    /// others. `None` if all of the mask is repainted for the whole run.
    pub fn of(map: &GrayImage, mask: &MaskPlanes, sees_mask: bool) -> Option<Self> {
        let [width, height] = mask.size_px;
        let columns = width / mask.factor;
        let mut strongest = vec![0_u8; mask.latent.len()];
        for y in 0..height {
            for x in 0..width {
                let strength = map.get_pixel_checked(x as u32, y as u32);
                if mask.kept[y * width + x] == 0.0
                    && let Some(strength) = strength
                {
                    let place = &mut strongest[y / mask.factor * columns + x / mask.factor];
                    *place = (*place).max(strength.0[0]);
                }
            }
        }
        let places = || strongest.iter().zip(&mask.latent);
        let share = |(strength, masked): (&u8, &f32)| {
            if *masked == 0.0 {
                f32::from(u8::from(sees_mask))
            } else {
                f32::from(*strength) / 255.0
            }
        };
        let is_whole = places().all(|(strength, masked)| *strength == 255 || *masked == 0.0);
        (!is_whole).then(|| Self(places().map(share).collect()))
    }
}

/// A number for every place of latents.
pub(super) fn plane(numbers: &[f32], latents: &Tensor<4>) -> Tensor<4> {
    let [_, _, rows, columns] = latents.dims();
    let data = TensorData::new(numbers.to_vec(), [1, 1, rows, columns]);
    Tensor::from_data(data, &latents.device())
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn the_strongest_masked_pixel_of_a_place_counts() {
        let mask = MaskPlanes::new([12, 4], 4, |x, _| x < 6);
        assert_eq!(mask.latent, [1.0, 1.0, 0.0]);
        let map = GrayImage::from_fn(12, 4, |x, _| Luma([(x * 20) as u8]));
        let seen = Strengths::of(&map, &mask, true).expect("they differ");
        assert_eq!(seen.0, [60.0 / 255.0, 100.0 / 255.0, 1.0]);
        let unseen = Strengths::of(&map, &mask, false).expect("they differ");
        assert_eq!(unseen.0[2], 0.0);
        let all = GrayImage::from_pixel(12, 4, Luma([255]));
        assert_eq!(Strengths::of(&all, &mask, true), None);
    }
}
