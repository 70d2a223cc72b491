//! The denoisers of the paper's code, in diffusers' words.

use serde_json::{Map, Value, json};

use super::super::ModelError;
use super::super::paper::{OriginalAttention, OriginalHeads, OriginalLevel, OriginalUnet};
use super::depths::{MIDDLE, PLAIN_MIDDLE, REVERSE_DEPTHS};
use super::diffusers::GATED;
use super::{Architecture, Level, Middle, PerLevel, UNet2dConfig};

const PART: &str = "UNetModel";

impl OriginalUnet {
    /// The same in diffusers' words; `sample_size` is the side of the latents trained on.
    ///
    /// # Errors
    /// If it has something that none of its words is for, or heads that do not divide
    /// its channels.
    pub(in crate::model) fn config(&self, sample_size: usize) -> Result<UNet2dConfig, ModelError> {
        let Some(heads) = self.heads else {
            let supported = "its YAML file tells it; put it beside, or name it with --config";
            return Err(ModelError::unsupported(
                PART,
                "num_heads",
                "unknown",
                supported,
            ));
        };
        if let Some(width) = self.added_width {
            let supported = "only models without it are";
            return Err(ModelError::unsupported(
                PART,
                "adm_in_channels",
                width,
                supported,
            ));
        }
        if self.levels.first().map(|level| level.channels) != Some(self.width) {
            let supported = "it must begin with 1";
            return Err(ModelError::unsupported(
                PART,
                "channel_mult",
                "another",
                supported,
            ));
        }
        let mut other = Map::new();
        let mut say = |key: &str, value: Value| drop(other.insert(key.to_owned(), value));
        if self.is_scale_shift {
            say("resnet_time_scale_shift", json!("scale_shift"));
            say("attn_norm_num_groups", json!(GROUPS));
        }
        if self.resamples_in_blocks {
            say("downsample_type", json!("resnet"));
            say("upsample_type", json!("resnet"));
        }
        if let Some(classes) = self.classes {
            say("num_class_embeds", json!(classes));
        }
        match self.middle {
            Middle::Nothing => say(MIDDLE, Value::Null),
            Middle::Residual => say(MIDDLE, json!(PLAIN_MIDDLE)),
            Middle::Attending(_) => {}
        }
        if self.is_grounded {
            say("attention_type", json!(GATED));
        }
        let channels = self.levels.iter().map(|level| level.channels);
        let usual = UNet2dConfig {
            sample_size: Some(json!(sample_size)),
            in_channels: self.input_channels,
            out_channels: self.output_channels,
            block_out_channels: channels.clone().collect(),
            layers_per_block: PerLevel::All(self.layers),
            norm_num_groups: GROUPS,
            other,
            ..UNet2dConfig::default()
        };
        let config = match self.attention {
            OriginalAttention::Plain => UNet2dConfig {
                class_name: "UNet2DModel".into(),
                down_block_types: self.kinds("Down", "AttnDownBlock2D"),
                up_block_types: self.upward("AttnUpBlock2D"),
                attention_head_dim: match heads {
                    OriginalHeads::Width(width) => PerLevel::All(width),
                    OriginalHeads::Count(count) => PerLevel::Each(widths(channels, count)?),
                },
                ..usual
            },
            OriginalAttention::Transformer { context, is_linear } => {
                let (depths, reverse) = self.depths();
                let mut usual = usual;
                if let Some(reverse) = reverse {
                    usual.other.insert(REVERSE_DEPTHS.into(), reverse);
                }
                UNet2dConfig {
                    down_block_types: self.kinds("Down", "CrossAttnDownBlock2D"),
                    up_block_types: self.upward("CrossAttnUpBlock2D"),
                    transformer_layers_per_block: depths,
                    cross_attention_dim: context,
                    use_linear_projection: is_linear,
                    attention_head_dim: match heads {
                        OriginalHeads::Count(count) => PerLevel::All(count),
                        OriginalHeads::Width(width) => {
                            let heads = channels.map(|channels| (channels / width.max(1)).max(1));
                            PerLevel::Each(heads.collect())
                        }
                    },
                    ..usual
                }
            }
        };
        config.validate()?;
        Ok(config)
    }

