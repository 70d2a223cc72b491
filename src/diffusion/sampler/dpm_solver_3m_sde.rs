//! DPM-Solver++ of third order on the stochastic equation, as in k-diffusion
//! (Crowson, <https://github.com/crowsonkb/k-diffusion>, `sample_dpmpp_3m_sde`).
//!
//! diffusers' own form of it has the wrong sign before the constant of the last term
//! (0.42.1), which does not vanish for short steps; this is not that.

use burn::tensor::Tensor;

use super::dpm_solver;
use super::levels::{Levels, Manner};
use super::{Grid, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::SchedulerConfig;
use crate::diffusion::torch_random::NoiseSource;

/// k-diffusion's function, on the steps of diffusers' `DPMSolverMultistepScheduler`.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "dpmpp-3m-sde",
    label: "DPM++ 3M SDE",
    class_names: &[],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: dpm_solver::READS,
    build: |config, options| Ok(Box::new(DpmSolver3mSde::new(config, options)?)),
};

struct DpmSolver3mSde {
    levels: Levels,
}

impl DpmSolver3mSde {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        Ok(Self {
            levels: Levels::new(&INFO, config, options, Manner::DpmSolver)?,
        })
    }

    /// What the last clean samples add, for a step of length `h`: the first and second
    /// derivative as far as there is a past.
    fn correction(
        &self,
        index: usize,
        h: f64,
        past: &[Tensor<4>],
        denoised: &Tensor<4>,
    ) -> Option<Tensor<4>> {
        let (before, earlier) = (past.last()?, past.iter().rev().nth(1));
        let phi_2 = (-2.0 * h).exp_m1() / (2.0 * h) + 1.0;
        let phi_3 = phi_2 / (2.0 * h) - 0.5;
        let r0 = self.levels.length_before(index) / h;
        let slope = (denoised.clone() - before.clone()) / r0;
        let Some(earlier) = earlier else {
            return Some(slope * phi_2);
        };
        let r1 = self.levels.length_before(index - 1) / h;
        let slope_before = (before.clone() - earlier.clone()) / r1;
        let bend = (slope.clone() - slope_before) / (r0 + r1);
        let slope = slope + bend.clone() * r0;
        Some(slope * phi_2 - bend * phi_3)
    }
}

impl Sampler for DpmSolver3mSde {
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
        let moved = if next.sigma == 0.0 {
            denoised.clone()
        } else {
            let h = next.lambda - here.lambda;
            // 1 − e^−2h, the share of the variance that is new.
            let fresh = -(-2.0 * h).exp_m1();
            let ratio = next.sigma / here.sigma * (-h).exp();
            let mut moved = sample * ratio + denoised.clone() * (next.alpha * fresh);
            // A file may repeat its smallest level at the end; no way is left there.
            let more = (h > 0.0).then(|| self.correction(index, h, &memory.past, &denoised));
            if let Some(more) = more.flatten() {
                moved = moved + more * next.alpha;
            }
            moved + noise.noise(shape, &device) * (next.sigma * fresh.sqrt())
        };
        if memory.past.len() == 2 {
            memory.past.remove(0);
        }
        memory.past.push(denoised.clone());
        SamplerStep {
            sample: moved,
            denoised,
        }
    }
}
