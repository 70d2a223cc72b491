//! What the weights of original networks are called by diffusers, as tables.

use std::collections::BTreeMap;

use super::super::weights::{Part, Piece};
use super::keys::Layout;
use super::{OriginalFirstStage, OriginalHeads, OriginalUnet};

/// Parts of blocks of a denoiser, the longer names first.
pub(super) const BLOCK_PARTS: [(&str, &str); 6] = [
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("skip_connection", "conv_shortcut"),
];

/// Names of a denoiser outside of its blocks.
pub(super) const UNET_PARTS: [(&str, &str); 10] = [
    ("time_embed.0", "time_embedding.linear_1"),
    ("time_embed.2", "time_embedding.linear_2"),
    ("label_emb.0.0", "add_embedding.linear_1"),
    ("label_emb.0.2", "add_embedding.linear_2"),
    ("label_emb", "class_embedding"),
    ("input_blocks.0.0", "conv_in"),
    ("out.0", "conv_norm_out"),
    ("out.2", "conv_out"),
    ("middle_block.0", "mid_block.resnets.0"),
    ("middle_block.2", "mid_block.resnets.1"),
];

/// Parts of a first stage.
pub(super) const STAGE_PARTS: [(&str, &str); 8] = [
    (".mid.block_1.", ".mid_block.resnets.0."),
    (".mid.block_2.", ".mid_block.resnets.1."),
    (".mid.attn_1.", ".mid_block.attentions.0."),
    (".block.", ".resnets."),
    (".attn.", ".attentions."),
    (".downsample.", ".downsamplers.0."),
    (".upsample.", ".upsamplers.0."),
    (".nin_shortcut.", ".conv_shortcut."),
];

/// Parts of attention over the places of a picture.
pub(super) const ATTENTION_PARTS: [(&str, &str); 5] = [
    ("norm", "group_norm"),
    ("q", "to_q"),
    ("k", "to_k"),
    ("v", "to_v"),
    ("proj_out", "to_out.0"),
];

impl OriginalUnet {
    /// diffusers' name of a weight; the three matrices of plain attention have one
    /// name here, and none of it is changed.
    pub(in crate::model) fn diffusers_name(&self, name: &str) -> String {
        let replaced = |name: &str, parts: &[(&str, &str)]| {
            let part = parts.iter().find(|(ours, _)| {
                let rest = name.strip_prefix(ours);
                rest.is_some_and(|rest| rest.starts_with('.'))
            });
            part.map(|(ours, theirs)| format!("{theirs}{}", &name[ours.len()..]))
        };
        let inner = |place: String, rest: &str| {
            let rest = replaced(rest, &BLOCK_PARTS).unwrap_or_else(|| rest.to_owned());
            format!("{place}.{rest}")
        };
        for (ours, theirs) in &UNET_PARTS {
            if let Some(rest) = name
                .strip_prefix(ours)
                .and_then(|rest| rest.strip_prefix('.'))
            {
                return inner((*theirs).to_owned(), rest);
            }
        }
        if let Some(rest) = name.strip_prefix("middle_block.1.") {
            return inner("mid_block.attentions.0".into(), rest);
        }
        let mut parts = name.splitn(4, '.');
        let (Some(side), Some(index), Some(place), Some(rest)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return name.to_owned();
        };
        let Ok(index) = index.parse::<usize>() else {
            return name.to_owned();
        };
        let count = self.layers + 1;
        let is_down = side == "input_blocks";
        let at = if is_down {
            index.saturating_sub(1)
        } else {
            index
        };
        let (block, layer) = (at / count, at % count);
        let way = if is_down { "down" } else { "up" };
        let is_resampled = match is_down {
            true => layer == self.layers,
            false => {
                place != "0"
                    && (rest.starts_with("conv.")
                        || rest.starts_with("in_layers.")
                        || rest.starts_with("out_layers.")
                        || rest.starts_with("emb_layers.")
                        || rest.starts_with("skip_connection."))
            }
        };
        if is_resampled {
            let rest = rest
                .strip_prefix("op.")
                .map_or_else(|| rest.to_owned(), |rest| format!("conv.{rest}"));
            return inner(format!("{way}_blocks.{block}.{way}samplers.0"), &rest);
        }
        let kind = if place == "0" {
            "resnets"
        } else {
            "attentions"
        };
        inner(format!("{way}_blocks.{block}.{kind}.{layer}"), rest)
    }

