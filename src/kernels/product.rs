//! Products of matrices in tiles that stay in registers: of a few rows of the first matrix
//! with a panel of columns of the second.
//!
//! What is done with a finished tile is the caller's: it is stored, added, or goes on
//! through an activation before it is ever written. Panels lie as they are read, so whoever
//! makes a matrix anyway (patches, transformed pictures, weights of attention) makes it in
//! panels, and nothing is packed.
//!
//! Why not always by the `gemm` crate, which does this for every processor: see
//! docs/performance.md. Where there is no AVX2 it does.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::activation::gelu_at;
use super::matrix::{Mat, MatMut};
use super::share::with_scratch;
use super::weights::Weights;

/// Rows of a tile: with the vectors of a panel they fill the registers.
const ROWS: usize = 6;
/// Values of panels that are held together: half of a second level of the cache.
const GROUP: usize = 128 * 1024;
/// Fewer rows or columns than this do not repay the laying out of panels.
const MIN_SIDE: usize = 8;

/// Vectors that stand side by side in a panel at most.
const fn most_vectors<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}

/// Columns of a panel at most.
pub const fn panel_width<S: Simd>() -> usize {
    most_vectors::<S>() * S::F32_LANES
}

/// Columns of a panel at most, on any processor.
pub const MAX_WIDTH: usize = 64;

/// Whether tiles are quicker here than the crate for matrices: see docs/performance.md.
pub fn is_quick() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        pulp::x86::V3::try_new().is_some()
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What becomes of the rows of finished tiles.
pub trait Finish<S: Simd> {
    /// Takes a row of a tile: the sums of so many vectors side by side.
    fn finish<const V: usize>(&mut self, simd: S, row: usize, sums: [S::f32s; V]);
}

/// A panel: lines of `pitch` vectors one after the other, of which the first `vectors` are
/// multiplied. Either all are, or a line is as long as one can be.
#[derive(Clone, Copy)]
pub struct Panel<'a, T> {
    /// All of it.
    pub lines: &'a [T],
    /// Vectors of a line.
    pub pitch: usize,
    /// Those that are multiplied.
    pub vectors: usize,
}

/// Multiplies all rows of `a` with a panel of as many lines as `a` has columns.
#[inline(always)]
pub fn multiply_panel<S: Simd>(
    simd: S,
    a: Mat<'_>,
    panel: Panel<'_, S::f32s>,
    finish: &mut impl Finish<S>,
) {
    for row in (0..a.rows()).step_by(ROWS) {
        some_rows(simd, a, row, panel, finish);
    }
}

/// Multiplies a tile's rows with a panel.
#[inline(always)]
fn some_rows<S: Simd>(
    simd: S,
    a: Mat<'_>,
    row: usize,
    panel: Panel<'_, S::f32s>,
    finish: &mut impl Finish<S>,
) {
    let lines = panel.lines;
    match (panel.pitch, panel.vectors) {
        (1, _) => some_rows_by::<S, 1, 1>(simd, a, row, lines, finish),
        (2, 1) => some_rows_by::<S, 2, 1>(simd, a, row, lines, finish),
        (2, _) => some_rows_by::<S, 2, 2>(simd, a, row, lines, finish),
        (3, _) => some_rows_by::<S, 3, 3>(simd, a, row, lines, finish),
        (_, 1) => some_rows_by::<S, 4, 1>(simd, a, row, lines, finish),
        (_, 2) => some_rows_by::<S, 4, 2>(simd, a, row, lines, finish),
        (_, 3) => some_rows_by::<S, 4, 3>(simd, a, row, lines, finish),
        _ => some_rows_by::<S, 4, 4>(simd, a, row, lines, finish),
    }
}

