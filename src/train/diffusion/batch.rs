//! What a denoiser learns from at a time: noisy latents, masks, and what it is told.

use image::GrayImage;

use super::DiffusionStage;
use crate::model::conditioner::groups;
use crate::model::conditioner::inpaint::{InpaintMask, MaskedLatent};
use crate::model::conditioner::layout::NumberedBox;
use crate::recipe::InputSpec;
use crate::train::latent_cache::LatentCache;
use crate::train::noising::Noising;
use crate::train::random::Purpose;
use crate::train::telling::Told;

/// What the denoiser gets and what it should say.
#[derive(Default)]
pub(super) struct Batch {
    pub noisy: Vec<f32>,
    pub target: Vec<f32>,
    pub steps: Vec<usize>,
    pub tokens: Vec<i32>,
    /// Groups of channels of masks; none for models without.
    pub masks: Vec<(&'static str, Vec<f32>)>,
    pub boxes: Vec<Vec<NumberedBox>>,
    /// The parts of the pictures that they are in which are shown.
    pub parts: Vec<[f32; 4]>,
    /// In the model's own numbers.
    pub label_maps: Vec<Option<GrayImage>>,
    /// Planes of small pictures; empty for none.
    pub small: Vec<Vec<f32>>,
    /// In the model's own numbers.
    pub classes: Vec<Option<u32>>,
    /// How much each place counts, with a mean of 1 for each picture; empty where
    /// all are alike.
    pub weights: Vec<f32>,
}

impl Batch {
    /// Adds what is told of a picture; `empty` is the text without words.
    fn tell(&mut self, told: Told<'_>, empty: &[i32]) {
        let tokens = match told.caption {
            [] => empty,
            caption => caption,
        };
        self.tokens.extend_from_slice(tokens);
        self.boxes.push(told.boxes);
        self.parts.push(told.part);
        self.label_maps.push(told.label_map);
        self.small.push(told.small.to_vec());
        self.classes.push(told.class);
    }
}

impl Batch {
    /// The same pictures, each told what is true of the next one; `None` where nothing is
    /// told, or there is one picture.
    pub fn misled(mut self) -> Option<Self> {
        let count = self.steps.len();
        if count < 2 {
            return None;
        }
        let is_told = !self.tokens.is_empty()
            || self.boxes.iter().any(|boxes| !boxes.is_empty())
            || self.label_maps.iter().any(Option::is_some)
            || self.small.iter().any(|small| !small.is_empty())
            || self.classes.iter().any(Option::is_some);
        if is_told {
            let tokens = self.tokens.len() / count;
            self.tokens.rotate_left(tokens);
            self.boxes.rotate_left(1);
            self.parts.rotate_left(1);
            self.label_maps.rotate_left(1);
            self.small.rotate_left(1);
            self.classes.rotate_left(1);
            return Some(self);
        }
        // Around a hole is all that such a model knows.
        for (_, values) in &mut self.masks {
            let channels = values.len() / count;
            values.rotate_left(channels);
        }
        (!self.masks.is_empty()).then_some(self)
    }
}

impl DiffusionStage {
    /// Adds the channels of one picture's mask, as the model wants them; without
    /// `masked` everything is painted anew.
    fn push_mask(&self, batch: &mut Batch, masked: Option<&MaskedLatent>) {
        let Some(convention) = self.studio.mask_convention() else {
            return;
        };
        if batch.masks.is_empty() {
            let names = groups(&InputSpec::Mask { convention });
            batch.masks = names.iter().map(|name| (*name, Vec::new())).collect();
        }
        let masked = masked.unwrap_or(&self.blank);
        for (name, values) in &mut batch.masks {
            InpaintMask::new(convention).push(name, masked, values);
        }
    }

    /// The noise of a forward pass.
    pub(super) fn noise(&self, counter: u64) -> Vec<f32> {
        let (spec, strength) = (&self.spec, self.config.training.offset_noise);
        let count = spec.batch as usize;
        let [channels, height, width] = self.encoded.encoder.latent_shape();
        let stream = |purpose: Purpose| purpose.random(spec.seed, counter);
        let mut noise = stream(Purpose::Diffusion).normals(count * channels * height * width);
        if strength > 0.0 {
            let numbers = stream(Purpose::Offset).normals(count * channels);
            Noising::offset(&mut noise, &numbers, strength);
        }
        noise
    }

    /// The batch of a forward pass.
    pub(super) fn batch(&self, ring: &LatentCache, counter: u64) -> Batch {
        let spec = &self.spec;
        let training = &self.config.training;
        let count = spec.batch as usize;
        let latent: usize = self.encoded.encoder.latent_shape().iter().product();
        let stream = |purpose: Purpose| purpose.random(spec.seed, counter);
        let noise = self.noise(counter);
        let mut pick = stream(Purpose::Pick);
        let mut time = stream(Purpose::Timestep);
        let mut drop = stream(Purpose::Caption);
        let mut choice = stream(Purpose::Conditions);
        let teller = &self.teller;
        let empty = teller.tokens("");
        let mut batch = Batch::default();
        let [_, height, width] = self.encoded.encoder.latent_shape();
        let has_weights = training.object_weight != 1.0;
        for (i, noise) in noise.chunks(latent).enumerate() {
            let cached = ring.pick(&mut pick);
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
            let Batch { noisy, target, .. } = &mut batch;
            self.noising
                .corrupt(step, &cached.latent, noise, noisy, target);
            self.push_mask(&mut batch, masked);
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
            let told = teller.tell(&cached.about, &mut choice);
            let is_dropped = drop.happens(spec.caption_dropout);
            batch.tell(
                Told {
                    caption: if is_dropped { &[] } else { told.caption },
                    ..told
                },
                &empty,
            );
        }
        batch
    }

    /// The batch by which the model is judged: the same each time.
    pub(super) fn judged_batch(&self) -> Batch {
        let latent: usize = self.encoded.encoder.latent_shape().iter().product();
        let count = self.encoded.judged.len();
        let noise = Purpose::Sheet
            .random(self.spec.seed, 1)
            .normals(count * latent);
        let mut choice = Purpose::Conditions.random(self.spec.seed, u64::from(u32::MAX));
        let teller = &self.teller;
        let empty = teller.tokens("");
        // Judged alike, however the model was trained: without weights.
        let mut batch = Batch::default();
        for (i, (cached, noise)) in self
            .encoded
            .judged
            .iter()
            .zip(noise.chunks(latent))
            .enumerate()
        {
            let step = (2 * i + 1) * self.noising.steps() / (2 * count);
            let Batch { noisy, target, .. } = &mut batch;
            self.noising
                .corrupt(step, &cached.latent, noise, noisy, target);
            // Every other one is painted without a picture around it.
            let masked = cached.masked.first().filter(|_| i % 2 == 1);
            self.push_mask(&mut batch, masked);
            batch.steps.push(step);
            batch.tell(teller.tell(&cached.about, &mut choice), &empty);
        }
        batch
    }
}
