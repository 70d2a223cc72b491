//! `config.json` of a tiny autoencoder (TAESD, <https://github.com/madebyollin/taesd>).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::codec::{Codec, CodecLevel};
use crate::model::first_stage::Scaling;
use crate::model::{ModelError, limits};

const CLASS: &str = "AutoencoderTiny";
/// Most blocks of a level.
const MOST_BLOCKS: std::ops::RangeInclusive<usize> = 0..=64;

/// diffusers' configuration of an `AutoencoderTiny`.
///
/// Keys that are not fields here are kept in `other` and written back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoencoderTinyConfig {
    /// Always `AutoencoderTiny`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Channels of the pictures to encode.
    pub in_channels: usize,
    /// Channels of the decoded pictures.
    pub out_channels: usize,
    /// Channels of each level of the encoder, all the same; none where there is only a
    /// decoder.
    pub encoder_block_out_channels: Vec<usize>,
    /// Channels of each level of the decoder, all the same, from the lowest resolution up.
    pub decoder_block_out_channels: Vec<usize>,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Blocks of each level of the encoder.
    pub num_encoder_blocks: Vec<usize>,
    /// Blocks of each level of the decoder.
    pub num_decoder_blocks: Vec<usize>,
    /// How often a level of the decoder has the sides of that before it.
    pub upsampling_scaling_factor: usize,
    /// Side of the pictures trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_size: Option<Value>,
    /// What latents are multiplied by for the denoiser: those of the network are such.
    pub scaling_factor: f64,
    /// What is taken from latents before that multiplication.
    pub shift_factor: Option<f64>,
    /// How far latents reach where they are kept as bytes of a picture.
    pub latent_magnitude: f64,
    /// Where 0 lies in such a picture.
    pub latent_shift: f64,
    /// Everything else that the file says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for AutoencoderTinyConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            in_channels: 3,
            out_channels: 3,
            encoder_block_out_channels: vec![64; 4],
            decoder_block_out_channels: vec![64; 4],
            latent_channels: 4,
            num_encoder_blocks: vec![1, 3, 3, 3],
            num_decoder_blocks: vec![3, 3, 3, 1],
            upsampling_scaling_factor: 2,
            sample_size: None,
            scaling_factor: 1.0,
            shift_factor: None,
            latent_magnitude: 3.0,
            latent_shift: 0.5,
            other: Map::new(),
        }
    }
}

impl AutoencoderTinyConfig {
    /// Its class in diffusers.
    pub(in crate::model) const CLASS: &str = CLASS;

    /// Pixels of a picture per side of a latent pixel.
    pub fn downsampling(&self) -> usize {
        1 << self.num_decoder_blocks.len().saturating_sub(1)
    }

    /// Whether it can make latents of pictures, and not only pictures of latents.
    pub fn has_encoder(&self) -> bool {
        !self.num_encoder_blocks.is_empty()
    }

    /// How latents are brought to unit variance.
    pub fn scaling(&self) -> Scaling {
        Scaling {
            factor: self.scaling_factor,
            shift: self.shift_factor.unwrap_or(0.0),
            channels: None,
        }
    }

    /// Channels inside of the networks.
    pub(super) fn width(&self) -> usize {
        let widths = self.decoder_block_out_channels.iter();
        widths.copied().next().unwrap_or_default()
    }

    /// Channels of the latents.
    pub fn channels(&self) -> usize {
        self.latent_channels
    }

    /// Multiply-adds of the decoder for each place of the latents.
    pub(super) fn decoder_work(&self) -> f64 {
        const TAPS: f64 = 9.0;
        let width = self.width() as f64;
        let levels = self.num_decoder_blocks.iter().zip(0..);
        let levels = levels.map(|(blocks, level)| {
            // Three convolutions in each, and one where the level is entered.
            let convolutions = 3.0 * *blocks as f64 + if level > 0 { 1.0 } else { 0.0 };
            convolutions * width * width * 4.0_f64.powi(level)
        });
        let pixels = (self.downsampling() * self.downsampling()) as f64;
        let ends = width * (self.latent_channels as f64 + self.out_channels as f64 * pixels);
        TAPS * (levels.sum::<f64>() + ends)
    }

    /// An encoder and a decoder that work in about as much memory.
    ///
    /// # Errors
    /// None: it has the signature of the other kinds.
    pub(in crate::model) fn codec(&self) -> Result<Codec, ModelError> {
        let width = self.width();
        let level = CodecLevel {
            channels: width,
            attends_down: false,
            attends_up: false,
        };
        Ok(Codec {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            levels: vec![level; self.num_decoder_blocks.len()],
            layers: self.num_decoder_blocks.iter().copied().max().unwrap_or(1),
            encoded: self.latent_channels,
            decoded: self.latent_channels,
            groups: 1,
            attends_in_middle: false,
        })
    }

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        for (key, only) in [("act_fn", json!("relu")), ("upsample_fn", json!("nearest"))] {
            if let Some(value) = self.other.get(key)
                && *value != only
            {
                let supported = format!("only {only} is");
                return Err(ModelError::unsupported(CLASS, key, value, supported));
            }
        }
        let within = |key, value, range| limits::within(CLASS, key, value, range);
        let levels = self.num_decoder_blocks.len();
        within("levels of num_decoder_blocks", levels, &limits::LEVELS)?;
        within("latent_channels", self.latent_channels, &limits::WIDTH)?;
        within("in_channels", self.in_channels, &limits::WIDTH)?;
        within("out_channels", self.out_channels, &limits::WIDTH)?;
        within("decoder_block_out_channels", self.width(), &limits::WIDTH)?;
        let counts = self.num_encoder_blocks.iter();
        for count in counts.chain(&self.num_decoder_blocks) {
            within("num_decoder_blocks", *count, &MOST_BLOCKS)?;
        }
        let width = self.width();
        for (key, widths, blocks) in [
            (
                "encoder_block_out_channels",
                &self.encoder_block_out_channels,
                &self.num_encoder_blocks,
            ),
            (
                "decoder_block_out_channels",
                &self.decoder_block_out_channels,
                &self.num_decoder_blocks,
            ),
        ] {
            if widths.len() != blocks.len() || widths.iter().any(|other| *other != width) {
                let supported = format!("each of the {} levels must have {width}", blocks.len());
                return Err(ModelError::unsupported(
                    CLASS,
                    key,
                    format!("{widths:?}"),
                    supported,
                ));
            }
        }
        if self.has_encoder() && self.num_encoder_blocks.len() != levels {
            let supported = format!("it must have {levels} levels as the decoder has");
            let found = format!("{:?}", self.num_encoder_blocks);
            return Err(ModelError::unsupported(
                CLASS,
                "num_encoder_blocks",
                found,
                supported,
            ));
        }
        if self.upsampling_scaling_factor != 2 {
            return Err(ModelError::unsupported(
                CLASS,
                "upsampling_scaling_factor",
                self.upsampling_scaling_factor,
                "only 2 is",
            ));
        }
        self.scaling().validate(CLASS)
    }
}
