//! DPM-Solver++ in its second-order multistep form (Lu et al. 2022,
//! <https://arxiv.org/abs/2211.01095>).

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
    class_names: &["DPMSolverMultistepScheduler"],
    algorithm_type: Some("dpmsolver++"),
    takes_schedules: true,
    takes_eta: false,
    reads: READS,
    build: |config, options| Ok(Box::new(DpmSolver::new(config, options)?)),
};

/// Other solvers of the same class read it in the same way.
pub(super) const READS: ConfigReading = ConfigReading {
    betas: (1e-4, 0.02),
    beta_schedule: BetaSchedule::Linear,
    spacing: TimestepSpacing::Linspace,
    clip: Clip::Never,
    zero_snr: ZeroSnr::AlmostReached,
    takes_fractions: false,
};

struct DpmSolver {
    levels: Levels,
    order: SecondOrder,
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
        if self.is_first || (self.ends_simply && levels.is_last(index)) {
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
        Ok(Self {
            order: SecondOrder::new(config, &levels),
            levels,
        })
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
        if let Some(slope) = self.order.slope(&self.levels, index, memory, &denoised) {
            moved = match self.order.solver {
                SolverType::Heun => moved + slope * (next.alpha * (decay / h + 1.0)),
                _ => moved - slope * (0.5 * next.alpha * decay),
            };
        }
        memory.past = vec![denoised.clone()];
        SamplerStep {
            sample: moved,
            denoised,
        }
    }
}
