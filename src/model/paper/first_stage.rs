//! The first stages of the paper's code, `AutoencoderKL` and `VQModel`, and the
//! names of their weights (`ldm/modules/diffusionmodules/model.py`).

use super::super::{ModelError, limits};
use super::keys::{Keys, Layout};

const PART: &str = "a first stage";

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
