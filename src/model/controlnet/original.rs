//! ControlNets by the names of the paper's code (`cldm/cldm.py`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::paper::Seen;
use super::super::weights::{Piece, Renamed, WeightSource};

/// What brings a picture to the size of latents.
const HINT: &str = "input_hint_block.";
/// A network by these names has this.
const FIRST: &str = "input_hint_block.0.weight";

/// The weights by diffusers' names; `None` where they have other names.
pub(super) fn renamed(source: &Arc<dyn WeightSource>) -> Option<Renamed> {
    // `control_model.` in a whole model, with more before it where trainers wrapped that.
    let mut prefixes = source.names().filter_map(|name| name.strip_suffix(FIRST));
    let prefix = prefixes.find(|prefix| prefix.is_empty() || prefix.ends_with('.'))?;
    let shapes = source.names().filter_map(|name| {
        let shape = source.shape(name)?;
        Some((name, shape))
    });
    let seen = Seen::new(shapes).under(prefix);
    let unet = seen.unet()?;
    let mut pieces = unet.pieces(|name| format!("{prefix}{name}"));
    let hints = seen.count(HINT);
    for name in source.names().filter_map(|name| name.strip_prefix(prefix)) {
        if let Some(ours) = own_name(name, hints.saturating_sub(1)) {
            pieces.insert(ours, Piece::whole(format!("{prefix}{name}")));
        }
    }
    Some(Renamed::new(Arc::clone(source), own(pieces)))
}

/// diffusers' name of a weight that a denoiser has not; `last` is the number of the last
/// part of what sees the picture, each second of which has weights.
fn own_name(name: &str, last: usize) -> Option<String> {
    let numbered = |rest: &str| -> Option<(usize, String)> {
        let (number, end) = rest.split_once('.')?;
        Some((number.parse().ok()?, end.to_owned()))
    };
    if let Some(rest) = name.strip_prefix("zero_convs.") {
        let (number, end) = numbered(rest)?;
        let end = end.strip_prefix("0.")?;
        return Some(format!("controlnet_down_blocks.{number}.{end}"));
    }
    if let Some(end) = name.strip_prefix("middle_block_out.0.") {
        return Some(format!("controlnet_mid_block.{end}"));
    }
    let (number, end) = numbered(name.strip_prefix(HINT)?)?;
    let place = match number {
        0 => "conv_in".to_owned(),
        number if number == last => "conv_out".to_owned(),
        number => format!("blocks.{}", (number / 2).checked_sub(1)?),
    };
    Some(format!("controlnet_cond_embedding.{place}.{end}"))
}

/// Without what only a whole denoiser has.
fn own(pieces: BTreeMap<String, Piece>) -> BTreeMap<String, Piece> {
    let is_above = |name: &str| {
        ["up_blocks.", "conv_norm_out.", "conv_out."]
            .iter()
            .any(|part| name.starts_with(part))
    };
    let pieces = pieces.into_iter();
    pieces.filter(|(name, _)| !is_above(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_diffusers() {
        for (name, wanted) in [
            ("zero_convs.3.0.weight", "controlnet_down_blocks.3.weight"),
            ("middle_block_out.0.bias", "controlnet_mid_block.bias"),
            (
                "input_hint_block.0.weight",
                "controlnet_cond_embedding.conv_in.weight",
            ),
            (
                "input_hint_block.4.weight",
                "controlnet_cond_embedding.blocks.1.weight",
            ),
            (
                "input_hint_block.14.bias",
                "controlnet_cond_embedding.conv_out.bias",
            ),
        ] {
            assert_eq!(own_name(name, 14).as_deref(), Some(wanted));
        }
        assert_eq!(own_name("time_embed.0.weight", 14), None);
        assert_eq!(own_name("input_hint_block.x.bias", 14), None);
    }
}
