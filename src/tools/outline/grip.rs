//! Where a box can be pulled at, and what becomes of it then.

use crate::document::BoundingBox;
use crate::geometry::CanvasPoint;

/// A place along one axis of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The edge nearer to the origin.
    Min,
    /// Between the edges.
    Middle,
    /// The other edge.
    Max,
}

impl Side {
    /// Both edges.
    pub const EDGES: &'static [Self] = &[Self::Min, Self::Max];

    /// All places.
    pub const ALL: &'static [Self] = &[Self::Min, Self::Middle, Self::Max];

    /// -1, 0 or 1.
    pub fn sign(self) -> i8 {
        match self {
            Self::Min => -1,
            Self::Middle => 0,
            Self::Max => 1,
        }
    }

    /// The side of a stretch that a position lies on, given how near is near.
    /// `None` when it lies beside the stretch.
    fn of(min: f32, max: f32, at: f32, reach: f32) -> Option<Self> {
        if at < min - reach || at > max + reach {
            return None;
        }
        // The middle half of a small box moves it, or it could not be moved at all.
        let inner = reach.min((max - min) * 0.25);
        let (to_min, to_max) = (at - min, max - at);
        Some(match (to_min <= inner, to_max <= inner) {
            (true, true) if to_min <= to_max => Self::Min,
            (true, false) => Self::Min,
            (_, true) => Self::Max,
            (false, false) => Self::Middle,
        })
    }

    fn place(self, min: f32, max: f32) -> f32 {
        match self {
            Self::Min => min,
            Self::Middle => (min + max) * 0.5,
            Self::Max => max,
        }
    }
}

/// A place of a box: a corner, an edge or the inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grip {
    /// Along the x axis.
    pub x: Side,
    /// Along the y axis.
    pub y: Side,
}

impl Grip {
    /// What can be pulled along each axis, for what is in line: both edges of those that
    /// move.
    pub fn moving_sides(self) -> [&'static [Side]; 2] {
        [self.x, self.y].map(|side| match side {
            Side::Middle => &[][..],
            Side::Min | Side::Max => Side::EDGES,
        })
    }

    /// The corners and edges, which have handles.
    pub const HANDLES: [Self; 8] = [
        Self::new(Side::Min, Side::Min),
        Self::new(Side::Middle, Side::Min),
        Self::new(Side::Max, Side::Min),
        Self::new(Side::Max, Side::Middle),
        Self::new(Side::Max, Side::Max),
        Self::new(Side::Middle, Side::Max),
        Self::new(Side::Min, Side::Max),
        Self::new(Side::Min, Side::Middle),
    ];

    const fn new(x: Side, y: Side) -> Self {
        Self { x, y }
    }

    /// The place of a box under a point; `None` when the point lies farther than
    /// `reach_px` outside of it.
    pub fn at(found: &BoundingBox, point: CanvasPoint, reach_px: f32) -> Option<Self> {
        Some(Self {
            x: Side::of(found.min.x, found.max.x, point.x, reach_px)?,
            y: Side::of(found.min.y, found.max.y, point.y, reach_px)?,
        })
    }

    /// Whether it is no edge and no corner.
    pub fn is_inside(self) -> bool {
        self.x == Side::Middle && self.y == Side::Middle
    }

    /// Where its handle stands.
    pub fn place(self, found: &BoundingBox) -> CanvasPoint {
        CanvasPoint::new(
            self.x.place(found.min.x, found.max.x),
            self.y.place(found.min.y, found.max.y),
        )
    }
}

/// How a box follows its handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pull {
    /// Whether width and height keep their ratio.
    pub keeps_ratio: bool,
    /// Whether the middle stays where it is, and not the opposite side.
    pub is_about_center: bool,
}

/// The corners of a box whose handle was pulled to a point.
pub fn pulled(start: &BoundingBox, grip: Grip, to: CanvasPoint, how: Pull) -> [CanvasPoint; 2] {
    let mut axes = [
        Axis::new(start.min.x, start.max.x, grip.x, to.x, how.is_about_center),
        Axis::new(start.min.y, start.max.y, grip.y, to.y, how.is_about_center),
    ];
    if how.keeps_ratio {
        let scale = axes.iter().filter_map(Axis::scale).reduce(f32::max);
        if let Some(scale) = scale {
            axes.iter_mut().for_each(|axis| axis.set_scale(scale));
        }
    }
    let [[left, right], [top, bottom]] = axes.map(|axis| axis.ends());
    [CanvasPoint::new(left, top), CanvasPoint::new(right, bottom)]
}

/// One axis of a box that is pulled.
#[derive(Clone, Copy)]
struct Axis {
    /// What stays in place.
    anchor: f32,
    /// From there to the handle before; 0 when this axis is not pulled.
    before: f32,
    /// From there to the handle now.
    now: f32,
    /// Half of the size, for an axis that grows to both sides.
    half: Option<f32>,
}

