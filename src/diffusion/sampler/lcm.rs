//! Sampling of latent consistency models (Luo et al. 2023,
//! <https://arxiv.org/abs/2310.04378>): every step leads to a clean sample, which is
//! noised again for the next.

use burn::tensor::Tensor;

use super::{
    Bound, Clip, ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions,
    SamplerStep, TrainedSteps, ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::{PredictionType, with_noise};
use crate::diffusion::schedule::check_steps;
use crate::diffusion::scheduler_config::{BetaSchedule, SchedulerConfig, TimestepSpacing};
use crate::diffusion::torch_random::NoiseSource;

/// Standard deviation of the data that the models are made for.
const SIGMA_DATA: f64 = 0.5;

/// diffusers' `LCMScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "lcm",
    label: "LCM",
    class_names: &["LCMScheduler"],
    algorithm_type: None,
    takes_schedules: false,
    takes_eta: false,
    takes_any_level: false,
    reads: READS,
    build: |config, options| Ok(Box::new(Lcm::new(config, options)?)),
};

/// Sampling along trajectories reads it in almost the same way.
pub(super) const READS: ConfigReading = ConfigReading {
    betas: (0.00085, 0.012),
    beta_schedule: BetaSchedule::ScaledLinear,
    spacing: TimestepSpacing::Leading,
    clip: Clip::Unless(false),
    thresholds: true,
    zero_snr: ZeroSnr::Reached,
    takes_fractions: false,
};

/// Some of the steps that a model was distilled on, latest first.
///
/// # Errors
/// If there are not as many.
pub(super) fn distilled_steps(
    sampler: &'static str,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<Vec<f64>, DiffusionError> {
    let total = config.num_train_timesteps;
    let known = config.original_inference_steps.clamp(1, total);
    check_steps(sampler, steps, 1, known)?;
    let (stride, part) = (total / known, known as f64 / steps as f64);
    let step = |i: usize| ((known - (i as f64 * part) as usize) * stride - 1) as f64;
    Ok((0..steps).map(step).collect())
}

struct Lcm {
    steps: TrainedSteps,
    prediction: PredictionType,
    bound: Bound,
    timestep_scaling: f64,
}

impl Lcm {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let timesteps = distilled_steps(INFO.label, config, options.steps)?;
        Ok(Self {
            steps: TrainedSteps::new(config, &READS, timesteps),
            prediction: config.prediction_type,
            bound: READS.bound(config),
            timestep_scaling: config.timestep_scaling,
        })
    }
}

impl Sampler for Lcm {
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
        let (shape, device) = (sample.dims(), sample.device());
        let alpha = self.steps.alpha(index);
        let (x0, _) = self.prediction.x0_and_noise(alpha, output, sample.clone());
        // What the model says counts the less the less noise there is.
        let time = self.steps.timesteps[index] * self.timestep_scaling;
        let square = time * time + SIGMA_DATA * SIGMA_DATA;
        let denoised = self.bound.keep(x0) * (time / square.sqrt())
            + sample * (SIGMA_DATA * SIGMA_DATA / square);
        let is_last = index + 1 == self.steps.timesteps.len();
        let sample = if is_last {
            denoised.clone()
        } else {
            let noise = noise.noise(shape, &device);
            with_noise(self.steps.alpha(index + 1), denoised.clone(), noise)
        };
        SamplerStep { sample, denoised }
    }
}
