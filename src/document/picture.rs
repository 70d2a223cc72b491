//! The document itself, and its snapshots.

use std::ops::Deref;
use std::sync::Arc;

use image::{GrayImage, RgbaImage};

use super::edit::CanvasContents;
use super::error::DocumentError;
use super::frame_choice::FrameChoice;
use super::identity::{DocumentId, DocumentRevision};
use super::layer::{Layer, LayerContent, LayerId, LayerKind};
use super::tile_grid::TileGrid;
use crate::geometry::CanvasRect;
use crate::recipe::{Palette, PaletteClass};

/// Largest side of a document in pixels: the largest texture that every
/// graphics card can hold.
pub const MAX_SIDE_PX: u32 = 8192;

/// A picture in layers.
///
/// Reading is free; writing goes through a [`DocumentEditor`](super::DocumentEditor).
/// Cloning shares all pixels. Two documents are equal when they have the same
/// size, layers and palette; identity, selection and revision do not count.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) id: DocumentId,
    pub(super) contents: CanvasContents,
    pub(super) selected: Option<LayerId>,
    /// Positions in the selected layer, rising, each of a box that is there.
    pub(super) selected_boxes: Vec<usize>,
    /// The index of the class that tools paint with.
    pub(super) selected_class: Option<u8>,
    pub(super) next_layer: u64,
    pub(super) revision: DocumentRevision,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.contents == other.contents
    }
}

impl Document {
    /// A document with nothing but an empty mask layer, which is selected, so
    /// that the brush has something to paint on.
    ///
    /// # Errors
    /// When a side is 0 or larger than [`MAX_SIDE_PX`].
    pub fn blank(size_px: [u32; 2]) -> Result<Self, DocumentError> {
        check_size(size_px)?;
        let mask = Layer::new(
            LayerId(1),
            "Mask",
            LayerContent::Mask(TileGrid::new(size_px)),
        );
        Ok(Self {
            id: DocumentId::fresh(),
            selected: Some(mask.id),
            selected_boxes: Vec::new(),
            selected_class: None,
            contents: CanvasContents {
                size_px,
                layers: vec![mask],
                palette: Palette::default(),
                frame: FrameChoice::default(),
                origin_px: [0, 0],
            },
            next_layer: 2,
            revision: DocumentRevision::first(),
        })
    }

    /// A document that shows a picture, with an empty mask layer above it,
    /// which is selected.
    ///
    /// # Errors
    /// When a side is 0 or larger than [`MAX_SIDE_PX`].
    pub fn from_image(name: &str, image: &RgbaImage) -> Result<Self, DocumentError> {
        check_size(image.dimensions().into())?;
        Self::from_picture(name, TileGrid::from_image(image))
    }

    /// The same of a picture whose tiles are made already, which takes no time.
    ///
    /// # Errors
    /// When a side is 0 or larger than [`MAX_SIDE_PX`].
    pub fn from_picture(name: &str, picture: TileGrid<[u8; 4]>) -> Result<Self, DocumentError> {
        let size_px = picture.size_px();
        let picture = Layer::new(LayerId(0), name, LayerContent::Raster(picture));
        Self::from_pictures(size_px, vec![picture])
    }

    /// The same of picture layers of one size, from bottom to top; their numbers are new.
    ///
    /// # Errors
    /// When a side is 0 or larger than [`MAX_SIDE_PX`].
    pub fn from_pictures(size_px: [u32; 2], pictures: Vec<Layer>) -> Result<Self, DocumentError> {
        let mut document = Self::blank(size_px)?;
        for (index, picture) in pictures.into_iter().enumerate() {
            let id = document.fresh_layer_id();
            document
                .contents
                .layers
                .insert(index, Layer { id, ..picture });
        }
        Ok(document)
    }

    /// A new document with the given contents, as they come from a file. Where
    /// `selected` is no layer of it, the topmost one is.
    ///
    /// # Errors
    /// What about them cannot be, in words.
    pub fn from_contents(
        contents: CanvasContents,
        selected: Option<LayerId>,
    ) -> Result<Self, String> {
        let highest = contents.layers.iter().map(|layer| layer.id.0).max();
        let mut document = Self {
            id: DocumentId::fresh(),
            contents,
            selected,
            selected_boxes: Vec::new(),
            selected_class: None,
            next_layer: highest.unwrap_or(0).saturating_add(1),
            revision: DocumentRevision::first(),
        };
        document.repair_selection(usize::MAX);
        document.validate_invariants()?;
        Ok(document)
    }

