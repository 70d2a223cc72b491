//! Gaussian blur, alike in all directions or not.

use std::f64::consts::PI;

use super::Pixels;
use crate::random::Random;

/// A variance below this blurs nothing, and above it divides by something.
const LEAST_VARIANCE: f64 = 1e-6;

/// The weights of a square of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Rows and columns.
    pub side: usize,
    /// Row by row, with a sum of 1.
    pub weights: Vec<f64>,
}

impl Kernel {
    /// A blur that suits pictures which become smaller by a factor.
    pub(super) fn any(factor: usize, random: &mut Random) -> Self {
        let factor = factor as f64;
        let share = |random: &mut Random| f64::from(random.unit());
        if random.happens(0.5) {
            let widest = (4.0 + factor) / 4.0;
            let variances = [0; 2].map(|_| widest * share(random));
            let side = 5 + random.below(10) as usize;
            return Self::anisotropic(side, PI * share(random), variances);
        }
        let widest = (2.0 + 0.2 * factor) / 4.0;
        let side = 5 + random.below(3) as usize;
        Self::isotropic(side, widest * share(random))
    }

    /// The same in all directions; `deviation` is in pixels.
    pub fn isotropic(side: usize, deviation: f64) -> Self {
        let variance = (deviation * deviation).max(LEAST_VARIANCE);
        let mut kernel = Self::of(side, |x, y| (-(x * x + y * y) / (2.0 * variance)).exp());
        let most = kernel.weights.iter().copied().fold(0.0, f64::max);
        for weight in &mut kernel.weights {
            if *weight < f64::EPSILON * most {
                *weight = 0.0;
            }
        }
        kernel.normalised()
    }

    /// Of one variance along a direction of an angle in radians, and of another across it,
    /// in square pixels.
    pub fn anisotropic(side: usize, angle: f64, variances: [f64; 2]) -> Self {
        let (sine, cosine) = angle.sin_cos();
        let [along, across] = variances.map(|variance| variance.max(LEAST_VARIANCE));
        let density = |x: f64, y: f64| {
            let (u, v) = (x * cosine + y * sine, x * sine - y * cosine);
            (-0.5 * (u * u / along + v * v / across)).exp()
        };
        Self::of(side, density).normalised()
    }

    fn of(side: usize, density: impl Fn(f64, f64) -> f64) -> Self {
        let from_middle = |at: usize| at as f64 - (side as f64 - 1.0) / 2.0;
        let row = |y: usize| {
            let density = &density;
            (0..side).map(move |x| density(from_middle(x), from_middle(y)))
        };
        Self {
            side,
            weights: (0..side).flat_map(row).collect(),
        }
    }

    /// With a sum of 1. So narrow a blur that an even kernel has nothing of it left, as its
    /// middle is no pixel, leaves pictures as they are.
    fn normalised(mut self) -> Self {
        let sum: f64 = self.weights.iter().sum();
        if sum > 0.0 {
            self.weights.iter_mut().for_each(|weight| *weight /= sum);
            return self;
        }
        Self {
            side: 1,
            weights: vec![1.0],
        }
    }

    /// The same, moved so that of `factor` pixels the first stands for the middle of all.
    #[must_use]
    pub fn shifted(&self, factor: usize) -> Self {
        let shift = (factor as f64 - 1.0) / 2.0;
        let last = self.side - 1;
        let along = |at: usize| {
            let place = (at as f64 + shift).clamp(0.0, last as f64);
            let before = place.floor();
            (
                before as usize,
                (before as usize + 1).min(last),
                place - before,
            )
        };
        let mut weights = Vec::with_capacity(self.weights.len());
        for y in 0..self.side {
            let (top, bottom, down) = along(y);
            for x in 0..self.side {
                let (left, right, across) = along(x);
                let at = |row: usize, column: usize| self.weights[row * self.side + column];
                let upper = at(top, left) * (1.0 - across) + at(top, right) * across;
                let lower = at(bottom, left) * (1.0 - across) + at(bottom, right) * across;
                weights.push(upper * (1.0 - down) + lower * down);
            }
        }
        let side = self.side;
        Self { side, weights }.normalised()
    }

    /// A blurred picture; beyond its border it is mirrored at the last pixels. As in SciPy,
    /// the middle of an even kernel is the pixel after the middle.
    #[must_use]
    pub fn over(&self, pixels: &Pixels) -> Pixels {
        let places = |length: usize| -> Vec<Vec<usize>> {
            let of = |at: usize| {
                let first = at as i64 + (self.side / 2) as i64;
                let seen = (0..self.side as i64).map(|tap| mirrored(first - tap, length));
                seen.collect()
            };
            (0..length).map(of).collect()
        };
        let (rows, columns) = (places(pixels.height), places(pixels.width));
        let mut values = Vec::with_capacity(pixels.values.len());
        for rows in &rows {
            for columns in &columns {
                let mut sum = [0.0_f64; 3];
                for (row, weights) in rows.iter().zip(self.weights.chunks(self.side)) {
                    let line = &pixels.values[row * pixels.width..][..pixels.width];
                    for (column, weight) in columns.iter().zip(weights) {
                        for (sum, value) in sum.iter_mut().zip(line[*column]) {
                            *sum += weight * f64::from(value);
                        }
                    }
                }
                values.push(sum.map(|sum| sum as f32));
            }
        }
        Pixels { values, ..*pixels }
    }
}

/// A place in a row of `length`, mirrored at its first and last.
fn mirrored(at: i64, length: usize) -> usize {
    let last = length as i64 - 1;
    if last <= 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    at.min(2 * last - at) as usize
}
