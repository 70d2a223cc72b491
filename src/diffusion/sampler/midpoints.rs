//! What the samplers share that ask the model twice in each step: at its beginning and
//! at a level on its way.

use burn::tensor::Tensor;

use super::{Grid, OpenStep, SamplerInfo, SamplerMemory, SamplerOptions, SigmaLimits, Sigmas};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::recipe::Schedule;

/// The evaluations of steps with a level on their way: at even indices the beginnings,
/// at odd ones those levels. The last step has none.
#[derive(Clone, Debug)]
pub(super) struct Midpoints {
    levels: Sigmas,
    /// The timestep of every evaluation.
    pub timesteps: Vec<f64>,
    /// The level on the way of each step but the last.
    middle: Vec<f64>,
}

/// Where a step leads and what is done in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The level of its beginning.
    pub from: f64,
    /// The level at which the model is asked on its way; none in the last step.
    pub middle: f64,
    /// The level of its end.
    pub to: f64,
}

impl Midpoints {
    /// `middle` says which level lies on the way from one to another. The steps that
    /// belong to Karras' levels may be rounded to whole ones.
    pub fn new(
        info: &SamplerInfo,
        config: &SchedulerConfig,
        options: SamplerOptions,
        rounds_karras: bool,
        middle: fn(f64, f64) -> f64,
    ) -> Result<Self, DiffusionError> {
        let levels = Sigmas::new(info, config, options, SigmaLimits::default())?;
        let steps = levels.timesteps.iter().map(|t| {
            if options.schedule == Schedule::Karras && rounds_karras && config.edm().is_none() {
                t.round_ties_even()
            } else {
                *t
            }
        });
        let inner = &levels.sigmas[..levels.sigmas.len() - 1];
        let middle: Vec<f64> = inner
            .windows(2)
            .map(|ends| f64::from(middle(ends[0], ends[1]) as f32))
            .collect();
        let between = middle.iter().map(|sigma| Some(levels.step_of(*sigma)));
        let timesteps = steps
            .zip(between.chain([None]))
            .flat_map(|(step, between)| [Some(step), between])
            .flatten()
            .collect();
        Ok(Self {
            timesteps,
            middle,
            levels,
        })
    }

    /// The step that an evaluation belongs to.
    pub fn way(&self, index: usize) -> Way {
        let step = index / 2;
        Way {
            from: self.levels.sigmas[step],
            middle: self.middle.get(step).copied().unwrap_or(0.0),
            to: self.levels.sigmas[step + 1],
        }
    }

    /// The level at which the model is asked.
    fn asked(&self, index: usize) -> f64 {
        let way = self.way(index);
        if index.is_multiple_of(2) {
            way.from
        } else {
            way.middle
        }
    }

    /// What the model said of a sample, as x₀.
    pub fn x0(&self, index: usize, output: Tensor<4>, sample: Tensor<4>) -> Tensor<4> {
        self.levels.x0(self.asked(index), output, sample)
    }

    /// From the beginning of a step along its slope to the level on its way, where the
    /// model is asked again. The last step has none: it is done then.
    pub fn to_middle(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        sample: Tensor<4>,
        denoised: &Tensor<4>,
    ) -> Tensor<4> {
        let Way { from, middle, .. } = self.way(index);
        let slope = (sample.clone() - denoised.clone()) / from;
        let next = sample.clone() + slope.clone() * (middle - from);
        if index + 1 < self.timesteps.len() {
            memory.open = Some(OpenStep { sample, sum: slope });
        }
        next
    }
}

impl Grid for Midpoints {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn order(&self) -> usize {
        2
    }

    fn init_noise_sigma(&self) -> f64 {
        self.levels.init_noise_sigma
    }

    fn scaled(&self, sample: Tensor<4>, index: usize) -> Tensor<4> {
        self.levels.seen(self.asked(index), sample)
    }

    /// On its way that is the noise of the step's end, as in diffusers.
    fn noised(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        clean + noise * self.levels.sigmas[index.div_ceil(2)]
    }
}
