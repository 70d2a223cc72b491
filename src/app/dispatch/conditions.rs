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
        let front = self.state.documents.front_mut();
        front.small_picture = layer;
        front.starts_from_picture = layer.is_none();
    }

    /// Lets a layer pull what is painted towards itself. A new picture is painted then,
    /// unless that is switched back.
    pub(super) fn guide_by(&mut self, layer: Option<LayerId>) {
        let front = self.state.documents.front_mut();
        front.guide = layer;
        front.starts_from_picture = layer.is_none();
    }

    /// Brings back the frame of a recipe, and its boxes and label map as one step, at the
    /// size of the document in front. Others that are seen are hidden, for they would act
    /// too.
    pub(super) fn restore_conditions(&mut self, spec: &GenerateSpec) {
        let editor = &mut self.state.documents.front_mut().editor;
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
        if small.is_some() && guide.is_some() {
            let text = "The guide of this picture is not brought back beside its \
                        low-resolution picture; choose a layer at Guide.";
            self.state.notices.push(Severity::Warning, text.to_owned());
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
