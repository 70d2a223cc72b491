//! How strongly a change acts: alpha over the rank, from wherever the file tells alpha.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::super::ModelError;
use super::super::json::read_json;
use super::super::weights::WeightSource;
use super::targets::Network;

/// What diffusers writes into the header.
const DIFFUSERS_NOTE: &str = "lora_adapter_metadata";
/// What kohya's scripts write into the header.
const KOHYA_ALPHA: &str = "ss_network_alpha";
const KOHYA_OPTIONS: &str = "ss_network_args";
const CONV_ALPHA: &str = "conv_alpha";
/// What peft writes beside the file.
const PEFT_FILE: &str = "adapter_config.json";

/// Most expressions among the patterns of a file, and bytes that one of them may take: files
/// name places, or a handful of kinds of them.
const MOST_EXPRESSIONS: usize = 256;
const MOST_BYTES: usize = 1 << 16;

/// What stands before names within their networks.
const NETWORKS: [&str; 4] = [
    "unet.",
    "text_encoder.",
    "text_encoder_2.",
    "base_model.model.",
];

/// Alphas that are told for a whole file.
#[derive(Debug, Default)]
pub(super) struct Scales {
    denoiser: Told,
    text: Told,
    second_text: Told,
}

/// What is told of one network.
#[derive(Clone, Debug, Default)]
struct Told {
    alpha: Option<f64>,
    /// Of convolutions with a kernel.
    conv_alpha: Option<f64>,
    /// Of single places, by the ends of their names.
    patterns: Vec<(Pattern, f64)>,
    /// Whether alpha is divided by the root of the rank (Kalajdzievski 2023,
    /// <https://arxiv.org/abs/2312.03732>).
    is_by_root: bool,
}

impl Scales {
    /// # Errors
    /// If a file of peft's beside it cannot be read, or an alpha is no number to scale by.
    pub fn of(source: &dyn WeightSource) -> Result<Self, ModelError> {
        if let Some(text) = source.note(DIFFUSERS_NOTE) {
            // Without it the alphas would be others.
            let told: Value = serde_json::from_str(text).map_err(|error| ModelError::Json {
                path: source.path().to_path_buf(),
                message: format!("its {DIFFUSERS_NOTE} is wrong: {error}"),
            })?;
            // That of a network alone has none of their names.
            let has = |prefix: &str| {
                let mut keys = told.as_object().into_iter().flat_map(|it| it.keys());
                keys.any(|key| key.starts_with(prefix))
            };
            let of = |prefix| Told::of_peft(&told, if has(prefix) { prefix } else { "" });
            return Ok(Self {
                denoiser: of("unet."),
                text: of("text_encoder."),
                second_text: of("text_encoder_2."),
            });
        }
        let number = |key: &'static str, text: &str| match text.parse::<f64>() {
            Ok(alpha) if !(alpha as f32).is_finite() => Err(ModelError::LoraAlpha {
                path: source.path().to_path_buf(),
                key,
                value: text.to_owned(),
            }),
            parsed => Ok(parsed.ok()),
        };
        let alpha = source.note(KOHYA_ALPHA);
        let alpha = alpha.map(|text| number(KOHYA_ALPHA, text)).transpose()?;
        if let Some(alpha) = alpha.flatten() {
            let options = source.note(KOHYA_OPTIONS);
            let options = options.and_then(|text| serde_json::from_str(text).ok());
            let options: Value = options.unwrap_or_default();
            let conv_alpha = match &options[CONV_ALPHA] {
                Value::String(text) => number(CONV_ALPHA, text)?,
                other => other.as_f64(),
            };
            let told = Told {
                alpha: Some(alpha),
                conv_alpha,
                ..Told::default()
            };
            return Ok(Self {
                denoiser: told.clone(),
                text: told.clone(),
                second_text: told,
            });
        }
        let beside = source.path().with_file_name(PEFT_FILE);
        // A folder of many LoRAs may have one of another.
        let is_pefts = source.names().any(|name| name.contains(".lora_A."));
        if is_pefts && beside.is_file() {
            let told = read_json(&beside)?.unwrap_or_default();
            let told = Told::of_peft(&told, "");
            return Ok(Self {
                denoiser: told.clone(),
                text: told.clone(),
                second_text: told,
            });
        }
        Ok(Self::default())
    }

    /// The factor of a change where no tensor tells its alpha.
    pub fn told(&self, network: Network, place: &str, rank: usize, is_kernel: bool) -> f64 {
        let told = match network {
            Network::Denoiser => &self.denoiser,
            Network::TextEncoder => &self.text,
            Network::SecondTextEncoder => &self.second_text,
        };
        let conv_alpha = told.conv_alpha.filter(|_| is_kernel);
        let alpha = told.pattern(place).or(conv_alpha).or(told.alpha);
        factor(alpha, rank, told.is_by_root)
    }
}

