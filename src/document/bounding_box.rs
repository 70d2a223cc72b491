//! The labelled boxes of a layout layer.

use crate::geometry::CanvasPoint;

/// A box that says where something of a class is to appear.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundingBox {
    /// The corner nearer to the origin, in document pixels.
    pub min: CanvasPoint,
    /// The opposite corner.
    pub max: CanvasPoint,
    /// What the box holds, in words.
    pub label: String,
}

impl BoundingBox {
    /// The box between any two opposite corners.
    pub fn from_corners(a: CanvasPoint, b: CanvasPoint, label: impl Into<String>) -> Self {
        Self {
            min: CanvasPoint::new(a.x.min(b.x), a.y.min(b.y)),
            max: CanvasPoint::new(a.x.max(b.x), a.y.max(b.y)),
            label: label.into(),
        }
    }

    /// Whether the corners are numbers and in order.
    pub fn is_valid(&self) -> bool {
        self.min.is_finite()
            && self.max.is_finite()
            && self.min.x <= self.max.x
            && self.min.y <= self.max.y
    }
}
