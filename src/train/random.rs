//! Which stream of random numbers is for what.
//!
//! Every draw is a function of (seed, purpose, counter): the generator for a
//! step is made anew from the step's number. So a resumed run draws what an
//! uninterrupted one would have drawn, and threads may draw in any order.

use crate::random::Random;

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
    /// What of what is known of a picture is told.
    Conditions = 13,
    /// Which latents take the place of unused vectors of a codebook.
    Codebook = 14,
    /// What is added to all of a channel's noise.
    Offset = 15,
    /// What happens to small pictures.
    Degradation = 16,
}

impl Purpose {
    /// The stream for one count.
    pub fn random(self, seed: u64, counter: u64) -> Random {
        // 56 bits count far beyond any run.
        Random::new(seed, (self as u64) << 56 | counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_purpose_and_count_only() {
        let first = |seed, purpose: Purpose, count| purpose.random(seed, count).below(u64::MAX);
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
}