#[inline(always)]
fn some_rows_by<S: Simd, const P: usize, const V: usize>(
    simd: S,
    a: Mat<'_>,
    row: usize,
    lines: &[S::f32s],
    finish: &mut impl Finish<S>,
) {
    let lines = &lines.as_chunks::<P>().0[..a.cols()];
    match a.rows() - row {
        1 => tile::<S, 1, P, V>(simd, a, row, lines, finish),
        2 => tile::<S, 2, P, V>(simd, a, row, lines, finish),
        3 => tile::<S, 3, P, V>(simd, a, row, lines, finish),
        4 => tile::<S, 4, P, V>(simd, a, row, lines, finish),
        5 => tile::<S, 5, P, V>(simd, a, row, lines, finish),
        _ => tile::<S, ROWS, P, V>(simd, a, row, lines, finish),
    }
}

#[allow(
    clippy::needless_range_loop,
    reason = "iterators would keep the sums in memory"
)]
#[inline(always)]
fn tile<S: Simd, const R: usize, const P: usize, const V: usize>(
    simd: S,
    a: Mat<'_>,
    first: usize,
    lines: &[[S::f32s; P]],
    finish: &mut impl Finish<S>,
) {
    let mut rows: [&[f32]; R] = [&[]; R];
    for i in 0..R {
        rows[i] = &a.row(first + i)[..lines.len()];
    }
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for (k, line) in lines.iter().enumerate() {
        for i in 0..R {
            let value = simd.splat_f32s(rows[i][k]);
            for v in 0..V {
                sums[i][v] = simd.mul_add_e_f32s(value, line[v], sums[i][v]);
            }
        }
    }
    for i in 0..R {
        finish.finish::<V>(simd, first + i, sums[i]);
    }
}

/// Whether products of such sizes are quick here.
pub fn suits(rows: usize, inner: usize, columns: usize) -> bool {
    rows.min(inner).min(columns) >= MIN_SIDE && is_quick()
}

/// A product with a panel.
struct WithPanel<'a, 'b> {
    a: Mat<'a>,
    panel: &'a [f32],
    out: MatMut<'b>,
}

impl WithSimd for WithPanel<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (lines, _) = S::as_simd_f32s(self.panel);
        let panel = Panel {
            lines,
            pitch: lines.len() / self.a.cols().max(1),
            vectors: self.out.cols().div_ceil(S::F32_LANES),
        };
        multiply_panel(simd, self.a, panel, &mut Store(&mut self.out));
    }
}

/// Stores tiles, of panels that may be wider than what they are stored in.
struct Store<'a, 'b>(&'a mut MatMut<'b>);

impl<S: Simd> Finish<S> for Store<'_, '_> {
    #[inline(always)]
    fn finish<const V: usize>(&mut self, simd: S, row: usize, sums: [S::f32s; V]) {
        let (whole, rest) = S::as_mut_simd_f32s(self.0.row(row));
        for v in 0..V {
            if v < whole.len() {
                whole[v] = sums[v];
            } else if v == whole.len() {
                simd.partial_store_f32s(rest, sums[v]);
            }
        }
    }
}

/// `out = a · b` with a matrix that lies as a panel already, which may be wider than `out`.
///
/// # Panics
/// When the shapes do not fit: a bug of the caller.
pub fn multiply_by_panel(out: MatMut<'_>, a: Mat<'_>, panel: &[f32]) {
    assert_eq!(out.rows(), a.rows(), "product does not fit");
    Arch::new().dispatch(WithPanel { a, panel, out });
}

/// How so many columns fall into panels with lines of the same length: the number of panels
/// and the length.
pub fn panels(columns: usize) -> [usize; 2] {
    struct Sizes(usize);
    impl WithSimd for Sizes {
        type Output = [usize; 2];

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> [usize; 2] {
            let vectors = self.0.div_ceil(S::F32_LANES);
            let most = most_vectors::<S>();
            [vectors.div_ceil(most), vectors.min(most) * S::F32_LANES]
        }
    }
    Arch::new().dispatch(Sizes(columns))
}

/// A layer's weights `[inputs, 2 · hidden]`, of values and then of gates, which are laid out
/// where they are used, and widened if they are held in half precision.
#[derive(Clone, Copy)]
pub struct GatedWeights<'a> {
    /// The matrix.
    pub values: Weights<'a>,
    /// A number for each column.
    pub bias: &'a [f32],
    /// Its rows.
    pub inputs: usize,
    /// Half of its columns.
    pub hidden: usize,
}

