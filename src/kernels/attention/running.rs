//! Attention to keys block by block, with a softmax that runs along.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::AttentionShape;
use crate::kernels::matrix::{Mat, MatMut};
use crate::kernels::product::{Finish, MAX_WIDTH, Panel, multiply_panel, panel_width};
use crate::kernels::share::with_scratch;

/// Queries of a task.
const TASK_QUERIES: usize = 64;
/// Keys that a panel of queries looks at together: their scores take 32 KiB, as much as the
/// first level of the cache.
const BLOCK_KEYS: usize = 128;
/// Values of a head whose places are exchanged by one task.
const TASK_VALUES: usize = 32;

/// `softmax(q · kᵀ / √head_dim) · v` for every head (Vaswani et al. 2017), the
/// keys block by block with a running softmax (Dao et al. 2022,
/// <https://arxiv.org/abs/2205.14135>).
///
/// Scores and results of a panel are held transposed, with the queries side by
/// side: then nothing is summed across a vector, heads of any width fill it, and the
/// scores are the panel that the values are multiplied with.
///
/// # Shapes
/// - `q`: `[batch, queries, heads · head_dim]`
/// - `k`, `v`: `[batch, keys, heads · head_dim]`
/// - output: like `q`
pub fn attention(q: &[f32], k: &[f32], v: &[f32], shape: &AttentionShape) -> Vec<f32> {
    let AttentionShape {
        heads,
        queries,
        keys,
        head_dim,
        causal,
        ..
    } = *shape;
    let mut out = vec![0.0; q.len()];
    if keys == 0 || out.is_empty() {
        return out;
    }
    let values = transposed_values(v, shape);
    let starts = || (0..queries).step_by(TASK_QUERIES);
    let tasks: Vec<_> = shape
        .heads_of(&mut out)
        .into_iter()
        .enumerate()
        .flat_map(|(pair, head)| {
            let counts = starts().map(|first| TASK_QUERIES.min(queries - first));
            let tasks = starts().zip(head.cut_rows(counts));
            tasks.map(move |(first, out)| (pair, first, out))
        })
        .collect();
    tasks.into_par_iter().for_each(|(pair, first, out)| {
        let (item, head) = (pair / heads, pair % heads);
        let room = (2 * head_dim + BLOCK_KEYS) * MAX_WIDTH;
        with_scratch(room, |scratch| {
            Arch::new().dispatch(Task {
                queries: shape.head(q, item, head, first, out.rows()),
                keys: shape.head(k, item, head, 0, keys),
                values: Mat::new(&values[pair * head_dim * keys..], head_dim, keys),
                first: causal.then_some(first),
                scale: shape.scale() * std::f32::consts::LOG2_E,
                out,
                scratch,
            });
        });
    });
    out
}

/// The values with the keys side by side: `[batch, heads · head_dim, keys]`.
fn transposed_values(v: &[f32], shape: &AttentionShape) -> Vec<f32> {
    let AttentionShape { keys, head_dim, .. } = *shape;
    let (width, mut out) = (shape.width(), vec![0.0; v.len()]);
    out.par_chunks_mut(TASK_VALUES * keys)
        .enumerate()
        .for_each(|(task, lines)| {
            // All heads of a sequence lie one after the other, as its columns do.
            for block in (0..keys).step_by(TASK_VALUES) {
                for (line, index) in lines.chunks_exact_mut(keys).zip(task * TASK_VALUES..) {
                    let (item, column) = (index / width, index % width);
                    let line = &mut line[block..(block + TASK_VALUES).min(keys)];
                    let from = &v[(item * keys + block) * width + column..];
                    for (out, value) in line.iter_mut().zip(from.iter().step_by(width)) {
                        *out = *value;
                    }
                }
            }
        });
    debug_assert_eq!(width % head_dim, 0);
    out
}

/// Some queries of one head.
struct Task<'a, 'b> {
    queries: Mat<'a>,
    keys: Mat<'a>,
    /// Transposed.
    values: Mat<'a>,
    /// The number of the first query, if one sees only the keys up to its own.
    first: Option<usize>,
    /// Of scores, whose exponentials are powers of two.
    scale: f32,
    out: MatMut<'b>,
    scratch: &'a mut [f32],
}

