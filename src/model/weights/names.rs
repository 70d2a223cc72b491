//! From a parameter's place in the module tree to its name in a file, as data: a
//! further kind of file is a further table.

use regex::Regex;

/// A field of ours that diffusers keeps in a list, or under another name: the
/// structure that it belongs to (empty for any), the field, the name.
const FIELDS: [(&str, &str, &str); 9] = [
    ("", "downsampler", "downsamplers.0"),
    ("", "upsampler", "upsamplers.0"),
    ("", "attention", "attentions.0"),
    ("", "to_out", "to_out.0"),
    ("FeedForward", "proj", "net.0.proj"),
    ("FeedForward", "out", "net.2"),
    ("PositionNet", "linear_1", "linears.0"),
    ("PositionNet", "linear_2", "linears.2"),
    ("PositionNet", "linear_3", "linears.4"),
];

/// Fields that are in no name: what they hold lies beside them.
const UNNAMED: [&str; 1] = ["way_down"];

/// Substitutions (regular expression, replacement) that turn our name of a
/// parameter into a file's, one after the other. In the replacement of a first one
/// [`FROM_LAST`] stands for the number in the first group, counted from the last.
pub type Spelling = &'static [(&'static str, &'static str)];

/// In a replacement: a number counted from the last instead of from the first.
const FROM_LAST: &str = "#";

/// How the names of a network's parameters are spelled in files.
#[derive(Debug)]
pub struct Names {
    /// The first is written; any is read, the earlier one where two are there.
    pub spellings: &'static [Spelling],
    /// What need not be read: tables that older versions stored.
    pub ignored: &'static [&'static str],
}

/// diffusers' names; also for our own modules, whose fields follow them.
pub static DIFFUSERS: Names = Names {
    spellings: &[&[]],
    ignored: &[],
};

/// diffusers' names of a denoiser, or those from before its version 0.15.
pub static DENOISER: Names = Names {
    spellings: &[&[], OLD_ATTENTION],
    ignored: &[],
};

/// Attention among places, before diffusers' version 0.15.
const OLD_ATTENTION: Spelling = &[
    (r"\.to_q\.", ".query."),
    (r"\.to_k\.", ".key."),
    (r"\.to_v\.", ".value."),
    (r"\.to_out\.0\.", ".proj_attn."),
];

