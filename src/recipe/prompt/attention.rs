//! `(a)`, `(a:1.3)`, `[a]`, `\(` and `BREAK`: how strongly parts of a text act, as the
//! web UI of AUTOMATIC1111 has it.

use std::sync::LazyLock;

use regex::Regex;

use super::brackets::MOST_DEPTH;

/// What round brackets multiply by, and square ones divide by.
const STEP: f64 = 1.1;

/// Largest weight either way: beyond, networks only answer with nonsense.
pub const MOST_WEIGHT: f32 = 1000.0;

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text that acts with a weight; 1 is as it would alone.
    Text(String, f32),
    /// Here a new part of the prompt begins, for models that read in parts.
    Break,
    /// A break within brackets that multiply its weight: such models read it as a word of
    /// that weight, as they do in the web UI.
    BreakWord(f32),
}

/// The word that breaks a prompt.
pub const BREAK_WORD: &str = "BREAK";
/// The weight by which the web UI knows a break.
const BREAK_WEIGHT: f64 = -1.0;

/// The text of pieces, without what gave them weight.
pub fn joined(pieces: &[Piece]) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text, _) => text,
        Piece::Break | Piece::BreakWord(_) => "\n",
    });
    texts.collect()
}

static SIGNS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\\[()\[\]\\]|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|:")
        .expect("the pattern is constant and valid")
});

static BREAK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\s*\bBREAK\b\s*").expect("the pattern is constant and valid"));

/// The pieces of a text; neighbours differ in weight.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Found::default();
    // Where brackets begin that are open; `None` for those that are text.
    let (mut round, mut square) = (Vec::new(), Vec::new());
    for part in SIGNS.captures_iter(text) {
        let sign = &part[0];
        match sign {
            "(" | "[" => {
                let is_text = round.len() + square.len() >= MOST_DEPTH;
                let begin = found.open(sign, is_text);
                match sign {
                    "(" => round.push(begin),
                    _ => square.push(begin),
                }
            }
            "]" if !square.is_empty() => found.close(square.pop(), 1.0 / STEP, sign),
            ")" if !round.is_empty() => found.close(round.pop(), STEP, sign),
            _ if sign.starts_with('\\') => found.push(&sign[1..]),
            _ => match part.get(1).filter(|_| !round.is_empty()) {
                Some(number) => match number.as_str().parse() {
                    Ok(weight) => found.close(round.pop(), weight, sign),
                    // Text, such as that of a time, in plain brackets.
                    Err(_) => {
                        found.push(&sign[..sign.len() - 1]);
                        found.close(round.pop(), STEP, ")");
                    }
                },
                None => found.push_words(sign),
            },
        }
    }
    // Brackets that are not closed hold to the end.
    let open = round.into_iter().map(|begin| (begin, STEP));
    for (begin, factor) in open.chain(square.into_iter().map(|begin| (begin, 1.0 / STEP))) {
        if let Some(begin) = begin {
            found.multiply(begin, factor);
        }
    }
    found.merged()
}

/// Pieces with their weights; the text of a break is `None`.
#[derive(Default)]
struct Found(Vec<(Option<String>, f64)>);

impl Found {
    fn push(&mut self, text: &str) {
        self.0.push((Some(text.to_owned()), 1.0));
    }

    fn push_words(&mut self, text: &str) {
        for (index, part) in BREAK.split(text).enumerate() {
            if index > 0 {
                self.0.push((None, BREAK_WEIGHT));
            }
            self.push(part);
        }
    }

    /// Where a bracket begins; `None` for one that is text.
    fn open(&mut self, sign: &str, is_text: bool) -> Option<usize> {
        if is_text {
            self.push(sign);
            return None;
        }
        Some(self.0.len())
    }

    /// Closes the innermost bracket, as which its opening one was taken.
    fn close(&mut self, open: Option<Option<usize>>, factor: f64, sign: &str) {
        match open.flatten() {
            Some(begin) => self.multiply(begin, factor),
            None => self.push(sign),
        }
    }

    fn multiply(&mut self, begin: usize, factor: f64) {
        for (_, weight) in &mut self.0[begin..] {
            *weight *= factor;
        }
    }

