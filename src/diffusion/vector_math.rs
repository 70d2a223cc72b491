//! Logarithm, sine and cosine as torch's vectorised normal numbers use them.
//!
//! torch rounds them its own way: the polynomials of the Cephes library
//! (Moshier 1992) with fused multiply-adds where its compiler puts them. The
//! last bits of a seed's noise depend on them, so they are repeated here step
//! by step; the order of the operations and every `mul_add` matter.

#[expect(
    clippy::excessive_precision,
    reason = "written as published; the value rounds to the same number"
)]
const LN_COEFFICIENTS: [f32; 9] = [
    7.037_683_6e-2,
    -1.151_461e-1,
    1.167_699_84e-1,
    -1.242_014_1e-1,
    1.424_932_3e-1,
    -1.666_805_8e-1,
    2.000_071_4e-1,
    -2.499_999_4e-1,
    3.333_333_1e-1,
];
/// ln 2 in two parts, the first of which is exact in few bits.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

const COS_COEFFICIENTS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];
const SIN_COEFFICIENTS: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
/// Octants of a turn for each unit of an angle.
const FOUR_OVER_PI: f32 = 1.273_239_5;
/// π/4 in three parts.
const QUARTER_TURN: [f32; 3] = [-0.785_156_25, -2.418_756_5e-4, -3.774_895e-8];

/// Natural logarithm of a positive normal number.
pub(super) fn ln(x: f32) -> f32 {
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    // x = mantissa · 2^exponent with a mantissa in [½, 1).
    let mut exponent = (bits >> 23) as f32 - 126.0;
    let mut mantissa = f32::from_bits((bits & !0x7f80_0000) | 0x3f00_0000);
    if mantissa < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1.0;
        mantissa = (mantissa - 1.0) + mantissa;
    } else {
        mantissa -= 1.0;
    }
    let square = mantissa * mantissa;
    let polynomial = LN_COEFFICIENTS[1..]
        .iter()
        .fold(LN_COEFFICIENTS[0], |sum, c| sum.mul_add(mantissa, *c));
    let cube = (polynomial * mantissa).mul_add(square, exponent * LN_2_LOW);
    let sum = mantissa + (cube - square * 0.5);
    exponent.mul_add(LN_2_HIGH, sum)
}

/// Sine and cosine of an angle that is not negative.
pub(super) fn sin_cos(angle: f32) -> (f32, f32) {
    let octant = ((angle * FOUR_OVER_PI) as i32 + 1) & !1;
    let x = QUARTER_TURN
        .iter()
        .fold(angle, |x, part| (octant as f32).mul_add(*part, x));
    let square = x * x;

    let cosine = COS_COEFFICIENTS[0]
        .mul_add(square, COS_COEFFICIENTS[1])
        .mul_add(square, COS_COEFFICIENTS[2]);
    let cosine = (cosine * square).mul_add(square, -(square * 0.5)) + 1.0;
    let sine = SIN_COEFFICIENTS[0]
        .mul_add(square, SIN_COEFFICIENTS[1])
        .mul_add(square, SIN_COEFFICIENTS[2]);
    let sine = (sine * square).mul_add(x, x);

    let (mut sin, mut cos) = if octant & 2 == 0 {
        (sine, cosine)
    } else {
        (cosine, sine)
    };
    if octant & 4 != 0 {
        sin = -sin;
    }
    if (octant - 2) & 4 == 0 {
        cos = -cos;
    }
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_approximations_are_close() {
        for i in 1..=4096_u16 {
            let x = f32::from(i) / 4096.0;
            assert!((f64::from(ln(x)) - f64::from(x).ln()).abs() < 1e-6, "{x}");
            let angle = x * std::f32::consts::TAU;
            let (sin, cos) = sin_cos(angle);
            assert!(
                (f64::from(sin) - f64::from(angle).sin()).abs() < 2e-7,
                "{x}"
            );
            assert!(
                (f64::from(cos) - f64::from(angle).cos()).abs() < 2e-7,
                "{x}"
            );
        }
    }
}
