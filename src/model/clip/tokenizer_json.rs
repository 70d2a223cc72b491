//! `tokenizer.json`: a whole tokenizer in one file, as `tokenizers` writes it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use super::added_tokens::AddedToken;
use super::bpe::{self, Merge};
use super::tokenizer::{ClipTokenizer, END_TOKEN, PIECES_PATTERN, Rules};

/// `tokenizer.json`, as far as it matters here.
#[derive(Deserialize)]
struct TokenizerFile {
    model: ModelSection,
    added_tokens: Option<Vec<AddedEntry>>,
    post_processor: Option<Value>,
}

#[derive(Deserialize)]
struct ModelSection {
    vocab: HashMap<String, u32>,
    merges: Vec<MergeEntry>,
    unk_token: Option<String>,
    end_of_word_suffix: Option<String>,
    continuing_subword_prefix: Option<String>,
}

/// A pair, or as tokenizers before version 0.20 wrote it.
#[derive(Deserialize)]
#[serde(untagged)]
enum MergeEntry {
    Pair(String, String),
    Line(String),
}

/// An added token; in some files its number is the key instead.
#[derive(Deserialize)]
pub(super) struct AddedEntry {
    id: Option<u32>,
    content: String,
    single_word: Option<bool>,
    normalized: Option<bool>,
    special: Option<bool>,
}

impl AddedEntry {
    /// The token, whose number stands here or is the key of the entry.
    pub fn token(self, number: u32) -> AddedToken {
        let is_special = self.special.unwrap_or(false);
        AddedToken {
            content: self.content,
            number,
            is_normalized: self.normalized.unwrap_or(!is_special),
            is_single_word: self.single_word.unwrap_or(false),
            is_special,
        }
    }
}

/// The rules of a `tokenizer.json`, with its post-processor; the error says
/// what is not supported.
pub(super) fn from_tokenizer_json(file: Value) -> Result<(Rules, Option<Value>), String> {
    let kind = file["model"]["type"].as_str();
    if let Some(kind) = kind.filter(|kind| *kind != "BPE") {
        return Err(format!(
            "its tokenizer.json holds a vocabulary of the kind {kind}; only CLIP's kind, BPE, is supported"
        ));
    }
    let file: TokenizerFile = serde_json::from_value(file)
        .map_err(|error| format!("tokenizer.json cannot be understood: {error}"))?;
    let model = file.model;
    // Without a mark at the end of words it is GPT-2's kind, which cuts texts otherwise.
    let Some(suffix) = model.end_of_word_suffix.filter(|text| !text.is_empty()) else {
        return Err(
            "its tokenizer.json marks no ends of words; only CLIP's kind, which does, is supported"
                .into(),
        );
    };
    if let Some(prefix) = model
        .continuing_subword_prefix
        .filter(|text| !text.is_empty())
    {
        return Err(format!(
            "its tokenizer.json marks the insides of words with {prefix:?}; CLIP's kind does not"
        ));
    }
    let merges = model.merges.into_iter().map(|entry| match entry {
        MergeEntry::Pair(left, right) => Ok((left, right)),
        MergeEntry::Line(line) => bpe::parse_merge(&line)
            .ok_or_else(|| format!("the merge {line:?} of tokenizer.json is no pair")),
    });
    let merges: Vec<Merge> = merges.collect::<Result<_, _>>()?;
    let added = file.added_tokens.unwrap_or_default().into_iter();
    let added = added.filter_map(|entry| entry.id.map(|number| entry.token(number)));
    let rules = Rules {
        added: added.collect(),
        suffix,
        unknown: Some(model.unk_token.unwrap_or_else(|| END_TOKEN.into())),
        ..Rules::clip(model.vocab, merges)
    };
    Ok((rules, file.post_processor))
}

impl ClipTokenizer {
    /// `tokenizer.json` as `CLIPTokenizer` of transformers writes it, with merges
    /// that older versions understand too.
    pub(super) fn tokenizer_json(&self) -> Value {
        let rules = self.rules();
        let vocabulary: BTreeMap<_, _> = rules.vocabulary.iter().collect();
        let merges = rules.merges.iter();
        let merges: Vec<String> = merges
            .map(|(left, right)| format!("{left} {right}"))
            .collect();
        let mut added: Vec<&AddedToken> = rules.added.iter().collect();
        added.sort_by_key(|token| token.number);
        let added = added.into_iter().map(|token| {
            let mut entry = written(token);
            entry["id"] = token.number.into();
            entry
        });
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added.collect::<Vec<_>>(),
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    { "type": "NFC" },
                    { "type": "Replace", "pattern": { "Regex": r"\s+" }, "content": " " },
                    { "type": "Lowercase" },
                ],
            },
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    { "type": "Split", "pattern": { "Regex": PIECES_PATTERN }, "behavior": "Removed", "invert": true },
                    { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
                ],
            },
            "post_processor": {
                "type": "RobertaProcessing",
                "sep": [rules.end, self.end_token()],
                "cls": [rules.start, self.start_token()],
                "trim_offsets": false,
                "add_prefix_space": false,
            },
            "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": rules.unknown,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": rules.suffix,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": false,
                "vocab": vocabulary,
                "merges": merges,
            },
        })
    }
}

/// An added token without its number.
pub(super) fn written(token: &AddedToken) -> Value {
    json!({
        "content": token.content,
        "single_word": token.is_single_word,
        "lstrip": false,
        "rstrip": false,
        "normalized": token.is_normalized,
        "special": token.is_special,
    })
}
