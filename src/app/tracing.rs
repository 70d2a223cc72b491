//! A label map or boxes made of the picture, of the words or of the other, as a start to
//! draw on.

use super::conditions::Condition;
use super::state::AppState;
use crate::document::{DocumentId, DocumentSnapshot, Layer, LayerKind};

/// What is made of a picture, or of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// A label map.
    LabelMap,
    /// Boxes around its objects.
    Boxes,
    /// Boxes for what the words name.
    Composition,
    /// Boxes around what is on the label map.
    Things,
}

impl Tracing {
    /// What the menu calls the step.
    pub fn label(self) -> &'static str {
        match self {
            Self::LabelMap => "Label map from picture",
            Self::Boxes => "Boxes from picture",
            Self::Composition => "Boxes from words",
            Self::Things => "Boxes from label map",
        }
    }

    /// What is going on meanwhile.
    pub fn activity(self) -> &'static str {
        match self {
            Self::LabelMap | Self::Boxes => "Reading the picture",
            Self::Composition | Self::Things => "Placing boxes",
        }
    }
}

/// What is known of a job that reads a picture, or words.
#[derive(Clone, Copy, Debug)]
pub struct Traced {
    /// The document that it is read for.
    pub document: DocumentId,
    /// The size of the picture.
    pub size_px: [u32; 2],
    /// What is made of it.
    pub tracing: Tracing,
}

impl AppState {
    /// Why nothing can be made of the picture now, as a sentence.
    pub fn tracing_obstacle(&self) -> Option<&'static str> {
        if !self.document().has_picture() {
            return Some("There is no picture that can be seen");
        }
        let is_read = self.jobs.is_tracing(self.document().id());
        is_read.then_some("The picture is being read already")
    }

    /// Why no boxes can be made of the label map now, as a sentence.
    pub fn boxing_obstacle(&self) -> Option<&'static str> {
        let model = self.model_summary();
        if model.is_some_and(|model| !model.knows_things) {
            return Some("The model knows no boxes of what is on label maps: choose Storybook");
        }
        let has_map = self.has_drawn(Condition::LabelMap);
        (!has_map).then_some("There is no label map that can be seen")
    }

    /// Why no boxes can be placed for the words now, as a sentence.
    pub fn composing_obstacle(&self) -> Option<&'static str> {
        let model = self.model_summary();
        if model.is_some_and(|model| !model.places_boxes) {
            return Some("The model cannot place boxes for words: choose Storybook");
        }
        if self.form().spec.prompt.trim().is_empty() {
            return Some("Write what the picture shows first");
        }
        let is_read = self.jobs.is_tracing(self.document().id());
        is_read.then_some("Boxes are being made already")
    }
}

/// The picture that is meant: that of the chosen layer if it is one that can be seen,
/// else all that is seen. Reads every pixel: not for the window's thread.
pub(super) fn picture_of(document: &DocumentSnapshot) -> image::RgbaImage {
    let chosen = document.selected_layer().filter(|layer| {
        layer.visible && layer.kind() == LayerKind::Raster && !layer.content.is_blank()
    });
    let [width, height] = document.size_px();
    chosen
        .and_then(Layer::raster)
        .and_then(|grid| {
            image::RgbaImage::from_raw(width, height, grid.to_pixels().into_flattened())
        })
        .unwrap_or_else(|| document.composite())
}
