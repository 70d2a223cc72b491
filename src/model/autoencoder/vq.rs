//! The first stage whose latents are replaced by vectors of a codebook: diffusers'
//! `VQModel`, the paper's `VQModelInterface`.
//!
//! Denoisers see latents from before the codebook, which is the first layer of
//! decoding: what they answer need not be in it.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::VqModelConfig;
use super::blocks::{Decoder, Encoder};
use super::quantizer::{Quantized, VectorQuantizer};
use crate::model::first_stage::{Draw, FirstStage, FirstStageConfig, Scaling};
use crate::model::weights::{self, WeightDtype, names};
use crate::model::{ModelError, work};
use crate::nn::{self, Conv2d, Conv2dConfig};

impl VqModelConfig {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported, or
    /// its sizes contradict each other.
    pub fn init(&self, device: &Device) -> Result<VqModel, ModelError> {
        self.validate()?;
        let codec = self.codec()?;
        let (inner, latent) = (self.latent_channels, self.channels());
        Ok(VqModel {
            encoder: Encoder::new(&codec, device),
            quant_conv: Conv2dConfig::same(inner, latent, 1).init(device),
            quantize: VectorQuantizer::new(self.num_vq_embeddings, latent, device),
            post_quant_conv: Conv2dConfig::same(latent, inner, 1).init(device),
            decoder: Decoder::new(&codec, device),
            config: self.clone(),
        })
    }
}

/// The autoencoder with a codebook (Esser et al. 2021,
/// <https://arxiv.org/abs/2012.09841>).
#[derive(Module, Debug)]
pub struct VqModel {
    encoder: Encoder,
    quant_conv: Conv2d,
    quantize: VectorQuantizer,
    post_quant_conv: Conv2d,
    decoder: Decoder,
    #[module(skip)]
    config: VqModelConfig,
}

impl VqModel {
    /// The configuration the network was made from.
    pub fn config(&self) -> &VqModelConfig {
        &self.config
    }

    /// The codebook.
    pub fn quantizer(&self) -> &VectorQuantizer {
        &self.quantize
    }

    /// The same network with weights before the latents that training leaves alone.
    pub fn with_fixed_encoder(mut self) -> Self {
        self.encoder = self.encoder.no_grad();
        self.quant_conv = self.quant_conv.no_grad();
        self.quantize = self.quantize.no_grad();
        self
    }

    /// Pictures in [-1, 1] to latents from before the codebook, not yet multiplied by
    /// the scaling factor.
    ///
    /// # Shapes
    /// `[batch, in_channels, height, width]` to `[batch, channels, height / f, width / f]`.
    pub fn encode(&self, images: Tensor<4>) -> Tensor<4> {
        nn::ops::on_workers(&images.clone(), || {
            self.quant_conv.forward(self.encoder.forward(images))
        })
    }

    /// Replaces latents, already divided by the scaling factor, by vectors of the
    /// codebook.
    pub fn quantize(&self, latents: Tensor<4>) -> Quantized {
        nn::ops::on_workers(&latents.clone(), || self.quantize.quantize(latents))
    }

    /// Vectors of the codebook to pictures of about [-1, 1].
    ///
    /// # Shapes
    /// `[batch, channels, h, w]` to `[batch, out_channels, f · h, f · w]`.
    pub fn decode_quantized(&self, latents: Tensor<4>) -> Tensor<4> {
        nn::ops::on_workers(&latents.clone(), || {
            self.decoder.forward(self.post_quant_conv.forward(latents))
        })
    }
}

impl FirstStage for VqModel {
    fn configuration(&self) -> FirstStageConfig {
        FirstStageConfig::Vq(self.config.clone())
    }

    fn scaling(&self) -> Scaling {
        self.config.scaling()
    }

    fn set_scaling_factor(&mut self, factor: f64) {
        self.config.scaling_factor = factor;
    }

    fn draw_unscaled(&self, pictures: Tensor<4>, _noise: Draw<'_>) -> Tensor<4> {
        self.encode(pictures)
    }

    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4> {
        self.encode(pictures)
    }

    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        (self.likeliest_unscaled(pictures), None)
    }

    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        let nearest = self.quantize(latents.clone()).nearest;
        if !latents.device().is_autodiff() {
            return self.decode_quantized(nearest);
        }
        // Gradients go by the codebook as if it were not there, as in training.
        let away = (nearest - latents.clone()).detach();
        self.decode_quantized(latents + away)
    }

    fn parameter_count(&self) -> usize {
        nn::parameter_count(self)
    }

    fn decoder_work(&self) -> f64 {
        work::decoder_work(self, self.config.block_out_channels.len())
    }

    fn save_weights(&self, path: &Path, dtype: WeightDtype) -> Result<(), ModelError> {
        weights::save(self, path, &names::AUTOENCODER, dtype)
    }

    fn differentiable(&self) -> Box<dyn FirstStage> {
        Box::new(self.clone().no_grad().train())
    }

    fn boxed(&self) -> Box<dyn FirstStage> {
        Box::new(self.clone())
    }
}
