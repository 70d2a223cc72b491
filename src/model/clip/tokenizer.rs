//! CLIP's tokenizer, transformers' `CLIPTokenizer`.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization as _;

use super::added_tokens::{AddedToken, Finder, Part};
use super::bpe::{self, END, Merge, MergeTable};
use crate::model::ModelError;

pub(super) const START_TOKEN: &str = "<|startoftext|>";
pub(super) const END_TOKEN: &str = "<|endoftext|>";
/// Length of CLIP's texts.
pub(super) const DEFAULT_LENGTH: usize = 77;

/// CLIP's pieces of a text: contractions, words, single digits, runs of signs.
pub(super) const PIECES_PATTERN: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
static PIECES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(PIECES_PATTERN).expect("the pattern is constant and valid"));

/// What a tokenizer's files say.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// All tokens but those that are only in `added`.
    pub vocabulary: HashMap<String, u32>,
    pub merges: Vec<Merge>,
    /// Appended to the last piece of a word.
    pub suffix: String,
    /// Texts that are tokens as a whole; start, end and pad need not be among them.
    pub added: Vec<AddedToken>,
    pub start: String,
    pub end: String,
    pub pad: String,
    /// Stands for what the vocabulary lacks.
    pub unknown: Option<String>,
    pub max_length: usize,
}

impl Rules {
    /// CLIP's own rules for a vocabulary.
    pub fn clip(vocabulary: HashMap<String, u32>, merges: Vec<Merge>) -> Self {
        Self {
            vocabulary,
            merges,
            suffix: END.into(),
            added: Vec::new(),
            start: START_TOKEN.into(),
            end: END_TOKEN.into(),
            pad: END_TOKEN.into(),
            unknown: Some(END_TOKEN.into()),
            max_length: DEFAULT_LENGTH,
        }
    }
}

/// Turns text into token numbers by CLIP's byte-pair encoding.
#[derive(Clone, Debug)]
pub struct ClipTokenizer {
    rules: Rules,
    table: MergeTable,
    /// Numbers of each byte, inside and at the end of a word.
    bytes: Vec<[u32; 2]>,
    /// Tokens that are found in a text as it is, and once it is cleaned.
    written: Finder,
    cleaned: Finder,
    /// Words that were learned later: their first number, and how many in a row each stands for.
    learned: HashMap<u32, u32>,
    vocab_size: usize,
    start: u32,
    end: u32,
    pad: u32,
}

