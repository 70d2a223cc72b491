//! Group normalisation (optionally with the SiLU that follows it everywhere in
//! a latent diffusion model) and layer normalisation, with their gradients.

use super::activation::silu_slope;
use super::share::{add_up, for_rows, map_shares};
use super::simd::{deviations, dot, exp, sum, sum_long, vectorized};

/// Sizes of a group normalisation: `[batch, channels, area]` in `groups` groups.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormShape {
    /// Pictures.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Pixels of a channel.
    pub area: usize,
    /// Groups that the channels fall into.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// Mean and reciprocal standard deviation of each row.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Vec<f32>,
    rstd: Vec<f32>,
}

fn moments(x: &[f32], row_len: usize, eps: f32) -> Moments {
    let rows = x.len() / row_len.max(1);
    let parts = map_shares(rows, 1, |range| {
        range
            .map(|row| {
                let values = &x[row * row_len..][..row_len];
                vectorized(
                    #[inline(always)]
                    || {
                        let about = (sum_long(values) / row_len as f64) as f32;
                        // What rounding left of the mean: it matters where a row is nearly
                        // constant, and everything is divided by its tiny deviation.
                        let (rest, squares) = deviations(values, about);
                        let rest = rest / row_len as f64;
                        let variance = (squares / row_len as f64 - rest * rest).max(0.0);
                        let mean = (f64::from(about) + rest) as f32;
                        (mean, (1.0 / (variance + f64::from(eps)).sqrt()) as f32)
                    },
                )
            })
            .collect::<Vec<_>>()
    });
    let (mean, rstd) = parts.into_iter().flatten().unzip();
    Moments { mean, rstd }
}

/// Group normalisation (Wu and He 2018), then SiLU if the shape says so.
pub fn group_norm(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    shape: GroupNormShape,
) -> (Vec<f32>, Moments) {
    let GroupNormShape {
        channels,
        area,
        groups,
        ..
    } = shape;
    let per_group = channels / groups;
    let stats = moments(x, per_group * area, shape.eps);
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, area, |first, rows| {
        for (row, out) in (first..).zip(rows.chunks_exact_mut(area)) {
            let channel = row % channels;
            let group = row / per_group;
            let scale = gamma[channel] * stats.rstd[group];
            let (mean, offset) = (stats.mean[group], beta[channel]);
            let x = &x[row * area..][..area];
            vectorized(
                #[inline(always)]
                || {
                    if shape.silu {
                        for (out, x) in out.iter_mut().zip(x) {
                            let y = (x - mean) * scale + offset;
                            *out = y / (1.0 + exp(-y));
                        }
                    } else {
                        for (out, x) in out.iter_mut().zip(x) {
                            *out = (x - mean) * scale + offset;
                        }
                    }
                },
            );
        }
    });
    (out, stats)
}

