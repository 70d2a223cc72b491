//! Changes as data that can be undone.

use super::bounding_box::{self, BoundingBox};
use super::error::DocumentError;
use super::frame_choice::FrameChoice;
use super::layer::{Layer, LayerContent, LayerId};
use super::picture::Document;
use super::tile_changes::{PixelChanges, merge_tiles, replace_tiles, swapped, tiles_bytes};
use crate::recipe::{Palette, PaletteClass};

/// Everything of a document that history covers.
#[derive(Clone, Debug, PartialEq)]
pub struct CanvasContents {
    /// Width and height in pixels.
    pub size_px: [u32; 2],
    /// The layers from bottom to top.
    pub layers: Vec<Layer>,
    /// What the values of semantic layers mean.
    pub palette: Palette,
    /// What the next job paints.
    pub frame: FrameChoice,
    /// Where its top-left corner lies in a plane that stays when the canvas grows to the
    /// left or above: so a job that goes on meanwhile finds its place.
    pub origin_px: [i32; 2],
}

impl CanvasContents {
    fn size_bytes(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| size_of::<Layer>() + layer.content.size_bytes())
            .sum()
    }
}

/// One change of a document that knows how to be undone.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Replaces tiles of a layer.
    ReplaceTiles {
        /// The layer.
        layer: LayerId,
        /// Its changed tiles.
        changes: PixelChanges,
    },
    /// Adds a layer.
    InsertLayer {
        /// Its position, 0 at the bottom.
        index: usize,
        /// The layer.
        layer: Box<Layer>,
    },
    /// Takes a layer away.
    RemoveLayer {
        /// Its position, 0 at the bottom.
        index: usize,
        /// The layer, kept for undo.
        layer: Box<Layer>,
    },
    /// Moves a layer up or down.
    MoveLayer {
        /// Its position before.
        from: usize,
        /// Its position afterwards.
        to: usize,
    },
    /// Gives a layer another name.
    RenameLayer {
        /// The layer.
        layer: LayerId,
        /// The name before.
        before: String,
        /// The name afterwards.
        after: String,
    },
    /// Changes the opacity of a layer.
    SetOpacity {
        /// The layer.
        layer: LayerId,
        /// The opacity before.
        before: f32,
        /// The opacity afterwards.
        after: f32,
    },
    /// Changes how strongly what a mask covers is repainted.
    SetStrength {
        /// The layer.
        layer: LayerId,
        /// The strength before.
        before: f32,
        /// The strength afterwards.
        after: f32,
    },
    /// Shows or hides a layer.
    SetVisible {
        /// The layer.
        layer: LayerId,
        /// Whether it is shown afterwards; it was not so before.
        visible: bool,
    },
    /// Replaces the boxes of a layout layer.
    ReplaceBoxes {
        /// The layer.
        layer: LayerId,
        /// The boxes before.
        before: Vec<BoundingBox>,
        /// The boxes afterwards.
        after: Vec<BoundingBox>,
    },
    /// Changes what the values of semantic layers mean.
    SetPalette {
        /// The classes before.
        before: Box<Palette>,
        /// The classes afterwards.
        after: Box<Palette>,
    },
    /// Changes what the next job paints.
    SetFrame {
        /// What it would have painted.
        before: FrameChoice,
        /// What it would paint afterwards.
        after: FrameChoice,
    },
    /// Replaces everything: another size, or another picture.
    ReplaceContents {
        /// What was there.
        before: Box<CanvasContents>,
        /// What comes in its place.
        after: Box<CanvasContents>,
    },
}

