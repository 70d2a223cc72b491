//! Files of chunks whose chunks are changed, and their sums made right again:
//! otherwise nearly every change would be met by the first check.

use super::mutate::damage;
use super::random::Random;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

type Chunk = ([u8; 4], Vec<u8>);

/// A picture of the corpus, changed in its chunks if it is a PNG file.
pub fn picture(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let chosen = random.pick(corpus);
    let Some(mut chunks) = chunks_of(chosen).filter(|_| !random.one_in(4)) else {
        return super::mutate::bytes(random, corpus);
    };
    for _ in 0..=random.below(3) {
        if chunks.is_empty() {
            break;
        }
        let at = random.below(chunks.len());
        match random.below(8) {
            0 => drop(chunks.remove(at)),
            1 => chunks.insert(at, chunks[at].clone()),
            2 => {
                let to = random.below(chunks.len());
                chunks.swap(at, to);
            }
            3 => {
                let kinds = [
                    b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"eXIf", b"gAMA", b"cHRM",
                ];
                chunks[at].0 = **random.pick(&kinds);
            }
            4 => {
                // From another file, perhaps.
                let other: &Vec<u8> = random.pick(corpus);
                let other = chunks_of(other).unwrap_or_default();
                if !other.is_empty() {
                    chunks.insert(at, random.pick(&other).clone());
                }
            }
            _ => {
                let pieces: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.1.clone()).collect();
                damage(random, &mut chunks[at].1, &pieces);
            }
        }
    }
    let mut file = SIGNATURE.to_vec();
    for (kind, data) in &chunks {
        push_chunk(&mut file, *kind, data);
    }
    file
}

/// Adds a chunk with its length and sum.
pub fn push_chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    file.extend(kind);
    file.extend(data);
    let mut sum = flate2::Crc::new();
    sum.update(&kind);
    sum.update(data);
    file.extend(sum.sum().to_be_bytes());
}

fn chunks_of(file: &[u8]) -> Option<Vec<Chunk>> {
    let mut rest = file.strip_prefix(SIGNATURE)?;
    let mut chunks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let (kind, after) = after.split_first_chunk()?;
        let (data, after) = after.split_at_checked(length)?;
        chunks.push((*kind, data.to_vec()));
        rest = after.get(4..)?;
    }
    Some(chunks)
}
