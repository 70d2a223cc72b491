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

use burn::tensor::{Device, Tensor, TensorData};

use super::TrainError;
use super::config::TrainingConfig;
use super::learner::host;
use super::loader::{Loader, planes};
use super::masks::PixelMask;
use super::random::{Purpose, Random};
use super::session::Reporter;
use super::source::{PictureSource, Sample};
use crate::model::{AutoencoderKl, ClipTokenizer};

/// Pictures that are encoded together.
const GROUP: usize = 8;
/// Share of the ring that is filled before the first step; the steps fill the rest.
const FIRST_PART: u64 = 4;
/// Values of pictures that go through the autoencoder at a time.
const ENCODED_VALUES: usize = 1 << 21;

/// Pixels to latents that suit the denoiser.
pub(super) struct Encoder {
    network: AutoencoderKl,
    device: Device,
    size: usize,
    seed: u64,
    /// What latents are multiplied by; `None` until it was measured.
    factor: Option<f64>,
}

impl Encoder {
    /// `network` and `device` are without autodiff.
    pub fn new(network: AutoencoderKl, device: &Device, size_px: u32, seed: u64) -> Self {
        Self {
            network,
            device: device.clone(),
            size: size_px as usize,
            seed,
            factor: None,
        }
    }

    /// The autoencoder.
    pub fn network(&self) -> &AutoencoderKl {
        &self.network
    }

    /// What latents are multiplied by; 1 until it was measured.
    pub fn factor(&self) -> f64 {
        self.factor.unwrap_or(1.0)
    }

    /// Whether the factor was measured.
    pub fn is_measured(&self) -> bool {
        self.factor.is_some()
    }

    /// Fixes the factor.
    pub fn set_factor(&mut self, factor: f64) {
        self.network.set_scaling_factor(factor);
        self.factor = Some(factor);
    }

    fn shift(&self) -> f32 {
        self.network.config().shift_factor.unwrap_or(0.0) as f32
    }

    /// Channels and side of a latent.
    pub fn latent_shape(&self) -> [usize; 3] {
        let config = self.network.config();
        let side = self.size / config.downsampling();
        [config.latent_channels, side, side]
    }

    /// Latents of pictures, drawn from their distributions with the noise of `counter`.
    pub fn encode(&self, values: &[f32], counter: u64) -> Result<Vec<Vec<f32>>, TrainError> {
        let picture = 3 * self.size * self.size;
        let count = values.len() / picture;
        let latent: usize = self.latent_shape().iter().product();
        let noise = Random::new(self.seed, Purpose::Posterior, counter).normals(count * latent);
        let at_once = (ENCODED_VALUES / picture).max(1);
        let (shift, factor) = (self.shift(), self.factor() as f32);
        let mut latents = Vec::with_capacity(count);
        for (values, noise) in values
            .chunks(at_once * picture)
            .zip(noise.chunks(at_once * latent))
        {
            let dims = [values.len() / picture, 3, self.size, self.size];
            let data = TensorData::new(values.to_vec(), dims);
            let posterior = self.network.encode(Tensor::from_data(data, &self.device));
            let data = TensorData::new(noise.to_vec(), posterior.mean.dims());
            let drawn = posterior.sample(Tensor::from_data(data, &self.device));
            let drawn = host(drawn)?;
            let scaled = |latent: &[f32]| latent.iter().map(|z| (z - shift) * factor).collect();
            latents.extend(drawn.chunks(latent).map(scaled));
        }
        Ok(latents)
    }

    /// The latent of a picture of which everything is masked.
    pub fn encode_blank(&self) -> Result<Vec<f32>, TrainError> {
        let dims = [1, 3, self.size, self.size];
        let mode = self
            .network
            .encode(Tensor::zeros(dims, &self.device))
            .mode();
        let (shift, factor) = (self.shift(), self.factor() as f32);
        Ok(host(mode)?.iter().map(|z| (z - shift) * factor).collect())
    }

    /// Pictures of latents.
    ///
    /// # Shapes
    /// The result is `[count, 3, height, width]`.
    pub fn decode(&self, latents: &[f32]) -> Tensor<4> {
        let [channels, height, width] = self.latent_shape();
        let (shift, factor) = (self.shift(), self.factor() as f32);
        let values: Vec<f32> = latents.iter().map(|z| z / factor + shift).collect();
        let count = values.len() / (channels * height * width);
        let data = TensorData::new(values, [count, channels, height, width]);
        self.network.decode(Tensor::from_data(data, &self.device))
    }
}

/// A picture with a part of it masked.
#[derive(Clone)]
pub(super) struct Masked {
    /// 1 where it is painted anew, at the size of the latent.
    pub mask: Vec<f32>,
    /// The latent of the picture with that part greyed out.
    pub latent: Vec<f32>,
}

