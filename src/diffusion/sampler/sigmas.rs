//! What the samplers share that work with x₀ + σ ε.

use burn::tensor::Tensor;

use super::edm::time;
use super::spread::spread;
use super::{Edm, Grid, SamplerInfo, SamplerOptions};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::PredictionType;
use crate::diffusion::schedule::{
    NoiseSchedule, check_steps, interpolate, linspace_f32, spaced_timesteps, step_of_sigma,
};
use crate::diffusion::scheduler_config::{SchedulerConfig, TimestepSpacing};

/// Bounds of the noise levels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SigmaLimits {
    /// The smallest of levels that are spread; `None` is that of the last step.
    pub min: Option<f64>,
    /// The largest of them; `None` is that of the first step.
    pub max: Option<f64>,
    /// Whether the run ends at the smallest level of the training, and not at none.
    pub ends_at_smallest: bool,
    /// Whether levels are even in their logarithm wherever the steps are.
    pub is_log_linear: bool,
}

impl SigmaLimits {
    /// As the file bounds levels that are spread.
    pub fn told(config: &SchedulerConfig) -> Self {
        Self {
            min: config.sigma_min,
            max: config.sigma_max,
            ..Self::default()
        }
    }
}

/// The steps and noise levels of samplers that work with x₀ + σ ε.
#[derive(Clone, Debug)]
pub(super) struct Sigmas {
    pub timesteps: Vec<f64>,
    /// The one after the last timestep is that of the result.
    pub sigmas: Vec<f64>,
    pub init_noise_sigma: f64,
    /// Evaluations of the model for each step.
    pub order: usize,
    /// The noise levels of the training; none where it had any.
    table: Vec<f64>,
    prediction: PredictionType,
}

impl Sigmas {
    pub fn new(
        info: &SamplerInfo,
        config: &SchedulerConfig,
        options: SamplerOptions,
        limits: SigmaLimits,
    ) -> Result<Self, DiffusionError> {
        if let Some(edm) = config.edm() {
            check_steps(info.label, options.steps, 1, config.num_train_timesteps)?;
            return Ok(Self::of_edm(edm, config, options, limits));
        }
        let table = NoiseSchedule::new(config, &info.reads).sigmas();
        let mut timesteps = spaced_timesteps(info, config, options.steps)?;
        let mut sigmas: Vec<f64> = match limits.is_log_linear {
            true => log_linear(&table, options.steps),
            false => timesteps.iter().map(|t| interpolate(&table, *t)).collect(),
        };
        let max = limits.max.unwrap_or(sigmas[0]);
        let min = limits.min.unwrap_or(sigmas[sigmas.len() - 1]);
        let spread = spread(options.schedule, &table, [min, max], options.steps);
        if let Some(spread) = spread.filter(|_| info.takes_schedules) {
            sigmas = spread;
            timesteps = sigmas
                .iter()
                .map(|sigma| step_of_sigma(&table, *sigma))
                .collect();
        }
        sigmas.push(if limits.ends_at_smallest {
            table[0]
        } else {
            0.0
        });
        let rounded = |value: f64| f64::from(value as f32);
        let sigmas: Vec<f64> = sigmas.into_iter().map(rounded).collect();
        let largest = sigmas.iter().copied().fold(0.0, f64::max);
        Ok(Self {
            timesteps: timesteps.into_iter().map(rounded).collect(),
            init_noise_sigma: match info.reads.spacing(config) {
                TimestepSpacing::Linspace | TimestepSpacing::Trailing => largest,
                TimestepSpacing::Leading => (largest * largest + 1.0).sqrt(),
            },
            order: 1,
            sigmas,
            table,
            prediction: config.prediction_type,
        })
    }

    /// The same of a training without steps.
    fn of_edm(
        edm: Edm,
        config: &SchedulerConfig,
        options: SamplerOptions,
        limits: SigmaLimits,
    ) -> Self {
        let mut sigmas = edm.levels(options.schedule, options.steps);
        let timesteps = sigmas.iter().map(|sigma| f64::from(time(*sigma) as f32));
        let timesteps = timesteps.collect();
        sigmas.push(match limits.ends_at_smallest {
            true => edm.limits[0],
            false => 0.0,
        });
        Self {
            timesteps,
            sigmas: sigmas
                .into_iter()
                .map(|sigma| f64::from(sigma as f32))
                .collect(),
            init_noise_sigma: edm.init_noise_sigma(),
            order: 1,
            table: Vec::new(),
            prediction: config.prediction_type,
        }
    }

    /// What the model is told of a noise level: the training step that has it, if there are
    /// steps.
    pub fn step_of(&self, sigma: f64) -> f64 {
        match self.table.is_empty() {
            true => time(sigma),
            false => step_of_sigma(&self.table, sigma),
        }
    }

    /// What the model gets to see of a sample x₀ + σ ε.
    pub fn seen(&self, sigma: f64, sample: Tensor<4>) -> Tensor<4> {
        self.prediction.seen_of_sigma(sigma, sample)
    }

    /// What the model said of a sample x₀ + σ ε, as x₀.
    pub fn x0(&self, sigma: f64, output: Tensor<4>, sample: Tensor<4>) -> Tensor<4> {
        self.prediction.x0_of_sigma(sigma, output, sample)
    }
}

/// The levels of so many steps and of the result, evenly in their logarithm from the largest
/// of a table down to the smallest; in f32, as in diffusers.
fn log_linear(table: &[f64], steps: usize) -> Vec<f64> {
    let log = |sigma: f64| f64::from((sigma as f32).ln());
    let (largest, smallest) = (log(table[table.len() - 1]), log(table[0]));
    let logs = linspace_f32(largest, smallest, steps + 1);
    logs.into_iter().map(|log| f64::from(log.exp())).collect()
}

impl Grid for Sigmas {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn order(&self) -> usize {
        self.order
    }

    fn init_noise_sigma(&self) -> f64 {
        self.init_noise_sigma
    }

    fn scaled(&self, sample: Tensor<4>, index: usize) -> Tensor<4> {
        self.seen(self.sigmas[index], sample)
    }

    fn noised(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        clean + noise * self.sigmas[index]
    }
}
