//! Training of the first stage.
//!
//! Loss, by the mean over all values of a batch (LDM `contperceptual.py` sums
//! over a picture; the weights between the terms are the same):
//! mean w |x − x̂| + `perceptual_weight` · perceptual + what keeps the latents in
//! bounds: `kl_weight` · KL / values ([`divergence`]), or the loss of the codebook
//! ([`codebook`]); and, from the discriminator's first step on, − d · mean D(x̂).
//! The weight w, 1 in the mean, is `object_weight` times as large over the things
//! that a caption names: most of a picture is plain ground, which is learnt at once.
//!
//! The decoded picture is cut out of the graph once: the terms that look at
//! pictures are differentiated by the picture, and only their sum goes back
//! through the networks. So the adaptive weight d needs no second pass through
//! the decoder; it compares gradients by the decoded picture, where LDM compares
//! them by the decoder's last convolution, which is a linear function of these.

mod bounds;
mod codebook;
#[cfg(test)]
mod curve_tests;
mod divergence;
mod loss;
mod open;
mod shown;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module as _;
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbaImage;
use serde_json::{Map, Value, json};

pub(super) use self::open::open;

use self::bounds::{Bounds, Passed};
use self::loss::{PictureLoss, Terms};
use self::shown::Shown;
use super::TrainError;
use super::checkpoint::RunState;
use super::config::TrainConfig;
use super::discriminator::{PatchDiscriminator, PatchDiscriminatorConfig, hinge_loss};
use super::encoder::scaling_factor;
use super::learner::{Learner, LearnerOptions};
use super::loader::{Loader, planes};
use super::perceptual::PerceptualLoss;
use super::pictures::Pictures;
use super::random::Purpose;
use super::session::{Figures, Reporter, Stage};
use super::source::Sample;
use super::tensors::{host, scalar};
use super::{sheet, usual};
use crate::model::{FirstStage as _, ModelFolder, ModelParts};
use crate::nn;
use crate::pixels::psnr_db;
use crate::recipe::TrainSpec;

/// Columns of a sample sheet.
const SHEET: usize = 8;

/// An autoencoder in training.
struct AutoencoderStage<B: Bounds> {
    spec: TrainSpec,
    config: TrainConfig,
    pictures: Pictures,
    /// With autodiff.
    device: Device,
    learner: Learner<B::Network>,
    bounds: B,
    critic: Option<Learner<PatchDiscriminator>>,
    loss: PictureLoss,
    loader: Option<Loader<Shown>>,
}

