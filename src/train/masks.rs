//! Random masks, such as people paint: boxes, strokes of a brush, one side of a line.

use image::{GrayImage, Luma};

use crate::model::conditioner::MaskPlanes;
use crate::random::Random;

/// Which pixels of a square picture are to be painted anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PixelMask {
    size: usize,
    is_repainted: Vec<bool>,
}

impl PixelMask {
    fn empty(size: usize) -> Self {
        Self {
            size,
            is_repainted: vec![false; size * size],
        }
    }

    /// A random mask of one of the kinds.
    pub fn draw(size: usize, random: &mut Random) -> Self {
        match random.below(5) {
            0 | 1 => Self::boxes(size, random),
            2 | 3 => Self::strokes(size, random),
            _ => Self::half_plane(size, random),
        }
    }

    /// A rectangle over an object (left, top, width and height in pixels), with a
    /// margin on each side of up to half of the object's size: who paints a mask
    /// for something does not know its outline.
    pub fn over(size: usize, [left, top, width, height]: [f32; 4], random: &mut Random) -> Self {
        let mut mask = Self::empty(size);
        let mut edge = |at: f32, by: f32| {
            (at + by * random.between(0.05, 0.5))
                .round()
                .clamp(0.0, size as f32) as usize
        };
        let columns = edge(left, -width)..edge(left + width, width);
        let rows = edge(top, -height)..edge(top + height, height);
        for row in rows {
            mask.is_repainted[row * size + columns.start..row * size + columns.end].fill(true);
        }
        mask
    }

    /// One to three rectangles.
    fn boxes(size: usize, random: &mut Random) -> Self {
        let mut mask = Self::empty(size);
        let side = |random: &mut Random| {
            let part = random.between(0.15, 0.75);
            ((part * size as f32).round() as usize).clamp(1, size)
        };
        for _ in 0..=random.below(3) {
            let (width, height) = (side(random), side(random));
            let left = random.below((size - width + 1) as u64) as usize;
            let top = random.below((size - height + 1) as u64) as usize;
            for row in top..top + height {
                mask.is_repainted[row * size + left..][..width].fill(true);
            }
        }
        mask
    }

    /// One to three bent strokes of a round brush.
    fn strokes(size: usize, random: &mut Random) -> Self {
        let mut mask = Self::empty(size);
        let side = size as f32;
        for _ in 0..=random.below(3) {
            let radius = (random.between(0.05, 0.16) * side).max(0.75);
            let mut at = [random.between(0.0, side), random.between(0.0, side)];
            let mut angle = random.between(0.0, std::f32::consts::TAU);
            for _ in 0..2 + random.below(5) {
                angle += random.between(-1.2, 1.2);
                let length = random.between(0.1, 0.35) * side;
                let to = [
                    (at[0] + length * angle.cos()).clamp(0.0, side),
                    (at[1] + length * angle.sin()).clamp(0.0, side),
                ];
                let stamps = (length / (0.5 * radius)).ceil().max(1.0) as u32;
                for stamp in 0..=stamps {
                    let part = stamp as f32 / stamps as f32;
                    let centre = [0, 1].map(|i| at[i] + part * (to[i] - at[i]));
                    mask.disc(centre, radius);
                }
                at = to;
            }
        }
        mask
    }

    fn disc(&mut self, [x, y]: [f32; 2], radius: f32) {
        let size = self.size;
        let range = |centre: f32| {
            let first = (centre - radius).floor().max(0.0) as usize;
            let last = (centre + radius).ceil().clamp(0.0, size as f32) as usize;
            first.min(size)..last
        };
        for row in range(y) {
            for column in range(x) {
                let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
                if dx * dx + dy * dy <= radius * radius {
                    self.is_repainted[row * size + column] = true;
                }
            }
        }
    }

    /// One side of a line that passes through the middle part of the picture.
    fn half_plane(size: usize, random: &mut Random) -> Self {
        let mut mask = Self::empty(size);
        let side = size as f32;
        let (sine, cosine) = random.between(0.0, std::f32::consts::TAU).sin_cos();
        let point = [random.between(0.25, 0.75), random.between(0.25, 0.75)];
        for row in 0..size {
            for column in 0..size {
                let dx = column as f32 + 0.5 - point[0] * side;
                let dy = row as f32 + 0.5 - point[1] * side;
                mask.is_repainted[row * size + column] = dx * cosine + dy * sine > 0.0;
            }
        }
        mask
    }

    /// Share of the picture that is painted anew.
    #[cfg(test)]
    fn share(&self) -> f32 {
        let count = self.is_repainted.iter().filter(|is| **is).count();
        count as f32 / self.is_repainted.len() as f32
    }

    /// The mask as the conditioner has it, for latents of so many pixels a side.
    pub fn planes(&self, factor: usize) -> MaskPlanes {
        MaskPlanes::new([self.size; 2], factor, |x, y| {
            self.is_repainted[y * self.size + x]
        })
    }

    /// The mask as the studio is handed one.
    pub fn coverage(&self) -> GrayImage {
        let side = self.size as u32;
        GrayImage::from_fn(side, side, |x, y| {
            let at = y as usize * self.size + x as usize;
            Luma([if self.is_repainted[at] { 255 } else { 0 }])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::Purpose;

    #[test]
    fn masks_cover_some_and_rarely_all() {
        let mut mean = 0.0;
        for i in 0..400 {
            let mut random = Purpose::Mask.random(0, i);
            let mask = PixelMask::draw(64, &mut random);
            assert!(mask.share() > 0.0, "mask {i} is empty");
            mean += mask.share() / 400.0;
        }
        assert!((0.2..0.6).contains(&mean), "{mean}");
    }

    #[test]
    fn each_kind_is_what_its_name_says() {
        let mut random = Purpose::Mask.random(5, 0);
        for _ in 0..50 {
            let plane = PixelMask::half_plane(32, &mut random);
            assert!((0.05..0.95).contains(&plane.share()), "{}", plane.share());
            let stroke = PixelMask::strokes(32, &mut random);
            assert!(stroke.share() > 0.005 && stroke.share() < 0.95);
        }
        let mut mask = PixelMask::empty(16);
        mask.disc([8.0, 8.0], 3.0);
        let area = mask.share() * 256.0;
        assert!((area - 28.3).abs() < 5.0, "{area}");
    }

    #[test]
    fn objects_are_covered() {
        let mut random = Purpose::Mask.random(9, 0);
        for _ in 0..50 {
            let mask = PixelMask::over(32, [20.0, 4.0, 12.0, 10.0], &mut random);
            let is_covered = |row: usize| {
                mask.is_repainted[row * 32 + 20..][..12]
                    .iter()
                    .all(|is| *is)
            };
            assert!((4..14).all(is_covered));
            assert!(mask.share() < 0.5 && !mask.is_repainted[31 * 32]);
        }
    }

    #[test]
    fn latents_are_masked_as_in_painting() {
        let mut mask = PixelMask::empty(4);
        mask.is_repainted[2] = true;
        let planes = mask.planes(2);
        assert_eq!(planes.latent, [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(planes.kept[..4], [1.0, 1.0, 0.0, 1.0]);
    }
}
