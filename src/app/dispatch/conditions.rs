//! What a picture was painted from comes back as layers.

use super::{Core, sentence};
use crate::app::background::RestoredMap;
use crate::app::conditions::boxes_on_canvas;
use crate::app::notices::Severity;
use crate::document::{DocumentEditor, DocumentError, LayerId, LayerKind};
use crate::recipe::GenerateSpec;

impl Core {
    /// Brings back the boxes and the label map of a recipe, at the size of the
    /// document in front. Others that are seen are hidden, for they would act too.
    pub(super) fn restore_conditions(&mut self, spec: &GenerateSpec) {
        let editor = &mut self.state.documents.front_mut().editor;
        if let Some(layout) = &spec.layout {
            let size_px = editor.document().size_px();
            let boxes = boxes_on_canvas(layout, [spec.width_px, spec.height_px], size_px);
            let restored = hide_all(editor, LayerKind::Layout)
                .and_then(|()| editor.insert_layout("Restore boxes", "Boxes", boxes));
            if let Err(error) = restored {
                let text = sentence(&error.to_string());
                self.state.notices.push(Severity::Warning, text);
            }
        }
        if let Some(semantic) = &spec.semantic {
            let document = self.state.front().editor.snapshot();
            self.background.restore_map(semantic.clone(), document);
        }
    }

    pub(super) fn take_restored_map(&mut self, restored: RestoredMap) -> Result<(), DocumentError> {
        let RestoredMap {
            input,
            document,
            map,
            palette,
            note,
        } = restored;
        let Some(open) = self.state.documents.get_mut(document.id()) else {
            // It was closed: nobody waits for it any more.
            return Ok(());
        };
        let now = open.document();
        if now.palette() != document.palette() || now.size_px() != document.size_px() {
            let now = open.editor.snapshot();
            self.background.restore_map(input, now);
            return Ok(());
        }
        hide_all(&mut open.editor, LayerKind::Semantic)?;
        let label = "Restore label map";
        open.editor
            .insert_semantic_layer(label, "Label map", map, palette)?;
        if let Some(note) = note {
            self.state.notices.push(Severity::Info, note);
        }
        Ok(())
    }
}

/// Hides the layers of a kind that are seen and not empty.
fn hide_all(editor: &mut DocumentEditor, kind: LayerKind) -> Result<(), DocumentError> {
    let layers = editor.document().layers().iter();
    let seen = layers.filter(|layer| layer.visible && layer.kind() == kind);
    let seen: Vec<LayerId> = seen
        .filter(|layer| !layer.content.is_blank())
        .map(|layer| layer.id)
        .collect();
    seen.into_iter()
        .try_for_each(|layer| editor.set_layer_visible(layer, false))
}
