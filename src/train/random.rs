//! Random numbers that need no saved state.
//!
//! Every draw is a function of (seed, purpose, counter): the generator for a
//! step is made anew from the step's number. So a resumed run draws what an
//! uninterrupted one would have drawn, and threads may draw in any order.

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What numbers are drawn for: equal counters of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Purpose {
    /// The order of the pictures in an epoch.
    Order = 1,
    /// Which part of a picture is cut out.
    Crop = 2,
    /// Noise of the autoencoder's latents.
    Posterior = 3,
    /// Noise that the denoiser learns to see.
    Diffusion = 4,
    /// Steps of the diffusion.
    Timestep = 5,
    /// Masks for inpainting.
    Mask = 6,
    /// Which captions are dropped.
    Caption = 7,
    /// Which latents of the cache are taken.
    Pick = 8,
    /// Filters of the perceptual loss.
    Filters = 9,
    /// The fixed part of sample sheets.
    Sheet = 10,
    /// The pictures that are never trained on.
    HeldOut = 11,
    /// Which kind of scene is shown.
    Kind = 12,
}

/// A stream of random numbers.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream for one purpose and count.
    pub(super) fn new(seed: u64, purpose: Purpose, counter: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        // 56 bits count far beyond any run.
        generator.set_stream((purpose as u64) << 56 | counter);
        Self(generator)
    }

    /// A number from 0 up to but not including 1.
    pub fn unit(&mut self) -> f32 {
        // 24 bits are what an f32 holds exactly.
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// A whole number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire 2019, without the rejection: the bias is bound / 2⁶⁴.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `from` up to `to`.
    pub fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// Whether an event of this probability happens.
    pub fn happens(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Independent standard normal numbers, by the method of Box and Muller.
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(count + 1);
        while values.len() < count {
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let (sine, cosine) = (TAU * self.unit()).sin_cos();
            values.extend([radius * cosine, radius * sine]);
        }
        values.truncate(count);
        values
    }

    /// The numbers below `count` in random order (Fisher and Yates).
    pub fn permutation(&mut self, count: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).map(|index| index as u32).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_purpose_and_count_only() {
        let first = |seed, purpose, count| Random::new(seed, purpose, count).below(u64::MAX);
        assert_eq!(first(1, Purpose::Mask, 7), first(1, Purpose::Mask, 7));
        let all = [
            first(1, Purpose::Mask, 7),
            first(2, Purpose::Mask, 7),
            first(1, Purpose::Crop, 7),
            first(1, Purpose::Mask, 8),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(!all[..i].contains(a), "{all:?}");
        }
    }

    #[test]
    fn normals_have_mean_0_and_variance_1() {
        let values = Random::new(3, Purpose::Diffusion, 0).normals(100_001);
        assert_eq!(values.len(), 100_001);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let square = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((square - 1.0).abs() < 0.02, "{square}");
        assert!(values.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn a_permutation_has_every_number_once() {
        let mut order = Random::new(0, Purpose::Order, 0).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<u32>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<u32>>());
    }
}
