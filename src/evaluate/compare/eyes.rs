//! How different two pictures look, by a network whose weights the user has.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

use crate::evaluate::EvaluateError;
use crate::evaluate::judge::host;
use crate::model::Lpips;
use crate::nn::ops;
use crate::pixels::planes;

/// LPIPS, ready to look.
#[derive(Debug)]
pub struct Eyes {
    network: Lpips,
    device: Device,
}

impl Eyes {
    /// Reads the weights, a file or a folder.
    ///
    /// # Errors
    /// If they cannot be read, or are of something else.
    pub fn open(path: &Path, device: &Device) -> Result<Self, EvaluateError> {
        Ok(Self {
            network: Lpips::open(path, device)?,
            device: device.clone(),
        })
    }

    /// How different two pictures of one size look, 0 for equal ones; `None` where they
    /// are too small to be looked at.
    ///
    /// # Errors
    /// When the device fails, or the weights see no numbers.
    pub fn difference(&self, a: &RgbImage, b: &RgbImage) -> Result<Option<f64>, EvaluateError> {
        let (width, height) = (a.width() as usize, a.height() as usize);
        if width.min(height) < Lpips::LEAST_SIDE_PX || a.dimensions() != b.dimensions() {
            return Ok(None);
        }
        let picture = |picture: &RgbImage| {
            let data = TensorData::new(planes(picture), [1, 3, height, width]);
            Tensor::<4>::from_data(data, &self.device)
        };
        let (a, b) = (picture(a), picture(b));
        let told = ops::on_workers(&a.clone(), || self.network.forward(a, b));
        let told = host(told)?.first().copied();
        if told.is_some_and(|told| !told.is_finite()) {
            return Err(EvaluateError::NoFeatures);
        }
        Ok(told.map(f64::from))
    }
}
