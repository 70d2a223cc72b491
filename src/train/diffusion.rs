//! Training of the second stage.
//!
//! For each picture of a batch: a latent z of the cache, a step t (uniform, and
//! spread evenly over the batch, so that batches resemble each other), noise ε;
//! the denoiser sees √ᾱ z + √(1 − ᾱ) ε, for inpainting also a mask and the latent
//! of the masked picture, and the caption's states; the loss is the mean square
//! of what it got wrong (facts: LDM `ddpm.py`). Captions are dropped at random
//! for classifier-free guidance (Ho and Salimans 2022,
//! <https://arxiv.org/abs/2207.12598>). From random weights the text encoder
//! learns along; a model that is trained further keeps its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use image::RgbaImage;
use serde_json::{Map, Value, json};

use super::TrainError;
use super::autoencoder::{scalar, scaling_factor};
use super::checkpoint::RunState;
use super::config::TrainConfig;
use super::latent_cache::{CachePlan, Cached, Encoder, LatentCache, Masked, Preparation};
use super::learner::{Learner, LearnerOptions, host};
use super::noising::Noising;
use super::pictures::Pictures;
use super::random::{Purpose, Random};
use super::second_stage::{SecondStage, open};
use super::session::{Figures, Reporter, Stage};
use super::sheet;
use crate::model::{
    ClipTextModel, ClipTokenizer, ModelFolder, ModelParts, StudioConfig, UNet2d, UNetInput,
};
use crate::nn;
use crate::recipe::TrainSpec;

/// Columns of a sample sheet.
const SHEET: usize = 8;
/// Steps of the sampler of sample sheets.
const SHEET_STEPS: usize = 20;
/// Name under which the measured factor is kept in checkpoints.
const FACTOR: &str = "scaling_factor";
/// Parts of the schedule whose losses are reported apart.
const QUARTERS: usize = 4;

/// What is trained.
#[derive(Module, Debug)]
pub(super) struct Denoiser {
    unet: UNet2d,
    /// Absent where the text encoder is not trained.
    text_encoder: Option<ClipTextModel>,
}

/// A denoiser in training.
pub(super) struct DiffusionStage<'a> {
    spec: &'a TrainSpec,
    config: TrainConfig,
    pictures: Pictures,
    /// With autodiff.
    device: Device,
    learner: Learner<Denoiser>,
    frozen_text: Option<ClipTextModel>,
    encoder: Encoder,
    tokenizer: Arc<ClipTokenizer>,
    scheduler: Value,
    noising: Noising,
    studio: StudioConfig,
    cache: Option<LatentCache>,
    /// The latent of a picture of which everything is masked.
    blank: Vec<f32>,
    /// Pictures to judge by, encoded.
    held_out: Vec<Cached>,
}

/// What the denoiser gets and what it should say.
struct Batch {
    input: Vec<f32>,
    target: Vec<f32>,
    steps: Vec<usize>,
    tokens: Vec<i32>,
}

impl<'a> DiffusionStage<'a> {
    /// Makes or loads the networks.
    pub fn new(
        spec: &'a TrainSpec,
        config: &TrainConfig,
        device: &Device,
        pictures: Pictures,
    ) -> Result<Self, TrainError> {
        let plain = device.clone().inner();
        let device = plain.clone().autodiff();
        device.seed(spec.seed);
        let SecondStage {
            unet,
            text_encoder,
            is_text_trained,
            autoencoder,
            tokenizer,
            scheduler,
            studio,
            factor,
        } = open(spec, config, &device, &pictures.captions)?;
        let noising = Noising::from_config(&scheduler)?;
        nn::draw_weights(&unet);
        nn::draw_weights(&text_encoder);
        let (trained, frozen) = if is_text_trained {
            (Some(text_encoder), None)
        } else {
            (None, Some(text_encoder.valid()))
        };
        let options = LearnerOptions {
            betas: (0.9, 0.999),
            weight_decay: spec.weight_decay,
            clip_norm: spec.clip_norm,
            ema_decay: Some(spec.ema_decay),
        };
        let denoiser = Denoiser {
            unet,
            text_encoder: trained,
        };
        let mut encoder = Encoder::new(autoencoder, &plain, spec.size_px, spec.seed);
        if let Some(factor) = factor {
            encoder.set_factor(factor);
        }
        Ok(Self {
            learner: Learner::new(denoiser, options, &device),
            spec,
            config: config.clone(),
            pictures,
            device,
            frozen_text: frozen,
            encoder,
            tokenizer: Arc::new(tokenizer),
            scheduler,
            noising,
            studio,
            cache: None,
            blank: Vec::new(),
            held_out: Vec::new(),
        })
    }

