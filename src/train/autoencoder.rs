//! Training of the first stage.
//!
//! Loss, by the mean over all values of a batch (LDM `contperceptual.py` sums
//! over a picture; the weights between the terms are the same):
//! mean w |x − x̂| + `perceptual_weight` · perceptual + `kl_weight` · KL / values
//! and, from the discriminator's first step on, − d · mean D(x̂).
//! The weight w, 1 in the mean, is `object_weight` times as large over the things
//! that a caption names: most of a picture is plain ground, which is learnt at once.
//!
//! The decoded picture is cut out of the graph once: the terms that look at
//! pictures are differentiated by the picture, and only their sum goes back
//! through the networks. So the adaptive weight d needs no second pass through
//! the decoder; it compares gradients by the decoded picture, where LDM compares
//! them by the decoder's last convolution, which is a linear function of these.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbaImage;
use serde_json::{Map, Value, json};

use super::TrainError;
use super::checkpoint::RunState;
use super::config::TrainConfig;
use super::discriminator::{
    PatchDiscriminator, PatchDiscriminatorConfig, adaptive_weight, hinge_loss,
};
use super::learner::{Learner, LearnerOptions, host};
use super::loader::{Loader, planes};
use super::perceptual::PerceptualLoss;
use super::pictures::Pictures;
use super::random::{Purpose, Random};
use super::session::{Figures, Reporter, Stage};
use super::sheet;
use super::source::Sample;
use crate::model::{AutoencoderKl, ModelFolder, ModelParts, StudioConfig};
use crate::nn;
use crate::recipe::TrainSpec;

/// Columns of a sample sheet.
const SHEET: usize = 8;

/// An autoencoder in training.
pub(super) struct AutoencoderStage {
    spec: TrainSpec,
    config: TrainConfig,
    pictures: Pictures,
    /// With autodiff.
    device: Device,
    learner: Learner<AutoencoderKl>,
    critic: Option<Learner<PatchDiscriminator>>,
    perceptual: PerceptualLoss,
    loader: Option<Loader<Shown>>,
}

impl AutoencoderStage {
    /// Makes or loads the network.
    pub fn new(
        spec: &TrainSpec,
        config: &TrainConfig,
        device: &Device,
        pictures: Pictures,
    ) -> Result<Self, TrainError> {
        let device = device.clone().autodiff();
        device.seed(spec.seed);
        let network = match (&spec.from, &config.autoencoder) {
            (Some(from), _) => ModelFolder::open(from)?.load_autoencoder(&device)?,
            (None, Some(config)) => config.init(&device)?,
            (None, None) => {
                return Err(TrainError::setting(
                    "an autoencoder from random weights needs a configuration with its sizes",
                ));
            }
        };
        let sizes = network.config();
        if sizes.in_channels != 3 || sizes.out_channels != 3 {
            return Err(TrainError::setting(
                "only autoencoders of red, green and blue can be trained",
            ));
        }
        let factor = sizes.downsampling() as u32;
        if !spec.size_px.is_multiple_of(factor) {
            return Err(TrainError::setting(format!(
                "the autoencoder makes 1 latent of {factor} pixels; choose a picture size that {factor} divides"
            )));
        }
        nn::draw_weights(&network);
        let network = if config.training.decoder_only {
            network.with_fixed_encoder()
        } else {
            network
        };
        let critic = spec.discriminator_start.map(|_| {
            let network = PatchDiscriminatorConfig::for_size(spec.size_px).init(&device);
            nn::draw_weights(&network);
            let options = LearnerOptions {
                // LDM's for the adversarial pair.
                betas: (0.5, 0.9),
                weight_decay: 0.0,
                clip_norm: spec.clip_norm,
                ema_decay: None,
            };
            Learner::new(network, options, &device)
        });
        let options = LearnerOptions {
            betas: (0.9, 0.999),
            weight_decay: spec.weight_decay,
            clip_norm: spec.clip_norm,
            ema_decay: Some(spec.ema_decay),
        };
        Ok(Self {
            learner: Learner::new(network, options, &device),
            perceptual: PerceptualLoss::new(&device),
            spec: spec.clone(),
            config: config.clone(),
            pictures,
            device,
            critic,
            loader: None,
        })
    }

    /// Values of one picture.
    fn values(&self) -> usize {
        3 * (self.spec.size_px as usize).pow(2)
    }

    fn batch(&self, values: Vec<f32>, device: &Device) -> Tensor<4> {
        let side = self.spec.size_px as usize;
        let count = values.len() / self.values();
        Tensor::from_data(TensorData::new(values, [count, 3, side, side]), device)
    }

