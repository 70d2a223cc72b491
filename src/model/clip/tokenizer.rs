//! CLIP's tokenizer, transformers' `CLIPTokenizer`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::bpe::{self, END, Merge, MergeTable};
use super::nfc;
use crate::model::ModelError;
use crate::model::json::{read_json, write_json};

const START_TOKEN: &str = "<|startoftext|>";
const END_TOKEN: &str = "<|endoftext|>";
/// Length of CLIP's texts.
const DEFAULT_LENGTH: usize = 77;

/// CLIP's pieces of a text: contractions, words, single digits, runs of signs.
static PIECES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
        .expect("the pattern is constant and valid")
});

/// Turns text into token numbers by CLIP's byte-pair encoding.
#[derive(Clone, Debug)]
pub struct ClipTokenizer {
    vocabulary: HashMap<String, u32>,
    merges: Vec<Merge>,
    table: MergeTable,
    /// Numbers of each byte, inside and at the end of a word.
    bytes: Vec<[u32; 2]>,
    /// Texts that are tokens as a whole, the longest first.
    specials: Vec<(String, u32)>,
    start: u32,
    end: u32,
    pad: u32,
    pad_token: String,
    max_length: usize,
}

impl ClipTokenizer {
    /// Reads the `tokenizer` folder of a model.
    ///
    /// # Errors
    /// If a file is missing or they do not fit together.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let fail = |message: String| ModelError::Tokenizer {
            path: folder.to_path_buf(),
            message,
        };
        let vocabulary: HashMap<String, u32> = read_json(&folder.join("vocab.json"))?
            .ok_or_else(|| fail("vocab.json is missing".into()))?;
        let path = folder.join("merges.txt");
        let merges =
            parse_merges(&fs::read_to_string(&path).map_err(ModelError::io("read", &path))?)
                .map_err(fail)?;
        let map: Map<String, Value> =
            read_json(&folder.join("special_tokens_map.json"))?.unwrap_or_default();
        let config: Map<String, Value> =
            read_json(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let special = |name: &str, default: &str| {
            // A token is a string, or an object with its text and how to match it.
            let text = |value: &Value| {
                value
                    .as_str()
                    .or_else(|| value["content"].as_str())
                    .map(str::to_owned)
            };
            map.get(name)
                .and_then(text)
                .or_else(|| config.get(name).and_then(text))
                .unwrap_or_else(|| default.to_owned())
        };
        let names = [
            special("bos_token", START_TOKEN),
            special("eos_token", END_TOKEN),
            special("pad_token", END_TOKEN),
        ];
        // transformers writes 10³⁰ where the length is not known.
        let max_length = config
            .get("model_max_length")
            .and_then(Value::as_u64)
            .filter(|length| *length <= 4096);
        Self::new(
            vocabulary,
            merges,
            &names,
            max_length.map_or(DEFAULT_LENGTH, |length| length as usize),
        )
        .map_err(fail)
    }

    /// CLIP's tokenizer for a list of merges, one pair a line, as in
    /// `merges.txt`; the vocabulary follows from it.
    ///
    /// # Errors
    /// If a line is no pair, or a pair's parts are no earlier pieces.
    pub fn from_merges(merges: &str) -> Result<Self, ModelError> {
        let fail = |message: String| ModelError::Tokenizer {
            path: "merges.txt".into(),
            message,
        };
        Self::with_merges(parse_merges(merges).map_err(fail)?, DEFAULT_LENGTH).map_err(fail)
    }

    /// Learns a vocabulary of up to `vocab_size` tokens from captions.
    ///
    /// It is in CLIP's own format (256 bytes, 256 bytes that end a word, merged
    /// pieces, start and end), hence never smaller than 514. `max_length` is
    /// the length that texts are padded or cut to.
    ///
    /// # Errors
    /// If `max_length` leaves no room for start and end.
    pub fn train<'a>(
        captions: impl IntoIterator<Item = &'a str>,
        vocab_size: usize,
        max_length: usize,
    ) -> Result<Self, ModelError> {
        let mut words: BTreeMap<String, usize> = BTreeMap::new();
        for caption in captions {
            for piece in PIECES.find_iter(&clean(caption)) {
                *words.entry(piece.as_str().to_owned()).or_default() += 1;
            }
        }
        let merges = bpe::learn(&words, vocab_size.saturating_sub(514));
        Self::with_merges(merges, max_length).map_err(|message| ModelError::Tokenizer {
            path: "a new vocabulary".into(),
            message,
        })
    }

    fn with_merges(merges: Vec<Merge>, max_length: usize) -> Result<Self, String> {
        let specials = [START_TOKEN, END_TOKEN].map(str::to_owned);
        let vocabulary = bpe::pieces(&merges)
            .into_iter()
            .chain(specials.clone())
            .zip(0..)
            .collect();
        let [start, end] = specials;
        Self::new(vocabulary, merges, &[start, end.clone(), end], max_length)
    }

    fn new(
        vocabulary: HashMap<String, u32>,
        merges: Vec<Merge>,
        [start, end, pad]: &[String; 3],
        max_length: usize,
    ) -> Result<Self, String> {
        if max_length < 3 {
            return Err(format!(
                "texts of {max_length} tokens have no room for words"
            ));
        }
        if let Some(largest) = vocabulary.values().max()
            && *largest as usize >= vocabulary.len()
        {
            return Err(format!(
                "vocab.json has {} tokens but numbers them up to {largest}",
                vocabulary.len()
            ));
        }
        let number = |token: &str| {
            vocabulary
                .get(token)
                .copied()
                .ok_or_else(|| format!("vocab.json lacks the token {token:?}"))
        };
        let mut bytes = vec![[0; 2]; 256];
        for (byte, letter) in bpe::byte_units() {
            bytes[usize::from(byte)] = [
                number(&letter.to_string())?,
                number(&format!("{letter}{END}"))?,
            ];
        }
        let table = MergeTable::new(&merges, &vocabulary)
            .map_err(|piece| format!("merges.txt makes {piece:?}, which vocab.json lacks"))?;
        let mut specials = Vec::new();
        for token in [start, end, pad] {
            if !specials.iter().any(|(known, _)| known == token) {
                specials.push((token.clone(), number(token)?));
            }
        }
        specials.sort_by_key(|(token, _)| std::cmp::Reverse(token.len()));
        let (start, end, pad_number) = (number(start)?, number(end)?, number(pad)?);
        let pad_token = pad.clone();
        Ok(Self {
            vocabulary,
            merges,
            table,
            bytes,
            specials,
            start,
            end,
            pad: pad_number,
            pad_token,
            max_length,
        })
    }

    /// The same tokenizer for texts of at most `max_length` tokens.
    pub(in crate::model) fn limited_to(mut self, max_length: usize) -> Self {
        self.max_length = self.max_length.min(max_length);
        self
    }

    /// Number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// Length of what [`Self::encode`] returns.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Number of the token that begins every text.
    pub fn start_token(&self) -> u32 {
        self.start
    }

    /// Number of the token that ends every text.
    pub fn end_token(&self) -> u32 {
        self.end
    }

    /// Number of the token that fills short texts.
    pub fn pad_token(&self) -> u32 {
        self.pad
    }

    /// The numbers of a text of any length, between start and end.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = vec![self.start];
        let mut rest = text;
        // Special tokens are found in the text as it is, before it is cleaned.
        while let Some((at, token, number)) = self.next_special(rest) {
            self.push_words(&rest[..at], &mut tokens);
            tokens.push(number);
            rest = &rest[at + token.len()..];
        }
        self.push_words(rest, &mut tokens);
        tokens.push(self.end);
        tokens
    }

    /// The numbers of a text, padded or cut to [`Self::max_length`]; the end
    /// token is always kept.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.tokens(text);
        if tokens.len() > self.max_length {
            tokens.truncate(self.max_length - 1);
            tokens.push(self.end);
        }
        tokens.resize(self.max_length, self.pad);
        tokens
    }

    /// Writes the four files that Python's `CLIPTokenizer` reads.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        fs::create_dir_all(folder).map_err(ModelError::io("make the folder", folder))?;
        let vocabulary: BTreeMap<&String, u32> = self
            .vocabulary
            .iter()
            .map(|(token, number)| (token, *number))
            .collect();
        write_json(&folder.join("vocab.json"), &vocabulary)?;
        let lines: String = self
            .merges
            .iter()
            .map(|(left, right)| format!("{left} {right}\n"))
            .collect();
        let path = folder.join("merges.txt");
        fs::write(&path, format!("#version: 0.2\n{lines}"))
            .map_err(ModelError::io("write", &path))?;
        let name = |number: u32| {
            self.specials
                .iter()
                .find(|(_, known)| *known == number)
                .map(|(token, _)| token.as_str())
        };
        let special = json!({
            "bos_token": name(self.start),
            "eos_token": name(self.end),
            "pad_token": self.pad_token,
            "unk_token": name(self.end),
        });
        write_json(&folder.join("special_tokens_map.json"), &special)?;
        let mut config = special;
        config["do_lower_case"] = json!(true);
        config["model_max_length"] = json!(self.max_length);
        config["tokenizer_class"] = json!("CLIPTokenizer");
        write_json(&folder.join("tokenizer_config.json"), &config)
    }

    fn next_special(&self, text: &str) -> Option<(usize, &str, u32)> {
        let found = self
            .specials
            .iter()
            .filter_map(|(token, number)| Some((text.find(token)?, token.as_str(), *number)));
        // Specials are sorted by length, and `min_by_key` keeps the first of equals.
        found.min_by_key(|(at, ..)| *at)
    }

    fn push_words(&self, text: &str, tokens: &mut Vec<u32>) {
        for piece in PIECES.find_iter(&clean(text)) {
            let mut word: Vec<u32> = piece
                .as_str()
                .bytes()
                .map(|byte| self.bytes[usize::from(byte)][0])
                .collect();
            if let (Some(last), Some(byte)) = (word.last_mut(), piece.as_str().bytes().last()) {
                *last = self.bytes[usize::from(byte)][1];
            }
            self.table.apply(&mut word);
            tokens.append(&mut word);
        }
    }
}

/// Composes accents and lowers letters one by one, as tokenizers does it; runs
/// of spaces need no collapsing, since no piece contains one.
fn clean(text: &str) -> String {
    nfc::compose(text)
        .chars()
        .flat_map(char::to_lowercase)
        .collect()
}

fn parse_merges(text: &str) -> Result<Vec<Merge>, String> {
    text.lines()
        .filter(|line| !line.starts_with("#version") && !line.trim().is_empty())
        .map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                [left, right] => Ok((left.to_owned(), right.to_owned())),
                _ => Err(format!("the line {line:?} of merges.txt is no pair")),
            },
        )
        .collect()
}
