//! DPM-Solver++ in its second-order multistep form (Lu et al. 2022,
//! <https://arxiv.org/abs/2211.01095>).

use burn::tensor::Tensor;

use super::{
    Clip, ConfigReading, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep, ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::{PredictionType, with_noise};
use crate::diffusion::schedule::{
    NoiseSchedule, check_steps, interpolate, karras_sigmas, linspace, step_of_sigma, trailing,
};
use crate::diffusion::scheduler_config::{
    BetaSchedule, FinalSigmas, SchedulerConfig, SolverType, TimestepSpacing,
};
use crate::diffusion::torch_random::NoiseSource;

/// Runs shorter than this end with a first-order step, to be stable.
const SHORT: usize = 15;

/// diffusers' `DPMSolverMultistepScheduler`. Its `UniPCMultistepScheduler` solves the
/// same equation by multistep exponential integrators too.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "dpmpp-2m",
    label: "DPM++ 2M",
    class_names: &["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"],
    takes_karras: true,
    takes_eta: false,
    reads: READS,
    build: |config, options| Ok(Box::new(DpmSolver::new(config, options)?)),
};

const READS: ConfigReading = ConfigReading {
    betas: (1e-4, 0.02),
    spacing: TimestepSpacing::Linspace,
    clip: Clip::Never,
    zero_snr: ZeroSnr::AlmostReached,
    takes_fractions: false,
};

struct DpmSolver {
    timesteps: Vec<f64>,
    levels: Vec<Level>,
    prediction: PredictionType,
    order: usize,
    solver: SolverType,
    /// Whether the last step is of the first order.
    ends_simply: bool,
}

/// A noise level σ as the parts of a sample α x₀ + σ_t ε with α² + σ_t² = 1.
#[derive(Clone, Copy, Debug)]
struct Level {
    alpha: f64,
    sigma: f64,
    /// Logarithm of α / σ_t.
    lambda: f64,
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
}

impl DpmSolver {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let steps = options.steps;
        check_steps(INFO.label, steps, 1, config.num_train_timesteps)?;
        let table = NoiseSchedule::new(config, &READS).sigmas();
        let (timesteps, mut sigmas) = if options.karras {
            let (min, max) = (table[0], table[table.len() - 1]);
            let sigmas = karras_sigmas(min, max, steps);
            let is_fine = config.beta_schedule == BetaSchedule::SquaredcosCapV2;
            let step = |sigma: &f64| {
                let step = step_of_sigma(&table, *sigma);
                if is_fine {
                    step.trunc()
                } else {
                    step.round_ties_even()
                }
            };
            (sigmas.iter().map(step).collect(), sigmas)
        } else {
            let timesteps = spaced(config, &table, steps);
            let sigmas = timesteps.iter().map(|t| interpolate(&table, *t)).collect();
            (timesteps, sigmas)
        };
        sigmas.push(match config.final_sigmas_type {
            FinalSigmas::Zero => 0.0,
            FinalSigmas::SigmaMin => table[0],
        });
        let is_short = timesteps.len() < SHORT;
        Ok(Self {
            levels: sigmas
                .into_iter()
                .map(|sigma| Level::new(f64::from(sigma as f32)))
                .collect(),
            ends_simply: config.euler_at_final
                || (config.lower_order_final && is_short)
                || config.final_sigmas_type == FinalSigmas::Zero,
            timesteps,
            prediction: config.prediction_type,
            order: config.solver_order,
            solver: config.solver_type,
        })
    }
}

/// The steps of the solver, which in diffusers are one more, the last left out.
fn spaced(config: &SchedulerConfig, table: &[f64], steps: usize) -> Vec<f64> {
    let total = config.num_train_timesteps;
    // λ is −ln σ, so it falls along the table.
    let least = config.lambda_min_clipped.unwrap_or(f64::NEG_INFINITY);
    let last = table
        .iter()
        .rposition(|sigma| -sigma.ln() >= least)
        .map_or(1, |at| at + 1);
    let timesteps: Vec<f64> = match READS.spacing(config) {
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

impl Sampler for DpmSolver {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn step(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        _noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let (here, next) = (self.levels[index], self.levels[index + 1]);
        let bar = here.alpha * here.alpha;
        let (denoised, _) = self.prediction.x0_and_noise(bar, output, sample.clone());
        let h = next.lambda - here.lambda;
        // e^−h − 1: without any noise left, h is infinite.
        let decay = (-h).exp_m1();
        let ratio = next.sigma / here.sigma;
        let mut moved = sample * ratio - denoised.clone() * (next.alpha * decay);
        let is_last = index + 1 == self.timesteps.len();
        let is_simple = self.order == 1 || (is_last && self.ends_simply);
        // The clean sample as it looked a step ago.
        if let (Some(before), false) = (memory.past.last(), is_simple) {
            let past = here.lambda - self.levels[index - 1].lambda;
            let slope = (denoised.clone() - before.clone()) * (h / past);
            moved = match self.solver {
                SolverType::Midpoint => moved - slope * (0.5 * next.alpha * decay),
                SolverType::Heun => moved + slope * (next.alpha * (decay / h + 1.0)),
            };
        }
        memory.past = vec![denoised.clone()];
        SamplerStep {
            sample: moved,
            denoised,
        }
    }

    fn add_noise(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        let level = self.levels[index];
        with_noise(level.alpha * level.alpha, clean, noise)
    }
}
