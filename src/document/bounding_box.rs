//! The labelled boxes of a layout layer.

use crate::geometry::CanvasPoint;

/// How far from the origin a corner may lie: as far as jobs take boxes, and no
/// number that grows with the canvas gets out of hand from there.
const REACH_PX: f32 = 1e6;

/// A box that says where something of a class is to appear.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundingBox {
    /// The corner nearer to the origin, in document pixels.
    pub min: CanvasPoint,
    /// The opposite corner.
    pub max: CanvasPoint,
    /// The class of what the box holds, in words; empty for one that has none yet.
    pub label: String,
    /// A word for its colour, where one is wanted.
    pub colour: Option<String>,
    /// Whether the pointer passes over it.
    pub is_locked: bool,
}

impl BoundingBox {
    /// The box between any two opposite corners.
    pub fn from_corners(a: CanvasPoint, b: CanvasPoint, label: impl Into<String>) -> Self {
        Self {
            min: CanvasPoint::new(a.x.min(b.x), a.y.min(b.y)),
            max: CanvasPoint::new(a.x.max(b.x), a.y.max(b.y)),
            label: label.into(),
            colour: None,
            is_locked: false,
        }
    }

    /// Whether the corners are numbers and in order.
    pub fn is_valid(&self) -> bool {
        self.min.is_finite()
            && self.max.is_finite()
            && self.min.x <= self.max.x
            && self.min.y <= self.max.y
    }

    /// Width and height in pixels.
    pub fn size_px(&self) -> [f32; 2] {
        [self.max.x - self.min.x, self.max.y - self.min.y]
    }

    /// Its area in square pixels.
    pub fn area_px(&self) -> f32 {
        let [width, height] = self.size_px();
        width * height
    }

    /// Its middle.
    pub fn center(&self) -> CanvasPoint {
        self.min.lerp(self.max, 0.5)
    }

    /// Whether the point lies inside or on an edge.
    pub fn contains(&self, point: CanvasPoint) -> bool {
        (self.min.x..=self.max.x).contains(&point.x) && (self.min.y..=self.max.y).contains(&point.y)
    }

    /// Whether a part of it lies outside of a picture of the given size.
    pub fn reaches_over(&self, size_px: [u32; 2]) -> bool {
        let [width, height] = size_px.map(|side| side as f32);
        self.min.x < 0.0 || self.min.y < 0.0 || self.max.x > width || self.max.y > height
    }

    /// Whether no part of it lies inside of a picture of the given size.
    pub fn is_outside(&self, size_px: [u32; 2]) -> bool {
        let [width, height] = size_px.map(|side| side as f32);
        self.max.x <= 0.0 || self.max.y <= 0.0 || self.min.x >= width || self.min.y >= height
    }

    /// The same at another place, so many pixels to the right and down.
    #[must_use]
    pub fn moved_by(&self, [dx, dy]: [f32; 2]) -> Self {
        let moved = |point: CanvasPoint| CanvasPoint::new(point.x + dx, point.y + dy);
        Self {
            min: moved(self.min),
            max: moved(self.max),
            ..self.clone()
        }
    }

    /// The same with corners that are numbers and within reach, whatever a file or a
    /// field says: a document with others could not be saved.
    #[must_use]
    pub(super) fn within_reach(self) -> Self {
        let held = |side: f32| match side.is_nan() {
            true => 0.0,
            false => side.clamp(-REACH_PX, REACH_PX),
        };
        let point = |at: CanvasPoint| CanvasPoint::new(held(at.x), held(at.y));
        Self {
            min: point(self.min),
            max: point(self.max),
            ..self
        }
    }

    /// Memory that keeping it takes.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.label.len() + self.colour.as_ref().map_or(0, String::len)
    }
}

/// Where the boxes at some positions are after a change: in their places, or where
/// they were moved in the order. None of them where boxes came or went, because
/// then positions mean other boxes.
pub(super) fn followed(
    positions: &[usize],
    before: &[BoundingBox],
    after: &[BoundingBox],
) -> Vec<usize> {
    if before.len() != after.len() {
        return Vec::new();
    }
    let mut followed: Vec<usize> = positions
        .iter()
        .map(|index| {
            let found = &before[*index];
            let is_there = |at: &usize| after[*at] == *found && before[*at] != *found;
            if after[*index] == *found {
                return *index;
            }
            (0..after.len()).find(is_there).unwrap_or(*index)
        })
        .collect();
    followed.sort_unstable();
    followed.dedup();
    followed
}
