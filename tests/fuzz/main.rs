//! Damaged and hostile input: everything that reads a file of a stranger's is
//! given a kept corpus, mutated.
//!
//! No input may end in a panic, an abort, a hang, or in more memory than it is
//! worth. A few hundred inputs a target are a part of the test command, always
//! the same. For as long as one likes:
//!
//! ```text
//! VELATURA_FUZZ_SECS=600 VELATURA_FUZZ_SEED=7 cargo test --release --test fuzz pictures
//! ```
//!
//! runs the target `pictures` for ten minutes from another seed. An input that
//! fails is written to a file, which is named; moved into `tests/data/fuzz/` and
//! the folder of its target it becomes a part of the corpus.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod additions;
mod checkpoints;
mod containers;
mod drive;
mod exchange;
mod json;
mod memory;
mod models;
mod mutate;
mod pictures;
mod projects;
mod random;
mod texts;
#[path = "../train_support/mod.rs"]
mod train_support;
mod training;

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;
