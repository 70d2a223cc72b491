//! Words that a run is told, and that may change from step to step.

use std::collections::HashMap;

use burn::tensor::Tensor;

use super::session::Told;
use crate::model::Model;
use crate::model::conditioner::{Asked, Bench, Conditioning};
use crate::recipe::prompt::{Part, TextReading};

/// Different texts that one run is told at most, since each is held in memory; with the
/// last of them it goes on to its end.
pub const MOST_TEXTS: usize = 128;

/// What is said, turn by turn.
pub(super) struct Spoken {
    turns: Vec<Turn>,
    reading: TextReading,
}

/// What is said from a step on.
struct Turn {
    /// Steps that are done before.
    from: usize,
    prompt: String,
    /// What to steer away from, where there is guidance.
    negative: Option<String>,
}

impl Spoken {
    /// What two texts say in a run of so many steps.
    pub fn new(prompt: &str, negative: Option<&str>, reading: TextReading, steps: usize) -> Self {
        let mut prompts = reading.syntax.parts(prompt, steps);
        let negatives = negative.map(|negative| reading.syntax.parts(negative, steps));
        let mut negatives = negatives.unwrap_or_default();
        for parts in [&mut prompts, &mut negatives] {
            limit(parts, MOST_TEXTS / 2);
        }
        let parts = prompts.iter().chain(&negatives);
        let mut begins: Vec<usize> = parts.map(|part| part.from).collect();
        begins.sort_unstable();
        begins.dedup();
        let at = |parts: &[Part], done: usize| {
            let part = parts.iter().rev().find(|part| part.from <= done);
            part.map(|part| part.text.clone())
        };
        let turn = |from: usize| Turn {
            from,
            prompt: at(&prompts, from).unwrap_or_default(),
            negative: at(&negatives, from),
        };
        Self {
            turns: begins.into_iter().map(turn).collect(),
            reading,
        }
    }

    /// What is asked for in words that stay the same.
    pub fn asked(&self) -> Option<Asked<'_>> {
        match &self.turns[..] {
            [turn] => Some(Asked::Text {
                prompt: &turn.prompt,
                negative: turn.negative.as_deref(),
                reading: self.reading,
            }),
            _ => None,
        }
    }

    /// What a run is told that is told this besides words that change.
    pub fn told(
        &self,
        conditioning: Conditioning,
        guidance_scale: f32,
        model: &Model,
        bench: &mut Bench<'_>,
    ) -> Told {
        let mut turns = match self.turns.len() {
            ..2 => Vec::new(),
            _ => self.encoded(model, bench),
        };
        let first = (!turns.is_empty()).then(|| turns.remove(0).1);
        Told {
            conditioning: match first {
                Some(words) => conditioning.but(words),
                None => conditioning,
            },
            guidance_scale,
            guidance_rescale: 0.0,
            later: turns,
            boxes: None,
        }
    }

    /// What the denoiser is told of words, by the number of steps that are done. Every
    /// text is encoded once, and all are as long as the longest.
    fn encoded(&self, model: &Model, bench: &mut Bench<'_>) -> Vec<(usize, Conditioning)> {
        let mut told: HashMap<&str, Conditioning> = HashMap::new();
        let texts = self.turns.iter().flat_map(Turn::texts);
        for text in texts.chain([""]) {
            told.entry(text).or_insert_with(|| {
                let asked = Asked::Text {
                    prompt: text,
                    negative: None,
                    reading: self.reading,
                };
                model.told_of(&asked, bench)
            });
        }
        let longest = told.values().map(length).max().unwrap_or(0);
        let nothing = told.get("").cloned().unwrap_or_default();
        let of = |text: &str| {
            let told = told.get(text).cloned().unwrap_or_default();
            padded(told, &nothing, longest)
        };
        let turns = self.turns.iter().map(|turn| {
            let prompt = of(&turn.prompt);
            let told = match &turn.negative {
                Some(negative) => Conditioning::branches(of(negative), prompt),
                None => prompt,
            };
            (turn.from, told)
        });
        turns.collect()
    }
}

impl Turn {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.negative.as_deref().into_iter().chain([&*self.prompt])
    }
}

/// Leaves out what comes after so many different texts.
fn limit(parts: &mut Vec<Part>, most: usize) {
    let mut known: Vec<String> = Vec::new();
    parts.retain(|part| {
        let is_known = known.contains(&part.text);
        if !is_known && known.len() < most {
            known.push(part.text.clone());
            return true;
        }
        is_known && known.len() < most
    });
}

/// Tokens of what words tell.
fn length(told: &Conditioning) -> usize {
    let lengths = told.context.iter().map(|(_, tokens)| tokens.dims()[1]);
    lengths.max().unwrap_or(0)
}

/// With as many chunks without words after the others as make it so long.
fn padded(told: Conditioning, nothing: &Conditioning, length: usize) -> Conditioning {
    let Conditioning { context, .. } = told;
    let parts = context.into_iter().map(|(name, tokens)| {
        let mut empty = nothing.context.iter().filter(|(known, _)| *known == name);
        let Some((_, chunk)) = empty.next() else {
            return (name, tokens);
        };
        let missing = length.saturating_sub(tokens.dims()[1]) / chunk.dims()[1].max(1);
        let mut all = vec![tokens];
        all.extend(vec![chunk.clone(); missing]);
        (name, Tensor::cat(all, 1))
    });
    Conditioning {
        context: parts.collect(),
        ..Conditioning::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(prompt: &str, negative: Option<&str>, steps: usize) -> Vec<(usize, String, String)> {
        let spoken = Spoken::new(prompt, negative, TextReading::default(), steps);
        let turns = spoken.turns.into_iter();
        turns
            .map(|turn| (turn.from, turn.prompt, turn.negative.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn both_texts_change_in_their_own_time() {
        let own = |turns: [(usize, &str, &str); 3]| {
            turns.map(|(from, prompt, negative)| (from, prompt.to_owned(), negative.to_owned()))
        };
        assert_eq!(
            turns("[a:b:0.5]", Some("[c::0.25]"), 8),
            own([(0, "a", "c"), (2, "a", ""), (4, "b", "")])
        );
        assert_eq!(turns("a", Some("(b:2)"), 8).len(), 1);
        assert_eq!(turns("[a|b]", None, 8).len(), 8);
    }

    #[test]
    fn there_is_an_end_to_different_texts() {
        let choices: Vec<String> = (0..500).map(|index| index.to_string()).collect();
        let many = format!("[{}]", choices.join("|"));
        let told = turns(&many, None, 400);
        assert_eq!(told.len(), MOST_TEXTS / 2);
        assert_eq!(told.last().map(|turn| turn.0), Some(MOST_TEXTS / 2 - 1));
    }
}
