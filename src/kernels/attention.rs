//! Multi-head attention in row tiles: the weights of a tile of queries live in
//! a small buffer, never the whole `queries × keys` matrix.

mod running;

use rayon::prelude::*;

pub use self::running::attention;
use super::matrix::{Into, Mat, MatMut, multiply};
use super::share::with_scratch;
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

    /// What belongs to each head of each sequence.
    fn heads_of<'a>(&self, x: &'a mut [f32]) -> Vec<MatMut<'a>> {
        let rows = x.len() / self.width();
        MatMut::new(x, rows, self.width())
            .cut_rows(std::iter::repeat_n(rows / self.batch, self.batch))
            .into_iter()
            .flat_map(|sequence| {
                sequence.cut_columns(std::iter::repeat_n(self.head_dim, self.heads))
            })
            .collect()
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

/// Gradients of [`attention`] by `q`, `k` and `v`; the weights are computed anew.
pub fn attention_backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    dy: &[f32],
    shape: &AttentionShape,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let AttentionShape {
        heads,
        queries,
        keys,
        causal,
        ..
    } = *shape;
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    if keys == 0 || q.is_empty() {
        return (dq, dk, dv);
    }
    let step = tile_rows(shape);
    let (out_q, out_k, out_v) = (
        shape.heads_of(&mut dq),
        shape.heads_of(&mut dk),
        shape.heads_of(&mut dv),
    );
    let tasks = out_q.into_par_iter().zip(out_k).zip(out_v).enumerate();
    tasks.for_each(|(pair, ((mut dq, mut dk), mut dv))| {
        let (item, head) = (pair / heads, pair % heads);
        let (all_keys, all_values) = (
            shape.head(k, item, head, 0, keys),
            shape.head(v, item, head, 0, keys),
        );
        for first in (0..queries).step_by(step) {
            let rows = step.min(queries - first);
            let (dq, _) = dq.reborrow().split_rows(first + rows);
            let (_, dq) = dq.split_rows(first);
            with_scratch(2 * rows * keys, |scratch| {
                let (weights, dscores) = scratch.split_at_mut(rows * keys);
                let queries_here = shape.head(q, item, head, first, rows);
                let dy = shape.head(dy, item, head, first, rows);
                multiply(
                    MatMut::new(weights, rows, keys),
                    queries_here,
                    all_keys.transposed(),
                    shape.scale(),
                    Into::Overwrite,
                );
                softmax_rows(weights, keys, first, causal);
                let whole = Mat::new(weights, rows, keys);
                multiply(dv.reborrow(), whole.transposed(), dy, 1.0, Into::Add);
                multiply(
                    MatMut::new(dscores, rows, keys),
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
                multiply(dq, dscores, all_keys, shape.scale(), Into::Overwrite);
                multiply(
                    dk.reborrow(),
                    dscores.transposed(),
                    queries_here,
                    shape.scale(),
                    Into::Add,
                );
            });
        }
    });
    (dq, dk, dv)
}
