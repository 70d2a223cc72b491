//! Pictures that were made or fetched away from the window's thread and become layers.

use super::dispatch::Core;
use super::notices::{Severity, Subject};
use super::state::AppState;
use crate::document::{Document, DocumentError, DocumentId, DocumentSnapshot, TileGrid};
use crate::random::fresh_seed;

/// A picture that is to become a layer.
#[derive(Clone, Debug)]
pub enum ArrivingLayer {
    /// From the clipboard.
    Pasted {
        /// For which document.
        document: DocumentId,
        /// The picture.
        picture: TileGrid<[u8; 4]>,
    },
    /// In the place of what masks cover.
    Removed {
        /// The document as it was then.
        document: DocumentSnapshot,
        /// What takes the place, of the size of the canvas.
        picture: TileGrid<[u8; 4]>,
    },
}

impl ArrivingLayer {
    /// What has succeeded with it.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Pasted { .. } => Subject::Pasting,
            Self::Removed { .. } => Subject::Removing,
        }
    }

    fn document(&self) -> DocumentId {
        match self {
            Self::Pasted { document, .. } => *document,
            Self::Removed { document, .. } => document.id(),
        }
    }
}

impl AppState {
    /// Why nothing can be removed now, as a sentence.
    pub fn removing_obstacle(&self) -> Option<&'static str> {
        let document = self.document();
        if !document.has_mask_content() {
            return Some("Paint over what is to go with a mask first");
        }
        (!document.has_picture()).then_some("There is no picture that can be seen")
    }
}

impl Core {
    /// Has what the masks cover filled with what lies around it.
    pub(super) fn remove_masked(&mut self) {
        match self.state.removing_obstacle() {
            Some(obstacle) => self.state.notices.push(Severity::Info, obstacle),
            None => {
                let snapshot = self.state.front().editor.snapshot();
                self.background.remove_masked(snapshot, fresh_seed());
            }
        }
    }

    /// Puts layers into their documents, unless a stroke is being drawn.
    pub(super) fn place_layers(&mut self) {
        while let Some(layer) = self.state.layers.pop_front() {
            let open = self.state.documents.get_mut(layer.document());
            if open.is_some_and(|open| open.editor.is_busy()) {
                self.state.layers.push_front(layer);
                return;
            }
            let subject = layer.subject();
            if let Err(error) = self.place_layer(layer) {
                self.take_error(subject, &error.to_string());
            }
        }
    }

    fn place_layer(&mut self, layer: ArrivingLayer) -> Result<(), DocumentError> {
        let state = &mut self.state;
        let Some(open) = state.documents.get_mut(layer.document()) else {
            let text = match layer {
                ArrivingLayer::Pasted { .. } => {
                    "Nothing was pasted: the document was closed before the picture came"
                }
                ArrivingLayer::Removed { .. } => {
                    "Nothing was removed: the document was closed before it was done"
                }
            };
            state.notices.push(Severity::Info, text);
            return Ok(());
        };
        match layer {
            // A canvas without a picture takes its size.
            ArrivingLayer::Pasted { picture, .. } => {
                let size_px = picture.size_px();
                open.editor
                    .place_picture("Paste", "Pasted picture", picture)?;
                let canvas_px = open.document().size_px();
                if size_px[0] > canvas_px[0] || size_px[1] > canvas_px[1] {
                    let text =
                        "The pasted picture is larger than the canvas: its edges are cut off";
                    state.notices.push(Severity::Warning, text);
                }
            }
            ArrivingLayer::Removed { document, picture } => {
                let place = |it: &Document| (it.size_px(), it.origin_px());
                if place(open.document()) != place(&document) {
                    let text = "Nothing was removed: the canvas changed meanwhile; do it again";
                    state.notices.push(Severity::Info, text);
                    return Ok(());
                }
                open.editor.insert_picture("Remove", "Removed", picture)?;
            }
        }
        Ok(())
    }
}