impl Edit {
    /// The edit that undoes this one.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::ReplaceTiles { layer, changes } => {
                let changes = match changes {
                    PixelChanges::Color(tiles) => PixelChanges::Color(swapped(tiles)),
                    PixelChanges::Value(tiles) => PixelChanges::Value(swapped(tiles)),
                };
                Self::ReplaceTiles { layer, changes }
            }
            Self::InsertLayer { index, layer } => Self::RemoveLayer { index, layer },
            Self::RemoveLayer { index, layer } => Self::InsertLayer { index, layer },
            Self::MoveLayer { from, to } => Self::MoveLayer { from: to, to: from },
            Self::RenameLayer {
                layer,
                before,
                after,
            } => Self::RenameLayer {
                layer,
                before: after,
                after: before,
            },
            Self::SetOpacity {
                layer,
                before,
                after,
            } => Self::SetOpacity {
                layer,
                before: after,
                after: before,
            },
            Self::SetStrength {
                layer,
                before,
                after,
            } => Self::SetStrength {
                layer,
                before: after,
                after: before,
            },
            Self::SetVisible { layer, visible } => Self::SetVisible {
                layer,
                visible: !visible,
            },
            Self::ReplaceBoxes {
                layer,
                before,
                after,
            } => Self::ReplaceBoxes {
                layer,
                before: after,
                after: before,
            },
            Self::SetPalette { before, after } => Self::SetPalette {
                before: after,
                after: before,
            },
            Self::SetFrame { before, after } => Self::SetFrame {
                before: after,
                after: before,
            },
            Self::ReplaceContents { before, after } => Self::ReplaceContents {
                before: after,
                after: before,
            },
        }
    }

    /// Memory that keeping this edit takes. Tiles that are also elsewhere are
    /// counted here too, so the sum over a history is an upper bound.
    pub fn size_bytes(&self) -> usize {
        let own = match self {
            Self::ReplaceTiles {
                changes: PixelChanges::Color(tiles),
                ..
            } => tiles_bytes(tiles),
            Self::ReplaceTiles {
                changes: PixelChanges::Value(tiles),
                ..
            } => tiles_bytes(tiles),
            Self::InsertLayer { layer, .. } | Self::RemoveLayer { layer, .. } => {
                size_of::<Layer>() + layer.content.size_bytes()
            }
            Self::RenameLayer { before, after, .. } => before.len() + after.len(),
            Self::ReplaceBoxes { before, after, .. } => {
                let boxes = before.iter().chain(after);
                boxes.map(BoundingBox::size_bytes).sum()
            }
            Self::SetPalette { before, after } => {
                let names = before.classes.iter().chain(&after.classes);
                names
                    .map(|class| size_of::<PaletteClass>() + class.name.len())
                    .sum()
            }
            Self::ReplaceContents { before, after } => before.size_bytes() + after.size_bytes(),
            Self::MoveLayer { .. }
            | Self::SetOpacity { .. }
            | Self::SetStrength { .. }
            | Self::SetVisible { .. }
            | Self::SetFrame { .. } => 0,
        };
        own + size_of::<Self>()
    }

    /// Whether the edit, or its inverse, brings a layer or takes it away.
    pub(super) fn names_layer(&self, id: LayerId) -> bool {
        match self {
            Self::InsertLayer { layer, .. } | Self::RemoveLayer { layer, .. } => layer.id == id,
            Self::ReplaceContents { before, after } => before
                .layers
                .iter()
                .chain(&after.layers)
                .any(|layer| layer.id == id),
            Self::ReplaceTiles { .. }
            | Self::MoveLayer { .. }
            | Self::RenameLayer { .. }
            | Self::SetOpacity { .. }
            | Self::SetStrength { .. }
            | Self::SetVisible { .. }
            | Self::ReplaceBoxes { .. }
            | Self::SetPalette { .. }
            | Self::SetFrame { .. } => false,
        }
    }

    /// Takes a later edit into this one, if both together are one change of
    /// the same thing; gives it back otherwise.
    pub(super) fn absorb(&mut self, later: Self) -> Option<Self> {
        match (self, later) {
            (
                Self::ReplaceTiles {
                    layer,
                    changes: PixelChanges::Color(tiles),
                },
                Self::ReplaceTiles {
                    layer: same,
                    changes: PixelChanges::Color(newer),
                },
            ) if *layer == same => merge_tiles(tiles, newer),
            (
                Self::ReplaceTiles {
                    layer,
                    changes: PixelChanges::Value(tiles),
                },
                Self::ReplaceTiles {
                    layer: same,
                    changes: PixelChanges::Value(newer),
                },
            ) if *layer == same => merge_tiles(tiles, newer),
            (
                Self::SetOpacity { layer, after, .. },
                Self::SetOpacity {
                    layer: same,
                    after: newer,
                    ..
                },
            ) if *layer == same => *after = newer,
            (
                Self::SetStrength { layer, after, .. },
                Self::SetStrength {
                    layer: same,
                    after: newer,
                    ..
                },
            ) if *layer == same => *after = newer,
            (Self::SetFrame { after, .. }, Self::SetFrame { after: newer, .. }) => *after = newer,
            (
                Self::RenameLayer { layer, after, .. },
                Self::RenameLayer {
                    layer: same,
                    after: newer,
                    ..
                },
            ) if *layer == same => *after = newer,
            (
                Self::ReplaceBoxes { layer, after, .. },
                Self::ReplaceBoxes {
                    layer: same,
                    after: newer,
                    ..
                },
            ) if *layer == same => *after = newer,
            (Self::SetPalette { after, .. }, Self::SetPalette { after: newer, .. }) => {
                *after = newer
            }
            (_, later) => return Some(later),
        }
        None
    }

    /// Carries the change out.
    ///
    /// # Errors
    /// When the edit was made for another state of the document; the document
    /// is then unchanged.
    pub(super) fn apply_to(&self, document: &mut Document) -> Result<(), DocumentError> {
        let count = document.contents.layers.len();
        match self {
            Self::ReplaceTiles { layer, changes } => {
                let content = &mut layer_mut(document, *layer)?.content;
                match (content, changes) {
                    (LayerContent::Raster(grid), PixelChanges::Color(tiles)) => {
                        replace_tiles(grid, tiles)?;
                    }
                    (
                        LayerContent::Mask(grid) | LayerContent::Semantic(grid),
                        PixelChanges::Value(tiles),
                    ) => replace_tiles(grid, tiles)?,
                    _ => return Err(DocumentError::Stale("replace pixels")),
                }
            }
            Self::InsertLayer { index, layer } => {
                let fits = layer
                    .content
                    .size_px()
                    .is_none_or(|size| size == document.size_px());
                if *index > count || !fits || document.layer(layer.id).is_some() {
                    return Err(DocumentError::Stale("insert a layer"));
                }
                document.contents.layers.insert(*index, (**layer).clone());
                document.repair_selection(*index);
            }
            Self::RemoveLayer { index, layer } => {
                if document.contents.layers.get(*index).map(|found| found.id) != Some(layer.id) {
                    return Err(DocumentError::Stale("remove a layer"));
                }
                document.contents.layers.remove(*index);
                document.repair_selection(*index);
            }
            Self::MoveLayer { from, to } => {
                if *from >= count || *to >= count {
                    return Err(DocumentError::Stale("move a layer"));
                }
                let layer = document.contents.layers.remove(*from);
                document.contents.layers.insert(*to, layer);
            }
            Self::RenameLayer { layer, after, .. } => {
                layer_mut(document, *layer)?.name.clone_from(after);
            }
            Self::SetOpacity { layer, after, .. } => layer_mut(document, *layer)?.opacity = *after,
            Self::SetStrength { layer, after, .. } => {
                layer_mut(document, *layer)?.strength = *after;
            }
            Self::SetVisible { layer, visible } => layer_mut(document, *layer)?.visible = *visible,
            Self::ReplaceBoxes { layer, after, .. } => {
                let LayerContent::Layout(boxes) = &mut layer_mut(document, *layer)?.content else {
                    return Err(DocumentError::Stale("replace boxes"));
                };
                let before = std::mem::replace(boxes, after.clone());
                if document.selected == Some(*layer) {
                    let chosen = &document.selected_boxes;
                    document.selected_boxes = bounding_box::followed(chosen, &before, after);
                }
            }
            Self::SetPalette { after, .. } => {
                document.contents.palette.clone_from(after);
            }
            Self::SetFrame { after, .. } => document.contents.frame = *after,
            Self::ReplaceContents { after, .. } => {
                document.contents = (**after).clone();
                document.repair_selection(usize::MAX);
            }
        }
        document.revision.0 += 1;
        Ok(())
    }
}

fn layer_mut(document: &mut Document, id: LayerId) -> Result<&mut Layer, DocumentError> {
    let found = document
        .contents
        .layers
        .iter_mut()
        .find(|layer| layer.id == id);
    found.ok_or(DocumentError::NoSuchLayer(id))
}