impl ClipTokenizer {
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
        let merges = bpe::parse_merges(merges).map_err(fail)?;
        Self::with_merges(merges, DEFAULT_LENGTH).map_err(fail)
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
            .chain(specials)
            .zip(0..)
            .collect();
        Self::new(Rules {
            max_length,
            ..Rules::clip(vocabulary, merges)
        })
    }

    /// The error says what does not fit together.
    pub(super) fn new(mut rules: Rules) -> Result<Self, String> {
        if rules.max_length < 3 {
            return Err(format!(
                "texts of {} tokens have no room for words",
                rules.max_length
            ));
        }
        let find = |name: &str| {
            let mut added = rules.added.iter();
            let added = added.find(|token| token.content == name);
            let number = added.map(|token| token.number);
            number.or_else(|| rules.vocabulary.get(name).copied())
        };
        let number =
            |token: &str| find(token).ok_or_else(|| format!("it lacks the token {token:?}"));
        let (start, end, pad) = (
            number(&rules.start)?,
            number(&rules.end)?,
            number(&rules.pad)?,
        );
        let unknown = rules.unknown.as_deref().and_then(find);
        let piece = |piece: String| {
            let number = rules.vocabulary.get(&piece).copied().or(unknown);
            number.ok_or_else(|| format!("it lacks the token {piece:?}"))
        };
        let mut bytes = vec![[0; 2]; 256];
        for (byte, letter) in bpe::byte_units() {
            bytes[usize::from(byte)] = [
                piece(letter.to_string())?,
                piece(format!("{letter}{}", rules.suffix))?,
            ];
        }
        let table = MergeTable::new(&rules.merges, &rules.vocabulary)
            .map_err(|piece| format!("its merges make {piece:?}, which its vocabulary lacks"))?;
        let specials = [(&rules.start, start), (&rules.end, end), (&rules.pad, pad)];
        let specials = specials.map(|(token, number)| AddedToken::special(token, number));
        for special in specials {
            let mut contents = rules.added.iter().map(|token| &token.content);
            if !contents.any(|content| *content == special.content) {
                rules.added.push(special);
            }
        }
        let texts = |is_normalized: bool| {
            let tokens = rules.added.iter();
            let tokens = tokens.filter(move |token| token.is_normalized == is_normalized);
            tokens.map(move |token| {
                let text = match is_normalized {
                    true => clean(&token.content),
                    false => token.content.clone(),
                };
                (text, token)
            })
        };
        let numbers = rules.added.iter().map(|token| &token.number);
        let largest = rules.vocabulary.values().chain(numbers).max();
        Ok(Self {
            written: Finder::new(texts(false))?,
            cleaned: Finder::new(texts(true))?,
            learned: HashMap::new(),
            vocab_size: largest.map_or(0, |number| *number as usize + 1),
            table,
            bytes,
            rules,
            start,
            end,
            pad,
        })
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The same tokenizer for texts of at most `max_length` tokens.
    pub(in crate::model) fn limited_to(mut self, max_length: usize) -> Self {
        self.rules.max_length = self.rules.max_length.min(max_length);
        self
    }

    /// The same tokenizer, which fills texts up with another token if it knows that.
    pub(in crate::model) fn padded_with(mut self, token: &str) -> Self {
        if let Some(number) = self.rules.vocabulary.get(token) {
            self.pad = *number;
            self.rules.pad = token.to_owned();
        }
        self
    }

    /// Whether it gives every text the same numbers as another, as far as the rules tell.
    pub(in crate::model) fn reads_like(&self, other: &Self) -> bool {
        let special = |it: &Self| (it.start, it.end, it.pad, it.vocab_size, it.max_length());
        special(self) == special(other)
            && self.rules.suffix == other.rules.suffix
            && self.rules.merges == other.rules.merges
    }

    /// The tokens that end a word and are words of letters, without the end's mark.
    pub fn whole_words(&self) -> impl Iterator<Item = String> {
        let tokens = self.rules.vocabulary.keys();
        let ends = tokens.filter_map(|token| token.strip_suffix(&*self.rules.suffix));
        let words = ends.filter(|word| word.chars().all(char::is_alphabetic));
        words.map(str::to_owned)
    }

    /// The same tokenizer that also finds some words, each of which stands for so many
    /// numbers in a row; the first begins with `first`. Case does not matter in them.
    ///
    /// # Errors
    /// If they are too many.
    pub(in crate::model) fn taught<'a>(
        mut self,
        words: impl Iterator<Item = (&'a str, usize)>,
        first: usize,
    ) -> Result<Self, ModelError> {
        let mut number = first as u32;
        for (word, count) in words {
            self.rules.added.push(AddedToken {
                content: word.to_owned(),
                number,
                is_normalized: true,
                is_single_word: true,
                is_special: false,
            });
            self.learned.insert(number, count as u32);
            number += count as u32;
        }
        let added = self.rules.added.iter();
        let added = added.filter(|token| token.is_normalized);
        let finder = Finder::new(added.map(|token| (clean(&token.content), token)));
        self.cleaned = finder.map_err(|message| ModelError::Tokenizer {
            path: "the prompt".into(),
            message,
        })?;
        Ok(self)
    }

    /// Number of tokens, counted up to the largest.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Length of what [`Self::encode`] returns.
    pub fn max_length(&self) -> usize {
        self.rules.max_length
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
        for part in self.written.split(text) {
            match part {
                Part::Token(number) => tokens.push(number),
                Part::Text(text) => {
                    let text = clean(text);
                    for part in self.cleaned.split(&text) {
                        match part {
                            Part::Token(number) => {
                                let count = self.learned.get(&number).copied().unwrap_or(1);
                                tokens.extend(number..number + count);
                            }
                            Part::Text(text) => self.push_words(text, &mut tokens),
                        }
                    }
                }
            }
        }
        tokens.push(self.end);
        tokens
    }

    /// The numbers of a text, padded or cut to [`Self::max_length`]; the end
    /// token is always kept.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let max_length = self.max_length();
        let mut tokens = self.tokens(text);
        if tokens.len() > max_length {
            tokens.truncate(max_length - 1);
            tokens.push(self.end);
        }
        tokens.resize(max_length, self.pad);
        tokens
    }

    fn push_words(&self, text: &str, tokens: &mut Vec<u32>) {
        for piece in PIECES.find_iter(text) {
            let last = piece.len() - 1;
            let bytes = piece.as_str().bytes().enumerate();
            let mut word: Vec<u32> = bytes
                .map(|(i, byte)| self.bytes[usize::from(byte)][usize::from(i == last)])
                .collect();
            self.table.apply(&mut word);
            tokens.append(&mut word);
        }
    }
}

/// Composes accents and lowers letters one by one, as tokenizers does it; runs
/// of spaces need no collapsing, since no piece contains one.
fn clean(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).collect()
}
