//! Texts that are tokens as a whole: special tokens, and those added to a
//! vocabulary afterwards (by textual inversion, say).

use std::collections::HashMap;

use regex::Regex;

/// A text that is one token, as `tokenizers` describes it.
///
/// Whether space around it belongs to it does not matter: no token holds space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddedToken {
    pub content: String,
    pub number: u32,
    /// Whether it is looked for in the text after cleaning instead of before.
    pub is_normalized: bool,
    /// Whether it counts only between signs that belong to no word.
    pub is_single_word: bool,
    /// Whether it stands for something other than text, as start and end do.
    pub is_special: bool,
}

impl AddedToken {
    /// A special token that is found in the text as it was written.
    pub fn special(content: &str, number: u32) -> Self {
        Self {
            content: content.to_owned(),
            number,
            is_normalized: false,
            is_single_word: false,
            is_special: true,
        }
    }
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Token(u32),
}

/// Finds added tokens in texts: the leftmost first, the longest among those
/// that begin at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Finder {
    pattern: Option<Regex>,
    /// Number, and whether it must be a word of its own.
    found: HashMap<String, (u32, bool)>,
}

impl Finder {
    /// The error says that there are too many tokens.
    pub fn new<'a>(
        tokens: impl IntoIterator<Item = (String, &'a AddedToken)>,
    ) -> Result<Self, String> {
        let found: HashMap<String, (u32, bool)> = tokens
            .into_iter()
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, token)| (text, (token.number, token.is_single_word)))
            .collect();
        if found.is_empty() {
            return Ok(Self::default());
        }
        let mut texts: Vec<&String> = found.keys().collect();
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        let texts: Vec<String> = texts.into_iter().map(|text| regex::escape(text)).collect();
        let pattern = Regex::new(&texts.join("|"))
            .map_err(|_| format!("its {} added tokens are too many", found.len()))?;
        Ok(Self {
            pattern: Some(pattern),
            found,
        })
    }

    /// The parts of a text in order; empty ones are left out.
    pub fn split<'a>(&self, text: &'a str) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let mut begin = 0;
        let matches = self.pattern.iter().flat_map(|found| found.find_iter(text));
        for place in matches {
            let Some(&(number, is_single_word)) = self.found.get(place.as_str()) else {
                continue;
            };
            let is_word = |letter: Option<char>| letter.is_some_and(belongs_to_word);
            let before = text[..place.start()].chars().next_back();
            let after = text[place.end()..].chars().next();
            if is_single_word && (is_word(before) || is_word(after)) {
                continue;
            }
            if begin < place.start() {
                parts.push(Part::Text(&text[begin..place.start()]));
            }
            parts.push(Part::Token(number));
            begin = place.end();
        }
        if begin < text.len() {
            parts.push(Part::Text(&text[begin..]));
        }
        parts
    }
}

fn belongs_to_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_token_of_a_place_is_found() {
        let tokens = [
            AddedToken::special("<a>", 1),
            AddedToken::special("<a><b>", 2),
            AddedToken {
                is_single_word: true,
                ..AddedToken::special("cat", 3)
            },
        ];
        let named = tokens.iter().map(|token| (token.content.clone(), token));
        let finder = Finder::new(named).expect("few tokens");
        let parts = finder.split("x<a><b>cat cats cat<a>");
        let wanted = [
            Part::Text("x"),
            Part::Token(2),
            Part::Token(3),
            Part::Text(" cats "),
            Part::Token(3),
            Part::Token(1),
        ];
        assert_eq!(parts, wanted);
        assert_eq!(Finder::default().split("x"), [Part::Text("x")]);
        assert!(finder.split("").is_empty());
    }
}
