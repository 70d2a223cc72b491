//! What the samplers share that work with α x₀ + σ ε, where α² + σ² = 1, and take
//! their steps along log α / σ. With the noise of EDM α is 1.

use burn::tensor::Tensor;

use super::edm::time;
use super::sigmas::SigmaLimits;
use super::spread::spread;
use super::{Bound, Edm, Grid, SamplerInfo, SamplerOptions};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::{PredictionType, with_noise};
use crate::diffusion::schedule::{
    NoiseSchedule, check_steps, interpolate, linspace, step_of_sigma, trailing,
};
use crate::diffusion::scheduler_config::{
    BetaSchedule, FinalSigmas, SchedulerConfig, TimestepSpacing,
};
use crate::recipe::Schedule;

/// A noise level σ as the parts of a sample α x₀ + σ_t ε with α² + σ_t² = 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub alpha: f64,
    pub sigma: f64,
    /// Logarithm of α / σ_t.
    pub lambda: f64,
}

impl Level {
    fn new(sigma: f64) -> Self {
        let alpha = 1.0 / (sigma * sigma + 1.0).sqrt();
        Self {
            alpha,
            sigma: sigma * alpha,
            lambda: -sigma.ln(),
        }
    }

    /// The same where samples are x₀ + σ ε.
    fn of_edm(sigma: f64) -> Self {
        Self {
            alpha: 1.0,
            sigma,
            lambda: -sigma.ln(),
        }
    }
}

/// What classes of diffusers do each in their own way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// As DPM-Solver: steps of almost nothing but noise are left out
    /// (`lambda_min_clipped`), and fine steps of cosine schedules are cut.
    DpmSolver,
    /// As UniPC: the file may bound the noise levels.
    UniPc,
}

/// The steps and noise levels of a run.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    pub timesteps: Vec<f64>,
    /// One more than timesteps: the last is that of the result.
    levels: Vec<Level>,
    edm: Option<Edm>,
    prediction: PredictionType,
    bound: Bound,
}

impl Levels {
    pub fn new(
        info: &SamplerInfo,
        config: &SchedulerConfig,
        options: SamplerOptions,
        manner: Manner,
    ) -> Result<Self, DiffusionError> {
        let steps = options.steps;
        check_steps(info.label, steps, 1, config.num_train_timesteps)?;
        if let Some(edm) = config.edm() {
            return Ok(Self::of_edm(edm, info, config, options));
        }
        let table = NoiseSchedule::new(config, &info.reads).sigmas();
        let limits = match manner {
            Manner::DpmSolver => SigmaLimits::default(),
            Manner::UniPc => SigmaLimits::told(config),
        };
        let min = limits.min.unwrap_or(table[0]);
        let max = limits.max.unwrap_or(table[table.len() - 1]);
        let spread = spread(options.schedule, &table, [min, max], steps);
        let is_spread = spread.is_some();
        let (timesteps, mut sigmas) = if let Some(sigmas) = spread {
            // diffusers rounds only some of them before it makes whole numbers of all.
            let is_cut = match options.schedule {
                Schedule::Exponential | Schedule::Beta => true,
                _ => {
                    matches!(manner, Manner::DpmSolver)
                        && config.beta_schedule == Some(BetaSchedule::SquaredcosCapV2)
                }
            };
            let step = |sigma: &f64| {
                let step = step_of_sigma(&table, *sigma);
                if is_cut {
                    step.trunc()
                } else {
                    step.round_ties_even()
                }
            };
            (sigmas.iter().map(step).collect(), sigmas)
        } else {
            let timesteps = spaced(info, config, &table, steps, manner);
            let sigmas = timesteps.iter().map(|t| interpolate(&table, *t)).collect();
            (timesteps, sigmas)
        };
        sigmas.push(match config.final_sigmas_type {
            FinalSigmas::Zero => 0.0,
            FinalSigmas::SigmaMin => match (manner, sigmas.last()) {
                (Manner::UniPc, Some(last)) if is_spread => *last,
                _ => table[0],
            },
        });
        let rounded = |sigma: f64| Level::new(f64::from(sigma as f32));
        Ok(Self {
            levels: sigmas.into_iter().map(rounded).collect(),
            timesteps,
            edm: None,
            prediction: config.prediction_type,
            bound: info.reads.bound(config),
        })
    }

