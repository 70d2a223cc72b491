//! Boxes and a label map that come from elsewhere, as one step.

use super::DocumentEditor;
use super::results::index_above_pictures;
use crate::document::bounding_box::BoundingBox;
use crate::document::edit::Edit;
use crate::document::error::DocumentError;
use crate::document::layer::{Layer, LayerContent, LayerId, LayerKind};
use crate::document::tile_grid::TileGrid;
use crate::recipe::palette::Palette;

/// Opacity of a new semantic layer: its colours are told apart, and what lies under
/// it is seen.
const OVERLAY_OPACITY: f32 = 0.7;

/// Boxes and a label map that are to become layers.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// A picture that is there and not seen, and what its layer is called.
    pub picture: Option<(String, TileGrid<[u8; 4]>)>,
    /// The boxes, and what their layer is called.
    pub boxes: Option<(String, Vec<BoundingBox>)>,
    /// The label map.
    pub map: Option<DrawnMap>,
    /// Whether layers of the same kinds that are seen are hidden: they would act too.
    pub hides_others: bool,
}

/// A label map that is to become a layer.
#[derive(Clone, Debug)]
pub struct DrawnMap {
    /// What its layer is called.
    pub name: String,
    /// The classes, as a semantic layer stores them. They must mean what the palette
    /// says (see [`joined`](crate::document::joined)).
    pub map: TileGrid<u8>,
    /// The classes of the document afterwards.
    pub palette: Palette,
}

/// The layers that a drawing became.
#[derive(Clone, Copy, Debug, Default)]
pub struct InsertedDrawing {
    /// That of its picture.
    pub picture: Option<LayerId>,
    /// The uppermost one of its boxes and its map.
    pub top: Option<LayerId>,
}

impl DocumentEditor {
    /// Adds a drawing on top, its picture above the others, as one step, and selects
    /// the uppermost of its layers. Of a map, what lies outside of the canvas is cut off.
    /// `label` is what the menu calls the step.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn insert_drawing(
        &mut self,
        label: &str,
        drawing: Drawing,
    ) -> Result<InsertedDrawing, DocumentError> {
        self.begin(label)?;
        let inserted = self.insert_parts(drawing);
        if inserted.is_err() {
            self.cancel();
        } else {
            self.commit();
        }
        if let Ok(InsertedDrawing { top: Some(top), .. }) = inserted {
            self.select_layer(top)?;
        }
        inserted
    }

    fn insert_parts(&mut self, drawing: Drawing) -> Result<InsertedDrawing, DocumentError> {
        let Drawing {
            picture,
            boxes,
            map,
            hides_others,
        } = drawing;
        let mut inserted = InsertedDrawing::default();
        if hides_others {
            self.hide_all(&[
                boxes.is_some().then_some(LayerKind::Layout),
                map.is_some().then_some(LayerKind::Semantic),
            ])?;
        }
        if let Some((name, picture)) = picture {
            let index = index_above_pictures(self.document.layers());
            let content = LayerContent::Raster(picture.resized(self.document.size_px()));
            let mut layer = Layer::new(self.fresh_layer_id(), name, content);
            layer.visible = false;
            inserted.picture = Some(layer.id);
            let layer = Box::new(layer);
            self.apply(Edit::InsertLayer { index, layer })?;
        }
        if let Some((name, boxes)) = boxes {
            let boxes = boxes.into_iter().map(BoundingBox::within_reach);
            let content = LayerContent::Layout(boxes.collect());
            inserted.top = Some(self.insert_on_top(name, content)?);
        }
        if let Some(map) = map {
            inserted.top = Some(self.insert_map(map)?);
        }
        Ok(inserted)
    }

    fn insert_map(&mut self, map: DrawnMap) -> Result<LayerId, DocumentError> {
        let DrawnMap { name, map, palette } = map;
        let size_px = self.document.size_px();
        let map = if map.size_px() == size_px {
            map
        } else {
            map.resized(size_px)
        };
        self.apply_palette(palette)?;
        let name = self.free_name(&name);
        self.insert_on_top(name, LayerContent::Semantic(map))
    }

    fn insert_on_top(
        &mut self,
        name: String,
        content: LayerContent,
    ) -> Result<LayerId, DocumentError> {
        let id = self.fresh_layer_id();
        let mut layer = Layer::new(id, name, content);
        if layer.kind() == LayerKind::Semantic {
            layer.opacity = OVERLAY_OPACITY;
        }
        self.apply(Edit::InsertLayer {
            index: self.document.layers().len(),
            layer: Box::new(layer),
        })?;
        Ok(id)
    }

    /// Hides the layers of some kinds that are seen and not empty.
    fn hide_all(&mut self, kinds: &[Option<LayerKind>]) -> Result<(), DocumentError> {
        let layers = self.document.layers().iter();
        let seen = layers.filter(|layer| layer.visible && !layer.content.is_blank());
        let seen: Vec<LayerId> = seen
            .filter(|layer| kinds.contains(&Some(layer.kind())))
            .map(|layer| layer.id)
            .collect();
        seen.into_iter().try_for_each(|layer| {
            self.apply(Edit::SetVisible {
                layer,
                visible: false,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::geometry::CanvasPoint;
    use crate::recipe::palette::PaletteClass;

    fn drawing() -> Drawing {
        let (min, max) = (CanvasPoint::new(2.0, 2.0), CanvasPoint::new(9.0, 8.0));
        let class = PaletteClass {
            index: 3,
            name: "sky".to_owned(),
            color: [1, 2, 3],
        };
        Drawing {
            picture: Some((
                "Small".to_owned(),
                TileGrid::from_fn([20, 16], |x, _| [x as u8, 0, 0, 255]),
            )),
            boxes: Some((
                "Boxes".to_owned(),
                vec![BoundingBox::from_corners(min, max, "bus")],
            )),
            map: Some(DrawnMap {
                name: "Map".to_owned(),
                map: TileGrid::from_fn([40, 30], |_, _| 4),
                palette: Palette {
                    name: "One".to_owned(),
                    classes: vec![class],
                },
            }),
            hides_others: true,
        }
    }

    #[test]
    fn all_of_it_is_one_step() {
        let mut editor = DocumentEditor::new(Document::blank([20, 16]).expect("a size"));
        let blank = editor.document().clone();
        editor.insert_drawing("Restore", drawing()).expect("added");
        let once = editor.document().clone();
        editor.insert_drawing("Restore", drawing()).expect("added");
        let twice = editor.document().clone();
        for document in [&once, &twice] {
            document.validate_invariants().expect("whole");
            let seen = |kind| {
                let layers = document.layers().iter();
                layers
                    .filter(|layer| layer.visible && layer.kind() == kind)
                    .count()
            };
            assert_eq!(seen(LayerKind::Layout), 1);
            assert_eq!(seen(LayerKind::Semantic), 1);
            let chosen = document.selected_layer().expect("a layer");
            assert_eq!(chosen.kind(), LayerKind::Semantic);
            assert_eq!(chosen.semantic().expect("a map").size_px(), [20, 16]);
        }
        assert_eq!(editor.history().undo_count(), 2);
        assert!(editor.undo());
        assert_eq!(*editor.document(), once);
        assert!(editor.undo());
        assert_eq!(*editor.document(), blank);
        assert!(editor.redo() && editor.redo());
        assert_eq!(*editor.document(), twice);

        editor.begin("Stroke").expect("free");
        assert!(editor.insert_drawing("Restore", drawing()).is_err());
        assert_eq!(*editor.document(), twice);
    }
}
