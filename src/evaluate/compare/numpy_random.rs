//! numpy's older generator, by which torch-fidelity chooses pictures: the same seed
//! chooses the same ones here.

use crate::diffusion::TorchGenerator;

/// `numpy.random.RandomState(seed)`; its words are those of torch's generator.
#[derive(Debug)]
pub struct RandomState(TorchGenerator);

impl RandomState {
    /// `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        Self(TorchGenerator::new(seed.into()))
    }

    /// `permutation(count)`.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.at_most(last as u32));
        }
        order
    }

    /// `choice(count, chosen, replace=False)`.
    pub fn choice(&mut self, count: usize, chosen: usize) -> Vec<usize> {
        let mut order = self.permutation(count);
        order.truncate(chosen);
        order
    }

    /// A number from 0 to `most`: words cut to its bits until one fits.
    fn at_most(&mut self, most: u32) -> usize {
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let word = self.0.word() & mask;
            if word <= most {
                return word as usize;
            }
        }
    }
}
