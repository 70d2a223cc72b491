//! Matrices of 64-bit numbers, as far as the distance of two normal distributions
//! needs them.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::evaluate::EvaluateError;

/// A matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// `rows · columns` numbers.
    pub values: Vec<f64>,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..][..self.columns]
    }

    /// The sum of the diagonal.
    pub fn trace(&self) -> f64 {
        self.diagonal().iter().sum()
    }

    fn diagonal(&self) -> Vec<f64> {
        let steps = self.values.iter().step_by(self.columns + 1);
        steps.take(self.rows).copied().collect()
    }

    /// Whether every number is one, and the matrix is its own mirror image but for
    /// what rounding does.
    pub fn is_symmetric(&self) -> bool {
        let most = self.diagonal().iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let near = |row: usize, column: usize| {
            let (a, b) = (self.row(row)[column], self.row(column)[row]);
            (a - b).abs() <= 1e-6 * most
        };
        self.rows == self.columns
            && self.values.iter().all(|value| value.is_finite())
            && (0..self.rows).all(|row| (0..row).all(|column| near(row, column)))
    }

    fn tensor(&self) -> Tensor<2> {
        let data = TensorData::new(self.values.clone(), [self.rows, self.columns]);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    fn of(tensor: Tensor<2>) -> Result<Self, EvaluateError> {
        let [rows, columns] = tensor.dims();
        let data = tensor.try_into_data().map_err(EvaluateError::device)?;
        let values = data.try_into_vec_as().map_err(EvaluateError::device)?;
        Ok(Self {
            rows,
            columns,
            values,
        })
    }

    /// This matrix turned, times another.
    ///
    /// # Errors
    /// When the device fails.
    pub fn turned_times(&self, other: &Self) -> Result<Self, EvaluateError> {
        Self::of(self.tensor().transpose().matmul(other.tensor()))
    }

    /// This matrix times another one turned.
    ///
    /// # Errors
    /// When the device fails.
    pub fn times_turned(&self, other: &Self) -> Result<Self, EvaluateError> {
        Self::of(self.tensor().matmul(other.tensor().transpose()))
    }

    /// L with L · Lᵀ = this matrix, which must be symmetric; one column for each
    /// dimension that it reaches, which are few where few pictures were seen. `None`
    /// where it stretches something by less than nothing.
    ///
    /// Cholesky's factors with the largest of what is left first (Higham 2002,
    /// Accuracy and Stability of Numerical Algorithms, §10.3).
    pub fn root(&self) -> Option<Self> {
        const ROUNDING: f64 = 1e-7;
        let side = self.rows;
        let mut left = self.diagonal();
        let first = left.iter().copied().fold(0.0, f64::max);
        let least = first * side as f64 * f64::EPSILON;
        let mut factor = Self::zeros(side, side);
        let mut is_done = vec![false; side];
        let mut rank = 0;
        while rank < side {
            let open = (0..side).filter(|row| !is_done[*row]);
            let Some(pivot) = open.max_by(|a, b| left[*a].total_cmp(&left[*b])) else {
                break;
            };
            if left[pivot] <= least {
                // What has no spread goes along with nothing either.
                let most = ROUNDING * first.max(f64::MIN_POSITIVE);
                let is_open = |at: &usize| !is_done[*at];
                let is_alone = (0..side).filter(is_open).all(|row| {
                    let beside = |column| {
                        let known = dot(&factor.row(row)[..rank], &factor.row(column)[..rank]);
                        (self.row(row)[column] - known).abs() <= most
                    };
                    (0..side).filter(is_open).all(beside)
                });
                if !is_alone {
                    return None;
                }
                break;
            }
            let scale = left[pivot].sqrt();
            let known = factor.row(pivot)[..rank].to_vec();
            let column: Vec<f64> = (0..side)
                .into_par_iter()
                .with_min_len(64)
                .map(|row| {
                    if is_done[row] {
                        return 0.0;
                    }
                    let before = dot(&factor.row(row)[..rank], &known);
                    (self.row(row)[pivot] - before) / scale
                })
                .collect();
            is_done[pivot] = true;
            for (row, value) in column.into_iter().enumerate() {
                factor.values[row * side + rank] = value;
                left[row] -= value * value;
            }
            rank += 1;
        }
        let lowest = left.iter().copied().fold(0.0, f64::min);
        let is_sound = lowest >= -ROUNDING * first.max(f64::MIN_POSITIVE);
        is_sound.then(|| {
            let rows = factor.values.chunks(side.max(1));
            Self {
                rows: side,
                columns: rank,
                values: rows.flat_map(|row| &row[..rank]).copied().collect(),
            }
        })
    }

    /// The eigenvalues of a symmetric matrix, in no order; `None` where they are not
    /// found, which happens with numbers that are none.
    ///
    /// Householder's reflections make a matrix of three diagonals of it, on which
    /// shifted QL steps converge (Golub and Van Loan 2013, Matrix Computations, §8.3).
    pub fn eigenvalues(mut self) -> Option<Vec<f64>> {
        let (mut diagonal, mut beside) = self.three_diagonals();
        ql(&mut diagonal, &mut beside).then_some(diagonal)
    }

    /// The diagonal and the one beside it of a similar matrix that has no others.
    fn three_diagonals(&mut self) -> (Vec<f64>, Vec<f64>) {
        let side = self.rows;
        let (mut diagonal, mut beside) = (vec![0.0; side], vec![0.0; side]);
        // The reflection before this one, which each row takes when it is next read.
        let (mut v, mut w) = (vec![0.0; side], vec![0.0; side]);
        for at in 0..side {
            let row = &mut self.values[at * side..][..side];
            for column in at..side {
                row[column] -= v[at] * w[column] + w[at] * v[column];
            }
            diagonal[at] = row[at];
            let rest = at + 1;
            if rest == side {
                break;
            }
            let (reflection, length, scale) = reflection(&row[rest..]);
            beside[at] = length;
            let mut next = vec![0.0; side];
            next[rest..].copy_from_slice(&reflection);
            let mut image = vec![0.0; side];
            self.values[rest * side..]
                .par_chunks_mut(side)
                .zip(&mut image[rest..])
                .enumerate()
                .with_min_len(16)
                .for_each(|(below, (row, image))| {
                    let (a, b) = (v[rest + below], w[rest + below]);
                    let old = row[rest..].iter_mut().zip(&v[rest..]).zip(&w[rest..]);
                    for ((value, v), w) in old {
                        *value -= a * w + b * v;
                    }
                    *image = scale * dot(&row[rest..], &next[rest..]);
                });
            let half = 0.5 * scale * dot(&image, &next);
            w = image.iter().zip(&next).map(|(p, v)| p - half * v).collect();
            v = next;
        }
        (diagonal, beside)
    }
}

