//! A picture that pulls a run towards itself, through the decoder's gradient (Rombach
//! et al. 2022, <https://arxiv.org/abs/2112.10752>, §C): for any model, without training.
//!
//! At every evaluation the clean latents ẑ₀, as they look from there, are decoded, and
//! what counts of the picture, φ, is compared with that of the guide, y. The paper adds
//! √(1 − ᾱ) ∇ ½‖φ(D(ẑ₀)) − y‖² to the noise ε, where ∇ is by the noisy latents. Two
//! things make it tame:
//!
//! - The gradient g is taken by ẑ₀ only. How ẑ₀ depends on the noisy latents, for which
//!   the denoiser would have to be differentiated too, is taken from the best denoiser
//!   of latents of unit variance: ∂ẑ₀/∂z = √ᾱ. In all, ẑ₀ moves by −(1 − ᾱ) g: as far as
//!   it is still unknown.
//! - The gradient is measured by the step that would go nearest to the guide if all
//!   between were linear (Cauchy's step), ‖g‖² / ‖∂φ g‖². So one scale suits every
//!   model, kind and size.

mod class;
mod target;

use burn::tensor::Tensor;
use image::RgbaImage;

pub use self::class::ClassGuide;
pub(super) use self::class::Lead;
use self::target::Target;
use super::prediction::PredictionType;
use super::sampler::Sampler;
use super::tensors::host;
use super::{Canvas, DiffusionError, LatentDiffusion};
use crate::model::windows::Windows;
use crate::model::{FirstStage, gradient_parts};
use crate::nn::ops;
use crate::recipe::GuideKind;

/// What a run is pulled towards.
#[derive(Clone, Debug, PartialEq)]
pub struct Guide {
    /// The picture; what is transparent is free. Strokes and edges have the size of the
    /// job, a picture in small has any that is not larger.
    pub picture: RgbaImage,
    /// What of it counts.
    pub kind: GuideKind,
    /// How far it pulls: 1 as near as one step along the gradient comes where nothing is
    /// known yet, 0 not at all.
    pub scale: f32,
}

/// How far latents are moved to measure what follows from it, as the root of the mean
/// square.
const PROBE: f64 = 0.05;

/// A guide of a run.
#[derive(Debug)]
pub(super) struct Pull {
    target: Target,
    /// Makes pictures, part by part where they are large.
    stage: Box<dyn FirstStage>,
    /// The same for gradients.
    differentiable: Box<dyn FirstStage>,
    /// The parts in which gradients are taken.
    parts: Windows,
    scale: f64,
    prediction: PredictionType,
    /// √ᾱ and √(1 − ᾱ) at every index of the sampler.
    levels: Vec<[f64; 2]>,
}

impl Pull {
    /// For a run of a model. Of the picture, which has so many pixels, the latents may
    /// reach over the edges; there everything is free.
    ///
    /// # Errors
    /// If the guide does not suit the picture, or the device fails.
    pub fn new(
        model: &LatentDiffusion,
        guide: &Guide,
        (size_px, canvas): ([u32; 2], Canvas),
        sampler: &dyn Sampler,
        prediction: PredictionType,
    ) -> Result<Self, DiffusionError> {
        let device = model.device();
        let stage = model.model().first_stage();
        let factor = stage.info().factor;
        let size = size_px.map(|side| (side as usize).div_ceil(factor));
        Ok(Self {
            target: Target::new(guide, size_px, size.map(|side| side * factor), device)?,
            stage: model.stage(canvas),
            differentiable: stage.differentiable(),
            parts: gradient_parts(stage, size, canvas.wraps),
            scale: f64::from(guide.scale),
            prediction,
            levels: levels_of(model, sampler)?,
        })
    }

    /// What the denoiser said of what it has seen at an index, pulled towards the guide.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Shapes
    /// `said` and `seen`: the same; the result too.
    pub fn pulled(
        &self,
        said: Tensor<4>,
        seen: Tensor<4>,
        index: usize,
    ) -> Result<Tensor<4>, DiffusionError> {
        let [signal, sigma] = self.levels[index];
        let clean = self.prediction.clean([signal, sigma], &said, seen);
        let picture = self.stage.to_pictures(clean.clone());
        let (direction, here) = self.target.direction(picture);
        let gradient = self.gradient(&clean, &direction);
        let square = square_of(&gradient)?;
        let count = clean.shape().num_elements() as f64;
        let probe = PROBE * (count / square).sqrt();
        if !probe.is_finite() {
            return Ok(said);
        }
        let ahead = clean + gradient.clone() * probe;
        let there = self.target.features(self.stage.to_pictures(ahead));
        let change = square_of(&(there - here))? / (probe * probe);
        let step = self.scale * sigma * sigma * square / change;
        if !step.is_finite() {
            return Ok(said);
        }
        Ok(self
            .prediction
            .moved([signal, sigma], said, gradient * -step))
    }

    /// The gradient by clean latents of what is `direction` by their picture. Parts are
    /// taken one by one, so that memory is bounded; together they are the whole.
    fn gradient(&self, clean: &Tensor<4>, direction: &Tensor<4>) -> Tensor<4> {
        let factor = self.stage.info().factor;
        self.parts
            .summed(factor, &clean.device(), |window, weights| {
                let part = Tensor::from_inner(window.cut(clean, 1)).require_grad();
                let pull = window.cut(direction, factor) * weights;
                let made = self.differentiable.to_pictures(part.clone());
                let surrogate = (made * Tensor::from_inner(pull)).sum();
                let gradients = ops::on_workers(&surrogate, || surrogate.backward());
                let blank = || Tensor::zeros(part.dims(), &clean.device());
                part.grad(&gradients).unwrap_or_else(blank)
            })
    }
}

/// √ᾱ and √(1 − ᾱ) of what the denoiser sees at every index of a sampler.
fn levels_of(
    model: &LatentDiffusion,
    sampler: &dyn Sampler,
) -> Result<Vec<[f64; 2]>, DiffusionError> {
    let one = || Tensor::<4>::ones([1, 1, 1, 1], model.device());
    let none = || model.blank([1, 1, 1, 1]);
    let level = |index: usize| -> Result<[f64; 2], DiffusionError> {
        let seen = |clean, noise| {
            let sample = sampler.grid().noised(clean, noise, index);
            let seen = host(sampler.grid().scaled(sample, index))?;
            Ok::<f64, DiffusionError>(f64::from(seen[0]))
        };
        Ok([seen(one(), none())?, seen(none(), one())?])
    };
    let indices = 0..sampler.grid().timesteps().len();
    indices.map(level).collect()
}

fn square_of(tensor: &Tensor<4>) -> Result<f64, DiffusionError> {
    let sum = host(tensor.clone().powi_scalar(2).sum())?;
    Ok(f64::from(sum[0]))
}
