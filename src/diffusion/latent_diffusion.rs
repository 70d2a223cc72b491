//! A whole model, ready to paint (Rombach et al. 2022, <https://arxiv.org/abs/2112.10752>).

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};
use image::RgbImage;

use super::guidance::Guidance;
use super::preview::{PreviewDecoder, affords_decoder};
use super::sampler::SamplerInfo;
use super::scheduler_config::SchedulerConfig;
use super::session::{Session, Told};
use super::step_view::StepView;
use super::tensors::host;
use super::{Canvas, DiffusionError, GenerationOutcome, GenerationRequest};
use crate::model::conditioner::{Asked, Bench, Conditioning, TextReader};
use crate::model::weights::Fingerprint;
use crate::model::{Additions, FirstStage, LayoutPrior, Manifest, Model, ModelFolder};
use crate::pixels;
use crate::recipe::Schedule;
use crate::recipe::prompt::TextReading;

/// A model that is loaded on a device, with the noise that it was trained on.
pub struct LatentDiffusion {
    device: Device,
    model: Model,
    scheduler: SchedulerConfig,
    preview: Arc<OnceLock<PreviewDecoder>>,
    /// By which the decoder is known, for which a preview was fitted once.
    first_stage_files: Vec<PathBuf>,
    /// Shows steps instead, if there is one.
    preview_stage: Option<Box<dyn FirstStage>>,
    /// Places boxes for words, if the model can.
    layout_prior: Option<Arc<LayoutPrior>>,
    /// Multiply-adds of a pass through the denoiser, for each place of the latents.
    denoiser_work: f64,
    /// The same of the decoder.
    decoder_work: f64,
}

impl LatentDiffusion {
    /// Reads all parts of a model.
    ///
    /// # Errors
    /// If a part is missing or damaged, or they do not fit together.
    pub fn load(folder: &ModelFolder, device: &Device) -> Result<Self, DiffusionError> {
        let model = Model::load(folder, device)?;
        let scheduler = SchedulerConfig::from_json(&folder.scheduler_config())?;
        Ok(Self {
            first_stage_files: folder.first_stage_files(),
            layout_prior: folder.load_layout_prior()?.map(Arc::new),
            ..Self::new(model, scheduler, device)
        })
    }

    /// A model whose parts are there already, such as those in training.
    pub fn new(model: Model, scheduler: SchedulerConfig, device: &Device) -> Self {
        Self {
            device: device.clone(),
            denoiser_work: model.denoiser_work(),
            decoder_work: model.first_stage().decoder_work(),
            model,
            scheduler,
            preview: Arc::default(),
            first_stage_files: Vec::new(),
            preview_stage: None,
            layout_prior: None,
        }
    }

