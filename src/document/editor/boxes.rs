//! What is done to the boxes of a layout layer, each as one transaction.
//!
//! What is locked is neither moved nor deleted; it can be chosen only in a list.

use super::{DocumentEditor, Drawing};
use crate::document::bounding_box::BoundingBox;
use crate::document::edit::Edit;
use crate::document::error::DocumentError;
use crate::document::history::MergeKey;
use crate::document::layer::{LayerId, LayerKind};

/// How far a duplicate lies from what it was made of, so that both can be seen.
const DUPLICATE_OFFSET_PX: f32 = 8.0;

/// The chosen boxes of a layer.
struct Chosen {
    layer: LayerId,
    boxes: Vec<BoundingBox>,
    indices: Vec<usize>,
}

impl DocumentEditor {
    /// Chooses boxes of a layer by their positions, and the layer. Not a step of
    /// the history. Positions that are no boxes are passed over.
    ///
    /// # Errors
    /// When the layer is not in the document or holds no boxes.
    pub fn select_boxes(
        &mut self,
        layer: LayerId,
        boxes: impl IntoIterator<Item = usize>,
    ) -> Result<(), DocumentError> {
        let count = self.boxes(layer)?.len();
        self.select_layer(layer)?;
        let mut chosen: Vec<usize> = boxes.into_iter().filter(|index| *index < count).collect();
        chosen.sort_unstable();
        chosen.dedup();
        if chosen != self.document.selected_boxes {
            // What is done to other boxes is a step of its own.
            self.history.seal();
            self.document.selected_boxes = chosen;
        }
        Ok(())
    }

    /// Replaces the boxes of a layer. `label` is what the menu calls the step;
    /// nothing happens when they are the same.
    ///
    /// # Errors
    /// When the layer is not in the document or holds no boxes, or while a
    /// transaction is in progress.
    pub fn replace_boxes(
        &mut self,
        label: &str,
        layer: LayerId,
        boxes: Vec<BoundingBox>,
    ) -> Result<(), DocumentError> {
        self.put_boxes(label, layer, boxes, None)
    }

    /// Changes the chosen boxes, the locked ones too. Steps of one name that follow
    /// each other merge into one until [`Self::end_slider_drag`].
    ///
    /// # Errors
    /// When none is chosen, or while a transaction is in progress.
    pub fn adjust_boxes(
        &mut self,
        label: &'static str,
        change: impl FnMut(&mut BoundingBox),
    ) -> Result<(), DocumentError> {
        let Chosen {
            layer,
            mut boxes,
            indices,
        } = self.chosen()?;
        of(&mut boxes, &indices).for_each(change);
        self.put_boxes(label, layer, boxes, Some(MergeKey::Boxes(layer, label)))
    }

    /// Moves the chosen boxes. Moves that follow each other merge into one step.
    ///
    /// # Errors
    /// When none is chosen, or while a transaction is in progress.
    pub fn nudge_boxes(&mut self, by_px: [f32; 2]) -> Result<(), DocumentError> {
        self.adjust_boxes("Nudge", |found| {
            if !found.is_locked {
                *found = found.moved_by(by_px);
            }
        })
    }

    /// Makes copies of the chosen boxes a little beside them, on top, and chooses
    /// the copies.
    ///
    /// # Errors
    /// When none is chosen, or while a transaction is in progress.
    pub fn duplicate_boxes(&mut self) -> Result<(), DocumentError> {
        let Chosen {
            layer,
            mut boxes,
            indices,
        } = self.chosen()?;
        let first = boxes.len();
        for index in indices {
            let copy = boxes[index].moved_by([DUPLICATE_OFFSET_PX; 2]);
            boxes.push(BoundingBox {
                is_locked: false,
                ..copy
            });
        }
        let last = boxes.len();
        self.replace_boxes("Duplicate box", layer, boxes)?;
        self.select_boxes(layer, first..last)
    }

    /// Deletes the chosen boxes that are not locked.
    ///
    /// # Errors
    /// When none is chosen, or while a transaction is in progress.
    pub fn delete_boxes(&mut self) -> Result<(), DocumentError> {
        let Chosen {
            layer,
            mut boxes,
            indices,
        } = self.chosen()?;
        let mut index = 0;
        boxes.retain(|found| {
            let is_kept = found.is_locked || indices.binary_search(&index).is_err();
            index += 1;
            is_kept
        });
        self.replace_boxes("Delete box", layer, boxes)
    }