    /// One forward and backward pass; the gradients stay in the learners.
    fn pass(
        &mut self,
        shown: Shown,
        counter: u64,
        is_adversarial: bool,
    ) -> Result<Terms, TrainError> {
        let x = self.batch(shown.values, &self.device);
        let network = self.learner.module();
        let posterior = network.encode(x.clone());
        let dims = posterior.mean.dims();
        let noise =
            Random::new(self.spec.seed, Purpose::Posterior, counter).normals(dims.iter().product());
        let noise = Tensor::<4>::from_data(TensorData::new(noise, dims), &self.device);
        let made = network.decode(posterior.sample(noise));

        let leaf = Tensor::from_inner(made.clone().inner()).require_grad();
        let mut absolute = (leaf.clone() - x.clone()).abs();
        if !shown.weights.is_empty() {
            let [count, _, height, width] = absolute.dims();
            let weights = TensorData::new(shown.weights, [count, 1, height, width]);
            absolute = absolute * Tensor::from_data(weights, &self.device);
        }
        let absolute = absolute.mean();
        let perceptual = self.perceptual.forward(leaf.clone(), x.clone());
        let mut terms = Terms {
            absolute: scalar(absolute.clone())?,
            perceptual: scalar(perceptual.clone())?,
            ..Terms::default()
        };
        let loss = absolute + perceptual * self.spec.perceptual_weight;
        let mut direction = gradient(&loss, &leaf)?;

        if let (true, Some(critic)) = (is_adversarial, &mut self.critic) {
            // The opinion on made pictures, through weights that stand still here.
            let judge = critic.module().clone().no_grad();
            let leaf = leaf.detach().require_grad();
            let opinion = judge.forward(leaf.clone()).mean().neg();
            terms.adversarial = scalar(opinion.clone())?;
            let wish = gradient(&opinion, &leaf)?;
            let weight = adaptive_weight(
                norm(direction.clone())?,
                norm(wish.clone())?,
                3 * (self.spec.size_px as usize).pow(2),
                self.config.training.discriminator_weight,
            );
            terms.adaptive_weight = weight;
            direction = direction + wish * weight;

            let module = critic.module();
            let made = Tensor::from_inner(made.clone().inner());
            let hinge = hinge_loss(module.forward(x), module.forward(made));
            terms.discriminator = scalar(hinge.clone())?;
            critic.accumulate(nn::ops::on_workers(&hinge, || hinge.backward()));
        }

        let divergence = posterior.kl().mean();
        terms.divergence = scalar(divergence.clone())?;
        let pull = divergence * (self.spec.kl_weight / self.values() as f64);
        let surrogate = (made * Tensor::from_inner(direction)).sum() + pull;
        let gradients = nn::ops::on_workers(&surrogate, || surrogate.backward());
        self.learner.accumulate(gradients);
        Ok(terms)
    }

    /// Decoded pictures of the averaged network, without noise.
    fn reconstruct(&self, samples: &[Sample]) -> Result<Vec<RgbaImage>, TrainError> {
        let network = self.learner.averaged();
        let device = self.device.clone().inner();
        let mut made = Vec::with_capacity(samples.len());
        for group in samples.chunks(self.spec.batch as usize) {
            let x = self.batch(planes(group), &device);
            made.extend(sheet::pictures(network.decode(network.encode(x).mode()))?);
        }
        Ok(made)
    }
}

/// A batch of pictures.
struct Shown {
    /// Their pixels in [-1, 1].
    values: Vec<f32>,
    /// How much each pixel counts, 1 in the mean; empty where all count alike.
    weights: Vec<f32>,
}

impl Shown {
    fn new(samples: &[Sample], object_weight: f32) -> Self {
        let values = planes(samples);
        if object_weight == 1.0 {
            return Self {
                values,
                weights: Vec::new(),
            };
        }
        let mut weights = Vec::with_capacity(values.len() / 3);
        for sample in samples {
            let own = sample.weights(1, object_weight);
            let area = (sample.rgb.width() * sample.rgb.height()) as usize;
            weights.extend(if own.is_empty() { vec![1.0; area] } else { own });
        }
        let mean = weights.iter().sum::<f32>() / weights.len().max(1) as f32;
        for weight in &mut weights {
            *weight /= mean;
        }
        Self { values, weights }
    }
}

/// The parts of a loss.
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    absolute: f32,
    perceptual: f32,
    divergence: f32,
    adversarial: f32,
    adaptive_weight: f32,
    discriminator: f32,
}

/// The number of a tensor that has one.
pub(super) fn scalar(tensor: Tensor<1>) -> Result<f32, TrainError> {
    Ok(host(tensor.inner())?.first().copied().unwrap_or(f32::NAN))
}

