//! The layers of a document.

use super::bounding_box::BoundingBox;
use super::tile_grid::TileGrid;

/// Names a layer for as long as its document lives; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId(pub u64);

impl std::fmt::Display for LayerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What a layer holds, without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Colours.
    Raster,
    /// Where to repaint.
    Mask,
    /// Labelled boxes.
    Layout,
    /// A class for every pixel.
    Semantic,
}

impl LayerKind {
    /// The kind in words, in lower case.
    pub fn label(self) -> &'static str {
        match self {
            Self::Raster => "picture",
            Self::Mask => "mask",
            Self::Layout => "layout",
            Self::Semantic => "semantic",
        }
    }
}

impl std::fmt::Display for LayerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

/// What a layer holds.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerContent {
    /// Colours: 8-bit sRGB with straight (not premultiplied) alpha.
    Raster(TileGrid<[u8; 4]>),
    /// Where to repaint: 255 fully, 0 not at all.
    Mask(TileGrid<u8>),
    /// Where what is to appear.
    Layout(Vec<BoundingBox>),
    /// A class of the document's palette for every pixel, as it is stored (see
    /// [`stored_class`](super::stored_class)).
    Semantic(TileGrid<u8>),
}

impl LayerContent {
    /// The kind of content.
    pub fn kind(&self) -> LayerKind {
        match self {
            Self::Raster(_) => LayerKind::Raster,
            Self::Mask(_) => LayerKind::Mask,
            Self::Layout(_) => LayerKind::Layout,
            Self::Semantic(_) => LayerKind::Semantic,
        }
    }

    /// Memory taken by the content, shared or not.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Raster(grid) => grid.size_bytes(),
            Self::Mask(grid) | Self::Semantic(grid) => grid.size_bytes(),
            Self::Layout(boxes) => boxes.iter().map(BoundingBox::size_bytes).sum(),
        }
    }

    /// The size in pixels, for contents that have one.
    pub(super) fn size_px(&self) -> Option<[u32; 2]> {
        match self {
            Self::Raster(grid) => Some(grid.size_px()),
            Self::Mask(grid) | Self::Semantic(grid) => Some(grid.size_px()),
            Self::Layout(_) => None,
        }
    }

    /// Whether nothing was painted or drawn.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Raster(grid) => grid.is_blank(),
            Self::Mask(grid) | Self::Semantic(grid) => grid.is_blank(),
            Self::Layout(boxes) => boxes.is_empty(),
        }
    }
}

/// One sheet of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its lasting name for programs.
    pub id: LayerId,
    /// Its name for people.
    pub name: String,
    /// 0 is invisible, 1 is full. For a mask this is the strength of its tint
    /// only: what is repainted does not depend on it.
    pub opacity: f32,
    /// Whether it is shown, and takes part in the picture or the job.
    pub visible: bool,
    /// How strongly what a mask covers is repainted: 1 as strongly as the job says, 0
    /// not at all. Other layers have no use for it.
    pub strength: f32,
    /// What it holds.
    pub content: LayerContent,
}

impl Layer {
    /// A visible layer at full opacity.
    pub fn new(id: LayerId, name: impl Into<String>, content: LayerContent) -> Self {
        Self {
            id,
            name: name.into(),
            opacity: 1.0,
            visible: true,
            strength: 1.0,
            content,
        }
    }

    /// The kind of its content.
    pub fn kind(&self) -> LayerKind {
        self.content.kind()
    }

    /// The colours, if it is a picture layer.
    pub fn raster(&self) -> Option<&TileGrid<[u8; 4]>> {
        match &self.content {
            LayerContent::Raster(grid) => Some(grid),
            _ => None,
        }
    }

    /// The coverage, if it is a mask layer.
    pub fn mask(&self) -> Option<&TileGrid<u8>> {
        match &self.content {
            LayerContent::Mask(grid) => Some(grid),
            _ => None,
        }
    }

    /// The boxes, if it is a layout layer: the lowest first.
    pub fn boxes(&self) -> Option<&[BoundingBox]> {
        match &self.content {
            LayerContent::Layout(boxes) => Some(boxes),
            _ => None,
        }
    }

    /// The classes, as they are stored (see [`stored_class`](super::stored_class)),
    /// if it is a semantic layer.
    pub fn semantic(&self) -> Option<&TileGrid<u8>> {
        match &self.content {
            LayerContent::Semantic(grid) => Some(grid),
            _ => None,
        }
    }

    /// The values of a layer that has one for every pixel: a mask or a semantic layer.
    pub fn values(&self) -> Option<&TileGrid<u8>> {
        match &self.content {
            LayerContent::Mask(grid) | LayerContent::Semantic(grid) => Some(grid),
            LayerContent::Raster(_) | LayerContent::Layout(_) => None,
        }
    }
}
