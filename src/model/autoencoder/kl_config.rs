//! `config.json` of an autoencoder whose latents a distribution keeps in bounds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::codec::{Codec, CodecKeys};
use crate::model::first_stage::{ChannelStatistics, Scaling};
use crate::model::{ModelError, limits};

const CLASS: &str = "AutoencoderKL";

/// diffusers' configuration of an `AutoencoderKL`.
///
/// Keys that are not fields here are kept in `other` and written back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoencoderKlConfig {
    /// Always `AutoencoderKL`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Channels of the pictures to encode.
    pub in_channels: usize,
    /// Channels of the decoded pictures.
    pub out_channels: usize,
    /// Kinds of the levels of the encoder.
    pub down_block_types: Vec<String>,
    /// Kinds of the levels of the decoder.
    pub up_block_types: Vec<String>,
    /// Channels of each level.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks of each level of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// Channels between the networks and the 1×1 convolutions.
    pub latent_channels: usize,
    /// Channels of the latents where they are others (the paper's `embed_dim`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embed_dim: Option<usize>,
    /// Groups of all group normalisations.
    pub norm_num_groups: usize,
    /// Side of the pictures trained on.
    pub sample_size: Option<Value>,
    /// What latents are multiplied by for the denoiser.
    pub scaling_factor: f64,
    /// What is taken from latents before that multiplication.
    pub shift_factor: Option<f64>,
    /// The mean of each channel of latents, which is taken from it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents_mean: Option<Vec<f64>>,
    /// The standard deviation of each, by which it is divided besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents_std: Option<Vec<f64>>,
    /// Whether a 1×1 convolution follows the encoder.
    pub use_quant_conv: bool,
    /// Whether a 1×1 convolution comes before the decoder.
    pub use_post_quant_conv: bool,
    /// Whether the middle of encoder and decoder has attention.
    pub mid_block_add_attention: bool,
    /// Everything else that the file says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for AutoencoderKlConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".into()],
            up_block_types: vec!["UpDecoderBlock2D".into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            latent_channels: 4,
            embed_dim: None,
            norm_num_groups: 32,
            sample_size: Some(json!(32)),
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
            other: Map::new(),
        }
    }
}

impl AutoencoderKlConfig {
    /// Its class in diffusers.
    pub(in crate::model) const CLASS: &str = CLASS;

    /// Pixels of a picture per side of a latent pixel.
    pub fn downsampling(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    /// Channels of the latents.
    pub fn channels(&self) -> usize {
        self.embed_dim.unwrap_or(self.latent_channels)
    }

    /// How latents are brought to unit variance.
    pub fn scaling(&self) -> Scaling {
        Scaling {
            factor: self.scaling_factor,
            shift: self.shift_factor.unwrap_or(0.0),
            // As in diffusers, one of them alone means nothing.
            channels: self
                .latents_mean
                .clone()
                .zip(self.latents_std.clone())
                .map(|(mean, deviation)| ChannelStatistics { mean, deviation }),
        }
    }

    /// What encoder and decoder are made of.
    ///
    /// # Errors
    /// If the kinds of levels are not known.
    pub(in crate::model) fn codec(&self) -> Result<Codec, ModelError> {
        let keys = CodecKeys {
            class: CLASS,
            down_block_types: &self.down_block_types,
            up_block_types: &self.up_block_types,
            block_out_channels: &self.block_out_channels,
        };
        Ok(Codec {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            levels: keys.levels()?,
            layers: self.layers_per_block,
            // Means and logarithms of variances.
            encoded: 2 * self.latent_channels,
            decoded: self.latent_channels,
            groups: self.norm_num_groups,
            attends_in_middle: self.mid_block_add_attention,
        })
    }

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        let fail = |key, value: String, supported: &str| {
            Err(ModelError::unsupported(CLASS, key, value, supported))
        };
        if self.class_name != CLASS {
            return Err(ModelError::unsupported(
                "an autoencoder",
                "_class_name",
                &self.class_name,
                format!("only {CLASS}, VQModel and AutoencoderTiny are"),
            ));
        }
        if let Some(value) = self.other.get("act_fn")
            && value != "silu"
        {
            return fail("act_fn", value.to_string(), "only silu is");
        }
        if let Some(ChannelStatistics { mean, deviation }) = self.scaling().channels {
            let count = self.channels();
            if mean.len() != count || !mean.iter().all(|it| it.is_finite()) {
                let supported = format!("it must be {count} finite numbers");
                return fail("latents_mean", format!("{mean:?}"), &supported);
            }
            if deviation.len() != count || !deviation.iter().all(|it| it.is_finite() && *it > 0.0) {
                let supported = format!("it must be {count} positive numbers");
                return fail("latents_std", format!("{deviation:?}"), &supported);
            }
        }
        let levels = self.block_out_channels.len();
        let within = |key, value, range| limits::within(CLASS, key, value, range);
        within("levels of block_out_channels", levels, &limits::LEVELS)?;
        within("latent_channels", self.latent_channels, &limits::WIDTH)?;
        within("embed_dim", self.channels(), &limits::WIDTH)?;
        self.codec()?.validate(CLASS)?;
        let has_both = self.use_quant_conv && self.use_post_quant_conv;
        if self.channels() != self.latent_channels && !has_both {
            return fail(
                "embed_dim",
                self.channels().to_string(),
                "without both 1×1 convolutions it must be latent_channels",
            );
        }
        self.scaling().validate(CLASS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_sizes_are_refused_by_name() {
        let levels = |count: usize| AutoencoderKlConfig {
            down_block_types: vec!["DownEncoderBlock2D".into(); count],
            up_block_types: vec!["UpDecoderBlock2D".into(); count],
            block_out_channels: vec![32; count],
            ..Default::default()
        };
        levels(8).validate().expect("a latent of 128 pixels");
        // 65 levels once overflowed the number of pixels in a latent.
        for (config, key) in [
            (levels(15), "levels of block_out_channels = 15"),
            (levels(65), "levels of block_out_channels = 65"),
            (
                AutoencoderKlConfig {
                    layers_per_block: usize::MAX,
                    ..Default::default()
                },
                "layers_per_block",
            ),
            (
                AutoencoderKlConfig {
                    latent_channels: usize::MAX / 2 + 1,
                    ..Default::default()
                },
                "latent_channels",
            ),
            (
                AutoencoderKlConfig {
                    shift_factor: Some(f64::NAN),
                    ..Default::default()
                },
                "shift_factor",
            ),
            (
                AutoencoderKlConfig {
                    latents_mean: Some(vec![0.0; 4]),
                    latents_std: Some(vec![1.0, 1.0, 0.0, 1.0]),
                    ..Default::default()
                },
                "latents_std",
            ),
            (
                AutoencoderKlConfig {
                    latents_mean: Some(vec![0.0; 3]),
                    latents_std: Some(vec![1.0; 4]),
                    ..Default::default()
                },
                "latents_mean",
            ),
        ] {
            let error = config.validate().expect_err("absurd").to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
