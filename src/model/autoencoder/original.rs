//! Configurations of the paper's own code (CompVis/latent-diffusion,
//! `ldm/models/autoencoder.py`), read into diffusers' words.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{AutoencoderKlConfig, VqModelConfig};
use crate::model::first_stage::{FirstStageConfig, PixelsConfig};
use crate::model::{ModelError, limits};

/// Groups of its group normalisations, which no configuration tells.
const GROUPS: usize = 32;

/// `params` of an autoencoder.
#[derive(Debug, Deserialize)]
struct Params {
    embed_dim: usize,
    /// Vectors of the codebook.
    n_embed: Option<usize>,
    ddconfig: DdConfig,
}

/// Sizes of encoder and decoder. Dropout concerns training only.
#[derive(Debug, Deserialize)]
struct DdConfig {
    z_channels: usize,
    resolution: usize,
    in_channels: usize,
    out_ch: usize,
    ch: usize,
    ch_mult: Vec<usize>,
    num_res_blocks: usize,
    /// Resolutions whose blocks attention follows.
    attn_resolutions: Vec<usize>,
    /// `none` leaves out the attention in the middle too.
    #[serde(default = "vanilla")]
    attn_type: String,
    #[serde(default)]
    tanh_out: bool,
    #[serde(default = "yes")]
    resamp_with_conv: bool,
}

fn vanilla() -> String {
    "vanilla".into()
}

fn yes() -> bool {
    true
}

/// Reads what a `first_stage_config`, or the `model` of a lone autoencoder, says:
/// its `target` and its `params`.
///
/// # Errors
/// If the class is not known, a key is missing, or a size is not supported.
pub fn read(target: &str, params: &Value) -> Result<FirstStageConfig, ModelError> {
    let class = target.rsplit('.').next().unwrap_or(target);
    let is_kl = match class {
        "IdentityFirstStage" => return Ok(FirstStageConfig::Pixels(PixelsConfig::default())),
        "AutoencoderKL" => true,
        "VQModel" | "VQModelInterface" => false,
        _ => {
            let supported = "AutoencoderKL, VQModel, VQModelInterface and IdentityFirstStage are";
            return Err(unsupported("target", target, supported));
        }
    };
    let params: Params = serde_json::from_value(params.clone())
        .map_err(|error| unsupported("params", error, "the paper's code needs these keys"))?;
    params.ddconfig.validate()?;
    let config = if is_kl {
        FirstStageConfig::Kl(params.kl())
    } else {
        FirstStageConfig::Vq(params.vq()?)
    };
    config.validate()?;
    Ok(config)
}

fn unsupported(key: &'static str, value: impl std::fmt::Display, supported: &str) -> ModelError {
    ModelError::unsupported("a first stage of the paper's code", key, value, supported)
}

impl Params {
    /// The channels of the latents, where they are not those of the networks.
    fn embed_dim(&self) -> Option<usize> {
        (self.embed_dim != self.ddconfig.z_channels).then_some(self.embed_dim)
    }

    fn kl(&self) -> AutoencoderKlConfig {
        let sizes = &self.ddconfig;
        AutoencoderKlConfig {
            in_channels: sizes.in_channels,
            out_channels: sizes.out_ch,
            down_block_types: sizes.types(["DownEncoderBlock2D", "AttnDownEncoderBlock2D"], false),
            up_block_types: sizes.types(["UpDecoderBlock2D", "AttnUpDecoderBlock2D"], true),
            block_out_channels: sizes.widths(),
            layers_per_block: sizes.num_res_blocks,
            latent_channels: sizes.z_channels,
            embed_dim: self.embed_dim(),
            norm_num_groups: GROUPS,
            sample_size: Some(json!(sizes.resolution)),
            scaling_factor: 1.0,
            mid_block_add_attention: sizes.attends(),
            ..AutoencoderKlConfig::default()
        }
    }

    fn vq(&self) -> Result<VqModelConfig, ModelError> {
        let sizes = &self.ddconfig;
        let missing = || {
            unsupported(
                "n_embed",
                "nothing",
                "it must be the vectors of the codebook",
            )
        };
        Ok(VqModelConfig {
            in_channels: sizes.in_channels,
            out_channels: sizes.out_ch,
            down_block_types: sizes.types(["DownEncoderBlock2D", "AttnDownEncoderBlock2D"], false),
            up_block_types: sizes.types(["UpDecoderBlock2D", "AttnUpDecoderBlock2D"], true),
            block_out_channels: sizes.widths(),
            layers_per_block: sizes.num_res_blocks,
            latent_channels: sizes.z_channels,
            sample_size: Some(json!(sizes.resolution)),
            num_vq_embeddings: self.n_embed.ok_or_else(missing)?,
            norm_num_groups: GROUPS,
            vq_embed_dim: self.embed_dim(),
            scaling_factor: 1.0,
            mid_block_add_attention: sizes.attends(),
            ..VqModelConfig::default()
        })
    }
}

impl DdConfig {
    fn validate(&self) -> Result<(), ModelError> {
        if !["vanilla", "none"].contains(&self.attn_type.as_str()) {
            let supported = "vanilla and none are";
            return Err(unsupported("attn_type", &self.attn_type, supported));
        }
        if self.tanh_out {
            return Err(unsupported("tanh_out", true, "only false is"));
        }
        if !self.resamp_with_conv {
            return Err(unsupported("resamp_with_conv", false, "only true is"));
        }
        if self.ch_mult.first() != Some(&1) {
            let found = format!("{:?}", self.ch_mult);
            return Err(unsupported("ch_mult", found, "it must begin with 1"));
        }
        // Before a list of them is made.
        limits::within("ddconfig", "ch", self.ch, &limits::WIDTH)?;
        limits::within(
            "ddconfig",
            "levels of ch_mult",
            self.ch_mult.len(),
            &limits::LEVELS,
        )
    }

    fn attends(&self) -> bool {
        self.attn_type != "none"
    }

    fn widths(&self) -> Vec<usize> {
        let widths = self.ch_mult.iter();
        widths.map(|mult| self.ch.saturating_mul(*mult)).collect()
    }

    /// Kinds of the levels, without and with attention. It goes by the resolution
    /// that a level has in pictures of the size trained on, whatever their size now.
    fn types(&self, [plain, attending]: [&str; 2], is_upward: bool) -> Vec<String> {
        let kind = |level: usize| {
            let resolution = self.resolution >> level;
            let has = self.attends() && self.attn_resolutions.contains(&resolution);
            if has { attending } else { plain }.to_owned()
        };
        let mut types: Vec<String> = (0..self.ch_mult.len()).map(kind).collect();
        if is_upward {
            types.reverse();
        }
        types
    }
}