    /// The model with some additions; what they do not change is shared.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn with(&self, mut additions: Additions) -> Result<Self, DiffusionError> {
        let has_first_stage =
            additions.first_stage.is_some() || additions.first_stage_path.is_some();
        let preview_stage = additions.preview.take();
        let model = self.model.with(additions)?;
        let anew = Self {
            layout_prior: self.layout_prior.clone(),
            ..Self::new(model, self.scheduler.clone(), &self.device)
        };
        if has_first_stage {
            return Ok(Self {
                preview_stage,
                ..anew
            });
        }
        Ok(Self {
            preview: Arc::clone(&self.preview),
            first_stage_files: self.first_stage_files.clone(),
            preview_stage,
            ..anew
        })
    }

    /// What can be asked of the model, and how it is used.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// The networks.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Sizes that this number divides need no padding.
    pub fn size_multiple_px(&self) -> u32 {
        self.model.latents().factor as u32
    }

    /// The sampler that the model's folder names.
    pub fn default_sampler(&self) -> &'static SamplerInfo {
        self.scheduler.default_sampler()
    }

    /// How the model's folder asks noise levels to be spread.
    pub fn default_schedule(&self) -> Schedule {
        self.scheduler.schedule()
    }

    /// What the model's folder asks for and is done otherwise, as sentences.
    pub fn warnings(&self) -> &[String] {
        &self.scheduler.warnings
    }

    /// Whether the denoiser is asked once more at each step, for what to steer away from.
    pub fn is_guided(&self, guidance_scale: f32) -> bool {
        guidance_scale > 1.0 && !self.model.embeds_guidance()
    }

    /// What reads words, if the model is told of them.
    pub fn reader(&self) -> Option<&TextReader> {
        self.model.reader()
    }

    /// What places boxes for words, if the model can.
    pub fn layout_prior(&self) -> Option<&LayoutPrior> {
        self.layout_prior.as_deref()
    }

    /// Layers of the network that reads words, if there is one.
    pub fn text_layers(&self) -> Option<usize> {
        self.model.text_layers()
    }

    /// Weights of all networks.
    pub fn parameter_count(&self) -> usize {
        let prior = self.layout_prior().map_or(0, LayoutPrior::parameter_count);
        self.model.parameter_count() + prior
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn scheduler(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    pub(super) fn preview_decoder(&self) -> Result<&PreviewDecoder, DiffusionError> {
        if let Some(decoder) = self.preview.get() {
            return Ok(decoder);
        }
        let seen = Fingerprint::of(&self.first_stage_files);
        let decoder = match PreviewDecoder::recalled(self.model.latents(), seen.as_ref()) {
            Some(known) => known,
            None => {
                let stage = self.model.present_first_stage()?;
                PreviewDecoder::of(stage.as_ref(), &self.device, seen.as_ref())?
            }
        };
        Ok(self.preview.get_or_init(|| decoder))
    }

    /// Makes ready what steps are shown by, where that asks the first stage: best before
    /// the denoiser is read that would have to make room for it.
    ///
    /// # Errors
    /// If the first stage cannot be read.
    pub fn prepare_previews(&self) -> Result<(), DiffusionError> {
        if self.model.is_in_turn() && self.preview_stage.is_none() {
            self.preview_decoder()?;
        }
        Ok(())
    }

    /// What shows steps in place of the decoder and its stand-in.
    pub(super) fn preview_stage(&self) -> Option<&dyn FirstStage> {
        self.preview_stage.as_deref()
    }

    /// Whether the decoder itself may show steps of so many passes through the
    /// denoiser, for latents of so many places.
    pub(super) fn affords_decoder(&self, places: usize, passes: usize) -> bool {
        let is_alone = self.model.is_in_turn();
        !is_alone
            && affords_decoder(
                self.decoder_work * places as f64,
                self.denoiser_work * (places * passes) as f64,
            )
    }

    /// Paints a picture; `observe` sees every step and may stop it. A
    /// [`Session`] does the same step by step.
    ///
    /// Sizes that are no multiple of [`Self::size_multiple_px`] are painted
    /// larger and cut.
    ///
    /// # Errors
    /// If the request does not fit the model, or the result is not finite.
    pub fn generate(
        &self,
        request: &GenerationRequest,
        observe: &mut dyn FnMut(StepView<'_>) -> ControlFlow<()>,
    ) -> Result<GenerationOutcome, DiffusionError> {
        let mut session = Session::new(self, request)?;
        while let Some(view) = session.step()? {
            if observe(view).is_break() {
                return Ok(GenerationOutcome::Cancelled);
            }
        }
        let image = session.picture()?;
        let latents = session.state().latents;
        Ok(GenerationOutcome::Finished { latents, image })
    }

    /// What to tell the denoiser of words that stay the same, for pictures of its own size: with a guidance of more
    /// than 1 it is asked of both texts. [`Session::tell`] takes it.
    pub fn told_of(&self, prompt: &str, negative_prompt: &str, guidance_scale: f32) -> Told {
        let negative = self.is_guided(guidance_scale).then_some(negative_prompt);
        let asked = Asked::Text {
            prompt,
            negative,
            reading: TextReading::default(),
        };
        // Words need no noise.
        let noise = &mut |shape: [usize; 4]| self.blank(shape);
        let side = self.manifest().resolution_px as usize;
        let bench = &mut self.bench(self.model.first_stage(), [side; 2], noise);
        Told {
            conditioning: self
                .model
                .told_of(&asked, bench)
                .and(self.model.guidance(guidance_scale, &self.device)),
            guidance: Guidance::of(guidance_scale),
            later: Vec::new(),
            boxes: None,
        }
    }

    /// Zeros.
    pub(super) fn blank(&self, shape: [usize; 4]) -> Tensor<4> {
        Tensor::zeros(shape, &self.device)
    }

    pub(super) fn bench<'a>(
        &'a self,
        first_stage: &'a dyn FirstStage,
        size_px: [usize; 2],
        noise: &'a mut dyn FnMut([usize; 4]) -> Tensor<4>,
    ) -> Bench<'a> {
        Bench {
            first_stage,
            size_px,
            noise,
            device: &self.device,
        }
    }

    /// What the denoiser says, with guidance: by Liu et al. 2022, equation 11, where a
    /// prompt joins several texts.
    ///
    /// # Shapes
    /// `[1, latent_channels, h, w]` to the same.
    pub(super) fn said(
        &self,
        latents: &Tensor<4>,
        timestep: f64,
        told: &Conditioning,
        guidance: &Guidance,
    ) -> Tensor<4> {
        let heard = told.heard_at(timestep / self.scheduler.num_train_timesteps as f64);
        let heard = match guidance.asks_once() {
            true => Cow::Owned(heard.branch(heard.rows() - 1)),
            false => heard,
        };
        let timestep = Tensor::<1>::from_data([timestep as f32], &self.device);
        let said = self.model.said(latents, timestep.clone(), &heard);
        if heard.rows() == 1 {
            return said;
        }
        let (free, told_of) = (said.clone().narrow(0, 0, 1), said.narrow(0, 1, 1));
        let (away, told_of) = match guidance.weights.split_first() {
            None => (told_of.clone() - free.clone(), told_of),
            Some((first, others)) => {
                let first = (told_of - free.clone()) * *first;
                let others = heard.further().zip(others);
                let away = others.fold(first, |away, (told, weight)| {
                    let said = self.model.said(latents, timestep.clone(), &told);
                    away + (said - free.clone()) * *weight
                });
                (away.clone(), free.clone() + away)
            }
        };
        guidance.guided(free, away, &told_of)
    }

    /// The picture of latents, left on the device as planes of about [-1, 1].
    pub(super) fn decoded(&self, latents: Tensor<4>, canvas: Canvas) -> Tensor<4> {
        self.stage(canvas).to_pictures(latents)
    }

    /// The picture of latents; `None` if its numbers are none.
    pub(super) fn picture(
        &self,
        latents: Tensor<4>,
        canvas: Canvas,
    ) -> Result<Option<RgbImage>, DiffusionError> {
        let decoded = self.decoded(latents, canvas);
        let [_, _, height, width] = decoded.dims();
        let values = host(decoded)?;
        let is_finite = values.iter().all(|value| value.is_finite());
        Ok(is_finite.then(|| pixels::picture(&values, width, height)))
    }
}
