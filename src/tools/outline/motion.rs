//! How rectangles follow the pointer.

use super::grip::{Grip, Pull, Side, pulled};
use super::snap::Lines;
use crate::document::BoundingBox;
use crate::geometry::CanvasPoint;
use crate::tools::event::PointerEvent;

/// What positions snap to, and how near they must be.
pub struct Snap {
    /// The lines.
    pub lines: Lines,
    /// Negative when nothing snaps.
    pub reach_px: f32,
    /// What is in line with nothing lies on a multiple of this.
    pub grid_px: f32,
}

impl Snap {
    /// A position brought in line, or else onto the grid.
    fn edge(&self, axis: usize, at: f32) -> f32 {
        let offset = self.lines.offset(axis, &[at], self.reach_px);
        offset.map_or_else(|| self.on_grid(at), |offset| at + offset)
    }

    fn on_grid(&self, at: f32) -> f32 {
        (at / self.grid_px).round() * self.grid_px
    }

    /// What of some sides along each axis is in line, where anything snaps.
    pub fn met(&self, bounds: &BoundingBox, sides: [&[Side]; 2]) -> [Vec<f32>; 2] {
        [0, 1].map(|axis: usize| {
            if self.reach_px < 0.0 {
                return Vec::new();
            }
            let places = sides[axis].iter();
            let places: Vec<f32> = places.map(|side| place(bounds, axis, *side)).collect();
            self.lines.met(axis, &places)
        })
    }

    fn point(&self, at: CanvasPoint) -> CanvasPoint {
        CanvasPoint::new(self.edge(0, at.x), self.edge(1, at.y))
    }
}

/// The box from where the pointer went down to where it is: with Shift a square,
/// with Alt about the first point.
pub fn drawn(grabbed: CanvasPoint, event: &PointerEvent, snap: &Snap) -> BoundingBox {
    let from = snap.point(grabbed);
    let mut to = snap.point(event.position);
    if event.modifiers.shift {
        let side = (to.x - from.x).abs().max((to.y - from.y).abs());
        let beside = |from: f32, to: f32| from + side * if to < from { -1.0 } else { 1.0 };
        to = CanvasPoint::new(beside(from.x, to.x), beside(from.y, to.y));
    }
    let opposite = if event.modifiers.alt {
        CanvasPoint::new(2.0 * from.x - to.x, 2.0 * from.y - to.y)
    } else {
        from
    };
    BoundingBox::from_corners(opposite, to, "")
}

/// How far boxes move, each with the others: with Shift along one axis.
pub fn moved_by(
    before: &[BoundingBox],
    moved: &[usize],
    grabbed: CanvasPoint,
    event: &PointerEvent,
    snap: &Snap,
) -> [f32; 2] {
    let bounds = bounds(before, moved);
    let mut by_px = [event.position.x - grabbed.x, event.position.y - grabbed.y];
    let smaller = usize::from(by_px[0].abs() >= by_px[1].abs());
    for (axis, by_px) in by_px.iter_mut().enumerate() {
        if event.modifiers.shift && axis == smaller {
            *by_px = 0.0;
            continue;
        }
        let places =
            [Side::Min, Side::Middle, Side::Max].map(|side| place(&bounds, axis, side) + *by_px);
        *by_px += match snap.lines.offset(axis, &places, snap.reach_px) {
            Some(offset) => offset,
            None => snap.on_grid(places[0]) - places[0],
        };
    }
    by_px
}

/// The corners of a box whose handle follows the pointer: with Shift in its
/// ratio, with Alt about its middle.
pub fn pulled_to(
    start: &BoundingBox,
    grip: Grip,
    grabbed: CanvasPoint,
    event: &PointerEvent,
    snap: &Snap,
) -> [CanvasPoint; 2] {
    let handle = grip.place(start);
    let to = CanvasPoint::new(
        handle.x + event.position.x - grabbed.x,
        handle.y + event.position.y - grabbed.y,
    );
    let how = Pull {
        keeps_ratio: event.modifiers.shift,
        is_about_center: event.modifiers.alt,
    };
    let to = if how.keeps_ratio { to } else { snap.point(to) };
    pulled(start, grip, to, how)
}

/// The smallest box around some boxes.
pub fn bounds(boxes: &[BoundingBox], of: &[usize]) -> BoundingBox {
    let found = of
        .iter()
        .map(|index| (boxes[*index].min, boxes[*index].max));
    let united = found.reduce(|(min, max), (a, b)| {
        (
            CanvasPoint::new(min.x.min(a.x), min.y.min(a.y)),
            CanvasPoint::new(max.x.max(b.x), max.y.max(b.y)),
        )
    });
    let (min, max) = united.unwrap_or_default();
    BoundingBox::from_corners(min, max, "")
}

/// A place of a box along an axis.
fn place(found: &BoundingBox, axis: usize, side: Side) -> f32 {
    let grip = Grip { x: side, y: side };
    let point = grip.place(found);
    [point.x, point.y][axis]
}
