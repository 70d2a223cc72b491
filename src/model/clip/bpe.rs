//! Byte-pair encoding as CLIP does it: bytes as printable letters, and a mark at
//! the end of each word (Sennrich et al. 2016, <https://arxiv.org/abs/1508.07909>).

use std::collections::{BTreeMap, HashMap};

/// What CLIP appends to the last piece of a word.
pub(super) const END: &str = "</w>";

/// The printable letter that stands for each byte, in the order of CLIP's
/// vocabulary: printable bytes as themselves, the others from U+0100 on.
pub(super) fn byte_units() -> Vec<(u8, char)> {
    let printable = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let kept = (0..=255u8)
        .filter(printable)
        .map(|byte| (byte, char::from(byte)));
    let others = (0..=255u8).filter(|byte| !printable(byte)).zip('\u{100}'..);
    kept.chain(others).collect()
}

/// A pair of pieces that becomes one piece.
pub(super) type Merge = (String, String);

/// The merges of `merges.txt`, one a line.
pub(super) fn parse_merges(text: &str) -> Result<Vec<Merge>, String> {
    text.lines()
        .filter(|line| !line.starts_with("#version") && !line.trim().is_empty())
        .map(|line| {
            parse_merge(line).ok_or_else(|| format!("the line {line:?} of merges.txt is no pair"))
        })
        .collect()
}

/// A merge as it is written in a line.
pub(super) fn parse_merge(line: &str) -> Option<Merge> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        [left, right] => Some((left.to_owned(), right.to_owned())),
        _ => None,
    }
}

/// The vocabulary that belongs to a list of merges, in CLIP's order: bytes,
/// bytes that end a word, merged pieces.
pub(super) fn pieces(merges: &[Merge]) -> Vec<String> {
    let units: Vec<String> = byte_units()
        .into_iter()
        .map(|(_, letter)| letter.to_string())
        .collect();
    let ends = units.iter().map(|unit| format!("{unit}{END}"));
    let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
    units.iter().cloned().chain(ends).chain(merged).collect()
}

/// Learns up to `count` merges: the most frequent pair first, the
/// alphabetically first among equals.
pub(super) fn learn(words: &BTreeMap<String, usize>, count: usize) -> Vec<Merge> {
    let letters: HashMap<u8, char> = byte_units().into_iter().collect();
    let mut split: Vec<(Vec<String>, usize)> = words
        .iter()
        .filter(|(word, _)| !word.is_empty())
        .map(|(word, times)| {
            let mut pieces: Vec<String> = word
                .bytes()
                .map(|byte| letters[&byte].to_string())
                .collect();
            if let Some(last) = pieces.last_mut() {
                last.push_str(END);
            }
            (pieces, *times)
        })
        .collect();
    let mut merges = Vec::new();
    while merges.len() < count {
        let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (pieces, times) in &split {
            for pair in pieces.windows(2) {
                *pairs.entry((&pair[0], &pair[1])).or_default() += times;
            }
        }
        // `max_by` keeps the last of equals, hence the reversed order of the names.
        let Some(((left, right), _)) = pairs
            .into_iter()
            .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)))
        else {
            break;
        };
        let merge = (left.to_owned(), right.to_owned());
        for (pieces, _) in &mut split {
            merge_all(pieces, &merge);
        }
        merges.push(merge);
    }
    merges
}

fn merge_all(pieces: &mut Vec<String>, (left, right): &Merge) {
    let mut at = 0;
    while at + 1 < pieces.len() {
        if pieces[at] == *left && pieces[at + 1] == *right {
            let tail = pieces.remove(at + 1);
            pieces[at].push_str(&tail);
        }
        at += 1;
    }
}

/// Merges by the numbers of pieces: (left, right) to (rank, merged).
#[derive(Clone, Debug, Default)]
pub(super) struct MergeTable {
    table: HashMap<(u32, u32), (u32, u32)>,
}

impl MergeTable {
    /// Looks up every merge in the vocabulary; the error is the first piece
    /// that is not there.
    pub fn new(merges: &[Merge], vocabulary: &HashMap<String, u32>) -> Result<Self, String> {
        let number = |piece: String| vocabulary.get(&piece).copied().ok_or(piece);
        let mut table = HashMap::with_capacity(merges.len());
        for (rank, (left, right)) in (0..).zip(merges) {
            let merged = number(format!("{left}{right}"))?;
            table.insert(
                (number(left.clone())?, number(right.clone())?),
                (rank, merged),
            );
        }
        Ok(Self { table })
    }

    /// Applies the merges to a word, the lowest rank first.
    pub fn apply(&self, word: &mut Vec<u32>) {
        loop {
            let best = word
                .windows(2)
                .filter_map(|pair| self.table.get(&(pair[0], pair[1])))
                .min();
            let Some(&(rank, merged)) = best else { return };
            let mut kept = 0;
            let mut at = 0;
            while at < word.len() {
                let joins = word
                    .get(at + 1)
                    .and_then(|next| self.table.get(&(word[at], *next)));
                let (piece, used) = if joins.is_some_and(|(found, _)| *found == rank) {
                    (merged, 2)
                } else {
                    (word[at], 1)
                };
                word[kept] = piece;
                kept += 1;
                at += used;
            }
            word.truncate(kept);
        }
    }
}
