//! The affine map of the last axis and its gradients.

use std::ops::Range;

use rayon::prelude::*;

use super::activation::geglu;
use super::matrix::{Into, Mat, MatMut, multiply};
use super::product::{self, GatedWeights};
use super::share::{add_up, for_rows, map_shares, shares};
use super::simd::vectorized;
use super::weights::Weights;
use super::widened::multiply_columns;

/// Fewer multiplications than this are not worth waking other threads.
const SMALL_PRODUCT: usize = 128 * 1024;
/// Rows that the matrix kernel takes at once.
const ROW_UNIT: usize = 8;
/// Columns that it takes at once, a line of the cache.
const COLUMN_UNIT: usize = 16;

/// `x · weight + bias`.
///
/// # Shapes
/// - `x`: `[rows, inputs]`
/// - `weight`: `[inputs, outputs]` (burn's order, the transpose of PyTorch's)
/// - `bias`: `[outputs]`
/// - output: `[rows, outputs]`
pub fn linear(
    x: &[f32],
    weight: Weights<'_>,
    bias: Option<&[f32]>,
    inputs: usize,
    outputs: usize,
) -> Vec<f32> {
    let rows = x.len() / inputs.max(1);
    let x = Mat::new(x, rows, inputs);
    let mut out = vec![0.0; rows * outputs];
    let whole = MatMut::new(&mut out, rows, outputs);
    share_out(whole, inputs, |mut out, rows, columns| {
        if let Some(bias) = bias {
            let bias = &bias[columns.clone()];
            (0..out.rows()).for_each(|row| out.row(row).copy_from_slice(bias));
        }
        let into = if bias.is_some() {
            Into::Add
        } else {
            Into::Overwrite
        };
        multiply_columns(out, x.sub_rows(rows), weight, outputs, columns, into);
    });
    out
}

/// [`linear`], of whose results the first half of each row is multiplied with GELU of the
/// second half (Shazeer 2020, <https://arxiv.org/abs/2002.05202>).
///
/// # Shapes
/// As [`linear`], but for the output: `[rows, outputs / 2]`.
pub fn linear_geglu(
    x: &[f32],
    weight: Weights<'_>,
    bias: &[f32],
    inputs: usize,
    outputs: usize,
) -> Vec<f32> {
    let rows = x.len() / inputs.max(1);
    let hidden = outputs / 2;
    if !product::suits(rows, inputs, hidden) {
        return geglu(&linear(x, weight, Some(bias), inputs, outputs), hidden);
    }
    let x = Mat::new(x, rows, inputs);
    let weights = GatedWeights {
        values: weight,
        bias,
        inputs,
        hidden,
    };
    let mut out = vec![0.0; rows * hidden];
    let whole = MatMut::new(&mut out, rows, hidden);
    share_out(whole, 2 * inputs, |out, rows, columns| {
        product::multiply_gated(out, x.sub_rows(rows), weights, columns);
    });
    out
}

/// Cuts a result, whose values take so many multiplications each, into parts for all
/// threads: rows and columns of each are said.
///
/// The longer side of the result is shared out: both matrices are packed by
/// every thread, and the one that is cut is packed only once in all.
fn share_out(
    out: MatMut<'_>,
    multiplications: usize,
    part: impl Fn(MatMut<'_>, Range<usize>, Range<usize>) + Sync + Send,
) {
    let (rows, columns) = (out.rows(), out.cols());
    if rows == 0 || columns == 0 {
        return;
    }
    if rows * columns * multiplications < SMALL_PRODUCT {
        part(out, 0..rows, 0..columns);
    } else if rows >= columns {
        let shares = shares(rows, ROW_UNIT);
        let parts = out.cut_rows(shares.iter().map(Range::len));
        let tasks = shares.into_par_iter().zip(parts);
        tasks.for_each(|(rows, out)| part(out, rows, 0..columns));
    } else {
        let shares = shares(columns, COLUMN_UNIT);
        let parts = out.cut_columns(shares.iter().map(Range::len));
        let tasks = shares.into_par_iter().zip(parts);
        tasks.for_each(|(columns, out)| part(out, 0..rows, columns));
    }
}

/// Gradient of [`linear`] by `x`.
pub fn linear_input_gradient(
    weight: &[f32],
    dy: &[f32],
    inputs: usize,
    outputs: usize,
) -> Vec<f32> {
    let rows = dy.len() / outputs.max(1);
    let mut dx = vec![0.0; rows * inputs];
    let weight = Mat::new(weight, inputs, outputs).transposed();
    for_rows(&mut dx, inputs, |first, part| {
        let count = part.len() / inputs;
        multiply(
            MatMut::new(part, count, inputs),
            Mat::new(&dy[first * outputs..], count, outputs),
            weight,
            1.0,
            Into::Overwrite,
        );
    });
    dx
}

/// Gradient of [`linear`] by `weight`.
pub fn linear_weight_gradient(x: &[f32], dy: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let rows = dy.len() / outputs.max(1);
    let mut dw = vec![0.0; inputs * outputs];
    if rows == 0 {
        return dw;
    }
    let dy = Mat::new(dy, rows, outputs);
    for_rows(&mut dw, outputs, |first, part| {
        let count = part.len() / outputs;
        let x = Mat::strided(&x[first..], rows, count, inputs).transposed();
        let out = MatMut::new(part, count, outputs);
        multiply(out, x, dy, 1.0, Into::Overwrite);
    });
    dw
}

/// Gradient of [`linear`] by `bias`: the column sums of `dy`.
pub fn linear_bias_gradient(dy: &[f32], outputs: usize) -> Vec<f32> {
    let parts = map_shares(dy.len() / outputs.max(1), 1, |range| {
        let mut sums = vec![0.0f32; outputs];
        vectorized(
            #[inline(always)]
            || {
                for row in dy[range.start * outputs..range.end * outputs].chunks_exact(outputs) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            },
        );
        sums
    });
    let mut sums = add_up(parts);
    sums.resize(outputs, 0.0);
    sums
}
