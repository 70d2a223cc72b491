//! The sizes of parts, from the names and shapes of the weights that a file has.
//!
//! A file may lack weights, so that every size is looked for at all places that show
//! it, and of a block that is not there its neighbours tell.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::{Middle, limits};
use super::{
    ClipKind, ClipSizes, OriginalAttention, OriginalConditioner, OriginalFirstStage, OriginalLevel,
    OriginalUnet, TokenTransformer,
};

/// Entries of a codebook that is lost, of which only the name matters.
const USUAL_CODES: usize = 8192;

/// Names and shapes under a common beginning, which they are without.
#[derive(Clone, Debug)]
pub(in crate::model) struct Seen<'a> {
    shapes: BTreeMap<&'a str, &'a [usize]>,
}

impl<'a> Seen<'a> {
    /// All names and shapes of a file.
    pub fn new(shapes: impl Iterator<Item = (&'a str, &'a [usize])>) -> Self {
        Self {
            shapes: shapes.collect(),
        }
    }

    /// What lies under this beginning.
    pub fn under(&self, prefix: &str) -> Self {
        let range = self.starting_at(prefix);
        let inside = range.take_while(|(name, _)| name.starts_with(prefix));
        Self {
            shapes: inside
                .map(|(name, shape)| (&name[prefix.len()..], shape))
                .collect(),
        }
    }

