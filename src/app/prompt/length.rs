//! How long the prompt is, counted away from the window's thread.

use crate::engine::{PromptReader, TokenCount};
use crate::recipe::GenerateSpec;
use crate::recipe::prompt::PromptSyntax;

/// A prompt that is to be counted, and all that its length hangs on.
#[derive(Clone, Debug, PartialEq)]
pub struct CountedPrompt {
    text: String,
    syntax: PromptSyntax,
    /// Decides nothing where there are no wildcards.
    seed: u64,
    reader: PromptReader,
}

impl CountedPrompt {
    /// How long it is. Takes a while where the prompt is long.
    pub fn count(&self) -> TokenCount {
        self.reader.count(&self.text, self.syntax, self.seed)
    }

    fn is_of(&self, spec: &GenerateSpec, reader: &PromptReader) -> bool {
        (self.syntax, self.seed) == (spec.prompt_syntax, deciding_seed(spec))
            && self.text == spec.prompt
            && self.reader == *reader
    }
}

fn deciding_seed(spec: &GenerateSpec) -> u64 {
    match spec.prompt.contains('{') {
        true => spec.seed,
        false => 0,
    }
}

/// The newest length, and what is being counted.
#[derive(Debug, Default)]
pub struct PromptLength {
    asked: Option<CountedPrompt>,
    is_counting: bool,
    known: Option<TokenCount>,
}

impl PromptLength {
    /// How long the prompt is, as last counted.
    pub fn known(&self) -> Option<TokenCount> {
        self.known
    }

    /// What is to be counted now, if that is something new and nothing is being counted.
    /// The caller is to do so.
    pub fn begin(&mut self, spec: &GenerateSpec, reader: &PromptReader) -> Option<CountedPrompt> {
        let is_known = |asked: &CountedPrompt| asked.is_of(spec, reader);
        if self.is_counting || self.asked.as_ref().is_some_and(is_known) {
            return None;
        }
        self.is_counting = true;
        self.asked = Some(CountedPrompt {
            text: spec.prompt.clone(),
            syntax: spec.prompt_syntax,
            seed: deciding_seed(spec),
            reader: reader.clone(),
        });
        self.asked.clone()
    }

    /// Takes what was counted; `None` when that went wrong.
    pub fn end(&mut self, counted: Option<TokenCount>) {
        self.is_counting = false;
        self.known = counted.or(self.known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prompt_is_counted_once_and_the_last_length_stays_meanwhile() {
        let reader = || PromptReader::of_words("a red house");
        let (one, other) = (reader(), reader());
        let mut spec = GenerateSpec {
            prompt: "a red house".to_owned(),
            ..GenerateSpec::default()
        };
        let mut length = PromptLength::default();
        let asked = length.begin(&spec, &one).expect("a new prompt");
        "a house".clone_into(&mut spec.prompt);
        assert_eq!(length.begin(&spec, &one), None, "one is being counted");
        length.end(Some(asked.count()));
        assert_eq!(length.known().map(|count| count.tokens), Some(3));
        let asked = length.begin(&spec, &one).expect("a new prompt");
        assert_eq!(length.known().map(|count| count.tokens), Some(3));
        length.end(Some(asked.count()));
        assert_eq!(length.known().map(|count| count.tokens), Some(2));
        spec.seed += 1;
        assert_eq!(length.begin(&spec, &one), None, "no word hangs on the seed");
        // What went wrong is not tried for ever.
        assert!(length.begin(&spec, &other).is_some());
        length.end(None);
        assert_eq!(length.begin(&spec, &other), None);
        assert_eq!(length.known().map(|count| count.tokens), Some(2));
    }
}
