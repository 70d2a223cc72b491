//! Samplers: from noise to a latent, one model evaluation at a time.
//!
//! diffusers calls them schedulers. A sampler is plain data with a place in a
//! list of timesteps; it never sees the network, so the loop around it (in
//! [`super::Session`]) can show, stop or change what happens.

mod bound;
mod ddim;
mod ddpm;
mod deis;
mod dpm2;
mod dpm2_ancestral;
mod dpm_sde;
mod dpm_solver;
mod dpm_solver_3m_sde;
mod dpm_solver_sde;
mod edm;
mod euler;
mod euler_ancestral;
mod heun;
mod info;
mod lcm;
mod levels;
mod lms;
mod midpoints;
mod plms;
mod pndm;
mod sigmas;
mod spread;
mod tcd;
mod trained;
mod unipc;

use burn::tensor::Tensor;

use bound::Bound;
pub(super) use edm::Edm;
use info::Clip;
pub(super) use info::{ConfigReading, ZeroSnr};
pub use info::{SamplerInfo, SamplerOptions, sampler_info};
use sigmas::{SigmaLimits, Sigmas};
pub(super) use spread::RHO;
use trained::TrainedSteps;

use super::torch_random::NoiseSource;

/// How training reads a configuration: as DDPM does.
pub(super) const TRAINING: ConfigReading = ddpm::READS;

/// Every sampler, in the order in which menus list them; the first one is taken
/// where nobody chooses. A new one is a file and a line here.
pub static SAMPLERS: &[&SamplerInfo] = &[
    &euler::INFO,
    &euler_ancestral::INFO,
    &dpm_solver::INFO,
    &dpm_solver_sde::INFO,
    &dpm_sde::INFO,
    &dpm_solver_3m_sde::INFO,
    &unipc::INFO,
    &deis::INFO,
    &heun::INFO,
    &dpm2::INFO,
    &dpm2_ancestral::INFO,
    &lms::INFO,
    &ddim::INFO,
    &plms::INFO,
    &pndm::INFO,
    &ddpm::INFO,
    &lcm::INFO,
    &tcd::INFO,
];

/// What a step leads to.
#[derive(Clone, Debug)]
pub struct SamplerStep {
    /// The sample of the next index.
    pub sample: Tensor<4>,
    /// The clean sample as it looks from here.
    pub denoised: Tensor<4>,
}

/// What a sampler knows of a run besides the sample: all that a run needs to be
/// held, copied and gone on with.
#[derive(Clone, Debug, Default)]
pub struct SamplerMemory {
    /// Evaluations of the run so far, where a method counts them.
    pub calls: usize,
    /// What earlier evaluations led to, newest last.
    pub past: Vec<Tensor<4>>,
    /// A step of several evaluations that is not done.
    pub open: Option<OpenStep>,
}

/// A step of several evaluations that is not done.
#[derive(Clone, Debug)]
pub struct OpenStep {
    /// The sample at its beginning.
    pub sample: Tensor<4>,
    /// The weighted sum of what its evaluations led to so far.
    pub sum: Tensor<4>,
}

/// The steps of a run, and how much noise there is at each.
pub trait Grid: Send + Sync {
    /// The timestep of every evaluation of the model, in order.
    fn timesteps(&self) -> &[f64];

    /// Evaluations of the model for each step; the first step may need fewer.
    fn order(&self) -> usize {
        1
    }

    /// Standard deviation of the noise to begin with.
    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    /// What the model gets to see of a sample.
    ///
    /// # Shapes
    /// As given.
    fn scaled(&self, sample: Tensor<4>, _index: usize) -> Tensor<4> {
        sample
    }

    /// A clean sample with as much noise as samples have at an index.
    ///
    /// # Shapes
    /// `clean` and `noise`: the same; the result too.
    fn noised(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4>;
}

/// A way from noise to a clean sample: a plan, the same for all runs.
pub trait Sampler: Send + Sync {
    /// Its steps and their noise.
    fn grid(&self) -> &dyn Grid;

    /// One step with what the model said at a timestep of the grid. Indices go up
    /// by one from call to call, from wherever the first call begins, which gets
    /// an empty memory.
    ///
    /// # Shapes
    /// `output` and `sample`: the same; the result too.
    fn step(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: &mut dyn NoiseSource,
    ) -> SamplerStep;

    /// What is left of the memory where other noise is put on a sample on its way: nothing
    /// that earlier evaluations led to.
    fn restarted(&self, _memory: &SamplerMemory) -> SamplerMemory {
        SamplerMemory::default()
    }
}

/// The multistep rule of Adams and Bashforth on up to four predictions, newest last;
/// none of none.
fn adams_bashforth(said: &[Tensor<4>]) -> Option<Tensor<4>> {
    let weights: &[f64] = match said.len() {
        1 => &[1.0],
        2 => &[-1.0 / 2.0, 3.0 / 2.0],
        3 => &[5.0 / 12.0, -16.0 / 12.0, 23.0 / 12.0],
        _ => &[-9.0 / 24.0, 37.0 / 24.0, -59.0 / 24.0, 55.0 / 24.0],
    };
    let terms = said.iter().zip(weights);
    terms
        .map(|(said, weight)| said.clone() * *weight)
        .reduce(|sum, term| sum + term)
}
