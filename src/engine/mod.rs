//! The background engine: one thread that owns every tensor, takes jobs in hand
//! and reports.
//!
//! A job is a [`Work`], done in slices that end where it can wait. The
//! `worker_loop` gives the next slice to the job whose turn it is: what the user
//! asks for goes before training, a job that is held has no turn.
//!
//! `protocol`, `samplers`, `handle`, `job`, `work` and `queue` name no
//! tensor type: they are what the window may see. `device`, `studio` and its
//! `works`, one file for each kind of job, are the engine itself. `library` looks
//! for models, `kept_files` for what is kept beside them.

mod additions;
mod backlog;
mod classifiers;
mod controls;
pub mod device;
pub mod handle;
mod inputs;
pub mod job;
pub mod kept_files;
pub mod library;
pub mod memory;
mod model_cache;
mod prompt_reader;
pub mod protocol;
mod queue;
mod samplers;
mod settle;
mod steps;
pub mod studio;
pub mod work;
mod workbench;
mod worker_loop;
mod works;

pub use backlog::FrameBacklog;
pub use handle::{EngineHandle, Waker};
pub use job::{Engine, EngineFactory, JobContext};
pub use prompt_reader::PromptReader;
pub use samplers::SamplerChoice;
pub use work::{Flow, Work};
pub use workbench::memory_in_turn;

pub use crate::model::conditioner::TokenCount;
