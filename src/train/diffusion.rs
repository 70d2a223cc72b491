//! Training of the second stage.
//!
//! For each picture of a batch: a latent z of the cache, a step t (uniform, or
//! as the configuration says; spread evenly over the batch, so that batches resemble
//! each other), noise ε;
//! the denoiser sees √ᾱ z + √(1 − ᾱ) ε, for inpainting also a mask and the latent
//! of the masked picture, the caption's states, and of boxes, label map and small
//! picture what [`super::telling`] tells; the loss is the mean square
//! of what it got wrong (facts: LDM `ddpm.py`). Captions are dropped at random
//! for classifier-free guidance (Ho and Salimans 2022,
//! <https://arxiv.org/abs/2207.12598>). From random weights the text encoder
//! learns along; a model that is trained further keeps its own. The encoders of boxes,
//! label maps and classes always learn along. What cannot be asked of a model it has no
//! encoder for, words included.

mod batch;
#[cfg(test)]
mod curve_tests;
#[cfg(test)]
mod gradient_tests;
mod paint;
mod said;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbaImage;
use serde_json::{Map, Value, json};

use super::TrainError;
use super::checkpoint::RunState;
use super::config::TrainConfig;
use super::encoded::Encoded;
use super::encoder::{Encoder, Preparation};
use super::learner::{Learner, LearnerOptions};
use super::noising::Noising;
use super::paper_form::{PaperEncoder, PaperForm};
use super::pictures::Pictures;
use super::second_stage::{SecondStage, open};
use super::session::{Figures, Reporter, Stage};
use super::telling::Teller;
use super::tensors::{host, scalar};
use crate::model::conditioner::class::ClassEncoder;
use crate::model::conditioner::inpaint::MaskedLatent;
use crate::model::conditioner::layout::LayoutEncoder;
use crate::model::conditioner::semantic::SemanticEncoder;
use crate::model::{
    ClipTextModel, ClipTokenizer, FirstStageReference, Manifest, ModelFolder, ModelParts,
    SharedWeights, UNet2d,
};
use crate::nn;
use crate::recipe::TrainSpec;

use self::batch::Batch;

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
    /// For models that take boxes.
    layout_encoder: Option<LayoutEncoder>,
    /// For models that take label maps.
    semantic_encoder: Option<SemanticEncoder>,
    /// For models that take a class.
    class_encoder: Option<ClassEncoder>,
    /// For models that are told as in the paper's code.
    paper_encoder: Option<PaperEncoder>,
}

/// A denoiser in training.
pub(super) struct DiffusionStage {
    spec: TrainSpec,
    config: TrainConfig,
    /// With autodiff.
    device: Device,
    learner: Learner<Denoiser>,
    frozen_text: Option<ClipTextModel>,
    paper: Option<PaperForm>,
    encoded: Encoded,
    first_stage_weights: Option<SharedWeights>,
    first_stage_reference: Option<FirstStageReference>,
    tokenizer: Option<Arc<ClipTokenizer>>,
    teller: Teller,
    scheduler: Value,
    noising: Noising,
    studio: Manifest,
    /// A picture of which everything is masked.
    blank: MaskedLatent,
    /// What was found when the run was opened and is not yet told.
    remarks: Vec<String>,
}

impl DiffusionStage {
    /// Makes or loads the networks.
    pub fn new(
        spec: &TrainSpec,
        config: &TrainConfig,
        device: &Device,
        pictures: Pictures,
    ) -> Result<Self, TrainError> {
        let plain = device.clone().inner();
        let device = plain.clone().autodiff();
        let _seeded = nn::seeded(&device, spec.seed);
        let SecondStage {
            unet,
            text,
            is_text_trained,
            layout_encoder,
            semantic_encoder,
            class_encoder,
            paper,
            first_stage,
            first_stage_weights,
            first_stage_reference,
            digest,
            store,
            scheduler,
            studio,
            factor,
            remarks,
        } = open(spec, config, &device, &pictures)?;
        let (tokenizer, text_encoder) = text.unzip();
        let (paper, paper_encoder) = paper.unzip();
        let noising = Noising::from_config(&scheduler, config.training.timestep_sampling)?;
        nn::draw_weights(&unet);
        text_encoder.iter().for_each(nn::draw_weights);
        layout_encoder.iter().for_each(nn::draw_weights);
        semantic_encoder.iter().for_each(nn::draw_weights);
        class_encoder.iter().for_each(nn::draw_weights);
        let (trained, frozen) = match is_text_trained {
            true => (text_encoder, None),
            false => (None, text_encoder.map(|text| text.valid())),
        };
        let denoiser = Denoiser {
            unet,
            text_encoder: trained,
            layout_encoder,
            semantic_encoder,
            class_encoder,
            paper_encoder: paper_encoder.flatten(),
        };
        let encoder = Encoder::new(first_stage, &plain, spec.size_px, spec.seed);
        let mut encoder = encoder.with_store(store);
        if let Some(factor) = factor {
            encoder.set_factor(factor);
        }
        let tokenizer = tokenizer.map(Arc::new);
        Ok(Self {
            teller: teller(&studio, &tokenizer, paper.as_ref(), spec, config),
            paper,
            learner: Learner::new(denoiser, LearnerOptions::of(spec), &device),
            spec: spec.clone(),
            config: config.clone(),
            device,
            frozen_text: frozen,
            encoded: Encoded::new(encoder, digest, pictures, spec, &config.training),
            first_stage_weights,
            first_stage_reference,
            tokenizer,
            scheduler,
            noising,
            studio,
            blank: MaskedLatent::default(),
            remarks,
        })
    }

