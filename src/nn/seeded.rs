//! First weights that follow from a seed, whatever other threads draw meanwhile.
//!
//! Burn has one generator for all threads, so whoever seeds it and draws from it must be
//! alone with it, or somebody else's numbers come between the weights of a network.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;

static GENERATOR: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this thread holds a [`Seeded`].
    static IS_SEEDED: Cell<bool> = const { Cell::new(false) };
}

/// The generator of first weights, which is seeded and this thread's alone until it is
/// dropped: see [`seeded`].
#[must_use = "weights that are drawn after it was dropped follow from no seed"]
#[derive(Debug)]
pub struct Seeded {
    _turn: MutexGuard<'static, ()>,
}

impl Drop for Seeded {
    fn drop(&mut self) {
        IS_SEEDED.set(false);
    }
}

/// Seeds the generator of first weights. What this thread makes and draws with
/// [`draw_weights`](super::draw_weights) while it holds what is returned is the same on each
/// run; a thread holds one at a time, and others that draw wait for it.
pub fn seeded(device: &Device, seed: u64) -> Seeded {
    let turn = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    IS_SEEDED.set(true);
    Seeded { _turn: turn }
}

/// To be held while numbers are drawn: nobody's seeded weights are being drawn but this
/// thread's own.
pub(super) fn turn() -> Option<MutexGuard<'static, ()>> {
    let is_own = IS_SEEDED.get();
    (!is_own).then(|| GENERATOR.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{LinearConfig, draw_weights};

    /// Weights of several layers one after the other.
    fn drawn(seed: Option<u64>) -> Vec<f32> {
        let device = Device::flex();
        let _seeded = seed.map(|seed| seeded(&device, seed));
        let layers = (0..8).map(|_| {
            let layer = LinearConfig::new(16, 16).init(&device);
            draw_weights(&layer);
            let weights = layer.weight.val().into_data();
            weights.try_into_vec::<f32>().expect("numbers")
        });
        layers.flatten().collect()
    }

    #[test]
    fn first_weights_follow_from_the_seed_whoever_draws_meanwhile() {
        let wanted = [1, 2].map(|seed| drawn(Some(seed)));
        assert_ne!(wanted[0], wanted[1]);
        let again = |seed: Option<u64>| (0..50).map(|_| drawn(seed)).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            scope.spawn(|| again(None));
            let both = [1, 2].map(|seed| scope.spawn(move || again(Some(seed))));
            for (weights, wanted) in both.into_iter().zip(&wanted) {
                let weights = weights.join().expect("weights");
                assert!(weights.iter().all(|weights| weights == wanted));
            }
        });
    }
}
