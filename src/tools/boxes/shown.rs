//! What is drawn over the canvas while boxes follow the pointer.

use super::Deed;
use crate::document::BoundingBox;
use crate::geometry::CanvasPoint;
use crate::tools::overlay::OverlayShape;

/// The numbers that change while the pointer moves.
pub fn note(deed: &Deed, bounds: &BoundingBox, size_px: [u32; 2]) -> OverlayShape {
    let number = |value: f32| format!("{}", (value * 10.0).round() / 10.0);
    let mut text = match deed {
        Deed::Move { .. } => format!("{}, {}", number(bounds.min.x), number(bounds.min.y)),
        Deed::Draw | Deed::Pull { .. } => {
            let [width, height] = bounds.size_px().map(number);
            format!("{width} × {height}")
        }
    };
    if bounds.is_outside(size_px) {
        text.push_str(", outside of the picture");
    } else if bounds.reaches_over(size_px) {
        text.push_str(", reaches over the edge");
    }
    OverlayShape::Note {
        at: CanvasPoint::new(bounds.center().x, bounds.max.y),
        text,
    }
}
