//! What the menus and panels do to a document, each as one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::DocumentEditor;
use super::results::index_above_pictures;
use crate::document::edit::Edit;
use crate::document::error::DocumentError;
use crate::document::frame_choice::FrameChoice;
use crate::document::history::MergeKey;
use crate::document::layer::{Layer, LayerContent, LayerId, LayerKind};
use crate::document::tile_changes::{PixelChanges, TileChange};
use crate::document::tile_grid::{Tile, TileGrid, TileIndex};
use crate::geometry::CanvasRect;

impl DocumentEditor {
    /// Adds a blank layer of the given kind above the selected one, above all pictures
    /// for colours, or above everything for a mask, and selects it.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn add_layer(&mut self, kind: LayerKind) -> Result<LayerId, DocumentError> {
        let size_px = self.document.size_px();
        let content = match kind {
            LayerKind::Raster => LayerContent::Raster(TileGrid::new(size_px)),
            LayerKind::Mask => LayerContent::Mask(TileGrid::new(size_px)),
            LayerKind::Layout => LayerContent::Layout(Vec::new()),
            LayerKind::Semantic => LayerContent::Semantic(TileGrid::new(size_px)),
        };
        let base = match kind {
            LayerKind::Raster => "Paint",
            LayerKind::Mask => "Mask",
            LayerKind::Layout => "Layout",
            LayerKind::Semantic => "Label map",
        };
        let top = self.document.layers().len();
        let index = match (kind, self.document.selected_layer()) {
            // What is painted is to be seen.
            (LayerKind::Raster, _) => index_above_pictures(self.document.layers()),
            // A mask layer acts when it is the topmost one.
            (LayerKind::Mask, _) | (_, None) => top,
            (_, Some(selected)) => self.document.layer_index(selected.id)? + 1,
        };
        let name = self.free_name(base);
        let layer = Layer::new(self.fresh_layer_id(), name, content);
        let id = layer.id;
        self.apply_alone(
            "Add layer",
            Edit::InsertLayer {
                index,
                layer: Box::new(layer),
            },
            None,
        )?;
        self.select_layer(id)?;
        Ok(id)
    }

    /// Deletes a layer.
    ///
    /// # Errors
    /// When the layer is not in the document, or while a transaction is in progress.
    pub fn delete_layer(&mut self, id: LayerId) -> Result<(), DocumentError> {
        let index = self.document.layer_index(id)?;
        let layer = Box::new(self.document.layers()[index].clone());
        self.apply_alone("Delete layer", Edit::RemoveLayer { index, layer }, None)
    }

    /// Makes a copy of a layer above it and selects it.
    ///
    /// # Errors
    /// When the layer is not in the document, or while a transaction is in progress.
    pub fn duplicate_layer(&mut self, id: LayerId) -> Result<LayerId, DocumentError> {
        let index = self.document.layer_index(id)?;
        let mut copy = self.document.layers()[index].clone();
        copy.id = self.fresh_layer_id();
        copy.name = self.free_name(&format!("{} copy", copy.name));
        let id = copy.id;
        let edit = Edit::InsertLayer {
            index: index + 1,
            layer: Box::new(copy),
        };
        self.apply_alone("Duplicate layer", edit, None)?;
        self.select_layer(id)?;
        Ok(id)
    }

    /// Gives a layer another name. Blank names are ignored.
    ///
    /// # Errors
    /// When the layer is not in the document, or while a transaction is in progress.
    pub fn rename_layer(&mut self, id: LayerId, name: &str) -> Result<(), DocumentError> {
        let index = self.document.layer_index(id)?;
        let before = self.document.layers()[index].name.clone();
        let after = name.trim().to_owned();
        if after.is_empty() || after == before {
            return Ok(());
        }
        self.apply_alone(
            "Rename layer",
            Edit::RenameLayer {
                layer: id,
                before,
                after,
            },
            None,
        )
    }

    /// Moves a layer to a position, 0 at the bottom; too large is the top.
    ///
    /// # Errors
    /// When the layer is not in the document, or while a transaction is in progress.
    pub fn move_layer(&mut self, id: LayerId, to: usize) -> Result<(), DocumentError> {
        let from = self.document.layer_index(id)?;
        let to = to.min(self.document.layers().len() - 1);
        if from == to {
            return Ok(());
        }
        self.apply_alone("Move layer", Edit::MoveLayer { from, to }, None)
    }

    /// Changes the opacity of a layer. Steps that follow each other merge into
    /// one until [`Self::end_slider_drag`].
    ///
    /// # Errors
    /// When the layer is not in the document, or while a transaction is in progress.
    pub fn set_layer_opacity(&mut self, id: LayerId, opacity: f32) -> Result<(), DocumentError> {
        let index = self.document.layer_index(id)?;
        let before = self.document.layers()[index].opacity;
        let after = if opacity.is_finite() {
            opacity.clamp(0.0, 1.0)
        } else {
            before
        };
        if after == before {
            return Ok(());
        }
        let edit = Edit::SetOpacity {
            layer: id,
            before,
            after,
        };
        self.apply_alone("Layer opacity", edit, Some(MergeKey::Opacity(id)))
    }

    /// Changes how strongly what a mask covers is repainted. Steps that follow each
    /// other merge into one until [`Self::end_slider_drag`].
    ///
    /// # Errors
    /// When the layer is not in the document, or while a transaction is in progress.
    pub fn set_mask_strength(&mut self, id: LayerId, strength: f32) -> Result<(), DocumentError> {
        let index = self.document.layer_index(id)?;
        let before = self.document.layers()[index].strength;
        if !strength.is_finite() || strength.clamp(0.0, 1.0) == before {
            return Ok(());
        }
        let edit = Edit::SetStrength {
            layer: id,
            before,
            after: strength.clamp(0.0, 1.0),
        };
        self.apply_alone("Mask strength", edit, Some(MergeKey::Strength(id)))
    }

    /// Chooses what the next job paints. Steps of one name that follow each other merge
    /// into one until [`Self::end_slider_drag`].
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn set_frame(
        &mut self,
        label: &'static str,
        frame: FrameChoice,
    ) -> Result<(), DocumentError> {
        let before = self.document.frame();
        if before == frame {
            return Ok(());
        }
        let edit = Edit::SetFrame {
            before,
            after: frame,
        };
        self.apply_alone(label, edit, Some(MergeKey::Frame(label)))
    }

    /// Shows or hides a layer.
    ///
    /// # Errors
    /// When the layer is not in the document, or while a transaction is in progress.
    pub fn set_layer_visible(&mut self, id: LayerId, visible: bool) -> Result<(), DocumentError> {
        let index = self.document.layer_index(id)?;
        if self.document.layers()[index].visible == visible {
            return Ok(());
        }
        let label = if visible { "Show layer" } else { "Hide layer" };
        self.apply_alone(label, Edit::SetVisible { layer: id, visible }, None)
    }

    /// Empties the active mask. Nothing happens when it is empty already.
    ///
    /// # Errors
    /// When there is no visible mask, or while a transaction is in progress.
    pub fn clear_mask(&mut self) -> Result<(), DocumentError> {
        self.change_mask("Clear mask", |_, _| None)
    }

    /// Swaps what the active mask covers and what it does not.
    ///
    /// # Errors
    /// When there is no visible mask, or while a transaction is in progress.
    pub fn invert_mask(&mut self) -> Result<(), DocumentError> {
        // What was never painted on becomes one and the same full tile.
        let mut full = FullTiles::default();
        self.change_mask("Invert mask", |tile, rect| {
            let Some(tile) = tile else {
                return Some(full.of(rect));
            };
            let mut inverted = (**tile).clone();
            for y in 0..rect.height() {
                let row = inverted.row_mut(y);
                row.iter_mut()
                    .take(rect.width() as usize)
                    .for_each(|value| *value = 255 - *value);
            }
            (!inverted.is_blank()).then(|| Arc::new(inverted))
        })
    }

    /// Covers everything with the active mask.
    ///
    /// # Errors
    /// When there is no visible mask, or while a transaction is in progress.
    pub fn fill_mask(&mut self) -> Result<(), DocumentError> {
        let mut full = FullTiles::default();
        self.change_mask("Fill mask", |_, rect| Some(full.of(rect)))
    }

    /// Replaces each tile of the active mask; the function sees the old tile
    /// and the part of it that lies inside of the picture.
    fn change_mask(
        &mut self,
        label: &str,
        mut change: impl FnMut(Option<&Arc<Tile<u8>>>, CanvasRect) -> Option<Arc<Tile<u8>>>,
    ) -> Result<(), DocumentError> {
        let layer = self.document.active_mask().ok_or(DocumentError::NoMask)?;
        let grid = layer.mask().ok_or(DocumentError::NoMask)?;
        let whole = self.document.rect();
        let mut tiles: BTreeMap<TileIndex, TileChange<u8>> = BTreeMap::new();
        for index in grid.indices() {
            let before = grid.tile(index).cloned();
            let after = change(before.as_ref(), index.rect().intersect(&whole));
            let is_same = match (&before, &after) {
                (Some(before), Some(after)) => Arc::ptr_eq(before, after) || before == after,
                (before, after) => before.is_none() && after.is_none(),
            };
            if !is_same {
                tiles.insert(index, TileChange { before, after });
            }
        }
        if tiles.is_empty() {
            return Ok(());
        }
        let edit = Edit::ReplaceTiles {
            layer: layer.id,
            changes: PixelChanges::Value(tiles),
        };
        self.apply_alone(label, edit, None)
    }

    /// `base`, or `base 2`, `base 3`, … if there is a layer of that name.
    pub fn free_name(&self, base: &str) -> String {
        let is_taken = |name: &str| {
            self.document
                .layers()
                .iter()
                .any(|layer| layer.name == name)
        };
        if !is_taken(base) {
            return base.to_owned();
        }
        let numbered = (2..).map(|number| format!("{base} {number}"));
        numbered
            .into_iter()
            .find(|name| !is_taken(name))
            .unwrap_or_else(|| base.to_owned())
    }
}

/// Tiles that are covered as far as the picture goes, made once for each shape:
/// only those at the right and lower border differ from the rest.
#[derive(Default)]
struct FullTiles(BTreeMap<[u32; 2], Arc<Tile<u8>>>);

impl FullTiles {
    /// The tile whose part inside of the picture is the given one.
    fn of(&mut self, inside: CanvasRect) -> Arc<Tile<u8>> {
        let [width, height] = [inside.width(), inside.height()];
        let tile = self.0.entry([width, height]).or_insert_with(|| {
            let mut full = Tile::blank();
            for y in 0..height {
                full.row_mut(y)[..width as usize].fill(255);
            }
            Arc::new(full)
        });
        Arc::clone(tile)
    }
}
