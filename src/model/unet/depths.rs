//! Numbers of a denoiser's levels and of their blocks in diffusers' configurations: how many
//! transformer blocks stand where, and what lies in the middle.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::UNet2dConfig;
use super::architecture::Middle;
use super::diffusers::CLASS;
use crate::model::{ModelError, limits};

/// Where distilled versions of XL tell the depths on the way up, from the lowest resolution.
pub(super) const REVERSE_DEPTHS: &str = "reverse_transformer_layers_per_block";
/// Where a denoiser tells its middle, and one without attention there.
pub(super) const MIDDLE: &str = "mid_block_type";
pub(super) const PLAIN_MIDDLE: &str = "UNetMidBlock2D";

/// One number for all levels, or one for each; of depths also one for each block of a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLevel {
    /// The same on each level.
    All(usize),
    /// From the highest resolution down.
    Each(Vec<usize>),
    /// From the highest resolution down, and of each level one for all blocks or each.
    Nested(Vec<PerLevel>),
}

impl PerLevel {
    /// The number of a level, or that of its first block.
    pub fn at(&self, level: usize) -> usize {
        self.of_block(level, 0)
    }

    /// The number of a block of a level.
    fn of_block(&self, level: usize, block: usize) -> usize {
        match self {
            Self::All(value) => *value,
            Self::Each(values) => values[level],
            Self::Nested(levels) => levels[level].at(block),
        }
    }

    /// Whether the numbers are above zero, and one for each of so many levels if not for all.
    pub(super) fn fits(&self, levels: usize) -> bool {
        match self {
            Self::All(value) => *value > 0,
            Self::Each(values) => values.len() == levels && values.iter().all(|value| *value > 0),
            Self::Nested(_) => false,
        }
    }

    /// The same of numbers for so many blocks, of which there may be one for each.
    fn fits_blocks(&self, levels: usize, blocks: usize) -> bool {
        match self {
            Self::Nested(values) => {
                values.len() == levels && values.iter().all(|value| value.fits(blocks))
            }
            value => value.fits(levels),
        }
    }
}

impl UNet2dConfig {
    /// What lies below the last level.
    pub(super) fn middle(&self) -> Middle {
        let last = self.block_out_channels.len() - 1;
        match self.other.get(MIDDLE) {
            Some(Value::Null) => Middle::Nothing,
            Some(kind) if kind == PLAIN_MIDDLE && !self.is_plain() => Middle::Residual,
            _ if self.is_plain() => Middle::Attending(1),
            _ => Middle::Attending(self.transformer_layers_per_block.at(last)),
        }
    }

    /// Transformer blocks on the way up, from the lowest resolution; `None` where they are
    /// those of the way down.
    pub(super) fn reverse_depths(&self) -> Result<Option<PerLevel>, ModelError> {
        let told = self.other.get(REVERSE_DEPTHS);
        let Some(told) = told.filter(|told| !told.is_null()) else {
            return Ok(None);
        };
        let depths = serde_json::from_value(told.clone()).map(Some);
        depths.map_err(|_| {
            let supported = "it must be a list of numbers, or of lists of them";
            ModelError::unsupported(CLASS, REVERSE_DEPTHS, told, supported)
        })
    }

    /// Checks the depths of both ways.
    pub(super) fn check_depths(&self) -> Result<(), ModelError> {
        let key = "transformer_layers_per_block";
        let levels = self.block_out_channels.len();
        let layers = self.layers_per_block.at(0);
        let down = &self.transformer_layers_per_block;
        // A level without attention may have none.
        let told = self.other.get(MIDDLE);
        let has_middle = !told.is_some_and(|it| it.is_null() || it == PLAIN_MIDDLE);
        let used = |level: usize| {
            let is_middle = has_middle && level + 1 == levels;
            is_middle || self.down_attention(level) || self.up_attention(level)
        };
        let used_only = |depths: &PerLevel| match depths {
            PerLevel::Each(depths) if depths.len() == levels => {
                let depths = depths.iter().enumerate();
                let depths = depths.map(|(level, depth)| match depth {
                    0 if !used(level) => 1,
                    depth => *depth,
                });
                PerLevel::Each(depths.collect())
            }
            depths => depths.clone(),
        };
        let reverse = self.reverse_depths()?;
        for (key, depths, blocks) in [
            (key, Some(used_only(down)), layers),
            (REVERSE_DEPTHS, reverse.clone(), layers + 1),
        ] {
            let Some(depths) = depths else {
                continue;
            };
            if !depths.fits_blocks(levels, blocks) {
                return Err(ModelError::unsupported(
                    CLASS,
                    key,
                    format!("{depths:?}"),
                    format!(
                        "it must be one positive number, one for each level, or one for each of {blocks} blocks of a level"
                    ),
                ));
            }
            for (level, block) in
                (0..levels).flat_map(|level| (0..blocks).map(move |it| (level, it)))
            {
                limits::within(CLASS, key, depths.of_block(level, block), &limits::LAYERS)?;
            }
        }
        if matches!(down, PerLevel::Nested(_)) && reverse.is_none() {
            return Err(ModelError::unsupported(
                CLASS,
                key,
                format!("{down:?}"),
                format!(
                    "with one number for each block, {REVERSE_DEPTHS} must tell those of the way up"
                ),
            ));
        }
        Ok(())
    }

    /// Transformer blocks behind each residual block of a level, on the way down and up.
    pub(super) fn level_depths(&self, level: usize, reverse: Option<&PerLevel>) -> [Vec<usize>; 2] {
        let layers = self.layers_per_block.at(level);
        let from_below = self.block_out_channels.len() - 1 - level;
        let down = |block| match self.is_plain() {
            true => 1,
            false => self.transformer_layers_per_block.of_block(level, block),
        };
        let up = |block| match reverse {
            Some(depths) if !self.is_plain() => depths.of_block(from_below, block),
            _ => down(block),
        };
        [
            (0..layers)
                .map(down)
                .filter(|_| self.down_attention(level))
                .collect(),
            (0..=layers)
                .map(up)
                .filter(|_| self.up_attention(level))
                .collect(),
        ]
    }
}
