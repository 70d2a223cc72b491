//! The coverage of a round brush.

use crate::document::{TILE_SIDE_PX, TileGrid};
use crate::geometry::{CanvasPoint, CanvasRect};

/// One end of a stretch of a stroke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StrokePoint {
    /// The middle of the brush.
    pub position: CanvasPoint,
    /// The radius in document pixels.
    pub radius_px: f32,
    /// The largest coverage, from 0 to 1.
    pub flow: f32,
}

impl StrokePoint {
    /// The point between this one and another at `t`.
    pub fn lerp(self, other: Self, t: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * t;
        Self {
            position: self.position.lerp(other.position, t),
            radius_px: mix(self.radius_px, other.radius_px),
            flow: mix(self.flow, other.flow),
        }
    }
}

/// Sweeps a brush with a hard edge in a straight line and covers fully the pixels whose
/// middles it touches, and no others. Gives the pixels that may have changed.
///
/// In each row these lie side by side: only where they begin and end is looked for, so
/// that a brush of a thousand pixels costs as much as its rim.
pub(super) fn sweep_hard(
    coverage: &mut TileGrid<u8>,
    from: StrokePoint,
    to: StrokePoint,
) -> CanvasRect {
    let around = |point: StrokePoint| CanvasRect::around(point.position, point.radius_px + 1.0);
    let whole = CanvasRect::from_size(coverage.size_px());
    let dirty = around(from).union(&around(to)).intersect(&whole);
    let segment = Segment::new(from, to, 1.0);
    for y in dirty.min[1]..dirty.max[1] {
        let Some((first, last)) = segment.span(y as f32 + 0.5) else {
            continue;
        };
        let (first, end) = (first.max(dirty.min[0]), last.min(dirty.max[0] - 1) + 1);
        let row = CanvasRect::from_min_max([first, y], [end, y + 1]);
        for index in coverage.indices_in(row) {
            let part = index.rect().intersect(&row);
            let [left, top] = index.rect().min;
            let columns = (part.min[0] - left) as usize..(part.max[0] - left) as usize;
            coverage.tile_mut(index).row_mut((y - top) as u32)[columns].fill(255);
        }
    }
    dirty
}

/// Sweeps the brush in a straight line and raises `coverage` to what it covers.
/// Gives the pixels that may have changed.
///
/// What a swept disc covers is decided by the distance to its path, so this is
/// the limit of infinitely many dabs: no ripple however fast the pointer moves.
pub(super) fn sweep(
    coverage: &mut TileGrid<u8>,
    from: StrokePoint,
    to: StrokePoint,
    hardness: f32,
) -> CanvasRect {
    // Cut into pieces about as long as wide: the boxes around them then hold
    // little that is not touched. Overlaps do no harm, coverage is a maximum.
    let length = from.position.distance(to.position);
    let pieces = (length / (2.0 * from.radius_px.max(to.radius_px)).max(8.0))
        .ceil()
        .max(1.0);
    let mut dirty = CanvasRect::EMPTY;
    for piece in 0..pieces as u32 {
        let a = from.lerp(to, piece as f32 / pieces);
        let b = from.lerp(to, (piece + 1) as f32 / pieces);
        dirty = dirty.union(&sweep_piece(coverage, a, b, hardness));
    }
    dirty
}

fn sweep_piece(
    coverage: &mut TileGrid<u8>,
    from: StrokePoint,
    to: StrokePoint,
    hardness: f32,
) -> CanvasRect {
    let around = |point: StrokePoint| CanvasRect::around(point.position, point.radius_px + 1.0);
    let dirty = around(from)
        .union(&around(to))
        .intersect(&CanvasRect::from_size(coverage.size_px()));
    let segment = Segment::new(from, to, hardness);
    for index in coverage.indices_in(dirty) {
        let part = index.rect().intersect(&dirty);
        let [left, top] = index.rect().min;
        let tile = coverage.tile_mut(index);
        for y in part.min[1]..part.max[1] {
            let row = tile.row_mut((y - top) as u32);
            let span = (part.min[0] - left) as usize..(part.max[0] - left) as usize;
            debug_assert!(
                span.end <= TILE_SIDE_PX as usize,
                "the part lies within the tile"
            );
            segment.cover_row(&mut row[span], part.min[0] as f32 + 0.5, y as f32 + 0.5);
        }
    }
    dirty
}