/// A product with them.
struct Gated<'a, 'b> {
    a: Mat<'a>,
    weights: GatedWeights<'a>,
    columns: Range<usize>,
    out: MatMut<'b>,
    panels: &'a mut [f32],
}

impl Gated<'_, '_> {
    /// Lays some columns out in a panel: their values, then their gates.
    fn lay_out(&mut self, columns: Range<usize>, width: usize, panel: usize) {
        let GatedWeights { values, hidden, .. } = self.weights;
        let panel = &mut self.panels[panel..][..2 * width * self.weights.inputs];
        for (row, line) in panel.chunks_exact_mut(2 * width).enumerate() {
            for (half, line) in line.chunks_exact_mut(width).enumerate() {
                let (line, rest) = line.split_at_mut(columns.len());
                values.widen((2 * row + half) * hidden + columns.start, line);
                rest.fill(0.0);
            }
        }
    }
}

impl WithSimd for Gated<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let GatedWeights {
            bias,
            inputs,
            hidden,
            ..
        } = self.weights;
        let (values, gates) = bias.split_at(hidden);
        let width = panel_width::<S>() / 2;
        // As many panels as stay in the cache: rows are read once for all of them.
        let together = (GROUP / 2 / inputs).next_multiple_of(width);
        let end = self.columns.end;
        for start in self.columns.clone().step_by(together) {
            let panels = (start..(start + together).min(end)).step_by(width);
            for first in panels.clone() {
                let columns = first..(first + width).min(end);
                let width = columns.len().next_multiple_of(S::F32_LANES);
                self.lay_out(columns, width, 2 * (first - start) * inputs);
            }
            for row in (0..self.a.rows()).step_by(ROWS) {
                for first in panels.clone() {
                    let columns = first..(first + width).min(end);
                    let vectors = 2 * columns.len().div_ceil(S::F32_LANES);
                    let panel = &self.panels[2 * (first - start) * inputs..];
                    let panel = Panel {
                        lines: S::as_simd_f32s(panel).0,
                        pitch: vectors,
                        vectors,
                    };
                    let mut store = StoreGated {
                        out: &mut self.out,
                        first: first - self.columns.start,
                        bias: [&values[columns.clone()], &gates[columns]],
                    };
                    some_rows(simd, self.a, row, panel, &mut store);
                }
            }
        }
    }
}

