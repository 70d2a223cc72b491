//! The background engine: one thread that owns every tensor, takes jobs from a
//! queue and reports.
//!
//! `protocol`, `samplers`, `handle`, `job` and `latest` name no tensor type: they are what
//! the window may see. `device` and `studio` are the engine itself.

mod backlog;
pub mod device;
pub mod handle;
pub mod job;
mod latest;
mod memory;
pub mod protocol;
mod samplers;
mod settle;
pub mod studio;
mod worker_loop;

pub use backlog::FrameBacklog;
pub use handle::{EngineHandle, Waker};
pub use job::{Engine, EngineFactory, JobContext};
pub use latest::Latest;
pub use samplers::SamplerChoice;
