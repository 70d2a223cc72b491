//! Boxes that come from a file.

use std::path::{Path, PathBuf};

use crate::document::{BoundingBox, DocumentId};
use crate::exchange::BoxImage;
use crate::geometry::CanvasPoint;

/// A file of boxes that was read, and not taken in yet.
#[derive(Clone, Debug)]
pub struct ImportedBoxes {
    /// The document that it was opened for.
    pub document: DocumentId,
    /// The file.
    pub path: PathBuf,
    /// The pictures in it; one at least.
    pub images: Vec<BoxImage>,
}

impl ImportedBoxes {
    /// What one of its pictures is called.
    pub fn image_name(image: &BoxImage) -> &str {
        image.file_name.as_deref().unwrap_or(&image.id)
    }

    /// The name of a layer for one of its pictures.
    pub fn layer_name(&self, image: &BoxImage) -> String {
        let name = match self.images.len() {
            1 => self.path.as_path(),
            _ => Path::new(Self::image_name(image)),
        };
        let stem = name.file_stem().unwrap_or(name.as_os_str());
        stem.to_string_lossy().into_owned()
    }

    /// The boxes of one of its pictures on a canvas: in the same places of it as in
    /// the picture.
    pub fn on_canvas(image: &BoxImage, canvas_px: [u32; 2]) -> Vec<BoundingBox> {
        let boxes = image.boxes_at(canvas_px).into_iter();
        boxes
            .map(|found| {
                // Numbers mean nothing to models that have names.
                let found = found.named(|_| None);
                let [x, y, width, height] = found.rect;
                let (min, max) = (
                    CanvasPoint::new(x, y),
                    CanvasPoint::new(x + width, y + height),
                );
                BoundingBox {
                    colour: found.colour,
                    ..BoundingBox::from_corners(min, max, found.class)
                }
            })
            .collect()
    }
}
