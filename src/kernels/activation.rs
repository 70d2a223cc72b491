//! Activations and GEGLU with their gradients.

use super::share::for_rows;
use super::simd::{erf, exp, sigmoid, vectorized};

const CHUNK: usize = 4096;

/// An activation, element by element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)` (Elfwing et al. 2017).
    Silu,
    /// `x · Φ(x)` with the exact normal distribution (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x · sigmoid(1.702 x)`, as in CLIP (ibid.).
    QuickGelu,
}

/// The factor in [`Activation::QuickGelu`].
const QUICK: f32 = 1.702;

/// Applies an activation.
pub fn activate(x: &[f32], activation: Activation) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    match activation {
        Activation::Silu => map1(
            &mut out,
            x,
            #[inline(always)]
            |x| x / (1.0 + exp(-x)),
        ),
        Activation::Gelu => map1(&mut out, x, gelu_at),
        Activation::QuickGelu => map1(
            &mut out,
            x,
            #[inline(always)]
            |x| x / (1.0 + exp(-QUICK * x)),
        ),
    }
    out
}

/// Gradient of [`activate`] at `x` times `dy`.
pub fn activate_backward(x: &[f32], dy: &[f32], activation: Activation) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    match activation {
        Activation::Silu => map2(
            &mut out,
            x,
            dy,
            #[inline(always)]
            |x, dy| dy * silu_slope(x),
        ),
        Activation::Gelu => map2(
            &mut out,
            x,
            dy,
            #[inline(always)]
            |x, dy| {
                let (half_erf, density) = normal(x);
                dy * (half_erf + x * density)
            },
        ),
        Activation::QuickGelu => map2(
            &mut out,
            x,
            dy,
            #[inline(always)]
            |x, dy| dy * silu_slope(QUICK * x),
        ),
    }
    out
}

/// Derivative of SiLU. As `a · quick(x) = silu(a · x)`, it is also that of
/// [`Activation::QuickGelu`] at `a · x`.
#[inline(always)]
pub fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

/// The standard normal distribution up to `x` and its density there.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    (
        0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        0.398_942_3 * exp(-0.5 * x * x),
    )
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
                        let (half_erf, density) = normal(g[i]);
                        da[i] = dy[i] * g[i] * half_erf;
                        dg[i] = dy[i] * a[i] * (half_erf + g[i] * density);
                    }
                },
            );
        }
    });
    out
}

/// `x` where it is positive, elsewhere `x` times the slope of its plane (He et al. 2015).
///
/// # Shapes
/// - `x`: `[batch, channels, area]`
/// - `slopes`: `[channels]`
pub fn prelu(x: &[f32], slopes: &[f32], area: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, area, |first, rows| {
        for (row, out) in (first..).zip(rows.chunks_exact_mut(area)) {
            let (x, slope) = (&x[row * area..][..area], slopes[row % slopes.len()]);
            vectorized(
                #[inline(always)]
                || {
                    for (out, x) in out.iter_mut().zip(x) {
                        *out = if *x > 0.0 { *x } else { *x * slope };
                    }
                },
            );
        }
    });
    out
}

/// Gradients of [`prelu`] by its input and its slopes.
pub fn prelu_backward(x: &[f32], slopes: &[f32], dy: &[f32], area: usize) -> (Vec<f32>, Vec<f32>) {
    let mut dx = vec![0.0; x.len()];
    for_rows(&mut dx, area, |first, rows| {
        for (row, dx) in (first..).zip(rows.chunks_exact_mut(area)) {
            let slope = slopes[row % slopes.len()];
            let (x, dy) = (&x[row * area..][..area], &dy[row * area..][..area]);
            vectorized(
                #[inline(always)]
                || {
                    for i in 0..area {
                        dx[i] = if x[i] > 0.0 { dy[i] } else { dy[i] * slope };
                    }
                },
            );
        }
    });
    let mut dslopes = vec![0.0; slopes.len()];
    let planes = x
        .chunks_exact(area.max(1))
        .zip(dy.chunks_exact(area.max(1)));
    for (index, (x, dy)) in planes.enumerate() {
        let below = x.iter().zip(dy).filter(|(x, _)| **x <= 0.0);
        dslopes[index % slopes.len()] += below.map(|(x, dy)| x * dy).sum::<f32>();
    }
    (dx, dslopes)
}

/// GELU of one number.
#[inline(always)]
pub fn gelu_at(x: f32) -> f32 {
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
