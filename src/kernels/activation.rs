//! SiLU and GEGLU with their gradients.

use super::share::for_rows;
use super::simd::{erf, exp, sigmoid, vectorized};

const CHUNK: usize = 4096;

/// `x · sigmoid(x)`, element by element (Elfwing et al. 2017).
pub fn silu(x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    map1(&mut out, x, |x| x / (1.0 + exp(-x)));
    out
}

/// Gradient of [`silu`] at `x` times `dy`.
pub fn silu_backward(x: &[f32], dy: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    map2(&mut out, x, dy, |x, dy| dy * silu_slope(x));
    out
}

/// Derivative of SiLU.
#[inline(always)]
pub fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

/// `a · gelu(g)` for rows that hold `a` in their first and `g` in their second
/// half (Shazeer 2020); `gelu` is the exact form with the error function.
///
/// # Shapes
/// - `x`: `[rows, 2 · width]`
/// - output: `[rows, width]`
pub fn geglu(x: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len() / 2];
    for_rows(&mut out, width, |first, rows| {
        for (row, out) in (first..).zip(rows.chunks_exact_mut(width)) {
            let (a, g) = x[row * 2 * width..][..2 * width].split_at(width);
            vectorized(
                #[inline(always)]
                || {
                    for ((out, a), g) in out.iter_mut().zip(a).zip(g) {
                        *out = a * gelu_at(*g);
                    }
                },
            );
        }
    });
    out
}

/// Gradient of [`geglu`] at `x` times `dy`, shaped like `x`.
pub fn geglu_backward(x: &[f32], dy: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, 2 * width, |first, rows| {
        for (row, out) in (first..).zip(rows.chunks_exact_mut(2 * width)) {
            let (a, g) = x[row * 2 * width..][..2 * width].split_at(width);
            let dy = &dy[row * width..][..width];
            let (da, dg) = out.split_at_mut(width);
            vectorized(
                #[inline(always)]
                || {
                    for i in 0..width {
                        let half_erf = 0.5 * (1.0 + erf(g[i] * std::f32::consts::FRAC_1_SQRT_2));
                        // The density of the standard normal distribution.
                        let density = 0.398_942_3 * exp(-0.5 * g[i] * g[i]);
                        da[i] = dy[i] * g[i] * half_erf;
                        dg[i] = dy[i] * a[i] * (half_erf + g[i] * density);
                    }
                },
            );
        }
    });
    out
}

#[inline(always)]
fn gelu_at(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

fn map1(out: &mut [f32], x: &[f32], f: impl Fn(f32) -> f32 + Sync + Copy) {
    for_rows(out, 1, |first, out| {
        let x = &x[first..][..out.len()];
        for (out, x) in out.chunks_mut(CHUNK).zip(x.chunks(CHUNK)) {
            vectorized(
                #[inline(always)]
                || {
                    for (out, x) in out.iter_mut().zip(x) {
                        *out = f(*x);
                    }
                },
            );
        }
    });
}

fn map2(out: &mut [f32], x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Sync + Copy) {
    for_rows(out, 1, |first, out| {
        let (x, y) = (&x[first..][..out.len()], &y[first..][..out.len()]);
        vectorized(
            #[inline(always)]
            || {
                for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
                    *out = f(*x, *y);
                }
            },
        );
    });
}
