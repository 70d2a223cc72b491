//! Captions beside pictures, in whatever their author's program wrote.

use std::io::{self, Read as _};
use std::path::Path;

use encoding_rs::{Encoding, WINDOWS_1252};

use crate::files::open_file;

/// Endings of caption files, the one that wins first; of any case.
pub(super) const ENDINGS: [&str; 2] = ["txt", "caption"];
/// Bytes of a caption file that are read: no text encoder takes as much.
const MOST_BYTES: u64 = 1 << 16;

/// A caption, and what was odd about its file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Caption {
    /// The text on one line.
    pub text: String,
    /// Whether it had to be guessed how letters are written.
    pub is_guessed: bool,
    /// Whether the file goes on after what is read.
    pub is_cut: bool,
}

/// Reads a caption: a byte order mark says how, else it is UTF-8 if it can be,
/// else Windows-1252, which gives every byte a letter.
pub(super) fn read(path: &Path) -> io::Result<Caption> {
    let mut bytes = Vec::new();
    open_file(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    let is_cut = bytes.len() as u64 > MOST_BYTES;
    bytes.truncate(MOST_BYTES as usize);
    let (text, is_guessed) = match Encoding::for_bom(&bytes) {
        Some((encoding, mark)) => (
            encoding.decode_without_bom_handling(&bytes[mark..]).0,
            false,
        ),
        None => match std::str::from_utf8(&bytes) {
            Ok(text) => (text.into(), false),
            // The end was cut in the middle of a letter.
            Err(error) if is_cut && error.error_len().is_none() => (
                String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
                false,
            ),
            Err(_) => (WINDOWS_1252.decode_without_bom_handling(&bytes).0, true),
        },
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(Caption {
        text: words.join(" "),
        is_guessed,
        is_cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Caption {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        std::fs::write(&path, bytes).expect("a file");
        read(&path).expect("a caption")
    }

    #[test]
    fn every_usual_encoding_gives_the_same_words() {
        let text = "a café\r\n by the sea";
        let utf_16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
            let units = text.encode_utf16().flat_map(bytes);
            mark.into_iter().chain(units).collect::<Vec<u8>>()
        };
        let with_mark = ["\u{feff}", text].concat();
        for bytes in [
            text.as_bytes(),
            with_mark.as_bytes(),
            &utf_16([0xff, 0xfe], u16::to_le_bytes),
            &utf_16([0xfe, 0xff], u16::to_be_bytes),
        ] {
            let caption = read_bytes(bytes);
            assert_eq!(caption.text, "a café by the sea");
            assert!(!caption.is_guessed && !caption.is_cut);
        }
        let guessed = read_bytes(b"a caf\xe9 \x93by\x94 the sea");
        assert_eq!(guessed.text, "a café “by” the sea");
        assert!(guessed.is_guessed);
    }

    #[test]
    fn long_files_are_cut() {
        // Two bytes a letter, the last of them in two halves.
        let long = ["a", &"é".repeat(MOST_BYTES as usize)].concat();
        let caption = read_bytes(long.as_bytes());
        assert_eq!(caption.text.len(), MOST_BYTES as usize - 1);
        assert!(caption.is_cut && !caption.is_guessed);
    }
}
