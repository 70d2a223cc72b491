//! The first stage, diffusers' `AutoencoderKL`.

mod blocks;
mod config;
mod gaussian;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

pub use config::AutoencoderKlConfig;
pub use gaussian::DiagonalGaussian;

use self::blocks::{Decoder, Encoder};
use super::ModelError;
use crate::nn::{self, Conv2d, Conv2dConfig};

impl AutoencoderKlConfig {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported, or
    /// its sizes contradict each other.
    pub fn init(&self, device: &Device) -> Result<AutoencoderKl, ModelError> {
        self.validate()?;
        let latent = self.latent_channels;
        Ok(AutoencoderKl {
            encoder: Encoder::new(self, device),
            decoder: Decoder::new(self, device),
            quant_conv: self
                .use_quant_conv
                .then(|| Conv2dConfig::same(2 * latent, 2 * latent, 1).init(device)),
            post_quant_conv: self
                .use_post_quant_conv
                .then(|| Conv2dConfig::same(latent, latent, 1).init(device)),
            config: self.clone(),
        })
    }

    /// Number of weights of the network, without making any.
    ///
    /// # Errors
    /// As [`Self::init`].
    pub fn parameter_count(&self) -> Result<usize, ModelError> {
        Ok(nn::parameter_count(&self.init(&Device::flex())?))
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

    /// Replaces the factor that brings latents to unit variance, as measured by training.
    pub fn set_scaling_factor(&mut self, factor: f64) {
        self.config.scaling_factor = factor;
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
    /// `[batch, latent_channels, height / f, width / f]`.
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
    /// `[batch, latent_channels, h, w]` to `[batch, out_channels, f · h, f · w]`.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        nn::ops::on_workers(&latents.clone(), || {
            self.decoder.forward(match &self.post_quant_conv {
                Some(conv) => conv.forward(latents),
                None => latents,
            })
        })
    }

    /// Latents as the denoiser wants them: less the shift, times the scaling factor.
    pub fn scale(&self, latents: Tensor<4>) -> Tensor<4> {
        (latents - self.config.shift_factor.unwrap_or(0.0)) * self.config.scaling_factor
    }

    /// The inverse of [`Self::scale`].
    pub fn unscale(&self, latents: Tensor<4>) -> Tensor<4> {
        latents / self.config.scaling_factor + self.config.shift_factor.unwrap_or(0.0)
    }

    /// The weight of the decoder's last convolution: the place where the
    /// adaptive weight of adversarial training compares gradients.
    ///
    /// # Shapes
    /// `[out_channels, channels, 3, 3]`.
    pub fn last_layer(&self) -> Tensor<4> {
        self.decoder.last_layer()
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
