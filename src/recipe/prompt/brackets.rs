//! Which brackets belong together.

use std::collections::HashMap;

/// Deepest nesting that means something; further in, brackets are text.
pub(super) const MOST_DEPTH: usize = 32;

/// The places of closing brackets by those of their opening ones. Only brackets of
/// which all that lies between is balanced too have a partner, and none that follows
/// a backslash.
pub(super) fn pairs(text: &str, kinds: &[[u8; 2]]) -> HashMap<usize, usize> {
    let mut pairs = HashMap::new();
    let mut open: Vec<(usize, u8)> = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            // The next letter means itself. Further bytes of it are no brackets.
            bytes.next();
            continue;
        }
        if let Some([_, close]) = kinds.iter().find(|[open, _]| *open == byte) {
            open.push((at, *close));
        } else if kinds.iter().any(|[_, close]| *close == byte) {
            match open.pop() {
                Some((begin, close)) if close == byte => {
                    pairs.insert(begin, at);
                }
                // Whatever is open would hold a bracket without a partner.
                _ => open.clear(),
            }
        }
    }
    pairs
}

/// The parts of a stretch of text between signs that lie in none of its brackets, and
/// these signs.
pub(super) fn split(
    text: &str,
    (begin, end): (usize, usize),
    pairs: &HashMap<usize, usize>,
    signs: &[u8],
) -> (Vec<(usize, usize)>, Vec<u8>) {
    let bytes = text.as_bytes();
    let (mut parts, mut found) = (Vec::new(), Vec::new());
    let (mut at, mut part) = (begin, begin);
    while at < end {
        match bytes[at] {
            b'\\' => at += 1,
            sign if signs.contains(&sign) => {
                parts.push((part, at));
                found.push(sign);
                part = at + 1;
            }
            _ => {
                if let Some(close) = pairs.get(&at) {
                    at = *close;
                }
            }
        }
        at += 1;
    }
    parts.push((part, end));
    (parts, found)
}