    /// What stands in a picture where it is masked.
    fn hole(&self) -> f32 {
        self.studio.mask_convention().unwrap_or_default().hole()
    }

    fn preparation(&self) -> Preparation {
        Preparation {
            teller: self.teller.clone(),
            seed: self.spec.seed,
            masks: if self.studio.takes_mask() {
                self.config.training.masks_per_picture
            } else {
                0
            },
            factor: self.encoded.encoder.network().info().factor,
            hole: self.hole(),
            object_mask_share: self.config.training.object_mask_share,
            object_weight: self.config.training.object_weight,
        }
    }

    /// Mean square of what the denoiser got wrong, for each picture; places count
    /// as the batch says.
    ///
    /// # Shapes
    /// `[batch]`.
    fn errors(&self, denoiser: &Denoiser, batch: &Batch, device: &Device) -> Tensor<1> {
        let count = batch.steps.len();
        let said = self.said(denoiser, batch, device);
        let target = TensorData::new(batch.target.clone(), said.dims());
        let wrong = said - Tensor::from_data(target, device);
        let squares = wrong.clone() * wrong;
        let [_, channels, height, width] = squares.dims();
        let squares = if batch.weights.is_empty() {
            squares
        } else {
            let weights = TensorData::new(batch.weights.clone(), [count, 1, height, width]);
            squares * Tensor::from_data(weights, device)
        };
        squares
            .reshape([count, channels * height * width])
            .mean_dim(1)
            .reshape([count])
    }
}

impl DiffusionStage {
    /// One forward and backward pass; the gradients stay in the learner. What was wrong
    /// with each picture, and the loss of all.
    fn learn(&mut self, batch: &Batch) -> Result<(Vec<f32>, f32), TrainError> {
        let errors = self.errors(self.learner.module(), batch, &self.device);
        let each = host(errors.clone().inner())?;
        let mean = match self.config.training.min_snr_gamma {
            Some(gamma) => {
                let weight = |step: &usize| self.noising.min_snr_weight(*step, gamma);
                let weights: Vec<f32> = batch.steps.iter().map(weight).collect();
                let data = TensorData::new(weights, [batch.steps.len()]);
                (errors * Tensor::from_data(data, &self.device)).mean()
            }
            None => errors.mean(),
        };
        let loss = scalar(mean.clone())?;
        let gradients = nn::ops::on_workers(&mean, || mean.backward());
        self.learner.accumulate(gradients);
        Ok((each, loss))
    }
}

fn teller(
    studio: &Manifest,
    tokenizer: &Option<Arc<ClipTokenizer>>,
    paper: Option<&PaperForm>,
    spec: &TrainSpec,
    config: &TrainConfig,
) -> Teller {
    let shares = config.training.conditions;
    let teller = Teller::new(studio, tokenizer.clone(), shares, spec.caption_dropout);
    teller.with_degradation(spec.degradation).with_form(paper)
}

impl Stage for DiffusionStage {
    fn networks(&self) -> Value {
        let denoiser = self.learner.module();
        let text = denoiser.text_encoder.as_ref().or(self.frozen_text.as_ref());
        let mut autoencoder = json!(self.encoded.encoder.network().configuration());
        if let Some(sizes) = autoencoder.as_object_mut() {
            sizes.remove(FACTOR);
        }
        let mut networks = json!({
            "unet": denoiser.unet.config(),
            "text_encoder": text.map(ClipTextModel::config),
            "is_text_trained": denoiser.text_encoder.is_some(),
            "autoencoder": autoencoder,
            "scheduler": self.scheduler,
        });
        // Absent in older checkpoints, of models without them.
        if let Some(encoder) = &denoiser.layout_encoder {
            networks["layout_encoder"] = json!(encoder.config());
        }
        if let Some(encoder) = &denoiser.semantic_encoder {
            networks["semantic_encoder"] = json!(encoder.config());
        }
        if let Some(encoder) = &denoiser.class_encoder {
            networks["class_encoder"] = json!(encoder.config());
        }
        if let Some(paper) = &self.paper {
            networks["paper_encoder"] = paper.identity(denoiser.paper_encoder.as_ref());
        }
        // So are the names of what can be asked for, which pictures decide on.
        if self.spec.task.is_some() {
            networks["inputs"] = json!(self.studio.inputs);
        }
        networks
    }

