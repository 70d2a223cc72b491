//! From a prompt to a picture.
//!
//! Noise schedules, samplers, guidance and inpainting, as diffusers has them:
//! the same model, settings and seed give the same picture there and here.
//! Built on `model`; used by `engine`, `train` and `evaluate`, which must not be
//! named here. The loop over the steps is a library call with an observer
//! ([`LatentDiffusion::generate`]), so that the window, the command line and the
//! tests share it.

mod error;
mod latent_diffusion;
mod paste;
mod pixels;
mod preview;
mod sampler;
mod schedule;
mod scheduler_config;
mod torch_random;
mod vector_math;

pub use error::DiffusionError;
pub use latent_diffusion::{GenerationOutcome, GenerationRequest, LatentDiffusion, StepView};
pub use paste::paste_back;
pub use sampler::{Sampler, SamplerOptions, SamplerStep, sampler};
pub use schedule::NoiseSchedule;
pub use scheduler_config::{
    BetaSchedule, FinalSigmas, PredictionType, SchedulerConfig, SolverType, TimestepSpacing,
};
pub use torch_random::{BatchGenerators, NoiseSource, TorchGenerator};
