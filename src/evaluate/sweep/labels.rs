//! Where the labels of points stand, so that they cover neither each other nor points, and
//! lines as little as can be.

/// How far the letters and digits of a label of this drawing reach up from their line.
const RISE: f64 = 8.5;
/// What is left free around a label, and how far a point reaches.
const GAP: f64 = 1.5;
const POINT: f64 = 4.0;

/// A rectangle: left, top, right, bottom.
pub(super) type Area = [f64; 4];

/// What is drawn besides labels.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    pub points: Vec<[f64; 2]>,
    pub lines: Vec<[[f64; 2]; 2]>,
    /// The field that labels stay in.
    pub field: Area,
}

impl Drawn {
    /// Where the lines of labels begin, each beside its point and so many pixels wide.
    pub fn places(&self, labels: &[([f64; 2], f64)]) -> Vec<[f64; 2]> {
        let mut taken: Vec<Area> = Vec::new();
        let place = |(point, width): &([f64; 2], f64)| {
            let costs = beside(*point, *width).into_iter().enumerate();
            let costs = costs.map(|(order, place)| {
                let area = area(place, *width);
                (self.cost(area, &taken) * 100 + order, place, area)
            });
            let best = costs.min_by_key(|(cost, ..)| *cost);
            let (_, place, area) = best.unwrap_or((0, *point, area(*point, *width)));
            taken.push(area);
            place
        };
        labels.iter().map(place).collect()
    }

    fn cost(&self, area: Area, taken: &[Area]) -> usize {
        let [left, top, right, bottom] = area;
        let [from, above, to, below] = self.field;
        let is_outside = left < from || right > to || top < above || bottom > below;
        let labels = taken.iter().filter(|other| meet(area, **other)).count();
        let points = self.points.iter().map(|[x, y]| {
            let reach = POINT + 0.5;
            [x - reach, y - reach, x + reach, y + reach]
        });
        let points = points.filter(|point| meet(area, *point)).count();
        let lines = self.lines.iter().filter(|line| crosses(**line, area));
        (labels + points + usize::from(is_outside)) * 10 + lines.count()
    }
}

/// Beginnings of a label around its point, the usual ones first.
fn beside([x, y]: [f64; 2], width: f64) -> [[f64; 2]; 8] {
    let (after, before, middle) = (x + 6.0, x - 6.0 - width, x - width / 2.0);
    [
        [after, y - 7.0],
        [before, y - 7.0],
        [after, y + 15.0],
        [before, y + 15.0],
        [middle, y - 9.0],
        [middle, y + 17.0],
        [x + 9.0, y + RISE / 2.0],
        [x - 9.0 - width, y + RISE / 2.0],
    ]
}

fn area([x, y]: [f64; 2], width: f64) -> Area {
    [x - GAP, y - RISE - GAP, x + width + GAP, y + GAP]
}

fn meet(a: Area, b: Area) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Whether a part of a line lies inside (Liang and Barsky 1984).
fn crosses([from, to]: [[f64; 2]; 2], area: Area) -> bool {
    let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
    for axis in [0, 1] {
        let way = to[axis] - from[axis];
        let ends = [area[axis] - from[axis], area[axis + 2] - from[axis]];
        if way == 0.0 {
            if ends[0] > 0.0 || ends[1] < 0.0 {
                return false;
            }
            continue;
        }
        let [first, second] = ends.map(|end| end / way);
        enters = enters.max(first.min(second));
        leaves = leaves.min(first.max(second));
    }
    enters <= leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_near_points_stand_apart() {
        let points = vec![[100.0, 100.0], [106.0, 104.0], [103.0, 96.0]];
        let drawn = Drawn {
            lines: vec![[points[0], [300.0, 90.0]], [points[1], [300.0, 95.0]]],
            points: points.clone(),
            field: [0.0, 0.0, 400.0, 300.0],
        };
        let labels: Vec<_> = points.iter().map(|point| (*point, 20.0)).collect();
        let places = drawn.places(&labels);
        let areas: Vec<Area> = places.iter().map(|place| area(*place, 20.0)).collect();
        for (at, own) in areas.iter().enumerate() {
            assert!(areas[..at].iter().all(|other| !meet(*own, *other)));
            assert_eq!(drawn.cost(*own, &[]), 0, "{own:?} covers something");
        }
        // One that nothing is near to has its usual place.
        let alone = [200.0, 200.0];
        assert_eq!(drawn.places(&[(alone, 20.0)]), [[206.0, 193.0]]);
    }

    #[test]
    fn lines_cross_what_they_go_through() {
        let area = [10.0, 10.0, 20.0, 20.0];
        assert!(crosses([[0.0, 0.0], [30.0, 30.0]], area));
        assert!(crosses([[15.0, 0.0], [15.0, 30.0]], area));
        assert!(crosses([[12.0, 12.0], [13.0, 13.0]], area));
        assert!(!crosses([[0.0, 0.0], [5.0, 30.0]], area));
        assert!(!crosses([[21.0, 0.0], [21.0, 30.0]], area));
    }
}