fn norm(tensor: Tensor<4>) -> Result<f32, TrainError> {
    Ok(scalar((tensor.clone() * tensor).sum())?.sqrt())
}

/// The gradient of a loss by one of its inputs.
fn gradient(loss: &Tensor<1>, input: &Tensor<4>) -> Result<Tensor<4>, TrainError> {
    let mut gradients = nn::ops::on_workers(loss, || loss.backward());
    input
        .grad_remove(&mut gradients)
        .ok_or_else(|| TrainError::device("a gradient was lost on the way"))
}

impl Stage for AutoencoderStage {
    fn networks(&self) -> Value {
        let mut sizes = json!(self.learner.module().config());
        // Measured again at every export; it does not make another network.
        if let Some(sizes) = sizes.as_object_mut() {
            sizes.remove("scaling_factor");
        }
        json!({ "autoencoder": sizes })
    }

    fn parameters(&self) -> usize {
        nn::parameter_count(self.learner.module())
    }

    fn load(&mut self, folder: &Path, state: &RunState) -> Result<(), TrainError> {
        let updates = |name: &str| state.updates.get(name).copied().unwrap_or(0);
        self.learner
            .load(folder, "autoencoder", updates("autoencoder"))?;
        if let Some(critic) = &mut self.critic {
            critic.load(folder, "discriminator", updates("discriminator"))?;
        }
        Ok(())
    }

    fn begin(&mut self, step: u64, _reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        let object_weight = self.config.training.object_weight;
        self.loader = Some(Loader::start(
            &self.pictures.source,
            self.spec.seed,
            self.spec.batch as usize,
            step * u64::from(self.spec.accumulate),
            move |_, samples| Shown::new(&samples, object_weight),
        )?);
        Ok(())
    }

    fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        reporter: &mut Reporter<'_>,
    ) -> Result<Figures, TrainError> {
        let is_adversarial = self
            .spec
            .discriminator_start
            .is_some_and(|start| step >= start);
        let passes = self.spec.accumulate;
        let mut sum = Terms::default();
        for pass in 0..u64::from(passes) {
            let mut skipped = Vec::new();
            let loader = self
                .loader
                .as_mut()
                .ok_or_else(|| TrainError::device("the run was not begun"))?;
            let shown = loader.next(&mut skipped)?;
            reporter.skip(skipped);
            let counter = step * u64::from(passes) + pass;
            let terms = self.pass(shown, counter, is_adversarial)?;
            let share = 1.0 / passes as f32;
            sum.absolute += terms.absolute * share;
            sum.perceptual += terms.perceptual * share;
            sum.divergence += terms.divergence * share;
            sum.adversarial += terms.adversarial * share;
            sum.adaptive_weight += terms.adaptive_weight * share;
            sum.discriminator += terms.discriminator * share;
        }
        let update = self.learner.apply(learning_rate, passes)?;
        let mut is_applied = update.is_applied;
        if let (true, Some(critic)) = (is_adversarial, &mut self.critic) {
            is_applied &= critic.apply(learning_rate, passes)?.is_applied;
        }
        let divergence = sum.divergence / self.values() as f32;
        let loss = sum.absolute
            + self.spec.perceptual_weight as f32 * sum.perceptual
            + self.spec.kl_weight as f32 * divergence
            + sum.adaptive_weight * sum.adversarial;
        let mut more = Map::new();
        more.insert("l1".into(), json!(sum.absolute));
        more.insert("perceptual".into(), json!(sum.perceptual));
        more.insert("kl".into(), json!(sum.divergence));
        if is_adversarial {
            more.insert("adversarial".into(), json!(sum.adversarial));
            more.insert("adaptive_weight".into(), json!(sum.adaptive_weight));
            more.insert("discriminator".into(), json!(sum.discriminator));
        }
        Ok(Figures {
            loss,
            grad_norm: update.grad_norm,
            is_applied,
            more,
        })
    }

    fn evaluate(&mut self) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let samples = &self.pictures.held_out;
        let made = self.reconstruct(samples)?;
        let each = samples.iter().zip(&made).map(|(s, made)| psnr_db(s, made));
        let mean = each.sum::<f64>() / samples.len().max(1) as f64;
        Ok(vec![("psnr_db", mean)])
    }

    fn sheet(&mut self) -> Result<RgbaImage, TrainError> {
        let held_out = &self.pictures.held_out;
        let samples = &held_out[..held_out.len().min(2 * SHEET)];
        let made = self.reconstruct(samples)?;
        let mut rows = Vec::new();
        for (samples, made) in samples.chunks(SHEET).zip(made.chunks(SHEET)) {
            let original = |s: &Sample| image::DynamicImage::from(s.rgb.clone()).into_rgba8();
            rows.push(samples.iter().map(original).collect());
            rows.push(made.to_vec());
        }
        Ok(sheet::grid(&rows))
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.learner.save(folder, "autoencoder")?;
        match &self.critic {
            Some(critic) => critic.save(folder, "discriminator"),
            None => Ok(()),
        }
    }

    fn updates(&self) -> BTreeMap<String, u64> {
        let mut updates = BTreeMap::from([("autoencoder".to_owned(), self.learner.updates())]);
        if let Some(critic) = &self.critic {
            updates.insert("discriminator".to_owned(), critic.updates());
        }
        updates
    }

    fn measured(&self) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        let mut network = self.learner.averaged();
        let device = self.device.clone().inner();
        let mut latents = Vec::new();
        for (group, counter) in self
            .pictures
            .held_out
            .chunks(self.spec.batch as usize)
            .zip(0..)
        {
            let posterior = network.encode(self.batch(planes(group), &device));
            let dims = posterior.mean.dims();
            let noise =
                Random::new(self.spec.seed, Purpose::Sheet, counter).normals(dims.iter().product());
            let noise = Tensor::from_data(TensorData::new(noise, dims), &device);
            latents.extend(host(posterior.sample(noise))?);
        }
        // Denoisers know the latents of a fixed encoder by the factor it has.
        let is_fixed = self.config.training.decoder_only;
        if let Some(factor) = scaling_factor(&latents).filter(|_| !is_fixed) {
            network.set_scaling_factor(factor);
        }
        let mut studio = self.config.studio.clone().unwrap_or_else(|| {
            StudioConfig::derive("Trained autoencoder".into(), None, Some(network.config()))
        });
        studio.resolution_px = self.spec.size_px;
        let parts = ModelParts {
            autoencoder: Some(&network),
            studio: Some(&studio),
            ..Default::default()
        };
        ModelFolder::save(folder, &parts)?;
        Ok(())
    }
}

