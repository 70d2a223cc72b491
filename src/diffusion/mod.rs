//! From a prompt to a picture.
//!
//! Noise schedules, samplers, guidance and inpainting, as diffusers has them:
//! the same model, settings and seed give the same picture there and here.
//! Built on `model`; used by `engine`, `train` and `evaluate`, which must not be
//! named here. A run in progress is a value ([`Session`]) that can be stepped,
//! copied and changed; [`LatentDiffusion::generate`] is the whole of it in one
//! call, so that the window, the command line and the tests share it.

mod canvas;
mod composing;
mod control;
mod enlarge;
mod error;
mod guidance;
mod guide;
mod kept;
mod latent_coder;
mod latent_diffusion;
mod prediction;
mod preview;
mod request;
mod sampler;
mod schedule;
mod scheduler_config;
mod scheduler_wishes;
mod session;
mod spoken;
mod start;
mod step_view;
mod telling;
mod tensors;
mod torch_random;
mod unnamed;
mod variation;
mod vector_math;

pub use canvas::Canvas;
pub use composing::Composing;
pub use control::ControlInput;
pub use enlarge::{Enlargement, Repainting, RepaintingOptions};
pub use error::DiffusionError;
pub use guide::{ClassGuide, Guide};
pub use latent_coder::{LatentCoder, UnscaledLatents};
pub use latent_diffusion::LatentDiffusion;
pub use prediction::PredictionType;
pub use request::{Conditions, GenerationOutcome, GenerationRequest, GivenLatents, Inpainting};
pub use sampler::{
    Grid, OpenStep, SAMPLERS, Sampler, SamplerInfo, SamplerMemory, SamplerOptions, SamplerStep,
    sampler_info,
};
pub use schedule::NoiseSchedule;
pub use scheduler_config::{
    BetaSchedule, FinalSigmas, SchedulerConfig, SolverType, TimestepSpacing,
};
pub use session::{RunPlan, Session, StepState, Told};
pub use spoken::MOST_TEXTS;
pub use step_view::StepView;
pub use telling::Retelling;
pub use torch_random::{BatchGenerators, NoiseSource, TorchGenerator};
pub use variation::Variation;
