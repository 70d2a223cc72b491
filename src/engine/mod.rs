//! The background engine: one thread that owns every tensor, takes jobs from a
//! queue and reports.
//!
//! `protocol`, `handle` and `latest` name no tensor type: they are what the
//! window may see.

mod latest;
pub mod protocol;

pub use latest::Latest;
