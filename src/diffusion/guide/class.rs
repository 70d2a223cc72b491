//! A class that a run is led to by the gradient of a classifier (Dhariwal and Nichol 2021,
//! <https://arxiv.org/abs/2105.05233>, algorithm 2): from the noise ε is taken
//! s √(1 − ᾱ) ∇ log p(class | zₜ), which for any other prediction is said in its words.
//!
//! Their algorithm is DDIM's. Other samplers ask the same of ε at every evaluation, and so
//! they are led alike.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::levels_of;
use crate::diffusion::canvas::Canvas;
use crate::diffusion::prediction::PredictionType;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::{DiffusionError, LatentDiffusion, NoiseSchedule, SchedulerConfig};
use crate::model::Classifier;
use crate::model::windows::{WindowSides, Windows};

/// What a run is led to.
#[derive(Clone, Debug)]
pub struct ClassGuide {
    /// What tells classes of noisy latents, trained on those of the model that paints.
    pub classifier: Arc<Classifier>,
    /// The number of the class.
    pub class: u32,
    /// How strongly it is led: 1 as the probability says, 0 not at all.
    pub scale: f32,
}

/// √ᾱ below which noise shows no class: where velocities are told, a mistake of the
/// classifier would be made larger by as much.
const LEAST_SIGNAL: f64 = 1e-3;
/// How far two tables of √ᾱ may lie apart: as far as roundings bring them.
const SAME_SIGNAL: f64 = 1e-3;
/// How far two factors of latents may lie apart, as a part of them.
const SAME_FACTOR: f64 = 1e-3;

/// A class of a run.
#[derive(Debug)]
pub(in crate::diffusion) struct Lead {
    /// For gradients by latents.
    classifier: Classifier,
    /// How it sees the latents: whole, or where they go on over their edges, begun at other
    /// places too, so that no edge counts for what it is.
    views: Windows,
    class: u32,
    scale: f64,
    prediction: PredictionType,
    /// √ᾱ and √(1 − ᾱ) at every index of the sampler.
    levels: Vec<[f64; 2]>,
}

impl Lead {
    /// For a run of a model. Of the picture, which has so many pixels, the latents may
    /// reach over the edges.
    ///
    /// # Errors
    /// If the classifier was trained on something else, or has no such class.
    pub fn new(
        model: &LatentDiffusion,
        guide: &ClassGuide,
        (size_px, canvas): ([u32; 2], Canvas),
        sampler: &dyn Sampler,
        prediction: PredictionType,
    ) -> Result<Self, DiffusionError> {
        let config = guide.classifier.config();
        let latents = model.model().latents();
        let size = size_px.map(|side| (side as usize).div_ceil(latents.factor));
        let classes = model.manifest().classes().map(<[String]>::len);
        config.check(latents, size, classes)?;
        if let Some(known) = &config.latents {
            let (found, wanted) = (
                known.scaling_factor,
                model.model().first_stage().scaling().factor,
            );
            if (found - wanted).abs() > SAME_FACTOR * wanted {
                return Err(DiffusionError::ClassifierLatents { found, wanted });
            }
        }
        if let Some(told) = &config.scheduler {
            let told = SchedulerConfig::from_json(told).map_err(of_classifier)?;
            let own = NoiseSchedule::of_training(&told);
            let other = NoiseSchedule::of_training(model.scheduler());
            let has_steps = told.edm().or(model.scheduler().edm()).is_none();
            if !has_steps || !own.is_like(&other, SAME_SIGNAL) {
                return Err(DiffusionError::ClassifierNoise);
            }
        }
        check_class(guide.class, config.out_channels)?;
        Ok(Self {
            classifier: guide.classifier.differentiable(),
            views: views(size, canvas.wraps),
            class: guide.class,
            scale: f64::from(guide.scale),
            prediction,
            levels: levels_of(model, sampler)?,
        })
    }

    /// Leads to another class from now on, or more strongly.
    ///
    /// # Errors
    /// If there is none of this number.
    pub fn lead_to(&mut self, class: u32, scale: f32) -> Result<(), DiffusionError> {
        check_class(class, self.classifier.config().out_channels)?;
        (self.class, self.scale) = (class, f64::from(scale));
        Ok(())
    }

    /// What the denoiser said of what it has seen at an index, led to the class.
    ///
    /// # Shapes
    /// `said` and `seen`: the same; the result too.
    pub fn led(&self, said: Tensor<4>, seen: Tensor<4>, timestep: f64, index: usize) -> Tensor<4> {
        let [signal, sigma] = self.levels[index];
        // Where there is no noise, nothing is left to decide.
        if self.scale == 0.0 || signal < LEAST_SIGNAL || sigma <= 0.0 {
            return said;
        }
        let device = seen.device();
        let timestep = Tensor::<1>::from_data([timestep as f32], &device);
        let gradient = |seen: Tensor<4>| {
            let class = self.class as usize;
            self.classifier.gradient(seen, timestep.clone(), class)
        };
        let gradient = match self.views.is_whole() {
            true => gradient(seen),
            false => self
                .views
                .blended(1, &device, |_, view| gradient(view.cut(&seen, 1))),
        };
        let further = gradient * (self.scale * sigma * sigma / signal);
        self.prediction.moved([signal, sigma], said, further)
    }
}

/// Views of so many columns and rows of latents, each as large as all of them; along an axis
/// that `wraps`, two that begin half of it apart, of which the middles count most.
fn views(size: [usize; 2], wraps: [bool; 2]) -> Windows {
    let sides = WindowSides {
        places: size,
        overlap: size.map(|side| side / 2),
    };
    Windows::new(size, sides, wraps)
}

/// What is wrong with a schedule, told of the classifier that has it.
fn of_classifier(error: DiffusionError) -> DiffusionError {
    match error {
        DiffusionError::Scheduler(reason) => DiffusionError::ClassifierSchedule(reason),
        other => other,
    }
}

fn check_class(class: u32, classes: usize) -> Result<(), DiffusionError> {
    if (class as usize) < classes {
        return Ok(());
    }
    let last = classes.saturating_sub(1);
    Err(DiffusionError::UnknownClassifierClass { class, last })
}
