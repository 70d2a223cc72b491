//! The language of prompts: that of AUTOMATIC1111's web UI, and wildcards.
//!
//! A prompt is read in three rounds, each of which leaves what it does not know to
//! the next, and in the end to the model as text: nothing that is written is wrong.
//! [`wildcards`] are chosen by the seed once a picture is begun, and stand resolved in
//! its recipe; [`schedule`] says which text holds at which step; and [`attention`] how
//! strongly its parts act. What a model makes of parts is the matter of its conditioner.

mod attention;
mod brackets;
mod schedule;
mod wildcards;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use attention::{MOST_WEIGHT, Piece, joined};
pub use schedule::Part;

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
    /// Emphasis, schedules, alternation, wildcards and long prompts.
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
    /// The text with its wildcards chosen by a seed. Texts with different `stream`s
    /// choose independently.
    pub fn resolved(self, text: &str, seed: u64, stream: u64) -> Cow<'_, str> {
        match self.of(text) {
            Self::Plain => Cow::Borrowed(text),
            Self::Weighted => wildcards::resolved(text, seed, stream),
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

    /// The syntax that a text is read by.
    fn of(self, text: &str) -> Self {
        match text.len() {
            ..=MOST_BYTES => self,
            _ => Self::Plain,
        }
    }
}
