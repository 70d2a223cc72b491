//! Pseudo linear multistep sampling as in the latent diffusion paper's code (Rombach et
//! al. 2022, <https://arxiv.org/abs/2112.10752>): the multistep rule of Liu et al. 2022
//! (<https://arxiv.org/abs/2202.09778>) on predicted noise, begun by an improved Euler
//! step.

use burn::tensor::Tensor;

use super::{
    Clip, ConfigReading, Grid, OpenStep, Sampler, SamplerInfo, SamplerMemory, SamplerOptions,
    SamplerStep, TrainedSteps, ZeroSnr, adams_bashforth,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::PredictionType;
use crate::diffusion::schedule::{check_steps, spaced_timesteps};
use crate::diffusion::scheduler_config::{BetaSchedule, SchedulerConfig, TimestepSpacing};
use crate::diffusion::torch_random::NoiseSource;

/// Predictions that a step looks back on, besides its own.
const MOST_PAST: usize = 3;

/// The paper's `PLMSSampler`, which has steps of its own: every ⌊T / steps⌋th, from the
/// second on. Where that leaves a rest there are more steps than asked for, as there. Of
/// a model that names other steps, evenly back from the last, those are taken: it has
/// learned to begin there.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "plms",
    label: "PLMS",
    class_names: &[],
    algorithm_type: None,
    takes_schedules: false,
    takes_eta: false,
    takes_any_level: false,
    reads: ConfigReading {
        betas: (1e-4, 0.02),
        beta_schedule: BetaSchedule::Linear,
        spacing: TimestepSpacing::Leading,
        clip: Clip::Never,
        thresholds: false,
        zero_snr: ZeroSnr::Ignored,
        takes_fractions: false,
    },
    build: |config, options| Ok(Box::new(Plms::new(config, options)?)),
};

struct Plms {
    /// Those of the evaluations: the second step's beginning stands twice, because the
    /// first step is corrected there.
    steps: TrainedSteps,
    prediction: PredictionType,
}

impl Plms {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let total = config.num_train_timesteps;
        // The step behind the last one, where the paper's code would begin with more.
        check_steps(INFO.label, options.steps, 1, (total / 2).max(1))?;
        let steps: Vec<f64> = match INFO.reads.spacing(config) {
            TimestepSpacing::Leading => (0..total)
                .step_by(total / options.steps)
                .rev()
                .map(|step| (step + 1).min(total - 1) as f64)
                .collect(),
            _ => spaced_timesteps(&INFO, config, options.steps)?,
        };
        let second = steps.get(1).or(steps.first()).copied();
        let later = steps.iter().skip(1).copied();
        let timesteps = steps.iter().take(1).copied().chain(second).chain(later);
        Ok(Self {
            steps: TrainedSteps::new(config, &INFO.reads, timesteps.collect()),
            prediction: config.prediction_type,
        })
    }

    /// From an evaluation to the one after it along predicted noise.
    fn transfer(&self, sample: Tensor<4>, index: usize, epsilon: Tensor<4>) -> SamplerStep {
        let alpha = self.steps.alpha(index);
        // The first step, which is corrected at its end, may be the only one.
        let is_last = index + 1 == self.steps.timesteps.len() || self.steps.timesteps.len() == 2;
        let next = if is_last {
            self.steps.schedule.alpha_cumprod(0)
        } else {
            self.steps.alpha(index + 1)
        };
        let denoised = (sample - epsilon.clone() * (1.0 - alpha).sqrt()) / alpha.sqrt();
        SamplerStep {
            sample: denoised.clone() * next.sqrt() + epsilon * (1.0 - next).sqrt(),
            denoised,
        }
    }
}

impl Sampler for Plms {
    fn grid(&self) -> &dyn Grid {
        &self.steps
    }

    fn step(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        _noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let alpha = self.steps.alpha(index);
        let (x0, epsilon) = self.prediction.x0_and_noise(alpha, output, sample.clone());
        if index == 0 {
            memory.open = Some(OpenStep {
                sample: sample.clone(),
                sum: epsilon.clone(),
            });
            return self.transfer(sample, 0, epsilon);
        }
        if index == 1 {
            // The first step again, with the mean of what was said at both of its ends.
            let Some(OpenStep { sample: begin, sum }) = memory.open.take() else {
                // A run that begins here has nothing to correct.
                return SamplerStep {
                    sample,
                    denoised: x0,
                };
            };
            memory.past.push(sum.clone());
            return self.transfer(begin, 0, (sum + epsilon) / 2.0);
        }
        memory.past.push(epsilon);
        let said = adams_bashforth(&memory.past).unwrap_or_else(|| sample.zeros_like());
        if memory.past.len() > MOST_PAST {
            memory.past.remove(0);
        }
        self.transfer(sample, index, said)
    }
}