/// Multiplies values with what becomes of their gates.
struct StoreGated<'a, 'b> {
    out: &'a mut MatMut<'b>,
    first: usize,
    bias: [&'a [f32]; 2],
}

impl<S: Simd> Finish<S> for StoreGated<'_, '_> {
    #[inline(always)]
    fn finish<const V: usize>(&mut self, _: S, row: usize, sums: [S::f32s; V]) {
        let mut both = [0.0; MAX_WIDTH];
        S::as_mut_simd_f32s(&mut both).0[..V].copy_from_slice(&sums);
        let (values, gates) = both[..V * S::F32_LANES].split_at(V / 2 * S::F32_LANES);
        let values = values.iter().zip(self.bias[0]);
        let gates = gates.iter().zip(self.bias[1]);
        let out = &mut self.out.row(row)[self.first..];
        for ((out, (value, bias)), (gate, gate_bias)) in out.iter_mut().zip(values).zip(gates) {
            *out = (value + bias) * gelu_at(gate + gate_bias);
        }
    }
}

/// `(a · b + bias)` of the first half of the columns of `b`, times GELU of that of the
/// second half; of so many columns of the result, on one thread.
///
/// # Panics
/// When the shapes do not fit: a bug of the caller.
pub fn multiply_gated(
    out: MatMut<'_>,
    a: Mat<'_>,
    weights: GatedWeights<'_>,
    columns: Range<usize>,
) {
    assert_eq!(a.cols(), weights.inputs, "inner sizes differ");
    let count = 2 * weights.inputs * weights.hidden;
    assert_eq!(weights.values.len(), count, "weights do not fit");
    let sizes = [a.rows(), columns.len()];
    assert_eq!([out.rows(), out.cols()], sizes, "product does not fit");
    with_scratch(GROUP + MAX_WIDTH * weights.inputs, |panels| {
        Arch::new().dispatch(Gated {
            a,
            weights,
            columns,
            out,
            panels,
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, step: usize) -> Vec<f32> {
        let numbers = (0..count).map(|i| ((i * step % 101) as f32 - 50.0) / 50.0);
        numbers.collect()
    }

    fn product(a: &[f32], b: &[f32], [rows, inner, columns]: [usize; 3]) -> Vec<f32> {
        let at = |row: usize, column: usize| {
            let products = (0..inner).map(|k| a[row * inner + k] * b[k * columns + column]);
            products.sum()
        };
        let places = (0..rows * columns).map(|i| at(i / columns, i % columns));
        places.collect()
    }

    fn assert_close(ours: &[f32], expected: &[f32], what: &str) {
        for (ours, expected) in ours.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-4, "{what}: {ours} {expected}");
        }
    }

    /// Products with vectors of one kind.
    fn are_right(simd: impl Simd, what: &str) {
        struct Check<'a>(&'a str);
        impl WithSimd for Check<'_> {
            type Output = ();

            fn with_simd<S: Simd>(self, simd: S) {
                let most = panel_width::<S>();
                for (rows, inner, columns, is_long) in [
                    (1, 8, most, false),
                    (6, 9, 1, false),
                    (6, 9, 1, true),
                    (11, 13, most - 1, false),
                    (5, 3, most / 2 + 1, true),
                ] {
                    let sizes = [rows, inner, columns];
                    let (a, b) = (values(rows * inner, 37), values(inner * columns, 23));
                    let width = columns.next_multiple_of(S::F32_LANES);
                    let width = if is_long { most } else { width };
                    let mut panel = vec![7.0; inner * width];
                    for (line, row) in panel.chunks_exact_mut(width).zip(b.chunks(columns)) {
                        line[..columns].copy_from_slice(row);
                    }
                    let mut out = vec![9.0; rows * columns];
                    let with_panel = WithPanel {
                        a: Mat::new(&a, rows, inner),
                        panel: &panel,
                        out: MatMut::new(&mut out, rows, columns),
                    };
                    with_panel.with_simd(simd);
                    assert_close(&out, &product(&a, &b, sizes), self.0);
                }
                let (rows, inputs, hidden) = (7, 10, 3 * most / 2 + 3);
                let a = values(rows * inputs, 37);
                let (b, bias) = (values(inputs * 2 * hidden, 23), values(2 * hidden, 5));
                let both = product(&a, &b, [rows, inputs, 2 * hidden]);
                let expected: Vec<f32> = (0..rows * hidden)
                    .map(|i| {
                        let (row, column) = (i / hidden, i % hidden);
                        let sum = |column| both[row * 2 * hidden + column] + bias[column];
                        sum(column) * gelu_at(sum(hidden + column))
                    })
                    .collect();
                // In two parts, of which neither begins with a panel.
                let mut out = vec![9.0; rows * hidden];
                let parts = [0..2, 2..hidden];
                let outs = MatMut::new(&mut out, rows, hidden).cut_columns([2, hidden - 2]);
                for (columns, out) in parts.into_iter().zip(outs) {
                    let gated = Gated {
                        a: Mat::new(&a, rows, inputs),
                        weights: GatedWeights {
                            values: Weights::F32(&b),
                            bias: &bias,
                            inputs,
                            hidden,
                        },
                        columns,
                        out,
                        panels: &mut vec![0.0; 2 * GROUP],
                    };
                    gated.with_simd(simd);
                }
                assert_close(&out, &expected, self.0);
            }
        }
        simd.vectorize(Check(what));
    }

    #[test]
    fn products_are_right_with_vectors_of_every_kind() {
        are_right(pulp::Scalar, "one number");
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V3::try_new() {
                are_right(simd, "AVX2");
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                are_right(simd, "AVX-512");
            }
        }
    }
}
