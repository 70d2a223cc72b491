//! Euler's method on the probability-flow equation (Karras et al. 2022,
//! <https://arxiv.org/abs/2206.00364>, algorithm 2 without churn).

use burn::tensor::Tensor;

use super::{
    Clip, ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep,
    SigmaLimits, Sigmas, ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::{
    BetaSchedule, FinalSigmas, Interpolation, SchedulerConfig, TimestepSpacing,
};
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `EulerDiscreteScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "euler",
    label: "Euler",
    class_names: &["EulerDiscreteScheduler", "EDMEulerScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: READS,
    build: |config, options| Ok(Box::new(Euler::new(config, options)?)),
};

/// Ancestral steps read it in the same way.
pub(super) const READS: ConfigReading = ConfigReading {
    betas: (1e-4, 0.02),
    beta_schedule: BetaSchedule::Linear,
    spacing: TimestepSpacing::Linspace,
    clip: Clip::Never,
    thresholds: false,
    zero_snr: ZeroSnr::AlmostReached,
    takes_fractions: true,
};

struct Euler {
    levels: Sigmas,
}

impl Euler {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        // Of those with x₀ + σ ε the only class in diffusers that has these keys.
        let limits = SigmaLimits {
            ends_at_smallest: config.final_sigmas_type == FinalSigmas::SigmaMin,
            is_log_linear: config.interpolation_type == Interpolation::LogLinear,
            ..SigmaLimits::told(config)
        };
        Ok(Self {
            levels: Sigmas::new(&INFO, config, options, limits)?,
        })
    }
}

impl Sampler for Euler {
    fn grid(&self) -> &dyn Grid {
        &self.levels
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
}