    /// What stands at this name and behind it.
    fn starting_at(&self, name: &str) -> impl Iterator<Item = (&'a str, &'a [usize])> {
        let range = (Bound::Included(name), Bound::Unbounded);
        let range = self.shapes.range::<str, _>(range);
        range.map(|(name, shape)| (*name, *shape))
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// Whether something lies under this beginning.
    pub fn has(&self, prefix: &str) -> bool {
        let mut range = self.starting_at(prefix);
        range
            .next()
            .is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// Whether a name has this part.
    pub fn mentions(&self, part: &str) -> bool {
        self.shapes.keys().any(|name| name.contains(part))
    }

    /// A length of a tensor.
    fn axis(&self, name: &str, axis: usize) -> Option<usize> {
        self.shapes.get(name)?.get(axis).copied()
    }

    /// The first of these lengths that is there.
    fn any(&self, places: &[(&str, usize)]) -> Option<usize> {
        places
            .iter()
            .find_map(|(name, axis)| self.axis(name, *axis))
    }

    /// One more than the largest number that follows this beginning.
    pub fn count(&self, prefix: &str) -> usize {
        let range = self.starting_at(prefix);
        let names = range
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(prefix));
        let numbers = names.filter_map(|name| {
            let number = name[prefix.len()..].split('.').next()?;
            number
                .parse::<usize>()
                .ok()
                .filter(|number| *number < 10_000)
        });
        numbers.max().map_or(0, |number| number + 1)
    }

    /// Sizes of a denoiser.
    pub fn unet(&self) -> Option<OriginalUnet> {
        let width = self
            .any(&[
                ("time_embed.0.weight", 1),
                ("input_blocks.0.0.weight", 0),
                ("out.2.weight", 1),
            ])
            .or_else(|| Some(self.axis("time_embed.2.weight", 0)? / 4))?;
        let blocks = self.count("input_blocks.");
        let is_down = |index: usize| self.has(&format!("input_blocks.{index}.0.op."));
        let resamples_in_blocks = !(0..blocks).any(is_down);
        let layers = if resamples_in_blocks {
            self.layers_between_blocks(blocks)?
        } else {
            (0..blocks).find(|index| is_down(*index))?.checked_sub(1)?
        };
        let level_count = blocks.checked_div(layers + 1)?;
        if layers == 0
            || level_count * (layers + 1) != blocks
            || !limits::LEVELS.contains(&level_count)
        {
            return None;
        }
        let middle = self.middle();
        let level = |index: usize| -> Option<OriginalLevel> {
            let down = (0..layers)
                .map(|layer| format!("input_blocks.{}.", 1 + index * (layers + 1) + layer));
            let first_up = (level_count - 1 - index) * (layers + 1);
            let up = (0..=layers).map(move |layer| format!("output_blocks.{}.", first_up + layer));
            let places: Vec<String> = down.chain(up).collect();
            let channels = places
                .iter()
                .find_map(|place| self.residual_channels(&format!("{place}0.")));
            let depths = places.iter().map(|place| self.depth(&format!("{place}1.")));
            let depths: Vec<usize> = depths.collect();
            let most = depths.iter().max().copied()?;
            // Only distilled models differ from block to block, and have no attention in the
            // middle; elsewhere a block of less lost weights.
            if middle == Middle::Residual && depths.iter().all(|depth| *depth > 0) {
                return Some(OriginalLevel {
                    channels: channels?,
                    depths_down: depths[..layers].to_vec(),
                    depths_up: depths[layers..].to_vec(),
                });
            }
            Some(OriginalLevel::even(channels?, layers, most))
        };
        let levels: Option<Vec<OriginalLevel>> = (0..level_count).map(level).collect();
        let levels = levels?;
        let attention = self.attention();
        let told = self.residual_told();
        let unet = OriginalUnet {
            input_channels: self.axis("input_blocks.0.0.weight", 1).unwrap_or(4),
            output_channels: self
                .any(&[("out.2.weight", 0), ("out.2.bias", 0)])
                .unwrap_or(4),
            width,
            middle,
            levels,
            layers,
            attention,
            heads: None,
            is_newly_ordered: false,
            is_scale_shift: told,
            resamples_in_blocks,
            is_grounded: self.has("position_net."),
            classes: self.axis("label_emb.weight", 0),
            added_width: self.axis("label_emb.0.0.weight", 1),
        };
        unet.validate().is_ok().then_some(unet)
    }

    /// Where blocks change the resolution, the last block of each level on the way up
    /// has one block more.
    fn layers_between_blocks(&self, blocks: usize) -> Option<usize> {
        let is_up = |index: &usize| {
            let at = |place: usize| format!("output_blocks.{index}.{place}.in_layers.");
            self.has(&at(1)) || self.has(&at(2))
        };
        // One level has none.
        let first = (0..blocks).find(is_up);
        Some(first.map_or(blocks.checked_sub(1)?, |first| first))
    }

    /// What lies below the last level. One whose weights are lost in part is told by the
    /// others.
    fn middle(&self) -> Middle {
        let has = |place: usize| self.has(&format!("middle_block.{place}."));
        match (has(0), has(1) || has(2)) {
            (false, false) => Middle::Nothing,
            (true, false) => Middle::Residual,
            (_, true) => Middle::Attending(self.depth("middle_block.1.").max(1)),
        }
    }

    fn residual_channels(&self, place: &str) -> Option<usize> {
        let at = |name: &str| format!("{place}{name}");
        let names = [
            "out_layers.3.weight",
            "in_layers.2.weight",
            "out_layers.0.weight",
            "out_layers.3.bias",
        ];
        names.iter().find_map(|name| self.axis(&at(name), 0))
    }

    /// Whether a residual block is told two numbers for each channel.
    fn residual_told(&self) -> bool {
        self.shapes.keys().any(|name| {
            let place = name.strip_suffix("emb_layers.1.weight");
            let told = self.axis(name, 0);
            place.is_some_and(|place| {
                let channels = self.residual_channels(place);
                channels.is_some() && told == channels.map(|channels| 2 * channels)
            })
        })
    }

    /// Transformer blocks at a place, 1 for attention without any, 0 for none.
    fn depth(&self, place: &str) -> usize {
        let blocks = self.count(&format!("{place}transformer_blocks."));
        if blocks > 0 {
            return blocks;
        }
        usize::from(
            ["qkv.", "proj_in.", "norm."]
                .iter()
                .any(|name| self.has(&format!("{place}{name}"))),
        )
    }

    fn attention(&self) -> OriginalAttention {
        let find = |end: &str| self.shapes.iter().find(|(name, _)| name.ends_with(end));
        let context = find("attn2.to_k.weight").or_else(|| find("attn2.to_v.weight"));
        match context.and_then(|(_, shape)| shape.get(1)) {
            Some(context) => OriginalAttention::Transformer {
                context: *context,
                is_linear: find("proj_in.weight").is_some_and(|(_, shape)| shape.len() == 2),
            },
            None => OriginalAttention::Plain,
        }
    }

    /// Sizes of a first stage.
    pub fn first_stage(&self) -> Option<OriginalFirstStage> {
        let levels = self.count("encoder.down.").max(self.count("decoder.up."));
        if !limits::LEVELS.contains(&levels) {
            return None;
        }
        let channels = |index: usize| {
            let norm = |place: &str, count: usize| {
                (0..count).find_map(|layer| {
                    let at = |name: &str| format!("{place}.{index}.block.{layer}.{name}");
                    self.axis(&at("conv1.weight"), 0)
                        .or_else(|| self.axis(&at("norm2.weight"), 0))
                })
            };
            norm("encoder.down", 64).or_else(|| norm("decoder.up", 64))
        };
        let layers = (0..levels)
            .flat_map(|index| {
                let down = self.count(&format!("encoder.down.{index}.block."));
                let up = self.count(&format!("decoder.up.{index}.block."));
                [down, up.saturating_sub(1)]
            })
            .max()?;
        let attends = |index: usize| {
            self.has(&format!("encoder.down.{index}.attn."))
                || self.has(&format!("decoder.up.{index}.attn."))
        };
        let codes = self.axis("quantize.embedding.weight", 0);
        let inner = self.any(&[
            ("decoder.conv_in.weight", 1),
            ("post_quant_conv.weight", 0),
            ("post_quant_conv.bias", 0),
        ]);
        let outputs = self.any(&[
            ("encoder.conv_out.weight", 0),
            ("encoder.conv_out.bias", 0),
            ("quant_conv.weight", 1),
        ]);
        let is_gaussian = match inner.zip(outputs) {
            Some((inner, outputs)) => outputs == 2 * inner,
            None => codes.is_none(),
        };
        let both = if is_gaussian { 2 } else { 1 };
        // One number without a codebook is a first stage that lost it.
        let codes = codes.or((!is_gaussian).then_some(USUAL_CODES));
        let inner = inner.or_else(|| Some(outputs? / both))?;
        let latent = self
            .any(&[
                ("post_quant_conv.weight", 1),
                ("quantize.embedding.weight", 1),
            ])
            .or_else(|| Some(self.axis("quant_conv.weight", 0)? / both))
            .unwrap_or(inner);
        let levels: Option<Vec<usize>> = (0..levels).map(channels).collect();
        let levels = levels?;
        let stage = OriginalFirstStage {
            input_channels: self.axis("encoder.conv_in.weight", 1).unwrap_or(3),
            output_channels: self
                .any(&[("decoder.conv_out.weight", 0), ("decoder.conv_out.bias", 0)])
                .unwrap_or(3),
            width: self
                .any(&[("encoder.conv_in.weight", 0), ("encoder.conv_in.bias", 0)])
                .unwrap_or(levels[0]),
            layers,
            attends: (0..levels.len()).map(attends).collect(),
            attends_in_middle: self.has("encoder.mid.attn_1.") || self.has("decoder.mid.attn_1."),
            levels,
            inner_channels: inner,
            latent_channels: latent,
            is_gaussian,
            codes,
        };
        stage.validate().is_ok().then_some(stage)
    }

    /// Sizes of a text encoder of the CLIP family; the names begin with those of its
    /// embeddings.
    pub fn clip(&self, kind: ClipKind) -> Option<ClipSizes> {
        match kind {
            ClipKind::Clip => {
                let layers = self.count("encoder.layers.");
                let inner = (0..layers).find_map(|layer| {
                    self.axis(&format!("encoder.layers.{layer}.mlp.fc1.weight"), 0)
                });
                let width = self.any(&[
                    ("embeddings.token_embedding.weight", 1),
                    ("embeddings.position_embedding.weight", 1),
                    ("final_layer_norm.weight", 0),
                ])?;
                Some(ClipSizes {
                    width,
                    inner_width: inner.unwrap_or(4 * width),
                    layers,
                    vocabulary: self
                        .axis("embeddings.token_embedding.weight", 0)
                        .unwrap_or(49_408),
                    length: self
                        .axis("embeddings.position_embedding.weight", 0)
                        .unwrap_or(77),
                })
            }
            ClipKind::OpenClip => {
                let layers = self.count("transformer.resblocks.");
                let inner = (0..layers).find_map(|layer| {
                    self.axis(&format!("transformer.resblocks.{layer}.mlp.c_fc.weight"), 0)
                });
                let width = self.any(&[
                    ("token_embedding.weight", 1),
                    ("positional_embedding", 1),
                    ("ln_final.weight", 0),
                ])?;
                Some(ClipSizes {
                    width,
                    inner_width: inner.unwrap_or(4 * width),
                    layers,
                    vocabulary: self.axis("token_embedding.weight", 0).unwrap_or(49_408),
                    length: self.axis("positional_embedding", 0).unwrap_or(77),
                })
            }
        }
    }

    /// What the denoiser of a whole checkpoint is told; `None` where weights of a
    /// conditioner are there that nobody knows.
    pub fn conditioner(&self) -> Option<OriginalConditioner> {
        let conditioner = self.any_conditioner()?;
        conditioner.validate().is_ok().then_some(conditioner)
    }

    fn any_conditioner(&self) -> Option<OriginalConditioner> {
        if self.has("conditioner.embedders.") {
            let clip = self.under("conditioner.embedders.0.transformer.text_model.");
            let second = usize::from(!clip.is_empty());
            let open = self.under(&format!("conditioner.embedders.{second}.model."));
            let clip = (!clip.is_empty())
                .then(|| clip.clip(ClipKind::Clip))
                .flatten();
            return Some(OriginalConditioner::Both {
                clip,
                open_clip: open.clip(ClipKind::OpenClip)?,
            });
        }
        let seen = self.under("cond_stage_model.");
        if seen.is_empty() {
            return Some(OriginalConditioner::Nothing);
        }
        for place in ["transformer.text_model.", "transformer."] {
            let text = seen.under(place);
            if text.has("embeddings.") || text.has("encoder.layers.") {
                return text.clip(ClipKind::Clip).map(OriginalConditioner::Clip);
            }
        }
        let open = seen.under("model.");
        if open.has("transformer.resblocks.") || open.has("token_embedding.") {
            return open
                .clip(ClipKind::OpenClip)
                .map(OriginalConditioner::OpenClip);
        }
        if let Some(shape) = seen.shapes.get("channel_mapper.weight") {
            return Some(OriginalConditioner::Rescaler {
                inputs: *shape.get(1)?,
                outputs: *shape.first()?,
                has_bias: seen.has("channel_mapper.bias"),
            });
        }
        if let Some(shape) = seen.shapes.get("embedding.weight") {
            return Some(OriginalConditioner::Class {
                classes: *shape.first()?,
                width: *shape.get(1)?,
            });
        }
        let tokens = seen.under("transformer.");
        if tokens.has("attn_layers.") || tokens.has("token_emb.") {
            return tokens.tokens().map(OriginalConditioner::Tokens);
        }
        // The first stage, once more.
        (seen.has("encoder.") || seen.has("decoder.")).then_some(OriginalConditioner::FirstStage)
    }

    fn tokens(&self) -> Option<TokenTransformer> {
        const BOX_TOKENS: usize = 92;
        let width = self.any(&[
            ("token_emb.weight", 1),
            ("pos_emb.emb.weight", 1),
            ("norm.weight", 0),
        ])?;
        let length = self.axis("pos_emb.emb.weight", 0).unwrap_or(77);
        let vocabulary = self.axis("token_emb.weight", 0).unwrap_or(30_522);
        Some(TokenTransformer {
            width,
            layers: self.count("attn_layers.layers.").div_ceil(2),
            vocabulary,
            length,
            reads_words: length != BOX_TOKENS && vocabulary != 8192,
        })
    }
}
