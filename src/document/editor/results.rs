//! How finished pictures come into a document, and how it changes its size.
//!
//! Pictures come as tiles: making them takes as long as the picture is large and
//! is done elsewhere; putting them in place moves them and takes no time.

use super::DocumentEditor;
use crate::document::edit::{CanvasContents, Edit};
use crate::document::error::DocumentError;
use crate::document::layer::{Layer, LayerContent, LayerId, LayerKind};
use crate::document::picture::{Document, check_size};
use crate::document::tile_grid::TileGrid;
use crate::geometry::CanvasRect;

impl DocumentEditor {
    /// Puts a picture above the other pictures, below the masks; what lies
    /// outside of the canvas is cut off. The selection stays, so that painting
    /// the mask can go on. `label` is what the menu calls the step.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn insert_picture(
        &mut self,
        label: &str,
        name: &str,
        picture: TileGrid<[u8; 4]>,
    ) -> Result<LayerId, DocumentError> {
        let size_px = self.document.size_px();
        let picture = if picture.size_px() == size_px {
            picture
        } else {
            picture.resized(size_px)
        };
        let index = index_above_pictures(self.document.layers());
        let content = LayerContent::Raster(picture);
        let layer = Box::new(Layer::new(self.fresh_layer_id(), name, content));
        let id = layer.id;
        self.apply_alone(label, Edit::InsertLayer { index, layer }, None)?;
        Ok(id)
    }

    /// Takes a picture in, in one step: as a new layer where it has the size of
    /// the canvas or the canvas has a picture already; otherwise the empty canvas
    /// takes the picture's size first. `label` is what the menu calls the step.
    ///
    /// # Errors
    /// While a transaction is in progress, or when the picture is too large.
    pub fn place_picture(
        &mut self,
        label: &str,
        name: &str,
        picture: TileGrid<[u8; 4]>,
    ) -> Result<LayerId, DocumentError> {
        let size_px = picture.size_px();
        if size_px == self.document.size_px() || self.document.has_picture() {
            return self.insert_picture(label, name, picture);
        }
        check_size(size_px)?;
        let content = LayerContent::Raster(picture);
        let layer = Layer::new(self.fresh_layer_id(), name, content);
        let id = layer.id;
        let mut after = resized(&self.document, size_px);
        let index = index_above_pictures(&after.layers);
        after.layers.insert(index, layer);
        self.replace_contents(label, after)?;
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

    /// Replaces everything by what it is at another size, in one step; with a picture
    /// of a name that comes along above the other pictures. `label` is what the menu
    /// calls the step.
    ///
    /// # Errors
    /// While a transaction is in progress, or when the size is not allowed.
    pub fn enlarge(
        &mut self,
        label: &str,
        mut after: CanvasContents,
        picture: Option<(String, TileGrid<[u8; 4]>)>,
    ) -> Result<Option<LayerId>, DocumentError> {
        check_size(after.size_px)?;
        let size_px = after.size_px;
        let layer = picture.map(|(name, picture)| {
            let content = LayerContent::Raster(picture.resized(size_px));
            Layer::new(self.fresh_layer_id(), name, content)
        });
        let id = layer.as_ref().map(|layer| layer.id);
        if let Some(layer) = layer {
            let index = index_above_pictures(&after.layers);
            after.layers.insert(index, layer);
        }
        self.replace_contents(label, after)?;
        Ok(id)
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
}

/// The position above the topmost picture layer; 0 when there is none.
pub fn index_above_pictures(layers: &[Layer]) -> usize {
    layers
        .iter()
        .rposition(|layer| layer.kind() == LayerKind::Raster)
        .map_or(0, |index| index + 1)
}

impl Document {
    /// What the document becomes on a canvas that reaches as far as a part of which some
    /// lies beyond its edges: everything moves where it grows to the left or above. Moves
    /// every row that is painted: not for the window's thread.
    ///
    /// # Errors
    /// When the canvas would be too large.
    pub fn reaching(&self, part: CanvasRect) -> Result<CanvasContents, DocumentError> {
        let whole = self.rect().union(&part);
        let size_px = whole.size_px();
        check_size(size_px)?;
        let by_px = whole.min.map(i32::saturating_neg);
        let mut contents = self.contents.clone();
        contents.size_px = size_px;
        contents.frame = contents.frame.moved_by(by_px);
        contents.origin_px = [0, 1].map(|axis: usize| contents.origin_px[axis] - by_px[axis]);
        for layer in &mut contents.layers {
            match &mut layer.content {
                LayerContent::Raster(grid) => *grid = grid.placed(size_px, by_px),
                LayerContent::Mask(grid) | LayerContent::Semantic(grid) => {
                    *grid = grid.placed(size_px, by_px);
                }
                LayerContent::Layout(boxes) => {
                    let by_px = by_px.map(|by| by as f32);
                    boxes
                        .iter_mut()
                        .for_each(|found| *found = found.moved_by(by_px));
                }
            }
        }
        Ok(contents)
    }
}

/// The contents of a document cut or extended to another size.
fn resized(document: &Document, size_px: [u32; 2]) -> CanvasContents {
    let mut contents = document.contents.clone();
    contents.size_px = size_px;
    for layer in &mut contents.layers {
        match &mut layer.content {
            LayerContent::Raster(grid) => *grid = grid.resized(size_px),
            LayerContent::Mask(grid) | LayerContent::Semantic(grid) => {
                *grid = grid.resized(size_px);
            }
            LayerContent::Layout(_) => {}
        }
    }
    contents
}
