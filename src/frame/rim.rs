//! The colours of what was painted, matched to the picture around it.
//!
//! Models shift colours a little, each part of a picture in another way. What the
//! painted colours lack along the rim of the mask is known: there the original goes on.
//! Inside it is taken to pass smoothly from one side to the other, as a membrane would,
//! and is made up for.

use image::{GrayImage, RgbaImage};

use super::distance::{Area, covered_area};
use super::membrane::Membrane;

/// Cells of a grid on one side at most: what is made up for is smooth, so that large
/// masks need no finer one.
const MOST_CELLS: u32 = 1024;

/// Where the difference at a place of the rim is so many times as far from the usual one
/// as others are, the rim has an edge there that was painted elsewhere, and no other
/// colour. Differences of less than a few levels are never taken for one.
const USUAL_DEVIATIONS: f32 = 4.0;
const LEAST_LIMIT: f32 = 12.0;

/// Makes up for what the painted picture lacks along the rim of the covered part.
///
/// `scale` is how many pixels one painted pixel fills: colours are compared by cells of
/// that size. Where all of the picture is covered there is nothing to compare.
pub(super) fn match_rim(
    original: &RgbaImage,
    painted: &mut RgbaImage,
    coverage: &GrayImage,
    scale: u32,
) {
    let Some(area) = covered_area(coverage) else {
        return;
    };
    let longest = (area.right - area.left).max(area.bottom - area.top);
    let cell_px = scale.max(longest.div_ceil(MOST_CELLS)).max(1);
    let area = Area {
        left: area.left.saturating_sub(cell_px),
        top: area.top.saturating_sub(cell_px),
        right: (area.right + cell_px).min(coverage.width()),
        bottom: (area.bottom + cell_px).min(coverage.height()),
    };
    let mut lacking = lacking_in(original, painted, coverage, area, cell_px);
    if !lacking.is_known.contains(&true) {
        return;
    }
    limit(&mut lacking);
    lacking.relax();
    let cell = |at: u32, start: u32| ((at - start) as f32 + 0.5) / cell_px as f32 - 0.5;
    for y in area.top..area.bottom {
        for x in area.left..area.right {
            if coverage.get_pixel(x, y).0[0] == 0 {
                continue;
            }
            let missing = lacking.at(cell(x, area.left), cell(y, area.top));
            let pixel = painted.get_pixel_mut(x, y);
            for (channel, missing) in pixel.0.iter_mut().zip(missing) {
                // The cast saturates.
                *channel = (f32::from(*channel) + missing).round() as u8;
            }
        }
    }
}

/// The mean difference in every cell, of the pixels that are kept.
fn lacking_in(
    original: &RgbaImage,
    painted: &RgbaImage,
    coverage: &GrayImage,
    area: Area,
    cell_px: u32,
) -> Membrane {
    let width = (area.right - area.left).div_ceil(cell_px) as usize;
    let height = (area.bottom - area.top).div_ceil(cell_px) as usize;
    let mut colours = vec![[0.0; 3]; width * height];
    let mut counts = vec![0.0_f32; width * height];
    for y in area.top..area.bottom {
        let row = ((y - area.top) / cell_px) as usize * width;
        for x in area.left..area.right {
            let (before, after) = (original.get_pixel(x, y), painted.get_pixel(x, y));
            if coverage.get_pixel(x, y).0[0] > 0 || before[3] < 255 {
                continue;
            }
            let cell = row + ((x - area.left) / cell_px) as usize;
            for k in 0..3 {
                colours[cell][k] += f32::from(before[k]) - f32::from(after[k]);
            }
            counts[cell] += 1.0;
        }
    }
    for (colour, count) in colours.iter_mut().zip(&counts) {
        *colour = colour.map(|sum| sum / count.max(1.0));
    }
    Membrane {
        colours,
        is_known: counts.iter().map(|count| *count > 0.0).collect(),
        width,
    }
}

/// Brings differences that are far from the usual one back to the farthest usual one.
fn limit(lacking: &mut Membrane) {
    for k in 0..3 {
        let known = || {
            let cells = lacking.colours.iter().zip(&lacking.is_known);
            cells
                .filter(|(_, known)| **known)
                .map(|(colour, _)| colour[k])
        };
        let usual = median(known().collect());
        let spread = median(known().map(|it| (it - usual).abs()).collect());
        let limit = (spread * USUAL_DEVIATIONS).max(LEAST_LIMIT);
        for colour in &mut lacking.colours {
            colour[k] = colour[k].clamp(usual - limit, usual + limit);
        }
    }
}

/// Of numbers of which there is at least one.
fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Luma, Rgba};

    fn texture(x: u32, y: u32) -> Rgba<u8> {
        let grain = (x * 7 + y * 13) % 11;
        Rgba([
            (60 + x + grain) as u8,
            (90 + y) as u8,
            (40 + grain * 3) as u8,
            255,
        ])
    }

    fn disc(size: u32) -> GrayImage {
        let middle = size as f32 / 2.0;
        GrayImage::from_fn(size, size, |x, y| {
            let away = (x as f32 - middle).hypot(y as f32 - middle);
            Luma([if away < size as f32 * 0.35 { 255 } else { 0 }])
        })
    }

    #[test]
    fn a_shift_that_changes_from_side_to_side_is_made_up_for() {
        let original = RgbaImage::from_fn(80, 80, texture);
        let mut painted = RgbaImage::from_fn(80, 80, |x, y| {
            let Rgba([r, g, b, a]) = texture(x, y);
            Rgba([r + 20, g - (x / 4) as u8, b + (y / 4) as u8, a])
        });
        let untouched = painted.clone();
        let mask = disc(80);
        match_rim(&original, &mut painted, &mask, 1);
        for (x, y, covered) in mask.enumerate_pixels() {
            let (found, wanted) = (painted.get_pixel(x, y), original.get_pixel(x, y));
            if covered.0[0] == 0 {
                assert_eq!(found, untouched.get_pixel(x, y));
                continue;
            }
            for k in 0..3 {
                assert!(
                    found[k].abs_diff(wanted[k]) <= 2,
                    "{x}, {y}: {found:?}, {wanted:?}"
                );
            }
        }
    }

    #[test]
    fn an_edge_that_was_painted_elsewhere_does_not_stain_the_inside() {
        // On the left a bright stripe meets the rim; it was painted lower.
        let picture = |stripe: u32| {
            RgbaImage::from_fn(80, 80, move |x, y| {
                let is_bright = x < 20 && (stripe..stripe + 4).contains(&y);
                Rgba([if is_bright { 250 } else { 60 }, 60, 60, 255])
            })
        };
        let (original, mut painted) = (picture(36), picture(42));
        match_rim(&original, &mut painted, &disc(80), 1);
        let middle = painted.get_pixel(30, 38)[0];
        assert!(middle.abs_diff(60) <= 6, "{middle}");
    }

    #[test]
    fn without_a_rim_nothing_changes() {
        let original = RgbaImage::from_fn(16, 16, texture);
        let mut painted = RgbaImage::from_pixel(16, 16, Rgba([9, 9, 9, 255]));
        let whole = GrayImage::from_pixel(16, 16, Luma([255]));
        match_rim(&original, &mut painted, &whole, 4);
        assert!(painted.pixels().all(|it| it.0 == [9, 9, 9, 255]));
        match_rim(&original, &mut painted, &GrayImage::new(16, 16), 4);
        assert!(painted.pixels().all(|it| it.0 == [9, 9, 9, 255]));
    }
}
