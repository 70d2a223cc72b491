//! What is drawn over the canvas while boxes follow the pointer.

use super::Deed;
use crate::document::BoundingBox;
use crate::geometry::CanvasPoint;
use crate::tools::overlay::OverlayShape;

/// Lines through everything that is in line, from edge to edge of the picture.
pub fn guides(
    met: &[Vec<f32>; 2],
    bounds: &BoundingBox,
    size_px: [u32; 2],
) -> impl Iterator<Item = OverlayShape> {
    let [width, height] = size_px.map(|side| side as f32);
    let (left, right) = (bounds.min.x.min(0.0), bounds.max.x.max(width));
    let (top, bottom) = (bounds.min.y.min(0.0), bounds.max.y.max(height));
    let upright = met[0].iter().map(move |x| OverlayShape::Guide {
        from: CanvasPoint::new(*x, top),
        to: CanvasPoint::new(*x, bottom),
    });
    let level = met[1].iter().map(move |y| OverlayShape::Guide {
        from: CanvasPoint::new(left, *y),
        to: CanvasPoint::new(right, *y),
    });
    upright.chain(level)
}

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
