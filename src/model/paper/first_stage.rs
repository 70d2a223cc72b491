//! The first stages of the paper's code, `AutoencoderKL` and `VQModel`, and the
//! names of their weights (`ldm/modules/diffusionmodules/model.py`).

use serde_json::{Value, json};

use super::super::first_stage::{FirstStageConfig, PixelsConfig};
use super::super::{AutoencoderKlConfig, ModelError, VqModelConfig, limits};
use super::keys::{Keys, Layout};
use super::parts;

const PART: &str = "a first stage";

/// Reads the configuration of a lone autoencoder, or the `first_stage_config` of a
/// model: its `target` and its `params`.
///
/// # Errors
/// What is not known or not supported.
pub(in crate::model) fn first_stage_config(told: &Value) -> Result<FirstStageConfig, String> {
    match parts::first_stage(told, "first_stage_config")? {
        Some((stage, side_px)) => stage.config(side_px, 1.0),
        None => Ok(FirstStageConfig::Pixels(PixelsConfig::default())),
    }
}

/// The sizes of a first stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalFirstStage {
    /// Channels of the pictures.
    pub input_channels: usize,
    /// Channels of the decoded pictures.
    pub output_channels: usize,
    /// Channels of each level, from the highest resolution down.
    pub levels: Vec<usize>,
    /// Channels before the first level.
    pub width: usize,
    /// Residual blocks of each level of the encoder; the decoder has one more.
    pub layers: usize,
    /// Whether there is attention on each level.
    pub attends: Vec<bool>,
    /// Whether there is attention in the middle.
    pub attends_in_middle: bool,
    /// Channels between encoder and decoder.
    pub inner_channels: usize,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Whether the encoder gives mean and variance, and not one number.
    pub is_gaussian: bool,
    /// Entries of the codebook, for those that have one.
    pub codes: Option<usize>,
}

impl OriginalFirstStage {
    /// Checks the sizes.
    ///
    /// # Errors
    /// The first that no first stage has.
    pub fn validate(&self) -> Result<(), ModelError> {
        let within = |key, value, range| limits::within(PART, key, value, range);
        within("levels of ch_mult", self.levels.len(), &limits::LEVELS)?;
        within("num_res_blocks", self.layers, &limits::LAYERS)?;
        for channels in &self.levels {
            within("channels of a level", *channels, &limits::WIDTH)?;
        }
        for (key, value) in [
            ("in_channels", self.input_channels),
            ("out_ch", self.output_channels),
            ("ch", self.width),
            ("z_channels", self.inner_channels),
            ("embed_dim", self.latent_channels),
        ] {
            within(key, value, &limits::WIDTH)?;
        }
        match self.codes {
            Some(codes) => within("n_embed", codes, &limits::TOKENS),
            None => Ok(()),
        }
    }