    /// An identifier that no layer of this document has or had.
    pub(super) fn fresh_layer_id(&mut self) -> LayerId {
        let id = LayerId(self.next_layer);
        self.next_layer += 1;
        id
    }

    /// Names the document; its copies have the same name.
    pub fn id(&self) -> DocumentId {
        self.id
    }

    /// Width and height in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        self.contents.size_px
    }

    /// The whole picture as a rectangle.
    pub fn rect(&self) -> CanvasRect {
        CanvasRect::from_size(self.size_px())
    }

    /// The layers from bottom to top.
    pub fn layers(&self) -> &[Layer] {
        &self.contents.layers
    }

    /// What the values of semantic layers mean.
    pub fn palette(&self) -> &Palette {
        &self.contents.palette
    }

    /// The layer with the given identifier.
    pub fn layer(&self, id: LayerId) -> Option<&Layer> {
        self.layers().iter().find(|layer| layer.id == id)
    }

    /// The position of a layer, 0 at the bottom.
    ///
    /// # Errors
    /// When the layer is not in the document.
    pub fn layer_index(&self, id: LayerId) -> Result<usize, DocumentError> {
        let index = self.layers().iter().position(|layer| layer.id == id);
        index.ok_or(DocumentError::NoSuchLayer(id))
    }

    /// The layer that tools work on.
    pub fn selected_layer(&self) -> Option<&Layer> {
        self.selected.and_then(|id| self.layer(id))
    }

    /// The boxes of the selected layer that are chosen, by their positions, rising.
    pub fn selected_boxes(&self) -> &[usize] {
        &self.selected_boxes
    }

    /// The layout layer that boxes are drawn on: the selected one, or else the
    /// topmost that is seen, or else the topmost.
    pub fn active_layout(&self) -> Option<&Layer> {
        let is_layout = |layer: &&Layer| layer.kind() == LayerKind::Layout;
        let selected = self.selected_layer().filter(is_layout);
        let layouts = || self.layers().iter().rev().filter(is_layout);
        selected
            .or_else(|| layouts().find(|layer| layer.visible))
            .or_else(|| layouts().next())
    }

    /// The class that tools paint with: the chosen one, or the first.
    pub fn selected_class(&self) -> Option<&PaletteClass> {
        let palette = self.palette();
        let chosen = self.selected_class.and_then(|index| palette.class(index));
        chosen.or_else(|| palette.classes.first())
    }

    /// Counts the changes so far.
    pub fn revision(&self) -> DocumentRevision {
        self.revision
    }

    /// The mask that is edited as a whole: the topmost visible mask layer.
    pub fn active_mask(&self) -> Option<&Layer> {
        self.layers()
            .iter()
            .rev()
            .find(|layer| layer.visible && layer.kind() == LayerKind::Mask)
    }

    /// Whether a mask that is seen asks for anything to be repainted.
    pub fn has_mask_content(&self) -> bool {
        self.seen_masks().any(|layer| !layer.content.is_blank())
    }

    /// Whether any colour can be seen.
    pub fn has_picture(&self) -> bool {
        self.layers().iter().any(|layer| {
            layer.visible && layer.kind() == LayerKind::Raster && !layer.content.is_blank()
        })
    }

    /// Whether a mask, a layout or a label map is seen on which something is.
    pub fn has_visible_conditions(&self) -> bool {
        self.layers().iter().any(|layer| {
            layer.visible && layer.kind() != LayerKind::Raster && !layer.content.is_blank()
        })
    }

    /// Whether anything was painted on any layer, seen or not.
    pub fn has_content(&self) -> bool {
        self.layers().iter().any(|layer| !layer.content.is_blank())
    }

    /// What the visible masks cover together, at the size of the document, if they cover
    /// anything: 255 = repaint, 0 = keep.
    pub fn mask_coverage(&self) -> Option<GrayImage> {
        self.mask_in(self.rect())
    }

    /// What the next job paints.
    pub fn frame(&self) -> FrameChoice {
        self.contents.frame
    }

    /// The visible picture layers laid over each other, with straight alpha.
    ///
    /// A single opaque layer comes out bit for bit.
    pub fn composite(&self) -> RgbaImage {
        self.composite_in(self.rect())
    }

    /// An immutable copy that shares all pixels.
    pub fn snapshot(&self) -> DocumentSnapshot {
        DocumentSnapshot {
            document: Arc::new(self.clone()),
        }
    }

    /// Checks what must hold at any time: for what comes from a file, and for tests.
    ///
    /// # Errors
    /// What does not hold, in words.
    pub fn validate_invariants(&self) -> Result<(), String> {
        check_size(self.size_px()).map_err(|error| error.to_string())?;
        self.palette()
            .validate()
            .map_err(|error| error.to_string())?;
        if self.selected.is_some() && self.selected_layer().is_none() {
            return Err(format!(
                "the selected layer {:?} does not exist",
                self.selected
            ));
        }
        if self.selected.is_none() && !self.layers().is_empty() {
            return Err("there are layers but none is selected".into());
        }
        let boxes = self.selected_layer().and_then(Layer::boxes);
        let count = boxes.map_or(0, <[_]>::len);
        let is_rising = self.selected_boxes.is_sorted_by(|a, b| a < b);
        if !is_rising || self.selected_boxes.iter().any(|index| *index >= count) {
            return Err(format!(
                "of {count} boxes {:?} are chosen",
                self.selected_boxes
            ));
        }
        for (index, layer) in self.layers().iter().enumerate() {
            let fail = |what: &str| Err(format!("layer {} {what}", layer.id));
            if layer.id.0 >= self.next_layer {
                return fail("has an identifier that will be given again");
            }
            if self.layers()[..index]
                .iter()
                .any(|other| other.id == layer.id)
            {
                return fail("exists twice");
            }
            if !(0.0..=1.0).contains(&layer.opacity) {
                return fail("has an opacity outside of 0 to 1");
            }
            if !(0.0..=1.0).contains(&layer.strength) {
                return fail("has a strength outside of 0 to 1");
            }
            if layer
                .content
                .size_px()
                .is_some_and(|size| size != self.size_px())
            {
                return fail("has another size than the document");
            }
            let tiles_are_valid = match &layer.content {
                LayerContent::Raster(grid) => grid.is_valid(),
                LayerContent::Mask(grid) | LayerContent::Semantic(grid) => grid.is_valid(),
                LayerContent::Layout(boxes) => boxes.iter().all(|b| b.is_valid()),
            };
            if !tiles_are_valid {
                return fail("has contents outside of the picture");
            }
        }
        Ok(())
    }

    /// Selects a layer that exists, near the position of one that went away.
    pub(super) fn repair_selection(&mut self, near: usize) {
        if self.selected_layer().is_none() {
            let last = self.layers().len().checked_sub(1);
            self.selected = last.map(|last| self.layers()[near.min(last)].id);
            self.selected_boxes.clear();
        }
        let boxes = self.selected_layer().and_then(Layer::boxes);
        let count = boxes.map_or(0, <[_]>::len);
        self.selected_boxes.retain(|index| *index < count);
    }
}

