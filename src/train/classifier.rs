//! Training of a classifier of noisy latents, by which a model is led to classes (Dhariwal
//! and Nichol 2021, <https://arxiv.org/abs/2105.05233>, §4; LDM `classifier.py`).
//!
//! For each picture of a batch, whose folder is its class: its latent z of the model that is
//! to be led, a step t of that model's noise (spread evenly over the batch), noise ε; the
//! classifier sees √ᾱ z + √(1 − ᾱ) ε and t, and the loss is the cross-entropy. Pictures
//! without a class are passed over.

mod further;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbaImage;
use serde_json::{Map, Value, json};

use super::TrainError;
use super::checkpoint::RunState;
use super::config::{TimestepSampling, TrainConfig};
use super::encoded::Encoded;
use super::encoder::{Cached, Encoder, Preparation};
use super::latent_cache::LatentCache;
use super::learner::{Learner, LearnerOptions};
use super::noising::Noising;
use super::pictures::Pictures;
use super::random::Purpose;
use super::session::{Figures, Reporter, Stage};
use super::telling::Teller;
use super::tensors::{host, scalar};
use super::{limits, second_stage, sheet, usual};
use crate::model::{
    Classifier, ClassifierConfig, ClassifierFile, ClassifierLatents, Manifest, ModelFolder,
    WeightDtype, load_first_stage,
};
use crate::nn;
use crate::random::Random;
use crate::recipe::{InputSpec, TrainSpec, TrainTask};

use self::further::{check_classes, check_latents};
use self::verdict::{are_right, cross_entropy, framed, share_right};

/// Name of the network in checkpoints.
const NAME: &str = "classifier";
/// Parts of the noise, from the least, in which it is judged.
const PARTS: usize = 5;
/// How often each picture is judged in a part, with other noise each time.
const JUDGED_TIMES: usize = 4;
/// Pictures on a sample sheet.
const SHEET: usize = 8;
/// Pictures that are looked at for one with a class, each time that one is needed.
const MOST_PICKS: usize = 1000;

/// What is measured in each part, on pictures that were held out or trained on.
const ACCURACIES: [(&str, &str); PARTS] = [
    ("held_out_accuracy_1_of_5", "train_accuracy_1_of_5"),
    ("held_out_accuracy_2_of_5", "train_accuracy_2_of_5"),
    ("held_out_accuracy_3_of_5", "train_accuracy_3_of_5"),
    ("held_out_accuracy_4_of_5", "train_accuracy_4_of_5"),
    ("held_out_accuracy_5_of_5", "train_accuracy_5_of_5"),
];

/// A classifier in training.
pub(super) struct ClassifierStage {
    spec: TrainSpec,
    /// With autodiff.
    device: Device,
    learner: Learner<Classifier>,
    encoded: Encoded,
    teller: Teller,
    noising: Noising,
    /// What was found when the run was opened and is not yet told.
    remarks: Vec<String>,
}

/// Noisy latents and their classes.
#[derive(Default)]
struct Batch {
    noisy: Vec<f32>,
    steps: Vec<f32>,
    classes: Vec<u32>,
}

impl ClassifierStage {
    /// Makes or loads the network.
    pub fn new(
        spec: &TrainSpec,
        config: &TrainConfig,
        device: &Device,
        pictures: Pictures,
    ) -> Result<Self, TrainError> {
        let plain = device.clone().inner();
        let device = plain.clone().autodiff();
        let _seeded = nn::seeded(&device, spec.seed);
        let Some(model) = &spec.first_stage else {
            return Err(TrainError::setting(
                "a classifier sees latents of the model that it is to lead; name that model as its first stage",
            ));
        };
        let holdings = &pictures.holdings;
        let found = holdings.found_for(TrainTask::Class);
        found.map_err(TrainError::Setting)?;
        let mut remarks = Vec::from_iter(holdings.lacking(TrainTask::Class));
        let first_stage = load_first_stage(model, WeightDtype::F32, &plain)?;
        first_stage.configuration().check_encoder()?;
        let scheduler = match ModelFolder::open(model).map(|folder| folder.scheduler_config()) {
            Ok(scheduler) if scheduler.is_object() => scheduler,
            _ => {
                remarks.push(format!(
                    "\u{201c}{}\u{201d} says nothing of noise; the classifier learns that of new models, and leads only such",
                    model.display()
                ));
                usual::scheduler()
            }
        };
        let (latents, factor) = (first_stage.info(), first_stage.scaling().factor);
        limits::check_side(spec.size_px, latents)?;
        let side = spec.size_px as usize / latents.factor;
        let network = match &spec.from {
            Some(from) => {
                let file = ClassifierFile::open(from)?;
                check_classes(file.config(), &holdings.classes)?;
                check_latents(file.config(), latents, side)?;
                file.load(&device)?
            }
            None => {
                let given = config.classifier.clone();
                let usual = || usual::classifier(side, latents.channels);
                ClassifierConfig {
                    image_size: side,
                    in_channels: latents.channels,
                    out_channels: holdings.classes.len(),
                    classes: holdings.classes.clone(),
                    ..given.unwrap_or_else(usual)
                }
                .init(&device)?
            }
        };
        let network = network.trained_on(
            ClassifierLatents {
                factor: latents.factor,
                scaling_factor: factor,
            },
            scheduler.clone(),
        );
        nn::draw_weights(&network);
        let manifest = Manifest {
            inputs: vec![asked(network.config())],
            ..Manifest::default()
        };
        let (digest, store) = second_stage::known(spec, model, first_stage.as_ref())?;
        let encoder = Encoder::new(first_stage, &plain, spec.size_px, spec.seed);
        let mut encoder = encoder.with_store(store);
        encoder.set_factor(factor);
        Ok(Self {
            noising: Noising::from_config(&scheduler, TimestepSampling::Uniform)?,
            teller: Teller::new(&manifest, None, None, 0.0),
            learner: Learner::new(network, LearnerOptions::of(spec), &device),
            spec: spec.clone(),
            device,
            encoded: Encoded::new(encoder, digest, pictures, spec, &config.training),
            remarks,
        })
    }

