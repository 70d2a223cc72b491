//! Multi-head attention in row tiles: the weights of a tile of queries live in
//! a small buffer, never the whole `queries × keys` matrix.

use rayon::prelude::*;

use super::matrix::{Into, Mat, multiply};
use super::share::{SharedOut, with_scratch};
use super::simd::{dot, exp, vectorized};

/// Sizes of an attention whose heads lie side by side in the last axis.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Length of the query sequence.
    pub queries: usize,
    /// Length of the key and value sequence.
    pub keys: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Whether query `i` sees only the keys up to `i`.
    pub causal: bool,
}

impl AttentionShape {
    fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    fn head<'a>(
        &self,
        x: &'a [f32],
        batch: usize,
        head: usize,
        first: usize,
        rows: usize,
    ) -> Mat<'a> {
        let sequence = x.len() / self.batch;
        let start = batch * sequence + first * self.width() + head * self.head_dim;
        Mat::strided(&x[start..], rows, self.head_dim, self.width())
    }
}

/// Values of attention weights that a tile aims at: half a mebibyte.
const TILE_VALUES: usize = 128 * 1024;

fn tile_rows(shape: &AttentionShape) -> usize {
    (TILE_VALUES / shape.keys.max(1)).clamp(16, 512)
}

/// Softmax of each row of `scores` in place, seeing all or only past keys.
fn softmax_rows(scores: &mut [f32], keys: usize, first_query: usize, causal: bool) {
    vectorized(
        #[inline(always)]
        || {
            for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
                let seen = if causal {
                    (first_query + row + 1).min(keys)
                } else {
                    keys
                };
                let (scores, unseen) = scores.split_at_mut(seen);
                unseen.fill(0.0);
                let mut lanes = [f32::NEG_INFINITY; 16];
                let chunks = scores.chunks_exact(16);
                let mut largest = chunks
                    .remainder()
                    .iter()
                    .copied()
                    .fold(f32::NEG_INFINITY, f32::max);
                for chunk in chunks {
                    for (lane, score) in lanes.iter_mut().zip(chunk) {
                        *lane = if *score > *lane { *score } else { *lane };
                    }
                }
                largest = lanes.iter().copied().fold(largest, f32::max);
                let mut sums = [0.0f32; 16];
                let mut chunks = scores.chunks_exact_mut(16);
                for chunk in &mut chunks {
                    for (sum, score) in sums.iter_mut().zip(chunk) {
                        *score = exp(*score - largest);
                        *sum += *score;
                    }
                }
                let mut total: f32 = sums.iter().sum();
                for score in chunks.into_remainder() {
                    *score = exp(*score - largest);
                    total += *score;
                }
                let share = 1.0 / total;
                scores.iter_mut().for_each(|score| *score *= share);
            }
        },
    );
}

/// `softmax(q · kᵀ / √head_dim) · v` for every head (Vaswani et al. 2017).
///
/// # Shapes
/// - `q`: `[batch, queries, heads · head_dim]`
/// - `k`, `v`: `[batch, keys, heads · head_dim]`
/// - output: like `q`
pub fn attention(q: &[f32], k: &[f32], v: &[f32], shape: &AttentionShape) -> Vec<f32> {
    let AttentionShape {
        batch,
        heads,
        queries,
        keys,
        head_dim,
        causal,
    } = *shape;
    let width = shape.width();
    let mut out = vec![0.0; batch * queries * width];
    if keys == 0 || out.is_empty() {
        return out;
    }
    let step = tile_rows(shape);
    let shared = SharedOut::new(&mut out);
    let tiles_each = queries.div_ceil(step);
    (0..batch * heads * tiles_each)
        .into_par_iter()
        .for_each(|task| {
            let (pair, tile) = (task / tiles_each, task % tiles_each);
            let (item, head) = (pair / heads, pair % heads);
            let first = tile * step;
            let rows = step.min(queries - first);
            with_scratch(rows * keys, |scores| {
                let queries_here = shape.head(q, item, head, first, rows);
                let all_keys = shape.head(k, item, head, 0, keys);
                multiply(
                    scores,
                    keys,
                    queries_here,
                    all_keys.transposed(),
                    shape.scale(),
                    Into::Overwrite,
                );
                softmax_rows(scores, keys, first, causal);
                let start = (item * queries + first) * width + head * head_dim;
                #[allow(unsafe_code)]
                // SAFETY: a task writes only its own head's columns of its own rows.
                let out = unsafe { shared.part(start, (rows - 1) * width + head_dim) };
                multiply(
                    out,
                    width,
                    Mat::new(scores, rows, keys),
                    shape.head(v, item, head, 0, keys),
                    1.0,
                    Into::Overwrite,
                );
            });
        });
    out
}

