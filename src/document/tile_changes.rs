//! Tiles before and after a change.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::error::DocumentError;
use super::tile_grid::{Pixel, Tile, TileGrid, TileIndex};

/// A tile before and after a change; `None` is blank.
#[derive(Clone, Debug)]
pub struct TileChange<P> {
    /// What was there.
    pub before: Option<Arc<Tile<P>>>,
    /// What comes in its place.
    pub after: Option<Arc<Tile<P>>>,
}

/// The changed tiles of one layer.
#[derive(Clone, Debug)]
pub enum PixelChanges {
    /// Of a picture layer.
    Color(BTreeMap<TileIndex, TileChange<[u8; 4]>>),
    /// Of a mask or semantic layer.
    Value(BTreeMap<TileIndex, TileChange<u8>>),
}

impl Default for PixelChanges {
    fn default() -> Self {
        Self::Value(BTreeMap::new())
    }
}

impl PixelChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Color(tiles) => tiles.is_empty(),
            Self::Value(tiles) => tiles.is_empty(),
        }
    }
}

/// Puts the later tiles in place.
///
/// # Errors
/// When the grid has no such tiles; it is then unchanged.
pub(super) fn replace_tiles<P: Pixel>(
    grid: &mut TileGrid<P>,
    tiles: &BTreeMap<TileIndex, TileChange<P>>,
) -> Result<(), DocumentError> {
    let [columns, rows] = grid.tile_counts();
    if tiles
        .keys()
        .any(|index| index.column >= columns || index.row >= rows)
    {
        return Err(DocumentError::Stale("replace pixels"));
    }
    for (index, change) in tiles {
        grid.set_tile(*index, change.after.clone());
    }
    Ok(())
}

/// The changes that undo these.
pub(super) fn swapped<P>(
    tiles: BTreeMap<TileIndex, TileChange<P>>,
) -> BTreeMap<TileIndex, TileChange<P>> {
    tiles
        .into_iter()
        .map(|(index, change)| {
            (
                index,
                TileChange {
                    before: change.after,
                    after: change.before,
                },
            )
        })
        .collect()
}

/// Takes later changes of the same grid in.
pub(super) fn merge_tiles<P>(
    tiles: &mut BTreeMap<TileIndex, TileChange<P>>,
    newer: BTreeMap<TileIndex, TileChange<P>>,
) {
    for (index, change) in newer {
        match tiles.entry(index) {
            Entry::Occupied(mut known) => {
                known.get_mut().after = change.after;
            }
            Entry::Vacant(free) => {
                free.insert(change);
            }
        }
    }
}

/// Memory that keeping the tiles takes.
pub(super) fn tiles_bytes<P: Pixel>(tiles: &BTreeMap<TileIndex, TileChange<P>>) -> usize {
    let count = |change: &TileChange<P>| {
        usize::from(change.before.is_some()) + usize::from(change.after.is_some())
    };
    tiles.values().map(count).sum::<usize>() * Tile::<P>::size_bytes()
}
