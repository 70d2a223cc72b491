//! A seed for those who give none.

use std::hash::{BuildHasher as _, RandomState};

/// A seed nobody can foresee, below 2³² so that other studios can take it over.
pub(super) fn random_seed() -> u64 {
    // The standard library keys its hashers with random numbers of the system.
    RandomState::new().hash_one(std::process::id()) >> 32
}
