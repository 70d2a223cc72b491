//! Pictures as their own latents, f = 1: the paper's LDM-1 (Rombach et al. 2022,
//! <https://arxiv.org/abs/2112.10752>, §4.1).

use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::OpenWeights;
use super::{Draw, FirstStage, FirstStageConfig, Kind, LatentInfo, Scaling};
use crate::model::ModelError;
use crate::model::autoencoder::codec::Codec;
use crate::model::weights::{Arranged, WeightDtype, WeightSource};

const CLASS: &str = "IdentityFirstStage";
/// Red, green and blue.
const CHANNELS: usize = 3;

/// `config.json` of no network at all; the class is that of the paper's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PixelsConfig {
    /// Always `IdentityFirstStage`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// What pixels in [-1, 1] are multiplied by for the denoiser.
    pub scaling_factor: f64,
}

impl Default for PixelsConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            scaling_factor: 1.0,
        }
    }
}

impl From<PixelsConfig> for FirstStageConfig {
    fn from(config: PixelsConfig) -> Self {
        Self::Pixels(config)
    }
}

/// No network: what goes in comes out.
#[derive(Clone, Debug, Default)]
pub struct Pixels {
    config: PixelsConfig,
}

impl PixelsConfig {
    fn scaling(&self) -> Scaling {
        Scaling {
            factor: self.scaling_factor,
            shift: 0.0,
            channels: None,
        }
    }
}

impl Kind for PixelsConfig {
    fn class(&self) -> &'static str {
        CLASS
    }

    fn validate(&self) -> Result<(), ModelError> {
        self.scaling().validate(CLASS)
    }

    fn info(&self) -> LatentInfo {
        LatentInfo {
            channels: CHANNELS,
            factor: 1,
        }
    }

    fn sample_size(&self) -> Option<&Value> {
        None
    }

    fn codec(&self) -> Result<Option<Codec>, ModelError> {
        Ok(None)
    }

    fn parameter_count(&self) -> Result<usize, ModelError> {
        Ok(0)
    }

    fn fits(&self, _source: &dyn WeightSource) -> bool {
        false
    }

    fn placed(&self, _weights: OpenWeights<'_>) -> Result<Option<Arranged>, ModelError> {
        Ok(None)
    }

    fn unread(&self, _device: &Device) -> Result<Box<dyn FirstStage>, ModelError> {
        Ok(Box::new(Pixels {
            config: self.clone(),
        }))
    }

    fn load(
        &self,
        _weights: OpenWeights<'_>,
        _held: WeightDtype,
        device: &Device,
    ) -> Result<Box<dyn FirstStage>, ModelError> {
        self.unread(device)
    }
}

impl FirstStage for Pixels {
    fn configuration(&self) -> FirstStageConfig {
        FirstStageConfig::Pixels(self.config.clone())
    }

    fn scaling(&self) -> Scaling {
        self.config.scaling()
    }

    fn set_scaling_factor(&mut self, factor: f64) {
        self.config.scaling_factor = factor;
    }

    fn draw_unscaled(&self, pictures: Tensor<4>, _noise: Draw<'_>) -> Tensor<4> {
        pictures
    }

    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4> {
        pictures
    }

    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        (self.likeliest_unscaled(pictures), None)
    }

    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        latents
    }

    fn parameter_count(&self) -> usize {
        0
    }

    fn decoder_work(&self) -> f64 {
        0.0
    }

    fn save_weights(&self, _path: &Path, _dtype: WeightDtype) -> Result<(), ModelError> {
        Ok(())
    }

    fn differentiable(&self) -> Box<dyn FirstStage> {
        self.boxed()
    }

    fn boxed(&self) -> Box<dyn FirstStage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_their_own_latents() {
        let device = Device::flex();
        let stage = Pixels::default();
        let picture =
            Tensor::<4>::from_floats([[[[0.25, -1.0]], [[0.5, 0.0]], [[1.0, 0.75]]]], &device);
        let mut noise = |_| panic!("nothing is drawn");
        let latents = stage.to_latents(picture.clone(), &mut noise);
        latents
            .clone()
            .into_data()
            .assert_eq(&picture.clone().into_data(), true);
        let back = stage.to_pictures(latents);
        back.into_data().assert_eq(&picture.into_data(), true);
        let info = LatentInfo {
            channels: 3,
            factor: 1,
        };
        assert_eq!((stage.info(), stage.parameter_count()), (info, 0));
    }
}
