//! `[a:b:0.5]`, `[a:0.5]`, `[a::0.5]` and `[a|b]`: texts that change from step to step,
//! as the web UI of AUTOMATIC1111 has them.
//!
//! In `[before:after:when]` the number is a share of the steps where it has a point, and
//! else a number of steps; `[a|b]` is each of its texts in turn, a step each.

use std::collections::HashMap;

use super::brackets::{MOST_DEPTH, pairs, split};

/// A text that holds for some steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Steps that are done before it holds.
    pub from: usize,
    /// The text, without schedules.
    pub text: String,
}

impl Part {
    /// A text that holds from the beginning.
    pub fn whole(text: &str) -> Self {
        Self {
            from: 0,
            text: text.to_owned(),
        }
    }
}

/// The texts of so many steps.
pub(super) fn parts(text: &str, steps: usize) -> Vec<Part> {
    if !text.contains('[') {
        return vec![Part::whole(text)];
    }
    let pairs = pairs(text, &[[b'(', b')'], [b'[', b']']]);
    let schedule = Schedule { text, pairs, steps };
    let mut parts: Vec<Part> = Vec::new();
    for from in 0..steps.max(1) {
        let mut text = String::with_capacity(schedule.text.len());
        schedule.write((0, schedule.text.len()), from, MOST_DEPTH, &mut text);
        if parts.last().is_none_or(|last| last.text != text) {
            parts.push(Part { from, text });
        }
    }
    parts
}

struct Schedule<'t> {
    text: &'t str,
    pairs: HashMap<usize, usize>,
    steps: usize,
}

impl Schedule<'_> {
    /// Writes a stretch of the text as it is once so many steps are done.
    fn write(&self, (begin, end): (usize, usize), done: usize, depth: usize, out: &mut String) {
        let bytes = self.text.as_bytes();
        let (mut at, mut copied) = (begin, begin);
        while at < end {
            match bytes[at] {
                b'\\' => at += 2,
                b'[' if depth > 0 => {
                    let close = self.pairs.get(&at).copied();
                    let chosen = close.and_then(|close| {
                        let chosen = self.chosen((at + 1, close), done)?;
                        Some((close, chosen))
                    });
                    let Some((close, chosen)) = chosen else {
                        at += 1;
                        continue;
                    };
                    out.push_str(&self.text[copied..at]);
                    self.write(chosen, done, depth - 1, out);
                    at = close + 1;
                    copied = at;
                }
                _ => at += 1,
            }
        }
        out.push_str(&self.text[copied..end]);
    }

    /// What of a bracket's inside holds once so many steps are done; `None` if it is
    /// neither a schedule nor an alternation.
    fn chosen(&self, inside: (usize, usize), done: usize) -> Option<(usize, usize)> {
        let (parts, signs) = split(self.text, inside, &self.pairs, b":|");
        if !signs.is_empty() && signs.iter().all(|sign| *sign == b'|') {
            return Some(parts[done % parts.len()]);
        }
        let (before, after, when) = match (&parts[..], &signs[..]) {
            ([after, when], [b':']) => ((after.0, after.0), *after, *when),
            ([before, after, when], [b':', b':']) => (*before, *after, *when),
            _ => return None,
        };
        let last = self.last_step(self.text[when.0..when.1].trim())?;
        Some(if done < last { before } else { after })
    }

    /// The number of the last step before the change.
    fn last_step(&self, number: &str) -> Option<usize> {
        let is_sign = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let value = number.chars().all(is_sign).then(|| number.parse::<f64>());
        let value = value?.ok()?;
        let steps = match number.contains('.') {
            true => value * self.steps as f64,
            false => value,
        };
        // The cast saturates, and cuts as Python's does.
        Some((steps as usize).min(self.steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, steps: usize) -> Vec<(usize, String)> {
        let parts = parts(text, steps).into_iter();
        parts.map(|part| (part.from, part.text)).collect()
    }

    fn is(text: &str, wanted: &[(usize, &str)]) {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(from, text)| (*from, (*text).to_owned()))
            .collect();
        assert_eq!(of(text, 10), wanted, "{text}");
    }

    /// The cases are those that the web UI's own parser is documented by.
    #[test]
    fn texts_change_where_the_web_ui_changes_them() {
        is("test", &[(0, "test")]);
        is("a [b:3]", &[(0, "a "), (3, "a b")]);
        is("a [b: 3]", &[(0, "a "), (3, "a b")]);
        is("a [[[b]]:2]", &[(0, "a "), (2, "a [[b]]")]);
        is("[(a:2):3]", &[(0, ""), (3, "(a:2)")]);
        is("a [b : c : 1] d", &[(0, "a b  d"), (1, "a  c  d")]);
        is("a[b:[c:d:2]:1]e", &[(0, "abe"), (1, "ace"), (2, "ade")]);
        is("a [unbalanced", &[(0, "a [unbalanced")]);
        is("a [b:.5] c", &[(0, "a  c"), (5, "a b c")]);
        is("((a][:b:c [d:3]", &[(0, "((a][:b:c "), (3, "((a][:b:c d")]);
        is("a [b::0.25]", &[(0, "a b"), (2, "a ")]);
        is("[a:b:1.0]", &[(0, "a")]);
        is("[a:b:0]", &[(0, "b")]);
        is("[a:b:-2]", &[(0, "b")]);
    }

    #[test]
    fn alternatives_take_turns() {
        assert_eq!(
            of("[a|(b:1.1)|]", 4),
            [(0, "a"), (1, "(b:1.1)"), (2, ""), (3, "a")].map(|(n, it)| (n, it.to_owned()))
        );
        let nested = of("[[a:b:2]|c]", 4);
        assert_eq!(nested.len(), 4);
        assert_eq!(nested[2].1, "b");
    }

    #[test]
    fn what_is_neither_stays_text() {
        for text in [
            "[a]",
            "[a:b]",
            "[a:b:c]",
            "[a:b:c:1]",
            "[a:1|b]",
            r"\[a:b:0.5]",
            r"[a:b:0.5\]",
            "[:]",
            "[a:inf]",
            "[a (b:0.5]",
            "a|b",
            "a:b:0.5",
            "",
        ] {
            assert_eq!(of(text, 10), [(0, text.to_owned())], "{text}");
        }
        let deep = format!("{}a{}", "[".repeat(3000), ":0.5]".repeat(3000));
        assert!(of(&deep, 10).len() <= 2);
    }
}
