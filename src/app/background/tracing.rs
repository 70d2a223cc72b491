//! Pictures that are to be read by the engine.

use std::sync::Arc;

use super::{Background, BackgroundEvent, failing};
use crate::app::notices::Subject;
use crate::app::tracing::{Traced, Tracing, picture_of};
use crate::document::DocumentSnapshot;
use crate::recipe::ImageInput;

impl Background {
    /// Flattens the picture that something is to be made of.
    pub fn flatten_for(&self, tracing: Tracing, document: DocumentSnapshot) {
        self.spawn("trace", failing(Subject::Tracing), move || {
            let picture = ImageInput(Arc::new(picture_of(&document)));
            let traced = Traced {
                document: document.id(),
                size_px: document.size_px(),
                tracing,
            };
            Ok(BackgroundEvent::Flattened { traced, picture })
        });
    }
}
