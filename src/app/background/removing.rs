//! What a mask covers, filled away from the window's thread.

use super::{Background, BackgroundEvent, failing};
use crate::app::layers::ArrivingLayer;
use crate::app::notices::Subject;
use crate::document::{DocumentSnapshot, TileGrid};
use crate::frame::{mask_bounds, removal_part, removed};
use crate::geometry::CanvasRect;

impl Background {
    /// Makes the layer that takes the place of what the masks of a document cover.
    pub fn remove_masked(&self, document: DocumentSnapshot, seed: u64) {
        self.spawn("remove", failing(Subject::Removing), move || {
            let nothing = || "nothing that the mask covers has a picture around it".to_owned();
            let bounds = document.mask_bounds();
            let mask = document.mask_in(bounds).ok_or_else(nothing)?;
            let covered = mask_bounds(&mask).ok_or_else(nothing)?;
            let at = |corner: [i32; 2]| [0, 1].map(|axis: usize| corner[axis] + bounds.min[axis]);
            let covered = CanvasRect::from_min_max(at(covered.min), at(covered.max));
            let part = removal_part(covered, document.rect());
            let mask = document.mask_in(part).ok_or_else(nothing)?;
            let patch = removed(&document.composite_in(part), &mask, seed).ok_or_else(nothing)?;
            let picture = TileGrid::from_image(&patch).placed(document.size_px(), part.min);
            let layer = ArrivingLayer::Removed { document, picture };
            Ok(BackgroundEvent::Layer(Box::new(layer)))
        });
    }
}