    fn merged(self) -> Vec<Piece> {
        let mut merged: Vec<(Option<String>, f64)> = Vec::with_capacity(self.0.len());
        for (text, own) in self.0 {
            match (merged.last_mut(), text) {
                (Some((Some(before), weight)), Some(text)) if *weight == own => {
                    before.push_str(&text);
                }
                (_, text) => merged.push((text, own)),
            }
        }
        let most = f64::from(MOST_WEIGHT);
        let pieces = merged.into_iter().map(|(text, weight)| {
            let acts = match weight.is_nan() {
                true => 1.0,
                false => weight.clamp(-most, most) as f32,
            };
            match text {
                Some(text) => Piece::Text(text, acts),
                None if weight == BREAK_WEIGHT => Piece::Break,
                None => Piece::BreakWord(acts),
            }
        });
        pieces.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(text: &str, wanted: &[(&str, f32)]) {
        let wanted: Vec<Piece> = wanted
            .iter()
            .map(|(text, weight)| match *text {
                "BREAK" if *weight == 0.0 => Piece::Break,
                "BREAK" => Piece::BreakWord(*weight),
                text => Piece::Text(text.to_owned(), *weight),
            })
            .collect();
        assert_eq!(pieces(text), wanted, "{text}");
    }

    /// The first cases are those that the web UI's own parser is documented by.
    #[test]
    fn weights_are_those_of_the_web_ui() {
        is("normal text", &[("normal text", 1.0)]);
        let important = [("an ", 1.0), ("important", 1.1), (" word", 1.0)];
        is("an (important) word", &important);
        is("(unbalanced", &[("unbalanced", 1.1)]);
        is(r"\(literal\]", &[("(literal]", 1.0)]);
        is("(unnecessary)(parens)", &[("unnecessaryparens", 1.1)]);
        is(
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            &[
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        );
        is("[a]", &[("a", (1.0 / 1.1) as f32)]);
        is("(a:-0.5) b", &[("a", -0.5), (" b", 1.0)]);
        is("(a : 1.5 ) b", &[("a ", 1.5), (" b", 1.0)]);
    }

    #[test]
    fn breaks_stand_between_texts() {
        let broken = [("a", 1.0), ("BREAK", 0.0), ("b", 1.0)];
        is("a BREAK b", &broken);
        is("a\nBREAK\nb", &broken);
        is(
            "(a:2) BREAK (b)",
            &[("a", 2.0), ("", 1.0), ("BREAK", 0.0), ("", 1.0), ("b", 1.1)],
        );
        is("BREAKFAST", &[("BREAKFAST", 1.0)]);
        assert_eq!(joined(&pieces("a BREAK (b:2)")), "a\nb");
    }

    /// The web UI knows a break by its weight, which brackets change.
    #[test]
    fn breaks_within_weighted_brackets_are_words() {
        is("(a BREAK b:2)", &[("a", 2.0), ("BREAK", -2.0), ("b", 2.0)]);
        is("(a BREAK b:1)", &[("a", 1.0), ("BREAK", 0.0), ("b", 1.0)]);
        is("(a BREAK b", &[("a", 1.1), ("BREAK", -1.1), ("b", 1.1)]);
        assert_eq!(joined(&pieces("(a BREAK b:2)")), "a\nb");
    }

    #[test]
    fn nothing_that_is_written_is_wrong() {
        is("", &[]);
        is("a) b]", &[("a) b]", 1.0)]);
        is("at 10:30", &[("at 10:30", 1.0)]);
        is(
            "(at 1.2.3:4.5.6) b",
            &[("at 1.2.3:4.5.6", 1.1), (" b", 1.0)],
        );
        is(r"\{a\|b\}", &[("{a|b}", 1.0)]);
        let absurd = format!("(a:{})", "9".repeat(400));
        is(&absurd, &[("a", MOST_WEIGHT)]);
        assert!(pieces(&"(".repeat(20_000)).len() <= 1);
    }

    /// Each bracket that means something goes over all that it holds.
    #[test]
    fn brackets_are_text_where_they_are_too_deep() {
        let (open, close) = ("(".repeat(40), ")".repeat(40));
        let text = format!("{open}a{close}b");
        let inner = format!("{}a{}", "(".repeat(8), ")".repeat(8));
        let weight = (0..MOST_DEPTH).fold(1.0, |weight, _| weight * STEP) as f32;
        is(&text, &[(&inner, weight), ("b", 1.0)]);
        let weighted = format!("{}a:2){}", "(".repeat(33), ")".repeat(32));
        is(&weighted, &[("(a:2)", weight)]);
        let many = "(a[b".repeat(8_000);
        assert_eq!(joined(&pieces(&many)).matches('a').count(), 8_000);
    }
}
