//! What the header of a LoRA says of the words it was trained with.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::super::ModelError;
use super::super::weights;

/// Words that are told, and letters of each.
const MOST_WORDS: usize = 24;
const MOST_LETTERS: usize = 60;

/// Words that call what a LoRA knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TriggerWords {
    /// How the LoRA calls itself.
    pub title: Option<String>,
    /// The best first: what its author says, then what most of its pictures were told.
    pub words: Vec<String>,
}

/// Reads the header of a file.
///
/// # Errors
/// If it cannot be read.
pub fn trigger_words(path: &Path) -> Result<TriggerWords, ModelError> {
    let source = weights::open(path)?;
    let note = |key: &str| source.note(key).map(str::trim).filter(|it| !it.is_empty());
    let mut words = Vec::new();
    let mut add = |word: &str| {
        let word: String = word.trim().chars().take(MOST_LETTERS).collect();
        if !word.is_empty() && words.len() < MOST_WORDS && !words.contains(&word) {
            words.push(word);
        }
    };
    for key in ["modelspec.trigger_phrase", "ss_trigger_words"] {
        note(key)
            .into_iter()
            .flat_map(|it| it.split(','))
            .for_each(&mut add);
    }
    let frequencies = note("ss_tag_frequency").and_then(|text| serde_json::from_str(text).ok());
    for word in usual(&frequencies.unwrap_or_default()) {
        add(&word);
    }
    let title = note("modelspec.title").or_else(|| note("ss_output_name"));
    Ok(TriggerWords {
        title: title.map(|title| title.chars().take(MOST_LETTERS).collect()),
        words,
    })
}

/// Words of all folders of pictures, the more frequent first.
fn usual(frequencies: &Value) -> Vec<String> {
    let folders = frequencies
        .as_object()
        .into_iter()
        .flat_map(|it| it.values());
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for (word, count) in folders.filter_map(Value::as_object).flatten() {
        *counts.entry(word.trim()).or_default() += count.as_f64().unwrap_or(0.0);
    }
    let mut counts: Vec<(&str, f64)> = counts.into_iter().collect();
    counts.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let words = counts.into_iter().map(|(word, _)| word.to_owned());
    words.take(MOST_WORDS).collect()
}
