//! Sampling of models that were taught trajectories (trajectory consistency distillation,
//! Zheng et al. 2024, <https://arxiv.org/abs/2402.19159>): every step goes along the model's
//! own way to less noise than the next one begins with, and noise is added up to that.

use burn::tensor::Tensor;

use super::{
    Clip, ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep,
    TrainedSteps, ZeroSnr, lcm,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::{PredictionType, with_noise};
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `TCDScheduler`; η is the paper's γ.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "tcd",
    label: "TCD",
    class_names: &["TCDScheduler"],
    algorithm_type: None,
    takes_schedules: false,
    takes_eta: true,
    takes_any_level: false,
    reads: ConfigReading {
        clip: Clip::Never,
        thresholds: false,
        zero_snr: ZeroSnr::Reached,
        ..lcm::READS
    },
    build: |config, options| Ok(Box::new(Tcd::new(config, options)?)),
};

struct Tcd {
    steps: TrainedSteps,
    prediction: PredictionType,
    eta: f64,
}

impl Tcd {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let timesteps = lcm::distilled_steps(INFO.label, config, options.steps)?;
        Ok(Self {
            steps: TrainedSteps::new(config, &INFO.reads, timesteps),
            prediction: config.prediction_type,
            eta: f64::from(options.eta.clamp(0.0, 1.0)),
        })
    }
}

impl Sampler for Tcd {
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
        let (denoised, epsilon) = self.prediction.x0_and_noise(alpha, output, sample);
        let next = self.steps.timesteps.get(index + 1).copied();
        // Cut in f32, as in diffusers.
        let way = ((1.0 - self.eta) as f32 * next.unwrap_or(0.0) as f32).floor();
        let reached = self.steps.schedule.alpha_cumprod(way as usize);
        let mut sample = with_noise(reached, denoised.clone(), epsilon);
        if let Some(next) = next.filter(|_| self.eta > 0.0) {
            let left = self.steps.schedule.alpha_cumprod(next as usize) / reached;
            sample = with_noise(left, sample, noise.noise(shape, &device));
        }
        SamplerStep { sample, denoised }
    }
}