impl<B: Bounds> AutoencoderStage<B> {
    fn new(
        spec: &TrainSpec,
        config: &TrainConfig,
        device: &Device,
        pictures: Pictures,
        network: B::Network,
        bounds: B,
    ) -> Result<Self, TrainError> {
        nn::draw_weights(&network);
        let network = if config.training.decoder_only {
            B::with_fixed_latents(network)
        } else {
            network
        };
        let critic = spec.discriminator_start.map(|_| {
            let network = PatchDiscriminatorConfig::for_size(spec.size_px).init(device);
            nn::draw_weights(&network);
            let options = LearnerOptions {
                // LDM's for the adversarial pair.
                betas: (0.5, 0.9),
                weight_decay: 0.0,
                clip_norm: spec.clip_norm,
                ema_decay: None,
            };
            Learner::new(network, options, device)
        });
        Ok(Self {
            learner: Learner::new(network, LearnerOptions::of(spec), device),
            bounds,
            loss: PictureLoss {
                perceptual: PerceptualLoss::open(spec, device)?,
                perceptual_weight: spec.perceptual_weight,
                discriminator_weight: config.training.discriminator_weight,
            },
            spec: spec.clone(),
            config: config.clone(),
            pictures,
            device: device.clone(),
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
        mut shown: Shown,
        counter: u64,
        is_adversarial: bool,
    ) -> Result<Terms, TrainError> {
        let x = self.batch(std::mem::take(&mut shown.values), &self.device);
        let network = self.learner.module();
        let Passed { made, pull, told } = self.bounds.pass(network, x.clone(), counter)?;
        let picture = made.clone().inner();
        let critic = self.critic.as_mut().filter(|_| is_adversarial);
        // The opinion on made pictures, through weights that stand still here.
        let judge = critic
            .as_ref()
            .map(|critic| critic.module().clone().no_grad());
        let (direction, mut terms) =
            self.loss
                .direction(picture.clone(), x.clone(), &shown, judge)?;
        if let Some(critic) = critic {
            let module = critic.module();
            let hinge = hinge_loss(
                module.forward(x),
                module.forward(Tensor::from_inner(picture)),
            );
            terms.discriminator = scalar(hinge.clone())?;
            critic.accumulate(nn::ops::on_workers(&hinge, || hinge.backward()));
        }

        (terms.bounds, terms.told) = (scalar(pull.clone())?, told);
        let surrogate = (made * Tensor::from_inner(direction)).sum() + pull;
        let gradients = nn::ops::on_workers(&surrogate, || surrogate.backward());
        self.learner.accumulate(gradients);
        Ok(terms)
    }

    /// The loss that terms add up to.
    fn total(&self, terms: &Terms) -> f32 {
        terms.absolute
            + self.spec.perceptual_weight as f32 * terms.perceptual
            + terms.bounds
            + terms.adaptive_weight * terms.adversarial
    }

    /// Decoded pictures of the averaged network, without noise.
    fn reconstruct(&self, samples: &[Sample]) -> Result<Vec<RgbaImage>, TrainError> {
        let network = self.learner.averaged();
        let device = self.device.clone().inner();
        let mut made = Vec::with_capacity(samples.len());
        for group in samples.chunks(self.spec.batch as usize) {
            let x = self.batch(planes(group), &device);
            made.extend(sheet::pictures(
                network.decode_unscaled(network.likeliest_unscaled(x)),
            )?);
        }
        Ok(made)
    }
}

impl<B: Bounds> Stage for AutoencoderStage<B> {
    fn networks(&self) -> Value {
        let mut sizes = json!(self.learner.module().configuration());
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
        self.bounds.load(folder)
    }

    fn begin(&mut self, step: u64, _reporter: &mut Reporter<'_>) -> Result<bool, TrainError> {
        let object_weight = self.config.training.object_weight;
        self.loader = Some(Loader::start(
            &self.pictures.source,
            self.spec.seed,
            self.spec.batch as usize,
            step * u64::from(self.spec.accumulate),
            move |_, samples| Shown::new(&samples, object_weight),
        )?);
        Ok(true)
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
            sum.add(&terms, 1.0 / passes as f32);
        }
        let update = self.learner.apply(learning_rate, passes)?;
        let mut is_applied = update.is_applied;
        if let (true, Some(critic)) = (is_adversarial, &mut self.critic) {
            is_applied &= critic.apply(learning_rate, passes)?.is_applied;
        }
        let loss = self.total(&sum);
        let mut more = Map::new();
        more.insert("l1".into(), json!(sum.absolute));
        more.insert("perceptual".into(), json!(sum.perceptual));
        more.insert(B::COLUMN.into(), json!(sum.told));
        if update.is_applied {
            self.bounds.after_step(step, &mut self.learner)?;
        }
        let figures = self.bounds.figures().into_iter();
        more.extend(figures.map(|(name, value)| (name.to_owned(), json!(value))));
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
        let samples = &self.pictures.judged;
        let made = self.reconstruct(samples)?;
        let each = samples.iter().zip(&made);
        let each = each.map(|(sample, made)| psnr_db(mean_square(sample, made)));
        let mean = each.sum::<f64>() / samples.len().max(1) as f64;
        let name = self.pictures.figure("psnr_db", "train_psnr_db");
        let mut figures = vec![(name, mean)];
        figures.extend(self.bounds.judged());
        Ok(figures)
    }

    fn sheet(&mut self) -> Result<RgbaImage, TrainError> {
        let judged = &self.pictures.judged;
        let samples = &judged[..judged.len().min(2 * SHEET)];
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
        self.bounds.save(folder)?;
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
            .judged
            .chunks(self.spec.batch as usize)
            .zip(0..)
        {
            let pictures = self.batch(planes(group), &device);
            let mut noise = |dims: [usize; 4]| {
                let mut random = Purpose::Sheet.random(self.spec.seed, counter);
                let noise = random.normals(dims.iter().product());
                Tensor::from_data(TensorData::new(noise, dims), &device)
            };
            latents.extend(host(network.draw_unscaled(pictures, &mut noise))?);
        }
        // Denoisers know the latents of a fixed encoder by the factor it has.
        let is_fixed = self.config.training.decoder_only;
        if let Some(factor) = scaling_factor(&latents).filter(|_| !is_fixed) {
            network.set_scaling_factor(factor);
        }
        let given = self.config.studio.as_ref();
        let studio = usual::studio(&self.spec, given, None, &network.configuration());
        let parts = ModelParts {
            first_stage: Some(&network),
            manifest: Some(&studio),
            ..Default::default()
        };
        ModelFolder::save(folder, &parts)?;
        Ok(())
    }
}

/// The mean squared difference of two pictures' bytes.
fn mean_square(sample: &Sample, made: &RgbaImage) -> f64 {
    let pairs = sample.rgb.pixels().zip(made.pixels());
    let squares = pairs.flat_map(|(a, b)| {
        let square = |channel| (f64::from(a[channel]) - f64::from(b[channel])).powi(2);
        [0, 1, 2].map(square)
    });
    squares.sum::<f64>() / (3.0 * f64::from(made.width()) * f64::from(made.height()))
}
