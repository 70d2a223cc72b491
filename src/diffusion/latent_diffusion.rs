//! A whole model, ready to paint (Rombach et al. 2022, <https://arxiv.org/abs/2112.10752>).

use std::ops::ControlFlow;
use std::sync::OnceLock;

use burn::tensor::{Device, Int, Tensor, TensorData};
use image::RgbImage;

use super::preview::{PreviewDecoder, affords_decoder};
use super::prompt::unread;
use super::sampler::SamplerInfo;
use super::scheduler_config::SchedulerConfig;
use super::session::{Conditioning, Session};
use super::step_view::StepView;
use super::tensors::host;
use super::work::{decoder_work, denoiser_work};
use super::{DiffusionError, GenerationOutcome, GenerationRequest};
use crate::model::{
    AutoencoderKl, ClipTextModel, ClipTokenizer, ModelFolder, StudioConfig, UNet2d,
};
use crate::{nn, pixels};

/// The networks of a model, on one device.
pub struct Networks {
    /// The denoiser.
    pub unet: UNet2d,
    /// Between pictures and latents.
    pub autoencoder: AutoencoderKl,
    /// From tokens to what the denoiser is told.
    pub text_encoder: ClipTextModel,
    /// From words to tokens.
    pub tokenizer: ClipTokenizer,
}

/// A model that is loaded on a device.
pub struct LatentDiffusion {
    device: Device,
    unet: UNet2d,
    autoencoder: AutoencoderKl,
    text_encoder: ClipTextModel,
    tokenizer: ClipTokenizer,
    scheduler: SchedulerConfig,
    studio: StudioConfig,
    preview: OnceLock<PreviewDecoder>,
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
        let networks = Networks {
            unet: folder.load_unet(device)?,
            autoencoder: folder.load_autoencoder(device)?,
            text_encoder: folder.load_text_encoder(device)?,
            tokenizer: folder.tokenizer()?,
        };
        let scheduler = SchedulerConfig::from_json(&folder.scheduler_config())?;
        Self::new(networks, scheduler, folder.studio(), device)
    }

    /// A model of parts that are there already, such as those in training.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn new(
        networks: Networks,
        scheduler: SchedulerConfig,
        studio: StudioConfig,
        device: &Device,
    ) -> Result<Self, DiffusionError> {
        let Networks {
            unet,
            autoencoder,
            text_encoder,
            tokenizer,
        } = networks;
        let model = Self {
            device: device.clone(),
            denoiser_work: denoiser_work(&unet),
            decoder_work: decoder_work(&autoencoder),
            unet,
            autoencoder,
            text_encoder,
            tokenizer,
            scheduler,
            studio,
            preview: OnceLock::new(),
        };
        let (told, made) = (
            model.unet.config().out_channels,
            model.autoencoder.config().latent_channels,
        );
        if told != made {
            return Err(DiffusionError::Parts(format!(
                "the denoiser answers in {told} channels, but latents have {made}"
            )));
        }
        if model.tokenizer.vocab_size() > model.text_encoder.config().vocab_size {
            return Err(DiffusionError::Parts(
                "the tokenizer knows more tokens than the text encoder".to_owned(),
            ));
        }
        Ok(model)
    }

    /// How the studio uses the model.
    pub fn studio(&self) -> &StudioConfig {
        &self.studio
    }

    /// The autoencoder.
    pub fn autoencoder(&self) -> &AutoencoderKl {
        &self.autoencoder
    }

    /// Sizes that this number divides need no padding.
    pub fn size_multiple_px(&self) -> u32 {
        self.autoencoder.config().downsampling() as u32
    }

    /// The sampler that the model's folder names.
    pub fn default_sampler(&self) -> &'static SamplerInfo {
        self.scheduler.default_sampler()
    }

    /// Whether the model's folder asks for Karras noise levels.
    pub fn default_karras(&self) -> bool {
        self.scheduler.use_karras_sigmas
    }

    /// What the model's folder asks for and is done otherwise, as sentences.
    pub fn warnings(&self) -> &[String] {
        &self.scheduler.warnings
    }

    /// The end of a text that the model does not read, because it reads no more
    /// than so many tokens; empty when all of it fits.
    pub fn unread<'a>(&self, text: &'a str) -> &'a str {
        unread(&self.tokenizer, text)
    }

    /// Weights of all networks.
    pub fn parameter_count(&self) -> usize {
        nn::parameter_count(&self.unet)
            + nn::parameter_count(&self.autoencoder)
            + nn::parameter_count(&self.text_encoder)
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
        let decoder = PreviewDecoder::fit(&self.autoencoder, &self.device)?;
        Ok(self.preview.get_or_init(|| decoder))
    }

    /// Whether the decoder itself may show steps of so many passes through the
    /// denoiser, for latents of so many places.
    pub(super) fn affords_decoder(&self, places: usize, passes: usize) -> bool {
        affords_decoder(
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

    /// What to tell the denoiser: with a guidance of more than 1 it is asked of
    /// both texts.
    pub fn conditioning(
        &self,
        prompt: &str,
        negative_prompt: &str,
        guidance_scale: f32,
    ) -> Conditioning {
        let is_guided = guidance_scale > 1.0;
        let mut tokens = Vec::new();
        if is_guided {
            tokens.extend(self.tokenizer.encode(negative_prompt));
        }
        tokens.extend(self.tokenizer.encode(prompt));
        let tokens: Vec<i32> = tokens.into_iter().map(|token| token as i32).collect();
        let rows = 1 + usize::from(is_guided);
        let data = TensorData::new(tokens.clone(), [rows, tokens.len() / rows]);
        let tokens = Tensor::<2, Int>::from_data(data, &self.device);
        Conditioning {
            context: self.text_encoder.forward(tokens),
            guidance_scale,
        }
    }

    /// What the denoiser says, with guidance.
    ///
    /// # Shapes
    /// `[1, in_channels, h, w]` to `[1, latent_channels, h, w]`.
    pub(super) fn said(&self, input: Tensor<4>, timestep: f64, told: &Conditioning) -> Tensor<4> {
        let context = told.context.clone();
        let timestep = Tensor::<1>::from_data([timestep as f32], &self.device);
        if context.dims()[0] == 1 {
            return self.unet.forward(input, timestep, context);
        }
        let both = Tensor::cat(vec![input.clone(), input], 0);
        let said = self.unet.forward(both, timestep, context);
        let (free, told_of) = (said.clone().narrow(0, 0, 1), said.narrow(0, 1, 1));
        free.clone() + (told_of - free) * told.guidance_scale
    }

    /// The picture of latents, left on the device as planes of about [-1, 1].
    pub(super) fn decoded(&self, latents: Tensor<4>) -> Tensor<4> {
        self.autoencoder.decode(self.autoencoder.unscale(latents))
    }

    /// The picture of latents; `None` if its numbers are none.
    pub(super) fn picture(&self, latents: Tensor<4>) -> Result<Option<RgbImage>, DiffusionError> {
        let decoded = self.decoded(latents);
        let [_, _, height, width] = decoded.dims();
        let values = host(decoded)?;
        let is_finite = values.iter().all(|value| value.is_finite());
        Ok(is_finite.then(|| pixels::picture(&values, width, height)))
    }
}
