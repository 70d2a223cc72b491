//! What the samplers share that stay on the noise levels of the training.

use burn::tensor::Tensor;

use super::{ConfigReading, Grid};
use crate::diffusion::prediction::with_noise;
use crate::diffusion::schedule::NoiseSchedule;
use crate::diffusion::scheduler_config::SchedulerConfig;

/// Steps of the training, in the order in which the model is asked at them.
#[derive(Clone, Debug)]
pub(super) struct TrainedSteps {
    pub schedule: NoiseSchedule,
    pub timesteps: Vec<f64>,
}

impl TrainedSteps {
    pub fn new(config: &SchedulerConfig, reads: &ConfigReading, timesteps: Vec<f64>) -> Self {
        Self {
            schedule: NoiseSchedule::new(config, reads),
            timesteps,
        }
    }

    /// ᾱ where the model is asked at an index.
    pub fn alpha(&self, index: usize) -> f64 {
        self.schedule.alpha_cumprod(self.timesteps[index] as usize)
    }
}

impl Grid for TrainedSteps {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn noised(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        with_noise(self.alpha(index), clean, noise)
    }
}