    /// The same of a training without steps.
    fn of_edm(
        edm: Edm,
        info: &SamplerInfo,
        config: &SchedulerConfig,
        options: SamplerOptions,
    ) -> Self {
        let mut sigmas = edm.levels(options.schedule, options.steps);
        let timesteps = sigmas.iter().map(|sigma| f64::from(time(*sigma) as f32));
        let timesteps = timesteps.collect();
        sigmas.push(match config.final_sigmas_type {
            FinalSigmas::Zero => 0.0,
            FinalSigmas::SigmaMin => edm.limits[0],
        });
        let rounded = |sigma: f64| Level::of_edm(f64::from(sigma as f32));
        Self {
            timesteps,
            levels: sigmas.into_iter().map(rounded).collect(),
            edm: Some(edm),
            prediction: config.prediction_type,
            bound: info.reads.bound(config),
        }
    }

    /// The levels at both ends of a step.
    pub fn ends(&self, index: usize) -> [Level; 2] {
        [self.levels[index], self.levels[index + 1]]
    }

    /// How far log α / σ came in the step before some others.
    pub fn length_before(&self, index: usize) -> f64 {
        self.levels[index].lambda - self.levels[index - 1].lambda
    }

    /// Log α / σ at a step.
    pub fn lambda(&self, index: usize) -> f64 {
        self.levels[index].lambda
    }

    /// Whether a step is the last one.
    pub fn is_last(&self, index: usize) -> bool {
        index + 1 == self.timesteps.len()
    }

    /// What the model said at a step, as x₀ within its bounds.
    pub fn x0(&self, index: usize, output: Tensor<4>, sample: Tensor<4>) -> Tensor<4> {
        let level = self.levels[index];
        let x0 = match self.edm {
            Some(_) => self.prediction.x0_of_sigma(level.sigma, output, sample),
            None => {
                let bar = level.alpha.powi(2);
                self.prediction.x0_and_noise(bar, output, sample).0
            }
        };
        self.bound.keep(x0)
    }
}

impl Grid for Levels {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.edm.map_or(1.0, |edm| edm.init_noise_sigma())
    }

    fn scaled(&self, sample: Tensor<4>, index: usize) -> Tensor<4> {
        match self.edm {
            Some(_) => self
                .prediction
                .seen_of_sigma(self.levels[index].sigma, sample),
            None => sample,
        }
    }

    fn noised(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        let level = self.levels[index];
        match self.edm {
            Some(_) => clean + noise * level.sigma,
            None => with_noise(level.alpha.powi(2), clean, noise),
        }
    }
}

/// The steps of the solver, which in diffusers are one more, the last left out.
fn spaced(
    info: &SamplerInfo,
    config: &SchedulerConfig,
    table: &[f64],
    steps: usize,
    manner: Manner,
) -> Vec<f64> {
    let total = config.num_train_timesteps;
    // λ is −ln σ, so it falls along the table.
    let least = match manner {
        Manner::DpmSolver => config.lambda_min_clipped,
        Manner::UniPc => None,
    };
    let least = least.unwrap_or(f64::NEG_INFINITY);
    let last = table
        .iter()
        .rposition(|sigma| -sigma.ln() >= least)
        .map_or(1, |at| at + 1);
    let timesteps: Vec<f64> = match info.reads.spacing(config) {
        TimestepSpacing::Linspace => {
            let evenly = linspace(0.0, (last - 1) as f64, steps + 1);
            evenly[1..]
                .iter()
                .rev()
                .map(|t| t.round_ties_even())
                .collect()
        }
        TimestepSpacing::Leading => {
            let ratio = last / (steps + 1);
            (1..=steps)
                .rev()
                .map(|i| (i * ratio + config.steps_offset.unwrap_or(0)) as f64)
                .collect()
        }
        TimestepSpacing::Trailing => trailing(last, total, steps),
    };
    let end = (total - 1) as f64;
    timesteps.into_iter().map(|t| t.min(end)).collect()
}
