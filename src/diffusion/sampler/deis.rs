//! The exponential integrator of diffusion models (Zhang and Chen 2022,
//! <https://arxiv.org/abs/2204.13902>), tAB-DEIS over log ρ: the noise of the last steps is
//! taken for a polynomial of log σ, of which the way is known.

use burn::tensor::Tensor;

use super::levels::{Levels, Manner};
use super::{
    Clip, ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep,
    ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::{
    BetaSchedule, FinalSigmas, SchedulerConfig, TimestepSpacing,
};
use crate::diffusion::torch_random::NoiseSource;

/// Highest order that is computed.
const HIGHEST_ORDER: usize = 3;
/// Runs shorter than this end with lower orders, to be stable.
const SHORT: usize = 15;

/// diffusers' `DEISMultistepScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "deis",
    label: "DEIS",
    class_names: &["DEISMultistepScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: ConfigReading {
        betas: (1e-4, 0.02),
        beta_schedule: BetaSchedule::Linear,
        spacing: TimestepSpacing::Linspace,
        clip: Clip::Never,
        thresholds: true,
        zero_snr: ZeroSnr::Ignored,
        takes_fractions: false,
    },
    build: |config, options| Ok(Box::new(Deis::new(config, options)?)),
};

struct Deis {
    levels: Levels,
    order: usize,
    /// Whether the last steps are of lower order.
    ends_lower: bool,
}

impl Deis {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        // Its class does not know these keys, and never ends without any noise.
        let told = match config.edm() {
            Some(_) => config.clone(),
            None => SchedulerConfig {
                sigma_min: None,
                sigma_max: None,
                final_sigmas_type: FinalSigmas::SigmaMin,
                ..config.clone()
            },
        };
        let levels = Levels::new(&INFO, &told, options, Manner::UniPc)?;
        Ok(Self {
            order: config.solver_order.clamp(1, HIGHEST_ORDER),
            ends_lower: config.lower_order_final && levels.timesteps.len() < SHORT,
            levels,
        })
    }

    /// Noise of how many steps is looked at, this one's counted, after so many others.
    fn order_at(&self, index: usize, done: usize) -> usize {
        let left = self.levels.timesteps.len() - index;
        let most = match self.ends_lower {
            true => self.order.min(left),
            false => self.order,
        };
        most.min(done + 1)
    }

    /// How far the noise of a step, so many back of `count`, moves the sample.
    fn weight(&self, index: usize, count: usize, back: usize) -> f64 {
        let level = |back: usize| -self.levels.lambda(index - back);
        let others: Vec<f64> = (0..count).filter(|it| *it != back).map(level).collect();
        let [here, next] = self.levels.ends(index);
        let ends = [next, here].map(|end| integral(end.sigma / end.alpha, &others));
        let scale: f64 = others.iter().map(|other| level(back) - other).product();
        (ends[0] - ends[1]) / scale
    }
}

/// The integral over ρ, from none, of a polynomial of log ρ that is 0 at some.
fn integral(rho: f64, zeros: &[f64]) -> f64 {
    if rho <= 0.0 {
        return 0.0;
    }
    let log = rho.ln();
    rho * match zeros {
        [] => 1.0,
        [zero] => log - zero - 1.0,
        [first, second, ..] => {
            log * log - 2.0 * log + 2.0 - (first + second) * (log - 1.0) + first * second
        }
    }
}

impl Sampler for Deis {
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
        let [here, next] = self.levels.ends(index);
        let denoised = self.levels.x0(index, output, sample.clone());
        let noise = (sample.clone() - denoised.clone() * here.alpha) / here.sigma;
        let count = self.order_at(index, memory.past.len());
        memory.past.push(noise);
        let newest = memory.past.iter().rev().take(count).enumerate();
        let moved = newest.fold(sample / here.alpha, |sample, (back, noise)| {
            sample + noise.clone() * self.weight(index, count, back)
        });
        if memory.past.len() == HIGHEST_ORDER {
            memory.past.remove(0);
        }
        SamplerStep {
            sample: moved * next.alpha,
            denoised,
        }
    }
}
