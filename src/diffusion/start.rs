//! What a run begins with: noise, or a picture under noise; and what the
//! denoiser is shown of a mask.

use burn::tensor::Tensor;

use super::sampler::Sampler;
use super::tensors::{LatentMask, extended, tensor_from_rgb};
use super::torch_random::TorchGenerator;
use super::{DiffusionError, GenerationRequest, LatentDiffusion};
use crate::model::{MaskConvention, UNetInput};

/// The latents to begin with, and what stays around them for the whole run.
pub(super) struct Start {
    pub latents: Tensor<4>,
    /// Index of the first timestep.
    pub first: usize,
    pub surroundings: Surroundings,
}

/// What is told of a picture and its mask besides the text: the same at every step.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// Extra channels by their groups, in the model's order, without the latents.
    mask: Option<Tensor<4>>,
    masked_image: Option<Tensor<4>>,
    /// For denoisers that do not see masks: what is kept is put back after each step.
    kept: Option<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    clean: Tensor<4>,
    noise: Tensor<4>,
    /// 1 where the picture is repainted.
    mask: Tensor<4>,
}

impl Surroundings {
    /// The latents among the other channels that a denoiser takes.
    ///
    /// # Shapes
    /// `[1, latent_channels, h, w]` to `[1, in_channels, h, w]`.
    pub fn around(&self, latents: &Tensor<4>, groups: &[UNetInput]) -> Tensor<4> {
        let channels = groups.iter().filter_map(|group| match group {
            UNetInput::Latent => Some(latents.clone()),
            UNetInput::Mask => self.mask.clone(),
            UNetInput::MaskedImage => self.masked_image.clone(),
        });
        Tensor::cat(channels.collect(), 1)
    }

    /// The latents with what is kept put back, at the noise of an index.
    pub fn restored(&self, latents: Tensor<4>, sampler: &dyn Sampler, index: usize) -> Tensor<4> {
        let Some(kept) = &self.kept else {
            return latents;
        };
        let around = if index == sampler.timesteps().len() {
            kept.clean.clone()
        } else {
            sampler.add_noise(kept.clean.clone(), kept.noise.clone(), index)
        };
        around * (1.0 - kept.mask.clone()) + latents * kept.mask.clone()
    }
}

impl Start {
    /// Random numbers are drawn in the order of diffusers' pipelines: for an
    /// input picture its latents, then the noise, then the latents of the
    /// masked picture.
    pub fn new(
        model: &LatentDiffusion,
        request: &GenerationRequest,
        sampler: &dyn Sampler,
        random: &mut TorchGenerator,
    ) -> Result<Self, DiffusionError> {
        let device = model.device();
        let config = model.autoencoder().config();
        let (factor, channels) = (config.downsampling(), config.latent_channels);
        let up = |side: u32| (side as usize).div_ceil(factor) * factor;
        let size = [up(request.width_px), up(request.height_px)];
        let shape = [1, channels, size[1] / factor, size[0] / factor];
        let inpaints = model.studio().inpaints();
        let init = request.init.as_ref().map(|init| {
            let whole = extended(init, size[0] as u32, size[1] as u32);
            tensor_from_rgb(&whole, device)
        });
        let mask = match &request.mask {
            Some(mask) => LatentMask::new(mask, size, factor, device),
            None => LatentMask::whole(size, factor, device),
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
            (Some(init), true) => Some(encode(model, init.clone(), random)),
            _ => None,
        };
        let noise = random.randn(shape, device);
        let latents = match &clean {
            Some(clean) if !begins_with_noise => {
                sampler.add_noise(clean.clone(), noise.clone(), first)
            }
            _ => noise.clone() * sampler.init_noise_sigma(),
        };
        let mut surroundings = Surroundings::default();
        if inpaints || has_mask {
            let picture = init.unwrap_or_else(|| Tensor::zeros([1, 3, size[1], size[0]], device));
            // Drawn even where it is not used, as in diffusers.
            let masked = encode(model, picture * mask.kept.clone(), random);
            if inpaints {
                surroundings.mask = Some(match model.studio().mask_convention {
                    MaskConvention::OneIsRepainted => mask.latent.clone(),
                    MaskConvention::OneIsKept => 1.0 - mask.latent.clone(),
                });
                surroundings.masked_image = Some(masked);
            }
        }
        if let (Some(clean), true, false) = (clean, has_mask, inpaints) {
            surroundings.kept = Some(Kept {
                clean,
                noise,
                mask: mask.latent,
            });
        }
        Ok(Self {
            latents,
            first,
            surroundings,
        })
    }
}

/// A sample of a picture's latents, as the denoiser wants them.
fn encode(model: &LatentDiffusion, image: Tensor<4>, random: &mut TorchGenerator) -> Tensor<4> {
    let posterior = model.autoencoder().encode(image);
    let noise = random.randn(posterior.mean.dims(), model.device());
    model.autoencoder().scale(posterior.sample(noise))
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
