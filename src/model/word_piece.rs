//! BERT's tokenizer, transformers' `BertTokenizerFast` without upper case: a text is
//! cleaned, divided into words and signs, and each word into the longest pieces that
//! the vocabulary has (Wu et al. 2016, <https://arxiv.org/abs/1609.08144>).

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization as _;

use super::ModelError;
use super::json::read_text;

/// The vocabulary of BERT's base model without upper case.
const VOCABULARY: &str = include_str!("../../assets/bert/vocab.txt");

/// Longer words are not known, as in transformers.
const LONGEST_WORD: usize = 100;
/// In front of a piece that goes on with a word.
const WITHIN: &str = "##";
/// Blocks of signs that are words of their own: those of Chinese.
const IDEOGRAPHS: [(u32, u32); 8] = [
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
];

/// Texts that are tokens as they are written.
static SPECIALS: LazyLock<Regex> = LazyLock::new(|| constant(r"\[(?:UNK|SEP|PAD|CLS|MASK)\]"));
/// What is no sign: control characters, and code points without a meaning.
static NO_SIGNS: LazyLock<Regex> = LazyLock::new(|| constant(r"[\p{C}\u{FFFD}&&[^\t\n\r]]"));
/// Accents that stand by themselves once signs are decomposed.
static ACCENTS: LazyLock<Regex> = LazyLock::new(|| constant(r"\p{Mn}+"));
/// Words, and single signs of punctuation, among which ASCII's mathematical ones are.
static WORDS: LazyLock<Regex> =
    LazyLock::new(|| constant(r"[!-/:-@\[-`{-~\p{P}]|[^\s!-/:-@\[-`{-~\p{P}]+"));

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is constant and tested")
}

/// Turns text into the numbers of BERT's tokens.
#[derive(Clone, Debug)]
pub struct WordPieceTokenizer {
    vocabulary: HashMap<String, u32>,
    max_length: usize,
    start: u32,
    end: u32,
    pad: u32,
    unknown: u32,
}

impl WordPieceTokenizer {
    /// The tokenizer of a `vocab.txt`, which has one token a line; where there is no
    /// such file, BERT's own. Texts are padded or cut to `max_length` tokens.
    ///
    /// # Errors
    /// If the file cannot be read, or is no vocabulary.
    pub fn open(path: &Path, max_length: usize) -> Result<Self, ModelError> {
        let text = read_text(path)?;
        Self::new(text.as_deref().unwrap_or(VOCABULARY), max_length).map_err(|message| {
            ModelError::Tokenizer {
                path: path.to_path_buf(),
                message,
            }
        })
    }

    /// The error says what the vocabulary lacks.
    fn new(vocabulary: &str, max_length: usize) -> Result<Self, String> {
        let lines = vocabulary.lines().map(str::trim_end).zip(0..);
        Self::of(
            lines.map(|(token, number)| (token.to_owned(), number)),
            max_length,
        )
    }

    /// The tokenizer of tokens and their numbers, by which texts are padded or cut to
    /// `max_length`.
    ///
    /// # Errors
    /// What the vocabulary lacks.
    pub fn of(
        vocabulary: impl IntoIterator<Item = (String, u32)>,
        max_length: usize,
    ) -> Result<Self, String> {
        if max_length < 3 {
            return Err(format!(
                "texts of {max_length} tokens have no room for words"
            ));
        }
        let vocabulary: HashMap<String, u32> = vocabulary.into_iter().collect();
        let find = |token: &str| {
            let number = vocabulary.get(token).copied();
            number.ok_or_else(|| format!("it lacks the token {token}"))
        };
        Ok(Self {
            max_length,
            start: find("[CLS]")?,
            end: find("[SEP]")?,
            pad: find("[PAD]")?,
            unknown: find("[UNK]")?,
            vocabulary,
        })
    }

    /// One more than the largest number of a token.
    pub fn vocab_size(&self) -> usize {
        let largest = self.vocabulary.values().max();
        largest.map_or(0, |number| *number as usize + 1)
    }

    /// Tokens that a text is padded or cut to, start and end included.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// All tokens of a text, with start and end.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = vec![self.start];
        let mut at = 0;
        for special in SPECIALS.find_iter(text) {
            let Some(number) = self.vocabulary.get(special.as_str()) else {
                continue;
            };
            self.add_words(&text[at..special.start()], &mut tokens);
            tokens.push(*number);
            at = special.end();
        }
        self.add_words(&text[at..], &mut tokens);
        tokens.push(self.end);
        tokens
    }

    /// The tokens of a text, as many as [`Self::max_length`].
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.tokens(text);
        if tokens.len() > self.max_length {
            tokens.truncate(self.max_length - 1);
            tokens.push(self.end);
        }
        tokens.resize(self.max_length, self.pad);
        tokens
    }

    fn add_words(&self, text: &str, tokens: &mut Vec<u32>) {
        for word in WORDS.find_iter(&cleaned(text)) {
            match self.pieces(word.as_str()) {
                Some(pieces) => tokens.extend(pieces),
                None => tokens.push(self.unknown),
            }
        }
    }

    /// The pieces of a word, each the longest that there is; `None` where one is not
    /// in the vocabulary.
    fn pieces(&self, word: &str) -> Option<Vec<u32>> {
        let ends: Vec<usize> = word
            .char_indices()
            .map(|(at, sign)| at + sign.len_utf8())
            .collect();
        if ends.len() > LONGEST_WORD {
            return None;
        }
        let (mut pieces, mut start) = (Vec::new(), 0);
        while start < word.len() {
            let mut longest_first = ends.iter().rev().take_while(|end| **end > start);
            let (end, number) = longest_first.find_map(|end| {
                let piece = &word[start..*end];
                let number = match start {
                    0 => self.vocabulary.get(piece),
                    _ => self.vocabulary.get(&format!("{WITHIN}{piece}")),
                };
                number.map(|number| (*end, *number))
            })?;
            pieces.push(number);
            start = end;
        }
        Some(pieces)
    }
}

/// A text in small letters without accents, in which signs of Chinese stand alone.
fn cleaned(text: &str) -> String {
    let text = NO_SIGNS.replace_all(text, "");
    let is_alone = |sign: char| {
        let code = u32::from(sign);
        IDEOGRAPHS
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&code))
    };
    let mut spaced = String::with_capacity(text.len());
    for sign in text.chars() {
        if is_alone(sign) {
            spaced.extend([' ', sign, ' ']);
        } else {
            spaced.push(sign);
        }
    }
    let decomposed: String = spaced.nfd().collect();
    let plain = ACCENTS.replace_all(&decomposed, "");
    plain.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_has_what_every_text_needs() {
        let error = WordPieceTokenizer::new("[CLS]\n[SEP]\n[PAD]\nhill", 9).unwrap_err();
        assert!(error.contains("[UNK]"), "{error}");
        assert!(WordPieceTokenizer::new(VOCABULARY, 2).is_err());
        let built_in = WordPieceTokenizer::open(Path::new("nowhere/vocab.txt"), 77).unwrap();
        assert_eq!(built_in.vocab_size(), 30_522);
        assert_eq!(built_in.encode("")[..4], [101, 102, 0, 0]);
    }
}
