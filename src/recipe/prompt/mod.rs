//! The language of prompts: that of AUTOMATIC1111's web UI, and wildcards.
//!
//! A prompt is read in four rounds, each of which leaves what it does not know to
//! the next, and in the end to the model as text: nothing that is written is wrong.
//! [`wildcards`] are chosen by the seed once a picture is begun, and stand resolved in
//! its recipe; [`conjunction`] parts what a model is asked for one by one; [`schedule`]
//! says which text holds at which step; and [`attention`] how strongly its parts act. What
//! a model makes of parts is the matter of its conditioner.

mod attention;
mod brackets;
mod conjunction;
mod schedule;
mod wildcards;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use attention::{BREAK_WORD, MOST_WEIGHT, Piece, joined};
pub use conjunction::Conjunct;
pub use schedule::Part;

use super::lora::{self, LoraSpec, LoraTagError};

/// Longer texts are longer than any model reads; what their signs would mean is not
/// looked into.
const MOST_BYTES: usize = 1 << 15;

/// Whether signs in prompts mean something.
///
/// A recipe keeps it, so that pictures go on being painted as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptSyntax {
    /// All is text, and what is too long is cut: the only one of recipes that do not say.
    Plain,
    /// Emphasis, schedules, alternation, wildcards, `AND` and long prompts.
    #[default]
    Weighted,
}

/// How a model is to read words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextReading {
    /// What signs mean.
    pub syntax: PromptSyntax,
    /// Which layer of CLIP's text encoder is the last: 1 is the last, 2 the one before
    /// it. The final normalisation always follows.
    pub clip_skip: u32,
}

impl TextReading {
    /// Of text in which no sign means anything, as captions are.
    pub const PLAIN: Self = Self {
        syntax: PromptSyntax::Plain,
        clip_skip: 1,
    };
}

impl Default for TextReading {
    fn default() -> Self {
        Self {
            syntax: PromptSyntax::default(),
            clip_skip: 1,
        }
    }
}

impl PromptSyntax {
    /// Its name in infotext.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Weighted => "weighted",
        }
    }

    /// The syntax of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        let mut all = [Self::Plain, Self::Weighted].into_iter();
        all.find(|syntax| syntax.name() == name)
    }

    /// The text with its wildcards chosen by a seed. Texts with different `stream`s
    /// choose independently.
    pub fn resolved(self, text: &str, seed: u64, stream: u64) -> Cow<'_, str> {
        match self.of(text) {
            Self::Plain => Cow::Borrowed(text),
            Self::Weighted => wildcards::resolved(text, seed, stream),
        }
    }

    /// The texts that a prompt joins by `AND`, in its order; at least one. A negative
    /// prompt joins none.
    pub fn conjuncts(self, prompt: &str) -> Vec<Conjunct> {
        match self.of(prompt) {
            Self::Plain => vec![Conjunct {
                text: prompt.to_owned(),
                weight: 1.0,
            }],
            Self::Weighted => conjunction::conjuncts(prompt),
        }
    }

    /// Which texts hold at which of so many steps, in their order. There is always one
    /// that holds from the first step on.
    pub fn parts(self, text: &str, steps: usize) -> Vec<Part> {
        match self.of(text) {
            Self::Plain => vec![Part::whole(text)],
            Self::Weighted => schedule::parts(text, steps),
        }
    }

    /// The text of a step in pieces of equal weight.
    pub fn pieces(self, text: &str) -> Vec<Piece> {
        match self.of(text) {
            Self::Plain => vec![Piece::Text(text.to_owned(), 1.0)],
            Self::Weighted => attention::pieces(text),
        }
    }

    /// The LoRAs that a prompt names, in its order.
    ///
    /// # Errors
    /// The first that cannot be understood.
    pub fn loras_in(self, prompt: &str) -> Result<Vec<LoraSpec>, LoraTagError> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Weighted => lora::loras_in(prompt),
        }
    }

    /// A prompt without the LoRAs that it names: this is what the text encoder sees.
    pub fn without_loras(self, prompt: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => Cow::Borrowed(prompt),
            Self::Weighted => Cow::Owned(lora::without_loras(prompt)),
        }
    }

    /// What a prompt names LoRAs by, and nothing else of it.
    pub fn only_loras(self, prompt: &str) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Weighted => lora::only_loras(prompt),
        }
    }

    /// A text of this syntax as it is to be written in the usual one, to be read as it was.
    pub fn rewritten(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => escaped(text),
            Self::Weighted => Cow::Borrowed(text),
        }
    }

    /// The syntax that a text is read by.
    fn of(self, text: &str) -> Self {
        match text.len() {
            ..=MOST_BYTES => self,
            _ => Self::Plain,
        }
    }
}

/// A text with a backslash before every sign, so that it is text again in the usual
/// syntax; within words and names that mean something too.
fn escaped(text: &str) -> Cow<'_, str> {
    let signs = ['\\', '(', ')', '[', ']', '{', '}', '|'];
    let words = [
        ("BREAK", r"BREA\K"),
        ("AND", r"AN\D"),
        ("<lora:", r"<lora\:"),
        ("<lyco:", r"<lyco\:"),
    ];
    if !text.contains(signs) && !words.iter().any(|(word, _)| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if signs.contains(&letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    let escaped = words
        .iter()
        .fold(escaped, |text, (word, instead)| text.replace(word, instead));
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_texts_name_no_loras() {
        let prompt = "a cat <lora:ink:0.8> <lyco:oil:much>";
        let plain = PromptSyntax::Plain;
        assert_eq!(plain.loras_in(prompt), Ok(Vec::new()));
        assert_eq!(plain.without_loras(prompt), prompt);
        assert_eq!(plain.only_loras(prompt), "");
        let weighted = PromptSyntax::Weighted;
        assert!(weighted.loras_in(prompt).is_err());
        assert_eq!(weighted.without_loras(prompt), "a cat  ");
    }

    proptest! {
        #[test]
        fn what_is_rewritten_is_read_as_it_was(
            text in r"([ab:.0-9(){}|\[\]\\é ]|BREAK| BREAK | AND |AND|<lora:a:1>){0,16}",
            seed: u64,
        ) {
            let usual = PromptSyntax::default();
            let rewritten = PromptSyntax::Plain.rewritten(&text);
            prop_assert_eq!(usual.resolved(&rewritten, seed, 0), rewritten.clone());
            prop_assert_eq!(usual.without_loras(&rewritten), rewritten.clone());
            prop_assert_eq!(usual.conjuncts(&rewritten), PromptSyntax::Plain.conjuncts(&rewritten));
            prop_assert_eq!(usual.parts(&rewritten, 10), vec![Part::whole(&rewritten)]);
            let pieces = usual.pieces(&rewritten);
            prop_assert!(pieces.iter().all(|it| matches!(it, Piece::Text(_, 1.0))));
            prop_assert_eq!(joined(&pieces), text);
        }
    }
}
