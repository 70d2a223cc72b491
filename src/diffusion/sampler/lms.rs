//! The linear multistep method on the probability-flow equation, as in k-diffusion:
//! the polynomial through the last slopes, integrated over the step.

use burn::tensor::Tensor;

use super::{
    ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep,
    SigmaLimits, Sigmas, ZeroSnr, euler,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;

/// Slopes that a step looks at.
const ORDER: usize = 4;

/// Gauss and Legendre's points and weights on [-1, 1]: exact up to the fifth degree.
const POINTS: [(f64, f64); 3] = [
    (-0.774_596_669_241_483_4, 5.0 / 9.0),
    (0.0, 8.0 / 9.0),
    (0.774_596_669_241_483_4, 5.0 / 9.0),
];

/// diffusers' `LMSDiscreteScheduler`. A run that begins in the middle has no slopes to
/// look back on at first; there diffusers takes weights for slopes that it has not.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "lms",
    label: "LMS",
    class_names: &["LMSDiscreteScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: ConfigReading {
        zero_snr: ZeroSnr::Ignored,
        ..euler::READS
    },
    build: |config, options| Ok(Box::new(Lms::new(config, options)?)),
};

struct Lms {
    levels: Sigmas,
}

impl Lms {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        Ok(Self {
            levels: Sigmas::new(&INFO, config, options, SigmaLimits::default())?,
        })
    }

    /// The weight of the slope `back` steps ago among `count`: the integral over the
    /// step of Lagrange's polynomial that is 1 there and 0 at the others.
    fn weight(&self, index: usize, count: usize, back: usize) -> f64 {
        let at = |back: usize| self.levels.sigmas[index - back];
        let (from, to) = (at(0), self.levels.sigmas[index + 1]);
        let polynomial = |sigma: f64| {
            let others = (0..count).filter(|other| *other != back);
            let factor = |other| (sigma - at(other)) / (at(back) - at(other));
            others.map(factor).product::<f64>()
        };
        let (middle, half) = ((from + to) / 2.0, (to - from) / 2.0);
        let points = POINTS.iter();
        points
            .map(|(point, weight)| weight * polynomial(middle + half * point))
            .sum::<f64>()
            * half
    }
}

impl Sampler for Lms {
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
        let sigma = self.levels.sigmas[index];
        let denoised = self.levels.x0(sigma, output, sample.clone());
        if memory.past.len() == ORDER {
            memory.past.remove(0);
        }
        memory
            .past
            .push((sample.clone() - denoised.clone()) / sigma);
        let count = memory.past.len();
        let slopes = memory.past.iter().rev().enumerate();
        let sample = slopes.fold(sample, |sample, (back, slope)| {
            sample + slope.clone() * self.weight(index, count, back)
        });
        SamplerStep { sample, denoised }
    }
}
