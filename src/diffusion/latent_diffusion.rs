//! A whole model, ready to paint (Rombach et al. 2022, <https://arxiv.org/abs/2112.10752>).

use std::cell::OnceCell;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use image::{GrayImage, RgbImage};

use super::DiffusionError;
use super::pixels::{LatentMask, extended, host, rgb_from_planes, tensor_from_rgb};
use super::preview::{PreviewDecoder, thumbnail};
use super::sampler::{Sampler, SamplerOptions, sampler};
use super::scheduler_config::SchedulerConfig;
use super::torch_random::TorchGenerator;
use crate::model::{
    AutoencoderKl, ClipTextModel, ClipTokenizer, MaskConvention, ModelFolder, StudioConfig, UNet2d,
    UNetInput,
};
use crate::nn;
use crate::recipe::SamplerKind;

/// What to paint.
#[derive(Clone, Debug)]
pub struct GenerationRequest {
    /// What to paint.
    pub prompt: String,
    /// What to steer away from.
    pub negative_prompt: String,
    /// The sampler; `None` takes the model's own.
    pub sampler: Option<SamplerKind>,
    /// Karras noise levels; `None` takes the model's own choice.
    pub karras: Option<bool>,
    /// Number of steps.
    pub steps: u32,
    /// Scale of classifier-free guidance (Ho and Salimans 2022,
    /// <https://arxiv.org/abs/2207.12598>); up to 1 there is none.
    pub guidance_scale: f32,
    /// DDIM's η.
    pub eta: f32,
    /// Seed of all noise.
    pub seed: u64,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// How much of `init` is repainted, from 0 to 1.
    pub strength: f32,
    /// The picture to begin with, of the size of the job.
    pub init: Option<RgbImage>,
    /// Where it is repainted: 255 is yes. Of the size of the job.
    pub mask: Option<GrayImage>,
}

/// How a generation ended.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each picture, and nearly always the large one"
)]
pub enum GenerationOutcome {
    /// With a picture.
    Finished {
        /// The last latents, before the division by the scaling factor.
        ///
        /// # Shapes
        /// `[1, latent_channels, h, w]`.
        latents: Tensor<4>,
        /// The picture; with a mask it is not yet laid over the original.
        image: RgbImage,
    },
    /// The observer stopped it.
    Cancelled,
}

/// What can be seen after a step.
pub struct StepView<'a> {
    /// The step that was done, from 1.
    pub step: usize,
    /// Number of steps.
    pub total: usize,
    /// The clean latents as they look from here.
    ///
    /// # Shapes
    /// `[1, latent_channels, h, w]`.
    pub denoised: &'a Tensor<4>,
    model: &'a LatentDiffusion,
    size_px: [u32; 2],
    /// What a step took so far.
    step_secs: f64,
    /// Whether pictures come from the decoder itself: one way for all steps of
    /// a picture, because changing over would flicker.
    decodes: &'a OnceCell<bool>,
}

impl StepView<'_> {
    /// A quick picture of the clean latents, of the size of the job.
    ///
    /// # Errors
    /// If the device does not hand over the latents.
    pub fn preview(&self) -> Result<RgbImage, DiffusionError> {
        let picture = if self.decodes()? {
            let decoded = self.model.decoded(self.denoised.clone());
            let [_, _, height, width] = decoded.dims();
            rgb_from_planes(&host(decoded)?, width, height)
        } else {
            let decoder = self.model.preview_decoder()?;
            decoder.picture(self.denoised.clone())?
        };
        Ok(cropped(picture, self.size_px))
    }

    fn decodes(&self) -> Result<bool, DiffusionError> {
        if let Some(decodes) = self.decodes.get() {
            return Ok(*decodes);
        }
        let decoder = self.model.preview_decoder()?;
        let affords = decoder.affords_decoder(self.denoised, self.step_secs);
        Ok(*self.decodes.get_or_init(|| affords))
    }

    /// The quick picture as planes in [-1, 1] that stay on the device, for a
    /// window that draws from there, and a thumbnail of it with no side longer
    /// than `thumbnail_px`. Waits until the step is done.
    ///
    /// # Shapes
    /// `[1, 3, height, width]` of the job.
    ///
    /// # Errors
    /// If the device does not hand over the thumbnail.
    pub fn planes(&self, thumbnail_px: u32) -> Result<(Tensor<4>, RgbImage), DiffusionError> {
        let [width, height] = self.size_px.map(|side| side as usize);
        let planes = if self.decodes()? {
            self.model.decoded(self.denoised.clone())
        } else {
            self.model.preview_decoder()?.planes(self.denoised.clone())
        };
        let planes = planes.slice([0..1, 0..3, 0..height, 0..width]);
        let small = thumbnail(planes.clone(), thumbnail_px)?;
        Ok((planes, small))
    }
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
}

