//! Euler's method with ancestral noise, as in k-diffusion: a step too far down,
//! and noise to come up again (Karras et al. 2022,
//! <https://arxiv.org/abs/2206.00364>, algorithm 2, with other weights).

use burn::tensor::Tensor;

use super::{
    Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep, SigmaLimits, Sigmas,
    euler,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `EulerAncestralDiscreteScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "euler-a",
    label: "Euler a",
    class_names: &["EulerAncestralDiscreteScheduler"],
    algorithm_type: None,
    takes_schedules: false,
    takes_eta: false,
    takes_any_level: true,
    reads: euler::READS,
    build: |config, options| Ok(Box::new(EulerAncestral::new(config, options)?)),
};

/// How far down a step from one level to another goes, and the standard deviation of
/// the noise that comes on top.
pub(super) fn down_and_up(from: f64, to: f64) -> [f64; 2] {
    let up = (to * to * (from * from - to * to) / (from * from))
        .max(0.0)
        .sqrt();
    [(to * to - up * up).max(0.0).sqrt(), up]
}

struct EulerAncestral {
    levels: Sigmas,
}

impl EulerAncestral {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        Ok(Self {
            levels: Sigmas::new(&INFO, config, options, SigmaLimits::default())?,
        })
    }
}

impl Sampler for EulerAncestral {
    fn grid(&self) -> &dyn Grid {
        &self.levels
    }

    fn step(
        &self,
        index: usize,
        _memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let (from, to) = (self.levels.sigmas[index], self.levels.sigmas[index + 1]);
        let (shape, device) = (sample.dims(), sample.device());
        let denoised = self.levels.x0(from, output, sample.clone());
        let [down, up] = down_and_up(from, to);
        let derivative = (sample.clone() - denoised.clone()) / from;
        let sample = sample + derivative * (down - from) + noise.noise(shape, &device) * up;
        SamplerStep { sample, denoised }
    }
}
