//! More and less emphasis by keys.

use std::ops::Range;

/// How much a press changes a weight.
const STEP: f64 = 0.1;

/// What brackets without a number mean.
const BRACKETS: f64 = 1.1;

/// Signs beside spaces that end a word.
const ENDS: &str = ".,\\/!?%^*;:{}=`~()[]|<>";

/// The text with more or less emphasis on the letters that are selected, or on the
/// brackets or the word that the cursor stands in; and the letters afterwards. Places are
/// counted in letters. `None` where there is nothing to emphasise.
pub fn stepped(text: &str, selected: Range<usize>, more: bool) -> Option<(String, Range<usize>)> {
    let letters: Vec<char> = text.chars().collect();
    let end = selected.end.min(letters.len());
    let selected = selected.start.min(end)..end;
    let around = if selected.is_empty() {
        Emphasis::around(&letters, selected.start)
    } else {
        Emphasis::of(&letters, &selected)
    };
    let emphasis = match around {
        Some(emphasis) => emphasis,
        None if selected.is_empty() => Emphasis::none(word_at(&letters, selected.start)),
        None => Emphasis::none(trimmed(&letters, selected)),
    };
    if emphasis.words.is_empty() {
        return None;
    }
    let step = if more { STEP } else { -STEP };
    // Sums of tenths are no tenths.
    let weight = ((emphasis.weight + step) * 1e6).round() / 1e6;
    let words: String = letters[emphasis.words.clone()].iter().collect();
    let is_plain = weight == 1.0;
    let inside = match weight {
        _ if is_plain => words,
        whole if whole.fract() == 0.0 => format!("({words}:{whole:.1})"),
        weight => format!("({words}:{weight})"),
    };
    let before: String = letters[..emphasis.whole.start].iter().collect();
    let after: String = letters[emphasis.whole.end..].iter().collect();
    let begin = emphasis.whole.start + usize::from(!is_plain);
    let place = begin..begin + emphasis.words.len();
    Some((format!("{before}{inside}{after}"), place))
}

/// Words with what gives them weight.
struct Emphasis {
    /// With brackets and number.
    whole: Range<usize>,
    words: Range<usize>,
    weight: f64,
}

impl Emphasis {
    fn none(words: Range<usize>) -> Self {
        Self {
            whole: words.clone(),
            words,
            weight: 1.0,
        }
    }

    /// The innermost round brackets around a place.
    fn around(letters: &[char], place: usize) -> Option<Self> {
        let is_plain = |at: usize| at > 0 && letters[at - 1] == '\\';
        let mut depth = 0;
        let open = (0..place).rev().find(|at| {
            match letters[*at] {
                ')' if !is_plain(*at) => depth += 1,
                '(' if !is_plain(*at) && depth == 0 => return true,
                '(' if !is_plain(*at) => depth -= 1,
                _ => {}
            }
            false
        })?;
        depth = 0;
        let close = (place..letters.len()).find(|at| {
            match letters[*at] {
                '(' if !is_plain(*at) => depth += 1,
                ')' if !is_plain(*at) && depth == 0 => return true,
                ')' if !is_plain(*at) => depth -= 1,
                _ => {}
            }
            false
        })?;
        Some(Self::between(letters, open, close))
    }

    /// The brackets directly around selected letters.
    fn of(letters: &[char], selected: &Range<usize>) -> Option<Self> {
        let open = selected.start.checked_sub(1)?;
        let found = Self::around(letters, selected.start)?;
        let is_whole = found.whole.start == open && found.words.end == selected.end;
        is_whole.then_some(found)
    }

    fn between(letters: &[char], open: usize, close: usize) -> Self {
        let inside = &letters[open + 1..close];
        let colon = inside.iter().rposition(|letter| *letter == ':');
        let number = colon.and_then(|colon| {
            let number: String = inside[colon + 1..].iter().collect();
            let number = number.trim().parse::<f64>().ok()?;
            number.is_finite().then_some((colon, number))
        });
        let (length, weight) = number.unwrap_or((inside.len(), BRACKETS));
        Self {
            whole: open..close + 1,
            words: open + 1..open + 1 + length,
            weight,
        }
    }
}

fn word_at(letters: &[char], place: usize) -> Range<usize> {
    let ends = |letter: &char| letter.is_whitespace() || ENDS.contains(*letter);
    let before = letters[..place].iter().rev().take_while(|it| !ends(it));
    let after = letters[place..].iter().take_while(|it| !ends(it));
    place - before.count()..place + after.count()
}

fn trimmed(letters: &[char], selected: Range<usize>) -> Range<usize> {
    let inside = &letters[selected.clone()];
    let before = inside.iter().take_while(|it| it.is_whitespace()).count();
    let after = inside[before..].iter().rev();
    let after = after.take_while(|it| it.is_whitespace()).count();
    selected.start + before..selected.end - after
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` stands where the cursor is, or around what is selected.
    fn step(marked: &str, more: bool) -> String {
        let places: Vec<usize> = marked
            .chars()
            .enumerate()
            .filter(|(_, letter)| *letter == '|')
            .map(|(at, _)| at)
            .collect();
        let selected = match places[..] {
            [at] => at..at,
            [from, to] => from..to - 1,
            _ => panic!("{marked}"),
        };
        match stepped(&marked.replace('|', ""), selected, more) {
            None => "nothing".to_owned(),
            Some((text, place)) => {
                let mut letters: Vec<char> = text.chars().collect();
                letters.insert(place.end, '|');
                letters.insert(place.start, '|');
                letters.into_iter().collect()
            }
        }
    }

    #[test]
    fn the_word_or_the_brackets_at_the_cursor_get_weight() {
        for (before, more, after) in [
            ("a re|d house", true, "a (|red|:1.1) house"),
            ("a |red house", false, "a (|red|:0.9) house"),
            ("a |red house| by", true, "a (|red house|:1.1) by"),
            ("a| red |house", true, "a (|red|:1.1) house"),
            ("a (|red|:1.1) house", true, "a (|red|:1.2) house"),
            ("a (re|d:1.1) house", false, "a |red| house"),
            ("a (red ho|use:1.9)", true, "a (|red house|:2.0)"),
            ("a ((r|ed)) house", true, "a ((|red|:1.2)) house"),
            ("(a (red) ho|use:1.2)", true, "(|a (red) house|:1.3)"),
            ("été|, hiver", true, "(|été|:1.1), hiver"),
            (r"a \(re|d\)", true, r"a \((|red|:1.1)\)"),
            ("[re|d:blue:0.5]", true, "[(|red|:1.1):blue:0.5]"),
            ("a (re|d:0.1)", false, "a (|red|:0.0)"),
            ("a (re|d:0.0)", false, "a (|red|:-0.1)"),
            ("a, |", true, "nothing"),
            ("|", true, "nothing"),
        ] {
            assert_eq!(step(before, more), after, "{before}");
        }
    }

    #[test]
    fn as_much_less_as_more_is_nothing() {
        let mut state = ("a red house".to_owned(), 3..3);
        for more in [true, true, true, false, false, false] {
            state = stepped(&state.0, state.1, more).expect("a word");
        }
        assert_eq!(state, ("a red house".to_owned(), 2..5));
    }
}
