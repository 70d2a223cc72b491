//! Words without the things that they name. Where a picture is seen in windows, every window
//! hears all words, and paints a castle wherever it lies; boxes say better where one stands.

/// Words that begin the name of a thing.
const DETERMINERS: &[&str] = &[
    "a", "an", "the", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "some", "several", "many", "few", "its", "his", "her", "their", "my", "our", "another",
];
/// Words that join things.
const JOINTS: &[&str] = &[",", "and", "with", "of"];
/// Words that lead from things to something else: what stands before them is no part of a name.
const HEADS: &[&str] = &[
    "in", "on", "at", "to", "under", "over", "behind", "beside", "from", "near", "by",
];
/// Words between the first word of a name and its noun, at most.
const MOST_BETWEEN: usize = 4;

/// What things are called.
pub(super) struct Names<'a> {
    /// Singulars and plurals, in lower case.
    pub nouns: Vec<&'a str>,
    /// Words for colours.
    pub colours: &'a [String],
    /// Words that say where things lie.
    pub placing: &'a [String],
}

impl Names<'_> {
    /// How many words from here on are the longest noun that stands here; 0 for none.
    fn noun_at(&self, words: &[String]) -> usize {
        let lengths = self.nouns.iter().map(|noun| {
            let parts: Vec<&str> = noun.split(' ').collect();
            let begins =
                words.len() >= parts.len() && words.iter().zip(&parts).all(|(a, b)| a == b);
            if begins { parts.len() } else { 0 }
        });
        lengths.max().unwrap_or(0)
    }

    fn is_colour(&self, word: &str) -> bool {
        self.colours.iter().any(|colour| colour == word)
    }

    /// Whether a word between two names only joins them.
    fn joins(&self, word: &str) -> bool {
        self.places(word)
            || JOINTS.contains(&word)
            || HEADS.contains(&word)
            || DETERMINERS.contains(&word)
    }

    /// How many words at the end only lead to what comes next: "to the left of", "and"; none
    /// from before a comma.
    fn leading(&self, words: &[String]) -> usize {
        let mut is_over = false;
        let back = words.iter().rev().take_while(|word| {
            let leads = !is_over && (JOINTS.contains(&word.as_str()) || self.places(word));
            is_over |= word.as_str() == ",";
            leads
        });
        back.count()
    }

    /// How many words from here on lead to another thing, as "next to" does in "next to a
    /// cow", and "in" does not in "in the hills" and "on a lake".
    fn leading_on(&self, words: &[String]) -> usize {
        let mut count = words.iter().take_while(|word| self.places(word)).count();
        while count > 0 && DETERMINERS.contains(&words[count - 1].as_str()) {
            count -= 1;
        }
        let begins = words.get(count).map(String::as_str);
        let is_thing = begins.is_some_and(|word| DETERMINERS.contains(&word));
        if count > 1 && is_thing { count } else { 0 }
    }

    fn places(&self, word: &str) -> bool {
        self.placing.iter().any(|it| it == word)
    }

    /// Where the name begins whose noun stands at `noun`: at its article or number with what
    /// is said of it, else at its colours. No word before `from` belongs to it.
    fn begin(&self, words: &[String], from: usize, noun: usize) -> usize {
        let before = words[from..noun].iter().enumerate().rev();
        for (back, (at, word)) in before.enumerate() {
            let word = word.as_str();
            if DETERMINERS.contains(&word) || word.bytes().all(|it| it.is_ascii_digit()) {
                return from + at;
            }
            if back >= MOST_BETWEEN || JOINTS.contains(&word) || HEADS.contains(&word) {
                break;
            }
        }
        let colours = words[from..noun].iter().rev();
        noun - colours.take_while(|word| self.is_colour(word)).count()
    }
}

