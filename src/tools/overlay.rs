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
    /// A cross.
    Crosshair,
    /// Something can be chosen here.
    Pointing,
    /// Something can be moved here.
    Move,
    /// An edge or a corner can be pulled: its side along x and y, -1, 0 or 1.
    Resize {
        /// -1 at the left, 1 at the right, 0 for an edge above or below.
        x: i8,
        /// -1 above, 1 below, 0 for an edge at the left or right.
        y: i8,
    },
}

/// A shape over the canvas. Its lines are as thin as the screen allows,
/// whatever the zoom.
#[derive(Clone, Debug, PartialEq)]
pub enum OverlayShape {
    /// A straight line, in document pixels.
    Line {
        /// One end.
        from: CanvasPoint,
        /// The other end.
        to: CanvasPoint,
    },
    /// A line that says what is in line with what.
    Guide {
        /// One end.
        from: CanvasPoint,
        /// The other end.
        to: CanvasPoint,
    },
    /// A knob to pull at, of the same size at every zoom.
    Handle(CanvasPoint),
    /// A few words below a point.
    Note {
        /// What they stand below.
        at: CanvasPoint,
        /// The words.
        text: String,
    },
}

impl OverlayShape {
    /// A closed line through the given corners; none for fewer than two.
    pub(super) fn closed(corners: &[CanvasPoint]) -> Vec<Self> {
        let next = corners.iter().cycle().skip(1);
        let sides = corners.iter().zip(next);
        let lines = sides.map(|(from, to)| Self::Line {
            from: *from,
            to: *to,
        });
        lines.collect()
    }
}

/// What a tool draws over the canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// How the pointer looks.
    pub cursor: Cursor,
    /// Shapes, the lowest first.
    pub shapes: Vec<OverlayShape>,
    /// Shapes that are shown wherever the pointer is, below the others.
    pub standing: Vec<OverlayShape>,
}

impl From<Cursor> for Overlay {
    fn from(cursor: Cursor) -> Self {
        Self {
            cursor,
            shapes: Vec::new(),
            standing: Vec::new(),
        }
    }
}
