//! Colour arithmetic on gamma-encoded values, as painters mix on screen.

/// Red, green and blue in `0..=1`.
pub type Rgb = [f32; 3];

/// A colour from bytes.
pub fn rgb(bytes: [u8; 3]) -> Rgb {
    bytes.map(|byte| f32::from(byte) / 255.0)
}

/// A mixture: `a` at 0, `b` at 1.
pub fn mix(a: Rgb, b: Rgb, amount: f32) -> Rgb {
    [0, 1, 2].map(|channel| a[channel] + (b[channel] - a[channel]) * amount)
}

/// Channel by channel product.
pub fn multiply(a: Rgb, b: Rgb) -> Rgb {
    [0, 1, 2].map(|channel| a[channel] * b[channel])
}

/// A byte from a value in `0..=1`.
pub fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// The bytes of a colour given by hue (in turns), saturation and value.
pub fn from_hue(hue: f32, saturation: f32, value: f32) -> [u8; 3] {
    hsv_to_rgb([hue, saturation, value]).map(byte)
}

/// Hue (in turns), saturation and value of a colour.
pub fn rgb_to_hsv([r, g, b]: Rgb) -> [f32; 3] {
    let high = r.max(g).max(b);
    let low = r.min(g).min(b);
    let range = high - low;
    if range <= 0.0 {
        return [0.0, 0.0, high];
    }
    let sixths = if high == r {
        (g - b) / range
    } else if high == g {
        2.0 + (b - r) / range
    } else {
        4.0 + (r - g) / range
    };
    let hue = sixths / 6.0;
    [if hue < 0.0 { hue + 1.0 } else { hue }, range / high, high]
}

/// The inverse of [`rgb_to_hsv`].
pub fn hsv_to_rgb([hue, saturation, value]: [f32; 3]) -> Rgb {
    let sixths = hue * 6.0;
    let sector = (sixths as usize) % 6;
    let f = sixths - (sixths as usize) as f32;
    let p = value * (1.0 - saturation);
    let q = value * (1.0 - saturation * f);
    let t = value * (1.0 - saturation * (1.0 - f));
    match sector {
        0 => [value, t, p],
        1 => [q, value, p],
        2 => [p, value, t],
        3 => [p, q, value],
        4 => [t, p, value],
        _ => [value, p, q],
    }
}

/// 0 below `low`, 1 above `high`, smooth between.
pub fn smooth(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