    fn preparation(&self) -> Preparation {
        Preparation {
            tokenizer: Arc::clone(&self.tokenizer),
            seed: self.spec.seed,
            masks: if self.studio.inpaints() {
                self.config.training.masks_per_picture
            } else {
                0
            },
            factor: self.encoder.network().config().downsampling(),
        }
    }

    /// The channels of one picture, as the model wants them.
    fn push_input(&self, input: &mut Vec<f32>, noisy: &[f32], masked: Option<&Masked>) {
        let [_, height, width] = self.encoder.latent_shape();
        for group in &self.studio.unet_input {
            match (group, masked) {
                (UNetInput::Latent, _) => input.extend_from_slice(noisy),
                (UNetInput::Mask, Some(masked)) => input.extend_from_slice(&masked.mask),
                (UNetInput::Mask, None) => input.resize(input.len() + height * width, 1.0),
                (UNetInput::MaskedImage, Some(masked)) => input.extend_from_slice(&masked.latent),
                (UNetInput::MaskedImage, None) => input.extend_from_slice(&self.blank),
            }
        }
    }

    /// The batch of a forward pass.
    fn batch(&self, cache: &LatentCache, counter: u64) -> Batch {
        let spec = self.spec;
        let training = &self.config.training;
        let count = spec.batch as usize;
        let latent: usize = self.encoder.latent_shape().iter().product();
        let stream = |purpose| Random::new(spec.seed, purpose, counter);
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
        };
        let mut noisy = Vec::with_capacity(latent);
        for (i, noise) in noise.chunks(latent).enumerate() {
            let cached = cache.pick(&mut pick);
            let part = (i as f32 + time.unit()) / count as f32;
            let last = self.noising.steps() - 1;
            let step = ((part * self.noising.steps() as f32) as usize).min(last);
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
            let tokens = if drop.happens(spec.caption_dropout) {
                &empty
            } else {
                &cached.tokens
            };
            batch.tokens.extend_from_slice(tokens);
        }
        batch
    }

    /// Mean square of what the denoiser got wrong, for each picture.
    ///
    /// # Shapes
    /// `[batch]`.
    fn errors(&self, denoiser: &Denoiser, batch: &Batch, device: &Device) -> Tensor<1> {
        let count = batch.steps.len();
        let said = self.predict(
            denoiser,
            batch.input.clone(),
            &batch.steps,
            &batch.tokens,
            device,
        );
        let target = TensorData::new(batch.target.clone(), said.dims());
        let wrong = said - Tensor::from_data(target, device);
        let values = batch.target.len() / count;
        (wrong.clone() * wrong)
            .reshape([count, values])
            .mean_dim(1)
            .reshape([count])
    }

    /// What the denoiser says.
    fn predict(
        &self,
        denoiser: &Denoiser,
        input: Vec<f32>,
        steps: &[usize],
        tokens: &[i32],
        device: &Device,
    ) -> Tensor<4> {
        let count = steps.len();
        let [_, height, width] = self.encoder.latent_shape();
        let channels = input.len() / (count * height * width);
        let input = TensorData::new(input, [count, channels, height, width]);
        let steps: Vec<f32> = steps.iter().map(|step| *step as f32).collect();
        let steps = TensorData::new(steps, [count]);
        let tokens = TensorData::new(tokens.to_vec(), [count, tokens.len() / count]);
        let tokens = Tensor::<2, Int>::from_data(tokens, device);
        let context = match (&denoiser.text_encoder, &self.frozen_text) {
            (Some(text), _) => text.forward(tokens),
            (None, Some(text)) => {
                let plain =
                    Tensor::<2, Int>::from_data(tokens.into_data(), &device.clone().inner());
                let context = text.forward(plain);
                if device.is_autodiff() {
                    Tensor::from_inner(context)
                } else {
                    context
                }
            }
            (None, None) => Tensor::zeros(
                [count, 1, denoiser.unet.config().cross_attention_dim],
                device,
            ),
        };
        denoiser.unet.forward(
            Tensor::from_data(input, device),
            Tensor::from_data(steps, device),
            context,
        )
    }

    /// The batch by which the model is judged: the same each time.
    fn judged(&self) -> Batch {
        let latent: usize = self.encoder.latent_shape().iter().product();
        let count = self.held_out.len();
        let noise = Random::new(self.spec.seed, Purpose::Sheet, 1).normals(count * latent);
        let mut batch = Batch {
            input: Vec::new(),
            target: Vec::new(),
            steps: Vec::new(),
            tokens: Vec::new(),
        };
        let mut noisy = Vec::new();
        for (i, (cached, noise)) in self.held_out.iter().zip(noise.chunks(latent)).enumerate() {
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

    /// Latents painted by the averaged networks with guidance, from fixed noise.
    fn paint(
        &self,
        denoiser: &Denoiser,
        prompts: &[Vec<i32>],
        masked: &[Option<&Masked>],
    ) -> Result<Vec<f32>, TrainError> {
        let device = self.device.clone().inner();
        let latent: usize = self.encoder.latent_shape().iter().product();
        let count = prompts.len();
        let mut x = Random::new(self.spec.seed, Purpose::Sheet, 0).normals(count * latent);
        let guidance = self.studio.default_guidance_scale;
        let mut tokens = self.preparation().tokens("").repeat(count);
        tokens.extend(prompts.concat());
        let steps = self.noising.preview_steps(SHEET_STEPS);
        for (i, step) in steps.iter().enumerate() {
            let mut input = Vec::new();
            for _ in 0..2 {
                for (x, masked) in x.chunks(latent).zip(masked) {
                    self.push_input(&mut input, x, *masked);
                }
            }
            let said = self.predict(denoiser, input, &vec![*step; 2 * count], &tokens, &device);
            let said = host(said)?;
            let (free, told) = said.split_at(said.len() / 2);
            let guided: Vec<f32> = free
                .iter()
                .zip(told)
                .map(|(free, told)| free + guidance * (told - free))
                .collect();
            self.noising
                .ddim(*step, steps.get(i + 1).copied(), &mut x, &guided);
        }
        Ok(x)
    }

    /// Prompts of the sample sheet.
    fn prompts(&self) -> Vec<Vec<i32>> {
        let preparation = self.preparation();
        let given = &self.config.training.sample_prompts;
        let captions = if given.is_empty() {
            &self.pictures.captions
        } else {
            given
        };
        let none = String::new();
        (0..SHEET)
            .map(|i| captions.get(i).unwrap_or(&none))
            .map(|caption| preparation.tokens(caption))
            .collect()
    }
}

impl Stage for DiffusionStage<'_> {
    fn networks(&self) -> Value {
        let denoiser = self.learner.module();
        let text = denoiser.text_encoder.as_ref().or(self.frozen_text.as_ref());
        let mut autoencoder = json!(self.encoder.network().config());
        if let Some(sizes) = autoencoder.as_object_mut() {
            sizes.remove(FACTOR);
        }
        json!({
            "unet": denoiser.unet.config(),
            "text_encoder": text.map(ClipTextModel::config),
            "is_text_trained": denoiser.text_encoder.is_some(),
            "autoencoder": autoencoder,
            "scheduler": self.scheduler,
        })
    }

    fn parameters(&self) -> usize {
        nn::parameter_count(self.learner.module())
    }

    fn load(&mut self, folder: &Path, state: &RunState) -> Result<(), TrainError> {
        let updates = state.updates.get("denoiser").copied().unwrap_or(0);
        self.learner.load(folder, "denoiser", updates)?;
        self.tokenizer = Arc::new(ClipTokenizer::open(&folder.join("tokenizer"))?);
        if let Some(factor) = state.measured.get(FACTOR) {
            self.encoder.set_factor(*factor);
        }
        Ok(())
    }

    fn begin(&mut self, step: u64, reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        let source = &self.pictures.source;
        let plan = CachePlan::new(
            &self.config.training,
            source.len(),
            u64::from(self.spec.batch) * u64::from(self.spec.accumulate),
            self.studio.inpaints(),
        );
        let mut cache = LatentCache::start(plan, source, self.preparation(), step)?;
        cache.advance(step, &self.encoder, reporter)?;
        if !self.encoder.is_measured() {
            let latents: Vec<f32> = cache.latents().flatten().copied().collect();
            let factor = scaling_factor(&latents).ok_or_else(|| {
                TrainError::setting(
                    "the autoencoder gives all pictures the same latent; train it further first",
                )
            })?;
            self.encoder.set_factor(factor);
            cache.scale(factor);
        }
        self.cache = Some(cache);
        self.blank = self.encoder.encode_blank()?;
        let prepared = self
            .preparation()
            .prepare(u64::from(u32::MAX), &self.pictures.held_out);
        // A counter that the cache does not reach.
        self.held_out = self.encoder.encode_group(u64::from(u32::MAX), prepared)?;
        Ok(())
    }

    fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        reporter: &mut Reporter<'_>,
    ) -> Result<Figures, TrainError> {
        if let Some(cache) = &mut self.cache {
            cache.advance(step, &self.encoder, reporter)?;
        }
        let cache = self
            .cache
            .as_ref()
            .ok_or_else(|| TrainError::device("the run was not begun"))?;
        let passes = self.spec.accumulate;
        let mut loss = 0.0;
        let mut quarters = [(0.0_f32, 0_u32); QUARTERS];
        for pass in 0..u64::from(passes) {
            let batch = self.batch(cache, step * u64::from(passes) + pass);
            let errors = self.errors(self.learner.module(), &batch, &self.device);
            for (error, step) in host(errors.clone().inner())?.into_iter().zip(&batch.steps) {
                let quarter = &mut quarters[step * QUARTERS / self.noising.steps()];
                quarter.0 += error;
                quarter.1 += 1;
            }
            let mean = match self.config.training.min_snr_gamma {
                Some(gamma) => {
                    let weight = |step: &usize| self.noising.min_snr_weight(*step, gamma);
                    let weights: Vec<f32> = batch.steps.iter().map(weight).collect();
                    let data = TensorData::new(weights, [batch.steps.len()]);
                    (errors * Tensor::from_data(data, &self.device)).mean()
                }
                None => errors.mean(),
            };
            loss += scalar(mean.clone())? / passes as f32;
            let gradients = mean.backward();
            self.learner.accumulate(gradients);
        }
        let update = self.learner.apply(learning_rate, passes)?;
        let means: Vec<Option<f32>> = quarters
            .iter()
            .map(|(sum, count)| (*count > 0).then(|| sum / *count as f32))
            .collect();
        let mut more = Map::new();
        more.insert("loss_by_quarter".into(), json!(means));
        Ok(Figures {
            loss,
            grad_norm: update.grad_norm,
            is_applied: update.is_applied,
            more,
        })
    }

    fn evaluate(&mut self) -> Result<Vec<(&'static str, f64)>, TrainError> {
        if self.held_out.is_empty() {
            return Ok(Vec::new());
        }
        let denoiser = self.learner.averaged();
        let device = self.device.clone().inner();
        let errors = host(self.errors(&denoiser, &self.judged(), &device))?;
        let mean = errors.iter().map(|e| f64::from(*e)).sum::<f64>() / errors.len() as f64;
        Ok(vec![("held_out_loss", mean)])
    }

    fn sheet(&mut self) -> Result<RgbaImage, TrainError> {
        let denoiser = self.learner.averaged();
        let mut prompts = self.prompts();
        let mut masked: Vec<Option<&Masked>> = vec![None; prompts.len()];
        let shown = self.held_out.len().min(SHEET);
        if self.studio.inpaints() {
            for cached in &self.held_out[..shown] {
                prompts.push(cached.tokens.clone());
                masked.push(cached.masked.first());
            }
        }
        let latents = self.paint(&denoiser, &prompts, &masked)?;
        let mut painted = sheet::pictures(self.encoder.decode(&latents))?;
        let filled = painted.split_off(SHEET);
        let mut rows = vec![painted];
        if self.studio.inpaints() {
            let before = masked.iter().flatten();
            let before: Vec<f32> = before.flat_map(|masked| masked.latent.clone()).collect();
            rows.push(sheet::pictures(self.encoder.decode(&before))?);
            rows.push(filled);
        }
        Ok(sheet::grid(&rows))
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.learner.save(folder, "denoiser")?;
        Ok(self.tokenizer.save(&folder.join("tokenizer"))?)
    }

    fn updates(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("denoiser".to_owned(), self.learner.updates())])
    }

    fn measured(&self) -> BTreeMap<String, f64> {
        BTreeMap::from([(FACTOR.to_owned(), self.encoder.factor())])
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        let denoiser = self.learner.averaged();
        let parts = ModelParts {
            unet: Some(&denoiser.unet),
            autoencoder: Some(self.encoder.network()),
            text_encoder: denoiser.text_encoder.as_ref().or(self.frozen_text.as_ref()),
            tokenizer: Some(&self.tokenizer),
            scheduler: Some(&self.scheduler),
            studio: Some(&self.studio),
            ..Default::default()
        };
        ModelFolder::save(folder, &parts)?;
        Ok(())
    }
}
