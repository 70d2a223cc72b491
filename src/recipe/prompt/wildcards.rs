//! `{a|b|c}`: one of them, chosen by the seed.

use std::borrow::Cow;
use std::collections::HashMap;

use super::brackets::{MOST_DEPTH, pairs, split};
use crate::random::Random;

/// The text with one of the alternatives in the place of each group. Braces without
/// alternatives are text, and so are those after a backslash.
pub(super) fn resolved(text: &str, seed: u64, stream: u64) -> Cow<'_, str> {
    if !text.contains('{') {
        return Cow::Borrowed(text);
    }
    let mut wildcards = Wildcards {
        text,
        // Square brackets may hold alternatives of their own, that of steps.
        pairs: pairs(text, &[[b'{', b'}'], [b'[', b']']]),
        random: Random::new(seed, stream),
        resolved: String::with_capacity(text.len()),
    };
    wildcards.resolve((0, text.len()), MOST_DEPTH);
    Cow::Owned(wildcards.resolved)
}

struct Wildcards<'t> {
    text: &'t str,
    pairs: HashMap<usize, usize>,
    random: Random,
    resolved: String,
}

impl Wildcards<'_> {
    fn resolve(&mut self, (begin, end): (usize, usize), depth: usize) {
        let (mut at, mut copied) = (begin, begin);
        let bytes = self.text.as_bytes();
        while at < end {
            if bytes[at] == b'\\' {
                at += 2;
                continue;
            }
            let close = self.pairs.get(&at).copied();
            let is_choice = bytes[at] == b'{' && depth > 0;
            let Some(close) = close.filter(|_| is_choice) else {
                at += 1;
                continue;
            };
            let inside = (at + 1, close);
            let (choices, _) = split(self.text, inside, &self.pairs, b"|");
            if choices.len() < 2 {
                at += 1;
                continue;
            }
            self.resolved.push_str(&self.text[copied..at]);
            let chosen = self.random.below(choices.len() as u64) as usize;
            self.resolve(choices[chosen], depth - 1);
            at = close + 1;
            copied = at;
        }
        self.resolved.push_str(&self.text[copied..end]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> BTreeSet<String> {
        (0..200)
            .map(|seed| resolved(text, seed, 0).into_owned())
            .collect()
    }

    #[test]
    fn every_alternative_is_chosen_by_some_seed() {
        let found = all("a {red|green|} {house|{fir|oak} tree}");
        assert_eq!(found.len(), 9, "{found:?}");
        assert!(found.contains("a  house") && found.contains("a green oak tree"));
        let again = || resolved("{a|b|c} {a|b|c} {a|b|c}", 7, 1);
        assert_eq!(again(), again());
        assert_eq!(all("{[a|b]|c}"), ["[a|b]", "c"].map(str::to_owned).into());
    }

    #[test]
    fn what_is_no_choice_stays() {
        for text in ["a {prompt}", r"\{a|b\}", "a|b", "{a|b", "}a|b{", "", "{"] {
            assert_eq!(resolved(text, 3, 0), text);
        }
        assert_eq!(all("{x {a|b}"), ["{x a", "{x b"].map(str::to_owned).into());
        let deep = format!("{}a|b{}", "{x|".repeat(10_000), "}".repeat(10_000));
        assert!(resolved(&deep, 1, 0).len() <= deep.len());
    }

    proptest! {
        #[test]
        fn what_is_resolved_stays_as_it_is(text in r"[ab{}|\[\]\\é]{0,24}", seed: u64) {
            let once = resolved(&text, seed, 0).into_owned();
            prop_assert_eq!(resolved(&once, seed.wrapping_add(1), 0), once.as_str());
        }
    }
}