/// A straight piece of a stroke, prepared for asking about many pixels.
struct Segment {
    start: CanvasPoint,
    direction: [f32; 2],
    /// Reciprocal of the squared length; 0 for a single dab.
    inverse_length_sq: f32,
    from: StrokePoint,
    radius_change: f32,
    flow_change: f32,
    hardness: f32,
}

impl Segment {
    fn new(from: StrokePoint, to: StrokePoint, hardness: f32) -> Self {
        let direction = [
            to.position.x - from.position.x,
            to.position.y - from.position.y,
        ];
        let length_sq = direction[0] * direction[0] + direction[1] * direction[1];
        Self {
            start: from.position,
            direction,
            inverse_length_sq: if length_sq > 1e-12 {
                1.0 / length_sq
            } else {
                0.0
            },
            from,
            radius_change: to.radius_px - from.radius_px,
            flow_change: to.flow - from.flow,
            hardness,
        }
    }

    /// Whether a point is under the brush.
    fn touches(&self, x: f32, y: f32) -> bool {
        let (dx, dy) = (x - self.start.x, y - self.start.y);
        let along = (dx * self.direction[0] + dy * self.direction[1]) * self.inverse_length_sq;
        let t = along.clamp(0.0, 1.0);
        let to_path = [dx - t * self.direction[0], dy - t * self.direction[1]];
        let radius = self.from.radius_px + t * self.radius_change;
        to_path[0] * to_path[0] + to_path[1] * to_path[1] <= radius * radius
    }

    /// The first and the last pixel of a row whose middles are touched.
    fn span(&self, y: f32) -> Option<(i32, i32)> {
        let end = [
            self.start.x + self.direction[0],
            self.start.y + self.direction[1],
        ];
        let across = (y - self.start.y) / self.direction[1];
        let crossing = self.start.x + across.clamp(0.0, 1.0) * self.direction[0];
        // A place under the brush, if the row has any: on the path, or beside its ends.
        let candidates = [crossing, self.start.x, end[0]];
        let candidates = candidates.into_iter().filter(|x| x.is_finite());
        let pixel = |x: f32| x.floor() as i32;
        let inside = candidates
            .flat_map(|x| [pixel(x), pixel(x - 0.5), pixel(x + 0.5)])
            .find(|x| self.touches(*x as f32 + 0.5, y))?;
        let reach = self.direction[0].abs()
            + 2.0
                * self
                    .from
                    .radius_px
                    .max(self.from.radius_px + self.radius_change);
        let most = reach.ceil() as i32 + 2;
        let farthest = |sign: i32| {
            let (mut near, mut far) = (0, most);
            while far - near > 1 {
                let middle = (near + far) / 2;
                match self.touches((inside + sign * middle) as f32 + 0.5, y) {
                    true => near = middle,
                    false => far = middle,
                }
            }
            inside + sign * near
        };
        Some((farthest(-1), farthest(1)))
    }

    /// Raises a row of pixels to the coverage; `x` and `y` are the middle of the first.
    fn cover_row(&self, row: &mut [u8], x: f32, y: f32) {
        let dy = y - self.start.y;
        for (offset, value) in row.iter_mut().enumerate() {
            let dx = x + offset as f32 - self.start.x;
            let along = (dx * self.direction[0] + dy * self.direction[1]) * self.inverse_length_sq;
            let t = along.clamp(0.0, 1.0);
            let to_path = [dx - t * self.direction[0], dy - t * self.direction[1]];
            let distance_sq = to_path[0] * to_path[0] + to_path[1] * to_path[1];
            let radius = self.from.radius_px + t * self.radius_change;
            let outer = radius + 0.5;
            if distance_sq < outer * outer {
                let flow = self.from.flow + t * self.flow_change;
                let covered = falloff(distance_sq.sqrt(), radius, self.hardness) * flow;
                *value = (*value).max((covered * 255.0 + 0.5) as u8);
            }
        }
    }
}

