//! What a picture was painted from comes back as layers.

use super::{Core, sentence};
use crate::app::background::{ArrivingBoxes, DrawingArrival, GivenAs};
use crate::app::notices::Severity;
use crate::document::{FrameChoice, LayerId};
use crate::recipe::GenerateSpec;

impl Core {
    /// Shows the model a layer in small. A new picture is made of it, unless that is
    /// switched back.
    pub(super) fn show_in_small(&mut self, layer: Option<LayerId>) {
        self.state.documents.front_mut().small_picture = layer;
        self.settle_start();
    }

    /// Lets a layer pull what is painted towards itself. A new picture is painted then,
    /// unless that is switched back.
    pub(super) fn guide_by(&mut self, layer: Option<LayerId>) {
        self.state.documents.front_mut().guide = layer;
        self.settle_start();
    }

    /// A job starts from the picture on the canvas unless another one tells it something.
    fn settle_start(&mut self) {
        let is_told = self.state.guide().is_some() || self.state.small_picture().is_some();
        self.state.documents.front_mut().starts_from_picture = !is_told;
    }

    /// Brings back the frame of a recipe, and its boxes and label map as one step, at the
    /// size of the document in front. Others that are seen are hidden, for they would act
    /// too, and what was a guide or shown in small is so no more.
    pub(super) fn restore_conditions(&mut self, spec: &GenerateSpec) {
        let front = self.state.documents.front_mut();
        (front.guide, front.small_picture) = (None, None);
        let editor = &mut front.editor;
        let frame = spec.frame.map(|frame| frame.rect());
        if let Some(rect) = frame.filter(|rect| editor.document().allows_frame(*rect, 1))
            && let Err(error) = editor.set_frame("Restore frame", FrameChoice::Fixed(rect))
        {
            let text = sentence(&error.to_string());
            self.state.notices.push(Severity::Warning, text);
        }
        let boxes = spec.layout.as_ref().map(|layout| ArrivingBoxes {
            name: "Boxes".to_owned(),
            boxes: layout.clone(),
            size_px: [spec.width_px, spec.height_px],
        });
        let small = spec.low_resolution.clone().map(|it| (GivenAs::Small, it));
        let guide = spec.guide.clone().map(|it| (GivenAs::Guide, it));
        if let Some(text) = left_out(small.is_some(), guide.is_some(), spec.frame.is_some()) {
            self.state.notices.push(Severity::Warning, text);
        }
        let picture = small.or(guide).filter(|_| spec.frame.is_none());
        let map = spec.semantic.as_ref();
        let map = map.map(|semantic| ("Label map".to_owned(), semantic.clone()));
        let label = match (&boxes, &map, &picture) {
            (None, None, None) => return,
            (Some(_), None, None) => "Restore boxes",
            (None, Some(_), None) => "Restore label map",
            (None, None, Some((GivenAs::Small, _))) => "Restore low-resolution picture",
            (None, None, Some((GivenAs::Guide, _))) => "Restore guide",
            (Some(_), Some(_), None) => "Restore boxes and label map",
            _ => "Restore what it was painted from",
        };
        let document = self.state.front().id();
        let arrival = DrawingArrival {
            label,
            boxes,
            map,
            picture,
            hides_others: true,
            within: frame,
        };
        self.add_drawing(document, arrival);
    }
}

/// Which pictures that a job was given are not brought back as layers, as a sentence.
fn left_out(has_small: bool, has_guide: bool, is_framed: bool) -> Option<&'static str> {
    match (has_small, has_guide, is_framed) {
        (false, false, _) | (true, false, false) | (false, true, false) => None,
        (true, true, false) => Some(
            "The guide of this picture is not brought back, for its low-resolution picture \
             is; to guide it again, choose a layer at Guide",
        ),
        (true, true, true) => Some(
            "The low-resolution picture and the guide of what was painted in this frame are \
             not brought back; choose layers at Low-res and Guide",
        ),
        (true, false, true) => Some(
            "The low-resolution picture of what was painted in this frame is not brought \
             back; choose a layer at Low-res",
        ),
        (false, true, true) => Some(
            "The guide of what was painted in this frame is not brought back; choose a layer \
             at Guide",
        ),
    }
}
