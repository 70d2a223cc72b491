//! Latents of a large picture, decoded band by band.
//!
//! A band takes the memory of its own rows, however high the picture is, and nobody waits
//! longer than for one. Neighbours share some latents, over which one gives way to the
//! next.

use burn::tensor::Tensor;
use image::RgbaImage;

use crate::diffusion::tensors::host;
use crate::diffusion::{Canvas, DiffusionError, LatentDiffusion};
use crate::pixels;

/// Rows of latents in a band.
const ROWS: usize = 64;
/// Rows that a band shares with the next one: what lies further away is hardly seen in a
/// pixel.
const SHARED: usize = 8;

/// A picture that is being decoded.
#[derive(Debug)]
pub(super) struct Bands {
    /// # Shapes
    /// `[1, latent_channels, h, w]`.
    latents: Tensor<4>,
    canvas: Canvas,
    factor: usize,
    /// The first row of each band.
    starts: Vec<usize>,
    done: usize,
    /// What the band before says of the rows that the next one shares with it, as planes.
    shared: Vec<f32>,
    picture: RgbaImage,
}

impl Bands {
    /// Begins with latents of a picture of a size, which they may reach beyond.
    pub fn new(
        model: &LatentDiffusion,
        latents: Tensor<4>,
        canvas: Canvas,
        [width_px, height_px]: [u32; 2],
    ) -> Self {
        Self {
            starts: starts(latents.dims()[2]),
            factor: model.model().latents().factor,
            latents,
            canvas,
            done: 0,
            shared: Vec::new(),
            picture: RgbaImage::new(width_px, height_px),
        }
    }

    /// How many bands so many rows of latents have.
    pub fn count(rows: usize) -> usize {
        starts(rows).len()
    }

    /// Decodes the next band; `false` when there is none.
    ///
    /// # Errors
    /// If the device does not hand it over, or its numbers are none.
    pub fn step(&mut self, model: &LatentDiffusion) -> Result<bool, DiffusionError> {
        let Some(&start) = self.starts.get(self.done) else {
            return Ok(false);
        };
        let rows = ROWS.min(self.latents.dims()[2] - start);
        let band = model.decoded(self.latents.clone().narrow(2, start, rows), self.canvas);
        let [_, _, height, width] = band.dims();
        let mut planes = host(band)?;
        if !planes.iter().all(|value| value.is_finite()) {
            return Err(DiffusionError::NoPicture);
        }
        let shared_px = SHARED * self.factor;
        if !self.shared.is_empty() {
            blend(&mut planes, &self.shared, [width, height], shared_px);
        }
        self.done += 1;
        self.shared = match self.starts.get(self.done) {
            Some(next) => rows_of(
                &planes,
                [width, height],
                (next - start) * self.factor,
                shared_px,
            ),
            None => Vec::new(),
        };
        let band = pixels::picture(&planes, width, height);
        let top = (start * self.factor) as u32;
        for (x, y, pixel) in band.enumerate_pixels() {
            if let Some(to) = self.picture.get_pixel_mut_checked(x, top + y) {
                let [r, g, b] = pixel.0;
                to.0 = [r, g, b, u8::MAX];
            }
        }
        Ok(true)
    }

    /// The picture, as far as it is decoded.
    pub fn into_picture(self) -> RgbaImage {
        self.picture
    }
}

/// The first row of each band: all have as many rows where there are as many.
fn starts(rows: usize) -> Vec<usize> {
    let last = rows.saturating_sub(ROWS);
    let before = (0..last).step_by(ROWS - SHARED);
    before.chain([last]).collect()
}

/// So many rows of planes from one on.
fn rows_of(planes: &[f32], [width, height]: [usize; 2], from: usize, count: usize) -> Vec<f32> {
    let planes = planes.chunks_exact((width * height).max(1));
    planes
        .flat_map(|plane| &plane[from * width..(from + count) * width])
        .copied()
        .collect()
}

/// Has the first rows of planes begin as others are.
fn blend(planes: &mut [f32], others: &[f32], [width, height]: [usize; 2], rows: usize) {
    let planes = planes.chunks_exact_mut((width * height).max(1));
    for (plane, other) in planes.zip(others.chunks_exact((width * rows).max(1))) {
        for (at, (value, other)) in plane.iter_mut().zip(other).enumerate() {
            let share = ((at / width) as f32 + 0.5) / rows as f32;
            // Smooth at both ends.
            let share = share * share * (3.0 - 2.0 * share);
            *value = other + (*value - other) * share;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_all_rows_and_share_some() {
        for rows in [1, 63, 64, 65, 120, 121, 500, 2048] {
            let starts = starts(rows);
            assert_eq!(Bands::count(rows), starts.len());
            assert_eq!(starts[0], 0);
            let last = starts.last().copied().unwrap_or_default();
            assert_eq!(last + ROWS.min(rows), rows, "{rows}");
            for pair in starts.windows(2) {
                assert!(pair[0] < pair[1] && pair[1] + SHARED <= pair[0] + ROWS);
            }
        }
    }

    #[test]
    fn a_band_gives_way_to_the_next() {
        // Two planes of 3 × 4.
        let mut planes = vec![1.0; 24];
        let others = rows_of(&[0.0; 24], [3, 4], 1, 2);
        assert_eq!(others.len(), 12);
        blend(&mut planes, &others, [3, 4], 2);
        for plane in planes.chunks(12) {
            let column: Vec<f32> = plane.iter().step_by(3).copied().collect();
            assert!(column[0] > 0.0 && column[0] < 0.5, "{column:?}");
            assert!((column[0] + column[1] - 1.0).abs() < 1e-6);
            assert_eq!(column[2..], [1.0, 1.0]);
        }
    }
}
