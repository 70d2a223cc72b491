//! How a model reads prompts, to be asked without the model and its thread.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::model::conditioner::{TextReader, TokenCount};
use crate::recipe::prompt::PromptSyntax;
use crate::scenes::{SIDE_WORDS, caption_words};

/// Larger vocabularies are those of languages: every word is made of what they know.
const MOST_TOKENS: usize = 10_000;

/// Bytes of a text that are looked at: more than any model reads.
const MOST_BYTES: usize = 1 << 14;

/// Steps by which it is found out how long a text becomes that changes.
const STEPS: usize = 20;

/// Most words that are proposed for one that is not known.
const MOST_PROPOSED: usize = 3;

/// Counts the tokens of prompts and knows the words of small vocabularies. Copies share
/// one vocabulary.
#[derive(Clone)]
pub struct PromptReader(Arc<Reading>);

struct Reading {
    reader: TextReader,
    layers: u32,
    /// The words that it knows, sorted; `None` where it knows a language.
    words: Option<Vec<String>>,
}

impl fmt::Debug for PromptReader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("PromptReader")
            .field(&self.0.layers)
            .finish()
    }
}

impl PartialEq for PromptReader {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl PromptReader {
    /// Of the reader of a model, whose text encoder has so many layers.
    pub fn new(reader: TextReader, layers: usize) -> Self {
        let words = words_of(&reader);
        Self(Arc::new(Reading {
            reader,
            layers: u32::try_from(layers).unwrap_or(u32::MAX),
            words,
        }))
    }

    /// The same for a model that knows further words, such as those by which boxes are placed.
    #[must_use]
    pub fn knowing(self, further: &[String]) -> Self {
        let Reading {
            reader,
            layers,
            words,
        } = &*self.0;
        let words = words.as_ref().map(|words| {
            let further = further.iter().map(|word| word.to_lowercase());
            let mut words: Vec<String> = words.iter().cloned().chain(further).collect();
            words.sort_unstable();
            words.dedup();
            words
        });
        Self(Arc::new(Reading {
            reader: reader.clone(),
            layers: *layers,
            words,
        }))
    }

    /// One that learnt its words from a caption, for tests.
    #[cfg(test)]
    pub fn of_words(caption: &str) -> Self {
        let tokenizer = crate::model::ClipTokenizer::train([caption], 600, 40);
        Self::new(TextReader::new(tokenizer.expect("words")), 1)
    }

    /// Layers of the text encoder.
    pub fn layers(&self) -> u32 {
        self.0.layers
    }

    /// Whether there may be words that it does not know: not where it learned a language.
    pub fn marks_words(&self) -> bool {
        self.0.words.is_some()
    }

    /// How long a prompt is; of texts that it joins, the longest. Where it changes from step
    /// to step, how long it becomes; of wildcards those count that the seed would choose.
    pub fn count(&self, prompt: &str, syntax: PromptSyntax, seed: u64) -> TokenCount {
        let prompt = syntax.resolved(head(prompt), seed, 0);
        let joined = syntax.conjuncts(&prompt).into_iter();
        let parts = joined.flat_map(|it| syntax.parts(&it.text, STEPS));
        // Those that take turns come back again and again.
        let texts: BTreeSet<String> = parts.map(|part| part.text).collect();
        let counts = texts.iter().map(|text| self.0.reader.count(text, syntax));
        let longest = counts.max_by_key(|count| count.tokens);
        longest.unwrap_or_else(|| self.0.reader.count("", syntax))
    }

    /// Where a text has words that the model does not know, in bytes. Models that
    /// learned a language know every word.
    pub fn unknown(&self, text: &str) -> Vec<Range<usize>> {
        let Some(known) = &self.0.words else {
            return Vec::new();
        };
        let text = head(text);
        let is_known = |place: &Range<usize>| {
            let word = &text[place.clone()];
            let lower = word.to_lowercase();
            ["BREAK", "AND"].contains(&word) || known.binary_search(&lower).is_ok()
        };
        let mut words = words_in(text);
        words.retain(|place| !is_known(place));
        words
    }

