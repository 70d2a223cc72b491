//! Products with weights that are widened while they are multiplied: part by part, small
//! enough for the cache, so that they are read from memory in half the bytes and never
//! written there.
//!
//! The sums are those of f32 weights bit for bit on x86-64 with FMA: there the parts are as deep
//! as those in which the `gemm` crate sums up itself. On processors whose caches let it take
//! deeper ones (Apple's), sums of more than 512 products differ in the last bits.

use std::ops::Range;

use super::matrix::{Into, Mat, MatMut, multiply};
use super::weights::Weights;

/// Depth that the matrix kernel sums up at most before it adds to the result.
const MOST_DEPTH: usize = 512;
/// Of results with sides up to this it always takes so much and the rest; of others parts of
/// equal depth.
pub const SMALL_SIDE: usize = 64;
/// It takes another way for a column with no more than 256 rows: half of more than this has more.
const LEAST_ROWS: usize = 520;
/// Such parts of a row that are widened together: what lies side by side is read faster.
const TOGETHER: usize = 2;

/// The parts in which the matrix kernel sums up a product of so many rows and columns.
fn depths([rows, columns]: [usize; 2], depth: usize) -> impl Iterator<Item = Range<usize>> {
    let each = if rows <= 1 || columns <= 1 {
        // By other kernels, which go through at once.
        depth
    } else if rows <= SMALL_SIDE && columns <= SMALL_SIDE {
        MOST_DEPTH
    } else {
        depth.div_ceil(depth.div_ceil(MOST_DEPTH).max(1))
    };
    let starts = (0..depth).step_by(each.max(1));
    starts.map(move |start| start..(start + each).min(depth))
}

/// `out = x · weight` or `out += x · weight`, of some columns of a weight that is `width`
/// wide, on one thread.
///
/// # Panics
/// When the shapes do not fit: a bug of the caller.
pub fn multiply_columns(
    mut out: MatMut<'_>,
    x: Mat<'_>,
    weight: Weights<'_>,
    width: usize,
    columns: Range<usize>,
    into: Into,
) {
    if let Weights::F32(weight) = weight {
        let weight = Mat::new(weight, x.cols(), width).sub_columns(columns);
        return multiply(out, x, weight, 1.0, into);
    }
    let depths: Vec<_> = depths([x.rows(), columns.len()], x.cols()).collect();
    let deepest = depths.first().map_or(0, Range::len);
    for block in weight.blocks(columns.len(), deepest, 1) {
        let (mut part, others) = out.split_columns(block.len());
        out = others;
        let block = columns.start + block.start..columns.start + block.end;
        for depth in &depths {
            let into = if depth.start == 0 { into } else { Into::Add };
            weight.part_in_f32(width, depth.clone(), block.clone(), |weight| {
                let weight = Mat::new(weight, depth.len(), block.len());
                let x = x.sub_columns(depth.clone());
                multiply(part.reborrow(), x, weight, 1.0, into);
            });
        }
    }
}

/// `out = weight · x` or `out += weight · x`, of some rows of a weight that has `count` of
/// them, for several `x`, on one thread: what is widened is used for all of them.
///
/// # Panics
/// When the shapes do not fit: a bug of the caller.
pub fn multiply_rows(
    mut products: Vec<(MatMut<'_>, Mat<'_>)>,
    weight: Weights<'_>,
    rows: Range<usize>,
    count: usize,
    into: Into,
) {
    let width = products.first().map_or(0, |(_, x)| x.rows());
    if let Weights::F32(weight) = weight {
        let weight = Mat::new(weight, count, width).sub_rows(rows);
        for (out, x) in products {
            multiply(out, weight, x, 1.0, into);
        }
        return;
    }
    let columns = products.iter().map(|(_, x)| x.cols()).min().unwrap_or(0);
    let depths: Vec<_> = depths([count, columns], width).collect();
    let (deepest, least) = match columns {
        0 | 1 => (width, LEAST_ROWS),
        _ => (width.min(TOGETHER * MOST_DEPTH), 1),
    };
    for block in weight.blocks(rows.len(), deepest, least) {
        let from = rows.start + block.start..rows.start + block.end;
        for together in depths.chunks(TOGETHER) {
            let (start, end) = (together[0].start, together[together.len() - 1].end);
            weight.part_in_f32(width, from.clone(), start..end, |weight| {
                let weight = Mat::new(weight, from.len(), end - start);
                for depth in together {
                    let into = if depth.start == 0 { into } else { Into::Add };
                    let weight = weight.sub_columns(depth.start - start..depth.end - start);
                    for (out, x) in &mut products {
                        let out = out.reborrow().split_rows(block.start).1;
                        let out = out.split_rows(block.len()).0;
                        multiply(out, weight, x.sub_rows(depth.clone()), 1.0, into);
                    }
                }
            });
        }
    }
}
