//! Latents that are encoded once and used several times.
//!
//! Encoding a picture costs about as much as learning from it, and for
//! inpainting every mask needs an encoding of its own. So a ring of pictures
//! is kept encoded, each with a few masks, and renewed a little at every step:
//! a picture is used `cache_reuse` times on average before another takes its
//! place. Pictures without end, more pictures than fit, and masks that should
//! not repeat are all the same to it. A small set of pictures without masks is
//! encoded once and stays.
//!
//! What the ring holds is a function of the step, so a resumed run encodes the
//! same pictures, in the same groups, and has the same latents to the bit.

use std::sync::Arc;

use super::TrainError;
use super::config::TrainingConfig;
use super::encoder::{Cached, Encoder, Preparation, Prepared};
use super::loader::Loader;
use super::session::Reporter;
use super::source::PictureSource;
use crate::random::Random;

/// Pictures that are encoded together, if they are not too large.
const GROUP: usize = 8;
/// Bytes of the pictures that are encoded together: some groups are read ahead.
const GROUP_BYTES: usize = 128 << 20;
/// Bytes of the ring: of large pictures it holds fewer than the configuration allows.
const RING_BYTES: usize = 1 << 30;
/// Share of the ring that is filled before the first step; the steps fill the rest.
const FIRST_PART: u64 = 4;

/// Bytes that a picture takes with all its masked versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    /// While it is read.
    pub pixels: usize,
    /// In the ring.
    pub latents: usize,
}

/// How many groups have been encoded when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CachePlan {
    /// Pictures of a group.
    group: usize,
    /// Groups that the ring holds.
    capacity: u64,
    /// Groups before the first step.
    first: u64,
    /// Groups added at each step.
    per_step: f64,
}

impl CachePlan {
    /// For a source of `count` pictures, used `per_step` at a time. What varies from one
    /// look at a picture to the next is looked at again.
    pub fn new(
        config: &TrainingConfig,
        count: Option<usize>,
        pictures_per_step: u64,
        varies: bool,
        footprint: Footprint,
    ) -> Self {
        let group = GROUP.min(GROUP_BYTES / footprint.pixels.max(1)).max(1);
        let group = count.map_or(group, |count| count.clamp(1, group));
        let room = RING_BYTES / footprint.latents.max(1) / group * group;
        let wanted = config.cached_pictures.min(room).max(group);
        let groups = |pictures: usize| pictures.div_ceil(group) as u64;
        let fits = count.is_some_and(|count| count <= wanted);
        let capacity = groups(count.map_or(wanted, |count| count.min(wanted)));
        let is_fixed = fits && !varies;
        let least = groups(usize::try_from(pictures_per_step).unwrap_or(usize::MAX)).min(capacity);
        Self {
            group,
            capacity,
            first: if is_fixed {
                capacity
            } else {
                (capacity / FIRST_PART).max(least)
            },
            per_step: if is_fixed {
                0.0
            } else {
                pictures_per_step as f64 / (f64::from(config.cache_reuse) * group as f64)
            },
        }
    }

    /// Groups encoded for the step after `step` steps.
    fn groups_at(&self, step: u64) -> u64 {
        self.first + (step as f64 * self.per_step).floor() as u64
    }
}

/// The ring.
pub(super) struct LatentCache {
    plan: CachePlan,
    loader: Loader<Prepared>,
    /// Number of the next group to encode.
    next: u64,
    ring: Vec<Cached>,
    /// Number of the group that the ring's first place belongs to is a multiple
    /// of the capacity; entries lie at (group mod capacity) · group size.
    filled: usize,
}

impl LatentCache {
    /// Begins reading for the step after `step` steps; nothing is encoded yet.
    pub fn start(
        plan: CachePlan,
        source: &Arc<dyn PictureSource>,
        preparation: Preparation,
        step: u64,
    ) -> Result<Self, TrainError> {
        let next = plan.groups_at(step).saturating_sub(plan.capacity);
        let seed = preparation.seed;
        let loader = Loader::start(source, seed, plan.group, next, move |number, samples| {
            preparation.prepare(number, &samples)
        })?;
        Ok(Self {
            plan,
            loader,
            next,
            ring: Vec::new(),
            filled: 0,
        })
    }

