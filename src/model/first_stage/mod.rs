//! Between pictures and the latents that the denoiser works on, whichever way.
//!
//! A [`FirstStage`] is a network on a device, a [`FirstStageConfig`] its
//! `config.json`. A further kind is a file that implements [`FirstStage`] and
//! [`Kind`], and a variant in `config`.

mod config;
mod digest;
mod elsewhere;
mod halves;
mod pixels;
mod place;
mod shared;
mod tiled;
mod tiny_files;

use std::fmt::Debug;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::ModelError;
use super::weights::WeightDtype;

pub use config::FirstStageConfig;
pub use elsewhere::FirstStageReference;
pub use pixels::{Pixels, PixelsConfig};
pub use place::{first_stage_config, first_stage_digest, is_pixels, load_first_stage};
pub use shared::SharedWeights;
pub use tiled::{TiledStage, gradient_parts};

pub(super) use tiled::{MOST_BYTES as MOST_PART_BYTES, MOST_GRADIENT_BYTES};

pub(super) use config::Kind;
pub(super) use halves::Halves;
pub(super) use place::FirstStagePlace;
pub(super) use tiny_files::inspected as tiny_inspected;

/// What latents are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentInfo {
    /// Channels of a latent.
    pub channels: usize,
    /// Pixels of a picture per side of a latent's place.
    pub factor: usize,
}

impl LatentInfo {
    /// Refuses a first stage that makes others.
    ///
    /// # Errors
    /// [`ModelError::OtherLatents`].
    pub fn check(self, stage: &dyn FirstStage) -> Result<(), ModelError> {
        let made = stage.info();
        if made == self {
            return Ok(());
        }
        Err(ModelError::OtherLatents {
            class: stage.configuration().class(),
            found: [made.channels, made.factor],
            wanted: [self.channels, self.factor],
        })
    }
}

/// How latents are brought to about unit variance for the denoiser (LDM §D.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// What they are multiplied by, after the shift.
    pub factor: f64,
    /// What is taken from them.
    pub shift: f64,
    /// What is taken from each channel instead, and what it is divided by, where they are
    /// told one by one.
    pub channels: Option<ChannelStatistics>,
}

/// Mean and standard deviation of each channel of latents (`latents_mean` and `latents_std`
/// of diffusers).
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// The means.
    pub mean: Vec<f64>,
    /// As many deviations.
    pub deviation: Vec<f64>,
}

impl ChannelStatistics {
    /// # Shapes
    /// Both `[1, channels, 1, 1]`.
    fn planes(&self, device: &Device) -> [Tensor<4>; 2] {
        [&self.mean, &self.deviation].map(|numbers| {
            let values: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [1, count, 1, 1]), device)
        })
    }
}

impl Scaling {
    /// Checks that both numbers can be.
    ///
    /// # Errors
    /// If the factor is not positive, or one is not finite.
    pub(super) fn validate(&self, class: &'static str) -> Result<(), ModelError> {
        let (key, value, supported) = if !(self.factor.is_finite() && self.factor > 0.0) {
            ("scaling_factor", self.factor, "it must be positive")
        } else if !self.shift.is_finite() {
            ("shift_factor", self.shift, "it must be finite")
        } else {
            return Ok(());
        };
        Err(ModelError::unsupported(class, key, value, supported))
    }

    /// What is taken from a channel, and what it is multiplied by then.
    pub fn of_channel(&self, channel: usize) -> [f32; 2] {
        let own = self.channels.as_ref().and_then(|channels| {
            let mean = channels.mean.get(channel)?;
            Some([*mean, self.factor / channels.deviation.get(channel)?])
        });
        own.unwrap_or([self.shift, self.factor])
            .map(|number| number as f32)
    }

    /// Latents as the denoiser wants them.
    pub fn apply(&self, latents: Tensor<4>) -> Tensor<4> {
        match &self.channels {
            Some(channels) => {
                let [mean, deviation] = channels.planes(&latents.device());
                (latents - mean) * self.factor / deviation
            }
            None => (latents - self.shift) * self.factor,
        }
    }

    /// The inverse of [`Self::apply`].
    pub fn undo(&self, latents: Tensor<4>) -> Tensor<4> {
        match &self.channels {
            Some(channels) => {
                let [mean, deviation] = channels.planes(&latents.device());
                latents * deviation / self.factor + mean
            }
            None => latents / self.factor + self.shift,
        }
    }
}

/// Gives normal numbers of a shape.
pub type Draw<'a> = &'a mut dyn FnMut([usize; 4]) -> Tensor<4>;

/// The first of the two stages of latent diffusion (Rombach et al. 2022,
/// <https://arxiv.org/abs/2112.10752>, §3.1). Latents are meant as the denoiser
/// wants them, of about unit variance, where it does not say "unscaled"; pictures
/// are in [-1, 1].
pub trait FirstStage: Debug + Send + Sync {
    /// The configuration that such a network is made from.
    fn configuration(&self) -> FirstStageConfig;

    /// How latents are brought to unit variance.
    fn scaling(&self) -> Scaling;

    /// Replaces the factor of [`Self::scaling`], as measured by training.
    fn set_scaling_factor(&mut self, factor: f64);

    /// Unscaled latents of pictures; a stage that draws them from a distribution
    /// asks `noise` once.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` to `[batch, channels, height / f, width / f]`.
    fn draw_unscaled(&self, pictures: Tensor<4>, noise: Draw<'_>) -> Tensor<4>;

    /// The likeliest unscaled latents of pictures: the mean of a distribution, what
    /// comes before a codebook.
    ///
    /// # Shapes
    /// As [`Self::draw_unscaled`].
    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4>;

    /// What unscaled latents of pictures are drawn from: their mean and their standard
    /// deviation, which there is none of where they are certain.
    ///
    /// # Shapes
    /// Both as the result of [`Self::draw_unscaled`].
    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>);

    /// Pictures of unscaled latents.
    ///
    /// # Shapes
    /// `[batch, channels, h, w]` to `[batch, 3, f · h, f · w]`.
    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4>;

    /// Number of weights.
    fn parameter_count(&self) -> usize;

    /// Multiply-adds of [`Self::to_pictures`] for each place of the latents.
    fn decoder_work(&self) -> f64;

    /// Writes the weights, if there are any, to a file in diffusers' names.
    ///
    /// # Errors
    /// If the file cannot be written, or a weight does not fit `dtype`.
    fn save_weights(&self, path: &Path, dtype: WeightDtype) -> Result<(), ModelError>;

    /// The same stage for tensors of which gradients are taken; its weights have none.
    fn differentiable(&self) -> Box<dyn FirstStage>;

    /// The same stage once more; weights are shared.
    fn boxed(&self) -> Box<dyn FirstStage>;

    /// What the latents are like.
    fn info(&self) -> LatentInfo {
        self.configuration().info()
    }

    /// Latents of pictures, as [`Self::draw_unscaled`].
    fn to_latents(&self, pictures: Tensor<4>, noise: Draw<'_>) -> Tensor<4> {
        self.scaling().apply(self.draw_unscaled(pictures, noise))
    }

    /// The likeliest latents of pictures, as [`Self::likeliest_unscaled`].
    fn likeliest_latents(&self, pictures: Tensor<4>) -> Tensor<4> {
        self.scaling().apply(self.likeliest_unscaled(pictures))
    }

    /// Pictures of latents, as [`Self::decode_unscaled`].
    fn to_pictures(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decode_unscaled(self.scaling().undo(latents))
    }
}
