//! Changing which class stands for which: swapping, replacing, joining palettes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::class_map::stored_class;
use super::identity::{DocumentId, DocumentRevision};
use super::layer::LayerId;
use super::picture::{Document, DocumentSnapshot};
use super::tile_changes::{PixelChanges, TileChange};
use super::tile_grid::{TileGrid, TileIndex};
use crate::geometry::CanvasRect;
use crate::recipe::palette::{NOTHING, Palette};

/// What every class becomes, by the values that semantic layers store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recoding(Box<[u8; 256]>);

impl Default for Recoding {
    /// Every class stays what it is.
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|value| value as u8)))
    }
}

impl Recoding {
    /// Two classes, by their indices, become each other.
    pub fn swap(one: u8, other: u8) -> Self {
        Self::default().with(one, other).with(other, one)
    }

    /// The same, but a class becomes another; both are indices, 255 is no class.
    #[must_use]
    pub fn with(mut self, from: u8, to: u8) -> Self {
        self.0[usize::from(stored_class(from))] = stored_class(to);
        self
    }

    /// Whether every class stays what it is.
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }

    /// The tiles of a grid that change. Tiles without a class that changes are known
    /// by their counts and not read.
    pub fn changes(&self, grid: &TileGrid<u8>) -> BTreeMap<TileIndex, TileChange<u8>> {
        let whole = CanvasRect::from_size(grid.size_px());
        let mut changes = BTreeMap::new();
        for index in grid.indices() {
            let inside = index.rect().intersect(&whole);
            let before = grid.tile(index).cloned();
            let mut tile = match &before {
                Some(tile) if self.leaves(tile.counts()) => continue,
                Some(tile) => (**tile).clone(),
                None if self.0[0] == 0 => continue,
                None => super::Tile::blank(),
            };
            for y in 0..inside.height() {
                for value in &mut tile.row_mut(y)[..inside.width() as usize] {
                    *value = self.0[usize::from(*value)];
                }
            }
            let after = (!tile.is_blank()).then(|| Arc::new(tile));
            changes.insert(index, TileChange { before, after });
        }
        changes
    }

    fn leaves(&self, counts: &[u32; 256]) -> bool {
        let values = self.0.iter().zip(counts).enumerate();
        let mut present = values.filter(|(_, (_, count))| **count > 0);
        present.all(|(value, (becomes, _))| value == usize::from(*becomes))
    }

    /// A grid with the classes changed.
    #[must_use]
    pub fn applied(&self, grid: &TileGrid<u8>) -> TileGrid<u8> {
        let mut grid = grid.clone();
        for (index, change) in self.changes(&grid) {
            grid.set_tile(index, change.after);
        }
        grid
    }
}

/// A palette that has the classes of both, and what the second one's become in it.
///
/// A class is the same when its name is, whatever the case. What the first palette
/// lacks is added under its own index, or the first free one where that is taken.
/// `keeps` says which classes of the second, by index, are worth a place. Classes
/// for which there is no place any more are given back by name.
pub fn joined(
    first: &Palette,
    second: &Palette,
    keeps: impl Fn(u8) -> bool,
) -> (Palette, Recoding, Vec<String>) {
    let mut palette = first.clone();
    let mut recoding = Recoding::default();
    let mut left_out = Vec::new();
    for class in &second.classes {
        if let Some(known) = first.class_named(&class.name) {
            recoding = recoding.with(class.index, known.index);
            continue;
        }
        if !keeps(class.index) {
            continue;
        }
        let is_free = |index: &u8| palette.class(*index).is_none();
        let place = std::iter::once(class.index).chain(0..NOTHING).find(is_free);
        match place {
            Some(index) => {
                recoding = recoding.with(class.index, index);
                let mut class = class.clone();
                class.index = index;
                palette.classes.push(class);
            }
            None => left_out.push(class.name.clone()),
        }
    }
    (palette, recoding, left_out)
}

/// A change of the pixels of layers and of what the values of semantic ones mean, worked out
/// from a snapshot away from the window's thread.
#[derive(Clone, Debug)]
pub struct ClassChanges {
    document: DocumentId,
    pub(super) revision: DocumentRevision,
    pub(super) layers: Vec<(LayerId, PixelChanges)>,
    pub(super) palette: Option<Palette>,
}

