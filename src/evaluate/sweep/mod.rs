//! The paper's two analyses in small, on scenes: quality against speed (its figure 7)
//! and quality against the factor of the first stage at equal training (its figure 6).
//!
//! Each gives rows for a table and a [`Chart`]. Pictures are compared with unseen scenes
//! by a [`FeatureNetwork`], as [`compare`](super::compare) does.

mod chart;
mod compression;
mod kept;
mod labels;
mod lettering;
mod painted;
mod processor;
mod small_models;
mod speed;

pub use chart::{Chart, Point, Series};
pub use compression::{CompressionPlan, CompressionRow, compression};
pub use speed::{Clock, SpeedModel, SpeedPlan, SpeedRow, speed};

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;

use super::EvaluateError;
use super::compare::{FeatureNetwork, Gatherer, Side};
use crate::scenes::SceneSource;

/// Real scenes that pictures are compared with.
const REAL: u32 = 500;
/// Most optimiser steps of one training in a sweep.
pub const MOST_TRAINING_STEPS: u64 = 1_000_000;
/// Most seeds that anything in a sweep is tried with.
pub const MOST_SEEDS: u32 = 100;
/// How far the seed of the real scenes is from that of the captions.
const OTHER_SEED: u64 = 0x5eed;

/// Told how much of the work is done and what is, and each row once it is there; says
/// whether to go on.
pub type Observer<'a, R> = dyn FnMut(u64, &str, Option<&R>) -> ControlFlow<()> + 'a;

/// A row of a table of figures.
pub trait TableRow {
    /// Names of the columns.
    const COLUMNS: &'static [&'static str];

    /// What stands in them.
    fn cells(&self) -> Vec<String>;
}

/// Rows as lines of values with commas between, the first line with the names.
pub fn csv<R: TableRow>(rows: &[R]) -> String {
    let lines = rows.iter().map(|row| row.cells().join(",") + "\n");
    R::COLUMNS.join(",") + "\n" + &lines.collect::<String>()
}

/// Real scenes by their side in pixels, looked at when they are first asked for: where all
/// rows are kept, nobody asks.
struct RealScenes<'a> {
    network: &'a FeatureNetwork,
    seed: u64,
    seen: BTreeMap<u32, Side>,
}

impl<'a> RealScenes<'a> {
    fn new(network: &'a FeatureNetwork, seed: u64) -> Self {
        Self {
            network,
            seed,
            seen: BTreeMap::new(),
        }
    }

    fn of(&mut self, side_px: u32) -> Result<&Side, EvaluateError> {
        match self.seen.entry(side_px) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(real(self.network, side_px, self.seed)?)),
        }
    }
}

/// What a network sees in scenes that nobody was trained on, and that are not the ones
/// whose captions are painted.
fn real(network: &FeatureNetwork, side_px: u32, seed: u64) -> Result<Side, EvaluateError> {
    let source = SceneSource::new(side_px)?;
    let mut gatherer = Gatherer::new(network, REAL as usize);
    for index in 0..REAL {
        let scene = source.scene(seed.wrapping_add(OTHER_SEED), index.into());
        gatherer.add(scene.image)?;
    }
    Ok(Side::seen(gatherer.finish()?, network.kind()))
}
