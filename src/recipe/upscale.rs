//! The description of a job that enlarges pictures.

use super::canvas::WindowChoice;
use super::generate::MAX_SIDE_PX;
use super::param::STEPS;
use super::{ImageInput, ModelSource, SpecError};

/// How often the side of a picture goes into that of the one that the network makes of it.
const NETWORK_FACTOR: u32 = 4;

/// What makes pictures larger.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Enlarger {
    /// The network that came with the program: four times, in one pass.
    #[default]
    Network,
    /// A diffusion model that paints a picture anew from a small one.
    Model(SuperResolution),
}

impl Enlarger {
    /// Sides of the larger picture for one of the picture.
    pub fn factor(&self) -> u32 {
        match self {
            Self::Network => NETWORK_FACTOR,
            Self::Model(model) => model.factor.max(1),
        }
    }
}

/// How a diffusion model makes pictures larger (Rombach et al. 2022,
/// <https://arxiv.org/abs/2112.10752>, §4.4).
#[derive(Clone, Debug, PartialEq)]
pub struct SuperResolution {
    /// The model.
    pub model: ModelSource,
    /// How often the side of a small picture goes into that of a large one, as the model
    /// was trained.
    pub factor: u32,
    /// Number of steps; `None` for as many as suit the model.
    pub steps: Option<u32>,
    /// Seed of the noise; picture `k` has `seed + k`.
    pub seed: u64,
}

/// Latents along the side of a window in which a picture is painted larger, at least.
/// Smaller ones consist of edges, and everything in them is painted several times.
const LEAST_WINDOW: u32 = 32;

/// Side in pixels of the windows in which a picture of a size is painted larger, by a model
/// that was trained on pictures of so many pixels a side and has a latent for so many;
/// `None` for whole.
pub fn enlarging_window_px(size_px: [u32; 2], native_px: u32, pixels_a_latent: u32) -> Option<u32> {
    let side_px = WindowChoice::Auto.side_px(size_px, native_px)?;
    let side_px = side_px.max(LEAST_WINDOW.saturating_mul(pixels_a_latent));
    size_px
        .iter()
        .any(|side| *side > side_px)
        .then_some(side_px)
}

/// Pictures to be made larger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpscaleSpec {
    /// The pictures.
    pub pictures: Vec<ImageInput>,
    /// What makes them larger.
    pub by: Enlarger,
}

impl UpscaleSpec {
    /// Checks the sizes and numbers, but looks at no pixel.
    ///
    /// # Errors
    /// If a picture has no pixels or is too large, or there are no or too many steps.
    pub fn validate(&self) -> Result<(), SpecError> {
        let most_px = match &self.by {
            Enlarger::Network => MAX_SIDE_PX,
            // Latents of all of it are in memory.
            Enlarger::Model(_) => MAX_SIDE_PX / self.by.factor(),
        };
        if let Enlarger::Model(SuperResolution {
            steps: Some(steps), ..
        }) = self.by
        {
            STEPS.check(steps.into())?;
        }
        let allowed = 1..=most_px;
        for ImageInput(picture) in &self.pictures {
            let (width_px, height_px) = picture.dimensions();
            if !allowed.contains(&width_px) || !allowed.contains(&height_px) {
                return Err(SpecError::Enlarged {
                    width_px,
                    height_px,
                    most_px,
                });
            }
        }
        Ok(())
    }

    /// Bytes of the large pictures.
    pub fn result_bytes(&self) -> u64 {
        let factor = u64::from(self.by.factor());
        let small = self.pictures.iter().map(|picture| picture.0.as_raw().len());
        small.map(|bytes| bytes as u64 * factor * factor).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::RgbaImage;

    use super::*;

    #[test]
    fn windows_are_not_too_small() {
        assert_eq!(enlarging_window_px([64, 64], 32, 8), None);
        assert_eq!(enlarging_window_px([200, 256], 32, 8), None);
        assert_eq!(enlarging_window_px([200, 300], 32, 8), Some(256));
        assert_eq!(enlarging_window_px([1024, 1024], 256, 4), Some(512));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let spec = |width, height| UpscaleSpec {
            pictures: vec![ImageInput(Arc::new(RgbaImage::new(width, height)))],
            ..UpscaleSpec::default()
        };
        assert_eq!(spec(3, 5).validate(), Ok(()));
        assert_eq!(spec(3, 5).result_bytes(), 12 * 20 * 4);
        let told = spec(MAX_SIDE_PX + 1, 1).validate().unwrap_err().to_string();
        assert!(
            told.contains("8193 × 1 pixels cannot be enlarged"),
            "{told}"
        );
        let by = |steps| {
            let model = SuperResolution {
                model: ModelSource::Storybook,
                factor: 2,
                steps,
                seed: 0,
            };
            UpscaleSpec {
                by: Enlarger::Model(model),
                ..spec(4096, 5)
            }
        };
        assert_eq!(by(None).validate(), Ok(()));
        assert_eq!(by(None).result_bytes(), 8192 * 10 * 4);
        assert!(by(Some(0)).validate().is_err());
        let mut larger = by(None);
        larger.pictures = spec(4097, 5).pictures;
        let told = larger.validate().unwrap_err().to_string();
        assert!(told.contains("from 1 to 4096"), "{told}");
    }
}
