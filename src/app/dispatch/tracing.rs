//! Label maps and boxes that are made of the picture, of the words or of the label map.

use std::sync::Arc;

use super::Core;
use crate::app::background::{ArrivingBoxes, DrawingArrival};
use crate::app::classes::BuiltInPalette;
use crate::app::notices::Severity;
use crate::app::tracing::{Traced, Tracing};
use crate::document::DocumentId;
use crate::engine::protocol::{JobId, Segmentation};
use crate::geometry::CanvasRect;
use crate::random::fresh_seed;
use crate::recipe::{BoxUse, ImageInput, LayoutInput, SemanticInput};

impl Core {
    pub(super) fn trace(&mut self, tracing: Tracing) {
        match tracing {
            Tracing::Composition => return self.compose(),
            Tracing::Things => return self.box_things(),
            Tracing::LabelMap | Tracing::Boxes => {}
        }
        if let Some(obstacle) = self.state.tracing_obstacle() {
            self.state.notices.push(Severity::Info, obstacle);
            return;
        }
        let snapshot = self.state.front().editor.snapshot();
        self.background.flatten_for(tracing, snapshot);
    }

    /// Has the engine place boxes for the words: other ones each time, unless the seed stays.
    fn compose(&mut self) {
        if let Some(obstacle) = self.state.composing_obstacle() {
            self.state.notices.push(Severity::Info, obstacle);
            return;
        }
        let state = &self.state;
        // As they would be placed in painting.
        let (form, size_px) = (state.form(), state.painted_size_px());
        let mut spec = form.spec(size_px, None, None);
        if !form.seed_locked && !form.is_varied() {
            spec.seed = fresh_seed();
        }
        let traced = Traced {
            document: state.document().id(),
            size_px,
            tracing: Tracing::Composition,
        };
        let job = self.engine.compose(spec);
        self.state.jobs.add_tracing(job, traced);
    }

    /// Has boxes drawn around what is on the label map.
    fn box_things(&mut self) {
        if let Some(obstacle) = self.state.boxing_obstacle() {
            self.state.notices.push(Severity::Info, obstacle);
            return;
        }
        let inputs = self.state.model_summary().map(|model| &*model.inputs);
        let Some(BoxUse::Classes { classes, .. }) = inputs.and_then(BoxUse::of) else {
            return;
        };
        let document = self.state.front().editor.snapshot();
        self.background.box_things(document, classes.to_vec());
    }

    /// Takes in the boxes for words.
    pub(in crate::app) fn take_composed(&mut self, job: JobId, boxes: Option<LayoutInput>) {
        let Some(traced) = self.state.jobs.tracing(job) else {
            return;
        };
        let Some(boxes) = boxes else {
            let text = "No boxes could be placed: the words name nothing that the model knows, or \
                        change on the way, or the picture is far from square or painted in windows \
                        that were chosen";
            self.state.notices.push(Severity::Info, text);
            return;
        };
        let drawing = DrawingArrival {
            label: traced.tracing.label(),
            boxes: Some(ArrivingBoxes {
                name: "Boxes".to_owned(),
                boxes,
                size_px: traced.size_px,
            }),
            map: None,
            picture: None,
            hides_others: true,
            within: self.frame_of(traced.document),
        };
        self.add_drawing(traced.document, drawing);
    }

    /// The part of a document that the next job paints; none for all of it.
    fn frame_of(&self, document: DocumentId) -> Option<CanvasRect> {
        let is_in_front = self.state.document().id() == document;
        let frame = self.state.job_frame().filter(|_| is_in_front);
        frame.map(|frame| frame.rect)
    }

    /// Has the engine read a picture.
    pub(in crate::app) fn read_picture(&mut self, traced: Traced, picture: ImageInput) {
        if !self.state.jobs.is_tracing(traced.document) {
            let job = self.engine.segment(picture);
            self.state.jobs.add_tracing(job, traced);
        }
    }

    /// Takes in what a picture shows where.
    pub(in crate::app) fn take_segmented(&mut self, job: JobId, read: Segmentation) {
        let Some(traced) = self.state.jobs.tracing(job) else {
            return;
        };
        let Segmentation { labels, boxes } = read;
        let mut drawing = DrawingArrival {
            label: traced.tracing.label(),
            boxes: None,
            map: None,
            picture: None,
            hides_others: false,
            within: None,
        };
        match traced.tracing {
            Tracing::Composition | Tracing::Things => return,
            Tracing::Boxes if boxes.is_empty() => {
                let text = "No objects were recognised: this is made for pictures like \
                            Storybook's, with objects that stand clear";
                self.state.notices.push(Severity::Info, text);
                return;
            }
            Tracing::Boxes => {
                drawing.boxes = Some(ArrivingBoxes {
                    name: "Boxes".to_owned(),
                    boxes: LayoutInput(boxes.into()),
                    size_px: traced.size_px,
                });
            }
            Tracing::LabelMap => {
                let input = SemanticInput {
                    map: Arc::new(labels),
                    palette: BuiltInPalette::Storybook.palette(),
                };
                drawing.map = Some(("Label map".to_owned(), input));
            }
        }
        self.add_drawing(traced.document, drawing);
    }
}