    /// Sends the chosen boxes one place up (towards the top) or down.
    ///
    /// # Errors
    /// When none is chosen, or while a transaction is in progress.
    pub fn restack_boxes(&mut self, is_up: bool) -> Result<(), DocumentError> {
        let Chosen {
            layer,
            mut boxes,
            mut indices,
        } = self.chosen()?;
        // From the end towards which they go, so that those in front make room.
        let mut free = if is_up { boxes.len() } else { 0 };
        let mut step = |at: &mut usize| {
            let to = match is_up {
                true if *at + 1 < free => *at + 1,
                false if *at > free => *at - 1,
                _ => *at,
            };
            boxes.swap(*at, to);
            *at = to;
            free = if is_up { to } else { to + 1 };
        };
        if is_up {
            indices.iter_mut().rev().for_each(&mut step);
        } else {
            indices.iter_mut().for_each(&mut step);
        }
        let label = if is_up {
            "Send box up"
        } else {
            "Send box down"
        };
        self.replace_boxes(label, layer, boxes)?;
        self.select_boxes(layer, indices)
    }

    /// Gives the boxes of some classes others, on every layer; case does not count.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn rename_classes(&mut self, pairs: &[(String, String)]) -> Result<(), DocumentError> {
        let lower: Vec<(String, &String)> = pairs
            .iter()
            .map(|(from, to)| (from.to_lowercase(), to))
            .collect();
        let renamed = |found: &BoundingBox| {
            let label = found.label.to_lowercase();
            let pair = lower.iter().find(|(from, _)| *from == label);
            BoundingBox {
                label: pair.map_or(&found.label, |(_, to)| to).clone(),
                ..found.clone()
            }
        };
        let layers = self.document.layers().iter();
        let edits: Vec<Edit> = layers
            .filter_map(|layer| {
                let before = layer.boxes()?.to_vec();
                let after: Vec<BoundingBox> = before.iter().map(renamed).collect();
                let layer = layer.id;
                (after != before).then_some(Edit::ReplaceBoxes {
                    layer,
                    before,
                    after,
                })
            })
            .collect();
        self.begin("Map classes")?;
        for edit in edits {
            if let Err(error) = self.apply(edit) {
                self.cancel();
                return Err(error);
            }
        }
        self.commit();
        Ok(())
    }

    /// Adds a layer with the given boxes on top and selects it.
    ///
    /// # Errors
    /// While a transaction is in progress.
    pub fn insert_layout(
        &mut self,
        label: &str,
        name: &str,
        boxes: Vec<BoundingBox>,
    ) -> Result<LayerId, DocumentError> {
        let drawing = Drawing {
            boxes: Some((name.to_owned(), boxes)),
            ..Drawing::default()
        };
        let inserted = self.insert_drawing(label, drawing)?;
        Ok(inserted.top.expect("boxes become a layer"))
    }

    fn boxes(&self, layer: LayerId) -> Result<&[BoundingBox], DocumentError> {
        let found = self.document.layer(layer);
        let found = found.ok_or(DocumentError::NoSuchLayer(layer))?;
        found.boxes().ok_or_else(|| DocumentError::WrongKind {
            name: found.name.clone(),
            found: found.kind(),
            wanted: LayerKind::Layout,
        })
    }

    fn chosen(&self) -> Result<Chosen, DocumentError> {
        let indices = self.document.selected_boxes().to_vec();
        let layer = self.document.selected_layer();
        let chosen = layer.and_then(|layer| Some((layer.id, layer.boxes()?.to_vec())));
        match chosen {
            Some((layer, boxes)) if !indices.is_empty() => Ok(Chosen {
                layer,
                boxes,
                indices,
            }),
            _ => Err(DocumentError::NoBoxes),
        }
    }

    fn put_boxes(
        &mut self,
        label: &str,
        layer: LayerId,
        after: Vec<BoundingBox>,
        merge_key: Option<MergeKey>,
    ) -> Result<(), DocumentError> {
        let before = self.boxes(layer)?.to_vec();
        let after = after.into_iter().map(BoundingBox::within_reach).collect();
        if after == before {
            return Ok(());
        }
        let edit = Edit::ReplaceBoxes {
            layer,
            before,
            after,
        };
        self.apply_alone(label, edit, merge_key)
    }
}

