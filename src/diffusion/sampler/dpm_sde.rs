//! DPM-Solver++ in single steps on the stochastic equation, as in k-diffusion: halfway,
//! and then the whole step with what the model said there, both with new noise.

use burn::tensor::Tensor;

use super::euler_ancestral::down_and_up;
use super::midpoints::{Midpoints, Way};
use super::{
    Grid, OpenStep, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep, dpm2,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `DPMSolverSDEScheduler`, with the noise of the run's seed instead of
/// that of a Brownian tree of its own.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "dpmpp-sde",
    label: "DPM++ SDE",
    class_names: &["DPMSolverSDEScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: dpm2::READS,
    build: |config, options| Ok(Box::new(DpmSde::new(config, options)?)),
};

struct DpmSde {
    steps: Midpoints,
}

impl DpmSde {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let middle = |from: f64, to: f64| (from * to).sqrt();
        Ok(Self {
            steps: Midpoints::new(&INFO, config, options, false, middle)?,
        })
    }
}

impl Sampler for DpmSde {
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
        if index + 1 == self.steps.timesteps.len() {
            return SamplerStep {
                sample: denoised.clone(),
                denoised,
            };
        }
        let (begin, to) = match memory.open.take() {
            Some(half) => (half.sample, to),
            None => {
                memory.open = Some(OpenStep {
                    sample: sample.clone(),
                    sum: denoised.clone(),
                });
                (sample, middle)
            }
        };
        let [down, up] = down_and_up(from, to);
        let ratio = down / from;
        let sample =
            begin * ratio + denoised.clone() * (1.0 - ratio) + noise.noise(shape, &device) * up;
        SamplerStep { sample, denoised }
    }
}
