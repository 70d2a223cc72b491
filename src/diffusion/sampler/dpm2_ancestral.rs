//! DPM-Solver of second order with ancestral noise, as in k-diffusion: a step too far
//! down, with a slope from its middle, and noise to come up again.

use burn::tensor::Tensor;

use super::euler_ancestral::down_and_up;
use super::midpoints::{Midpoints, Way};
use super::{OpenStep, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep, dpm2};
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
    fn timesteps(&self) -> &[f64] {
        &self.steps.timesteps
    }

    fn order(&self) -> usize {
        2
    }

    fn init_noise_sigma(&self) -> f64 {
        self.steps.init_noise_sigma()
    }

    fn scale_model_input(&self, sample: Tensor<4>, index: usize) -> Tensor<4> {
        self.steps.scaled(sample, index)
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
            None => {
                let slope = (sample.clone() - denoised.clone()) / from;
                let next = sample.clone() + slope.clone() * (middle - from);
                // The last step has no middle.
                if index + 1 < self.steps.timesteps.len() {
                    memory.open = Some(OpenStep { sample, sum: slope });
                }
                next
            }
        };
        SamplerStep { sample, denoised }
    }

    fn add_noise(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        self.steps.noised(clean, noise, index)
    }
}
