//! A first stage whose pictures another one makes.

use std::path::Path;

use burn::tensor::Tensor;

use super::{Draw, FirstStage, FirstStageConfig, Scaling};
use crate::model::{ModelError, WeightDtype};

/// The encoder of one first stage and the decoder of another that has the same latents,
/// as the denoiser wants them.
#[derive(Debug)]
pub(in crate::model) struct Halves {
    encodes: Box<dyn FirstStage>,
    decodes: Box<dyn FirstStage>,
}

impl Halves {
    /// Latents as one stage makes them, pictures as another does.
    ///
    /// # Errors
    /// If these have other latents.
    pub fn new(
        encodes: Box<dyn FirstStage>,
        decodes: Box<dyn FirstStage>,
    ) -> Result<Self, ModelError> {
        encodes.info().check(decodes.as_ref())?;
        Ok(Self { encodes, decodes })
    }
}

impl FirstStage for Halves {
    /// That of the encoder, which is the larger one.
    fn configuration(&self) -> FirstStageConfig {
        self.encodes.configuration()
    }

    fn scaling(&self) -> Scaling {
        self.encodes.scaling()
    }

    fn set_scaling_factor(&mut self, factor: f64) {
        self.encodes.set_scaling_factor(factor);
    }

    fn draw_unscaled(&self, pictures: Tensor<4>, noise: Draw<'_>) -> Tensor<4> {
        self.encodes.draw_unscaled(pictures, noise)
    }

    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4> {
        self.encodes.likeliest_unscaled(pictures)
    }

    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        self.encodes.distribution_unscaled(pictures)
    }

    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decodes.to_pictures(self.scaling().apply(latents))
    }

    fn parameter_count(&self) -> usize {
        self.encodes.parameter_count() + self.decodes.parameter_count()
    }

    fn decoder_work(&self) -> f64 {
        self.decodes.decoder_work()
    }

    fn save_weights(&self, path: &Path, dtype: WeightDtype) -> Result<(), ModelError> {
        self.encodes.save_weights(path, dtype)
    }

    fn differentiable(&self) -> Box<dyn FirstStage> {
        Box::new(Self {
            encodes: self.encodes.differentiable(),
            decodes: self.decodes.differentiable(),
        })
    }

    fn boxed(&self) -> Box<dyn FirstStage> {
        Box::new(Self {
            encodes: self.encodes.boxed(),
            decodes: self.decodes.boxed(),
        })
    }

    fn to_pictures(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decodes.to_pictures(latents)
    }
}
