//! What a picture was painted from comes back as layers.

use super::Core;
use crate::app::background::{ArrivingBoxes, DrawingArrival};
use crate::recipe::GenerateSpec;

impl Core {
    /// Brings back the boxes and the label map of a recipe as one step, at the size of
    /// the document in front. Others that are seen are hidden, for they would act too.
    pub(super) fn restore_conditions(&mut self, spec: &GenerateSpec) {
        let boxes = spec.layout.as_ref().map(|layout| ArrivingBoxes {
            name: "Boxes".to_owned(),
            boxes: layout.clone(),
            size_px: [spec.width_px, spec.height_px],
        });
        let map = spec.semantic.as_ref();
        let map = map.map(|semantic| ("Label map".to_owned(), semantic.clone()));
        let label = match (&boxes, &map) {
            (None, None) => return,
            (Some(_), None) => "Restore boxes",
            (None, Some(_)) => "Restore label map",
            (Some(_), Some(_)) => "Restore boxes and label map",
        };
        let document = self.state.front().id();
        let arrival = DrawingArrival {
            label,
            boxes,
            map,
            hides_others: true,
        };
        self.add_drawing(document, arrival);
    }
}
