//! What a tool draws over the canvas, as data.

use crate::geometry::CanvasPoint;

/// How the pointer looks over the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cursor {
    /// A circle of the given diameter about the pointer, and a second one where
    /// the brush is fully opaque.
    Ring {
        /// Diameter in document pixels.
        size_px: f32,
        /// Diameter of the fully covered part in document pixels.
        core_px: f32,
    },
    /// An open hand.
    Grab,
    /// A closed hand.
    Grabbing,
}

/// A shape over the canvas. Its lines are as thin as the screen allows,
/// whatever the zoom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OverlayShape {
    /// A straight line, in document pixels.
    Line {
        /// One end.
        from: CanvasPoint,
        /// The other end.
        to: CanvasPoint,
    },
}

/// What a tool draws over the canvas while the pointer is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// How the pointer looks.
    pub cursor: Cursor,
    /// Shapes, the lowest first.
    pub shapes: Vec<OverlayShape>,
}

impl From<Cursor> for Overlay {
    fn from(cursor: Cursor) -> Self {
        Self {
            cursor,
            shapes: Vec::new(),
        }
    }
}
