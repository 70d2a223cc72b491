//! Samplers: from noise to a latent, one model evaluation at a time.
//!
//! diffusers calls them schedulers. A sampler is plain data with a place in a
//! list of timesteps; it never sees the network, so the loop around it (in
//! [`super::LatentDiffusion`]) can show, stop or change what happens.

mod ddim;
mod ddpm;
mod dpm_solver;
mod euler;
mod heun;
mod pndm;

use burn::tensor::Tensor;

use super::DiffusionError;
use super::schedule::{NoiseSchedule, interpolate, karras_sigmas, spaced_timesteps, step_of_sigma};
use super::scheduler_config::{FinalSigmas, PredictionType, SchedulerConfig, TimestepSpacing};
use super::torch_random::NoiseSource;
use crate::recipe::SamplerKind;

/// What the user decides about sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerOptions {
    /// Number of steps.
    pub steps: usize,
    /// Whether noise levels follow Karras et al. 2022; only where
    /// [`SamplerKind::supports_karras`].
    pub karras: bool,
    /// DDIM's η: 0 is deterministic, 1 as noisy as DDPM.
    pub eta: f32,
}

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

/// A way from noise to a clean sample: a plan, the same for all runs.
pub trait Sampler: Send + Sync {
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
    fn scale_model_input(&self, sample: Tensor<4>, _index: usize) -> Tensor<4> {
        sample
    }

    /// One step with what the model said at `timesteps()[index]`. Indices go up
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

    /// A clean sample with as much noise as samples have at an index.
    ///
    /// # Shapes
    /// `clean` and `noise`: the same; the result too.
    fn add_noise(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4>;
}

/// Makes a sampler for a model's scheduler configuration.
///
/// # Errors
/// If the sampler cannot take so many steps.
pub fn sampler(
    kind: SamplerKind,
    config: &SchedulerConfig,
    options: SamplerOptions,
) -> Result<Box<dyn Sampler>, DiffusionError> {
    Ok(match kind {
        SamplerKind::Ddim => Box::new(ddim::Ddim::new(config, options)?),
        SamplerKind::Ddpm => Box::new(ddpm::Ddpm::new(config, options)?),
        SamplerKind::Pndm => Box::new(pndm::Pndm::new(config, options)?),
        SamplerKind::Euler => Box::new(euler::Euler::new(config, options)?),
        SamplerKind::EulerA => Box::new(euler::EulerAncestral::new(config, options)?),
        SamplerKind::Heun => Box::new(heun::Heun::new(config, options)?),
        SamplerKind::DpmPp2M => Box::new(dpm_solver::DpmSolver::new(config, options)?),
    })
}

/// What the model said of a sample √ᾱ x₀ + √(1 − ᾱ) ε, as x₀ and ε.
fn x0_and_noise(
    prediction: PredictionType,
    alpha_cumprod: f64,
    output: Tensor<4>,
    sample: Tensor<4>,
) -> (Tensor<4>, Tensor<4>) {
    let (signal, sigma) = (alpha_cumprod.sqrt(), (1.0 - alpha_cumprod).sqrt());
    match prediction {
        PredictionType::Epsilon => {
            let x0 = (sample - output.clone() * sigma) / signal;
            (x0, output)
        }
        PredictionType::VPrediction => {
            let x0 = sample.clone() * signal - output.clone() * sigma;
            (x0, output * signal + sample * sigma)
        }
        PredictionType::Sample => {
            let noise = (sample - output.clone() * signal) / sigma;
            (output, noise)
        }
    }
}

/// √ᾱ x₀ + √(1 − ᾱ) ε.
fn with_noise(alpha_cumprod: f64, clean: Tensor<4>, noise: Tensor<4>) -> Tensor<4> {
    clean * alpha_cumprod.sqrt() + noise * (1.0 - alpha_cumprod).sqrt()
}

fn clipped(x0: Tensor<4>, range: Option<f64>) -> Tensor<4> {
    match range {
        Some(range) => x0.clamp(-range, range),
        None => x0,
    }
}

/// The steps and noise levels of samplers that work with x₀ + σ ε.
#[derive(Clone, Debug)]
struct Sigmas {
    timesteps: Vec<f64>,
    /// One more than timesteps: the last is that of the result.
    sigmas: Vec<f64>,
    init_noise_sigma: f64,
    prediction: PredictionType,
}

impl Sigmas {
    fn new(
        kind: SamplerKind,
        config: &SchedulerConfig,
        options: SamplerOptions,
    ) -> Result<Self, DiffusionError> {
        let table = NoiseSchedule::new(config, kind).sigmas();
        let mut timesteps = spaced_timesteps(config, kind, options.steps)?;
        let mut sigmas: Vec<f64> = timesteps.iter().map(|t| interpolate(&table, *t)).collect();
        if options.karras && kind.supports_karras() {
            // Only Euler's class in diffusers has these two keys.
            let limit = |key: Option<f64>| key.filter(|_| kind == SamplerKind::Euler);
            let max = limit(config.sigma_max).unwrap_or(sigmas[0]);
            let min = limit(config.sigma_min).unwrap_or(sigmas[sigmas.len() - 1]);
            sigmas = karras_sigmas(min, max, options.steps);
            timesteps = sigmas
                .iter()
                .map(|sigma| step_of_sigma(&table, *sigma))
                .collect();
        }
        sigmas.push(match config.final_sigmas_type {
            FinalSigmas::SigmaMin if kind == SamplerKind::Euler => table[0],
            _ => 0.0,
        });
        let rounded = |value: f64| f64::from(value as f32);
        let sigmas: Vec<f64> = sigmas.into_iter().map(rounded).collect();
        let largest = sigmas.iter().copied().fold(0.0, f64::max);
        Ok(Self {
            timesteps: timesteps.into_iter().map(rounded).collect(),
            init_noise_sigma: match config.spacing(kind) {
                TimestepSpacing::Linspace | TimestepSpacing::Trailing => largest,
                TimestepSpacing::Leading => (largest * largest + 1.0).sqrt(),
            },
            sigmas,
            prediction: config.prediction_type,
        })
    }

    /// x / √(σ² + 1).
    fn scaled(sample: Tensor<4>, sigma: f64) -> Tensor<4> {
        sample / (sigma * sigma + 1.0).sqrt()
    }

    /// What the model said of a sample x₀ + σ ε, as x₀.
    fn x0(&self, sigma: f64, output: Tensor<4>, sample: Tensor<4>) -> Tensor<4> {
        match self.prediction {
            PredictionType::Epsilon => sample - output * sigma,
            PredictionType::VPrediction => {
                let square = sigma * sigma + 1.0;
                sample / square - output * (sigma / square.sqrt())
            }
            PredictionType::Sample => output,
        }
    }
}