impl WithSimd for Task<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let rows = self.queries.rows();
        for first in (0..rows).step_by(panel_width::<S>()) {
            let count = panel_width::<S>().min(rows - first);
            match count.div_ceil(S::F32_LANES) {
                1 => self.panel::<S, 1>(simd, first, count),
                2 => self.panel::<S, 2>(simd, first, count),
                3 => self.panel::<S, 3>(simd, first, count),
                _ => self.panel::<S, 4>(simd, first, count),
            }
        }
    }
}

impl Task<'_, '_> {
    /// A panel of queries, so many vectors wide.
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, first: usize, count: usize) {
        let width = V * S::F32_LANES;
        let head_dim = self.queries.cols();
        let (queries, rest) = self.scratch.split_at_mut(head_dim * width);
        let (results, scores) = rest.split_at_mut(head_dim * width);
        let rows = self.queries.sub_rows(first..first + count);
        stand_up(rows, self.scale, width, queries);
        let (queries, _) = S::as_simd_f32s(queries);
        results.fill(0.0);
        let mut running = Running {
            largest: [simd.splat_f32s(f32::MIN); V],
            total: [simd.splat_f32s(0.0); V],
        };
        let keys = self.keys.rows();
        // Nothing behind the last query is seen.
        let seen = self
            .first
            .map_or(keys, |task| keys.min(task + first + count));
        for start in (0..seen).step_by(BLOCK_KEYS) {
            let block = start..(start + BLOCK_KEYS).min(seen);
            let scores = &mut scores[..block.len() * width];
            let mut store = Scores(S::as_mut_simd_f32s(scores).0);
            let panel = |lines| Panel {
                lines,
                pitch: V,
                vectors: V,
            };
            let keys = self.keys.sub_rows(block.clone());
            multiply_panel(simd, keys, panel(queries), &mut store);
            if let Some(task) = self.first {
                for (key, line) in block.clone().zip(scores.chunks_exact_mut(width)) {
                    line[..key.saturating_sub(task + first).min(width)].fill(f32::NEG_INFINITY);
                }
            }
            let (lines, _) = S::as_mut_simd_f32s(scores);
            let factors = running.exponentials(simd, lines.as_chunks_mut::<V>().0);
            let mut store = Results {
                lines: S::as_mut_simd_f32s(results).0.as_chunks_mut::<V>().0,
                factors,
            };
            multiply_panel(
                simd,
                self.values.sub_columns(block),
                panel(lines),
                &mut store,
            );
        }
        let mut totals = [0.0; MAX_WIDTH];
        for (v, total) in running.total.into_iter().enumerate() {
            S::as_mut_simd_f32s(&mut totals[v * S::F32_LANES..]).0[0] = total;
        }
        lay_down(results, &totals[..count], width, &mut self.out, first);
    }
}

/// Lays rows side by side, scaled.
///
/// Compiled for any processor, as [`lay_down`] is: with vectors of 512 bits the compiler would
/// gather what lies apart, which takes three times as long.
#[inline(never)]
fn stand_up(rows: Mat<'_>, scale: f32, width: usize, out: &mut [f32]) {
    out.fill(0.0);
    for row in 0..rows.rows() {
        for (line, value) in out.chunks_exact_mut(width).zip(rows.row(row)) {
            line[row] = value * scale;
        }
    }
}

/// Takes results that lie side by side to rows, divided by their totals.
#[inline(never)]
fn lay_down(results: &[f32], totals: &[f32], width: usize, out: &mut MatMut<'_>, first: usize) {
    for (query, total) in totals.iter().enumerate() {
        let share = 1.0 / total;
        let out = out.row(first + query);
        for (out, line) in out.iter_mut().zip(results.chunks_exact(width)) {
            *out = line[query] * share;
        }
    }
}

/// Keeps scores.
struct Scores<'a, T>(&'a mut [T]);

