//! Weights that may be held in half the memory.

use std::ops::Range;

use half::{bf16, f16};

use super::share::with_scratch;
use super::simd::vectorized;

/// Weights that are widened at a time: 2 MiB as f32, which stay in the cache until they are
/// multiplied.
const BLOCK: usize = 512 * 1024;

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
    /// Whether they are widened before they are used.
    pub fn are_halves(self) -> bool {
        !matches!(self, Self::F32(_))
    }

    /// Cuts so many rows (or columns) of so many weights into equal parts that are widened
    /// together, of `least` rows or more: all where nothing needs widening.
    pub fn blocks(
        self,
        count: usize,
        row_len: usize,
        least: usize,
    ) -> impl Iterator<Item = Range<usize>> {
        let together = match self {
            Self::F32(_) => usize::MAX,
            _ => (BLOCK / row_len.max(1)).max(least),
        };
        let parts = count.div_ceil(together);
        let cut = move |part: usize| count * part / parts;
        (0..parts).map(move |part| cut(part)..cut(part + 1))
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

    /// Lends some columns of some rows of a matrix that is `width` wide as f32, one row
    /// after the other.
    pub fn part_in_f32<R>(
        self,
        width: usize,
        rows: Range<usize>,
        columns: Range<usize>,
        work: impl FnOnce(&[f32]) -> R,
    ) -> R {
        let count = columns.len();
        with_scratch(rows.len() * count, |part| {
            for (row, part) in rows.zip(part.chunks_exact_mut(count.max(1))) {
                self.widen(row * width + columns.start, part);
            }
            work(part)
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

/// Widens half precision exactly.
pub fn widen_f16(halves: &[f16], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("f16c") {
        #[allow(unsafe_code)]
        // SAFETY: the processor has the instruction, which is all that is asked of it.
        unsafe {
            widen_eights(halves, out);
        }
        return;
    }
    vectorized(
        #[inline(always)]
        || {
            for (out, half) in out.iter_mut().zip(halves) {
                *out = widened(*half);
            }
        },
    );
}

/// The same by the processor's instruction for eight numbers, which the compiler does not
/// find by itself: a quarter of the time. The only intrinsic of this room; `half` has it too,
/// behind a call for each eight, which takes as long as our own loop.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "f16c")]
#[inline]
fn widen_eights(halves: &[f16], out: &mut [f32]) {
    let (eights, rest) = halves.as_chunks::<8>();
    let (wide, tail) = out.as_chunks_mut::<8>();
    for (out, eight) in wide.iter_mut().zip(eights) {
        let eight = bytemuck::cast(*eight);
        *out = bytemuck::cast(std::arch::x86_64::_mm256_cvtph_ps(eight));
    }
    for (out, half) in tail.iter_mut().zip(rest) {
        *out = widened(*half);
    }
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
        let plain = halves.iter().map(|half| widened(*half));
        for ((half, wide), plain) in halves.iter().zip(wide).zip(plain) {
            let expected = half.to_f32();
            for ours in [wide, plain] {
                let is_same = expected.to_bits() == ours.to_bits();
                assert!(is_same || expected.is_nan() && ours.is_nan(), "{half:?}");
            }
        }
    }
}