/// 1 / standard deviation of all numbers of latents (LDM §D.1); `None` if they
/// do not vary.
pub(super) fn scaling_factor(latents: &[f32]) -> Option<f64> {
    let count = latents.len() as f64;
    let mean = latents.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let square = |x: &f32| (f64::from(*x) - mean).powi(2);
    let variance = latents.iter().map(square).sum::<f64>() / (count - 1.0);
    let factor = variance.sqrt().recip();
    (factor.is_finite() && factor > 0.0).then_some(factor)
}

/// Peak signal-to-noise ratio of 8-bit pictures.
fn psnr_db(sample: &Sample, made: &RgbaImage) -> f64 {
    let mut sum = 0.0;
    for (a, b) in sample.rgb.pixels().zip(made.pixels()) {
        for channel in 0..3 {
            sum += (f64::from(a[channel]) - f64::from(b[channel])).powi(2);
        }
    }
    let mean = sum / (3.0 * f64::from(made.width()) * f64::from(made.height()));
    10.0 * (255.0 * 255.0 / mean.max(1e-3)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_count_more_and_all_together_as_before() {
        let plain = Sample {
            rgb: image::RgbImage::new(8, 8),
            caption: String::new(),
            objects: Vec::new(),
        };
        let mut with_thing = plain.clone();
        // The middles of four by two pixels lie in it.
        with_thing.objects.push([2.0, 4.0, 4.0, 2.0]);
        assert!(Shown::new(&[with_thing.clone()], 1.0).weights.is_empty());
        let shown = Shown::new(&[plain, with_thing], 5.0);
        assert_eq!(
            (shown.values.len(), shown.weights.len()),
            (2 * 3 * 64, 2 * 64)
        );
        let heavy = |weights: &[f32]| weights.iter().filter(|w| **w > 1.0).count();
        assert_eq!(heavy(&shown.weights[..64]), 0);
        assert_eq!(heavy(&shown.weights[64..]), 8);
        assert!(shown.weights[64 + 4 * 8 + 2] > 4.9 * shown.weights[0]);
        let mean = shown.weights.iter().sum::<f32>() / 128.0;
        assert!((mean - 1.0).abs() < 1e-5, "{mean}");
    }

    #[test]
    fn latents_are_brought_to_unit_variance() {
        let latents: Vec<f32> = Random::new(1, Purpose::Sheet, 0)
            .normals(50_000)
            .into_iter()
            .map(|x| 4.0 * x + 1.0)
            .collect();
        let factor = scaling_factor(&latents).expect("they vary");
        assert!((factor - 0.25).abs() < 0.005, "{factor}");
        assert_eq!(scaling_factor(&[1.0, 1.0, 1.0]), None);
    }
}