/// Gradients of [`attention`] by `q`, `k` and `v`; the weights are computed anew.
pub fn attention_backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    dy: &[f32],
    shape: &AttentionShape,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let AttentionShape {
        batch,
        heads,
        queries,
        keys,
        head_dim,
        causal,
    } = *shape;
    let width = shape.width();
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    if keys == 0 || q.is_empty() {
        return (dq, dk, dv);
    }
    let step = tile_rows(shape);
    let (out_q, out_k, out_v) = (
        SharedOut::new(&mut dq),
        SharedOut::new(&mut dk),
        SharedOut::new(&mut dv),
    );
    (0..batch * heads).into_par_iter().for_each(|pair| {
        let (item, head) = (pair / heads, pair % heads);
        let column = head * head_dim;
        let keys_start = item * keys * width + column;
        let keys_len = (keys - 1) * width + head_dim;
        #[allow(unsafe_code)]
        // SAFETY: a task writes only its own head's columns of its own sequence.
        let (dk, dv) = unsafe {
            (
                out_k.part(keys_start, keys_len),
                out_v.part(keys_start, keys_len),
            )
        };
        let (all_keys, all_values) = (
            shape.head(k, item, head, 0, keys),
            shape.head(v, item, head, 0, keys),
        );
        let mut first = 0;
        while first < queries {
            let rows = step.min(queries - first);
            with_scratch(2 * rows * keys, |scratch| {
                let (weights, dscores) = scratch.split_at_mut(rows * keys);
                let queries_here = shape.head(q, item, head, first, rows);
                let dy = shape.head(dy, item, head, first, rows);
                multiply(
                    weights,
                    keys,
                    queries_here,
                    all_keys.transposed(),
                    shape.scale(),
                    Into::Overwrite,
                );
                softmax_rows(weights, keys, first, causal);
                let whole = Mat::new(weights, rows, keys);
                multiply(dv, width, whole.transposed(), dy, 1.0, Into::Add);
                multiply(
                    dscores,
                    keys,
                    dy,
                    all_values.transposed(),
                    1.0,
                    Into::Overwrite,
                );
                vectorized(
                    #[inline(always)]
                    || {
                        for (ds, p) in dscores
                            .chunks_exact_mut(keys)
                            .zip(weights.chunks_exact(keys))
                        {
                            let mean = dot(ds, p);
                            for (ds, p) in ds.iter_mut().zip(p) {
                                *ds = p * (*ds - mean);
                            }
                        }
                    },
                );
                let dscores = Mat::new(dscores, rows, keys);
                let start = (item * queries + first) * width + column;
                #[allow(unsafe_code)]
                // SAFETY: as above.
                let dq = unsafe { out_q.part(start, (rows - 1) * width + head_dim) };
                multiply(dq, width, dscores, all_keys, shape.scale(), Into::Overwrite);
                multiply(
                    dk,
                    width,
                    dscores.transposed(),
                    queries_here,
                    shape.scale(),
                    Into::Add,
                );
            });
            first += rows;
        }
    });
    (dq, dk, dv)
}
