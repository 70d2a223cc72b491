//! Areas, and which pixels they cover.

mod alike;
mod coverage;
mod flood;
mod polygon;

use std::ops::Range;

use crate::geometry::{CanvasPoint, CanvasRect};

pub(super) use alike::alike;
pub(super) use coverage::{Coverage, Edges};
pub(super) use flood::{flooded, same_everywhere};
pub(super) use polygon::Polygon;

/// What can say which pixels of a row it covers.
pub(super) trait Area {
    /// A rectangle that holds it.
    fn bounds(&self) -> CanvasRect;

    /// Adds the columns whose middles it covers in a row, from left to right.
    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>);

    /// The same so many times as large, and as far from the corner of the picture.
    #[must_use]
    fn enlarged(&self, times: i32) -> Self;
}

/// A rectangle of whole pixels.
impl Area for CanvasRect {
    fn bounds(&self) -> CanvasRect {
        *self
    }

    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>) {
        if (self.min[1]..self.max[1]).contains(&row) {
            spans.push(self.min[0]..self.max[0]);
        }
    }

    fn enlarged(&self, times: i32) -> Self {
        let [min, max] = [self.min, self.max].map(|it| it.map(|at| at.saturating_mul(times)));
        Self::from_min_max(min, max)
    }
}

/// The ellipse that touches all sides of a rectangle.
pub(super) struct Ellipse(pub CanvasRect);

impl Area for Ellipse {
    fn bounds(&self) -> CanvasRect {
        self.0
    }

    fn spans(&self, row: i32, spans: &mut Vec<Range<i32>>) {
        let center = self.0.center();
        let half = [self.0.width() as f32 * 0.5, self.0.height() as f32 * 0.5];
        let across = (row as f32 + 0.5 - center.y) / half[1];
        if across.abs() < 1.0 {
            let reach = half[0] * (1.0 - across * across).sqrt();
            spans.push(columns(center.x - reach, center.x + reach));
        }
    }

    fn enlarged(&self, times: i32) -> Self {
        Self(self.0.enlarged(times))
    }
}

/// The pixels of a row whose middles lie between two places.
fn columns(from: f32, to: f32) -> Range<i32> {
    let first = |x: f32| (x - 0.5).ceil() as i32;
    first(from)..first(to)
}