impl<S: Simd> Finish<S> for Scores<'_, S::f32s> {
    #[inline(always)]
    fn finish<const V: usize>(&mut self, _: S, row: usize, sums: [S::f32s; V]) {
        self.0[row * V..][..V].copy_from_slice(&sums);
    }
}

/// Adds to results, which are multiplied first, because the largest score may have grown.
struct Results<'a, T, const W: usize> {
    lines: &'a mut [[T; W]],
    factors: [T; W],
}

impl<S: Simd, const W: usize> Finish<S> for Results<'_, S::f32s, W> {
    #[inline(always)]
    fn finish<const V: usize>(&mut self, simd: S, row: usize, sums: [S::f32s; V]) {
        let line = self.lines[row].iter_mut().zip(self.factors);
        for ((result, factor), sum) in line.zip(sums) {
            *result = simd.mul_add_e_f32s(*result, factor, sum);
        }
    }
}

/// What a panel of queries has seen so far.
struct Running<T, const V: usize> {
    /// The largest score.
    largest: [T; V],
    /// The sum of 2^(score − largest).
    total: [T; V],
}

impl<T: Copy, const V: usize> Running<T, V> {
    /// Turns scores into 2^(score − largest so far), and returns what earlier results must
    /// be multiplied with (Milakov and Gimelshein 2018, <https://arxiv.org/abs/1805.02867>).
    #[inline(always)]
    fn exponentials<S: Simd<f32s = T>>(&mut self, simd: S, scores: &mut [[T; V]]) -> [T; V] {
        let before = self.largest;
        for line in &*scores {
            for (largest, score) in self.largest.iter_mut().zip(line) {
                *largest = simd.max_f32s(*largest, *score);
            }
        }
        let mut factors = before;
        for v in 0..V {
            factors[v] = power_of_two(simd, simd.sub_f32s(before[v], self.largest[v]));
            self.total[v] = simd.mul_f32s(self.total[v], factors[v]);
        }
        for line in scores {
            let running = self.largest.iter().zip(&mut self.total);
            for (score, (largest, total)) in line.iter_mut().zip(running) {
                *score = power_of_two(simd, simd.sub_f32s(*score, *largest));
                *total = simd.add_f32s(*total, *score);
            }
        }
        factors
    }
}