impl Axis {
    fn new(min: f32, max: f32, side: Side, to: f32, is_about_center: bool) -> Self {
        let center = (min + max) * 0.5;
        let anchor = match side {
            Side::Middle => center,
            _ if is_about_center => center,
            Side::Min => max,
            Side::Max => min,
        };
        let is_pulled = side != Side::Middle;
        Self {
            anchor,
            before: side.place(min, max) - anchor,
            now: if is_pulled { to - anchor } else { 0.0 },
            half: (!is_pulled || is_about_center).then_some((max - min) * 0.5),
        }
    }

    /// How many times as large it became; `None` when it is not pulled.
    fn scale(&self) -> Option<f32> {
        (self.before != 0.0).then(|| (self.now / self.before).abs())
    }

    fn set_scale(&mut self, scale: f32) {
        if self.before != 0.0 {
            let side = if self.now * self.before < 0.0 {
                -1.0
            } else {
                1.0
            };
            self.now = self.before * scale * side;
        } else if let Some(half) = &mut self.half {
            *half *= scale;
        }
    }

    fn ends(&self) -> [f32; 2] {
        match self.half {
            Some(half) if self.before == 0.0 => [self.anchor - half, self.anchor + half],
            Some(_) => [self.anchor - self.now, self.anchor + self.now],
            None => [self.anchor, self.anchor + self.now],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop, proptest};

    fn boxed(min: [f32; 2], max: [f32; 2]) -> BoundingBox {
        let point = |[x, y]: [f32; 2]| CanvasPoint::new(x, y);
        BoundingBox::from_corners(point(min), point(max), "bus")
    }

    fn any_box() -> impl Strategy<Value = BoundingBox> {
        let corner = || [-50..150i16, -50..150i16].prop_map(|at| at.map(f32::from));
        let size = [1..90i16, 1..90i16].prop_map(|size| size.map(f32::from));
        (corner(), size).prop_map(|(min, size)| boxed(min, [min[0] + size[0], min[1] + size[1]]))
    }

    fn any_point() -> impl Strategy<Value = CanvasPoint> {
        (-200.0..300.0f32, -200.0..300.0f32).prop_map(|(x, y)| CanvasPoint::new(x, y))
    }

    proptest! {
        #[test]
        fn every_handle_is_found_where_it_stands(found in any_box(), index in 0..8usize, zoom in 1.0..16.0f32) {
            let grip = Grip::HANDLES[index];
            assert_eq!(Grip::at(&found, grip.place(&found), 6.0 / zoom), Some(grip));
        }

        #[test]
        fn the_middle_always_moves(found in any_box(), reach in 0.0..100.0f32) {
            assert!(Grip::at(&found, found.center(), reach).is_some_and(Grip::is_inside));
        }

        #[test]
        fn a_handle_that_is_not_pulled_changes_nothing(found in any_box(), index in 0..8usize, ratio in prop::bool::ANY, center in prop::bool::ANY) {
            let grip = Grip::HANDLES[index];
            let how = Pull { keeps_ratio: ratio, is_about_center: center };
            let [a, b] = pulled(&found, grip, grip.place(&found), how);
            let same = BoundingBox::from_corners(a, b, "bus");
            assert!(same.min.distance(found.min) < 1e-3 && same.max.distance(found.max) < 1e-3);
        }

        #[test]
        fn what_is_not_pulled_stays(found in any_box(), index in 0..8usize, to in any_point()) {
            let grip = Grip::HANDLES[index];
            let [a, b] = pulled(&found, grip, to, Pull::default());
            let now = BoundingBox::from_corners(a, b, "bus");
            assert!(now.is_valid());
            for (side, before, after, to) in [
                (grip.x, [found.min.x, found.max.x], [now.min.x, now.max.x], to.x),
                (grip.y, [found.min.y, found.max.y], [now.min.y, now.max.y], to.y),
            ] {
                let near = |a: f32, b: f32| (a - b).abs() < 1e-3;
                match side {
                    Side::Middle => assert!(near(before[0], after[0]) && near(before[1], after[1])),
                    Side::Min => assert!(after.iter().any(|v| near(*v, before[1])) && after.iter().any(|v| near(*v, to))),
                    Side::Max => assert!(after.iter().any(|v| near(*v, before[0])) && after.iter().any(|v| near(*v, to))),
                }
            }
        }

        #[test]
        fn the_ratio_and_the_middle_are_kept_where_they_are_to_be(found in any_box(), index in 0..8usize, to in any_point(), center in prop::bool::ANY) {
            let grip = Grip::HANDLES[index];
            let how = Pull { keeps_ratio: true, is_about_center: center };
            let [a, b] = pulled(&found, grip, to, how);
            let now = BoundingBox::from_corners(a, b, "bus");
            let ([w0, h0], [w1, h1]) = (found.size_px(), now.size_px());
            assert!((w0 * h1 - w1 * h0).abs() <= 1e-3 * (w0 * h1 + w1 * h0) + 0.1, "{found:?} {now:?}");
            if center {
                assert!(now.center().distance(found.center()) < 1e-2);
            }
        }
    }
}
