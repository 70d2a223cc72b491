//! What a denoiser learns from at a time: noisy latents, masks, captions.

use super::DiffusionStage;
use crate::model::conditioner::LATENT;
use crate::model::conditioner::inpaint::{InpaintMask, MaskedLatent};
use crate::train::latent_cache::LatentCache;
use crate::train::random::Purpose;

/// What the denoiser gets and what it should say.
pub(super) struct Batch {
    pub input: Vec<f32>,
    pub target: Vec<f32>,
    pub steps: Vec<usize>,
    pub tokens: Vec<i32>,
    /// How much each place counts, with a mean of 1 for each picture; empty where
    /// all are alike.
    pub weights: Vec<f32>,
}

impl DiffusionStage {
    /// The channels of one picture, as the model wants them; without `masked`
    /// everything is painted anew.
    pub(super) fn push_input(
        &self,
        input: &mut Vec<f32>,
        noisy: &[f32],
        masked: Option<&MaskedLatent>,
    ) {
        let masked = masked.unwrap_or(&self.blank);
        for name in &self.studio.channels {
            if name == LATENT {
                input.extend_from_slice(noisy);
            } else if let Some(convention) = self.studio.mask_convention() {
                InpaintMask::new(convention).push(name, masked, input);
            }
        }
    }

    /// The batch of a forward pass.
    pub(super) fn batch(&self, cache: &LatentCache, counter: u64) -> Batch {
        let spec = &self.spec;
        let training = &self.config.training;
        let count = spec.batch as usize;
        let latent: usize = self.encoder.latent_shape().iter().product();
        let stream = |purpose: Purpose| purpose.random(spec.seed, counter);
        let noise = stream(Purpose::Diffusion).normals(count * latent);
        let mut pick = stream(Purpose::Pick);
        let mut time = stream(Purpose::Timestep);
        let mut drop = stream(Purpose::Caption);
        let empty = self.preparation().tokens("");
        let mut batch = Batch {
            input: Vec::new(),
            target: Vec::with_capacity(count * latent),
            steps: Vec::with_capacity(count),
            tokens: Vec::with_capacity(count * empty.len()),
            weights: Vec::new(),
        };
        let [_, height, width] = self.encoder.latent_shape();
        let has_weights = training.object_weight != 1.0;
        let mut noisy = Vec::with_capacity(latent);
        for (i, noise) in noise.chunks(latent).enumerate() {
            let cached = cache.pick(&mut pick);
            let part = (i as f32 + time.unit()) / count as f32;
            let step = self.noising.step_at(part);
            let is_full = pick.happens(training.full_mask_share);
            let masked = match cached.masked.len() {
                0 => None,
                masks => {
                    let chosen = &cached.masked[pick.below(masks as u64) as usize];
                    (!is_full).then_some(chosen)
                }
            };
            noisy.clear();
            self.noising
                .corrupt(step, &cached.latent, noise, &mut noisy, &mut batch.target);
            self.push_input(&mut batch.input, &noisy, masked);
            batch.steps.push(step);
            if has_weights && cached.weights.is_empty() {
                let count = batch.weights.len() + height * width;
                batch.weights.resize(count, 1.0);
            } else if has_weights {
                let mean = cached.weights.iter().sum::<f32>() / cached.weights.len() as f32;
                batch
                    .weights
                    .extend(cached.weights.iter().map(|weight| weight / mean));
            }
            let tokens = if drop.happens(spec.caption_dropout) {
                &empty
            } else {
                &cached.tokens
            };
            batch.tokens.extend_from_slice(tokens);
        }
        batch
    }

    /// The batch by which the model is judged: the same each time.
    pub(super) fn judged_batch(&self) -> Batch {
        let latent: usize = self.encoder.latent_shape().iter().product();
        let count = self.judged.len();
        let noise = Purpose::Sheet
            .random(self.spec.seed, 1)
            .normals(count * latent);
        let mut batch = Batch {
            input: Vec::new(),
            target: Vec::new(),
            steps: Vec::new(),
            tokens: Vec::new(),
            // Judged alike, however the model was trained.
            weights: Vec::new(),
        };
        let mut noisy = Vec::new();
        for (i, (cached, noise)) in self.judged.iter().zip(noise.chunks(latent)).enumerate() {
            let step = (2 * i + 1) * self.noising.steps() / (2 * count);
            noisy.clear();
            self.noising
                .corrupt(step, &cached.latent, noise, &mut noisy, &mut batch.target);
            // Every other one is painted from its text alone.
            let masked = cached.masked.first().filter(|_| i % 2 == 1);
            self.push_input(&mut batch.input, &noisy, masked);
            batch.steps.push(step);
            batch.tokens.extend_from_slice(&cached.tokens);
        }
        batch
    }
}