/// `2^x` for x ≤ 0 or not a number, to 2 units in the last place; below −125 it stays at
/// 2.4e-38.
///
/// The polynomial of Cephes' `exp2f`.
#[inline(always)]
fn power_of_two<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    /// Adding it rounds to an integer, which is then in the lowest bits with the bias of an
    /// exponent: 1.5 · 2^23 + 127.
    const ROUND: f32 = 12_583_039.0;
    const POLYNOMIAL: [f32; 6] = [
        1.339_887_4e-3,
        9.618_437e-3,
        5.550_332_6e-2,
        2.402_264_8e-1,
        6.931_472e-1,
        1.0,
    ];
    // A comparison, not `max`: that would turn NaN into a number where there are no vectors.
    let least = simd.splat_f32s(-125.0);
    let x = simd.select_f32s(simd.less_than_f32s(x, least), least, x);
    let shifted = simd.add_f32s(x, simd.splat_f32s(ROUND));
    let rest = simd.sub_f32s(x, simd.sub_f32s(shifted, simd.splat_f32s(ROUND)));
    let mut power = simd.splat_f32s(1.535_336_2e-4);
    for factor in POLYNOMIAL {
        power = simd.mul_add_e_f32s(power, rest, simd.splat_f32s(factor));
    }
    // The integer goes into the exponent; the bits above it fall off the end. A product, not
    // a sum of bits, which would make a number of some NaN.
    let whole = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.mul_f32s(power, simd.transmute_f32s_u32s(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, step: usize) -> Vec<f32> {
        let numbers = (0..count).map(|i| ((i * step % 101) as f32 - 50.0) / 25.0);
        numbers.collect()
    }

    /// One head with vectors of one kind.
    fn is_right(simd: impl Simd, first: Option<usize>) {
        let (queries, keys, head_dim) = (37, 300, 11);
        let (q, k, v) = (
            values(queries * head_dim, 37),
            values(keys * head_dim, 23),
            values(keys * head_dim, 29),
        );
        let mut expected = Vec::new();
        for (query, q) in q.chunks_exact(head_dim).enumerate() {
            let seen = first.map_or(keys, |first| first + query + 1);
            let scores = k.chunks_exact(head_dim).take(seen).map(|k| {
                let products = q.iter().zip(k).map(|(q, k)| f64::from(q * k));
                (products.sum::<f64>() / 3.0).exp()
            });
            let scores: Vec<f64> = scores.collect();
            let total: f64 = scores.iter().sum();
            expected.extend((0..head_dim).map(|column| {
                let parts = scores.iter().enumerate();
                let parts = parts.map(|(key, s)| s * f64::from(v[key * head_dim + column]));
                (parts.sum::<f64>() / total) as f32
            }));
        }
        let shape = AttentionShape {
            batch: 1,
            heads: 1,
            queries,
            keys,
            head_dim,
            causal: first.is_some(),
        };
        let standing = transposed_values(&v, &shape);
        let attend = |q: &[f32], k: &[f32]| {
            let mut out = vec![9.0; queries * head_dim];
            simd.vectorize(Task {
                queries: Mat::new(q, queries, head_dim),
                keys: Mat::new(k, keys, head_dim),
                values: Mat::new(&standing, head_dim, keys),
                first,
                scale: std::f32::consts::LOG2_E / 3.0,
                out: MatMut::new(&mut out, queries, head_dim),
                scratch: &mut vec![7.0; (2 * head_dim + BLOCK_KEYS) * MAX_WIDTH],
            });
            out
        };
        for (ours, expected) in attend(&q, &k).iter().zip(expected) {
            assert!(
                (ours - expected).abs() < 1e-5,
                "{simd:?}: {ours} {expected}"
            );
        }
        // One query or key that is no number makes no numbers of all who look at it.
        let (mut no_query, mut no_key) = (q.clone(), k.clone());
        no_query[3 * head_dim + 1] = f32::NAN;
        no_key[140 * head_dim + 1] = f32::from_bits(0x7FC0_0155);
        for (q, k, one) in [(&no_query, &k, Some(3)), (&q, &no_key, None)] {
            for (query, row) in attend(q, k).chunks_exact(head_dim).enumerate() {
                let seen = first.map_or(keys, |first| first + query + 1);
                let is_odd = one.map_or(seen > 140, |odd| odd == query);
                assert!(
                    row.iter().all(|value| value.is_nan() == is_odd),
                    "{simd:?}: query {query} of {one:?}: {row:?}"
                );
            }
        }
    }

    #[test]
    fn heads_are_right_with_vectors_of_every_kind() {
        for first in [None, Some(0), Some(260)] {
            is_right(pulp::Scalar, first);
            #[cfg(target_arch = "x86_64")]
            {
                if let Some(simd) = pulp::x86::V3::try_new() {
                    is_right(simd, first);
                }
                if let Some(simd) = pulp::x86::V4::try_new() {
                    is_right(simd, first);
                }
            }
        }
    }

    #[test]
    fn powers_of_two_are_close() {
        struct Power(f32);
        impl WithSimd for Power {
            type Output = f32;

            fn with_simd<S: Simd>(self, simd: S) -> f32 {
                let power = power_of_two(simd, simd.splat_f32s(self.0));
                simd.reduce_max_f32s(power)
            }
        }
        for i in -12_500..=0 {
            let x = i as f32 * 0.01;
            let (got, want) = (Arch::new().dispatch(Power(x)), f64::from(x).exp2());
            assert!(
                (f64::from(got) - want).abs() <= want * 3e-7,
                "{x}: {got} {want}"
            );
        }
        assert!(Arch::new().dispatch(Power(f32::NEG_INFINITY)) < 3e-38);
        assert_eq!(Arch::new().dispatch(Power(0.0)), 1.0);
    }
}
