//! Words that a run is told, and that may change from step to step.

use std::collections::HashMap;

use burn::tensor::Tensor;

use super::guidance::Guidance;
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
    /// How strongly each of the texts acts that the prompt joins; none where it is one.
    weights: Vec<f32>,
    /// Whether there is a branch to steer away from.
    is_guided: bool,
    /// Whether guidance was asked for.
    takes_scale: bool,
    reading: TextReading,
}

/// What is said from a step on.
struct Turn {
    /// Steps that are done before.
    from: usize,
    /// The texts that the prompt joins, which is one of most.
    prompts: Vec<String>,
    /// What to steer away from, where there is guidance.
    negative: Option<String>,
}

impl Spoken {
    /// What a negative prompt and a prompt say in a run of so many steps, with guidance or
    /// without. What several texts lead to is told by what each adds to the branch to steer
    /// away from, so they are always asked beside that; without guidance by a scale of 1.
    pub fn new(
        [negative, prompt]: [&str; 2],
        takes_scale: bool,
        reading: TextReading,
        steps: usize,
    ) -> Self {
        let joined = reading.syntax.conjuncts(prompt);
        let is_guided = takes_scale || joined.len() > 1;
        let most = (MOST_TEXTS / 2 / joined.len()).max(1);
        let parts = |text: &str, most: usize| {
            let mut parts = reading.syntax.parts(text, steps);
            limit(&mut parts, most);
            parts
        };
        let prompts = joined.iter().map(|it| parts(&it.text, most));
        let prompts: Vec<Vec<Part>> = prompts.collect();
        let negatives = is_guided.then(|| parts(negative, MOST_TEXTS / 2));
        let all = prompts.iter().chain(&negatives).flatten();
        let mut begins: Vec<usize> = all.map(|part| part.from).collect();
        begins.sort_unstable();
        begins.dedup();
        let at = |parts: &Vec<Part>, done: usize| {
            let part = parts.iter().rev().find(|part| part.from <= done);
            part.map(|part| part.text.clone()).unwrap_or_default()
        };
        let turn = |from: usize| Turn {
            from,
            prompts: prompts.iter().map(|parts| at(parts, from)).collect(),
            negative: negatives.as_ref().map(|parts| at(parts, from)),
        };
        Self {
            turns: begins.into_iter().map(turn).collect(),
            weights: match &joined[..] {
                [_] => Vec::new(),
                several => several.iter().map(|it| it.weight).collect(),
            },
            is_guided,
            takes_scale,
            reading,
        }
    }

    /// Whether the denoiser is asked once more, for what to steer away from.
    pub fn is_guided(&self) -> bool {
        self.is_guided
    }

