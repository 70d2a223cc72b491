//! What weights by diffusers' names are called by the paper's code, where nothing but
//! names and shapes is known: the reverse of `diffusers`, for sizes to be told from.

use super::super::weights::WeightSource;
use super::diffusers::{ATTENTION_PARTS, BLOCK_PARTS, STAGE_PARTS, UNET_PARTS};
use super::keys::Layout;
use super::{OriginalFirstStage, OriginalUnet, Seen};

/// Parts of attention over places as diffusers called them before its version 0.15, and
/// as it calls them since.
const OLD_ATTENTION: [(&str, &str); 4] = [
    ("query", "to_q"),
    ("key", "to_k"),
    ("value", "to_v"),
    ("proj_attn", "to_out.0"),
];
/// The three matrices of a denoiser's plain attention, which are one in the paper's code.
const MATRICES: [&str; 3] = ["to_q", "to_k", "to_v"];
/// The beginnings of a denoiser's blocks and of a first stage's.
const DENOISER: [&str; 3] = ["down_blocks.", "mid_block.", "up_blocks."];
const STAGE: [&str; 4] = [
    "encoder.down_blocks.",
    "encoder.mid_block.",
    "decoder.up_blocks.",
    "decoder.mid_block.",
];

/// A network that lies alone by diffusers' names, by its sizes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) enum Lone {
    Unet(OriginalUnet),
    FirstStage(OriginalFirstStage),
}

impl Lone {
    /// The network whose weights a source holds; `None` if its names are no such.
    pub fn of(source: &dyn WeightSource) -> Option<Self> {
        let shapes = source
            .names()
            .filter_map(|name| Some((name, source.shape(name)?)));
        let seen = Seen::new(shapes);
        let begins = |starts: &[&str]| starts.iter().any(|start| seen.has(start));
        let renamed = |rename: &dyn Fn(&str) -> Option<String>| -> Layout {
            let names = source.names().filter_map(|name| {
                let ours = rename(&of_today(name))?;
                Some((ours, source.shape(name)?.to_vec()))
            });
            names.collect()
        };
        if begins(&STAGE) {
            let down = seen.count("encoder.down_blocks.");
            let levels = down.max(seen.count("decoder.up_blocks."));
            let layout = renamed(&|name| stage_name(name, levels));
            return seen_in(&layout).first_stage().map(Self::FirstStage);
        }
        if !begins(&DENOISER) {
            return None;
        }
        let resnets =
            |block: usize, way: &str| seen.count(&format!("{way}_blocks.{block}.resnets."));
        let down = (0..seen.count("down_blocks.")).map(|block| resnets(block, "down"));
        let up = (0..seen.count("up_blocks.")).map(|block| resnets(block, "up"));
        let layers = down.chain(up.map(|count| count.saturating_sub(1))).max()?;
        let layout = renamed(&|name| unet_name(name, layers));
        seen_in(&layout).unet().map(Self::Unet)
    }

    /// Names and shapes of its weights, as a source that holds them spells them.
    pub fn layout(&self, source: &dyn WeightSource) -> Layout {
        let layout = match self {
            Self::Unet(unet) => unet.diffusers_layout(),
            Self::FirstStage(stage) => stage.diffusers_layout(),
        };
        let is_bare = matches!(self, Self::FirstStage(stage) if stage.is_gaussian)
            && lacks_last_convolutions(source);
        let layout = layout.into_iter();
        let layout: Layout = layout
            .filter(|(name, _)| !(is_bare && is_last_convolution(name)))
            .collect();
        // Attention among words has the newer names in all files.
        let is_old = |name: &str| of_today(name) != name;
        if !source.names().any(is_old) {
            return layout;
        }
        let spelled = layout
            .into_iter()
            .map(|(name, shape)| match is_among_places(&name) {
                true => (
                    replaced(&name, OLD_ATTENTION.map(|(old, new)| (new, old))),
                    shape,
                ),
                false => (name, shape),
            });
        spelled.collect()
    }
}

/// Whether an autoencoder by diffusers' names does without the convolutions between
/// encoder, latents and decoder, as those of later models do.
pub(in crate::model) fn lacks_last_convolutions(source: &dyn WeightSource) -> bool {
    !source.names().any(is_last_convolution)
}

fn is_last_convolution(name: &str) -> bool {
    name.starts_with("quant_conv.") || name.starts_with("post_quant_conv.")
}

fn seen_in(layout: &Layout) -> Seen<'_> {
    let shapes = layout.iter();
    Seen::new(shapes.map(|(name, shape)| (name.as_str(), shape.as_slice())))
}

/// Whether a weight is one of attention among the places of a picture, which has no
/// blocks of a transformer.
fn is_among_places(name: &str) -> bool {
    name.contains(".attentions.") && !name.contains(".transformer_blocks.")
}

/// A name as diffusers gives it today.
fn of_today(name: &str) -> String {
    match is_among_places(name) {
        true => replaced(name, OLD_ATTENTION),
        false => name.to_owned(),
    }
}

/// A name whose last part but the kind of weight is another.
fn replaced<const N: usize>(name: &str, parts: [(&str, &str); N]) -> String {
    let found = parts.iter().find_map(|(from, to)| {
        let (place, kind) = name.rsplit_once('.')?;
        let place = place.strip_suffix(from)?.strip_suffix('.')?;
        Some(format!("{place}.{to}.{kind}"))
    });
    found.unwrap_or_else(|| name.to_owned())
}