    /// Encodes what the step after `step` steps wants to see, but no more than so
    /// many groups; whether it is all there.
    pub fn advance(
        &mut self,
        step: u64,
        most_groups: u64,
        encoder: &mut Encoder,
        reporter: &mut Reporter<'_>,
    ) -> Result<bool, TrainError> {
        let wanted = self.plan.groups_at(step);
        let until = wanted.min(self.next.saturating_add(most_groups));
        let mut skipped = Vec::new();
        while self.next < until {
            let prepared = self.loader.next(&mut skipped)?;
            let group = encoder.encode_group(self.next, prepared)?;
            self.put(group);
        }
        reporter.skip(skipped);
        Ok(self.next >= wanted)
    }

    fn put(&mut self, group: Vec<Cached>) {
        let place = (self.next % self.plan.capacity) as usize * self.plan.group;
        self.next += 1;
        for (i, cached) in group.into_iter().enumerate() {
            // A resumed run may begin in the middle of the ring.
            if self.ring.len() <= place + i {
                self.ring.resize(place + i + 1, Cached::default());
            }
            if self.ring[place + i].latent.is_empty() {
                self.filled += 1;
            }
            self.ring[place + i] = cached;
        }
    }

    /// One picture of the ring.
    pub fn pick(&self, random: &mut Random) -> &Cached {
        // All places are filled: from 0 on before the ring is full, and a
        // resumed run refills every place before its first step.
        &self.ring[random.below(self.filled as u64) as usize]
    }

    /// All latents, for measuring them.
    pub fn latents(&self) -> impl Iterator<Item = &[f32]> {
        self.ring.iter().map(|cached| cached.latent.as_slice())
    }

    /// Multiplies everything encoded so far by a factor that was just measured.
    pub fn scale(&mut self, factor: f64) {
        let factor = factor as f32;
        for cached in &mut self.ring {
            let masked = cached.masked.iter_mut().map(|masked| &mut masked.latent);
            for latent in masked.chain([&mut cached.latent]) {
                for z in latent {
                    *z *= factor;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(count: Option<usize>, has_masks: bool) -> CachePlan {
        let footprint = Footprint {
            pixels: 4 * 9 * 64 * 64,
            latents: 4 * 26 * 16 * 16,
        };
        CachePlan::new(&TrainingConfig::default(), count, 64, has_masks, footprint)
    }

    #[test]
    fn small_sets_without_masks_are_encoded_once() {
        let plan = plan(Some(100), false);
        assert_eq!(plan.groups_at(0), 13);
        assert_eq!(plan.groups_at(10_000), 13);
        assert_eq!(plan.capacity, 13);
    }

    #[test]
    fn endless_sources_are_renewed() {
        let plan = plan(None, true);
        assert_eq!((plan.capacity, plan.first), (256, 64));
        // 64 pictures a step, each used 8 times: 8 new ones, one group.
        assert_eq!(plan.groups_at(100), 164);
    }

    #[test]
    fn large_pictures_are_fewer() {
        let config = TrainingConfig::default();
        let of = |side: usize| {
            let footprint = Footprint {
                pixels: 4 * 9 * side * side,
                latents: 4 * 26 * side * side / 16,
            };
            CachePlan::new(&config, None, 8, true, footprint)
        };
        for side in [64, 256, 1024, 4096] {
            let plan = of(side);
            let pictures = plan.capacity as usize * plan.group;
            assert!(pictures <= config.cached_pictures && plan.first >= 1);
            // A step's pictures are there in any case.
            assert!(pictures.min(8) == 8 || plan.group == 1, "{plan:?}");
            assert!(
                pictures * 4 * 26 * side * side / 16 <= RING_BYTES,
                "{plan:?}"
            );
            assert!(plan.group * 4 * 9 * side * side <= GROUP_BYTES.max(4 * 9 * side * side));
        }
        assert_eq!((of(64).group, of(64).capacity), (8, 256));
        assert_eq!(of(1024).group, 3);
    }

    #[test]
    fn tiny_sets_make_tiny_groups() {
        let plan = plan(Some(4), true);
        assert_eq!((plan.group, plan.capacity, plan.first), (4, 1, 1));
        assert_eq!(plan.groups_at(1), 3);
    }
}