/// A picture as the denoiser sees it.
#[derive(Clone)]
pub(super) struct Cached {
    /// Its caption.
    pub tokens: Vec<i32>,
    /// Its latent.
    pub latent: Vec<f32>,
    /// Ways of masking it; none for models without masks.
    pub masked: Vec<Masked>,
}

/// A group of pictures, made ready for the autoencoder in the background.
pub(super) struct Prepared {
    /// The pictures, then for each of them its masked versions.
    values: Vec<f32>,
    masks: Vec<Vec<f32>>,
    tokens: Vec<Vec<i32>>,
}

/// Turns pictures into what the cache wants.
#[derive(Clone)]
pub(super) struct Preparation {
    pub tokenizer: Arc<ClipTokenizer>,
    pub seed: u64,
    /// Masks for each picture.
    pub masks: usize,
    /// Pixels per side of a latent pixel.
    pub factor: usize,
}

impl Preparation {
    /// Group `number` of the stream.
    pub fn prepare(&self, number: u64, samples: &[Sample]) -> Prepared {
        let mut values = planes(samples);
        let picture = values.len() / samples.len().max(1);
        let mut masks = Vec::with_capacity(samples.len() * self.masks);
        for (i, sample) in samples.iter().enumerate() {
            let position = number * samples.len() as u64 + i as u64;
            let mut random = Random::new(self.seed, Purpose::Mask, position);
            for _ in 0..self.masks {
                let mask = PixelMask::draw(sample.rgb.width() as usize, &mut random);
                masks.push(mask.latent(self.factor));
                let erased = mask.erase(&values[i * picture..][..picture]);
                values.extend(erased);
            }
        }
        Prepared {
            values,
            masks,
            tokens: samples.iter().map(|s| self.tokens(&s.caption)).collect(),
        }
    }

    /// The numbers of a caption.
    pub fn tokens(&self, caption: &str) -> Vec<i32> {
        let tokens = self.tokenizer.encode(caption);
        tokens.into_iter().map(|token| token as i32).collect()
    }
}

impl Encoder {
    /// Encodes a group; `number` decides on its noise.
    pub fn encode_group(&self, number: u64, prepared: Prepared) -> Result<Vec<Cached>, TrainError> {
        let Prepared {
            values,
            masks,
            tokens,
        } = prepared;
        let count = tokens.len();
        let per_picture = masks.len() / count.max(1);
        let mut latents = self.encode(&values, number)?;
        let mut masked = latents
            .split_off(count)
            .into_iter()
            .zip(masks)
            .map(|(latent, mask)| Masked { mask, latent });
        let cached = tokens
            .into_iter()
            .zip(latents)
            .map(|(tokens, latent)| Cached {
                tokens,
                latent,
                masked: masked.by_ref().take(per_picture).collect(),
            });
        Ok(cached.collect())
    }
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
    /// For a source of `count` pictures, used `per_step` at a time.
    pub fn new(
        config: &TrainingConfig,
        count: Option<usize>,
        pictures_per_step: u64,
        has_masks: bool,
    ) -> Self {
        let group = count.map_or(GROUP, |count| count.clamp(1, GROUP));
        let wanted = config.cached_pictures.max(group);
        let groups = |pictures: usize| pictures.div_ceil(group) as u64;
        let fits = count.is_some_and(|count| count <= wanted);
        let capacity = groups(count.map_or(wanted, |count| count.min(wanted)));
        let is_fixed = fits && !has_masks;
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

    /// Encodes what the step after `step` steps wants to see.
    pub fn advance(
        &mut self,
        step: u64,
        encoder: &Encoder,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), TrainError> {
        let wanted = self.plan.groups_at(step);
        let mut skipped = Vec::new();
        while self.next < wanted {
            let prepared = self.loader.next(&mut skipped)?;
            let group = encoder.encode_group(self.next, prepared)?;
            self.put(group);
        }
        reporter.skip(skipped);
        Ok(())
    }

    fn put(&mut self, group: Vec<Cached>) {
        let place = (self.next % self.plan.capacity) as usize * self.plan.group;
        self.next += 1;
        for (i, cached) in group.into_iter().enumerate() {
            // A resumed run may begin in the middle of the ring.
            if self.ring.len() <= place + i {
                self.ring.resize(
                    place + i + 1,
                    Cached {
                        tokens: Vec::new(),
                        latent: Vec::new(),
                        masked: Vec::new(),
                    },
                );
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
        CachePlan::new(&TrainingConfig::default(), count, 64, has_masks)
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
    fn tiny_sets_make_tiny_groups() {
        let plan = plan(Some(4), true);
        assert_eq!((plan.group, plan.capacity, plan.first), (4, 1, 1));
        assert_eq!(plan.groups_at(1), 3);
    }
}
