//! DPM-Solver of second order with a step in the middle, as in k-diffusion (Karras et
//! al. 2022, <https://arxiv.org/abs/2206.00364>, algorithm 2 with the midpoint in log σ).

use burn::tensor::Tensor;

use super::midpoints::{Midpoints, Way};
use super::{
    Clip, ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep,
    heun,
};
use crate::diffusion::DiffusionError;

use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `KDPM2DiscreteScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "dpm2",
    label: "DPM2",
    class_names: &["KDPM2DiscreteScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: READS,
    build: |config, options| Ok(Box::new(Dpm2::new(config, options)?)),
};

/// Others with a step in the middle read it in the same way.
pub(super) const READS: ConfigReading = ConfigReading {
    clip: Clip::Never,
    ..heun::READS
};

struct Dpm2 {
    steps: Midpoints,
}

impl Dpm2 {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let middle = |from: f64, to: f64| (from * to).sqrt();
        Ok(Self {
            steps: Midpoints::new(&INFO, config, options, true, middle)?,
        })
    }
}

impl Sampler for Dpm2 {
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
        let Way { from, middle, to } = self.steps.way(index);
        let denoised = self.steps.x0(index, output, sample.clone());
        let sample = match memory.open.take() {
            // From the beginning of the step, along the slope in its middle.
            Some(half) => half.sample + (sample - denoised.clone()) / middle * (to - from),
            None => self.steps.to_middle(index, memory, sample, &denoised),
        };
        SamplerStep { sample, denoised }
    }
}
