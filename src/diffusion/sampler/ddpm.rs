//! Ancestral sampling (Ho et al. 2020, <https://arxiv.org/abs/2006.11239>), on
//! any subset of the steps.

use burn::tensor::Tensor;

use super::{
    Bound, Clip, ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions,
    SamplerStep, TrainedSteps, ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::PredictionType;
use crate::diffusion::schedule::spaced_timesteps;
use crate::diffusion::scheduler_config::{BetaSchedule, SchedulerConfig, TimestepSpacing};
use crate::diffusion::torch_random::NoiseSource;

/// The variance of the noise.
#[derive(Clone, Copy, Debug)]
enum Variance {
    /// That of the posterior, β̃.
    Small,
    /// β.
    Large,
}

/// diffusers' `DDPMScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "ddpm",
    label: "DDPM",
    class_names: &["DDPMScheduler"],
    algorithm_type: None,
    takes_schedules: false,
    takes_eta: false,
    takes_any_level: false,
    reads: READS,
    build: |config, options| Ok(Box::new(Ddpm::new(config, options)?)),
};

/// Also how training noises: no sampler bends it.
pub(super) const READS: ConfigReading = ConfigReading {
    betas: (1e-4, 0.02),
    beta_schedule: BetaSchedule::Linear,
    spacing: TimestepSpacing::Leading,
    clip: Clip::Unless(true),
    thresholds: true,
    zero_snr: ZeroSnr::Reached,
    takes_fractions: false,
};

struct Ddpm {
    steps: TrainedSteps,
    prediction: PredictionType,
    bound: Bound,
    variance: Variance,
}

impl Ddpm {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let variance = match config.variance_type.as_deref() {
            None | Some("fixed_small" | "fixed_small_log") => Variance::Small,
            Some("fixed_large") => Variance::Large,
            Some(other) => {
                let text = format!(
                    "variance_type {other} is not supported by DDPM; choose another sampler"
                );
                return Err(DiffusionError::Scheduler(text));
            }
        };
        let timesteps = spaced_timesteps(&INFO, config, options.steps)?;
        Ok(Self {
            steps: TrainedSteps::new(config, &READS, timesteps),
            prediction: config.prediction_type,
            bound: READS.bound(config),
            variance,
        })
    }
}

impl Sampler for Ddpm {
    fn grid(&self) -> &dyn Grid {
        &self.steps
    }

    fn step(
        &self,
        index: usize,
        _memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let is_last = index + 1 == self.steps.timesteps.len();
        let bar = self.steps.alpha(index);
        let next_bar = if is_last {
            1.0
        } else {
            self.steps.alpha(index + 1)
        };
        let alpha = bar / next_bar;
        let beta = 1.0 - alpha;
        let (shape, device) = (sample.dims(), sample.device());
        let (x0, _) = self.prediction.x0_and_noise(bar, output, sample.clone());
        let x0 = self.bound.keep(x0);
        let mut next = x0.clone() * (next_bar.sqrt() * beta / (1.0 - bar))
            + sample * (alpha.sqrt() * (1.0 - next_bar) / (1.0 - bar));
        if self.steps.timesteps[index] > 0.0 {
            let variance = match self.variance {
                Variance::Small => ((1.0 - next_bar) / (1.0 - bar) * beta).max(1e-20),
                Variance::Large => beta,
            };
            next = next + noise.noise(shape, &device) * variance.sqrt();
        }
        SamplerStep {
            sample: next,
            denoised: x0,
        }
    }
}
