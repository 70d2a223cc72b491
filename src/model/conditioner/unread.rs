//! Prompts that are longer than a model reads.

use super::super::ClipTokenizer;

/// Words of more tokens are cut within: scripts without spaces are one word.
const LONG_WORD: usize = 16;

/// The end of a text that a model does not read, from the first word on with which it
/// no longer fits; empty when all of it fits.
pub(super) fn unread<'a>(
    tokenizer: &ClipTokenizer,
    text: &'a str,
    fits: impl Fn(&str) -> bool,
) -> &'a str {
    if fits(text) {
        return "";
    }
    let fits = |end: usize| fits(&text[..end]);
    let place = |word: &'a str| word.as_ptr() as usize - text.as_ptr() as usize;
    let words: Vec<&str> = text.split_whitespace().collect();
    let first = words.partition_point(|word| fits(place(word) + word.len()));
    let Some(word) = words.get(first).copied() else {
        return "";
    };
    if tokenizer.tokens(word).len() <= LONG_WORD {
        return &text[place(word)..];
    }
    let letters: Vec<usize> = word
        .char_indices()
        .map(|(at, _)| place(word) + at)
        .collect();
    let cut = letters.partition_point(|at| fits(*at)).max(1);
    &text[letters[cut - 1]..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread<'a>(tokenizer: &ClipTokenizer, text: &'a str) -> &'a str {
        let fits = |text: &str| tokenizer.tokens(text).len() <= tokenizer.max_length();
        super::unread(tokenizer, text, fits)
    }

    #[test]
    fn the_words_that_do_not_fit_are_those_that_change_nothing() {
        let tokenizer = ClipTokenizer::train(["a red house on a green hill"], 560, 12).unwrap();
        let text = "a red house on a green hill with seven windows and a door";
        let rest = unread(&tokenizer, text);
        assert!(!rest.is_empty() && text.ends_with(rest) && text.contains(&format!(" {rest}")));
        let read = text.strip_suffix(rest).unwrap();
        assert_eq!(unread(&tokenizer, read), "");
        let other = format!("{read}zebra zebra zebra");
        let same = tokenizer.encode(text)[..tokenizer.tokens(read).len() - 1]
            == tokenizer.encode(&other)[..tokenizer.tokens(read).len() - 1];
        assert!(same, "what is read is the same");
        assert_eq!(unread(&tokenizer, "a red house"), "");
        assert_eq!(unread(&tokenizer, ""), "");
    }

    #[test]
    fn scripts_without_spaces_are_cut_within() {
        let tokenizer = ClipTokenizer::train(["a hill"], 514, 12).unwrap();
        let rest = unread(&tokenizer, "草原上的红房子和一条河");
        assert!(!rest.is_empty() && !rest.starts_with('草'), "{rest}");
    }
}
