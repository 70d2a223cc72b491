//! The first stage whose latents are drawn from a distribution that is kept near
//! the standard normal one: diffusers' `AutoencoderKL`.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::blocks::{Decoder, Encoder};
use super::{AutoencoderKlConfig, DiagonalGaussian};
use crate::model::first_stage::{Draw, FirstStage, FirstStageConfig, Scaling};
use crate::model::weights::{self, WeightDtype, names};
use crate::model::{ModelError, work};
use crate::nn::{self, Conv2d, Conv2dConfig};

impl AutoencoderKlConfig {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported, or
    /// its sizes contradict each other.
    pub fn init(&self, device: &Device) -> Result<AutoencoderKl, ModelError> {
        self.validate()?;
        let codec = self.codec()?;
        let (inner, latent) = (self.latent_channels, self.channels());
        Ok(AutoencoderKl {
            encoder: Encoder::new(&codec, device),
            decoder: Decoder::new(&codec, device),
            quant_conv: self
                .use_quant_conv
                .then(|| Conv2dConfig::same(2 * inner, 2 * latent, 1).init(device)),
            post_quant_conv: self
                .use_post_quant_conv
                .then(|| Conv2dConfig::same(latent, inner, 1).init(device)),
            config: self.clone(),
        })
    }
}

/// The autoencoder between pictures and latents (Rombach et al. 2022, §3.1).
#[derive(Module, Debug)]
pub struct AutoencoderKl {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    #[module(skip)]
    config: AutoencoderKlConfig,
}

impl AutoencoderKl {
    /// The configuration the network was made from.
    pub fn config(&self) -> &AutoencoderKlConfig {
        &self.config
    }

    /// The same network with weights before the latents that training leaves alone.
    pub fn with_fixed_encoder(mut self) -> Self {
        self.encoder = self.encoder.no_grad();
        self.quant_conv = self.quant_conv.map(Module::no_grad);
        self
    }

    /// Pictures in [-1, 1] to the distribution of their latents, not yet multiplied
    /// by the scaling factor.
    ///
    /// # Shapes
    /// `[batch, in_channels, height, width]` to a mean and log-variance of
    /// `[batch, channels, height / f, width / f]`.
    pub fn encode(&self, images: Tensor<4>) -> DiagonalGaussian {
        let moments = nn::ops::on_workers(&images.clone(), || {
            let moments = self.encoder.forward(images);
            match &self.quant_conv {
                Some(conv) => conv.forward(moments),
                None => moments,
            }
        });
        DiagonalGaussian::from_moments(moments)
    }

    /// Latents, already divided by the scaling factor, to pictures of about [-1, 1].
    ///
    /// # Shapes
    /// `[batch, channels, h, w]` to `[batch, out_channels, f · h, f · w]`.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        nn::ops::on_workers(&latents.clone(), || {
            self.decoder.forward(match &self.post_quant_conv {
                Some(conv) => conv.forward(latents),
                None => latents,
            })
        })
    }
}

impl FirstStage for AutoencoderKl {
    fn configuration(&self) -> FirstStageConfig {
        FirstStageConfig::Kl(self.config.clone())
    }

    fn scaling(&self) -> Scaling {
        self.config.scaling()
    }

    fn set_scaling_factor(&mut self, factor: f64) {
        self.config.scaling_factor = factor;
    }

    fn draw_unscaled(&self, pictures: Tensor<4>, noise: Draw<'_>) -> Tensor<4> {
        let posterior = self.encode(pictures);
        let noise = noise(posterior.mean.dims());
        posterior.sample(noise)
    }

    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4> {
        self.encode(pictures).mode()
    }

    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        let posterior = self.encode(pictures);
        let deviation = posterior.deviation();
        (posterior.mean, Some(deviation))
    }

    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decode(latents)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_diffusion_has_the_published_number_of_weights() {
        let config = AutoencoderKlConfig {
            block_out_channels: vec![128, 256, 512, 512],
            down_block_types: vec!["DownEncoderBlock2D".into(); 4],
            up_block_types: vec!["UpDecoderBlock2D".into(); 4],
            layers_per_block: 2,
            ..Default::default()
        };
        assert_eq!(config.parameter_count().expect("supported"), 83_653_863);
        assert_eq!(config.downsampling(), 8);
    }
}
