//! Whether what boxes and label maps ask for is where they ask for it.

use image::imageops;

use super::network::{CELLS, SIZE_PX};
use super::reading::{Reading, cell_labels};
use super::told;
use crate::scenes::{Scene, label_of_class};

/// How much of a box and of the cells of its class must be the same.
const ENOUGH: f32 = 0.5;
/// How much of a box its class must cover to be found in it.
const PART_FOUND: f64 = 0.25;
/// How far around a box, in parts of its sides, cells of its class count as its own.
const NEAR: f32 = 0.5;

/// Where what is in a scene.
pub(super) struct Places {
    /// What each cell shows.
    cells: Vec<usize>,
    /// Label and x0, y0, x1, y1 in shares of the picture.
    boxes: Vec<(usize, [f32; 4])>,
    /// Kinds of objects, each once.
    classes: Vec<usize>,
}

/// A sum of so many numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mean {
    pub sum: f64,
    pub count: u32,
}

impl Mean {
    fn add(&mut self, number: f64) {
        self.sum += number;
        self.count += 1;
    }

    /// 0 where nothing was asked.
    pub fn value(self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// What is measured of a picture against the places of a scene.
pub(super) type Measure = fn(&Reading, &Places, &mut Mean);

impl Places {
    pub fn of(scene: &Scene) -> Self {
        Self::with_boxes(scene, |bbox, _| bbox)
    }

    /// Those of a scene of which the boxes lie half a picture further.
    pub fn moved(scene: &Scene) -> Self {
        Self::with_boxes(scene, told::moved)
    }

    fn with_boxes(scene: &Scene, place: fn([f32; 4], [f32; 2]) -> [f32; 4]) -> Self {
        let side = SIZE_PX as u32;
        let nearest = imageops::FilterType::Nearest;
        let labels = imageops::resize(&scene.labels, side, side, nearest);
        let (width, height) = scene.image.dimensions();
        let (across, down) = (width as f32, height as f32);
        let boxes = scene.objects.iter().map(|object| {
            let [x, y, wide, high] = place(object.bbox, [across, down]);
            let corners = [x / across, y / down, (x + wide) / across, (y + high) / down];
            (usize::from(label_of_class(object.class)), corners)
        });
        let mut classes: Vec<usize> = scene.objects.iter().map(|object| object.class).collect();
        classes.sort_unstable();
        classes.dedup();
        Self {
            cells: cell_labels(&labels),
            boxes: boxes.collect(),
            classes,
        }
    }
}

/// The mean over pictures, each read against the places of the one `offset` further.
pub(super) fn mean(readings: &[Reading], places: &[Places], offset: usize, of: Measure) -> Mean {
    let mut mean = Mean::default();
    for (i, reading) in readings.iter().enumerate() {
        of(reading, &places[(i + offset) % places.len()], &mut mean);
    }
    mean
}

/// For each kind of object, whether it is anywhere.
pub(super) fn objects(reading: &Reading, places: &Places, mean: &mut Mean) {
    for class in &places.classes {
        mean.add(f64::from(u8::from(reading.shows(*class, None))));
    }
}

/// For each box, whether the cells of its class around it fill it and no more. Cells of
/// a neighbour of the same class count as well, so that of two real sheep side by side
/// neither is found.
pub(super) fn boxes(reading: &Reading, places: &Places, mean: &mut Mean) {
    for (label, corners) in &places.boxes {
        let is_filled = is_filled(shown(&reading.cells, *label, *corners, &[]), *corners);
        mean.add(f64::from(u8::from(is_filled)));
    }
}

/// As [`boxes`], but a cell counts for no box that is further away than another one of
/// the same class: neighbours are told apart.
pub(super) fn boxes_apart(reading: &Reading, places: &Places, mean: &mut Mean) {
    for (at, (label, corners)) in places.boxes.iter().enumerate() {
        let others = places.boxes.iter().enumerate();
        let others = others.filter(|(other, (kind, _))| *other != at && kind == label);
        let others: Vec<[f32; 4]> = others.map(|(_, (_, corners))| *corners).collect();
        let is_filled = is_filled(shown(&reading.cells, *label, *corners, &others), *corners);
        mean.add(f64::from(u8::from(is_filled)));
    }
}

fn is_filled(shown: Option<[f32; 4]>, corners: [f32; 4]) -> bool {
    shown.is_some_and(|shown| intersection_over_union(shown, corners) >= ENOUGH)
}

/// For each box, whether its class is found in it: where regional prompts act, what is
/// painted need not fill the box.
pub(super) fn found(reading: &Reading, places: &Places, mean: &mut Mean) {
    for (label, [x0, y0, x1, y1]) in &places.boxes {
        let (mut own, mut all) = (0_u32, 0_u32);
        for (at, cell) in reading.cells.iter().enumerate() {
            let middle = |at: usize| (at as f32 + 0.5) / CELLS as f32;
            let (x, y) = (middle(at % CELLS), middle(at / CELLS));
            if (*x0..*x1).contains(&x) && (*y0..*y1).contains(&y) {
                all += 1;
                own += u32::from(cell == label);
            }
        }
        let is_found = f64::from(own) >= PART_FOUND * f64::from(all.max(1));
        mean.add(f64::from(u8::from(is_found)));
    }
}

/// For each label of the scene, the intersection of its cells with those of the
/// picture, over their union.
pub(super) fn label_map(reading: &Reading, places: &Places, mean: &mut Mean) {
    let mut labels = places.cells.clone();
    labels.sort_unstable();
    labels.dedup();
    for label in labels {
        let (mut both, mut either) = (0_u32, 0_u32);
        for (shown, wanted) in reading.cells.iter().zip(&places.cells) {
            let (shown, wanted) = (*shown == label, *wanted == label);
            both += u32::from(shown && wanted);
            either += u32::from(shown || wanted);
        }
        mean.add(f64::from(both) / f64::from(either.max(1)));
    }
}

/// The corners of all cells of a label in and around a box but for those that are nearer
/// to one of `others`; `None` where there are none.
fn shown(
    cells: &[usize],
    label: usize,
    corners: [f32; 4],
    others: &[[f32; 4]],
) -> Option<[f32; 4]> {
    let [x0, y0, x1, y1] = corners;
    let (wide, high) = (NEAR * (x1 - x0), NEAR * (y1 - y0));
    let part = |at: usize| at as f32 / CELLS as f32;
    let half = 0.5 / CELLS as f32;
    let mut found: Option<[f32; 4]> = None;
    for (at, _) in cells.iter().enumerate().filter(|(_, cell)| **cell == label) {
        let (left, top) = (part(at % CELLS), part(at / CELLS));
        let (x, y) = (left + half, top + half);
        if x <= x0 - wide || x >= x1 + wide || y <= y0 - high || y >= y1 + high {
            continue;
        }
        let own = square_distance([x, y], corners);
        if others.iter().any(|it| square_distance([x, y], *it) < own) {
            continue;
        }
        let (right, bottom) = (left + 2.0 * half, top + 2.0 * half);
        found = Some(match found {
            None => [left, top, right, bottom],
            Some([a, b, c, d]) => [a.min(left), b.min(top), c.max(right), d.max(bottom)],
        });
    }
    found
}

/// Of a place from a box; 0 in it.
fn square_distance([x, y]: [f32; 2], [x0, y0, x1, y1]: [f32; 4]) -> f32 {
    let across = (x0 - x).max(x - x1).max(0.0);
    let down = (y0 - y).max(y - y1).max(0.0);
    across * across + down * down
}

fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |c: [f32; 4]| (c[2] - c[0]).max(0.0) * (c[3] - c[1]).max(0.0);
    let common = area([
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    common / (area(a) + area(b) - common).max(f32::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Judge;
    use crate::scenes::SceneSource;

    #[test]
    fn boxes_are_found_where_their_class_is_and_nowhere_else() {
        let mut cells = vec![0; CELLS * CELLS];
        for y in 4..8 {
            for x in 8..16 {
                cells[y * CELLS + x] = 20;
            }
        }
        let place = [8, 4, 16, 8].map(|cell: u8| f32::from(cell) / CELLS as f32);
        let found = shown(&cells, 20, place, &[]).expect("found");
        assert_eq!(found, place);
        assert_eq!(intersection_over_union(found, place), 1.0);
        assert_eq!(shown(&cells, 21, place, &[]), None);
        let elsewhere = place.map(|corner| corner + 0.5);
        assert_eq!(shown(&cells, 20, elsewhere, &[]), None);
        // Twice as wide as its cells: half of it is filled.
        let wide = [place[0], place[1], 2.0 * place[2] - place[0], place[3]];
        let share = intersection_over_union(shown(&cells, 20, wide, &[]).expect("found"), wide);
        assert!((share - 0.5).abs() < 1e-5, "{share}");
    }

    #[test]
    fn neighbours_of_one_class_are_told_apart() {
        let part = |corners: [u8; 4]| corners.map(|cell| f32::from(cell) / CELLS as f32);
        let four = [
            [4, 8, 10, 14],
            [10, 8, 16, 14],
            [4, 14, 10, 20],
            [10, 14, 16, 20],
        ];
        let mut cells = vec![0; CELLS * CELLS];
        for y in 8..20 {
            cells[y * CELLS + 4..y * CELLS + 16].fill(20);
        }
        let reading = Reading::of_cells(cells);
        let places = Places {
            cells: Vec::new(),
            boxes: four.map(|corners| (20, part(corners))).to_vec(),
            classes: Vec::new(),
        };
        let found = |measure: Measure| {
            let mut mean = Mean::default();
            measure(&reading, &places, &mut mean);
            mean.value()
        };
        assert_eq!(found(boxes_apart), 1.0);
        assert_eq!(found(boxes), 0.0);
        // What is in both boxes is of both.
        let lapped = [part([4, 8, 12, 20]), part([8, 8, 16, 20])];
        let shown = shown(&reading.cells, 20, lapped[0], &lapped[1..]);
        assert_eq!(shown, Some(lapped[0]));
    }

    #[test]
    fn real_scenes_are_as_they_say_and_not_as_others_say() {
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let source = SceneSource::new(SIZE_PX as u32).expect("a size");
        let scenes: Vec<Scene> = source.endless(900_000_123, 0).take(40).collect();
        let pictures: Vec<_> = scenes.iter().map(|scene| scene.image.clone()).collect();
        let readings = judge.read(&pictures).expect("readings");
        let places: Vec<Places> = scenes.iter().map(Places::of).collect();
        for (measure, least, most) in [
            (objects as Measure, 0.85, 0.3),
            (boxes, 0.65, 0.15),
            (boxes_apart, 0.85, 0.15),
            (found, 0.65, 0.15),
            (label_map, 0.75, 0.4),
        ] {
            let own = mean(&readings, &places, 0, measure);
            let others = mean(&readings, &places, 1, measure);
            assert!(own.count > 30 && own.count == others.count);
            let (own, others) = (own.value(), others.value());
            assert!(own > least && others < most, "{own} and {others}");
        }
    }
}