    fn preparation(&self) -> Preparation {
        Preparation {
            teller: self.teller.clone(),
            seed: self.spec.seed,
            masks: 0,
            factor: self.encoded.encoder.network().info().factor,
            hole: 0.0,
            object_mask_share: 0.0,
            object_weight: 1.0,
        }
    }

    /// Adds a picture under noise.
    fn push(&self, batch: &mut Batch, cached: &Cached, class: u32, step: usize, noise: &[f32]) {
        let (latent, noisy) = (&cached.latent, &mut batch.noisy);
        self.noising
            .corrupt(step, latent, noise, noisy, &mut Vec::new());
        batch.steps.push(step as f32);
        batch.classes.push(class);
    }

    /// The batch of a forward pass.
    fn batch(&self, ring: &LatentCache, counter: u64) -> Result<Batch, TrainError> {
        let count = self.spec.batch as usize;
        let latent: usize = self.encoded.encoder.latent_shape().iter().product();
        let stream = |purpose: Purpose| purpose.random(self.spec.seed, counter);
        let noise = stream(Purpose::Diffusion).normals(count * latent);
        let (mut pick, mut time) = (stream(Purpose::Pick), stream(Purpose::Timestep));
        let mut batch = Batch::default();
        for (i, noise) in noise.chunks(latent).enumerate() {
            let (cached, class) = picked(ring, &mut pick)?;
            let part = (i as f32 + time.unit()) / count as f32;
            let step = self.noising.step_at(part);
            self.push(&mut batch, cached, class, step, noise);
        }
        Ok(batch)
    }

    /// The batch by which it is judged in a part of the noise: the same each time.
    fn judged_batch(&self, part: usize) -> Batch {
        let latent: usize = self.encoded.encoder.latent_shape().iter().product();
        let judged = self.encoded.judged.iter();
        let judged = judged.filter_map(|cached| Some((cached, cached.about.class?)));
        let judged: Vec<_> = judged.collect();
        let count = judged.len() * JUDGED_TIMES;
        let noise = Purpose::Sheet
            .random(self.spec.seed, 2 + part as u64)
            .normals(count * latent);
        let mut batch = Batch::default();
        let repeated = judged.iter().cycle().zip(noise.chunks(latent));
        for (at, ((cached, class), noise)) in repeated.enumerate() {
            let share = (part as f32 + (at as f32 + 0.5) / count as f32) / PARTS as f32;
            let step = self.noising.step_at(share);
            self.push(&mut batch, cached, *class, step, noise);
        }
        batch
    }

    /// The logarithm of the probability of each class.
    ///
    /// # Shapes
    /// `[batch, classes]`.
    fn told(&self, network: &Classifier, batch: &Batch, device: &Device) -> Tensor<2> {
        let [channels, height, width] = self.encoded.encoder.latent_shape();
        let count = batch.classes.len();
        let noisy = TensorData::new(batch.noisy.clone(), [count, channels, height, width]);
        let steps = TensorData::new(batch.steps.clone(), [count]);
        let (noisy, steps) = (
            Tensor::from_data(noisy, device),
            Tensor::from_data(steps, device),
        );
        log_softmax(network.forward(noisy, steps), 1)
    }

    /// One forward and backward pass; the gradients stay in the learner. The loss, and
    /// the share that is told right.
    fn learn(&mut self, batch: &Batch) -> Result<(f32, f32), TrainError> {
        let told = self.told(self.learner.module(), batch, &self.device);
        let accuracy = share_right(&host(told.clone().inner())?, &batch.classes);
        let loss = cross_entropy(told, &batch.classes);
        let value = scalar(loss.clone())?;
        let gradients = nn::ops::on_workers(&loss, || loss.backward());
        self.learner.accumulate(gradients);
        Ok((value, accuracy))
    }
}

