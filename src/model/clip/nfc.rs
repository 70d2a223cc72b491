//! Canonical composition of Unicode: letter and accent become one letter.
//!
//! Text typed by hand comes composed; text copied from file names of macOS does
//! not, and CLIP's vocabulary was learned on composed text. Neighbours are
//! composed as in Unicode Standard Annex 15; marks are not reordered first, and
//! signs that are only historic doubles of letters are left alone.

use std::collections::HashMap;
use std::sync::LazyLock;

/// First letter, mark and result of each primary composite, in hexadecimal
/// (from the Unicode Character Database).
static PAIRS: LazyLock<HashMap<(char, char), char>> = LazyLock::new(|| {
    let letter = |digits: Option<&str>| {
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32)
    };
    include_str!("nfc.txt")
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            Some((
                (letter(fields.next())?, letter(fields.next())?),
                letter(fields.next())?,
            ))
        })
        .collect()
});

/// Composes neighbouring letters and marks.
pub(super) fn compose(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out: Vec<char> = Vec::with_capacity(text.len());
    for next in text.chars() {
        match out.last().and_then(|last| pair(*last, next)) {
            Some(composed) => {
                out.pop();
                out.push(composed);
            }
            None => out.push(next),
        }
    }
    out.into_iter().collect()
}

fn pair(first: char, second: char) -> Option<char> {
    hangul(first as u32, second as u32).or_else(|| PAIRS.get(&(first, second)).copied())
}

/// Korean syllables are composed by arithmetic (Unicode Standard, §3.12).
fn hangul(first: u32, second: u32) -> Option<char> {
    const LEADS: std::ops::Range<u32> = 0x1100..0x1113;
    const VOWELS: std::ops::Range<u32> = 0x1161..0x1176;
    const TAILS: std::ops::Range<u32> = 0x11A8..0x11C3;
    const SYLLABLES: std::ops::Range<u32> = 0xAC00..0xD7A4;
    const WITH_TAILS: u32 = 28;
    if LEADS.contains(&first) && VOWELS.contains(&second) {
        let vowels = VOWELS.end - VOWELS.start;
        char::from_u32(
            SYLLABLES.start + ((first - LEADS.start) * vowels + second - VOWELS.start) * WITH_TAILS,
        )
    } else if SYLLABLES.contains(&first)
        && (first - SYLLABLES.start).is_multiple_of(WITH_TAILS)
        && TAILS.contains(&second)
    {
        char::from_u32(first + second - TAILS.start + 1)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::compose;

    #[test]
    fn letters_and_accents_become_one() {
        assert_eq!(compose("cafe\u{301}"), "café");
        assert_eq!(compose("o\u{302}\u{301}"), "ố");
        assert_eq!(compose("\u{1112}\u{1161}\u{11ab}"), "한");
        assert_eq!(compose("x\u{301}"), "x\u{301}");
    }
}
