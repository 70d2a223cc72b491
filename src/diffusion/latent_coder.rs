//! A first stage on its own: pictures to latents and back, without a denoiser.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbaImage;

use super::DiffusionError;
use super::tensors::{host, tensor_from_rgb};
use crate::model::{self, FirstStage, WeightDtype};
use crate::pixels;
use crate::recipe::MAX_SIDE_PX;

/// The first stage of a model, or one that lies alone.
#[derive(Debug)]
pub struct LatentCoder {
    stage: Box<dyn FirstStage>,
    device: Device,
}

/// Latents that are not scaled for a denoiser.
#[derive(Clone, Debug, PartialEq)]
pub struct UnscaledLatents {
    /// Batch, channels, height and width.
    pub shape: [usize; 4],
    /// The numbers, row-major.
    pub values: Vec<f32>,
}

impl LatentCoder {
    /// Reads it from a folder or a file.
    ///
    /// # Errors
    /// If there is none, or it is damaged or not supported.
    pub fn load(path: &Path, device: &Device) -> Result<Self, DiffusionError> {
        let stage = model::load_first_stage(path, WeightDtype::F32, device)?;
        Ok(Self {
            stage,
            device: device.clone(),
        })
    }

    /// The likeliest latents of a picture, laid on white: the mean of a distribution,
    /// what comes before a codebook.
    ///
    /// # Errors
    /// If the sides of the picture are no multiples of those of a latent's place, or
    /// the device fails.
    pub fn encode(&self, picture: &RgbaImage) -> Result<UnscaledLatents, DiffusionError> {
        self.stage.configuration().check_encoder()?;
        let factor = self.stage.info().factor as u32;
        let (width, height) = picture.dimensions();
        if !width.is_multiple_of(factor) || !height.is_multiple_of(factor) {
            return Err(DiffusionError::Sides {
                factor,
                found_px: [width, height],
            });
        }
        let picture = pixels::flattened(picture, pixels::WHITE);
        let latents = self
            .stage
            .likeliest_unscaled(tensor_from_rgb(&picture, &self.device));
        Ok(UnscaledLatents {
            shape: latents.dims(),
            values: host(latents)?,
        })
    }

    /// The picture of latents.
    ///
    /// # Errors
    /// If they have other channels than those of this stage or are larger than any
    /// picture, the device fails, or the picture is not finite.
    pub fn decode(&self, latents: UnscaledLatents) -> Result<RgbaImage, DiffusionError> {
        let [_, channels, height, width] = latents.shape;
        let info = self.stage.info();
        if channels != info.channels {
            return Err(DiffusionError::Channels {
                found: channels,
                wanted: info.channels,
            });
        }
        let most = MAX_SIDE_PX as usize / info.factor;
        if height > most || width > most {
            return Err(DiffusionError::TooLarge { most });
        }
        let data = TensorData::new(latents.values, latents.shape);
        let decoded = self
            .stage
            .decode_unscaled(Tensor::from_data(data, &self.device));
        let [_, _, height, width] = decoded.dims();
        let values = host(decoded)?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(DiffusionError::NoPicture);
        }
        Ok(pixels::opaque(&pixels::picture(&values, width, height)))
    }
}