/// A text without the things that it names, and without what joins them to each other:
/// "in the hills, flat style" of "a castle and two trees in the hills, flat style". `None`
/// where it names none.
pub(super) fn without_things(text: &str, names: &Names<'_>) -> Option<String> {
    let spaced = text.to_lowercase().replace(',', " , ");
    let words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let length = names.noun_at(&words[at..]);
        if length == 0 {
            at += 1;
            continue;
        }
        let from = spans.last().map_or(0, |span| span.1);
        spans.push((names.begin(&words, from, at), at + length));
        at += length;
    }
    spans.first()?;
    let mut is_left: Vec<bool> = vec![true; words.len()];
    for (at, (begin, end)) in spans.iter().enumerate() {
        is_left[*begin..*end].fill(false);
        // What leads to a thing that is gone leads nowhere, nor does what leads away from it
        // to another thing.
        let from = at.checked_sub(1).map_or(0, |before| spans[before].1);
        is_left[*begin - names.leading(&words[from..*begin])..*begin].fill(false);
        is_left[*end..*end + names.leading_on(&words[*end..])].fill(false);
    }
    for pair in spans.windows(2) {
        let between = pair[0].1..pair[1].0;
        if words[between.clone()].iter().all(|word| names.joins(word)) {
            is_left[between].fill(false);
        }
    }
    let kept = words.iter().zip(&is_left).filter(|(_, is_left)| **is_left);
    let kept: Vec<&str> = kept.map(|(word, _)| word.as_str()).collect();
    let parts = kept.split(|word| *word == ",");
    let parts = parts.map(|part| {
        let begin = part.iter().take_while(|word| JOINTS.contains(word)).count();
        let part = &part[begin..];
        let end = part.iter().rev();
        let end = end
            .take_while(|word| JOINTS.contains(word) || HEADS.contains(word))
            .count();
        part[..part.len() - end].join(" ")
    });
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    Some(parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(text: &str) -> Option<String> {
        without(text, |_| true)
    }

    fn without(text: &str, is_gone: impl Fn(&str) -> bool) -> Option<String> {
        let words = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let colours = words(&["red", "orange", "yellow"]);
        let placing = words(&[
            "left", "right", "to", "of", "the", "next", "front", "in", "on",
        ]);
        let nouns = vec![
            "castle",
            "castles",
            "horse",
            "horses",
            "tree",
            "trees",
            "pine tree",
            "pine trees",
            "car",
            "cow",
            "cat",
            "sheep",
            "house",
            "orange",
        ];
        without_things(
            text,
            &Names {
                nouns: nouns.into_iter().filter(|noun| is_gone(noun)).collect(),
                colours: &colours,
                placing: &placing,
            },
        )
    }

    #[test]
    fn what_is_said_of_the_whole_is_left() {
        for (text, wanted) in [
            (
                "a castle, a horse and two trees in the hills at sunset, flat style",
                "in the hills at sunset, flat style",
            ),
            ("mountains, a castle with a horse and trees", "mountains"),
            (
                "A big red car to the left of a cow in a meadow by day",
                "in a meadow by day",
            ),
            (
                "in the snow at dawn, three sheep and a sleepy old cow, 3d style",
                "in the snow at dawn, 3d style",
            ),
            (
                "a sticker of a cat on a white background",
                "a sticker on a white background",
            ),
            ("12 pine trees by a lake", "by a lake"),
            ("red house", ""),
            (
                "mountains near a castle, flat style",
                "mountains, flat style",
            ),
        ] {
            assert_eq!(rest(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_said_of_other_things_is_left() {
        for (text, gone, wanted) in [
            (
                "a house, a red car and a cow in a meadow by day, flat style",
                "house",
                "a red car and a cow in a meadow by day, flat style",
            ),
            (
                "a house, a red car and a cow in a meadow",
                "car",
                "a house and a cow in a meadow",
            ),
            (
                "a house, a red car and a cow in a meadow",
                "cow",
                "a house, a red car in a meadow",
            ),
            (
                "a red car to the left of a house in a meadow",
                "house",
                "a red car in a meadow",
            ),
            (
                "a red car to the left of a house in a meadow",
                "car",
                "a house in a meadow",
            ),
            (
                "a house next to the cow in the hills",
                "house",
                "the cow in the hills",
            ),
            (
                "mountains in the background, a castle and a horse",
                "castle",
                "mountains in the background and a horse",
            ),
            (
                "a horse in the hills, a castle, flat style",
                "castle",
                "a horse in the hills, flat style",
            ),
        ] {
            let rest = without(text, |noun| noun.starts_with(gone));
            assert_eq!(rest.as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn nothing_is_taken_away_where_nothing_is_named() {
        assert_eq!(rest("an empty beach at sunset, 3d style"), None);
        assert_eq!(rest("carpets and catalogues"), None);
        assert_eq!(rest(""), None);
    }
}
