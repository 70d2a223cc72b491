//! How large a network may be that a configuration asks for.
//!
//! The bounds lie far beyond every published model of these kinds. They keep a
//! damaged or hostile file from having modules built until memory ends; whether
//! the weights fit into memory is another question.

use std::ops::RangeInclusive;

use super::ModelError;

/// Resolutions of a network; each but the last halves pictures.
pub(super) const LEVELS: RangeInclusive<usize> = 1..=8;
/// Blocks in a row.
pub(super) const LAYERS: RangeInclusive<usize> = 1..=128;
/// Channels, and widths of vectors.
pub(super) const WIDTH: RangeInclusive<usize> = 1..=65_536;
/// Widths inside of feed-forward networks and of the embedding of time.
pub(super) const INNER_WIDTH: RangeInclusive<usize> = 1..=4 * 65_536;
/// Tokens of a vocabulary.
pub(super) const TOKENS: RangeInclusive<usize> = 1..=16_777_216;
/// Classes that a picture may be of.
pub(super) const CLASSES: RangeInclusive<usize> = 1..=65_536;
/// Tokens of a text.
pub(super) const LENGTH: RangeInclusive<usize> = 1..=65_536;
/// Rows and columns of a kernel.
pub(super) const KERNEL: RangeInclusive<usize> = 1..=15;
/// Residual and transformer blocks of a network together.
pub(super) const MOST_BLOCKS: usize = 4096;

/// Checks a size.
///
/// # Errors
/// If it is out of its range: one sentence that names part, key, value and range.
pub(super) fn within(
    part: &'static str,
    key: &'static str,
    value: usize,
    range: &RangeInclusive<usize>,
) -> Result<(), ModelError> {
    if range.contains(&value) {
        return Ok(());
    }
    let supported = format!("it must be from {} to {}", range.start(), range.end());
    Err(ModelError::unsupported(part, key, value, supported))
}

/// Checks the number that is added to a variance.
///
/// # Errors
/// If it is negative, or not far below 1.
pub(super) fn epsilon(part: &'static str, key: &'static str, value: f64) -> Result<(), ModelError> {
    if (0.0..=0.1).contains(&value) {
        return Ok(());
    }
    Err(ModelError::unsupported(
        part,
        key,
        value,
        "it must be from 0 to 0.1",
    ))
}