/// The factor of an alpha; trainers take none, and 0, for the rank itself.
pub(super) fn factor(alpha: Option<f64>, rank: usize, is_by_root: bool) -> f64 {
    match alpha {
        Some(alpha) if alpha != 0.0 && is_by_root => alpha / (rank as f64).sqrt(),
        Some(alpha) if alpha != 0.0 => alpha / rank as f64,
        _ => 1.0,
    }
}

impl Told {
    fn of_peft(told: &Value, prefix: &str) -> Self {
        let get = |key: &str| &told[format!("{prefix}{key}").as_str()];
        let told_alphas = get("alpha_pattern").as_object().into_iter().flatten();
        let (names, expressions): (Vec<_>, Vec<_>) =
            told_alphas.partition(|(place, _)| without_anchors(place).chars().all(is_part_of_name));
        let few = expressions.into_iter().take(MOST_EXPRESSIONS);
        let patterns = names.into_iter().chain(few);
        let patterns = patterns.filter_map(|(place, alpha)| {
            let alpha = alpha.as_f64()?;
            Some((Pattern::read(place), alpha))
        });
        Self {
            alpha: get("lora_alpha").as_f64(),
            conv_alpha: None,
            patterns: patterns.collect(),
            is_by_root: get("use_rslora").as_bool().unwrap_or(false),
        }
    }

    /// The alpha of a single place: that of the longest pattern for the end of its name.
    fn pattern(&self, place: &str) -> Option<f64> {
        let fitting = self.patterns.iter().filter(|(end, _)| end.fits(place));
        let longest = fitting.max_by_key(|(end, _)| end.text.len())?;
        Some(longest.1)
    }
}

/// The end of a place's name as peft tells it: names, or an expression
/// (`peft/utils/other.py`, `get_pattern_key`).
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    /// What is more than names.
    expression: Option<Regex>,
}

impl Pattern {
    fn read(text: &str) -> Self {
        let plain = without_anchors(text);
        let expression = (!plain.chars().all(is_part_of_name)).then(|| {
            let written = format!(r"^(?:.*\.)?(?:{text})$");
            RegexBuilder::new(&written).size_limit(MOST_BYTES).build()
        });
        let expression = expression.and_then(Result::ok);
        Self {
            text: plain.to_owned(),
            expression,
        }
    }

    fn fits(&self, place: &str) -> bool {
        if let Some(expression) = &self.expression {
            // Anchors mean the name within its network.
            let inner = NETWORKS.iter().find_map(|name| place.strip_prefix(name));
            return expression.is_match(inner.unwrap_or(place));
        }
        let before = place.strip_suffix(self.text.as_str());
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}

fn is_part_of_name(sign: char) -> bool {
    sign.is_alphanumeric() || "_.".contains(sign)
}

/// A pattern without its anchors, which before a whole name say nothing more.
fn without_anchors(text: &str) -> &str {
    let begun = text.strip_prefix('^').unwrap_or(text);
    begun.strip_suffix('$').unwrap_or(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of a stranger's may ask for anything.
    #[test]
    fn expressions_of_a_strangers_file_take_no_memory_to_speak_of() {
        let huge = Pattern::read(r"(\w{1000}){1000}");
        assert!(huge.expression.is_none());
        let alphas = (0..10_000).map(|i| (format!("a|{i}"), Value::from(1)));
        let alphas: serde_json::Map<String, Value> = alphas.collect();
        let told = serde_json::json!({ "alpha_pattern": alphas });
        assert_eq!(Told::of_peft(&told, "").patterns.len(), MOST_EXPRESSIONS);
    }

    #[test]
    fn patterns_are_names_and_expressions() {
        let place = "unet.down_blocks.0.attn1.to_q";
        for (text, fits) in [
            ("to_q", true),
            ("attn1.to_q", true),
            ("^down_blocks.0.attn1.to_q", true),
            ("n1.to_q", false),
            (r"attn\d\.to_(q|k)", true),
            (r"^down_blocks.*to_q", true),
            (r"^up_blocks.*to_q", false),
            (r"to_k|to_v", false),
            ("to_(", false),
        ] {
            assert_eq!(Pattern::read(text).fits(place), fits, "{text}");
        }
    }
}