    /// What is asked for in words that stay the same, where they are one text.
    pub fn asked(&self) -> Option<Asked<'_>> {
        let [turn] = &self.turns[..] else {
            return None;
        };
        let [prompt] = &turn.prompts[..] else {
            return None;
        };
        Some(Asked::Text {
            prompt,
            negative: turn.negative.as_deref(),
            reading: self.reading,
        })
    }

    /// What a run is told that is told this besides words that change.
    pub fn told(
        &self,
        conditioning: Conditioning,
        guidance_scale: f32,
        model: &Model,
        bench: &mut Bench<'_>,
    ) -> Told {
        let mut turns = match self.asked() {
            Some(_) => Vec::new(),
            None => self.encoded(model, bench),
        };
        let first = (!turns.is_empty()).then(|| turns.remove(0).1);
        Told {
            conditioning: match first {
                Some(words) => conditioning.but(words),
                None => conditioning,
            },
            guidance: Guidance {
                weights: self.weights.clone(),
                ..Guidance::of(if self.takes_scale {
                    guidance_scale
                } else {
                    1.0
                })
            },
            later: turns,
            boxes: None,
        }
    }

    /// What the denoiser is told of words, by the number of steps that are done. Every
    /// text is encoded once, and all are as long as the longest.
    fn encoded(&self, model: &Model, bench: &mut Bench<'_>) -> Vec<(usize, Conditioning)> {
        let mut known: HashMap<&str, Conditioning> = HashMap::new();
        let mut negatives: HashMap<&str, Conditioning> = HashMap::new();
        let mut told_of = |prompt: &str, negative: Option<&str>| {
            let asked = Asked::Text {
                prompt,
                negative,
                reading: self.reading,
            };
            model.told_of(&asked, bench)
        };
        for turn in &self.turns {
            for text in turn.prompts.iter().map(String::as_str).chain([""]) {
                known.entry(text).or_insert_with(|| told_of(text, None));
            }
            if let Some(text) = turn.negative.as_deref() {
                let free = || told_of("", Some(text)).branch(0);
                negatives.entry(text).or_insert_with(free);
            }
        }
        let nothing = known.get("").cloned().unwrap_or_default();
        let of = |known: &HashMap<&str, Conditioning>, text: &str| {
            known.get(text).cloned().unwrap_or_default()
        };
        // Each of several texts is as long all the way as it is at its longest.
        let longest = |which: usize| {
            let texts = self.turns.iter().map(|turn| &turn.prompts[which]);
            texts
                .map(|text| length(&of(&known, text)))
                .max()
                .unwrap_or(0)
        };
        let lengths: Vec<usize> = (0..self.turns[0].prompts.len()).map(longest).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let all = negatives.values().map(length).fold(longest, usize::max);
        let turns = self.turns.iter().map(|turn| {
            let texts = turn.prompts.iter().zip(&lengths);
            let mut texts = texts.map(|(text, own)| {
                let told = padded(of(&known, text), &nothing, *own);
                padded(stretched(told, longest), &nothing, all)
            });
            let prompt = texts.next().unwrap_or_default();
            let others = texts.collect();
            let told = match &turn.negative {
                Some(text) => {
                    let free = of(&negatives, text);
                    // Of no words there is no more than that, which may be told as zeros.
                    let filler = match text.trim().is_empty() {
                        true => free.clone(),
                        false => nothing.clone(),
                    };
                    Conditioning::branches(padded(free, &filler, all), prompt)
                }
                None => prompt,
            };
            (turn.from, Conditioning { others, ..told })
        });
        turns.collect()
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
    let context = told.context.into_iter().map(|(name, tokens)| {
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
        context: context.collect(),
        ..told
    }
}

/// With its last token again and again until it is so long, as the web UI makes the texts
/// equally long that a prompt joins.
fn stretched(told: Conditioning, length: usize) -> Conditioning {
    let context = told.context.into_iter().map(|(name, tokens)| {
        let own = tokens.dims()[1];
        if own == 0 || own >= length {
            return (name, tokens);
        }
        let last = tokens.clone().narrow(1, own - 1, 1);
        let again = last.repeat_dim(1, length - own);
        (name, Tensor::cat(vec![tokens, again], 1))
    });
    Conditioning {
        context: context.collect(),
        ..told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(prompt: &str, negative: Option<&str>, steps: usize) -> Vec<(usize, String, String)> {
        let texts = [negative.unwrap_or_default(), prompt];
        let spoken = Spoken::new(texts, negative.is_some(), TextReading::default(), steps);
        let turns = spoken.turns.into_iter();
        let turn = |turn: Turn| {
            let prompt = turn.prompts.join(" AND ");
            (turn.from, prompt, turn.negative.unwrap_or_default())
        };
        turns.map(turn).collect()
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
        assert_eq!(
            turns("[a:b:0.5] AND c :2", None, 8),
            [(0, "a AND c"), (4, "b AND c")].map(|(from, it)| (from, it.to_owned(), String::new()))
        );
    }

    #[test]
    fn several_texts_are_asked_beside_one_to_steer_away_from() {
        let new = |prompt, takes_scale| {
            Spoken::new(
                ["fog AND rain", prompt],
                takes_scale,
                TextReading::default(),
                4,
            )
        };
        let one = new("a cat :2", false);
        assert!(!one.is_guided() && one.weights.is_empty() && one.asked().is_some());
        let two = new("a cat :2 AND a dog", false);
        assert!(two.is_guided() && two.asked().is_none());
        assert_eq!(two.weights, [2.0, 1.0]);
        // What to steer away from is one text.
        assert_eq!(two.turns[0].negative.as_deref(), Some("fog AND rain"));
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
