//! Areas between straight lines.

use std::ops::Range;

use super::{Area, columns};
use crate::geometry::{CanvasPoint, CanvasRect};

/// A polygon. What its line goes around is inside, however often it crosses itself
/// (the nonzero rule).
pub(in crate::tools) struct Polygon {
    edges: Vec<Edge>,
    bounds: CanvasRect,
    corners: Vec<CanvasPoint>,
}

/// A side, from its upper end to its lower one.
#[derive(Clone, Copy)]
struct Edge {
    upper: CanvasPoint,
    lower: CanvasPoint,
    /// 1 when it was drawn downwards, −1 upwards.
    winding: i32,
}

impl Polygon {
    /// The polygon with the given corners, closed.
    pub fn new(corners: Vec<CanvasPoint>) -> Self {
        let mut bounds = CanvasRect::EMPTY;
        for corner in &corners {
            bounds = bounds.union(&CanvasRect::around(*corner, 1.0));
        }
        let next = corners.iter().cycle().skip(1);
        let edges: Vec<Edge> = corners
            .iter()
            .zip(next)
            .filter_map(|(from, to)| {
                let (upper, lower, winding) = match from.y <= to.y {
                    true => (*from, *to, 1),
                    false => (*to, *from, -1),
                };
                (upper.y < lower.y).then_some(Edge {
                    upper,
                    lower,
                    winding,
                })
            })
            .collect();
        Self {
            edges,
            bounds,
            corners,
        }
    }

    /// The corners as they were given.
    pub fn corners(self) -> Vec<CanvasPoint> {
        self.corners
    }
}

impl Area for Polygon {
    fn bounds(&self) -> CanvasRect {
        self.bounds
    }

    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>) {
        let y = row as f32 + 0.5;
        let crossed = self
            .edges
            .iter()
            .filter(|edge| edge.upper.y <= y && y < edge.lower.y);
        let mut crossings: Vec<(f32, i32)> = crossed
            .map(|edge| {
                let along = (y - edge.upper.y) / (edge.lower.y - edge.upper.y);
                (
                    edge.upper.x + (edge.lower.x - edge.upper.x) * along,
                    edge.winding,
                )
            })
            .collect();
        crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut winding = 0;
        let mut from = 0.0;
        for (x, turn) in crossings {
            if winding == 0 {
                from = x;
            }
            winding += turn;
            let span = columns(from, x);
            if winding == 0 && span.start < span.end {
                spans.push(span);
            }
        }
    }

    fn enlarged(&self, times: i32) -> Self {
        let corners = self.corners.iter();
        let at = |corner: &CanvasPoint| {
            CanvasPoint::new(corner.x * times as f32, corner.y * times as f32)
        };
        Self::new(corners.map(at).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(corners: &[(f32, f32)]) -> Vec<(i32, i32)> {
        let corners = corners.iter().map(|(x, y)| CanvasPoint::new(*x, *y));
        let polygon = Polygon::new(corners.collect());
        let rows = polygon.bounds().min[1]..polygon.bounds().max[1];
        rows.flat_map(|row| {
            let mut spans = Vec::new();
            polygon.spans(row, &mut spans);
            spans.into_iter().flatten().map(move |column| (column, row))
        })
        .collect()
    }

    #[test]
    fn neighbouring_polygons_share_no_pixel_and_leave_none_out() {
        let split = [(0.0, 3.7), (7.3, 11.2), (20.0, 6.1)];
        let mut upper = vec![(20.0, 0.0), (0.0, 0.0)];
        upper.extend(split);
        let mut lower = vec![(20.0, 20.0), (0.0, 20.0)];
        lower.extend(split);
        let mut pixels = covered(&upper);
        pixels.extend(covered(&lower));
        pixels.sort_unstable();
        let count = pixels.len();
        pixels.dedup();
        assert_eq!((count, pixels.len()), (400, 400));
    }

    #[test]
    fn what_a_line_goes_around_twice_is_inside() {
        let square = [(2.0, 2.0), (8.0, 2.0), (8.0, 8.0), (2.0, 8.0)];
        let twice: Vec<_> = square.iter().chain(&square).copied().collect();
        assert_eq!(covered(&twice), covered(&square));
        assert_eq!(covered(&square).len(), 36);
    }

    #[test]
    fn fewer_than_three_corners_cover_nothing() {
        assert!(covered(&[]).is_empty());
        assert!(covered(&[(1.0, 1.0)]).is_empty());
        assert!(covered(&[(1.0, 1.0), (9.0, 9.0)]).is_empty());
    }
}
