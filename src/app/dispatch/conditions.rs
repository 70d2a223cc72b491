//! What a picture was painted from comes back as layers.

use super::{Core, sentence};
use crate::app::background::MapArrival;
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
            self.add_label_map(MapArrival {
                label: "Restore label map",
                name: "Label map".to_owned(),
                input: semantic.clone(),
                hides_others: true,
            });
        }
    }
}

/// Hides the layers of a kind that are seen and not empty.
pub(super) fn hide_all(editor: &mut DocumentEditor, kind: LayerKind) -> Result<(), DocumentError> {
    let layers = editor.document().layers().iter();
    let seen = layers.filter(|layer| layer.visible && layer.kind() == kind);
    let seen: Vec<LayerId> = seen
        .filter(|layer| !layer.content.is_blank())
        .map(|layer| layer.id)
        .collect();
    seen.into_iter()
        .try_for_each(|layer| editor.set_layer_visible(layer, false))
}