/// The latents to begin with, and what the denoiser is told besides the text.
struct Start {
    latents: Tensor<4>,
    /// Index of the first timestep.
    first: usize,
    /// Extra channels by their groups, in the model's order, without the latents.
    mask: Option<Tensor<4>>,
    masked_image: Option<Tensor<4>>,
    /// For denoisers that do not see masks: what is kept is put back after each step.
    kept: Option<Kept>,
}

struct Kept {
    clean: Tensor<4>,
    noise: Tensor<4>,
    /// 1 where the picture is repainted.
    mask: Tensor<4>,
}

impl LatentDiffusion {
    /// Reads all parts of a model.
    ///
    /// # Errors
    /// If a part is missing or damaged, or they do not fit together.
    pub fn load(folder: &ModelFolder, device: &Device) -> Result<Self, DiffusionError> {
        let model = Self {
            device: device.clone(),
            unet: folder.load_unet(device)?,
            autoencoder: folder.load_autoencoder(device)?,
            text_encoder: folder.load_text_encoder(device)?,
            tokenizer: folder.tokenizer()?,
            scheduler: SchedulerConfig::from_json(&folder.scheduler_config())?,
            studio: folder.studio(),
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
    pub fn default_sampler(&self) -> SamplerKind {
        self.scheduler.default_sampler()
    }

    /// Whether the model's folder asks for Karras noise levels.
    pub fn default_karras(&self) -> bool {
        self.scheduler.use_karras_sigmas
    }

    /// Weights of all networks.
    pub fn parameter_count(&self) -> usize {
        nn::parameter_count(&self.unet)
            + nn::parameter_count(&self.autoencoder)
            + nn::parameter_count(&self.text_encoder)
    }

    fn preview_decoder(&self) -> Result<&PreviewDecoder, DiffusionError> {
        if let Some(decoder) = self.preview.get() {
            return Ok(decoder);
        }
        let decoder = PreviewDecoder::fit(&self.autoencoder, &self.device)?;
        Ok(self.preview.get_or_init(|| decoder))
    }

    /// Paints a picture; `observe` sees every step and may stop it.
    ///
    /// Sizes that are no multiple of [`Self::size_multiple_px`] are painted
    /// larger and cut. Random numbers are drawn in the order of diffusers'
    /// pipelines: for an input picture its latents, then the noise, then the
    /// latents of the masked picture.
    ///
    /// # Errors
    /// If the request does not fit the model, or the result is not finite.
    pub fn generate(
        &self,
        request: &GenerationRequest,
        observe: &mut dyn FnMut(StepView<'_>) -> ControlFlow<()>,
    ) -> Result<GenerationOutcome, DiffusionError> {
        check_sizes(request)?;
        let kind = request.sampler.unwrap_or_else(|| self.default_sampler());
        let options = SamplerOptions {
            steps: request.steps as usize,
            karras: request.karras.unwrap_or_else(|| self.default_karras()),
            eta: request.eta,
        };
        let inpaints = self.studio.inpaints() || request.mask.is_some();
        let config = self.scheduler.corrected(kind, inpaints);
        let mut sampler = sampler(kind, &config, options)?;
        let mut random = TorchGenerator::new(request.seed);
        let start = self.start(request, sampler.as_ref(), &mut random)?;
        let is_guided = request.guidance_scale > 1.0;
        let context = self.context(request, is_guided);

        let evaluations = sampler.timesteps().len();
        let order = sampler.order();
        let kept_steps = (request.steps as usize).saturating_sub(start.first / order);
        // Methods that prepare themselves do so within their first step.
        let warm_up = (evaluations - start.first).saturating_sub(kept_steps * order);
        let mut latents = start.latents.clone();
        let decodes = OnceCell::new();
        let started = Instant::now();
        let mut step = 0;
        for index in start.first..evaluations {
            let input = sampler.scale_model_input(latents.clone(), index);
            let said = self.denoise(
                &start,
                &input,
                sampler.timesteps()[index],
                &context,
                request,
            );
            let result = sampler.step(index, said, latents, &mut random);
            latents = result.sample;
            let is_last = index + 1 == evaluations;
            if let Some(kept) = &start.kept {
                let around = if is_last {
                    kept.clean.clone()
                } else {
                    sampler.add_noise(kept.clean.clone(), kept.noise.clone(), index + 1)
                };
                latents = around * (1.0 - kept.mask.clone()) + latents * kept.mask.clone();
            }
            let done = index + 1 - start.first;
            if !is_last && (done <= warm_up || done % order != 0) {
                continue;
            }
            step += 1;
            let view = StepView {
                step,
                total: kept_steps.max(step),
                denoised: &result.denoised,
                model: self,
                size_px: [request.width_px, request.height_px],
                step_secs: started.elapsed().as_secs_f64() / step as f64,
                decodes: &decodes,
            };
            if observe(view).is_break() {
                return Ok(GenerationOutcome::Cancelled);
            }
        }
        let image = self.decode(latents.clone(), step)?;
        let image = cropped(image, [request.width_px, request.height_px]);
        Ok(GenerationOutcome::Finished { latents, image })
    }

    /// The picture of latents, left on the device as planes of about [-1, 1].
    fn decoded(&self, latents: Tensor<4>) -> Tensor<4> {
        self.autoencoder.decode(self.autoencoder.unscale(latents))
    }

    /// The picture of latents.
    fn decode(&self, latents: Tensor<4>, step: usize) -> Result<RgbImage, DiffusionError> {
        let decoded = self.decoded(latents);
        let [_, _, height, width] = decoded.dims();
        let values = host(decoded)?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(DiffusionError::NotFinite { step });
        }
        Ok(rgb_from_planes(&values, width, height))
    }

    /// The text as the denoiser gets it; with guidance the negative one first.
    ///
    /// # Shapes
    /// `[1 or 2, tokens, cross_attention_dim]`.
    fn context(&self, request: &GenerationRequest, is_guided: bool) -> Tensor<3> {
        let mut tokens = Vec::new();
        if is_guided {
            tokens.extend(self.tokenizer.encode(&request.negative_prompt));
        }
        tokens.extend(self.tokenizer.encode(&request.prompt));
        let tokens: Vec<i32> = tokens.into_iter().map(|token| token as i32).collect();
        let rows = 1 + usize::from(is_guided);
        let data = TensorData::new(tokens.clone(), [rows, tokens.len() / rows]);
        self.text_encoder
            .forward(Tensor::<2, Int>::from_data(data, &self.device))
    }

    /// What the denoiser says of latents, with guidance.
    fn denoise(
        &self,
        start: &Start,
        input: &Tensor<4>,
        timestep: f64,
        context: &Tensor<3>,
        request: &GenerationRequest,
    ) -> Tensor<4> {
        let groups = self
            .studio
            .unet_input
            .iter()
            .filter_map(|group| match group {
                UNetInput::Latent => Some(input.clone()),
                UNetInput::Mask => start.mask.clone(),
                UNetInput::MaskedImage => start.masked_image.clone(),
            });
        let input = Tensor::cat(groups.collect(), 1);
        let rows = context.dims()[0];
        let timestep = Tensor::<1>::from_data([timestep as f32], &self.device);
        if rows == 1 {
            return self.unet.forward(input, timestep, context.clone());
        }
        let both = Tensor::cat(vec![input.clone(), input], 0);
        let said = self.unet.forward(both, timestep, context.clone());
        let (free, told) = (said.clone().narrow(0, 0, 1), said.narrow(0, 1, 1));
        free.clone() + (told - free) * request.guidance_scale
    }

    /// Latents, masks and masked latents to begin with.
    fn start(
        &self,
        request: &GenerationRequest,
        sampler: &dyn Sampler,
        random: &mut TorchGenerator,
    ) -> Result<Start, DiffusionError> {
        let factor = self.autoencoder.config().downsampling();
        let channels = self.autoencoder.config().latent_channels;
        let up = |side: u32| (side as usize).div_ceil(factor) * factor;
        let size = [up(request.width_px), up(request.height_px)];
        let shape = [1, channels, size[1] / factor, size[0] / factor];
        let inpaints = self.studio.inpaints();
        let init = request.init.as_ref().map(|init| {
            tensor_from_rgb(
                &extended(init, size[0] as u32, size[1] as u32),
                &self.device,
            )
        });
        let mask = match &request.mask {
            Some(mask) => LatentMask::new(mask, size, factor, &self.device),
            None => LatentMask::whole(size, factor, &self.device),
        };
        let has_mask = request.mask.is_some();
        let first = match &init {
            Some(_) => first_index(request, sampler)?,
            None => 0,
        };
        // diffusers begins from pure noise only when it inpaints.
        let begins_with_noise =
            init.is_none() || ((has_mask || inpaints) && request.strength >= 1.0);
        let needs_clean = init.is_some() && (!begins_with_noise || (has_mask && !inpaints));
        let clean = match (&init, needs_clean) {
            (Some(init), true) => Some(self.encode(init.clone(), random)),
            _ => None,
        };
        let noise = random.randn(shape, &self.device);
        let latents = match &clean {
            Some(clean) if !begins_with_noise => {
                sampler.add_noise(clean.clone(), noise.clone(), first)
            }
            _ => noise.clone() * sampler.init_noise_sigma(),
        };
        let mut start = Start {
            latents,
            first,
            mask: None,
            masked_image: None,
            kept: None,
        };
        if inpaints || has_mask {
            let picture =
                init.unwrap_or_else(|| Tensor::zeros([1, 3, size[1], size[0]], &self.device));
            // Drawn even where it is not used, as in diffusers.
            let masked = self.encode(picture * mask.kept.clone(), random);
            if inpaints {
                start.mask = Some(match self.studio.mask_convention {
                    MaskConvention::OneIsRepainted => mask.latent.clone(),
                    MaskConvention::OneIsKept => 1.0 - mask.latent.clone(),
                });
                start.masked_image = Some(masked);
            }
        }
        if let (Some(clean), true, false) = (clean, has_mask, inpaints) {
            start.kept = Some(Kept {
                clean,
                noise,
                mask: mask.latent,
            });
        }
        Ok(start)
    }

    /// A sample of a picture's latents, as the denoiser wants them.
    fn encode(&self, image: Tensor<4>, random: &mut TorchGenerator) -> Tensor<4> {
        let posterior = self.autoencoder.encode(image);
        let noise = random.randn(posterior.mean.dims(), &self.device);
        self.autoencoder.scale(posterior.sample(noise))
    }
}

/// The index of the first timestep of a run that begins with a picture.
fn first_index(
    request: &GenerationRequest,
    sampler: &dyn Sampler,
) -> Result<usize, DiffusionError> {
    // Through decimals, so that 0.7 · 10 is 7 as in Python.
    let strength = (f64::from(request.strength) * 1e6).round() / 1e6;
    let steps = request.steps as usize;
    let painted = ((steps as f64 * strength) as usize).min(steps);
    if painted == 0 {
        return Err(DiffusionError::Strength {
            strength: request.strength,
            steps: request.steps,
        });
    }
    Ok(((steps - painted) * sampler.order()).min(sampler.timesteps().len() - 1))
}

fn check_sizes(request: &GenerationRequest) -> Result<(), DiffusionError> {
    let wanted_px = [request.width_px, request.height_px];
    let pictures = [
        (
            "picture",
            request.init.as_ref().map(|image| image.dimensions()),
        ),
        ("mask", request.mask.as_ref().map(|mask| mask.dimensions())),
    ];
    for (what, found) in pictures {
        if let Some(found) = found
            && <[u32; 2]>::from(found) != wanted_px
        {
            return Err(DiffusionError::Size {
                what,
                found_px: found.into(),
                wanted_px,
            });
        }
    }
    Ok(())
}

fn cropped(image: RgbImage, [width, height]: [u32; 2]) -> RgbImage {
    if image.dimensions() == (width, height) {
        return image;
    }
    image::imageops::crop_imm(&image, 0, 0, width, height).to_image()
}