    /// The same in diffusers' words; `side_px` is that of the pictures trained on, and
    /// `scale_factor` what latents are multiplied by.
    ///
    /// # Errors
    /// What diffusers has no word for.
    pub fn config(&self, side_px: usize, scale_factor: f64) -> Result<FirstStageConfig, String> {
        if self.levels.first() != Some(&self.width) {
            return Err(
                "ddconfig with such a ch_mult is not supported: it must begin with 1".into(),
            );
        }
        if self.is_gaussian == self.codes.is_some() {
            let only = if self.is_gaussian { "False" } else { "True" };
            return Err(format!("ddconfig of this target needs double_z = {only}"));
        }
        let channels = self.latent_channels;
        let embed_dim = (channels != self.inner_channels).then_some(channels);
        let down_block_types = self.types(["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]);
        let mut up_block_types = self.types(["UpDecoderBlock2D", "AttnUpDecoderBlock2D"]);
        up_block_types.reverse();
        Ok(match self.codes {
            None => FirstStageConfig::Kl(AutoencoderKlConfig {
                in_channels: self.input_channels,
                out_channels: self.output_channels,
                down_block_types,
                up_block_types,
                block_out_channels: self.levels.clone(),
                layers_per_block: self.layers,
                latent_channels: self.inner_channels,
                embed_dim,
                sample_size: Some(json!(side_px)),
                scaling_factor: scale_factor,
                mid_block_add_attention: self.attends_in_middle,
                ..AutoencoderKlConfig::default()
            }),
            Some(codes) => FirstStageConfig::Vq(VqModelConfig {
                in_channels: self.input_channels,
                out_channels: self.output_channels,
                down_block_types,
                up_block_types,
                block_out_channels: self.levels.clone(),
                layers_per_block: self.layers,
                latent_channels: self.inner_channels,
                vq_embed_dim: embed_dim,
                num_vq_embeddings: codes,
                sample_size: Some(json!(side_px)),
                scaling_factor: scale_factor,
                mid_block_add_attention: self.attends_in_middle,
                ..VqModelConfig::default()
            }),
        })
    }

    /// The sizes of such a first stage: the reverse of [`Self::config`].
    pub(in crate::model) fn of(config: &AutoencoderKlConfig) -> Self {
        let kinds = config.down_block_types.iter();
        Self {
            input_channels: config.in_channels,
            output_channels: config.out_channels,
            levels: config.block_out_channels.clone(),
            width: config
                .block_out_channels
                .first()
                .copied()
                .unwrap_or_default(),
            layers: config.layers_per_block,
            attends: kinds.map(|kind| kind.starts_with("Attn")).collect(),
            attends_in_middle: config.mid_block_add_attention,
            inner_channels: config.latent_channels,
            latent_channels: config.channels(),
            is_gaussian: true,
            codes: None,
        }
    }

    /// Kinds of the levels, without and with attention.
    fn types(&self, [plain, attending]: [&str; 2]) -> Vec<String> {
        let kind = |has: &bool| if *has { attending } else { plain }.to_owned();
        self.attends.iter().map(kind).collect()
    }

    /// Names and shapes of the weights.
    pub(in crate::model) fn layout(&self, prefix: &str) -> Layout {
        let mut layout = Layout::new();
        let mut keys = Keys::new(&mut layout, prefix);
        let both = if self.is_gaussian { 2 } else { 1 };
        let lowest = self.levels.last().copied().unwrap_or(self.width);
        self.encoder(&mut keys.at("encoder"), both * self.inner_channels, lowest);
        self.decoder(&mut keys.at("decoder"), lowest);
        let (inner, latent) = (self.inner_channels, self.latent_channels);
        keys.conv("quant_conv", [both * latent, both * inner], 1);
        keys.conv("post_quant_conv", [inner, latent], 1);
        if let Some(codes) = self.codes {
            keys.matrix("quantize.embedding", codes, latent);
        }
        layout
    }

    fn encoder(&self, keys: &mut Keys<'_>, outputs: usize, lowest: usize) {
        keys.conv("conv_in", [self.width, self.input_channels], 3);
        let mut channels = self.width;
        for (index, level) in self.levels.iter().enumerate() {
            let mut keys = keys.at(format_args!("down.{index}"));
            for layer in 0..self.layers {
                residual(
                    &mut keys.at(format_args!("block.{layer}")),
                    channels,
                    *level,
                );
                channels = *level;
                if self.attends[index] {
                    attention(&mut keys.at(format_args!("attn.{layer}")), channels);
                }
            }
            if index + 1 < self.levels.len() {
                keys.conv("downsample.conv", [channels, channels], 3);
            }
        }
        self.middle(&mut keys.at("mid"), lowest);
        keys.norm("norm_out", lowest);
        keys.conv("conv_out", [outputs, lowest], 3);
    }

    fn decoder(&self, keys: &mut Keys<'_>, lowest: usize) {
        keys.conv("conv_in", [lowest, self.inner_channels], 3);
        self.middle(&mut keys.at("mid"), lowest);
        let mut channels = lowest;
        for (index, level) in self.levels.iter().enumerate().rev() {
            let mut keys = keys.at(format_args!("up.{index}"));
            for layer in 0..=self.layers {
                residual(
                    &mut keys.at(format_args!("block.{layer}")),
                    channels,
                    *level,
                );
                channels = *level;
                if self.attends[index] {
                    attention(&mut keys.at(format_args!("attn.{layer}")), channels);
                }
            }
            if index > 0 {
                keys.conv("upsample.conv", [channels, channels], 3);
            }
        }
        keys.norm("norm_out", channels);
        keys.conv("conv_out", [self.output_channels, channels], 3);
    }

    fn middle(&self, keys: &mut Keys<'_>, channels: usize) {
        residual(&mut keys.at("block_1"), channels, channels);
        if self.attends_in_middle {
            attention(&mut keys.at("attn_1"), channels);
        }
        residual(&mut keys.at("block_2"), channels, channels);
    }
}

fn residual(keys: &mut Keys<'_>, inputs: usize, outputs: usize) {
    keys.norm("norm1", inputs);
    keys.conv("conv1", [outputs, inputs], 3);
    keys.norm("norm2", outputs);
    keys.conv("conv2", [outputs, outputs], 3);
    if inputs != outputs {
        keys.conv("nin_shortcut", [outputs, inputs], 1);
    }
}

fn attention(keys: &mut Keys<'_>, channels: usize) {
    keys.norm("norm", channels);
    for name in ["q", "k", "v", "proj_out"] {
        keys.conv(name, [channels, channels], 1);
    }
}
