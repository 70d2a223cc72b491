//! Files of models by the names that they usually have: those whose names carry what the
//! network was wrapped in, those without the last weights of the denoiser, of which only the
//! averaged ones were kept, those whose text encoder is called as older and newest
//! versions of transformers call it, and those whose projection of words is a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::paper::{AVERAGES, UNET};
use super::super::weights::{Piece, Renamed, WeightSource};

/// What stands before all names of a network that was trained on several devices, or of a
/// dictionary of weights within another.
const WRAPPERS: [&str; 2] = ["module.", "state_dict."];
/// What `torch.compile` puts into names.
const COMPILED: &str = "_orig_mod.";

/// What averaged weights of a denoiser begin with.
const DENOISER: &str = "diffusion_model";
/// Where CLIP's text encoder lies.
const TEXTS: [&str; 2] = [
    "cond_stage_model.transformer.",
    "conditioner.embedders.0.transformer.",
];
/// What usually stands before its parts, and these.
const TEXT_MODEL: &str = "text_model.";
const TEXT_PARTS: [&str; 3] = ["embeddings.", "encoder.", "final_layer_norm."];

/// The projection of OpenCLIP's words as older scripts write it: as a layer, which
/// multiplies from the other side.
const LAYER: &str = ".model.text_projection.weight";
/// What follows its usual name there.
const OF_LAYER: &str = ".weight";

/// Words in names of the paper's denoiser, the longer before those that they begin with.
const WORDS: [&str; 31] = [
    "skip_connection",
    "transformer_blocks",
    "output_blocks",
    "input_blocks",
    "middle_block",
    "out_layers",
    "emb_layers",
    "in_layers",
    "time_embed",
    "label_emb",
    "proj_out",
    "proj_in",
    "to_out",
    "attn1",
    "attn2",
    "norm1",
    "norm2",
    "norm3",
    "weight",
    "norm",
    "bias",
    "conv",
    "proj",
    "to_q",
    "to_k",
    "to_v",
    "qkv",
    "net",
    "out",
    "op",
    "ff",
];
/// Blocks are numbered, and so are their parts, of which there are few.
const BLOCKS: [&str; 2] = ["input_blocks", "output_blocks"];
/// What is numbered twice, each time with one digit.
const TWICE: &str = "label_emb";

/// The same file by its usual names.
pub(super) fn named(source: Arc<dyn WeightSource>) -> Arc<dyn WeightSource> {
    let source = unwrapped(source);
    let begins = |start: &str| source.names().any(|name| name.starts_with(start));
    let averages = format!("{AVERAGES}{DENOISER}");
    let is_averaged = !begins(UNET) && begins(&averages);
    let is_short = |place: &str| {
        let mut parts = TEXT_PARTS.iter();
        parts.any(|part| begins(&format!("{place}{part}")))
    };
    let short: Vec<&str> = TEXTS.into_iter().filter(|place| is_short(place)).collect();
    let has_layer = source.names().any(|name| name.ends_with(LAYER));
    if !is_averaged && short.is_empty() && !has_layer {
        return source;
    }
    let usual = |name: &str| {
        if let Some(joined) = name.strip_prefix(&averages).filter(|_| is_averaged) {
            return divided(joined).map(|divided| format!("{UNET}{divided}"));
        }
        let place = short.iter().find(|place| name.starts_with(**place))?;
        let inner = &name[place.len()..];
        let is_part = TEXT_PARTS.iter().any(|part| inner.starts_with(part));
        is_part.then(|| format!("{place}{TEXT_MODEL}{inner}"))
    };
    let pieces: BTreeMap<String, Piece> = source
        .names()
        .map(|name| {
            if name.ends_with(LAYER) {
                let usual = name.trim_end_matches(OF_LAYER);
                return (usual.to_owned(), Piece::turned(name));
            }
            let usual = usual(name).unwrap_or_else(|| name.to_owned());
            (usual, Piece::whole(name))
        })
        .collect();
    Arc::new(Renamed::new(source, pieces))
}

/// The same file without what its networks were wrapped in.
fn unwrapped(source: Arc<dyn WeightSource>) -> Arc<dyn WeightSource> {
    let is_around = |wrapper: &&str| source.names().all(|name| name.starts_with(wrapper));
    let wrapper = WRAPPERS.into_iter().find(is_around).unwrap_or_default();
    let is_compiled = source.names().any(|name| name.contains(COMPILED));
    if wrapper.is_empty() && !is_compiled {
        return source;
    }
    let pieces: BTreeMap<String, Piece> = source
        .names()
        .map(|name| {
            let inner = name.strip_prefix(wrapper).unwrap_or(name);
            (inner.replace(COMPILED, ""), Piece::whole(name))
        })
        .collect();
    Arc::new(Renamed::new(source, pieces))
}

/// The name of a weight of the denoiser whose dots were left out; `None` if it is none.
fn divided(joined: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = joined;
    while !rest.is_empty() {
        let word = WORDS.iter().find(|word| rest.starts_with(**word))?;
        parts.push((*word).to_owned());
        rest = &rest[word.len()..];
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, behind) = rest.split_at(count);
        rest = behind;
        let is_block = BLOCKS.contains(word);
        if is_block || *word == TWICE {
            // The whole is "input_blocks.11.1", "label_emb.0.0" or "label_emb".
            match digits.split_at(count.saturating_sub(1)) {
                ("", "") if !is_block => {}
                ("", _) => return None,
                (block, part) => parts.extend([block.to_owned(), part.to_owned()]),
            }
        } else if count > 0 {
            parts.push(digits.to_owned());
        }
    }
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::super::super::paper::released;
    use super::*;

    #[test]
    fn names_get_their_dots_back() {
        let mut count = 0;
        for model in released() {
            let unet = model.config.unet.as_ref().expect("a denoiser");
            for name in unet.layout("").into_keys() {
                let divided = divided(&name.replace('.', ""));
                assert_eq!(divided.as_ref(), Some(&name), "{}", model.name);
                count += 1;
            }
        }
        assert!(count > 2000, "{count}");
        for name in [
            "output_blocks.11.1.transformer_blocks.9.attn2.to_out.0.bias",
            "label_emb.0.2.weight",
        ] {
            assert_eq!(divided(&name.replace('.', "")).as_deref(), Some(name));
        }
        assert_eq!(divided("input_blocks1weight"), None);
        assert_eq!(divided("somethingelse"), None);
    }
}