/// The paper's name of what follows the number of a block of attention.
fn attention_name(rest: &str) -> String {
    let part = ATTENTION_PARTS.iter().find_map(|(ours, theirs)| {
        let end = rest.strip_prefix(theirs)?.strip_prefix('.')?;
        Some(format!("{ours}.{end}"))
    });
    part.unwrap_or_else(|| rest.to_owned())
}

/// The paper's name of a weight of a first stage.
fn stage_name(name: &str, levels: usize) -> Option<String> {
    let mut renamed = name.replacen("encoder.down_blocks.", "encoder.down.", 1);
    if let Some(rest) = renamed.strip_prefix("decoder.up_blocks.") {
        let (index, rest) = rest.split_once('.')?;
        let index = index.parse::<usize>().ok()?;
        // Counted from the highest resolution.
        renamed = format!("decoder.up.{}.{rest}", levels.checked_sub(1 + index)?);
    }
    for (ours, theirs) in &STAGE_PARTS {
        renamed = renamed.replacen(theirs, ours, 1);
    }
    for place in [".mid.attn_1.", ".attn."] {
        let Some((before, after)) = renamed.split_once(place) else {
            continue;
        };
        let (number, rest) = match place {
            ".attn." => after.split_at(after.find('.')? + 1),
            _ => ("", after),
        };
        return Some(format!("{before}{place}{number}{}", attention_name(rest)));
    }
    Some(renamed.replacen("coder.conv_norm_out.", "coder.norm_out.", 1))
}

/// The paper's name of a weight of a denoiser with so many residual blocks a level.
fn unet_name(name: &str, layers: usize) -> Option<String> {
    let behind =
        |rest: &str, part: &str| Some(rest.strip_prefix(part)?.strip_prefix('.')?.to_owned());
    let residual = |rest: &str| {
        let part = BLOCK_PARTS
            .iter()
            .find_map(|(ours, theirs)| Some(format!("{ours}.{}", behind(rest, theirs)?)));
        part.unwrap_or_else(|| rest.to_owned())
    };
    let outside = UNET_PARTS
        .iter()
        .find_map(|(ours, theirs)| Some((ours, behind(name, theirs)?)));
    if let Some((ours, rest)) = outside {
        return Some(format!("{ours}.{}", residual(&rest)));
    }
    // One tensor holds all three, whose name alone matters here.
    let attention = |rest: &str| match MATRICES.iter().find_map(|matrix| behind(rest, matrix)) {
        Some(end) => format!("qkv.{end}"),
        None => attention_name(rest),
    };
    if let Some(rest) = name.strip_prefix("mid_block.attentions.0.") {
        return Some(format!("middle_block.1.{}", attention(rest)));
    }
    let is_down = name.starts_with("down_blocks.");
    if !is_down && !name.starts_with("up_blocks.") {
        // What a denoiser has beside its blocks is called the same by both.
        return Some(name.to_owned());
    }
    let mut parts = name.splitn(5, '.').skip(1);
    let mut next = || parts.next();
    let (block, kind, layer, rest) = (next()?, next()?, next()?, next()?);
    let (block, layer) = (block.parse::<usize>().ok()?, layer.parse::<usize>().ok()?);
    let (place, inner, layer) = match kind {
        "resnets" => (0, residual(rest), layer),
        "attentions" => (1, attention(rest), layer),
        "downsamplers" => match behind(rest, "conv") {
            Some(end) => (0, format!("op.{end}"), layers),
            None => (0, residual(rest), layers),
        },
        "upsamplers" => (2, residual(rest), layers),
        _ => return None,
    };
    let first = block.checked_mul(layers + 1)?.checked_add(layer)?;
    Some(match is_down {
        true => format!("input_blocks.{}.{place}.{inner}", first.checked_add(1)?),
        false => format!("output_blocks.{first}.{place}.{inner}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::released;
    use super::*;

    /// Sizes are told from diffusers' names alone, whatever they are.
    #[test]
    fn released_networks_are_told_from_the_names_of_diffusers() {
        let layout = |layout: &Layout, rename: &dyn Fn(&str) -> Option<String>| -> Layout {
            let names = layout.iter();
            names
                .filter_map(|(name, shape)| Some((rename(name)?, shape.clone())))
                .collect()
        };
        for model in released() {
            let unet = model.config.unet.as_ref().expect("a denoiser");
            let found = layout(&unet.diffusers_layout(), &|name| {
                unet_name(name, unet.layers)
            });
            // Heads lie in no file.
            let wanted = OriginalUnet {
                heads: None,
                is_newly_ordered: false,
                ..unet.clone()
            };
            assert_eq!(seen_in(&found).unet(), Some(wanted), "{}", model.name);
            let Some(stage) = &model.config.first_stage else {
                continue;
            };
            let levels = stage.levels.len();
            let found = layout(&stage.diffusers_layout(), &|name| stage_name(name, levels));
            assert_eq!(
                seen_in(&found).first_stage().as_ref(),
                Some(stage),
                "{}",
                model.name
            );
        }
    }
}