/// diffusers' names, or those of autoencoders from before its version 0.15, or those
/// of the paper's code.
pub static AUTOENCODER: Names = Names {
    spellings: &[
        &[],
        OLD_ATTENTION,
        &[
            (r"^decoder\.up_blocks\.(\d+)\.", "decoder.up.#."),
            (r"^encoder\.down_blocks\.", "encoder.down."),
            (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
            (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
            (r"\.mid_block\.attentions\.0\.", ".mid.attn_1."),
            (r"\.resnets\.", ".block."),
            (r"\.attentions\.", ".attn."),
            (r"\.(down|up)samplers\.0\.", ".${1}sample."),
            (r"\.conv_shortcut\.", ".nin_shortcut."),
            (r"\.conv_norm_out\.", ".norm_out."),
            (r"\.group_norm\.", ".norm."),
            (r"\.to_([qkv])\.", ".$1."),
            (r"\.to_out\.0\.", ".proj_out."),
        ],
    ],
    // What only training needs.
    ignored: &[r"^loss\.", r"^model_ema\."],
};

/// transformers' names, with or without `text_model.` in front.
pub static CLIP_TEXT: Names = Names {
    spellings: &[
        &[
            ("^", "text_model."),
            // The projection of whole texts lies outside.
            (r"^text_model\.text_projection\.", "text_projection."),
        ],
        &[],
    ],
    ignored: &[r"\.position_ids$"],
};

/// The tables of [`Names`], ready for use.
pub(super) struct Speller {
    spellings: Vec<Vec<Rule>>,
    ignored: Vec<Regex>,
}

/// One substitution.
struct Rule {
    from: Regex,
    to: &'static str,
    /// The largest number in the first group; only where it is counted from.
    last: usize,
}

impl Speller {
    /// For a network with `parameters`, in our names.
    pub fn new(names: &Names, parameters: &[&str]) -> Self {
        let regex =
            |pattern: &str| Regex::new(pattern).expect("the tables are constant and tested");
        let rule = |(from, to): &(&str, &'static str)| {
            let from = regex(from);
            let numbers = parameters.iter().filter_map(|name| number(&from, name));
            let last = if to.contains(FROM_LAST) {
                numbers.max().unwrap_or(0)
            } else {
                0
            };
            Rule { from, to, last }
        };
        let spelling = |spelling: &Spelling| spelling.iter().map(rule).collect();
        Self {
            spellings: names.spellings.iter().map(spelling).collect(),
            ignored: names.ignored.iter().map(|pattern| regex(pattern)).collect(),
        }
    }

    /// What a parameter may be called in a file, best first.
    pub fn all(&self, name: &str) -> Vec<String> {
        let spell = |rules: &Vec<Rule>| {
            let renamed = |name: String, rule: &Rule| rule.apply(&name);
            rules.iter().fold(name.to_owned(), renamed)
        };
        self.spellings.iter().map(spell).collect()
    }

    /// What a parameter is called in a file that we write.
    pub fn first(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    /// Whether a name in a file stands for no parameter.
    pub fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|pattern| pattern.is_match(name))
    }
}

impl Rule {
    fn apply(&self, name: &str) -> String {
        match number(&self.from, name) {
            Some(number) if self.to.contains(FROM_LAST) => {
                let counted = self.last.saturating_sub(number).to_string();
                let to = self.to.replace(FROM_LAST, &counted);
                self.from.replace_all(name, to).into_owned()
            }
            _ => self.from.replace_all(name, self.to).into_owned(),
        }
    }
}

/// The number in the first group of a pattern.
fn number(pattern: &Regex, name: &str) -> Option<usize> {
    pattern.captures(name)?.get(1)?.as_str().parse().ok()
}

/// A stack of fields and the structures they belong to.
#[derive(Default)]
pub(super) struct FieldPath {
    fields: Vec<(String, String)>,
}

impl FieldPath {
    pub fn enter(&mut self, name: &str, container: &str) {
        self.fields.push((name.to_owned(), container.to_owned()));
    }

    pub fn exit(&mut self) {
        self.fields.pop();
    }

    /// Whether the parameter is a matrix that PyTorch stores transposed.
    pub fn is_linear_weight(&self, rank: usize) -> bool {
        rank == 2
            && self
                .fields
                .last()
                .is_some_and(|(_, container)| container == "Struct:Linear")
    }

    /// Whether the parameter is a number, which PyTorch stores without an axis.
    pub fn is_number(&self, rank: usize) -> bool {
        rank == 1
            && self
                .fields
                .last()
                .is_some_and(|(_, container)| container == "Struct:GatedSelfAttention")
    }

    /// Our name of the parameter, which is diffusers'.
    pub fn name(&self) -> String {
        let segments = self.fields.iter();
        let segments = segments.filter_map(|(name, container)| segment(name, container));
        segments.collect::<Vec<_>>().join(".")
    }
}

/// The name of a field; a variant of an enumeration has none, nor has a field that only
/// gathers others.
fn segment<'a>(name: &'a str, container: &str) -> Option<&'a str> {
    if container.starts_with("Enum:") || UNNAMED.contains(&name) {
        return None;
    }
    let structure = container.strip_prefix("Struct:").unwrap_or(container);
    let renamed = FIELDS
        .iter()
        .find(|(of, field, _)| (of.is_empty() || *of == structure) && *field == name);
    Some(renamed.map_or(name, |(.., renamed)| renamed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_can_be_used() {
        for names in [&DIFFUSERS, &DENOISER, &AUTOENCODER, &CLIP_TEXT] {
            let speller = Speller::new(names, &[]);
            assert_eq!(speller.all("a.b").len(), names.spellings.len());
        }
        let up = "decoder.up_blocks.0.upsamplers.0.conv.bias";
        let parameters = [up, "decoder.up_blocks.2.resnets.1.norm1.bias"];
        let speller = Speller::new(&AUTOENCODER, &parameters);
        let name = "encoder.mid_block.attentions.0.to_out.0.bias";
        let older = "encoder.mid_block.attentions.0.proj_attn.bias";
        let original = "encoder.mid.attn_1.proj_out.bias";
        assert_eq!(speller.all(name), [name, older, original]);
        assert_eq!(speller.all(up)[2], "decoder.up.2.upsample.conv.bias");
        assert_eq!(
            speller.all(parameters[1])[2],
            "decoder.up.0.block.1.norm1.bias"
        );
        let speller = Speller::new(&CLIP_TEXT, &[]);
        assert_eq!(speller.first("embeddings.x"), "text_model.embeddings.x");
        assert!(speller.ignores("text_model.embeddings.position_ids"));
    }
}
