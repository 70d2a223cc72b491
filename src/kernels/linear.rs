//! The affine map of the last axis and its gradients.

use super::matrix::{Into, Mat, multiply};
use super::share::{add_up, for_rows, map_shares};
use super::simd::vectorized;

/// `x · weight + bias`.
///
/// # Shapes
/// - `x`: `[rows, inputs]`
/// - `weight`: `[inputs, outputs]` (burn's order, the transpose of PyTorch's)
/// - `bias`: `[outputs]`
/// - output: `[rows, outputs]`
pub fn linear(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    inputs: usize,
    outputs: usize,
) -> Vec<f32> {
    let rows = x.len() / inputs.max(1);
    let mut out = vec![0.0; rows * outputs];
    let weight = Mat::new(weight, inputs, outputs);
    for_rows(&mut out, outputs, |first, part| {
        let count = part.len() / outputs;
        if let Some(bias) = bias {
            part.chunks_exact_mut(outputs)
                .for_each(|row| row.copy_from_slice(bias));
        }
        let into = if bias.is_some() {
            Into::Add
        } else {
            Into::Overwrite
        };
        let x = Mat::new(&x[first * inputs..], count, inputs);
        multiply(part, outputs, x, weight, 1.0, into);
    });
    out
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
            part,
            inputs,
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
        multiply(part, outputs, x, dy, 1.0, Into::Overwrite);
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
