//! What a LoRA may change in a model, by all names that it may have in files.

use std::collections::{BTreeMap, BTreeSet};

use super::keys;

/// Ends of all weights that can be changed.
const WEIGHT: &str = ".weight";
/// What stands before the names of the denoiser and of the text encoder: kohya's and
/// LyCORIS's, where dots are lines, OneTrainer's, diffusers' and ComfyUI's.
const UNET_PREFIXES: [&str; 7] = [
    "lora_unet_",
    "lora_unet.",
    "lycoris_",
    "unet.",
    "",
    "diffusion_model.",
    "model.diffusion_model.",
];
const TEXT_PREFIXES: [&str; 8] = [
    "lora_te_",
    "lora_te.",
    "lora_te1_",
    "lora_te1.",
    "clip_l.",
    "text_encoder.",
    "",
    "text_encoders.clip_l.transformer.",
];
const SECOND_TEXT_PREFIXES: [&str; 5] = [
    "lora_te2_",
    "lora_te2.",
    "clip_g.",
    "text_encoder_2.",
    "text_encoders.clip_g.transformer.",
];
/// What newer versions of transformers leave out.
const TEXT_MODEL: &str = "text_model.";

/// Parts of blocks in the paper's denoiser.
const BLOCK_PARTS: [(&str, &str); 6] = [
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
];

/// Which network a weight belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Network {
    Denoiser,
    TextEncoder,
    /// That of Stable Diffusion XL.
    SecondTextEncoder,
}

/// A weight that can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub network: Network,
    /// Its name in a file of the network.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
}

impl Target {
    /// Outputs, inputs, and rows and columns of the kernel.
    pub fn sides(&self) -> (usize, usize, [usize; 2]) {
        match self.shape.as_slice() {
            [outputs, inputs, rows, columns] => (*outputs, *inputs, [*rows, *columns]),
            [outputs, inputs, ..] => (*outputs, *inputs, [1, 1]),
            _ => (0, 0, [1, 1]),
        }
    }
}

/// All weights of a model that a LoRA may change, by the names that they may have.
#[derive(Debug, Default)]
pub struct Targets {
    targets: Vec<Target>,
    /// Places in `targets`; `None` where two weights would have one name.
    names: BTreeMap<String, Option<usize>>,
}

impl Targets {
    /// Of the names and shapes of a denoiser's weights, and of a text encoder's.
    pub fn new(denoiser: Vec<(String, Vec<usize>)>, text: Vec<(String, Vec<usize>)>) -> Self {
        let mut all = Self::default();
        let original = Original::new(&denoiser);
        for (name, shape) in denoiser {
            let Some(place) = changeable(&name, &shape) else {
                continue;
            };
            let mut spellings = vec![place.to_owned()];
            spellings.extend(original.name(place));
            let names = with_prefixes(&UNET_PREFIXES, &spellings);
            all.add(Network::Denoiser, name, shape, names);
        }
        all.add_text(Network::TextEncoder, text, &TEXT_PREFIXES);
        all
    }

    /// The same, and of those of a second text encoder.
    #[must_use]
    pub fn with_second_text(mut self, text: Vec<(String, Vec<usize>)>) -> Self {
        self.add_text(Network::SecondTextEncoder, text, &SECOND_TEXT_PREFIXES);
        self
    }

    fn add_text(&mut self, network: Network, text: Vec<(String, Vec<usize>)>, prefixes: &[&str]) {
        for (name, shape) in text {
            let Some(place) = changeable(&name, &shape) else {
                continue;
            };
            let mut spellings = vec![place.to_owned()];
            spellings.extend(place.strip_prefix(TEXT_MODEL).map(str::to_owned));
            let names = with_prefixes(prefixes, &spellings);
            self.add(network, name, shape, names);
        }
    }

    fn add(&mut self, network: Network, name: String, shape: Vec<usize>, names: Vec<String>) {
        let place = self.targets.len();
        self.targets.push(Target {
            network,
            name,
            shape,
        });
        for name in names {
            let entry = self.names.entry(name).or_insert(Some(place));
            if *entry != Some(place) {
                *entry = None;
            }
        }
    }