/// A picture of the ring that has a class.
fn picked<'a>(ring: &'a LatentCache, random: &mut Random) -> Result<(&'a Cached, u32), TrainError> {
    for _ in 0..MOST_PICKS {
        let cached = ring.pick(random);
        if let Some(class) = cached.about.class {
            return Ok((cached, class));
        }
    }
    Err(TrainError::setting(
        "next to none of the pictures is in a class folder; put the pictures of each class into a folder of its own",
    ))
}

/// What can be asked for by a classifier's help.
fn asked(config: &ClassifierConfig) -> InputSpec {
    InputSpec::Class {
        classes: config.class_names(),
        empty: None,
    }
}

impl Stage for ClassifierStage {
    fn networks(&self) -> Value {
        let config = self.learner.module().config();
        json!({ "classifier": config, "inputs": [asked(config)] })
    }

    fn parameters(&self) -> usize {
        nn::parameter_count(self.learner.module())
    }

    fn load(&mut self, folder: &Path, state: &RunState) -> Result<(), TrainError> {
        let updates = state.updates.get(NAME).copied().unwrap_or(0);
        self.learner.load(folder, NAME, updates)
    }

    fn begin(&mut self, step: u64, reporter: &mut Reporter<'_>) -> Result<bool, TrainError> {
        for remark in self.remarks.drain(..) {
            reporter.warn(remark);
        }
        let preparation = self.preparation();
        let is_begun = self.encoded.begin(step, &preparation, false, reporter)?;
        if is_begun {
            self.encoded.encoder.keep();
        }
        Ok(is_begun)
    }

    fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        reporter: &mut Reporter<'_>,
    ) -> Result<Figures, TrainError> {
        self.encoded.advance(step, reporter)?;
        let passes = self.spec.accumulate;
        let (mut loss, mut accuracy) = (0.0, 0.0);
        for pass in 0..u64::from(passes) {
            let ring = self.encoded.ring()?;
            let batch = self.batch(ring, step * u64::from(passes) + pass)?;
            let (value, share) = self.learn(&batch)?;
            loss += value / passes as f32;
            accuracy += share / passes as f32;
        }
        let update = self.learner.apply(learning_rate, passes)?;
        let mut more = Map::new();
        more.insert("accuracy".into(), json!(accuracy));
        Ok(Figures {
            loss,
            grad_norm: update.grad_norm,
            is_applied: update.is_applied,
            more,
        })
    }

    fn evaluate(&mut self) -> Result<Vec<(&'static str, f64)>, TrainError> {
        if self.judged_batch(0).classes.is_empty() {
            return Ok(Vec::new());
        }
        let network = self.learner.averaged();
        let device = self.device.clone().inner();
        let mut losses = 0.0;
        let mut figures = Vec::new();
        for (part, (held_out, seen)) in ACCURACIES.into_iter().enumerate() {
            let batch = self.judged_batch(part);
            let told = self.told(&network, &batch, &device);
            let values = host(told.clone())?;
            let loss = host(cross_entropy(told, &batch.classes))?;
            losses += loss.first().copied().map_or(f64::NAN, f64::from);
            let share = share_right(&values, &batch.classes);
            figures.push((
                self.encoded.pictures.figure(held_out, seen),
                f64::from(share),
            ));
        }
        let all = figures.iter().map(|(_, share)| share).sum::<f64>() / PARTS as f64;
        let name = |held_out, seen| self.encoded.pictures.figure(held_out, seen);
        let mut told = vec![
            (name("held_out_loss", "train_loss"), losses / PARTS as f64),
            (name("held_out_accuracy", "train_accuracy"), all),
        ];
        told.extend(figures);
        Ok(told)
    }

    /// The first pictures under more and more noise, row by row, each in a frame that is
    /// green where it is told right.
    fn sheet(&mut self) -> Result<RgbaImage, TrainError> {
        let network = self.learner.averaged();
        let device = self.device.clone().inner();
        let [channels, height, width] = self.encoded.encoder.latent_shape();
        let mut rows = Vec::new();
        for part in 0..PARTS {
            let mut batch = self.judged_batch(part);
            let count = batch.classes.len().min(SHEET);
            if count == 0 {
                break;
            }
            batch.classes.truncate(count);
            batch.steps.truncate(count);
            batch.noisy.truncate(count * channels * height * width);
            let told = host(self.told(&network, &batch, &device))?;
            let data = TensorData::new(batch.noisy.clone(), [count, channels, height, width]);
            let noisy = Tensor::<4>::from_data(data, &device);
            let pictures = sheet::pictures(self.encoded.encoder.network().to_pictures(noisy))?;
            let pairs = pictures.into_iter().zip(are_right(&told, &batch.classes));
            rows.push(pairs.map(|(it, is_right)| framed(it, is_right)).collect());
        }
        Ok(sheet::grid(&rows))
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.learner.save(folder, NAME)
    }

    fn updates(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([(NAME.to_owned(), self.learner.updates())])
    }

    fn measured(&self) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }

    fn first_stage(&self) -> Option<String> {
        self.encoded.digest.clone()
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.encoded.encoder.keep();
        Ok(self.learner.averaged().save(folder)?)
    }
}