impl ClassChanges {
    /// Works out what becomes of the classes of some layers, or of all semantic
    /// layers. Reads many pixels: not for the window's thread.
    pub fn of(
        document: &DocumentSnapshot,
        only: Option<LayerId>,
        recoding: &Recoding,
        palette: Option<Palette>,
    ) -> Self {
        let layers = document.layers().iter();
        let concerned = layers.filter(|layer| only.is_none_or(|id| id == layer.id));
        let layers = concerned
            .filter_map(|layer| Some((layer.id, recoding.changes(layer.semantic()?))))
            .filter(|(_, changes)| !changes.is_empty())
            .map(|(id, changes)| (id, PixelChanges::Value(changes)))
            .collect();
        Self {
            document: document.id(),
            revision: document.revision(),
            layers,
            palette,
        }
    }

    /// A change of the pixels of one layer, worked out by a function.
    pub fn of_tiles(
        document: &DocumentSnapshot,
        layer: LayerId,
        changes: impl FnOnce(&Document) -> PixelChanges,
    ) -> Self {
        let changes = changes(document);
        Self {
            document: document.id(),
            revision: document.revision(),
            layers: if changes.is_empty() {
                Vec::new()
            } else {
                vec![(layer, changes)]
            },
            palette: None,
        }
    }

    /// Whether it was worked out from a state of the document.
    pub fn is_of(&self, document: &Document) -> bool {
        self.document == document.id()
    }
}

impl Document {
    /// How often each class, by index, stands in the semantic layers; 255 is no
    /// class. Not for the window's thread.
    pub fn class_counts(&self) -> [u64; 256] {
        let mut sums = [0; 256];
        for grid in self.layers().iter().filter_map(|layer| layer.semantic()) {
            for (stored, count) in grid.counts().into_iter().enumerate() {
                sums[usize::from(super::class_index(stored as u8))] += count;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::palette::PaletteClass;

    fn palette(classes: &[(u8, &str)]) -> Palette {
        let class = |(index, name): &(u8, &str)| PaletteClass {
            index: *index,
            name: (*name).to_owned(),
            color: [*index; 3],
        };
        Palette {
            name: "Test".to_owned(),
            classes: classes.iter().map(class).collect(),
        }
    }

    #[test]
    fn swapped_twice_is_as_before_and_other_tiles_are_shared() {
        let grid = TileGrid::from_fn([600, 300], |x, _| if x < 300 { 1 } else { 7 });
        let swap = Recoding::swap(0, 4);
        let once = swap.applied(&grid);
        assert_eq!((once.pixel(0, 0), once.pixel(500, 0)), (5, 7));
        assert_eq!(swap.applied(&once), grid);
        let last = TileIndex { column: 2, row: 1 };
        let shared = once.tile(last).zip(grid.tile(last));
        assert!(shared.is_some_and(|(a, b)| Arc::ptr_eq(a, b)));
    }

    #[test]
    fn nothing_is_filled_only_inside_of_the_picture() {
        let grid = TileGrid::<u8>::new([300, 300]);
        let filled = Recoding::default().with(NOTHING, 2).applied(&grid);
        assert!(filled.is_valid());
        assert_eq!(filled.counts()[3], 300 * 300);
    }

    #[test]
    fn joined_palettes_know_classes_by_name_and_lose_none() {
        let first = palette(&[(0, "sky"), (1, "Hill"), (2, "water")]);
        let second = palette(&[(0, "hill"), (1, "road"), (7, "sea"), (9, "unused")]);
        let (both, recoding, left_out) = joined(&first, &second, |index| index != 9);
        assert!(left_out.is_empty());
        both.validate().unwrap();
        assert_eq!(both.class_named("road").unwrap().index, 3);
        assert_eq!(both.class_named("sea").unwrap().index, 7);
        assert!(both.class_named("unused").is_none());
        let expected = Recoding::default().with(0, 1).with(1, 3).with(7, 7);
        assert_eq!(recoding, expected);
        let names: Vec<String> = (0..NOTHING).map(|index| format!("class {index}")).collect();
        let full: Vec<(u8, &str)> = (0..NOTHING).zip(names.iter().map(String::as_str)).collect();
        let (_, _, left_out) = joined(&palette(&full), &second, |_| true);
        assert_eq!(left_out, ["hill", "road", "sea", "unused"]);
    }
}
