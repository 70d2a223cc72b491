//! What a run begins with: noise, or a picture under noise; and what the
//! denoiser is shown of a mask.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::guidance::Guidance;
use super::kept::{Kept, Strengths, plane};
use super::sampler::Sampler;
use super::session::Told;
use super::spoken::Spoken;
use super::tensors::{extended, mask_planes, tensor_from_rgb};
use super::torch_random::TorchGenerator;
use super::{DiffusionError, GenerationRequest, LatentDiffusion};
use crate::model::LatentInfo;
use crate::model::conditioner::Asked;
use crate::model::windows::Windows;
use crate::recipe::{Latents, MaskConvention, MaskedContent};

/// The latents to begin with, and what stays around them for the whole run.
pub(super) struct Start {
    pub latents: Tensor<4>,
    /// Index of the first timestep.
    pub first: usize,
    pub told: Told,
    /// For denoisers that do not see masks, and for places that are not repainted as
    /// strongly as others: what is kept is put back after each step.
    pub kept: Option<Kept>,
    /// The windows in which the denoiser sees the latents, in turn.
    pub windows: Vec<Windows>,
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
        let LatentInfo { channels, factor } = model.model().latents();
        let up = |side: u32| (side as usize).div_ceil(factor) * factor;
        let size = [up(request.width_px), up(request.height_px)];
        let shape = [1, channels, size[1] / factor, size[0] / factor];
        let windows = request.canvas.windows([shape[3], shape[2]], factor);
        let first_stage = model.stage(request.canvas);
        let takes_mask = model.manifest().takes_mask();
        let convention = model.manifest().mask_convention();
        // Whether what is kept is left to a denoiser that sees the mask.
        let is_left = takes_mask && convention != Some(MaskConvention::KeptLatents);
        let init = request.init.as_ref().map(|init| {
            let whole = extended(init, size[0] as u32, size[1] as u32);
            tensor_from_rgb(&whole, device)
        });
        let mask = request.mask.as_ref();
        let mask = mask.map(|mask| mask_planes(mask, size, factor));
        let strengths = request.inpainting.strengths.as_ref();
        let strengths = strengths.zip(mask.as_ref());
        let strengths = strengths.and_then(|(map, mask)| Strengths::of(map, mask, is_left));
        let given = &request.given;
        given.check(shape)?;
        let begins_with_picture = init.is_some() || given.clean.is_some();
        let first = if begins_with_picture {
            first_index(request, sampler)?
        } else {
            0
        };
        // diffusers begins from pure noise only when it inpaints.
        let begins_with_noise =
            !begins_with_picture || ((mask.is_some() || takes_mask) && request.strength >= 1.0);
        let puts_back = mask.is_some() && (!is_left || strengths.is_some());
        let needs_clean = begins_with_picture && (!begins_with_noise || puts_back);
        let tensor = |given: &Arc<Latents>| {
            let data = TensorData::new(given.values.clone(), given.shape);
            Tensor::<4>::from_data(data, device)
        };
        let clean = match (&given.clean, &init) {
            _ if !needs_clean => None,
            (Some(given), _) => Some(tensor(given)),
            (None, Some(init)) => {
                let draw = &mut |shape| random.randn(shape, device);
                Some(first_stage.to_latents(init.clone(), draw))
            }
            (None, None) => None,
        };
        let noise = match &given.noise {
            Some(given) => tensor(given),
            None => {
                let values = random.normals(shape.iter().product());
                let values = match request.variation {
                    Some(variation) => variation.of(values, shape),
                    None => values,
                };
                Tensor::from_data(TensorData::new(values, shape), device)
            }
        };
        let mut draw = |shape: [usize; 4]| random.randn(shape, device);
        let latents = match &clean {
            Some(clean) if !begins_with_noise => {
                let content = request.inpainting.content;
                let begun = match &mask {
                    Some(mask) => masked_content(content, clean, &noise, &mask.latent),
                    None => clean.clone(),
                };
                sampler.grid().noised(begun, noise.clone(), first)
            }
            _ => noise.clone() * sampler.grid().init_noise_sigma(),
        };
        if mask.is_some() && !takes_mask {
            // Drawn for the masked picture even where it is not used, as in diffusers.
            draw(shape);
        }
        let spoken = Spoken::new(
            [&request.negative_prompt, &request.prompt],
            model.is_guided(request.guidance_scale),
            request.reading,
            (request.steps as usize).saturating_sub(first / sampler.grid().order()),
        );
        let is_guided = spoken.is_guided();
        let mut asked = Vec::from_iter(spoken.asked());
        // Nobody else looks at it, and it is as large as the picture.
        let nothing = || Tensor::zeros([1, 3, size[1], size[0]], device);
        let picture = mask.as_ref().map(|_| init.unwrap_or_else(nothing));
        if let (Some(mask), Some(picture)) = (&mask, &picture) {
            asked.push(Asked::Mask { picture, mask });
        }
        let conditions = &request.conditions;
        let regions = conditions.regions(model.manifest());
        let worded = (regions.as_slice(), request.reading);
        asked.extend(conditions.drawn(model.manifest(), worded, is_guided));
        let small_factor = model.manifest().low_resolution_factor().unwrap_or(1);
        let small = conditions.low_resolution.as_ref().map(|small| {
            let [width, height] = size.map(|side| side as u32 / small_factor);
            tensor_from_rgb(&extended(small, width, height), device)
        });
        if let Some(picture) = &small {
            asked.push(Asked::LowResolution { picture });
        }
        let bench = &mut model.bench(first_stage.as_ref(), size, &mut draw);
        let guidance = model.model().guidance(request.guidance_scale, device);
        let conditioning = model.model().told(&asked, bench).and(guidance);
        let told = spoken.told(conditioning, request.guidance_scale, model.model(), bench);
        let told = Told {
            guidance: Guidance {
                rescale: request.guidance_rescale,
                interval: request.guidance_interval,
                ..told.guidance
            },
            boxes: Some(model.boxes_in_turn(&windows, conditions, is_guided)),
            ..told
        };
        let kept = match (clean, &mask) {
            (Some(clean), Some(mask)) if puts_back => {
                let shares = strengths.as_ref().map_or(&mask.latent, |it| &it.0);
                Some(Kept::new(clean, noise, shares, first))
            }
            _ => None,
        };
        let latents = match &kept {
            // Places that are repainted less strongly do not begin yet, and a denoiser that
            // was trained to see what is kept sees it from the first step on.
            Some(kept) if strengths.is_some() || takes_mask => {
                kept.restored(latents, sampler, first)
            }
            _ => latents,
        };
        Ok(Self {
            latents,
            first,
            told,
            windows,
            kept,
        })
    }
}

/// What stands at the latents of the mask before the noise, as in A1111's web UI.
fn masked_content(
    content: MaskedContent,
    clean: &Tensor<4>,
    noise: &Tensor<4>,
    mask: &[f32],
) -> Tensor<4> {
    let mask = plane(mask, clean);
    let around = |mask: Tensor<4>| clean.clone() * (1.0 - mask);
    match content {
        MaskedContent::Original | MaskedContent::Fill => clean.clone(),
        MaskedContent::LatentNoise => around(mask.clone()) + noise.clone() * mask,
        MaskedContent::LatentNothing => around(mask),
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
    Ok(((steps - painted) * sampler.grid().order()).min(sampler.grid().timesteps().len() - 1))
}