/// Gradients of [`group_norm`]: by `x`, `gamma` and `beta`.
pub fn group_norm_backward(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    stats: &Moments,
    dy: &[f32],
    shape: GroupNormShape,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let GroupNormShape {
        batch,
        channels,
        area,
        groups,
        ..
    } = shape;
    let per_group = channels / groups;
    let group_len = per_group * area;
    let mut dx = vec![0.0; x.len()];
    // First the gradient before the affine map, and each channel's two sums.
    let sums = std::sync::Mutex::new(vec![(0.0f32, 0.0f32); batch * channels]);
    for_rows(&mut dx, group_len, |first, rows| {
        let mut local = Vec::with_capacity(rows.len() / area);
        for (group, dx) in (first..).zip(rows.chunks_exact_mut(group_len)) {
            let (mean, rstd) = (stats.mean[group], stats.rstd[group]);
            let (mut sum_g, mut sum_gx) = (0.0f32, 0.0f32);
            for (index, dx) in dx.chunks_exact_mut(area).enumerate() {
                let row = group * per_group + index;
                let channel = row % channels;
                let (x, dy) = (&x[row * area..][..area], &dy[row * area..][..area]);
                let scale = gamma[channel] * rstd;
                let offset = beta[channel] - mean * scale;
                let (total, weighted) = vectorized(
                    #[inline(always)]
                    || {
                        if shape.silu {
                            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                                *dx = dy * silu_slope(x * scale + offset);
                            }
                        } else {
                            dx.copy_from_slice(dy);
                        }
                        (sum(dx), dot(dx, x))
                    },
                );
                let normalised = (weighted - mean * total) * rstd;
                local.push((total, normalised));
                sum_g += gamma[channel] * total;
                sum_gx += gamma[channel] * normalised;
            }
            let n = group_len as f32;
            let (mean_g, mean_gx) = (sum_g / n, sum_gx / n);
            for (index, dx) in dx.chunks_exact_mut(area).enumerate() {
                let row = group * per_group + index;
                let a = gamma[row % channels] * rstd;
                let b = -mean_gx * rstd * rstd;
                let c = -mean_g * rstd - b * mean;
                let x = &x[row * area..][..area];
                vectorized(
                    #[inline(always)]
                    || {
                        for (dx, x) in dx.iter_mut().zip(x) {
                            *dx = a * *dx + b * x + c;
                        }
                    },
                );
            }
        }
        // Each share owns its own rows: the order of locking does not matter.
        let mut all = sums
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        all[first * per_group..][..local.len()].copy_from_slice(&local);
    });
    let sums = sums
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for (row, (total, normalised)) in sums.into_iter().enumerate() {
        dbeta[row % channels] += total;
        dgamma[row % channels] += normalised;
    }
    (dx, dgamma, dbeta)
}

/// Layer normalisation over the last axis (Ba et al. 2016).
///
/// # Shapes
/// - `x`: `[rows, width]` where `width` is the length of `gamma`
pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32) -> (Vec<f32>, Moments) {
    let width = gamma.len();
    let stats = moments(x, width, eps);
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, width, |first, rows| {
        vectorized(
            #[inline(always)]
            || {
                for (row, out) in (first..).zip(rows.chunks_exact_mut(width)) {
                    let (mean, rstd) = (stats.mean[row], stats.rstd[row]);
                    let x = &x[row * width..][..width];
                    for i in 0..width {
                        out[i] = (x[i] - mean) * rstd * gamma[i] + beta[i];
                    }
                }
            },
        );
    });
    (out, stats)
}

/// Gradients of [`layer_norm`]: by `x`, `gamma` and `beta`.
pub fn layer_norm_backward(
    x: &[f32],
    gamma: &[f32],
    stats: &Moments,
    dy: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let width = gamma.len();
    let mut dx = vec![0.0; x.len()];
    for_rows(&mut dx, width, |first, rows| {
        vectorized(
            #[inline(always)]
            || {
                let mut weighted = vec![0.0f32; width];
                for (row, dx) in (first..).zip(rows.chunks_exact_mut(width)) {
                    let (mean, rstd) = (stats.mean[row], stats.rstd[row]);
                    let (x, dy) = (&x[row * width..][..width], &dy[row * width..][..width]);
                    for i in 0..width {
                        weighted[i] = dy[i] * gamma[i];
                    }
                    let total = sum(&weighted);
                    let projected = (dot(&weighted, x) - mean * total) * rstd;
                    let (mean_g, mean_gx) = (total / width as f32, projected / width as f32);
                    for i in 0..width {
                        dx[i] = rstd * (weighted[i] - mean_g - (x[i] - mean) * rstd * mean_gx);
                    }
                }
            },
        );
    });
    let parts = map_shares(x.len() / width.max(1), 1, |range| {
        let mut sums = vec![0.0f32; 2 * width];
        let (dgamma, dbeta) = sums.split_at_mut(width);
        vectorized(
            #[inline(always)]
            || {
                for row in range {
                    let (mean, rstd) = (stats.mean[row], stats.rstd[row]);
                    let (x, dy) = (&x[row * width..][..width], &dy[row * width..][..width]);
                    for i in 0..width {
                        dgamma[i] += dy[i] * (x[i] - mean) * rstd;
                        dbeta[i] += dy[i];
                    }
                }
            },
        );
        sums
    });
    let mut dgamma = add_up(parts);
    dgamma.resize(2 * width, 0.0);
    let dbeta = dgamma.split_off(width);
    (dx, dgamma, dbeta)
}
