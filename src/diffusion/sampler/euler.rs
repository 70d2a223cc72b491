//! Euler's method on the probability-flow equation, and with ancestral noise
//! (Karras et al. 2022, <https://arxiv.org/abs/2206.00364>, algorithm 2 without churn).

use burn::tensor::Tensor;

use super::{Sampler, SamplerMemory, SamplerOptions, SamplerStep, Sigmas};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;
use crate::recipe::SamplerKind;

pub(super) struct Euler {
    levels: Sigmas,
}

impl Euler {
    pub fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        Ok(Self {
            levels: Sigmas::new(SamplerKind::Euler, config, options)?,
        })
    }
}

impl Sampler for Euler {
    fn timesteps(&self) -> &[f64] {
        &self.levels.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.levels.init_noise_sigma
    }

    fn scale_model_input(&self, sample: Tensor<4>, index: usize) -> Tensor<4> {
        Sigmas::scaled(sample, self.levels.sigmas[index])
    }

    fn step(
        &self,
        index: usize,
        _memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        _noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let sigma = self.levels.sigmas[index];
        let denoised = self.levels.x0(sigma, output, sample.clone());
        let derivative = (sample.clone() - denoised.clone()) / sigma;
        let sample = sample + derivative * (self.levels.sigmas[index + 1] - sigma);
        SamplerStep { sample, denoised }
    }

    fn add_noise(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        clean + noise * self.levels.sigmas[index]
    }
}

pub(super) struct EulerAncestral {
    levels: Sigmas,
}

impl EulerAncestral {
    pub fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        Ok(Self {
            levels: Sigmas::new(SamplerKind::EulerA, config, options)?,
        })
    }
}

impl Sampler for EulerAncestral {
    fn timesteps(&self) -> &[f64] {
        &self.levels.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.levels.init_noise_sigma
    }

    fn scale_model_input(&self, sample: Tensor<4>, index: usize) -> Tensor<4> {
        Sigmas::scaled(sample, self.levels.sigmas[index])
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
        let up = (to * to * (from * from - to * to) / (from * from))
            .max(0.0)
            .sqrt();
        let down = (to * to - up * up).max(0.0).sqrt();
        let derivative = (sample.clone() - denoised.clone()) / from;
        let sample = sample + derivative * (down - from) + noise.noise(shape, &device) * up;
        SamplerStep { sample, denoised }
    }

    fn add_noise(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        clean + noise * self.levels.sigmas[index]
    }
}
