//! DPM-Solver++ in its multistep form of the second order, or of the third where a model
//! asks for it (Lu et al. 2022, <https://arxiv.org/abs/2211.01095>).

use burn::tensor::Tensor;

use super::levels::{Levels, Manner};
use super::{
    Clip, ConfigReading, Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep,
    ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::{
    BetaSchedule, FinalSigmas, SchedulerConfig, SolverType, TimestepSpacing,
};
use crate::diffusion::torch_random::NoiseSource;

/// Runs shorter than this end with a first-order step, to be stable.
const SHORT: usize = 15;

/// diffusers' `DPMSolverMultistepScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "dpmpp-2m",
    label: "DPM++ 2M",
    class_names: &[
        "DPMSolverMultistepScheduler",
        "EDMDPMSolverMultistepScheduler",
    ],
    algorithm_type: Some("dpmsolver++"),
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: READS,
    build: |config, options| Ok(Box::new(DpmSolver::new(config, options)?)),
};

/// Other solvers of the same class read it in the same way.
pub(super) const READS: ConfigReading = ConfigReading {
    betas: (1e-4, 0.02),
    beta_schedule: BetaSchedule::Linear,
    spacing: TimestepSpacing::Linspace,
    clip: Clip::Never,
    thresholds: true,
    zero_snr: ZeroSnr::AlmostReached,
    takes_fractions: false,
};

struct DpmSolver {
    levels: Levels,
    order: SecondOrder,
    third: Option<ThirdOrder>,
}

/// Where steps are of the third order.
#[derive(Clone, Copy, Debug)]
struct ThirdOrder {
    /// Whether the step before the last is of the second order.
    ends_slowly: bool,
}

/// Where steps are of the second order, and of which kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecondOrder {
    is_first: bool,
    /// Whether the last step is of the first order.
    ends_simply: bool,
    pub solver: SolverType,
}

impl SecondOrder {
    pub fn new(config: &SchedulerConfig, levels: &Levels) -> Self {
        let is_short = levels.timesteps.len() < SHORT;
        Self {
            is_first: config.solver_order == 1,
            ends_simply: config.euler_at_final
                || (config.lower_order_final && is_short)
                || config.final_sigmas_type == FinalSigmas::Zero,
            solver: config.solver_type,
        }
    }

    /// Whether a step does not look back, wherever it is.
    fn is_simple(&self, levels: &Levels, index: usize) -> bool {
        self.is_first || (self.ends_simply && levels.is_last(index))
    }

    /// How the clean sample changes in the length of a step, if that is looked at.
    pub fn slope(
        &self,
        levels: &Levels,
        index: usize,
        memory: &SamplerMemory,
        denoised: &Tensor<4>,
    ) -> Option<Tensor<4>> {
        // The clean sample as it looked a step ago.
        let before = memory.past.last()?;
        if self.is_simple(levels, index) {
            return None;
        }
        let [here, next] = levels.ends(index);
        let part = (next.lambda - here.lambda) / levels.length_before(index);
        Some((denoised.clone() - before.clone()) * part)
    }
}

impl DpmSolver {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let levels = Levels::new(&INFO, config, options, Manner::DpmSolver)?;
        let ends_slowly = config.lower_order_final && levels.timesteps.len() < SHORT;
        let is_third = config.solver_order > 2;
        Ok(Self {
            order: SecondOrder::new(config, &levels),
            third: is_third.then_some(ThirdOrder { ends_slowly }),
            levels,
        })
    }

    /// First and second change of the clean sample in the length of a step, where both are
    /// looked at.
    fn curve(
        &self,
        index: usize,
        memory: &SamplerMemory,
        denoised: &Tensor<4>,
    ) -> Option<[Tensor<4>; 2]> {
        let third = self.third?;
        // The clean sample as it looked two steps ago and one.
        let [.., earlier, before] = memory.past.as_slice() else {
            return None;
        };
        let is_late = index + 2 == self.levels.timesteps.len();
        if self.order.is_simple(&self.levels, index) || (third.ends_slowly && is_late) {
            return None;
        }
        let [here, next] = self.levels.ends(index);
        let h = next.lambda - here.lambda;
        let lengths = [index, index - 1].map(|index| self.levels.length_before(index) / h);
        let late = (denoised.clone() - before.clone()) / lengths[0];
        let early = (before.clone() - earlier.clone()) / lengths[1];
        let change = (late.clone() - early) / (lengths[0] + lengths[1]);
        Some([late + change.clone() * lengths[0], change])
    }
}

impl Sampler for DpmSolver {
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
        let h = next.lambda - here.lambda;
        // e^−h − 1: without any noise left, h is infinite.
        let decay = (-h).exp_m1();
        let ratio = next.sigma / here.sigma;
        let mut moved = sample * ratio - denoised.clone() * (next.alpha * decay);
        if let Some([first, second]) = self.curve(index, memory, &denoised) {
            moved = moved + first * (next.alpha * (decay / h + 1.0))
                - second * (next.alpha * ((decay + h) / (h * h) - 0.5));
        } else if let Some(slope) = self.order.slope(&self.levels, index, memory, &denoised) {
            moved = match self.order.solver {
                SolverType::Heun => moved + slope * (next.alpha * (decay / h + 1.0)),
                _ => moved - slope * (0.5 * next.alpha * decay),
            };
        }
        let kept = memory.past.pop().filter(|_| self.third.is_some());
        memory.past = kept.into_iter().chain([denoised.clone()]).collect();
        SamplerStep {
            sample: moved,
            denoised,
        }
    }
}
