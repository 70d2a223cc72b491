//! Pictures to be repainted, and how seams are measured.

use std::path::Path;

use image::{GrayImage, Luma, Rgba, RgbaImage};
use velatura::recipe::open_picture;

/// Side of every picture.
pub const SIDE_PX: u32 = 128;

/// How much more a step across a seam may be than the picture's own, in 8-bit levels.
pub const MOST_STEP: f64 = 2.0;

/// A slope, a texture and photographs, by name.
pub fn pictures() -> Vec<(&'static str, RgbaImage)> {
    let slope = RgbaImage::from_fn(SIDE_PX, SIDE_PX, |x, y| {
        Rgba([
            (60 + x) as u8,
            (200 - y) as u8,
            ((x + y) / 2 + 40) as u8,
            255,
        ])
    });
    let weave = RgbaImage::from_fn(SIDE_PX, SIDE_PX, |x, y| {
        let thread = ((x / 3 + y / 3) % 2) * 30 + (x * 7 + y * 5) % 9;
        Rgba([
            (90 + thread) as u8,
            (80 + thread) as u8,
            (110 + thread) as u8,
            255,
        ])
    });
    let mut all = vec![("slope", slope), ("weave", weave)];
    for name in ["fur", "cup", "face", "grass"] {
        let path = format!("tests/data/photographs/{name}.png");
        all.push((name, open_picture(Path::new(&path)).unwrap().image));
    }
    all
}

/// A disc in the middle, and a part at the right edge of the picture.
pub fn masks() -> [GrayImage; 2] {
    let mask = |is_in: fn(f32, f32) -> bool| {
        GrayImage::from_fn(SIDE_PX, SIDE_PX, |x, y| {
            Luma([if is_in(x as f32, y as f32) { 255 } else { 0 }])
        })
    };
    [
        mask(|x, y| (x - 60.0).hypot(y - 66.0) < 34.0),
        mask(|x, y| x > 84.0 + 8.0 * (y / 9.0).sin() && (20.0..110.0).contains(&y)),
    ]
}

/// How much more the repainted picture changes from pixel to pixel than the original:
/// across the rim of the mask, and in the soft edge inside of it.
pub struct Seam {
    pub across: f64,
    pub within: f64,
}

/// Measures the seam along a mask, of which the soft edge is so many pixels wide.
pub fn seam(original: &RgbaImage, whole: &RgbaImage, mask: &GrayImage, feather_px: u32) -> Seam {
    let is_in = |x: u32, y: u32| mask.get_pixel(x, y).0[0] > 0;
    let step = |picture: &RgbaImage, (x, y): (u32, u32), (p, q): (u32, u32)| {
        let (a, b) = (picture.get_pixel(x, y), picture.get_pixel(p, q));
        (0..3).map(|k| f64::from(a[k].abs_diff(b[k]))).sum::<f64>() / 3.0
    };
    let near_rim = |x: u32, y: u32| {
        let reach = i64::from(feather_px) + 1;
        let around = |at: u32, end: u32| {
            let at = i64::from(at);
            (at - reach).max(0) as u32..(at + reach + 1).min(i64::from(end)) as u32
        };
        around(y, mask.height()).any(|y| around(x, mask.width()).any(|x| !is_in(x, y)))
    };
    let (mut across, mut within) = ((0.0, 0.0), (0.0, 0.0));
    for (x, y, _) in mask.enumerate_pixels() {
        for (p, q) in [(x + 1, y), (x, y + 1)] {
            if p >= mask.width() || q >= mask.height() {
                continue;
            }
            let more = step(whole, (x, y), (p, q)) - step(original, (x, y), (p, q));
            let sum = match (is_in(x, y), is_in(p, q)) {
                (true, true) if near_rim(x, y) => &mut within,
                (a, b) if a != b => &mut across,
                _ => continue,
            };
            *sum = (sum.0 + more, sum.1 + 1.0);
        }
    }
    let mean = |(sum, count): (f64, f64)| sum / f64::max(count, 1.0);
    Seam {
        across: mean(across),
        within: mean(within),
    }
}

/// Where two pictures differ outside of a mask.
pub fn changed_outside(original: &RgbaImage, whole: &RgbaImage, mask: &GrayImage) -> usize {
    let pixels = original.pixels().zip(whole.pixels()).zip(mask.pixels());
    pixels
        .filter(|((before, after), covered)| covered.0[0] == 0 && before != after)
        .count()
}
