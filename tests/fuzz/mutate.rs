//! Bytes, changed as damage and malice change them.

use super::random::Random;

/// Numbers at which programs go wrong.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    7,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff0,
    0xffff_ffff_ffff_ffff,
];

/// The same as text.
const WORDS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "4294967295",
    "18446744073709551616",
    "1e999",
    "-0",
    "NaN",
    "Infinity",
    "null",
    "\u{feff}",
    "\u{0}",
    "\"",
    "水",
];

/// Longest input that is made.
const MOST: usize = 1 << 20;

/// One of the corpus with some damage.
pub fn bytes(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    for _ in 0..=random.below(4) {
        damage(random, &mut input, corpus);
    }
    input
}

/// One piece of damage.
pub fn damage(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(32)).min(input.len());
    match random.below(10) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.next() as u8,
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => {
            let piece = input[at..end].to_vec();
            let times = 1 + random.below(64);
            let room = MOST.saturating_sub(input.len()) / piece.len().max(1);
            input.splice(at..at, piece.repeat(times.min(room)));
        }
        5 => {
            let number = *random.pick(&NUMBERS);
            let size = *random.pick(&[1, 2, 4, 8]);
            let little = number.to_le_bytes();
            let big = number.to_be_bytes();
            let word = if random.one_in(2) {
                &little[..size]
            } else {
                &big[8 - size..]
            };
            let end = (at + size).min(input.len());
            input[at..end].copy_from_slice(&word[..end - at]);
        }
        6 => {
            let word = random.pick(&WORDS).as_bytes();
            let end = if random.one_in(2) { at } else { end };
            input.splice(at..end, word.iter().copied());
        }
        7 => {
            let other = random.pick(corpus);
            let from = random.below(other.len() + 1);
            let to = (from + random.below(256)).min(other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
        8 => number_in_text(random, input),
        _ => {
            let size = random.below(16);
            let noise: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
            input.splice(at..at, noise);
        }
    }
    input.truncate(MOST);
}

/// Puts another number in the place of one that is written out.
fn number_in_text(random: &mut Random, input: &mut Vec<u8>) {
    let starts: Vec<usize> = (0..input.len())
        .filter(|&at| input[at].is_ascii_digit() && (at == 0 || !input[at - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = *random.pick(&starts);
    let digits = input[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let end = start + digits.count();
    let word = random.pick(&WORDS).as_bytes();
    input.splice(start..end, word.iter().copied());
}
