//! `config.json` of an autoencoder whose latents a codebook keeps in bounds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::codec::{Codec, CodecKeys};
use crate::model::first_stage::Scaling;
use crate::model::{ModelError, limits};

const CLASS: &str = "VQModel";

/// diffusers' configuration of a `VQModel`.
///
/// Keys that are not fields here are kept in `other` and written back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VqModelConfig {
    /// Always `VQModel`.
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
    /// Side of the pictures trained on.
    pub sample_size: Option<Value>,
    /// Vectors of the codebook.
    pub num_vq_embeddings: usize,
    /// Groups of all group normalisations.
    pub norm_num_groups: usize,
    /// Channels of the codebook and of the latents where they are others than
    /// `latent_channels`.
    pub vq_embed_dim: Option<usize>,
    /// What latents are multiplied by for the denoiser. Files from before there was
    /// such a key are of models whose latents were never multiplied.
    pub scaling_factor: f64,
    /// Whether the middle of encoder and decoder has attention.
    pub mid_block_add_attention: bool,
    /// Everything else that the file says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for VqModelConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".into()],
            up_block_types: vec!["UpDecoderBlock2D".into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            latent_channels: 3,
            sample_size: Some(json!(32)),
            num_vq_embeddings: 256,
            norm_num_groups: 32,
            vq_embed_dim: None,
            scaling_factor: 1.0,
            mid_block_add_attention: true,
            other: Map::new(),
        }
    }
}

impl VqModelConfig {
    /// Its class in diffusers.
    pub(in crate::model) const CLASS: &str = CLASS;

    /// Pixels of a picture per side of a latent pixel.
    pub fn downsampling(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    /// Channels of the latents.
    pub fn channels(&self) -> usize {
        self.vq_embed_dim.unwrap_or(self.latent_channels)
    }

    /// How latents are brought to unit variance.
    pub fn scaling(&self) -> Scaling {
        Scaling {
            factor: self.scaling_factor,
            shift: 0.0,
            channels: None,
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
            encoded: self.latent_channels,
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
        for (key, only) in [
            ("act_fn", json!("silu")),
            ("norm_type", json!("group")),
            ("lookup_from_codebook", json!(false)),
        ] {
            if let Some(value) = self.other.get(key)
                && *value != only
            {
                let supported = format!("only {only} is");
                return Err(ModelError::unsupported(CLASS, key, value, supported));
            }
        }
        let levels = self.block_out_channels.len();
        let within = |key, value, range| limits::within(CLASS, key, value, range);
        within("levels of block_out_channels", levels, &limits::LEVELS)?;
        within("latent_channels", self.latent_channels, &limits::WIDTH)?;
        within("vq_embed_dim", self.channels(), &limits::WIDTH)?;
        within("num_vq_embeddings", self.num_vq_embeddings, &limits::TOKENS)?;
        self.codec()?.validate(CLASS)?;
        self.scaling().validate(CLASS)
    }
}
