//! The repainted part back into the picture.

use image::{GrayImage, Rgba, RgbaImage};

/// Lays `result` over `original` where `coverage` says so, with an edge that
/// grows softly over `feather_px` pixels inside of the mask. Pixels without
/// coverage stay as they were, bit for bit.
///
/// All three have the same size; what the result lacks stays original.
pub fn paste_back(
    original: &RgbaImage,
    result: &RgbaImage,
    coverage: &GrayImage,
    feather_px: f32,
) -> RgbaImage {
    let mut pasted = original.clone();
    let (width, height) = coverage.dimensions();
    let distances = distances_inside(coverage);
    for (i, distance) in distances.into_iter().enumerate() {
        let (x, y) = (i as u32 % width, i as u32 / width);
        let covered = f32::from(coverage.get_pixel(x, y).0[0]) / 255.0;
        if covered == 0.0 || y >= height {
            continue;
        }
        let edge = if feather_px > 0.0 {
            (distance / (feather_px + 1.0)).min(1.0)
        } else {
            1.0
        };
        // A smooth ramp has no visible beginning or end.
        let weight = covered * edge * edge * (3.0 - 2.0 * edge);
        let (Some(new), Some(old)) = (
            result.get_pixel_checked(x, y),
            pasted.get_pixel_mut_checked(x, y),
        ) else {
            continue;
        };
        *old = mixed(*old, *new, weight);
    }
    pasted
}

/// Colours weighted by their opacity, so that what cannot be seen does not shine through.
fn mixed(Rgba(old): Rgba<u8>, Rgba(new): Rgba<u8>, weight: f32) -> Rgba<u8> {
    let (old_alpha, new_alpha) = (
        f32::from(old[3]) * (1.0 - weight),
        f32::from(new[3]) * weight,
    );
    let alpha = old_alpha + new_alpha;
    if alpha <= 0.0 {
        return Rgba(old);
    }
    let channel = |k: usize| {
        let sum = f32::from(old[k]) * old_alpha + f32::from(new[k]) * new_alpha;
        (sum / alpha).round() as u8
    };
    Rgba([channel(0), channel(1), channel(2), alpha.round() as u8])
}

/// The distance of each pixel to the nearest one without coverage, row by row;
/// infinite where everything is covered (Felzenszwalb and Huttenlocher 2012,
/// <https://doi.org/10.4086/toc.2012.v008a019>).
fn distances_inside(coverage: &GrayImage) -> Vec<f32> {
    let (width, height) = (coverage.width() as usize, coverage.height() as usize);
    let far = f32::INFINITY;
    let mut squares: Vec<f32> = coverage
        .pixels()
        .map(|pixel| if pixel.0[0] == 0 { 0.0 } else { far })
        .collect();
    let mut line = vec![0.0; width.max(height)];
    for x in 0..width {
        for y in 0..height {
            line[y] = squares[y * width + x];
        }
        let column = lower_envelope(&line[..height]);
        for (y, value) in column.into_iter().enumerate() {
            squares[y * width + x] = value;
        }
    }
    for row in squares.chunks_mut(width.max(1)) {
        let new = lower_envelope(row);
        row.copy_from_slice(&new);
    }
    squares.into_iter().map(f32::sqrt).collect()
}

/// min over q of (p − q)² + f(q), for every p: the parabolas' lower envelope.
fn lower_envelope(f: &[f32]) -> Vec<f32> {
    let mut roots: Vec<(usize, f32)> = Vec::new();
    for (q, value) in f.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        let start = loop {
            let Some((p, begin)) = roots.last() else {
                break f32::NEG_INFINITY;
            };
            let (a, b) = (*p as f32, q as f32);
            let meet = ((value + b * b) - (f[*p] + a * a)) / (2.0 * (b - a));
            if meet > *begin {
                break meet;
            }
            roots.pop();
        };
        roots.push((q, start));
    }
    let mut k = 0;
    (0..f.len())
        .map(|p| {
            while k + 1 < roots.len() && roots[k + 1].1 < p as f32 {
                k += 1;
            }
            roots.get(k).map_or(f32::INFINITY, |(q, _)| {
                let distance = p as f32 - *q as f32;
                distance * distance + f[*q]
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    fn disc(size: u32) -> GrayImage {
        let middle = size as f32 / 2.0;
        GrayImage::from_fn(size, size, |x, y| {
            let (dx, dy) = (x as f32 - middle, y as f32 - middle);
            Luma([if dx.hypot(dy) < 0.4 * size as f32 {
                255
            } else {
                0
            }])
        })
    }

    #[test]
    fn distances_are_those_of_the_nearest_pixel() {
        let mask = disc(24);
        let outside: Vec<(i32, i32)> = mask
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0[0] == 0)
            .map(|(x, y, _)| (x as i32, y as i32))
            .collect();
        for (i, distance) in distances_inside(&mask).into_iter().enumerate() {
            let (x, y) = (i as i32 % 24, i as i32 / 24);
            let nearest = outside
                .iter()
                .map(|(a, b)| (a - x).pow(2) + (b - y).pow(2))
                .min();
            assert_eq!(distance, (nearest.expect("some are outside") as f32).sqrt());
        }
    }

    #[test]
    fn pixels_outside_stay_as_they_were() {
        let mask = disc(32);
        let original =
            RgbaImage::from_fn(32, 32, |x, y| Rgba([x as u8, y as u8, 7, (x * 8) as u8]));
        let result = RgbaImage::from_pixel(32, 32, Rgba([200, 100, 50, 255]));
        for feather in [0.0, 4.0, 100.0] {
            let pasted = paste_back(&original, &result, &mask, feather);
            for (x, y, pixel) in mask.enumerate_pixels() {
                if pixel.0[0] == 0 {
                    assert_eq!(pasted.get_pixel(x, y), original.get_pixel(x, y));
                }
            }
        }
        let hard = paste_back(&original, &result, &mask, 0.0);
        assert_eq!(hard.get_pixel(16, 16), result.get_pixel(16, 16));
        let soft = paste_back(&original, &result, &mask, 4.0);
        assert_eq!(soft.get_pixel(16, 16), result.get_pixel(16, 16));
        let edge = soft.get_pixel(4, 16).0[0];
        assert!(edge > 4 && edge < 100, "{edge}");
    }

    #[test]
    fn a_whole_mask_takes_the_whole_result() {
        let original = RgbaImage::from_pixel(5, 3, Rgba([1, 2, 3, 0]));
        let result = RgbaImage::from_pixel(5, 3, Rgba([9, 8, 7, 255]));
        let mask = GrayImage::from_pixel(5, 3, Luma([255]));
        assert_eq!(paste_back(&original, &result, &mask, 8.0), result);
    }
}
