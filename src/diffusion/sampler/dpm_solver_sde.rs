//! DPM-Solver++ of second order on the stochastic equation: as many steps, and new
//! noise in each (Lu et al. 2022, <https://arxiv.org/abs/2211.01095>, appendix B).

use burn::tensor::Tensor;

use super::dpm_solver::{self, SecondOrder};
use super::levels::{Levels, Manner};
use super::{Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::{SchedulerConfig, SolverType};
use crate::diffusion::torch_random::NoiseSource;

/// diffusers' `DPMSolverMultistepScheduler` with `sde-dpmsolver++`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "dpmpp-2m-sde",
    label: "DPM++ 2M SDE",
    class_names: &[
        "DPMSolverMultistepScheduler",
        "EDMDPMSolverMultistepScheduler",
    ],
    algorithm_type: Some("sde-dpmsolver++"),
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: dpm_solver::READS,
    build: |config, options| Ok(Box::new(DpmSolverSde::new(config, options)?)),
};

struct DpmSolverSde {
    levels: Levels,
    order: SecondOrder,
}

impl DpmSolverSde {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let levels = Levels::new(&INFO, config, options, Manner::DpmSolver)?;
        Ok(Self {
            order: SecondOrder::new(config, &levels),
            levels,
        })
    }
}

impl Sampler for DpmSolverSde {
    fn grid(&self) -> &dyn Grid {
        &self.levels
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
        let [here, next] = self.levels.ends(index);
        let denoised = self.levels.x0(index, output, sample.clone());
        let h = next.lambda - here.lambda;
        // 1 − e^−2h, the share of the variance that is new.
        let fresh = -(-2.0 * h).exp_m1();
        let ratio = next.sigma / here.sigma * (-h).exp();
        let mut moved = sample * ratio + denoised.clone() * (next.alpha * fresh);
        if let Some(slope) = self.order.slope(&self.levels, index, memory, &denoised) {
            let weight = match self.order.solver {
                SolverType::Heun => 1.0 - fresh / (2.0 * h),
                _ => 0.5 * fresh,
            };
            moved = moved + slope * (next.alpha * weight);
        }
        moved = moved + noise.noise(shape, &device) * (next.sigma * fresh.sqrt());
        memory.past = vec![denoised.clone()];
        SamplerStep {
            sample: moved,
            denoised,
        }
    }
}
