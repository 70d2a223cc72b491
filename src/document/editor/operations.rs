//! What the menus and panels do to a document, each as one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::RgbaImage;

use super::DocumentEditor;
use crate::document::edit::{CanvasContents, Edit, PixelChanges, TileChange};
use crate::document::error::DocumentError;
use crate::document::history::MergeKey;
use crate::document::layer::{Layer, LayerContent, LayerId, LayerKind};
use crate::document::picture::{Document, check_size};
use crate::document::tile_grid::{Pixel, Tile, TileGrid, TileIndex};
use crate::geometry::CanvasRect;

impl DocumentEditor {
    /// Adds a blank layer of the given kind above the selected one, or above
    /// everything for a mask, and selects it.
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
            LayerKind::Raster => "Layer",
            LayerKind::Mask => "Mask",
            LayerKind::Layout => "Layout",
            LayerKind::Semantic => "Semantic map",
        };
        let top = self.document.layers().len();
        let index = match (kind, self.document.selected_layer()) {
            // A mask layer acts when it is the topmost one.
            (LayerKind::Mask, _) | (_, None) => top,
            (LayerKind::Raster, Some(selected)) if selected.kind() != LayerKind::Raster => {
                self.index_above_pictures()
            }
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

    /// Puts a finished picture above the other pictures, below the masks, at
    /// the given position; what lies outside of the canvas is cut off. The
    /// selection stays, so that painting the mask can go on.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn insert_result_layer(
        &mut self,
        name: &str,
        image: &RgbaImage,
        at: [i32; 2],
    ) -> Result<LayerId, DocumentError> {
        let size_px = self.document.size_px();
        let grid = if at == [0, 0] && <[u32; 2]>::from(image.dimensions()) == size_px {
            TileGrid::from_fn(size_px, |x, y| image.get_pixel(x, y).0)
        } else {
            TileGrid::from_fn(size_px, |x, y| {
                let x = u32::try_from(i64::from(x) - i64::from(at[0])).ok();
                let y = u32::try_from(i64::from(y) - i64::from(at[1])).ok();
                let inside = x.zip(y).and_then(|(x, y)| image.get_pixel_checked(x, y));
                inside.map_or([0; 4], |pixel| pixel.0)
            })
        };
        let index = self.index_above_pictures();
        let layer = Layer::new(self.fresh_layer_id(), name, LayerContent::Raster(grid));
        let id = layer.id;
        self.apply_alone(
            "Generate",
            Edit::InsertLayer {
                index,
                layer: Box::new(layer),
            },
            None,
        )?;
        Ok(id)
    }

    /// Takes a finished picture in, in one step: as a new layer where it has
    /// the size of the canvas or the canvas has a picture already; otherwise
    /// the empty canvas takes the picture's size first.
    ///
    /// # Errors
    /// While a transaction is in progress, or when the picture is too large.
    pub fn place_result(
        &mut self,
        name: &str,
        image: &RgbaImage,
    ) -> Result<LayerId, DocumentError> {
        let image_px = <[u32; 2]>::from(image.dimensions());
        if image_px == self.document.size_px() || self.document.has_picture() {
            return self.insert_result_layer(name, image, [0, 0]);
        }
        check_size(image_px)?;
        let grid = TileGrid::from_fn(image_px, |x, y| image.get_pixel(x, y).0);
        let layer = Layer::new(self.fresh_layer_id(), name, LayerContent::Raster(grid));
        let id = layer.id;
        let mut after = resized(&self.document, image_px);
        let index = index_above_pictures(&after.layers);
        after.layers.insert(index, layer);
        self.replace_contents("Generate", after)?;
        Ok(id)
    }

    /// Gives the canvas another size, measured from its top-left corner.
    ///
    /// # Errors
    /// While a transaction is in progress, or when the size is not allowed.
    pub fn resize_canvas(&mut self, size_px: [u32; 2]) -> Result<(), DocumentError> {
        check_size(size_px)?;
        if size_px == self.document.size_px() {
            return Ok(());
        }
        let after = resized(&self.document, size_px);
        self.replace_contents("Resize canvas", after)
    }

    fn replace_contents(
        &mut self,
        label: &str,
        after: CanvasContents,
    ) -> Result<(), DocumentError> {
        let before = Box::new(self.document.contents.clone());
        self.apply_alone(
            label,
            Edit::ReplaceContents {
                before,
                after: Box::new(after),
            },
            None,
        )
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
        self.change_mask("Invert mask", |tile, rect| {
            let mut inverted = tile.map_or_else(Tile::blank, |tile| (**tile).clone());
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
        self.change_mask("Fill mask", |_, rect| {
            let mut full = Tile::blank();
            for y in 0..rect.height() {
                full.row_mut(y)[..rect.width() as usize].fill(255);
            }
            Some(Arc::new(full))
        })
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
            if before != after {
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

    fn index_above_pictures(&self) -> usize {
        index_above_pictures(self.document.layers())
    }

    /// `base`, or `base 2`, `base 3`, … if there is a layer of that name.
    fn free_name(&self, base: &str) -> String {
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

/// The position above the topmost picture layer; 0 when there is none.
fn index_above_pictures(layers: &[Layer]) -> usize {
    layers
        .iter()
        .rposition(|layer| layer.kind() == LayerKind::Raster)
        .map_or(0, |index| index + 1)
}

/// The contents of a document cut or extended to another size.
fn resized(document: &Document, size_px: [u32; 2]) -> CanvasContents {
    let mut contents = document.contents.clone();
    contents.size_px = size_px;
    for layer in &mut contents.layers {
        match &mut layer.content {
            LayerContent::Raster(grid) => *grid = resized_grid(grid, size_px),
            LayerContent::Mask(grid) | LayerContent::Semantic(grid) => {
                *grid = resized_grid(grid, size_px);
            }
            LayerContent::Layout(_) => {}
        }
    }
    contents
}

fn resized_grid<P: Pixel>(grid: &TileGrid<P>, size_px: [u32; 2]) -> TileGrid<P> {
    TileGrid::from_fn(size_px, |x, y| grid.pixel(x as i32, y as i32))
}