    fn parameters(&self) -> usize {
        nn::parameter_count(self.learner.module())
    }

    fn load(&mut self, folder: &Path, state: &RunState) -> Result<(), TrainError> {
        let updates = state.updates.get("denoiser").copied().unwrap_or(0);
        self.learner.load(folder, "denoiser", updates)?;
        if self.tokenizer.is_some() {
            let tokenizer = ClipTokenizer::open(&folder.join("tokenizer"))?;
            self.tokenizer = Some(Arc::new(tokenizer));
            let (tokenizer, paper) = (&self.tokenizer, self.paper.as_ref());
            self.teller = teller(&self.studio, tokenizer, paper, &self.spec, &self.config);
        }
        if let Some(factor) = state.measured.get(FACTOR) {
            self.encoded.encoder.set_factor(*factor);
        }
        Ok(())
    }

    fn begin(&mut self, step: u64, reporter: &mut Reporter<'_>) -> Result<bool, TrainError> {
        for remark in self.remarks.drain(..) {
            reporter.warn(remark);
        }
        let preparation = self.preparation();
        let varies = self.studio.takes_mask() || self.teller.varies();
        if !self.encoded.begin(step, &preparation, varies, reporter)? {
            return Ok(false);
        }
        let hole = self.hole();
        let encoder = &mut self.encoded.encoder;
        self.blank = encoder.encode_blank(hole)?;
        encoder.keep();
        Ok(true)
    }

    fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        reporter: &mut Reporter<'_>,
    ) -> Result<Figures, TrainError> {
        self.encoded.advance(step, reporter)?;
        let passes = self.spec.accumulate;
        let mut loss = 0.0;
        let mut quarters = [(0.0_f32, 0_u32); QUARTERS];
        for pass in 0..u64::from(passes) {
            let ring = self.encoded.ring()?;
            let batch = self.batch(ring, step * u64::from(passes) + pass);
            let (errors, mean) = self.learn(&batch)?;
            for (error, step) in errors.into_iter().zip(&batch.steps) {
                let quarter = &mut quarters[step * QUARTERS / self.noising.steps()];
                quarter.0 += error;
                quarter.1 += 1;
            }
            loss += mean / passes as f32;
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
        if self.encoded.judged.is_empty() {
            return Ok(Vec::new());
        }
        let denoiser = self.learner.averaged();
        let device = self.device.clone().inner();
        let mean = |batch: &Batch| -> Result<f64, TrainError> {
            let errors = host(self.errors(&denoiser, batch, &device))?;
            Ok(errors.iter().map(|e| f64::from(*e)).sum::<f64>() / errors.len() as f64)
        };
        let batch = self.judged_batch();
        let name = self.encoded.pictures.figure("held_out_loss", "train_loss");
        let mut figures = vec![(name, mean(&batch)?)];
        // How much it listens to what it is told.
        if let Some(misled) = batch.misled() {
            let name = self
                .encoded
                .pictures
                .figure("held_out_loss_misled", "train_loss_misled");
            figures.push((name, mean(&misled)?));
        }
        Ok(figures)
    }

    fn sheet(&mut self) -> Result<RgbaImage, TrainError> {
        self.paint_sheet()
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.learner.save(folder, "denoiser")?;
        if let Some(tokenizer) = &self.tokenizer {
            tokenizer.save(&folder.join("tokenizer"))?;
        }
        Ok(())
    }

    fn updates(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("denoiser".to_owned(), self.learner.updates())])
    }

    fn measured(&self) -> BTreeMap<String, f64> {
        BTreeMap::from([(FACTOR.to_owned(), self.encoded.encoder.factor())])
    }

    fn first_stage(&self) -> Option<String> {
        self.encoded.digest.clone()
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.encoded.encoder.keep();
        let denoiser = self.learner.averaged();
        if let Some(paper) = &self.paper {
            return paper.export(folder, &denoiser.unet, denoiser.paper_encoder.as_ref());
        }
        let parts = ModelParts {
            unet: Some(&denoiser.unet),
            first_stage: Some(self.encoded.encoder.network()),
            first_stage_weights: self.first_stage_weights.as_ref(),
            first_stage_reference: self.first_stage_reference.as_ref(),
            text_encoder: denoiser.text_encoder.as_ref().or(self.frozen_text.as_ref()),
            layout_encoder: denoiser.layout_encoder.as_ref(),
            semantic_encoder: denoiser.semantic_encoder.as_ref(),
            class_encoder: denoiser.class_encoder.as_ref(),
            tokenizer: self.tokenizer.as_deref(),
            scheduler: Some(&self.scheduler),
            manifest: Some(&self.studio),
            ..Default::default()
        };
        ModelFolder::save(folder, &parts)?;
        Ok(())
    }
}
