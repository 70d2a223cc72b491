//! The random choices of one scene.

use crate::random::Random;

/// A function of the run's seed and the scene's number alone.
pub struct Dice(Random);

impl Dice {
    /// The dice of scene `index` of the run `seed`.
    pub fn new(seed: u64, index: u64) -> Self {
        Self(Random::new(seed, index))
    }

    /// Uniform in `0..1`.
    pub fn unit(&mut self) -> f32 {
        self.0.unit()
    }

    /// Uniform between two numbers.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0.between(low, high)
    }

    /// Uniform in `0..count`; 0 when `count` is 0. One draw of [`Self::unit`], by
    /// which the scenes of every seed are fixed.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count.saturating_sub(1))
    }

    /// True with a probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.0.happens(probability)
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// An index, drawn in proportion to weights.
    pub fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f32>();
        for (index, weight) in weights.iter().enumerate() {
            if rest < *weight {
                return index;
            }
            rest -= weight;
        }
        weights.len().saturating_sub(1)
    }
}
