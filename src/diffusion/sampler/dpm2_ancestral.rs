//! DPM-Solver of second order with ancestral noise, as in k-diffusion: a step too far
//! down, with a slope from its middle, and noise to come up again.

use burn::tensor::Tensor;

use super::euler_ancestral::down_and_up;
use super::midpoints::{Midpoints, Way};
use super::{Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep, dpm2};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `KDPM2AncestralDiscreteScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "dpm2-a",
    label: "DPM2 a",
    class_names: &["KDPM2AncestralDiscreteScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: dpm2::READS,
    build: |config, options| Ok(Box::new(Dpm2Ancestral::new(config, options)?)),
};

struct Dpm2Ancestral {
    steps: Midpoints,
}

impl Dpm2Ancestral {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let middle = |from: f64, to: f64| (from * down_and_up(from, to)[0]).sqrt();
        Ok(Self {
            steps: Midpoints::new(&INFO, config, options, true, middle)?,
        })
    }
}

impl Sampler for Dpm2Ancestral {
    fn grid(&self) -> &dyn Grid {
        &self.steps
    }

    fn step(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let (shape, device) = (sample.dims(), sample.device());
        let Way { from, middle, to } = self.steps.way(index);
        let denoised = self.steps.x0(index, output, sample.clone());
        let sample = match memory.open.take() {
            Some(half) => {
                let [down, up] = down_and_up(from, to);
                let slope = (sample - denoised.clone()) / middle;
                half.sample + slope * (down - from) + noise.noise(shape, &device) * up
            }
            None => self.steps.to_middle(index, memory, sample, &denoised),
        };
        SamplerStep { sample, denoised }
    }
}
