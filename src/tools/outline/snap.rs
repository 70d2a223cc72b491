//! What a box snaps to: the edges and middles of other boxes, of the picture,
//! and its thirds.

use crate::document::BoundingBox;
use crate::geometry::CanvasPoint;
use crate::tools::overlay::OverlayShape;

/// Two positions in pixels that are nearer than this are in line.
const IN_LINE_PX: f32 = 1e-2;

/// Positions along the two axes that something can be in line with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines([Vec<f32>; 2]);

impl Lines {
    /// The lines of a picture and of boxes in it.
    pub fn new<'a>(size_px: [u32; 2], others: impl Iterator<Item = &'a BoundingBox>) -> Self {
        let of_picture = |side: u32| {
            let side = side as f32;
            vec![0.0, side, side / 2.0, side / 3.0, side * 2.0 / 3.0]
        };
        let mut lines = size_px.map(of_picture);
        for other in others {
            let center = other.center();
            lines[0].extend([other.min.x, other.max.x, center.x]);
            lines[1].extend([other.min.y, other.max.y, center.y]);
        }
        Self(lines)
    }

    /// The edges of a picture alone.
    pub fn edges(size_px: [u32; 2]) -> Self {
        Self(size_px.map(|side| vec![0.0, side as f32]))
    }

    /// How far to move along an axis so that the nearest of some positions comes
    /// in line; `None` when nothing is within reach.
    pub fn offset(&self, axis: usize, positions: &[f32], reach_px: f32) -> Option<f32> {
        let offsets = positions
            .iter()
            .flat_map(|position| self.0[axis].iter().map(move |line| line - position));
        offsets
            .filter(|offset| offset.abs() <= reach_px)
            .min_by(|a, b| a.abs().total_cmp(&b.abs()))
    }

    /// The lines that some positions along an axis lie on, each once.
    pub fn met(&self, axis: usize, positions: &[f32]) -> Vec<f32> {
        let is_met = |line: &&f32| {
            let mut positions = positions.iter();
            positions.any(|position| (*position - **line).abs() <= IN_LINE_PX)
        };
        let mut met: Vec<f32> = self.0[axis].iter().filter(is_met).copied().collect();
        met.sort_by(f32::total_cmp);
        met.dedup_by(|a, b| (*a - *b).abs() <= IN_LINE_PX);
        met
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};

    fn boxed(min: [f32; 2], max: [f32; 2]) -> BoundingBox {
        let point = |[x, y]: [f32; 2]| CanvasPoint::new(x, y);
        BoundingBox::from_corners(point(min), point(max), "")
    }

    #[test]
    fn thirds_edges_and_middles_are_met() {
        let other = boxed([10.0, 20.0], [30.0, 60.0]);
        let lines = Lines::new([120, 90], [&other].into_iter());
        assert_eq!(lines.offset(0, &[41.0], 3.0), Some(-1.0));
        assert_eq!(lines.offset(0, &[22.0], 3.0), Some(-2.0));
        assert_eq!(lines.offset(1, &[58.5], 3.0), Some(1.5));
        assert_eq!(lines.offset(1, &[50.0], 3.0), None);
        assert_eq!(lines.met(1, &[60.0, 20.0, 33.0]), [20.0, 60.0]);
    }

    proptest! {
        #[test]
        fn what_snaps_is_in_line_and_was_within_reach(
            places in prop::collection::vec((0..90u8, 1..60u8), 0..5),
            positions in prop::collection::vec(-20.0..150.0f32, 1..4),
            reach in 0.0..10.0f32,
            axis in 0..2usize,
        ) {
            let others: Vec<_> = places.iter().map(|(at, side)| {
                let (at, side) = (f32::from(*at), f32::from(*side));
                boxed([at, at], [at + side, at + side])
            }).collect();
            let lines = Lines::new([128, 96], others.iter());
            match lines.offset(axis, &positions, reach) {
                Some(offset) => {
                    assert!(offset.abs() <= reach);
                    let moved: Vec<f32> = positions.iter().map(|at| at + offset).collect();
                    assert!(!lines.met(axis, &moved).is_empty());
                    // Nothing was nearer.
                    assert_eq!(lines.offset(axis, &positions, offset.abs() * 0.99 - 1e-4), None);
                }
                None => assert!(reach < IN_LINE_PX || lines.met(axis, &positions).is_empty()),
            }
        }
    }
}
