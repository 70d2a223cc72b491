//! What a model sees of a frame.

use image::{GrayImage, Luma, RgbImage, RgbaImage};

use super::infill::filled;
use crate::recipe::{Framing, MaskedContent, scale_picture};

/// What was cut of a picture, at the size at which it is painted.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameView {
    /// The picture, with something wherever it has nothing.
    pub picture: RgbImage,
    /// Where it is repainted.
    pub mask: Option<GrayImage>,
    /// How strongly each place is.
    pub strengths: Option<GrayImage>,
}

impl FrameView {
    /// Scales a part of a picture and its mask, and fills what is empty. Only as many
    /// pixels are filled as are painted, however large the frame is; the same seed
    /// fills the same.
    pub fn new(
        part: &RgbaImage,
        mask: Option<&GrayImage>,
        strengths: Option<&GrayImage>,
        framing: &Framing,
        painted_px: [u32; 2],
        seed: u64,
    ) -> Self {
        let [width, height] = painted_px;
        let mut picture = if part.dimensions() == (width, height) {
            part.clone()
        } else {
            scale_picture(part, width, height)
        };
        let mask = mask.map(|mask| covering(mask, painted_px));
        if let (Some(mask), MaskedContent::Fill) = (&mask, framing.masked_content) {
            for (pixel, covered) in picture.pixels_mut().zip(mask.as_raw()) {
                if *covered > 0 {
                    pixel[3] = 0;
                }
            }
        }
        Self {
            picture: filled(&picture, framing.infill, seed),
            mask,
            strengths: strengths.map(|strengths| covering(strengths, painted_px)),
        }
    }
}

/// A mask at another size: each pixel is covered as much as the most covered of those
/// that it overlaps. So thin strokes are not lost, and all that is pasted back was
/// painted.
fn covering(mask: &GrayImage, [width, height]: [u32; 2]) -> GrayImage {
    if mask.dimensions() == (width, height) {
        return mask.clone();
    }
    let across = overlaps(mask.width(), width);
    let down = overlaps(mask.height(), height);
    let most = |values: &mut dyn Iterator<Item = u8>| Luma([values.max().unwrap_or(0)]);
    let rows = GrayImage::from_fn(width, mask.height(), |x, y| {
        let (start, end) = across[x as usize];
        most(&mut (start..end).map(|x| mask.get_pixel(x, y).0[0]))
    });
    GrayImage::from_fn(width, height, |x, y| {
        let (start, end) = down[y as usize];
        most(&mut (start..end).map(|y| rows.get_pixel(x, y).0[0]))
    })
}

/// For each pixel of a line of another length, from and to which it overlaps others.
fn overlaps(from: u32, to: u32) -> Vec<(u32, u32)> {
    let (wide_from, wide_to) = (u64::from(from), u64::from(to.max(1)));
    let overlap = |at: u64| {
        // Both are at most `from`.
        let start = (at * wide_from / wide_to) as u32;
        let end = ((at + 1) * wide_from).div_ceil(wide_to) as u32;
        (start, end)
    };
    (0..u64::from(to)).map(overlap).collect()
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;
    use crate::recipe::Infill;

    #[test]
    fn no_stroke_is_too_thin_to_be_painted() {
        let mut mask = GrayImage::new(1000, 700);
        (0..700).for_each(|y| mask.put_pixel(333, y, Luma([200])));
        let small = covering(&mask, [64, 40]);
        for (x, _, covered) in small.enumerate_pixels() {
            assert_eq!(covered.0[0], if x == 21 { 200 } else { 0 });
        }
        let large = covering(&small, [1000, 700]);
        assert!(
            mask.as_raw()
                .iter()
                .zip(large.as_raw())
                .all(|(a, b)| a <= b)
        );
        assert_eq!(covering(&mask, [1000, 700]), mask);
    }

    #[test]
    fn what_is_masked_is_filled_if_that_is_wanted() {
        let part = RgbaImage::from_fn(64, 64, |x, _| match x {
            ..40 => Rgba([200, 10, 10, 255]),
            _ => Rgba([10, 10, 200, 255]),
        });
        let mask = GrayImage::from_fn(64, 64, |x, _| Luma([if x >= 32 { 255 } else { 0 }]));
        let seen = |masked_content| {
            let framing = Framing {
                masked_content,
                infill: Infill::EdgeColour,
                ..Framing::default()
            };
            FrameView::new(&part, Some(&mask), None, &framing, [16, 16], 1)
        };
        let original = seen(MaskedContent::Original);
        assert_eq!(original.picture.dimensions(), (16, 16));
        assert!(original.picture.get_pixel(14, 8)[2] > 190);
        let fill = seen(MaskedContent::Fill);
        assert!(fill.picture.pixels().all(|pixel| pixel[0] > 190));
        assert_eq!(fill.mask, original.mask);
    }
}
