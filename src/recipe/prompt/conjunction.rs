//! `a cat AND a dog :0.8`: texts that a model is asked for one by one, and that lead the
//! picture together, as the web UI of AUTOMATIC1111 has it (Liu et al. 2022,
//! <https://arxiv.org/abs/2206.01714>).

use std::sync::LazyLock;

use regex::Regex;

use super::attention::MOST_WEIGHT;

/// Texts that a prompt may join: each is one more pass through the denoiser. From there on
/// the word is text.
const MOST_JOINED: usize = 32;

static AND: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bAND\b").expect("the pattern is constant and valid"));

static WEIGHT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\s*:\s*([+-]?(?:[0-9]*\.[0-9]+|[0-9]+\.?))\s*$")
        .expect("the pattern is constant and valid")
});

/// One of the texts that a prompt joins.
#[derive(Clone, Debug, PartialEq)]
pub struct Conjunct {
    /// The text; of several it may be empty.
    pub text: String,
    /// How strongly it leads: what it adds to the branch to steer away from is multiplied
    /// by it. Below 0 the picture is led away.
    pub weight: f32,
}

/// The texts that a prompt joins, in its order; at least one. Where there is only one, it is
/// the whole prompt with a weight of 1.
pub(super) fn conjuncts(text: &str) -> Vec<Conjunct> {
    let parts: Vec<&str> = AND.splitn(text, MOST_JOINED).collect();
    if parts.len() == 1 {
        return vec![Conjunct {
            text: text.to_owned(),
            weight: 1.0,
        }];
    }
    parts.into_iter().map(weighted).collect()
}

/// A text without the weight at its end.
fn weighted(part: &str) -> Conjunct {
    let found = WEIGHT.captures(part).and_then(|found| {
        let weight: f32 = found[1].parse().ok()?;
        Some((found.get(0)?.start(), weight))
    });
    let (end, weight) = found.unwrap_or((part.len(), 1.0));
    Conjunct {
        text: part[..end].trim().to_owned(),
        weight: weight.clamp(-MOST_WEIGHT, MOST_WEIGHT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(text: &str, wanted: &[(&str, f32)]) {
        let wanted: Vec<Conjunct> = wanted
            .iter()
            .map(|(text, weight)| Conjunct {
                text: (*text).to_owned(),
                weight: *weight,
            })
            .collect();
        assert_eq!(conjuncts(text), wanted, "{text}");
    }

    #[test]
    fn texts_are_split_and_weighed_as_in_the_web_ui() {
        is("a cat AND a dog", &[("a cat", 1.0), ("a dog", 1.0)]);
        is(
            "a cat :1.2 AND a dog AND fog:-1",
            &[("a cat", 1.2), ("a dog", 1.0), ("fog", -1.0)],
        );
        is("a\nAND\nb : .5 ", &[("a", 1.0), ("b", 0.5)]);
        is("a:2. AND b:+0", &[("a", 2.0), ("b", 0.0)]);
        is("at 10 : 30 : 2 AND b", &[("at 10 : 30", 2.0), ("b", 1.0)]);
        // Brackets are looked at only afterwards.
        is("(a AND b:1.3)", &[("(a", 1.0), ("b:1.3)", 1.0)]);
        is("[a AND b:0.5]", &[("[a", 1.0), ("b:0.5]", 1.0)]);
        is(
            "(a:1.3) AND [b:c:0.5]",
            &[("(a:1.3)", 1.0), ("[b:c:0.5]", 1.0)],
        );
        is("a,AND(b)", &[("a,", 1.0), ("(b)", 1.0)]);
    }

    #[test]
    fn nothing_that_is_written_is_wrong() {
        is("a AND", &[("a", 1.0), ("", 1.0)]);
        is("AND :0.5", &[("", 1.0), ("", 0.5)]);
        is("a AND  AND b", &[("a", 1.0), ("", 1.0), ("b", 1.0)]);
        is("a:1.2.3 AND b: x", &[("a:1.2.3", 1.0), ("b: x", 1.0)]);
        let absurd = format!("a:{} AND b", "9".repeat(400));
        is(&absurd, &[("a", MOST_WEIGHT), ("b", 1.0)]);
        let many = conjuncts(&"a AND ".repeat(1000));
        assert_eq!(many.len(), MOST_JOINED);
        assert!(many[MOST_JOINED - 1].text.contains("AND"));
    }

    #[test]
    fn other_words_join_nothing() {
        for text in [
            "a cat and a dog",
            "SAND, LANDS",
            "a_AND_b",
            r"AN\D",
            " a cat :1.2 ",
            "16:9",
            "",
        ] {
            is(text, &[(text, 1.0)]);
        }
    }
}
