//! Byte-pair encoding as CLIP does it: bytes as printable letters, and a mark at
//! the end of each word (Sennrich et al. 2016, <https://arxiv.org/abs/1508.07909>).

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

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

    /// Applies the merges to a word, the lowest rank first, each from left to right
    /// wherever it fits before the next one is looked for. Of a word of n pieces that
    /// takes n log n steps: people paste anything.
    pub fn apply(&self, word: &mut Vec<u32>) {
        let mut chain = Chain::new(word);
        let mut waiting: BinaryHeap<Reverse<(u32, usize)>> = (0..word.len())
            .filter_map(|place| Some(Reverse((self.at(&chain, place)?.0, place))))
            .collect();
        let mut fresh = Vec::new();
        while let Some(&Reverse((rank, _))) = waiting.peek() {
            while let Some(next) = waiting.peek_mut().filter(|next| next.0.0 == rank) {
                let Reverse((_, place)) = PeekMut::pop(next);
                // What stood there may have become a part of something else.
                let found = self.at(&chain, place).filter(|found| found.0 == rank);
                let Some((_, merged)) = found else { continue };
                chain.join(place, merged);
                fresh.extend(chain.before(place).into_iter().chain([place]));
            }
            for place in fresh.drain(..) {
                waiting.extend(
                    self.at(&chain, place)
                        .map(|(rank, _)| Reverse((rank, place))),
                );
            }
        }
        *word = chain.pieces();
    }

    /// The merge of the piece at a place with the next one.
    fn at(&self, chain: &Chain, place: usize) -> Option<(u32, u32)> {
        self.table.get(&chain.pair(place)?).copied()
    }
}

/// Pieces of a word, each linked with those beside it.
struct Chain {
    /// `None` where a piece became a part of the one before it.
    pieces: Vec<Option<u32>>,
    /// Where the next piece stands, and the one before.
    next: Vec<usize>,
    before: Vec<usize>,
}

impl Chain {
    fn new(word: &[u32]) -> Self {
        Self {
            pieces: word.iter().copied().map(Some).collect(),
            next: (1..=word.len()).collect(),
            before: (0..word.len()).map(|place| place.wrapping_sub(1)).collect(),
        }
    }

    /// The piece at a place and the next one.
    fn pair(&self, place: usize) -> Option<(u32, u32)> {
        let piece = self.pieces[place]?;
        let next = *self.pieces.get(self.next[place])?;
        Some((piece, next?))
    }

    /// Where the piece before stands.
    fn before(&self, place: usize) -> Option<usize> {
        let before = self.before[place];
        (before < self.pieces.len()).then_some(before)
    }

    /// Makes one piece of that at a place and the next one.
    fn join(&mut self, place: usize, merged: u32) {
        let gone = self.next[place];
        self.pieces[place] = Some(merged);
        self.pieces[gone] = None;
        self.next[place] = self.next[gone];
        if let Some(before) = self.before.get_mut(self.next[gone]) {
            *before = place;
        }
    }

    fn pieces(self) -> Vec<u32> {
        self.pieces.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Looks through the whole word for every merge, as the paper tells it.
    fn by_the_book(table: &MergeTable, word: &[u32]) -> Vec<u32> {
        let mut word = word.to_vec();
        loop {
            let merges = word.windows(2).filter_map(|pair| {
                let (rank, merged) = table.table.get(&(pair[0], pair[1]))?;
                Some((*rank, (pair[0], pair[1]), *merged))
            });
            let Some((_, pair, merged)) = merges.min() else {
                return word;
            };
            let (mut done, mut at) = (Vec::new(), 0);
            while at < word.len() {
                let joins = word
                    .get(at + 1)
                    .is_some_and(|next| (word[at], *next) == pair);
                done.push(if joins { merged } else { word[at] });
                at += if joins { 2 } else { 1 };
            }
            word = done;
        }
    }

    #[test]
    fn merges_are_those_of_the_book_whatever_their_order() {
        let mut random = Random::new(5, 0);
        for _ in 0..300 {
            // Pieces of two letters, numbered as they come; their ranks are shuffled, so
            // that a merge may bring about one that goes before it.
            let mut pieces: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
            let mut merges: Vec<Merge> = Vec::new();
            while merges.len() < 12 {
                let mut any = || pieces[random.below(pieces.len() as u64) as usize].clone();
                let merge = (any(), any());
                if !merges.contains(&merge) {
                    let merged = format!("{}{}", merge.0, merge.1);
                    if !pieces.contains(&merged) {
                        pieces.push(merged);
                    }
                    merges.push(merge);
                }
            }
            for last in (1..merges.len()).rev() {
                merges.swap(last, random.below(last as u64 + 1) as usize);
            }
            let vocabulary = pieces.into_iter().zip(0..).collect();
            let table = MergeTable::new(&merges, &vocabulary).expect("all pieces");
            for length in [0, 1, 2, 3, 8, 60] {
                let word: Vec<u32> = (0..length).map(|_| random.below(2) as u32).collect();
                let mut merged = word.clone();
                table.apply(&mut merged);
                assert_eq!(merged, by_the_book(&table, &word), "{merges:?} of {word:?}");
            }
        }
    }

    /// A second look for every merge would take minutes.
    #[test]
    fn a_word_without_end_is_merged_at_once() {
        let merge = |left: &str, right: &str| (left.to_owned(), right.to_owned());
        let merges = [merge("a", "b"), merge("ab", "ab"), merge("c", "abab")];
        let pieces = ["a", "b", "c", "ab", "abab", "cabab"].map(str::to_owned);
        let vocabulary = pieces.into_iter().zip(0..).collect();
        let table = MergeTable::new(&merges, &vocabulary).expect("all pieces");
        let mut word = [2, 0, 1, 0, 1].repeat(1 << 16);
        table.apply(&mut word);
        assert_eq!(word, [5].repeat(1 << 16));
    }
}
