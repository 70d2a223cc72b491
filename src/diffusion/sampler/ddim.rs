//! Denoising diffusion implicit models (Song et al. 2020, <https://arxiv.org/abs/2010.02502>).

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

/// diffusers' `DDIMScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "ddim",
    label: "DDIM",
    class_names: &["DDIMScheduler"],
    algorithm_type: None,
    takes_schedules: false,
    takes_eta: true,
    takes_any_level: false,
    reads: READS,
    build: |config, options| Ok(Box::new(Ddim::new(config, options)?)),
};

const READS: ConfigReading = ConfigReading {
    betas: (1e-4, 0.02),
    beta_schedule: BetaSchedule::Linear,
    spacing: TimestepSpacing::Leading,
    clip: Clip::Unless(true),
    thresholds: true,
    zero_snr: ZeroSnr::Reached,
    takes_fractions: false,
};

struct Ddim {
    steps: TrainedSteps,
    /// Training steps from one sampled step to the next.
    stride: usize,
    final_alpha: f64,
    prediction: PredictionType,
    bound: Bound,
    eta: f64,
}

impl Ddim {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let timesteps = spaced_timesteps(&INFO, config, options.steps)?;
        let steps = TrainedSteps::new(config, &READS, timesteps);
        let ends_at_one = config.set_alpha_to_one.unwrap_or(true);
        Ok(Self {
            stride: config.num_train_timesteps / options.steps,
            final_alpha: if ends_at_one {
                1.0
            } else {
                steps.schedule.alpha_cumprod(0)
            },
            prediction: config.prediction_type,
            bound: READS.bound(config),
            eta: f64::from(options.eta),
            steps,
        })
    }

    fn at(&self, index: usize) -> usize {
        self.steps.timesteps[index] as usize
    }
}

impl Sampler for Ddim {
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
        let t = self.at(index);
        let alpha = self.steps.schedule.alpha_cumprod(t);
        let next_alpha = match t.checked_sub(self.stride) {
            Some(next) => self.steps.schedule.alpha_cumprod(next),
            None => self.final_alpha,
        };
        let (shape, device) = (sample.dims(), sample.device());
        let (x0, epsilon) = self.prediction.x0_and_noise(alpha, output, sample);
        let x0 = self.bound.keep(x0);
        let variance = (1.0 - next_alpha) / (1.0 - alpha) * (1.0 - alpha / next_alpha);
        let deviation = self.eta * variance.max(0.0).sqrt();
        let direction = (1.0 - next_alpha - deviation * deviation).max(0.0).sqrt();
        let mut next = x0.clone() * next_alpha.sqrt() + epsilon * direction;
        if self.eta > 0.0 {
            next = next + noise.noise(shape, &device) * deviation;
        }
        SamplerStep {
            sample: next,
            denoised: x0,
        }
    }
}