/// The coverage at a distance from the middle of a brush: 1 within the hard
/// part, then falling smoothly to 0 at the rim. Even the hardest brush falls
/// over one pixel, so that its rim is not jagged.
pub(super) fn falloff(distance: f32, radius: f32, hardness: f32) -> f32 {
    let soft = radius * (1.0 - hardness) + 1.0;
    let t = ((radius + 0.5 - distance) / soft).clamp(0.0, 1.0);
    let smooth = t * t * (3.0 - 2.0 * t);
    t + (smooth - t) * (1.0 - hardness)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f32, y: f32, radius_px: f32) -> StrokePoint {
        StrokePoint {
            position: CanvasPoint::new(x, y),
            radius_px,
            flow: 1.0,
        }
    }

    #[test]
    fn a_hard_dab_covers_the_area_of_its_disc() {
        let mut coverage = TileGrid::new([64, 64]);
        let dab = point(32.0, 32.0, 10.0);
        sweep(&mut coverage, dab, dab, 1.0);
        let area = coverage
            .to_pixels()
            .iter()
            .map(|v| f32::from(*v) / 255.0)
            .sum::<f32>();
        let expected = std::f32::consts::PI * 100.0;
        assert!(
            (area / expected - 1.0).abs() < 0.01,
            "{area} against {expected}"
        );
        assert_eq!(coverage.pixel(32, 32), 255);
        assert_eq!(coverage.pixel(32, 43), 0);
    }

    #[test]
    fn a_sweep_covers_its_dabs_and_nothing_more() {
        let (from, to) = (point(40.0, 50.0, 9.0), point(300.0, 210.0, 9.0));
        let mut swept = TileGrid::new([400, 300]);
        let dirty = sweep(&mut swept, from, to, 0.5);
        let mut dabbed = TileGrid::new([400, 300]);
        for step in 0..=3000 {
            let dab = from.lerp(to, step as f32 / 3000.0);
            sweep(&mut dabbed, dab, dab, 0.5);
        }
        for (a, b) in swept.to_pixels().iter().zip(dabbed.to_pixels()) {
            assert!(a.abs_diff(b) <= 1, "{a} against {b}");
        }
        assert_eq!(dirty.union(&swept.content_bounds()), dirty);
    }

    #[test]
    fn a_hard_sweep_covers_the_middles_that_a_soft_one_covers_by_half() {
        let ends = [
            (40.0, 50.0, 9.0, 9.0, 300.2, 210.7),
            (300.0, 20.0, 30.0, 4.0, 17.3, 20.0),
            (50.3, 260.0, 12.5, 25.0, 50.3, 30.0),
            (200.5, 150.5, 0.5, 0.5, 201.5, 180.5),
            (390.0, 5.0, 200.0, 200.0, 390.0, 5.0),
        ];
        for (x0, y0, r0, r1, x1, y1) in ends {
            let (from, to) = (point(x0, y0, r0), point(x1, y1, r1));
            let mut soft = TileGrid::new([400, 300]);
            sweep(&mut soft, from, to, 1.0);
            let mut hard = TileGrid::new([400, 300]);
            let dirty = sweep_hard(&mut hard, from, to);
            let pairs = soft.to_pixels().into_iter().zip(hard.to_pixels());
            let off = pairs.filter(|(soft, hard)| (*soft >= 128) != (*hard == 255));
            // Middles that lie on the rim but for rounding.
            assert!(off.count() <= 6, "{from:?} {to:?}");
            assert_eq!(dirty.union(&hard.content_bounds()), dirty);
            assert!(
                hard.to_pixels()
                    .iter()
                    .all(|value| [0, 255].contains(value))
            );
        }
    }

    #[test]
    fn coverage_never_falls_and_is_repeatable() {
        let mut coverage = TileGrid::new([64, 64]);
        let dab = point(20.0, 20.0, 12.0);
        sweep(&mut coverage, dab, dab, 0.0);
        let once = coverage.clone();
        sweep(&mut coverage, dab, dab, 0.0);
        assert_eq!(once, coverage);
        let weak = StrokePoint { flow: 0.2, ..dab };
        sweep(&mut coverage, weak, weak, 1.0);
        assert_eq!(once.pixel(20, 20), coverage.pixel(20, 20));
        assert_eq!(coverage.pixel(31, 20), once.pixel(31, 20).max(50));
    }

    #[test]
    fn the_falloff_is_flat_inside_and_reaches_zero_at_the_rim() {
        assert_eq!(falloff(0.0, 20.0, 0.5), 1.0);
        assert_eq!(falloff(9.0, 20.0, 0.5), 1.0);
        assert_eq!(falloff(20.5, 20.0, 0.5), 0.0);
        assert_eq!(falloff(10.0, 10.0, 1.0), 0.5);
        let mut last = 1.0;
        for step in 0..100 {
            let now = falloff(step as f32 * 0.25, 20.0, 0.3);
            assert!(now <= last);
            last = now;
        }
    }

    #[test]
    fn strokes_outside_of_the_picture_change_nothing() {
        let mut coverage = TileGrid::new([64, 64]);
        let dab = point(-500.0, 20.0, 12.0);
        assert!(sweep(&mut coverage, dab, dab, 1.0).is_empty());
        assert!(coverage.is_blank());
    }
}