    /// Names and shapes of the weights as diffusers stores them.
    pub(in crate::model) fn diffusers_layout(&self) -> Layout {
        let mut layout = Layout::new();
        for (name, shape) in self.layout("") {
            let renamed = self.diffusers_name(&name);
            let place = renamed
                .rsplit_once('.')
                .and_then(|(rest, end)| Some((rest.rsplit_once('.')?, end)));
            let Some(((place, part), end)) =
                place.filter(|((place, _), _)| self.is_plain_attention(place))
            else {
                layout.insert(renamed, shape);
                continue;
            };
            if part == "qkv" {
                for matrix in ["to_q", "to_k", "to_v"] {
                    let mut shape = shape.clone();
                    shape[0] /= 3;
                    shape.truncate(2);
                    layout.insert(format!("{place}.{matrix}.{end}"), shape);
                }
                continue;
            }
            let theirs = ATTENTION_PARTS.iter().find(|(ours, _)| *ours == part);
            let theirs = theirs.map_or(part, |(_, theirs)| theirs);
            let kept = shape.len().min(2);
            layout.insert(format!("{place}.{theirs}.{end}"), shape[..kept].to_vec());
        }
        layout
    }

    /// Where each weight lies, by diffusers' name of it, given what weights are called in
    /// the file. Queries, keys and values of plain attention lie in one tensor, head by
    /// head.
    pub(in crate::model) fn pieces(
        &self,
        stored: impl Fn(&str) -> String,
    ) -> BTreeMap<String, Piece> {
        let mut pieces = BTreeMap::new();
        for (name, shape) in self.layout("") {
            let renamed = self.diffusers_name(&name);
            let place = renamed
                .rsplit_once('.')
                .and_then(|(rest, end)| Some((rest.rsplit_once('.')?, end)));
            let Some(((place, part), end)) =
                place.filter(|((place, _), _)| self.is_plain_attention(place))
            else {
                pieces.insert(renamed, Piece::whole(stored(&name)));
                continue;
            };
            if part != "qkv" {
                let theirs = ATTENTION_PARTS.iter().find(|(ours, _)| *ours == part);
                let theirs = theirs.map_or(part, |(_, theirs)| theirs);
                pieces.insert(
                    format!("{place}.{theirs}.{end}"),
                    Piece::whole(stored(&name)),
                );
                continue;
            }
            let channels = shape.first().map_or(0, |rows| rows / 3);
            let groups = match self.heads {
                _ if self.is_newly_ordered => 1,
                Some(OriginalHeads::Count(count)) => count,
                Some(OriginalHeads::Width(width)) => channels / width.max(1),
                None => 1,
            };
            for (which, matrix) in ["to_q", "to_k", "to_v"].into_iter().enumerate() {
                let part = Part {
                    which,
                    parts: 3,
                    groups: groups.max(1),
                };
                let piece = Piece::part(stored(&name), part);
                pieces.insert(format!("{place}.{matrix}.{end}"), piece);
            }
        }
        pieces
    }

    fn is_plain_attention(&self, place: &str) -> bool {
        self.attention == super::OriginalAttention::Plain && place.contains("attentions.")
    }
}

impl OriginalFirstStage {
    /// diffusers' name of a weight.
    pub(in crate::model) fn diffusers_name(&self, name: &str) -> String {
        let levels = self.levels.len();
        let mut renamed = name.replacen("encoder.down.", "encoder.down_blocks.", 1);
        if let Some(rest) = renamed.strip_prefix("decoder.up.")
            && let Some((index, rest)) = rest.split_once('.')
            && let Ok(index) = index.parse::<usize>()
        {
            // Counted from the lowest resolution.
            renamed = format!(
                "decoder.up_blocks.{}.{rest}",
                levels.saturating_sub(1 + index)
            );
        }
        for (ours, theirs) in &STAGE_PARTS {
            renamed = renamed.replacen(ours, theirs, 1);
        }
        if let Some((place, end)) = renamed.split_once(".attentions.")
            && let Some((number, rest)) = end.split_once('.')
            && let Some((part, end)) = rest.split_once('.')
            && let Some((_, theirs)) = ATTENTION_PARTS.iter().find(|(ours, _)| *ours == part)
        {
            return format!("{place}.attentions.{number}.{theirs}.{end}");
        }
        let is_last = |name: &str| name.ends_with("coder.norm_out");
        match renamed.rsplit_once('.') {
            Some((place, end)) if is_last(place) => {
                format!("{}conv_norm_out.{end}", place.trim_end_matches("norm_out"))
            }
            _ => renamed,
        }
    }

    /// Names and shapes of the weights as diffusers stores them.
    pub(in crate::model) fn diffusers_layout(&self) -> Layout {
        let layout = self.layout("").into_iter();
        layout
            .map(|(name, shape)| {
                let renamed = self.diffusers_name(&name);
                // Matrices, which the paper's code has as 1×1 convolutions.
                let is_matrix = renamed.contains(".attentions.") && shape.len() == 4;
                (
                    renamed,
                    if is_matrix {
                        shape[..2].to_vec()
                    } else {
                        shape
                    },
                )
            })
            .collect()
    }
}
