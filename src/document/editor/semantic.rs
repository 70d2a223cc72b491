//! Semantic layers: added, filled from label maps, their classes changed.

use super::{DocumentEditor, Drawing, DrawnMap};
use crate::document::edit::Edit;
use crate::document::error::DocumentError;
use crate::document::layer::LayerId;
use crate::document::recoding::ClassChanges;
use crate::document::tile_grid::TileGrid;
use crate::recipe::palette::Palette;

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
        let drawing = Drawing {
            map: Some(DrawnMap {
                name: name.to_owned(),
                map,
                palette,
            }),
            ..Drawing::default()
        };
        let inserted = self.insert_drawing(label, drawing)?;
        Ok(inserted.top.expect("a map becomes a layer"))
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

    pub(super) fn apply_palette(&mut self, after: Palette) -> Result<(), DocumentError> {
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
        let mut edits = layers.map(|(layer, changes)| Edit::ReplaceTiles { layer, changes });
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