/// Whether a document may have the given size.
///
/// # Errors
/// When a side is 0 or larger than [`MAX_SIDE_PX`].
pub fn check_size([width_px, height_px]: [u32; 2]) -> Result<(), DocumentError> {
    let allowed = 1..=MAX_SIDE_PX;
    if allowed.contains(&width_px) && allowed.contains(&height_px) {
        Ok(())
    } else {
        Err(DocumentError::Size {
            width_px,
            height_px,
            max_px: MAX_SIDE_PX,
        })
    }
}

/// What a document was at one moment: never changes, cheap to make and to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentSnapshot {
    document: Arc<Document>,
}

impl Deref for DocumentSnapshot {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_picture_composites_to_itself_bit_for_bit() {
        let image = RgbaImage::from_fn(300, 270, |x, y| {
            image::Rgba([
                x as u8,
                y as u8,
                (x ^ y) as u8,
                if x < 10 { 0 } else { (x * y) as u8 },
            ])
        });
        let document = Document::from_image("Picture", &image).unwrap();
        let flat = document.composite();
        for (x, y, pixel) in image.enumerate_pixels() {
            let expected = if pixel.0[3] == 0 { [0; 4] } else { pixel.0 };
            assert_eq!(flat.get_pixel(x, y).0, expected, "at {x}, {y}");
        }
        document.validate_invariants().unwrap();
    }

    #[test]
    fn sizes_are_checked() {
        assert!(Document::blank([0, 4]).is_err());
        let error = Document::blank([9000, 4]).unwrap_err().to_string();
        assert!(
            error.contains("9000 × 4") && error.contains("8192"),
            "{error}"
        );
    }

    #[test]
    fn a_new_document_has_an_empty_active_mask() {
        let document = Document::blank([32, 32]).unwrap();
        assert!(document.active_mask().is_some());
        assert!(!document.has_mask_content());
        assert!(!document.has_picture());
        assert!(document.mask_coverage().is_none());
        assert_eq!(document.selected_layer().unwrap().kind(), LayerKind::Mask);
    }
}
