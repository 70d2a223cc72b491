//! Vector arithmetic without intrinsics: plain loops over slices, compiled
//! several times and chosen by the processor's features at run time.

use pulp::Arch;

/// Runs `work` compiled for the best instruction set of this processor up to AVX2.
///
/// `work` must itself be marked `#[inline(always)]` and call nothing but small
/// helpers that are, too: only what is inlined is compiled for that
/// instruction set.
#[inline(always)]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    // Vectors of 512 bits make the transforms of convolutions half as fast (8 lanes are
    // spread over them) and nothing else faster: a decoder took 12.7 s with them and 9.0
    // without.
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(avx2, work);
    }
    Arch::new().dispatch(work)
}

/// Adding it rounds to an integer: 1.5 · 2^23.
const ROUND: f32 = 12_582_912.0;

/// `e^x` as m · 2^n for x within ±89: m, and n in the low bits of a number.
///
/// Range reduction by Cody and Waite and the minimax polynomial of Cephes'
/// `expf`, written without branches so that loops over it are vectorised.
#[inline(always)]
fn reduced_exp(x: f32) -> (f32, u32) {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let r = x - exponent * LN2_HIGH - exponent * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    (p, shifted.to_bits())
}

/// `e^x`, to 2 units in the last place; flushes results below `1.2e-38` to
/// zero; infinities and NaN as in `f32::exp`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Comparisons, not `min`/`max`: those would turn NaN into a number.
    let bounded = if x > 89.0 { 89.0 } else { x };
    let bounded = if bounded < -88.0 { -88.0 } else { bounded };
    let (mantissa, bits) = reduced_exp(bounded);
    // 127 is the exponent's bias. In two halves, because 2^128 alone is infinite
    // where the result is not yet.
    let integer = bits.wrapping_sub(ROUND.to_bits()) as i32;
    let half = integer >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let scaled = mantissa * power(half) * power(integer - half);
    if x < -87.3 { 0.0 } else { scaled }
}

/// `e^x` for x ≤ 0 or not a number, as exact as [`exp`], in two thirds of the
/// time: what a softmax needs. Below −87 it stays at 1.6e-38.
#[inline(always)]
pub fn exp_below_zero(x: f32) -> f32 {
    let (mantissa, bits) = reduced_exp(if x < -87.0 { -87.0 } else { x });
    // The bits of `ROUND` above n fall off the end.
    mantissa * f32::from_bits(bits.wrapping_add(127) << 23)
}

/// The logistic function `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The error function, within 2e-7.
///
/// Abramowitz and Stegun, formula 7.1.26.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let mut p = 1.061_405_4;
    p = p * t - 1.453_152;
    p = p * t + 1.421_413_8;
    p = p * t - 0.284_496_72;
    p = p * t + 0.254_829_6;
    let y = 1.0 - p * t * exp_below_zero(-a * a);
    if x < 0.0 { -y } else { y }
}

/// Sum in sixteen lanes, so that it is vectorised.
#[inline(always)]
pub fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = values.chunks_exact(16);
    let tail: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + tail
}

/// Sum of products in lanes.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (ca, cb) = (a.chunks_exact(16), b.chunks_exact(16));
    let tail: f32 = ca
        .remainder()
        .iter()
        .zip(cb.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in ca.zip(cb) {
        for lane in 0..16 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + tail
}

/// Values that are added up in f32 before their sum joins an f64 one.
const BLOCK: usize = 2048;

/// Sum of a long row, exact to f32.
#[inline(always)]
pub fn sum_long(values: &[f32]) -> f64 {
    values
        .chunks(BLOCK)
        .map(|block| f64::from(sum(block)))
        .sum()
}

/// Sums of the deviations from `mean` and of their squares.
#[inline(always)]
pub fn deviations(values: &[f32], mean: f32) -> (f64, f64) {
    let (mut total, mut squares) = (0.0, 0.0);
    for block in values.chunks(BLOCK) {
        let (mut lanes, mut square_lanes) = ([0.0f32; 16], [0.0f32; 16]);
        let chunks = block.chunks_exact(16);
        for value in chunks.remainder() {
            let d = value - mean;
            total += f64::from(d);
            squares += f64::from(d * d);
        }
        for chunk in chunks {
            for lane in 0..16 {
                let d = chunk[lane] - mean;
                lanes[lane] += d;
                square_lanes[lane] += d * d;
            }
        }
        total += f64::from(lanes.iter().sum::<f32>());
        squares += f64::from(square_lanes.iter().sum::<f32>());
    }
    (total, squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_and_passes_the_edges() {
        for i in -8800..8873 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            let got = f64::from(exp(x));
            assert!(
                (got - want).abs() <= want * 3e-7 + 1.3e-38,
                "{x}: {got} {want}"
            );
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(88.73), f32::INFINITY);
        assert_eq!(exp(100.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn exp_below_zero_is_as_close() {
        for i in -8700..=0 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            let got = f64::from(exp_below_zero(x));
            assert!((got - want).abs() <= want * 3e-7, "{x}: {got} {want}");
        }
        assert!(exp_below_zero(f32::NEG_INFINITY) < 2e-38);
        assert!(exp_below_zero(f32::NAN).is_nan());
        assert_eq!(exp_below_zero(0.0), 1.0);
    }

    #[test]
    fn erf_matches_tables() {
        // Abramowitz and Stegun, table 7.1.
        for (x, want) in [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
        ] {
            assert!((erf(x) - want).abs() < 3e-7);
            assert!((erf(-x) + want).abs() < 3e-7);
        }
    }
}
