//! Semantic layers: added, filled from label maps, their classes changed.

use super::DocumentEditor;
use crate::document::edit::{Edit, PixelChanges};
use crate::document::error::DocumentError;
use crate::document::layer::{Layer, LayerContent, LayerId};
use crate::document::recoding::ClassChanges;
use crate::document::tile_grid::TileGrid;
use crate::recipe::palette::Palette;

/// Opacity of a new semantic layer: its colours are told apart, and what lies under
/// it is seen.
const OVERLAY_OPACITY: f32 = 0.7;

impl DocumentEditor {
    /// Adds a blank semantic layer on top and selects it. A document without classes
    /// gets those of the palette; one that has them keeps its own.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn add_semantic_layer(&mut self, palette: &Palette) -> Result<LayerId, DocumentError> {
        let blank = TileGrid::new(self.document.size_px());
        let own = &self.document.contents.palette;
        let palette = if own.classes.is_empty() { palette } else { own };
        let palette = palette.clone();
        self.insert_semantic_layer("Add label map", "Label map", blank, palette)
    }

    /// Adds a semantic layer on top, with its classes, in one step, and selects it.
    /// The map must mean by its values what the palette says (see
    /// [`joined`](crate::document::joined)); what lies outside of the canvas is cut
    /// off. `label` is what the menu calls the step.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn insert_semantic_layer(
        &mut self,
        label: &str,
        name: &str,
        map: TileGrid<u8>,
        palette: Palette,
    ) -> Result<LayerId, DocumentError> {
        let size_px = self.document.size_px();
        let map = if map.size_px() == size_px {
            map
        } else {
            map.resized(size_px)
        };
        let id = self.fresh_layer_id();
        let mut layer = Layer::new(id, self.free_name(name), LayerContent::Semantic(map));
        layer.opacity = OVERLAY_OPACITY;
        let insert = Edit::InsertLayer {
            index: self.document.layers().len(),
            layer: Box::new(layer),
        };
        self.begin(label)?;
        let applied = self
            .apply_palette(palette)
            .and_then(|()| self.apply(insert));
        if let Err(error) = applied {
            self.cancel();
            return Err(error);
        }
        self.commit();
        self.select_layer(id)?;
        Ok(id)
    }

    /// Gives the document other classes; the values of its maps stay. Nothing happens
    /// when they are the same.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn set_palette(&mut self, palette: Palette) -> Result<(), DocumentError> {
        self.begin("Change classes")?;
        let applied = self.apply_palette(palette);
        self.commit();
        applied
    }

    fn apply_palette(&mut self, after: Palette) -> Result<(), DocumentError> {
        let before = &self.document.contents.palette;
        if *before == after {
            return Ok(());
        }
        let before = Box::new(before.clone());
        let after = Box::new(after);
        self.apply(Edit::SetPalette { before, after })
    }

    /// Carries out changes of classes as one step. `false`, and nothing done, when
    /// the document is another one than they were worked out from: they are to be
    /// worked out again. `label` is what the menu calls the step.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn change_classes(
        &mut self,
        label: &str,
        changes: ClassChanges,
    ) -> Result<bool, DocumentError> {
        if changes.revision != self.revision() {
            return Ok(false);
        }
        self.begin(label)?;
        let layers = changes.layers.into_iter();
        let mut edits = layers.map(|(layer, tiles)| Edit::ReplaceTiles {
            layer,
            changes: PixelChanges::Value(tiles),
        });
        let mut applied = edits.try_for_each(|edit| self.apply(edit));
        if let (Ok(()), Some(palette)) = (&applied, changes.palette) {
            applied = self.apply_palette(palette);
        }
        if applied.is_err() {
            self.cancel();
        } else {
            self.commit();
        }
        applied.map(|()| true)
    }

    /// Takes a class in hand, by its index, that tools paint with. Not a step of the
    /// history.
    pub fn select_class(&mut self, index: u8) {
        self.document.selected_class = Some(index);
    }
}