/// A straight line with round ends; as thin as a pixel it leads from the middle of one
/// to the middle of another.
pub(super) fn line(from: CanvasPoint, to: CanvasPoint, width_px: f32) -> Polygon {
    const CORNERS_OF_AN_END: u32 = 24;
    let is_thin = width_px < 2.0;
    let laid = |point: CanvasPoint| match is_thin {
        true => CanvasPoint::new(point.x.floor() + 0.5, point.y.floor() + 0.5),
        false => point,
    };
    let (from, to) = (laid(from), laid(to));
    let radius = (width_px * 0.5).max(0.5);
    let heading = (to.y - from.y).atan2(to.x - from.x);
    let half_turn = std::f32::consts::PI;
    let mut corners = Vec::new();
    for (end, start) in [
        (to, heading - half_turn * 0.5),
        (from, heading + half_turn * 0.5),
    ] {
        for corner in 0..=CORNERS_OF_AN_END {
            let angle = start + half_turn * corner as f32 / CORNERS_OF_AN_END as f32;
            // A round end of a pixel's width would miss its own pixel's corners.
            let reach = if is_thin { radius + 1e-3 } else { radius };
            corners.push(CanvasPoint::new(
                end.x + angle.cos() * reach,
                end.y + angle.sin() * reach,
            ));
        }
    }
    Polygon::new(corners)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::document::{Pixel, TileChange, TileGrid, TileIndex};
    use crate::tools::ink::{ColourInk, ValueInk};

    /// A grid in which what is covered has the value 9.
    pub fn applied(grid: &TileGrid<u8>, covered: &Coverage) -> TileGrid<u8> {
        let changes = covered.changes(grid, ValueInk::Class(9));
        changed(grid, changes)
    }

    pub fn changed<P: Pixel>(
        grid: &TileGrid<P>,
        changes: BTreeMap<TileIndex, TileChange<P>>,
    ) -> TileGrid<P> {
        let mut grid = grid.clone();
        for (index, change) in changes {
            grid.set_tile(index, change.after);
        }
        grid
    }

    /// What an area is by its description, pixel by pixel.
    fn expected(size_px: [u32; 2], is_inside: impl Fn(f32, f32) -> bool) -> TileGrid<u8> {
        TileGrid::from_fn(size_px, |x, y| {
            if is_inside(x as f32 + 0.5, y as f32 + 0.5) {
                9
            } else {
                0
            }
        })
    }

    fn drawn(size_px: [u32; 2], area: &impl Area) -> TileGrid<u8> {
        let grid = TileGrid::new(size_px);
        applied(&grid, &Coverage::of(area, size_px, Edges::Hard))
    }

    #[test]
    fn rectangles_and_ellipses_cover_the_pixels_whose_middles_they_hold() {
        let size_px = [600, 520];
        for rect in [
            CanvasRect::from_min_max([3, 250], [4, 259]),
            CanvasRect::from_min_max([-50, -50], [1000, 1000]),
            CanvasRect::from_min_max([200, 100], [571, 513]),
        ] {
            let inside = |x: f32, y: f32| rect.contains(CanvasPoint::new(x, y));
            assert_eq!(drawn(size_px, &rect), expected(size_px, inside), "{rect:?}");
            let [rx, ry] = [rect.width(), rect.height()].map(|side| f64::from(side) / 2.0);
            let (cx, cy) = (f64::from(rect.center().x), f64::from(rect.center().y));
            let shown = drawn(size_px, &Ellipse(rect));
            let inside = |x: f32, y: f32| {
                let (x, y) = ((f64::from(x) - cx) / rx, (f64::from(y) - cy) / ry);
                x * x + y * y < 1.0
            };
            let off = shown
                .to_pixels()
                .into_iter()
                .zip(expected(size_px, inside).to_pixels());
            assert!(off.filter(|(a, b)| a != b).count() <= 4, "{rect:?}");
        }
    }

    #[test]
    fn whole_tiles_are_shared_and_what_is_the_same_already_is_no_change() {
        let grid = TileGrid::<u8>::new([1024, 1024]);
        let whole = CanvasRect::from_size([1024, 1024]);
        let covered = Coverage::of(&whole, grid.size_px(), Edges::Hard);
        let changes = covered.changes(&grid, ValueInk::Cover);
        let mut tiles = changes.values().filter_map(|change| change.after.as_ref());
        let first = tiles.next().unwrap();
        assert!(tiles.all(|tile| Arc::ptr_eq(tile, first)));
        let full = changed(&grid, changes);
        assert!(covered.changes(&full, ValueInk::Cover).is_empty());
        assert!(covered.changes(&grid, ValueInk::Uncover).is_empty());
        let emptied = covered.changes(&full, ValueInk::Uncover);
        assert_eq!(changed(&full, emptied).size_bytes(), 0);
    }

    #[test]
    fn a_thin_line_is_connected_and_reaches_both_ends() {
        for (x, y) in [
            (40.0, 3.0),
            (3.0, 40.0),
            (40.0, 40.0),
            (17.0, 38.0),
            (5.0, 5.0),
        ] {
            let (from, to) = (CanvasPoint::new(5.3, 5.9), CanvasPoint::new(x, y));
            let grid = drawn([64, 64], &line(from, to, 1.0));
            for end in [from, to] {
                assert_eq!(grid.pixel(end.x as i32, end.y as i32), 9, "{x} {y}");
            }
            let steps = (from.x - x).abs().max((from.y - y).abs()).ceil() as usize;
            let count = grid.counts()[9] as usize;
            assert!(
                count >= steps && count <= 2 * steps + 2,
                "{count} of {steps}"
            );
        }
    }

    #[test]
    fn soft_edges_cover_pixels_by_the_part_that_lies_inside() {
        let size_px = [600, 300];
        let grid = TileGrid::<[u8; 4]>::new(size_px);
        let ink = ColourInk::Over([200, 100, 50]);
        let laid = |area: &dyn Fn() -> Coverage| changed(&grid, area().changes(&grid, ink));
        // Whole pixels have no soft edge.
        let rect = CanvasRect::from_min_max([250, 3], [261, 290]);
        let soft = laid(&|| Coverage::of(&rect, size_px, Edges::Soft));
        assert_eq!(soft, laid(&|| Coverage::of(&rect, size_px, Edges::Hard)));
        // A quarter, a half, and all but a quarter of the pixels along its sides.
        let corners = [(10.25, 20.0), (30.5, 20.0), (30.5, 40.75), (10.25, 40.75)];
        let corners = corners.map(|(x, y)| CanvasPoint::new(x, y)).to_vec();
        let area = Polygon::new(corners);
        let shown = laid(&|| Coverage::of(&area, size_px, Edges::Soft));
        let alpha = |x, y| shown.pixel(x, y)[3];
        assert_eq!([alpha(9, 30), alpha(10, 30), alpha(11, 30)], [0, 191, 255]);
        assert_eq!([alpha(29, 30), alpha(30, 30), alpha(31, 30)], [255, 128, 0]);
        assert_eq!([alpha(20, 40), alpha(20, 41), alpha(30, 40)], [191, 0, 96]);
        assert_eq!(shown.pixel(30, 30), [200, 100, 50, 128]);
        // As large as an ellipse is.
        let round = Ellipse(CanvasRect::from_min_max([100, 50], [500, 250]));
        let shown = laid(&|| Coverage::of(&round, size_px, Edges::Soft));
        let pixels = shown.to_pixels().into_iter();
        let sum: f64 = pixels.map(|it| f64::from(it[3]) / 255.0).sum();
        let wanted = std::f64::consts::PI * 200.0 * 100.0;
        assert!((sum - wanted).abs() < 30.0, "{sum} of {wanted}");
    }
}
