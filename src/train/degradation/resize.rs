//! Other sizes, as OpenCV and Matlab make them: each place of the new row or column is a
//! sum of some of the old one.

use super::Pixels;
use crate::random::Random;

/// How few pixels are seen for each new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Two along each side.
    Linear,
    /// Four along each side, by OpenCV's cubic.
    Cubic,
    /// All that it stands for.
    Area,
}

/// Shape of OpenCV's cubic.
const CUBIC: f64 = -0.75;
/// A part of a pixel that is too small to count.
const SLIVER: f64 = 1e-3;

/// For every new place, old places and their weights.
type Taps = Vec<Vec<(usize, f64)>>;

impl Interpolation {
    pub(super) fn any(random: &mut Random) -> Self {
        [Self::Linear, Self::Cubic, Self::Area][random.below(3) as usize]
    }

    /// Areas are seen only where both sides become smaller.
    fn taps(self, from: usize, to: usize, shrinks: bool) -> Taps {
        // In this order and precision, so that places end on the same side of whole numbers.
        let inverse = to as f64 / from as f64;
        let scale = inverse.recip();
        let last = from - 1;
        let between = |place: f64| {
            let (before, part) = (place.floor(), place - place.floor());
            let (before, part) = match before {
                before if before < 0.0 => (0, 0.0),
                before if before as usize >= last => (last, 0.0),
                before => (before as usize, part),
            };
            vec![(before, 1.0 - part), ((before + 1).min(last), part)]
        };
        let middle = |at: usize| f64::from(((at as f64 + 0.5) * scale - 0.5) as f32);
        let tap = |at: usize| match self {
            Self::Linear => between(middle(at)),
            Self::Cubic => cubic(middle(at), last),
            Self::Area if shrinks => area(at as f64 * scale, scale, from),
            Self::Area => {
                let before = (at as f64 * scale).floor();
                let part = ((at as f64 + 1.0) - (before + 1.0) * inverse) as f32;
                let part = if part <= 0.0 { 0.0 } else { part.fract() };
                between(before + f64::from(part))
            }
        };
        (0..to).map(tap).collect()
    }
}

fn cubic(place: f64, last: usize) -> Vec<(usize, f64)> {
    let before = place.floor();
    let part = place - before;
    let far = |x: f64| ((CUBIC * x - 5.0 * CUBIC) * x + 8.0 * CUBIC) * x - 4.0 * CUBIC;
    let near = |x: f64| ((CUBIC + 2.0) * x - (CUBIC + 3.0)) * x * x + 1.0;
    let weights = [far(part + 1.0), near(part), near(1.0 - part)];
    let rest = 1.0 - weights.iter().sum::<f64>();
    let weights = weights.into_iter().chain([rest]).enumerate();
    let place = |tap: usize| (before + tap as f64 - 1.0).clamp(0.0, last as f64) as usize;
    weights.map(|(tap, weight)| (place(tap), weight)).collect()
}

fn area(start: f64, scale: f64, from: usize) -> Vec<(usize, f64)> {
    let end = start + scale;
    let whole = scale.min(from as f64 - start);
    let last = (end.floor() as usize).min(from - 1);
    let first = (start.ceil() as usize).min(last);
    let mut taps = Vec::new();
    if first as f64 - start > SLIVER {
        taps.push((first - 1, (first as f64 - start) / whole));
    }
    taps.extend((first..last).map(|at| (at, 1.0 / whole)));
    let rest = end - last as f64;
    if rest > SLIVER {
        taps.push((last, rest.min(1.0).min(whole) / whole));
    }
    taps
}

/// A picture of other sides, as OpenCV's `resize` makes it.
pub(super) fn resized(pixels: &Pixels, size: [usize; 2], how: Interpolation) -> Pixels {
    let [width, height] = size.map(|side| side.max(1));
    let shrinks = width <= pixels.width && height <= pixels.height;
    let across = how.taps(pixels.width, width, shrinks);
    let down = how.taps(pixels.height, height, shrinks);
    summed(pixels, &across, &down)
}

/// A picture of half the sides, rounded up, by Matlab's `imresize`: a cubic that is as wide
/// as what a pixel stands for; beyond the border the picture is mirrored.
pub(super) fn halved(pixels: &Pixels) -> Pixels {
    let taps = |from: usize| -> Taps {
        let tap = |at: usize| {
            let middle = 2.0 * at as f64 + 0.5;
            let first = (middle - 4.0).floor() as i64;
            let seen = first..first + 10;
            let weight = |place: i64| 0.5 * wide_cubic(0.5 * (middle - place as f64));
            let sum: f64 = seen.clone().map(weight).sum();
            let seen = seen.map(|place| (reflected(place, from), weight(place) / sum));
            seen.filter(|(_, weight)| *weight != 0.0).collect()
        };
        (0..from.div_ceil(2)).map(tap).collect()
    };
    summed(pixels, &taps(pixels.width), &taps(pixels.height))
}

/// Matlab's cubic (Keys 1981).
fn wide_cubic(x: f64) -> f64 {
    let x = x.abs();
    match x {
        x if x <= 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x <= 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

/// A place in a row of `length`, mirrored so that its first and last are seen twice.
fn reflected(at: i64, length: usize) -> usize {
    let length = length as i64;
    let at = at.rem_euclid(2 * length);
    at.min(2 * length - 1 - at) as usize
}

/// One of so many pixels of each row and column, from the first on.
pub(super) fn skipped(pixels: &Pixels, step: usize) -> Pixels {
    let step = step.max(1);
    let rows = (0..pixels.height).step_by(step);
    let row = |y: usize| pixels.values[y * pixels.width..][..pixels.width].iter();
    Pixels {
        width: pixels.width.div_ceil(step),
        height: pixels.height.div_ceil(step),
        values: rows.flat_map(|y| row(y).step_by(step)).copied().collect(),
    }
}

fn summed(pixels: &Pixels, across: &Taps, down: &Taps) -> Pixels {
    let sum = |values: &mut dyn Iterator<Item = ([f64; 3], f64)>| {
        values.fold([0.0; 3], |mut sum, (value, weight)| {
            for (sum, value) in sum.iter_mut().zip(value) {
                *sum += weight * value;
            }
            sum
        })
    };
    let width = across.len();
    let mut narrow = Vec::with_capacity(width * pixels.height);
    for row in pixels.values.chunks(pixels.width) {
        for taps in across {
            let seen = taps.iter();
            narrow.push(sum(
                &mut seen.map(|(at, weight)| (row[*at].map(f64::from), *weight))
            ));
        }
    }
    let mut values = Vec::with_capacity(width * down.len());
    for taps in down {
        for x in 0..width {
            let seen = taps.iter();
            let value = sum(&mut seen.map(|(at, weight)| (narrow[at * width + x], *weight)));
            values.push(value.map(|value| value as f32));
        }
    }
    Pixels {
        width,
        height: down.len(),
        values,
    }
}