    /// Whether there is anything to change.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The weight that a place in a file means.
    pub(super) fn find(&self, place: &str) -> Option<&Target> {
        let spellings = keys::spellings(place);
        let mut found = spellings.iter().filter_map(|name| self.names.get(name));
        let index = found.next().copied()??;
        self.targets.get(index)
    }
}

/// The place of a weight that may be changed.
fn changeable<'a>(name: &'a str, shape: &[usize]) -> Option<&'a str> {
    let place = name.strip_suffix(WEIGHT)?;
    // Tables of words and positions are no matrices between inputs and outputs.
    let is_table = place.ends_with("_embedding") && place.contains("embeddings.");
    (matches!(shape.len(), 2 | 4) && !is_table).then_some(place)
}

fn with_prefixes(prefixes: &[&str], spellings: &[String]) -> Vec<String> {
    let all = spellings.iter().flat_map(|spelling| {
        prefixes.iter().map(move |prefix| {
            if prefix.ends_with('_') {
                format!("{prefix}{}", spelling.replace('.', "_"))
            } else {
                format!("{prefix}{spelling}")
            }
        })
    });
    all.collect()
}

/// How the paper's denoiser, whose names some trainers keep, calls the same weights.
struct Original {
    /// Residual blocks of each level on the way down.
    layers: usize,
    /// Levels on the way up that have attention.
    attends_up: BTreeSet<usize>,
}

impl Original {
    fn new(weights: &[(String, Vec<usize>)]) -> Self {
        let mut layers = 0;
        let mut attends_up = BTreeSet::new();
        for (name, _) in weights {
            let mut parts = name.split('.');
            let head = [parts.next(), parts.next(), parts.next(), parts.next()];
            let [Some(side), Some(block), Some(kind), Some(number)] = head else {
                continue;
            };
            let (Ok(block), Ok(number)) = (block.parse::<usize>(), number.parse::<usize>()) else {
                continue;
            };
            match (side, kind) {
                ("down_blocks", "resnets") => layers = layers.max(number + 1),
                ("up_blocks", "attentions") => drop(attends_up.insert(block)),
                _ => {}
            }
        }
        Self { layers, attends_up }
    }

    fn name(&self, place: &str) -> Option<String> {
        let outside = match place {
            "conv_in" => Some("input_blocks.0.0"),
            "conv_out" => Some("out.2"),
            "time_embedding.linear_1" => Some("time_embed.0"),
            "time_embedding.linear_2" => Some("time_embed.2"),
            "add_embedding.linear_1" => Some("label_emb.0.0"),
            "add_embedding.linear_2" => Some("label_emb.0.2"),
            _ => None,
        };
        if let Some(outside) = outside {
            return Some(outside.to_owned());
        }
        if let Some(middle) = place.strip_prefix("mid_block.") {
            let (kind, rest) = middle.split_once('.')?;
            let (number, rest) = rest.split_once('.')?;
            let at = match kind {
                "attentions" => 1,
                _ => 2 * number.parse::<usize>().ok()?,
            };
            return Some(format!("middle_block.{at}.{}", inner(rest)));
        }
        let mut parts = place.splitn(5, '.');
        let (side, block, kind) = (parts.next()?, parts.next()?, parts.next()?);
        let (number, rest) = (parts.next()?, parts.next()?);
        let (block, number) = (block.parse::<usize>().ok()?, number.parse::<usize>().ok()?);
        let count = self.layers + 1;
        let attends = usize::from(kind == "attentions");
        Some(match (side, kind) {
            ("down_blocks", "downsamplers") => {
                let at = count * (block + 1);
                format!("input_blocks.{at}.0.op{}", rest.strip_prefix("conv")?)
            }
            ("down_blocks", _) => {
                let at = 1 + count * block + number;
                format!("input_blocks.{at}.{attends}.{}", inner(rest))
            }
            ("up_blocks", "upsamplers") => {
                let at = count * block + self.layers;
                let behind = 1 + usize::from(self.attends_up.contains(&block));
                format!("output_blocks.{at}.{behind}.{rest}")
            }
            ("up_blocks", _) => {
                let at = count * block + number;
                format!("output_blocks.{at}.{attends}.{}", inner(rest))
            }
            _ => return None,
        })
    }
}

fn inner(rest: &str) -> String {
    let part = BLOCK_PARTS.iter().find(|(ours, _)| *ours == rest);
    part.map_or(rest, |(_, theirs)| theirs).to_owned()
}
