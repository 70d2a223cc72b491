//! Between pictures and the latents that the denoiser works on, whichever way.

use std::fmt::Debug;

use burn::tensor::Tensor;

use super::AutoencoderKl;
use super::work::decoder_work;
use crate::nn;

/// What latents are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentInfo {
    /// Channels of a latent.
    pub channels: usize,
    /// Pixels of a picture per side of a latent's place.
    pub factor: usize,
}

/// The first of the two stages of latent diffusion (Rombach et al. 2022,
/// <https://arxiv.org/abs/2112.10752>, §3.1). Latents are meant as the denoiser
/// wants them, of about unit variance; pictures are in [-1, 1].
pub trait FirstStage: Debug + Send + Sync {
    /// What the latents are like.
    fn info(&self) -> LatentInfo;

    /// Latents of pictures; a stage that draws them from a distribution asks
    /// `noise` for normal numbers of a shape, once.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` to `[batch, channels, height / f, width / f]`.
    fn to_latents(
        &self,
        pictures: Tensor<4>,
        noise: &mut dyn FnMut([usize; 4]) -> Tensor<4>,
    ) -> Tensor<4>;

    /// The likeliest latents of pictures.
    ///
    /// # Shapes
    /// As [`Self::to_latents`].
    fn likeliest_latents(&self, pictures: Tensor<4>) -> Tensor<4>;

    /// Pictures of latents.
    ///
    /// # Shapes
    /// `[batch, channels, h, w]` to `[batch, 3, f · h, f · w]`.
    fn to_pictures(&self, latents: Tensor<4>) -> Tensor<4>;

    /// Number of weights.
    fn parameter_count(&self) -> usize;

    /// Multiply-adds of [`Self::to_pictures`] for each place of the latents.
    fn decoder_work(&self) -> f64;
}

impl FirstStage for AutoencoderKl {
    fn info(&self) -> LatentInfo {
        LatentInfo {
            channels: self.config().latent_channels,
            factor: self.config().downsampling(),
        }
    }

    fn to_latents(
        &self,
        pictures: Tensor<4>,
        noise: &mut dyn FnMut([usize; 4]) -> Tensor<4>,
    ) -> Tensor<4> {
        let posterior = self.encode(pictures);
        let noise = noise(posterior.mean.dims());
        self.scale(posterior.sample(noise))
    }

    fn likeliest_latents(&self, pictures: Tensor<4>) -> Tensor<4> {
        self.scale(self.encode(pictures).mode())
    }

    fn to_pictures(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decode(self.unscale(latents))
    }

    fn parameter_count(&self) -> usize {
        nn::parameter_count(self)
    }

    fn decoder_work(&self) -> f64 {
        decoder_work(self)
    }
}
