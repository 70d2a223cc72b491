//! The description of a job that enlarges pictures.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::canvas::WindowChoice;
use super::generate::MAX_SIDE_PX;
use super::param::STEPS;
use super::{
    GenerateSpec, ImageInput, LayoutInput, ModelSource, SemanticInput, SpecError, scale_picture,
};

/// What is done with a painted picture before it is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It is made four times as large.
    X4,
}

impl Finish {
    /// Sides of the finished picture for one of the painted.
    pub const fn factor(self) -> u32 {
        match self {
            Self::X4 => 4,
        }
    }
}

impl GenerateSpec {
    /// The job whose finished picture has the size that this one's painted picture
    /// would have: all that it is given becomes smaller with it.
    #[must_use]
    pub fn painted_smaller(self, finish: Finish) -> Self {
        let factor = finish.factor();
        let [width_px, height_px] = [self.width_px, self.height_px].map(|side| side / factor);
        let share = |small: u32, large: u32| small as f32 / large.max(1) as f32;
        let shares = [
            share(width_px, self.width_px),
            share(height_px, self.height_px),
        ];
        let smaller = |layout: &LayoutInput| layout.scaled(shares[0], shares[1]);
        let resized = |semantic: &SemanticInput| semantic.resized([width_px, height_px]);
        Self {
            width_px,
            height_px,
            // What was cut for a frame keeps the frame's size.
            init: self.init.map(|ImageInput(picture)| match self.frame {
                Some(_) => ImageInput(picture),
                None => ImageInput(Arc::new(scale_picture(&picture, width_px, height_px))),
            }),
            layout: self.layout.as_ref().map(smaller),
            semantic: self.semantic.as_ref().map(resized),
            low_resolution: self.low_resolution.map(|ImageInput(small)| {
                let (across, down) = small.dimensions();
                let [across, down] = [across, down].map(|side| side.div_ceil(factor));
                ImageInput(Arc::new(scale_picture(&small, across, down)))
            }),
            finish: Some(finish),
            ..self
        }
    }
}

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
            Self::Network => Finish::X4.factor(),
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
    use image::{GrayImage, RgbaImage};

    use super::*;
    use crate::recipe::{LayoutBox, Palette};

    #[test]
    fn all_that_a_job_is_given_becomes_smaller_with_it() {
        let spec = GenerateSpec {
            width_px: 256,
            height_px: 128,
            init: Some(ImageInput(Arc::new(RgbaImage::new(256, 128)))),
            layout: Some(LayoutInput(Arc::new([LayoutBox {
                class: "bus".to_owned(),
                rect: [40.0, -8.0, 100.0, 64.0],
                colour: None,
            }]))),
            semantic: Some(SemanticInput {
                map: Arc::new(GrayImage::from_pixel(256, 128, image::Luma([3]))),
                palette: Palette::default(),
            }),
            ..GenerateSpec::default()
        };
        let small = spec.painted_smaller(Finish::X4);
        assert_eq!([small.width_px, small.height_px], [64, 32]);
        assert_eq!(small.finish, Some(Finish::X4));
        assert_eq!(small.init.unwrap().0.dimensions(), (64, 32));
        assert_eq!(small.layout.unwrap().0[0].rect, [10.0, -2.0, 25.0, 16.0]);
        let map = small.semantic.unwrap().map;
        assert_eq!((map.dimensions(), map.get_pixel(5, 5)[0]), ((64, 32), 3));
    }

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
