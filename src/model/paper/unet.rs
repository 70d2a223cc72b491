//! The denoiser of the paper's code, `UNetModel`, and the names of its weights
//! (`ldm/modules/diffusionmodules/openaimodel.py`).

use super::super::{Middle, ModelError, limits};
use super::keys::{Keys, Layout};

const PART: &str = "UNetModel";
/// Width of the tokens of boxes before they are as wide as those of words (GLIGEN).
const BOX_INNER: usize = 512;
/// Numbers that say where a box lies.
const BOX_PLACE: usize = 64;

/// The sizes of a denoiser.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginalUnet {
    /// Channels of latents and everything concatenated to them.
    pub input_channels: usize,
    /// Channels of the prediction.
    pub output_channels: usize,
    /// Channels before the first level, a quarter of the embedding of time.
    pub width: usize,
    /// From the highest resolution down.
    pub levels: Vec<OriginalLevel>,
    /// Residual blocks of each level on the way down; one more on the way up.
    pub layers: usize,
    /// What lies below the last level.
    pub middle: Middle,
    /// What attention is like.
    pub attention: OriginalAttention,
    /// Heads of attention; `None` where only a configuration could tell.
    pub heads: Option<OriginalHeads>,
    /// Whether all queries come first, then keys and values, instead of head by head.
    pub is_newly_ordered: bool,
    /// Whether time scales and shifts instead of being added.
    pub is_scale_shift: bool,
    /// Whether residual blocks change the resolution, and not convolutions.
    pub resamples_in_blocks: bool,
    /// Whether places look at boxes with phrases (GLIGEN).
    pub is_grounded: bool,
    /// Classes whose embeddings are added to that of time.
    pub classes: Option<usize>,
    /// Width of a vector that is added to the embedding of time.
    pub added_width: Option<usize>,
}

/// One resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalLevel {
    /// Channels.
    pub channels: usize,
    /// Transformer blocks behind each residual block on the way down, or 1 for attention
    /// among places alone; empty without attention.
    pub depths_down: Vec<usize>,
    /// The same on the way up.
    pub depths_up: Vec<usize>,
}

impl OriginalLevel {
    /// A level with so many residual blocks and transformer blocks behind each; 0 without
    /// attention.
    pub fn even(channels: usize, layers: usize, depth: usize) -> Self {
        // Layers are checked later, and may be any number here.
        let blocks = if depth > 0 {
            layers.min(*limits::LAYERS.end())
        } else {
            0
        };
        let above = usize::from(depth > 0);
        Self {
            channels,
            depths_down: vec![depth; blocks],
            depths_up: vec![depth; blocks + above],
        }
    }

    /// Whether there is attention on either way.
    pub fn attends(&self) -> bool {
        !self.depths_down.is_empty() || !self.depths_up.is_empty()
    }
}

/// What attention is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalAttention {
    /// Between the places of the picture only.
    Plain,
    /// Transformers, which also look at a context.
    Transformer {
        /// Width of the context.
        context: usize,
        /// Whether they are entered by a matrix instead of a 1×1 convolution.
        is_linear: bool,
    },
}

/// How channels are divided into heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalHeads {
    /// So many heads.
    Count(usize),
    /// Heads of so many channels.
    Width(usize),
}

impl OriginalUnet {
    /// Checks the sizes.
    ///
    /// # Errors
    /// The first that no denoiser has.
    pub fn validate(&self) -> Result<(), ModelError> {
        let within = |key, value, range| limits::within(PART, key, value, range);
        within("levels of channel_mult", self.levels.len(), &limits::LEVELS)?;
        within("num_res_blocks", self.layers, &limits::LAYERS)?;
        for (key, value) in [
            ("in_channels", self.input_channels),
            ("out_channels", self.output_channels),
            ("model_channels", self.width),
        ] {
            within(key, value, &limits::WIDTH)?;
        }
        let depths = 0..=*limits::LAYERS.end();
        for level in &self.levels {
            within("channels of a level", level.channels, &limits::WIDTH)?;
            for depth in level.depths_down.iter().chain(&level.depths_up) {
                within("transformer_depth", *depth, &depths)?;
            }
        }
        within("transformer_depth", self.middle.depth(), &depths)?;
        if let OriginalAttention::Transformer { context, .. } = self.attention {
            within("context_dim", context, &limits::WIDTH)?;
            self.validate_heads()?;
        }
        let depths = self.levels.iter().map(|level| {
            let depths = level.depths_down.iter().chain(&level.depths_up);
            depths.sum::<usize>() + 2 * self.layers + 1
        });
        let blocks = depths.sum::<usize>() + self.middle.depth();
        within("blocks", blocks, &(1..=limits::MOST_BLOCKS))?;
        if let Some(classes) = self.classes {
            within("num_classes", classes, &limits::CLASSES)?;
        }
        if let Some(width) = self.added_width {
            within("adm_in_channels", width, &limits::WIDTH)?;
        }
        Ok(())
    }

    /// Checks that heads of so many channels divide those of transformers.
    fn validate_heads(&self) -> Result<(), ModelError> {
        let Some(OriginalHeads::Width(width)) = self.heads else {
            return Ok(());
        };
        let attending = self.levels.iter().filter(|level| level.attends());
        let lowest = self.levels.last().filter(|_| self.middle.depth() > 0);
        for level in attending.chain(lowest) {
            if width == 0 || !level.channels.is_multiple_of(width) {
                let supported = format!("it must divide {}", level.channels);
                let key = "num_head_channels";
                return Err(ModelError::unsupported(PART, key, width, supported));
            }
        }
        Ok(())
    }