    /// The sizes of such a denoiser, as far as its weights show them: the reverse of
    /// [`Self::config`] for those that attend to a context.
    pub(in crate::model) fn of(architecture: &Architecture) -> Self {
        let level = |level: &Level| OriginalLevel {
            channels: level.channels,
            depths_down: level.depths_down.clone(),
            depths_up: level.depths_up.clone(),
        };
        let first = architecture.levels.first();
        Self {
            input_channels: architecture.input_channels,
            output_channels: architecture.output_channels,
            width: first.map_or(0, |level| level.channels),
            levels: architecture.levels.iter().map(level).collect(),
            layers: first.map_or(0, |level| level.layers),
            middle: architecture.middle,
            attention: match architecture.context_width {
                None => OriginalAttention::Plain,
                Some(context) => OriginalAttention::Transformer {
                    context,
                    is_linear: architecture.is_linear_projection,
                },
            },
            heads: None,
            is_newly_ordered: false,
            is_scale_shift: architecture.is_scale_shift,
            resamples_in_blocks: first.is_some_and(|level| level.halves_in_block),
            is_grounded: architecture.is_grounded,
            classes: architecture.classes,
            added_width: architecture.added_width,
        }
    }

    /// Depths of the way down, and those of the way up from the lowest resolution where they
    /// differ from block to block.
    fn depths(&self) -> (PerLevel, Option<Value>) {
        let is_even = |level: &OriginalLevel| {
            let mut depths = level.depths_down.iter().chain(&level.depths_up);
            let first = depths.clone().next();
            depths.all(|depth| Some(depth) == first)
        };
        let one = |depths: &[usize]| match depths {
            [] => PerLevel::All(1),
            [first, others @ ..] if others.iter().all(|depth| depth == first) => {
                PerLevel::All(*first)
            }
            depths => PerLevel::Each(depths.to_vec()),
        };
        if !self.levels.iter().all(is_even) {
            let up = self.levels.iter().rev();
            let up: Vec<PerLevel> = up.map(|level| one(&level.depths_up)).collect();
            let down = self.levels.iter().map(|level| one(&level.depths_down));
            return (PerLevel::Nested(down.collect()), Some(json!(up)));
        }
        let depth = |level: &OriginalLevel| {
            let mut depths = level.depths_down.iter().chain(&level.depths_up);
            depths.next().copied().unwrap_or(1)
        };
        let mut depths: Vec<usize> = self.levels.iter().map(depth).collect();
        // The middle is as deep as the last level would be.
        if let (Middle::Attending(depth), Some(last)) = (self.middle, depths.last_mut()) {
            *last = depth;
        }
        (PerLevel::Each(depths), None)
    }

    /// Kinds of the levels, from the highest resolution down.
    fn kinds(&self, way: &str, attending: &str) -> Vec<String> {
        let plain = match (self.resamples_in_blocks, way) {
            (false, way) => format!("{way}Block2D"),
            (true, "Down") => "ResnetDownsampleBlock2D".into(),
            (true, _) => "ResnetUpsampleBlock2D".into(),
        };
        let levels = self.levels.iter();
        levels
            .map(
                |level| match (way, level.depths_down.len(), level.depths_up.len()) {
                    ("Down", 0, _) | ("Up", _, 0) => plain.clone(),
                    _ => attending.to_owned(),
                },
            )
            .collect()
    }

    fn upward(&self, attending: &str) -> Vec<String> {
        let mut kinds = self.kinds("Up", attending);
        kinds.reverse();
        kinds
    }
}

/// Groups of its group normalisations, which no configuration tells.
const GROUPS: usize = 32;

/// Widths of so many heads on each level.
fn widths(channels: impl Iterator<Item = usize>, heads: usize) -> Result<Vec<usize>, ModelError> {
    let width = |channels: usize| {
        let is_divided = heads > 0 && channels.is_multiple_of(heads);
        is_divided.then(|| channels / heads).ok_or_else(|| {
            let supported = format!("it must divide {channels}");
            ModelError::unsupported(PART, "num_heads", heads, supported)
        })
    };
    channels.map(width).collect()
}
