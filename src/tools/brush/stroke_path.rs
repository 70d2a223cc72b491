//! The smooth path through the events of a pointer.

use super::stamp::StrokePoint;

/// Largest distance in pixels between the curve and the straight pieces that stand for it.
const FLATNESS_PX: f32 = 0.25;

/// Turns pointer positions into the stretches of a smooth stroke.
///
/// Between the middles of neighbouring moves the path is the quadratic Bézier
/// curve whose control point is the reported position: smooth, never outside
/// of the hull of the positions, and known without looking at later events.
#[derive(Clone, Copy, Debug)]
pub(super) struct StrokePath {
    /// The last reported point.
    last: StrokePoint,
    /// Where the path drawn so far ends.
    end: StrokePoint,
    spacing: Spacing,
}

/// How far apart the dabs are.
#[derive(Clone, Copy, Debug)]
enum Spacing {
    Continuous,
    /// As a part of the diameter, and the way since the last dab.
    Dabs {
        part: f32,
        since_last: f32,
    },
}

/// A stretch to be swept: both ends are the same for a dab.
pub(super) type Stretch = (StrokePoint, StrokePoint);

impl StrokePath {
    /// A path that starts at a point, and its first dab.
    pub fn start(at: StrokePoint, spacing: f32) -> (Self, Stretch) {
        let spacing = if spacing > 0.0 {
            Spacing::Dabs {
                part: spacing,
                since_last: 0.0,
            }
        } else {
            Spacing::Continuous
        };
        (
            Self {
                last: at,
                end: at,
                spacing,
            },
            (at, at),
        )
    }

    /// The last reported point.
    pub fn last(&self) -> StrokePoint {
        self.last
    }

    /// Goes on to a reported point; gives what is to be swept.
    pub fn extend_to(&mut self, to: StrokePoint) -> Vec<Stretch> {
        let (from, control) = (self.end, self.last);
        let middle = control.lerp(to, 0.5);
        let mut stretches = Vec::new();
        // The distance of a quadratic curve to n chords is |p0 − 2p1 + p2| / (4n²).
        let bend_x = from.position.x - 2.0 * control.position.x + middle.position.x;
        let bend_y = from.position.y - 2.0 * control.position.y + middle.position.y;
        let pieces = (bend_x.hypot(bend_y) / (4.0 * FLATNESS_PX))
            .sqrt()
            .ceil()
            .clamp(1.0, 64.0);
        for piece in 1..=pieces as u32 {
            let t = piece as f32 / pieces;
            let point = from.lerp(control, t).lerp(control.lerp(middle, t), t);
            self.line_to(point, &mut stretches);
        }
        self.last = to;
        stretches
    }

    /// Ends at the last reported point; gives what is to be swept.
    pub fn finish(&mut self) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        self.line_to(self.last, &mut stretches);
        stretches
    }

    /// Goes straight to a point, as with Shift; gives what is to be swept.
    pub fn straight_to(&mut self, to: StrokePoint) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        self.line_to(to, &mut stretches);
        self.last = to;
        stretches
    }

    fn line_to(&mut self, to: StrokePoint, stretches: &mut Vec<Stretch>) {
        let from = self.end;
        self.end = to;
        let length = from.position.distance(to.position);
        if length == 0.0 {
            return;
        }
        match &mut self.spacing {
            Spacing::Continuous => stretches.push((from, to)),
            Spacing::Dabs { part, since_last } => {
                let mut along = 0.0;
                loop {
                    let radius = from.lerp(to, along / length).radius_px;
                    let gap = (2.0 * radius * *part).max(0.5);
                    let rest = (gap - *since_last).max(0.0);
                    if along + rest > length {
                        *since_last += length - along;
                        return;
                    }
                    along += rest;
                    *since_last = 0.0;
                    let dab = from.lerp(to, along / length);
                    stretches.push((dab, dab));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::CanvasPoint;

    fn point(x: f32, y: f32) -> StrokePoint {
        StrokePoint {
            position: CanvasPoint::new(x, y),
            radius_px: 5.0,
            flow: 1.0,
        }
    }

    #[test]
    fn the_path_is_connected_and_ends_at_the_last_point() {
        let (mut path, first) = StrokePath::start(point(0.0, 0.0), 0.0);
        let mut stretches = vec![first];
        for (x, y) in [(10.0, 0.0), (20.0, 15.0), (5.0, 40.0), (5.0, 40.0)] {
            stretches.extend(path.extend_to(point(x, y)));
        }
        stretches.extend(path.finish());
        for pair in stretches.windows(2) {
            assert_eq!(pair[0].1, pair[1].0);
        }
        assert_eq!(stretches.last().unwrap().1, point(5.0, 40.0));
    }

    #[test]
    fn a_sharp_turn_is_rounded() {
        let (mut path, _) = StrokePath::start(point(0.0, 0.0), 0.0);
        path.extend_to(point(50.0, 0.0));
        let around_the_corner = path.extend_to(point(50.0, 50.0));
        assert!(around_the_corner.len() > 4);
        assert!(
            around_the_corner
                .iter()
                .all(|(_, to)| to.position.x < 50.0 || to.position.y >= 25.0)
        );
    }

    #[test]
    fn dabs_keep_their_distance_across_events() {
        let (mut path, first) = StrokePath::start(point(0.0, 0.0), 0.3);
        let mut dabs = vec![first];
        for step in 1..=50 {
            dabs.extend(path.straight_to(point(step as f32 * 2.7, 0.0)));
        }
        for pair in dabs.windows(2) {
            let gap = pair[0].0.position.distance(pair[1].0.position);
            assert!((gap - 3.0).abs() < 1e-3, "{gap}");
        }
        assert_eq!(dabs.len(), 46);
    }
}