    /// Known words that are written most like a word.
    pub fn nearest(&self, word: &str) -> Vec<&str> {
        let word: Vec<char> = word.to_lowercase().chars().collect();
        let most = (word.len() / 3).clamp(1, 3);
        let known = self.0.words.iter().flatten();
        let mut near: Vec<(usize, &str)> = known
            .filter(|known| known.chars().count().abs_diff(word.len()) <= most)
            .map(|known| (edits(&word, known), known.as_str()))
            .filter(|(edits, _)| *edits <= most)
            .collect();
        near.sort_unstable();
        let near = near.into_iter().map(|(_, known)| known);
        near.take(MOST_PROPOSED).collect()
    }
}

/// The beginning of a text, as far as it is looked at.
fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_BYTES)]
}

/// The words of a small vocabulary.
fn words_of(reader: &TextReader) -> Option<Vec<String>> {
    let tokenizer = reader.tokenizer();
    if tokenizer.vocab_size() > MOST_TOKENS {
        return None;
    }
    let is_whole = |word: &String| tokenizer.tokens(word).len() == 3;
    let scenes = caption_words();
    let of_scenes = scenes.iter().flat_map(|text| {
        let places = words_in(text).into_iter();
        places.map(move |place| text[place].to_lowercase())
    });
    // Those of sides came later; whoever learned without them has them in pieces.
    let is_late = |word: &String| SIDE_WORDS.contains(&word.as_str());
    let of_scenes = of_scenes.filter(|word| !is_late(word) || is_whole(word));
    let of_scenes: Vec<String> = of_scenes.collect();
    // Who learned from scenes knows their words, rare ones in pieces, and ends of words
    // besides, which are whole tokens too.
    let whole = of_scenes.iter().filter(|word| is_whole(word)).count();
    let mut words: Vec<String> = match whole * 10 >= of_scenes.len() * 9 {
        true => of_scenes,
        false => tokenizer.whole_words().collect(),
    };
    words.sort_unstable();
    words.dedup();
    Some(words)
}

/// Where a text has words of letters, in bytes; what stands in angle brackets is none.
fn words_in(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut begin, mut is_tag) = (None, false);
    let last_closing = text.rfind('>');
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        if letter.is_alphabetic() && !is_tag {
            begin.get_or_insert(at);
            continue;
        }
        if let Some(begin) = begin.take() {
            words.push(begin..at);
        }
        let closes = last_closing.is_some_and(|last| at < last);
        is_tag = (is_tag && letter != '>') || (letter == '<' && closes);
    }
    let is_end = |place: &Range<usize>| {
        let end = text[place.clone()].to_lowercase();
        text[..place.start].ends_with('\'')
            && ["s", "t", "re", "ve", "m", "ll", "d"].contains(&&*end)
    };
    words.retain(|place| !is_end(place));
    words
}

/// How many letters must be put in, left out, changed or swapped with the next one to
/// make one word of another.
fn edits(word: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let width = other.len() + 1;
    let mut table = vec![0; (word.len() + 1) * width];
    for row in 0..=word.len() {
        for column in 0..=other.len() {
            let at = |up: usize, left: usize| table[(row - up) * width + column - left];
            let fewest = match (row, column) {
                (0, count) | (count, 0) => count,
                _ => {
                    let (a, b) = (word[row - 1], other[column - 1]);
                    let mut fewest = at(1, 1) + usize::from(a != b);
                    fewest = fewest.min(at(1, 0) + 1).min(at(0, 1) + 1);
                    if row > 1 && column > 1 && a == other[column - 2] && b == word[row - 2] {
                        fewest = fewest.min(at(2, 2) + 1);
                    }
                    fewest
                }
            };
            table[row * width + column] = fewest;
        }
    }
    table[word.len() * width + other.len()]
}
