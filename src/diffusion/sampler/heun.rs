//! Heun's method: Euler's step, corrected by the slope at its end (Karras et
//! al. 2022, <https://arxiv.org/abs/2206.00364>, algorithm 1).

use burn::tensor::Tensor;

use super::{
    Bound, Clip, ConfigReading, Grid, OpenStep, Sampler, SamplerInfo, SamplerMemory,
    SamplerOptions, SamplerStep, SigmaLimits, Sigmas, ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::{BetaSchedule, SchedulerConfig, TimestepSpacing};
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `HeunDiscreteScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "heun",
    label: "Heun",
    class_names: &["HeunDiscreteScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: READS,
    build: |config, options| Ok(Box::new(Heun::new(config, options)?)),
};

/// Others that ask the model twice in a step read it in the same way.
pub(super) const READS: ConfigReading = ConfigReading {
    betas: (0.00085, 0.012),
    beta_schedule: BetaSchedule::Linear,
    spacing: TimestepSpacing::Linspace,
    clip: Clip::Unless(false),
    thresholds: false,
    zero_snr: ZeroSnr::Ignored,
    takes_fractions: true,
};

struct Heun {
    /// Every level but the first and the last stands twice: as the end of a
    /// step and as the beginning of the next.
    levels: Sigmas,
    bound: Bound,
}

impl Heun {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let mut levels = Sigmas::new(&INFO, config, options, SigmaLimits::default())?;
        let last = levels.sigmas.len() - 1;
        let doubled = |values: &[f64]| -> Vec<f64> {
            let (first, rest) = (values.first().copied(), values.get(1..).unwrap_or_default());
            first
                .into_iter()
                .chain(rest.iter().flat_map(|value| [*value; 2]))
                .collect()
        };
        let end = levels.sigmas[last];
        levels.sigmas = doubled(&levels.sigmas[..last]);
        levels.sigmas.push(end);
        levels.timesteps = doubled(&levels.timesteps);
        levels.order = 2;
        Ok(Self {
            levels,
            bound: READS.bound(config),
        })
    }
}

impl Sampler for Heun {
    fn grid(&self) -> &dyn Grid {
        &self.levels
    }

    fn step(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        _noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        // The model was asked at this level in both halves.
        let sigma = self.levels.sigmas[index];
        let denoised = self
            .bound
            .keep(self.levels.x0(sigma, output, sample.clone()));
        let derivative = (sample.clone() - denoised.clone()) / sigma;
        let sample = match memory.open.take() {
            Some(half) => {
                let length = sigma - self.levels.sigmas[index - 1];
                half.sample + (half.sum + derivative) / 2.0 * length
            }
            None => {
                let length = self.levels.sigmas[index + 1] - sigma;
                let next = sample.clone() + derivative.clone() * length;
                // The way to no noise at all has no slope at its end.
                if index + 1 < self.levels.timesteps.len() {
                    memory.open = Some(OpenStep {
                        sample,
                        sum: derivative,
                    });
                }
                next
            }
        };
        SamplerStep { sample, denoised }
    }
}
