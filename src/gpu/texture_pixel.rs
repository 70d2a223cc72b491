//! Pixels as textures store them.

use crate::document::{Pixel, mul_255};

/// A pixel that can be laid on the graphics card.
pub(super) trait TexturePixel: Pixel {
    /// How the texture stores it.
    const FORMAT: wgpu::TextureFormat;

    /// The value as the texture stores it.
    fn stored(self) -> Self;

    /// The mean of four stored values.
    fn mean(values: [Self; 4]) -> Self;

    /// Stored values as bytes.
    fn bytes(values: &[Self]) -> &[u8];
}

impl TexturePixel for u8 {
    const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::R8Unorm;

    fn stored(self) -> Self {
        self
    }

    fn mean(values: [Self; 4]) -> Self {
        let sum: u16 = values.into_iter().map(u16::from).sum();
        // Rounded up where anything is covered: a mask of one pixel may get
        // pale in a small view but must not vanish from it.
        if sum == 0 {
            0
        } else {
            ((sum + 2) / 4).max(1) as u8
        }
    }

    fn bytes(values: &[Self]) -> &[u8] {
        values
    }
}

impl TexturePixel for [u8; 4] {
    // Not sRGB: the window blends gamma values, as egui does.
    const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

    fn stored(self) -> Self {
        let [r, g, b, alpha] = self;
        if alpha == 255 {
            return self;
        }
        [
            mul_255(r, alpha),
            mul_255(g, alpha),
            mul_255(b, alpha),
            alpha,
        ]
    }

    fn mean(values: [Self; 4]) -> Self {
        std::array::from_fn(|channel| {
            let sum: u16 = values.iter().map(|value| u16::from(value[channel])).sum();
            ((sum + 2) / 4) as u8
        })
    }

    fn bytes(values: &[Self]) -> &[u8] {
        values.as_flattened()
    }
}

/// How four values become one where a picture is halved.
pub(super) type Reduce<P> = fn([P; 4]) -> P;

/// The value that most of four have, the first of those; for classes, between which
/// there is nothing.
pub(super) fn most_frequent(values: [u8; 4]) -> u8 {
    let count = |value: u8| values.iter().filter(|other| **other == value).count();
    let [first, rest @ ..] = values;
    rest.into_iter().fold(first, |best, value| {
        if count(value) > count(best) {
            value
        } else {
            best
        }
    })
}

/// A square picture at half its size; `side` is the new one.
pub(super) fn halved<P: TexturePixel>(pixels: &[P], side: usize, reduce: Reduce<P>) -> Vec<P> {
    let full = side * 2;
    let mut half = Vec::with_capacity(side * side);
    for y in 0..side {
        let upper = &pixels[2 * y * full..][..full];
        let lower = &pixels[(2 * y + 1) * full..][..full];
        let columns = upper
            .as_chunks::<2>()
            .0
            .iter()
            .zip(lower.as_chunks::<2>().0);
        half.extend(columns.map(|(a, b)| reduce([a[0], a[1], b[0], b[1]])));
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_takes_the_mean_and_keeps_a_single_covered_pixel() {
        let pixels = [
            [0, 0, 0, 0],
            [255, 0, 100, 255],
            [0, 0, 0, 0],
            [255, 0, 100, 255],
        ];
        assert_eq!(halved(&pixels, 1, TexturePixel::mean), [[128, 0, 50, 128]]);
        assert_eq!(halved(&[0, 0, 0, 1], 1, u8::mean), [1]);
        assert_eq!(halved(&[255, 255, 255, 255], 1, u8::mean), [255]);
    }

    #[test]
    fn halving_classes_makes_no_class_that_was_not_there() {
        assert_eq!(halved(&[1, 5, 9, 5], 1, most_frequent), [5]);
        assert_eq!(halved(&[7, 0, 0, 7], 1, most_frequent), [7]);
        assert_eq!(halved(&[1, 2, 3, 4], 1, most_frequent), [1]);
    }

    #[test]
    fn colours_are_stored_premultiplied() {
        assert_eq!([200, 100, 50, 128].stored(), [100, 50, 25, 128]);
        assert_eq!([200, 100, 50, 255].stored(), [200, 100, 50, 255]);
        assert_eq!([200, 100, 50, 0].stored(), [0, 0, 0, 0]);
    }
}
