//! Which pixels of a picture are painted anew, at the sizes of the picture and of
//! its latents: one rule for painting and for training.

/// A mask as plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskPlanes {
    /// Width and height in pixels.
    pub size_px: [usize; 2],
    /// Pixels per side of a latent's place.
    pub factor: usize,
    /// 1 for each latent that is repainted, row by row.
    pub latent: Vec<f32>,
    /// 1 for each pixel that is kept, row by row.
    pub kept: Vec<f32>,
}

impl MaskPlanes {
    /// A latent is repainted where the first pixel of its block is, as in
    /// diffusers. That alone would lose thin strokes between those pixels, so a
    /// latent is also repainted where any of its pixels is and none of the
    /// latents around it would be.
    ///
    /// `size_px` (width, height) must be multiples of `factor`.
    pub fn new(
        size_px: [usize; 2],
        factor: usize,
        is_repainted: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let [width, height] = size_px;
        let (columns, rows) = (width / factor, height / factor);
        let mut kept = vec![1.0_f32; width * height];
        let mut is_touched = vec![false; columns * rows];
        for y in 0..height {
            for x in 0..width {
                if is_repainted(x, y) {
                    kept[y * width + x] = 0.0;
                    is_touched[y / factor * columns + x / factor] = true;
                }
            }
        }
        let is_first_painted = |x: usize, y: usize| kept[y * factor * width + x * factor] == 0.0;
        let is_lost = |x: usize, y: usize| {
            let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
            !near(y, rows).any(|y| near(x, columns).any(|x| is_first_painted(x, y)))
        };
        let latent = (0..columns * rows)
            .map(|i| {
                let (x, y) = (i % columns, i / columns);
                let is_repainted = is_first_painted(x, y) || (is_touched[i] && is_lost(x, y));
                f32::from(u8::from(is_repainted))
            })
            .collect();
        Self {
            size_px,
            factor,
            latent,
            kept,
        }
    }

    /// Everything is repainted.
    pub fn whole(size_px: [usize; 2], factor: usize) -> Self {
        let [width, height] = size_px;
        Self {
            size_px,
            factor,
            latent: vec![1.0; width / factor * (height / factor)],
            kept: vec![0.0; width * height],
        }
    }

    /// Puts a number where it is painted anew: 0 of [-1, 1] for Stable Diffusion's
    /// inpainting model.
    ///
    /// # Shapes
    /// Any number of planes of the size of the picture, to the same.
    pub fn erase(&self, planes: &[f32], hole: f32) -> Vec<f32> {
        let kept = self.kept.iter().cycle();
        planes
            .iter()
            .zip(kept)
            .map(|(value, kept)| value * kept + hole * (1.0 - kept))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_strokes_reach_the_latents() {
        let mask = MaskPlanes::new([8, 8], 4, |x, y| (x, y) == (3, 1));
        assert_eq!(mask.latent, [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(mask.kept.iter().sum::<f32>(), 63.0);
        let erased = mask.erase(&[0.5; 192], 0.0);
        assert_eq!(erased.iter().filter(|value| **value == 0.0).count(), 3);
    }

    #[test]
    fn broad_masks_are_those_of_diffusers() {
        // Columns 3 to 9: the blocks that begin at 4 and 8.
        let broad = MaskPlanes::new([16, 8], 4, |x, _| (3..10).contains(&x));
        let row = [0.0, 1.0, 1.0, 0.0];
        assert_eq!(broad.latent, [row, row].concat());
        let whole = MaskPlanes::whole([16, 8], 4);
        assert_eq!(whole, MaskPlanes::new([16, 8], 4, |_, _| true));
    }
}
