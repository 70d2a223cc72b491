//! What paint does to the layer in hand: a mask is covered or uncovered, a semantic
//! layer gets a class or nothing.

use super::ink::ValueInk;
use super::tool::{Target, ToolError};
use crate::document::{
    Document, DocumentEditor, DocumentError, Edit, Layer, LayerContent, LayerId, LayerKind,
    TileGrid, class_index, stored_class,
};
use crate::geometry::CanvasPoint;

/// The layer that paint goes to: the selected one, if it has a value for every pixel,
/// or else the active mask, or a new one.
///
/// # Errors
/// When that layer is hidden, when there is no class to paint, or nothing to erase.
pub(super) fn target(document: &Document, is_erasing: bool) -> Result<Target, ToolError> {
    let is_mask = |layer: &&Layer| layer.kind() == LayerKind::Mask;
    let layer = document
        .selected_layer()
        .filter(|layer| layer.values().is_some())
        .or_else(|| document.active_mask())
        .or_else(|| document.layers().iter().rfind(is_mask));
    let Some(layer) = layer else {
        return match is_erasing {
            true => Err(DocumentError::NoMask.into()),
            false => Ok(Target::NewLayer),
        };
    };
    if !layer.visible {
        return Err(ToolError::HiddenLayer(layer.name.clone()));
    }
    ink(document, layer.kind(), is_erasing)?;
    Ok(Target::Layer(layer.id))
}

/// The kind of layer that paint goes to; a mask where there is none yet.
pub(super) fn target_kind(document: &Document) -> LayerKind {
    match target(document, false) {
        Ok(Target::Layer(id)) => document.layer(id).map_or(LayerKind::Mask, Layer::kind),
        _ => LayerKind::Mask,
    }
}

/// The layer that paint goes to, made if need be as a part of the transaction in
/// progress, and selected: the list of layers shows where the paint goes.
///
/// # Errors
/// As [`target`].
pub(super) fn open_target(
    editor: &mut DocumentEditor,
    is_erasing: bool,
) -> Result<LayerId, ToolError> {
    let id = match target(editor.document(), is_erasing)? {
        Target::Layer(id) => id,
        Target::NewLayer | Target::View | Target::Frame => insert_mask(editor)?,
    };
    editor.select_layer(id)?;
    Ok(id)
}

/// What paint does to a layer of a kind.
///
/// # Errors
/// When there is no class to paint with.
pub(super) fn ink(
    document: &Document,
    kind: LayerKind,
    is_erasing: bool,
) -> Result<ValueInk, ToolError> {
    match (kind, is_erasing) {
        (LayerKind::Semantic, true) => Ok(ValueInk::Class(0)),
        (LayerKind::Semantic, false) => {
            let class = document.selected_class().ok_or(ToolError::NoClass)?;
            Ok(ValueInk::Class(stored_class(class.index)))
        }
        (_, true) => Ok(ValueInk::Uncover),
        (_, false) => Ok(ValueInk::Cover),
    }
}

/// Takes the class in hand that the selected semantic layer, or else the topmost one
/// that is seen, has at a point. `false` where there is none.
pub(super) fn pick_class(editor: &mut DocumentEditor, at: CanvasPoint) -> bool {
    let document = editor.document();
    let selected = document.selected_layer();
    let stored = |layer: &Layer| {
        let grid = layer.semantic().filter(|_| layer.visible)?;
        let stored = grid.pixel(at.x.floor() as i32, at.y.floor() as i32);
        (stored != 0).then_some(stored)
    };
    let found = selected
        .and_then(stored)
        .or_else(|| document.layers().iter().rev().find_map(stored));
    match found {
        Some(stored) => {
            editor.select_class(class_index(stored));
            true
        }
        None => false,
    }
}

/// Adds a mask layer on top, as a part of the transaction in progress.
fn insert_mask(editor: &mut DocumentEditor) -> Result<LayerId, ToolError> {
    let id = editor.fresh_layer_id();
    let document = editor.document();
    let content = LayerContent::Mask(TileGrid::new(document.size_px()));
    let index = document.layers().len();
    let layer = Box::new(Layer::new(id, "Mask", content));
    editor.apply(Edit::InsertLayer { index, layer })?;
    Ok(id)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::recipe::palette::{Palette, PaletteClass};

    /// Classes 0 to 4.
    pub fn palette() -> Palette {
        let class = |index: u8| PaletteClass {
            index,
            name: format!("class {index}"),
            color: [index * 50, 255 - index * 50, 90],
        };
        Palette {
            name: "Test".to_owned(),
            classes: (0..5).map(class).collect(),
        }
    }

    /// A document with a label map in hand that has the given classes.
    pub fn label_map(size_px: [u32; 2], class: impl Fn(u32, u32) -> u8) -> DocumentEditor {
        let mut editor = DocumentEditor::new(Document::blank(size_px).unwrap());
        let map = TileGrid::from_fn(size_px, |x, y| stored_class(class(x, y)));
        editor
            .insert_semantic_layer("Add label map", "Label map", map, palette())
            .unwrap();
        editor
    }

    /// What the layer in hand holds.
    pub fn values(editor: &DocumentEditor) -> &TileGrid<u8> {
        editor
            .document()
            .selected_layer()
            .unwrap()
            .values()
            .unwrap()
    }

    #[test]
    fn paint_goes_to_the_layer_in_hand() {
        let mut editor = label_map([8, 8], |_, _| 3);
        let map = editor.document().selected_layer().unwrap().id;
        assert_eq!(target(editor.document(), false), Ok(Target::Layer(map)));
        let kind = LayerKind::Semantic;
        let of = |editor: &DocumentEditor, erases| ink(editor.document(), kind, erases);
        assert_eq!(of(&editor, false), Ok(ValueInk::Class(1)));
        editor.select_class(4);
        assert_eq!(of(&editor, false), Ok(ValueInk::Class(5)));
        assert_eq!(of(&editor, true), Ok(ValueInk::Class(0)));
        assert!(pick_class(&mut editor, CanvasPoint::new(2.5, 2.5)));
        assert_eq!(editor.document().selected_class().unwrap().index, 3);
        let mask = editor.document().layers()[0].id;
        editor.select_layer(mask).unwrap();
        assert_eq!(target(editor.document(), false), Ok(Target::Layer(mask)));
        editor.select_layer(map).unwrap();
        editor.set_palette(Palette::default()).unwrap();
        assert_eq!(target(editor.document(), false), Err(ToolError::NoClass));
        assert_eq!(target(editor.document(), true), Ok(Target::Layer(map)));
        editor.set_layer_visible(map, false).unwrap();
        assert!(matches!(
            target(editor.document(), false),
            Err(ToolError::HiddenLayer(_))
        ));
    }
}
