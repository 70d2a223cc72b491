//! Weights that may be held in half the memory.

use std::ops::Range;

use half::{bf16, f16};
use rayon::prelude::*;

use super::share::with_scratch;
use super::simd::vectorized;

/// Weights that are widened at a time: 16 MiB as f32.
pub const BLOCK: usize = 4 * 1024 * 1024;
/// Weights that one thread widens at a time.
const PART: usize = 64 * 1024;

/// The weights of a layer. What is not f32 is widened block by block when it is
/// used; everything is computed in f32.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// As they are used.
    F32(&'a [f32]),
    /// IEEE 754 half precision.
    F16(&'a [f16]),
    /// The upper half of an f32.
    Bf16(&'a [bf16]),
}

impl Weights<'_> {
    /// Rows of so many weights that are widened together: all where nothing needs widening.
    pub fn rows_at_once(self, row_len: usize) -> usize {
        match self {
            Self::F32(_) => usize::MAX,
            _ => (BLOCK / row_len.max(1)).max(1),
        }
    }

    /// Lends a range of the weights as f32; widened on this thread.
    pub fn in_f32<R>(self, range: Range<usize>, work: impl FnOnce(&[f32]) -> R) -> R {
        if let Self::F32(weights) = self {
            return work(&weights[range]);
        }
        with_scratch(range.len(), |block| {
            self.widen(range.start, block);
            work(block)
        })
    }

    /// Lends a range of the weights as f32; widened on all threads.
    pub fn in_f32_shared<R>(self, range: Range<usize>, work: impl FnOnce(&[f32]) -> R) -> R {
        if let Self::F32(weights) = self {
            return work(&weights[range]);
        }
        with_scratch(range.len(), |block| {
            block
                .par_chunks_mut(PART)
                .enumerate()
                .for_each(|(index, part)| self.widen(range.start + index * PART, part));
            work(block)
        })
    }

    /// Lends some columns of a matrix whose rows are `width` long, one row after
    /// the other, as f32; widened on all threads.
    pub fn columns_in_f32<R>(
        self,
        rows: usize,
        width: usize,
        columns: Range<usize>,
        work: impl FnOnce(&[f32]) -> R,
    ) -> R {
        let count = columns.len();
        with_scratch(rows * count, |block| {
            let together = (PART / count.max(1)).max(1);
            block
                .par_chunks_mut(together * count.max(1))
                .enumerate()
                .for_each(|(index, part)| {
                    for (row, part) in part.chunks_exact_mut(count).enumerate() {
                        self.widen((index * together + row) * width + columns.start, part);
                    }
                });
            work(block)
        })
    }

    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            Self::F32(weights) => weights.len(),
            Self::F16(weights) => weights.len(),
            Self::Bf16(weights) => weights.len(),
        }
    }

    /// Fills `out` with the weights from `start` on.
    pub fn widen(self, start: usize, out: &mut [f32]) {
        match self {
            Self::F32(weights) => out.copy_from_slice(&weights[start..][..out.len()]),
            Self::F16(weights) => widen_f16(&weights[start..][..out.len()], out),
            Self::Bf16(weights) => {
                let weights = &weights[start..][..out.len()];
                vectorized(
                    #[inline(always)]
                    || {
                        for (out, weight) in out.iter_mut().zip(weights) {
                            *out = weight.to_f32();
                        }
                    },
                );
            }
        }
    }
}

/// Widens half precision exactly: `half` does the same eight at a time through a call
/// each, which takes three times as long.
pub fn widen_f16(halves: &[f16], out: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for (out, half) in out.iter_mut().zip(halves) {
                *out = widened(*half);
            }
        },
    );
}

/// The number without branches, so that loops are vectorised.
#[inline(always)]
fn widened(half: f16) -> f32 {
    /// The difference of both exponents' biases, in its place.
    const BIAS: u32 = (127 - 15) << 23;
    /// The smallest number above zero in half precision, 2^-24.
    const SMALLEST: f32 = 1.0 / 16_777_216.0;
    let bits = u32::from(half.to_bits());
    let (sign, size) = ((bits & 0x8000) << 16, bits & 0x7fff);
    let usual = (size << 13) + BIAS;
    let tiny = (size as i32 as f32 * SMALLEST).to_bits();
    let endless = (size << 13) | f32::INFINITY.to_bits();
    let wide = if size < 0x0400 { tiny } else { usual };
    let wide = if size < 0x7c00 { wide } else { endless };
    f32::from_bits(wide | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_half_precision_is_widened_exactly() {
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let mut wide = vec![1.0; halves.len()];
        widen_f16(&halves, &mut wide);
        for (half, wide) in halves.iter().zip(wide) {
            let expected = half.to_f32();
            let is_same = expected.to_bits() == wide.to_bits();
            assert!(is_same || expected.is_nan() && wide.is_nan(), "{half:?}");
        }
    }
}
