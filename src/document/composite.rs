//! Flattening layers into one picture.
//!
//! Layers are laid over each other in sRGB values, not in linear light: that
//! is what other studios do, and what the window's own blending does, so that
//! the saved file looks like the screen.

/// Lays a straight-alpha colour over another; `opacity` (0 to 255) scales the
/// upper one's alpha.
///
/// The upper colour replaces the lower bit for bit where it is opaque, and
/// leaves it bit for bit where it is clear. Formula: Porter and Duff 1984, "over".
pub fn blend_over(under: [u8; 4], over: [u8; 4], opacity: u8) -> [u8; 4] {
    let over_alpha = mul_255(over[3], opacity);
    if over_alpha == 0 {
        return under;
    }
    if over_alpha == 255 || under[3] == 0 {
        return [over[0], over[1], over[2], over_alpha];
    }
    // Both weights are in units of 1/255²: a_o·255 and a_u·(255 − a_o).
    let weight_over = u32::from(over_alpha) * 255;
    let weight_under = u32::from(under[3]) * u32::from(255 - over_alpha);
    let total = weight_over + weight_under;
    let mix = |o: u8, u: u8| {
        ((u32::from(o) * weight_over + u32::from(u) * weight_under + total / 2) / total) as u8
    };
    [
        mix(over[0], under[0]),
        mix(over[1], under[1]),
        mix(over[2], under[2]),
        ((total + 127) / 255) as u8,
    ]
}

/// The product of two fractions in units of 1/255, rounded.
pub(crate) fn mul_255(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

/// An opacity from 0 to 1 in units of 1/255.
pub(super) fn opacity_to_u8(opacity: f32) -> u8 {
    (opacity.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_rounded_exactly() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let exact = (f64::from(a) * f64::from(b) / 255.0).round() as u8;
                assert_eq!(mul_255(a, b), exact, "{a} × {b}");
            }
        }
    }

    #[test]
    fn opaque_replaces_and_clear_keeps() {
        assert_eq!(
            blend_over([1, 2, 3, 77], [9, 8, 7, 255], 255),
            [9, 8, 7, 255]
        );
        assert_eq!(blend_over([1, 2, 3, 77], [9, 8, 7, 0], 255), [1, 2, 3, 77]);
        assert_eq!(blend_over([1, 2, 3, 77], [9, 8, 7, 255], 0), [1, 2, 3, 77]);
        assert_eq!(blend_over([0; 4], [9, 8, 7, 100], 255), [9, 8, 7, 100]);
    }

    #[test]
    fn half_over_opaque_is_the_mean() {
        assert_eq!(
            blend_over([0, 100, 255, 255], [255, 100, 0, 255], 128),
            [128, 100, 127, 255]
        );
    }

    #[test]
    fn alpha_of_two_halves_is_three_quarters() {
        assert_eq!(
            blend_over([10, 10, 10, 128], [10, 10, 10, 128], 255),
            [10, 10, 10, 192]
        );
    }
}