    /// Names and shapes of the weights.
    pub(in crate::model) fn layout(&self, prefix: &str) -> Layout {
        let mut layout = Layout::new();
        let mut keys = Keys::new(&mut layout, prefix);
        let time = 4 * self.width;
        keys.linear("time_embed.0", time, self.width);
        keys.linear("time_embed.2", time, time);
        if let Some(classes) = self.classes {
            keys.matrix("label_emb", classes, time);
        }
        if let Some(width) = self.added_width {
            keys.linear("label_emb.0.0", time, width);
            keys.linear("label_emb.0.2", time, time);
        }
        keys.conv("input_blocks.0.0", [self.width, self.input_channels], 3);
        let mut channels = self.width;
        let mut skips = vec![channels];
        let mut index = 1;
        for (number, level) in self.levels.iter().enumerate() {
            for layer in 0..self.layers {
                let mut block = keys.at(format_args!("input_blocks.{index}"));
                self.residual(&mut block.at(0), channels, level.channels);
                channels = level.channels;
                let depth = level.depths_down.get(layer).copied().unwrap_or(0);
                self.attention(&mut block.at(1), channels, depth);
                skips.push(channels);
                index += 1;
            }
            if number + 1 < self.levels.len() {
                let mut block = keys.at(format_args!("input_blocks.{index}"));
                if self.resamples_in_blocks {
                    self.residual(&mut block.at(0), channels, channels);
                } else {
                    block.at(0).conv("op", [channels, channels], 3);
                }
                skips.push(channels);
                index += 1;
            }
        }
        let mut middle = keys.at("middle_block");
        if self.middle != Middle::Nothing {
            self.residual(&mut middle.at(0), channels, channels);
        }
        if let Middle::Attending(depth) = self.middle {
            self.attention(&mut middle.at(1), channels, depth);
            self.residual(&mut middle.at(2), channels, channels);
        }
        let mut index = 0;
        for (number, level) in self.levels.iter().enumerate().rev() {
            for layer in 0..=self.layers {
                let skip = skips.pop().unwrap_or(self.width);
                let mut block = keys.at(format_args!("output_blocks.{index}"));
                self.residual(&mut block.at(0), channels + skip, level.channels);
                channels = level.channels;
                let depth = level.depths_up.get(layer).copied().unwrap_or(0);
                self.attention(&mut block.at(1), channels, depth);
                if number > 0 && layer == self.layers {
                    let mut last = block.at(if depth > 0 { 2 } else { 1 });
                    if self.resamples_in_blocks {
                        self.residual(&mut last, channels, channels);
                    } else {
                        last.conv("conv", [channels, channels], 3);
                    }
                }
                index += 1;
            }
        }
        keys.norm("out.0", channels);
        keys.conv("out.2", [self.output_channels, self.width], 3);
        if let (true, OriginalAttention::Transformer { context, .. }) =
            (self.is_grounded, self.attention)
        {
            let mut keys = keys.at("position_net");
            keys.linear("linears.0", BOX_INNER, context + BOX_PLACE);
            keys.linear("linears.2", BOX_INNER, BOX_INNER);
            keys.linear("linears.4", context, BOX_INNER);
            keys.tensor("null_positive_feature", [context]);
            keys.tensor("null_position_feature", [BOX_PLACE]);
        }
        layout
    }

    fn residual(&self, keys: &mut Keys<'_>, inputs: usize, outputs: usize) {
        let told = if self.is_scale_shift {
            2 * outputs
        } else {
            outputs
        };
        keys.norm("in_layers.0", inputs);
        keys.conv("in_layers.2", [outputs, inputs], 3);
        keys.linear("emb_layers.1", told, 4 * self.width);
        keys.norm("out_layers.0", outputs);
        keys.conv("out_layers.3", [outputs, outputs], 3);
        if inputs != outputs {
            keys.conv("skip_connection", [outputs, inputs], 1);
        }
    }

    fn attention(&self, keys: &mut Keys<'_>, channels: usize, depth: usize) {
        if depth == 0 {
            return;
        }
        keys.norm("norm", channels);
        let OriginalAttention::Transformer { context, is_linear } = self.attention else {
            keys.conv1d("qkv", 3 * channels, channels);
            keys.conv1d("proj_out", channels, channels);
            return;
        };
        for name in ["proj_in", "proj_out"] {
            if is_linear {
                keys.linear(name, channels, channels);
            } else {
                keys.conv(name, [channels, channels], 1);
            }
        }
        for block in 0..depth {
            let mut keys = keys.at(format_args!("transformer_blocks.{block}"));
            for (name, source) in [("attn1", channels), ("attn2", context)] {
                let mut keys = keys.at(name);
                keys.matrix("to_q", channels, channels);
                keys.matrix("to_k", channels, source);
                keys.matrix("to_v", channels, source);
                keys.linear("to_out.0", channels, channels);
            }
            keys.linear("ff.net.0.proj", 8 * channels, channels);
            keys.linear("ff.net.2", channels, 4 * channels);
            for norm in ["norm1", "norm2", "norm3"] {
                keys.norm(norm, channels);
            }
            if self.is_grounded {
                Self::gated_attention(&mut keys.at("fuser"), channels, context);
            }
        }
    }

    /// Attention of places and boxes, behind gates.
    fn gated_attention(keys: &mut Keys<'_>, channels: usize, context: usize) {
        keys.linear("linear", channels, context);
        for name in ["attn.to_q", "attn.to_k", "attn.to_v"] {
            keys.matrix(name, channels, channels);
        }
        keys.linear("attn.to_out.0", channels, channels);
        keys.linear("ff.net.0.proj", 8 * channels, channels);
        keys.linear("ff.net.2", channels, 4 * channels);
        for norm in ["norm1", "norm2"] {
            keys.norm(norm, channels);
        }
        for gate in ["alpha_attn", "alpha_dense"] {
            keys.tensor(gate, []);
        }
    }
}
