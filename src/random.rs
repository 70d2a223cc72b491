//! Random numbers: streams that are the same on every machine, and seeds that
//! nobody can foresee.
//!
//! Every room that draws something may use this one; it uses nothing of ours. Not
//! here is the generator of `diffusion`, which is PyTorch's to the bit.

use std::f32::consts::TAU;
use std::time::{SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers, a function of a seed and the stream's number: no
/// state needs to be saved, and threads may draw from streams of their own.
pub struct Random(ChaCha8Rng);

impl Random {
    /// Stream `stream` of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A number from 0 up to but not including 1, on a grid of 2⁻²⁴ so that it is
    /// exact in f32.
    pub fn unit(&mut self) -> f32 {
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

/// A seed nobody can foresee, below 2³² so that torch's generator, and with it every
/// other studio, can take it over.
pub fn fresh_seed() -> u64 {
    getrandom::u32().map_or_else(
        // A system without randomness still has a clock.
        |_| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::from(now.map_or(0, |time| time.subsec_nanos()))
        },
        u64::from,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recipes, scenes and checkpoints of older versions stand on these.
    #[test]
    fn streams_are_what_they_always_were() {
        let mut random = Random::new(7, (2 << 56) | 5);
        let drawn = (
            random.unit().to_bits(),
            random.below(1 << 40),
            random.between(-1.0, 1.0).to_bits(),
            random.permutation(5),
        );
        let order = vec![1, 0, 2, 4, 3];
        assert_eq!(
            drawn,
            (1_050_896_296, 875_888_517_974, 1_048_466_600, order)
        );
    }

    #[test]
    fn normals_have_mean_0_and_variance_1() {
        let values = Random::new(3, 0).normals(100_001);
        assert_eq!(values.len(), 100_001);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let square = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((square - 1.0).abs() < 0.02, "{square}");
        assert!(values.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn a_permutation_has_every_number_once() {
        let mut order = Random::new(0, 0).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<u32>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn fresh_seeds_differ_and_suit_torch() {
        let (one, other) = (fresh_seed(), fresh_seed());
        // Once in four thousand million runs they are the same.
        assert!(one != other && one.max(other) <= u64::from(u32::MAX));
    }
}