/// The boxes at the given positions, which rise.
fn of<'a>(
    boxes: &'a mut [BoundingBox],
    indices: &'a [usize],
) -> impl Iterator<Item = &'a mut BoundingBox> {
    let is_chosen = |index: &usize| indices.binary_search(index).is_ok();
    let boxes = boxes.iter_mut().enumerate();
    boxes
        .filter(move |(index, _)| is_chosen(index))
        .map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::document::layer::Layer;
    use crate::geometry::CanvasPoint;

    #[test]
    fn boxes_at_no_place_are_held_within_reach() {
        let (mut editor, layer) = editor("ab");
        let nowhere = BoundingBox {
            min: CanvasPoint::new(f32::NEG_INFINITY, f32::NAN),
            max: CanvasPoint::new(3e38, f32::INFINITY),
            ..BoundingBox::from_corners(CanvasPoint::default(), CanvasPoint::default(), "c")
        };
        let boxes = vec![nowhere.clone()];
        editor.insert_layout("Import", "Far", boxes).expect("added");
        let document = editor.document();
        document.validate_invariants().expect("it can be saved");
        editor.select_boxes(layer, [0]).expect("there");
        editor
            .adjust_boxes("Move", |found| *found = found.moved_by([f32::MAX, 0.0]))
            .expect("moved");
        editor
            .adjust_boxes("Move", |found| *found = found.moved_by([f32::MAX, 0.0]))
            .expect("moved");
        let document = editor.document();
        document.validate_invariants().expect("it can be saved");
    }

    fn editor(labels: &str) -> (DocumentEditor, LayerId) {
        let document = Document::blank([64, 64]).expect("an allowed size");
        let mut editor = DocumentEditor::new(document);
        let at = |index: usize| CanvasPoint::new(index as f32, index as f32);
        let boxes = labels.chars().enumerate().map(|(index, label)| {
            BoundingBox::from_corners(at(index), at(index + 10), label.to_string())
        });
        let layer = editor
            .insert_layout("Import boxes", "Layout", boxes.collect())
            .expect("added");
        (editor, layer)
    }

    fn labels(editor: &DocumentEditor) -> String {
        let layer = editor.document().active_layout().and_then(Layer::boxes);
        let boxes = layer.unwrap_or_default().iter();
        boxes.map(|found| found.label.as_str()).collect()
    }

    #[test]
    fn boxes_go_up_and_down_without_overtaking_each_other() {
        let (mut editor, layer) = editor("abcde");
        editor.select_boxes(layer, [0, 1, 3]).expect("chosen");
        editor.restack_boxes(true).expect("moved");
        assert_eq!(labels(&editor), "cabed");
        assert_eq!(editor.document().selected_boxes(), [1, 2, 4]);
        editor.restack_boxes(true).expect("moved");
        assert_eq!(labels(&editor), "ceabd");
        editor.restack_boxes(true).expect("moved");
        editor.restack_boxes(true).expect("nothing to move");
        assert_eq!(labels(&editor), "ceabd");
        for _ in 0..4 {
            editor.restack_boxes(false).expect("moved");
        }
        assert_eq!(labels(&editor), "abdce");
        assert_eq!(editor.document().selected_boxes(), [0, 1, 2]);
        // Undo leads the choice back with its boxes.
        while labels(&editor) != "cabed" {
            editor.undo();
        }
        assert_eq!(editor.document().selected_boxes(), [1, 2, 4]);
    }

    #[test]
    fn what_is_locked_stays_and_a_copy_of_it_does_not() {
        let (mut editor, layer) = editor("ab");
        editor.select_boxes(layer, [0]).expect("chosen");
        editor
            .adjust_boxes("Lock", |found| found.is_locked = true)
            .expect("locked");
        let before = editor.document().clone();
        editor.nudge_boxes([1.0, 0.0]).expect("nothing moves");
        editor.delete_boxes().expect("nothing goes");
        assert_eq!(editor.document(), &before);
        editor.duplicate_boxes().expect("a copy");
        assert_eq!(editor.document().selected_boxes(), [2]);
        editor.delete_boxes().expect("the copy goes");
        assert_eq!(labels(&editor), "ab");
        assert!(editor.document().selected_boxes().is_empty());
        assert_eq!(editor.delete_boxes(), Err(DocumentError::NoBoxes));
    }

    #[test]
    fn nudges_of_the_same_boxes_are_one_step() {
        let (mut editor, layer) = editor("ab");
        let steps = editor.history().undo_count();
        editor.select_boxes(layer, [0]).expect("chosen");
        for _ in 0..5 {
            editor.nudge_boxes([1.0, 0.0]).expect("moved");
        }
        assert_eq!(editor.history().undo_count(), steps + 1);
        editor.select_boxes(layer, [1]).expect("chosen");
        editor.nudge_boxes([0.0, 10.0]).expect("moved");
        assert_eq!(editor.history().undo_count(), steps + 2);
        editor.undo();
        // The same boxes are there, and stay chosen.
        assert_eq!(editor.document().selected_boxes(), [1]);
        editor.undo();
        let boxes = editor.document().active_layout().and_then(Layer::boxes);
        assert_eq!(boxes.map(|boxes| boxes[0].min.x), Some(0.0));
        editor.document().validate_invariants().expect("whole");
    }
}