/// The vector v and the number β for which 1 − β v vᵀ turns `x` into the first axis,
/// and the length with its sign there.
fn reflection(x: &[f64]) -> (Vec<f64>, f64, f64) {
    let mut v = x.to_vec();
    let most = v.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    if x.len() == 1 || most == 0.0 {
        return (vec![0.0; x.len()], x[0], 0.0);
    }
    // Scaled, so that no square overflows or vanishes.
    v.iter_mut().for_each(|value| *value /= most);
    let length = -dot(&v, &v).sqrt().copysign(v[0]);
    v[0] -= length;
    let scale = 2.0 / dot(&v, &v);
    (v, length * most, scale)
}

/// QL steps with implicit shifts until nothing is left beside the diagonal.
fn ql(diagonal: &mut [f64], beside: &mut [f64]) -> bool {
    const MOST_STEPS: usize = 60;
    let side = diagonal.len();
    for first in 0..side {
        for step in 0.. {
            let is_small = |at: &usize| {
                let near = diagonal[*at].abs() + diagonal[at + 1].abs();
                beside[*at].abs() <= f64::EPSILON * near
            };
            let end = (first..side.saturating_sub(1)).find(is_small);
            let end = end.unwrap_or(side - 1);
            if end == first {
                break;
            }
            if step == MOST_STEPS {
                return false;
            }
            let mut g = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
            let r = g.hypot(1.0);
            g = diagonal[end] - diagonal[first] + beside[first] / (g + r.copysign(g));
            let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
            let mut is_cut = false;
            for at in (first..end).rev() {
                let f = sine * beside[at];
                let b = cosine * beside[at];
                let r = f.hypot(g);
                beside[at + 1] = r;
                if r == 0.0 {
                    diagonal[at + 1] -= shift;
                    beside[end] = 0.0;
                    is_cut = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                g = diagonal[at + 1] - shift;
                let r = (diagonal[at] - g) * sine + 2.0 * cosine * b;
                shift = sine * r;
                diagonal[at + 1] = g + shift;
                g = cosine * r - b;
            }
            if !is_cut {
                diagonal[first] -= shift;
                beside[first] = g;
                beside[end] = 0.0;
            }
        }
    }
    diagonal.iter().all(|value| value.is_finite())
}

/// The sum of products, in four parts that a processor adds at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = left.remainder().iter().zip(right.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}
