//! Whether the chunks of a WebP file lie inside of it.
//!
//! Its decoder makes room for a chunk of metadata by what the chunk claims,
//! which may be four gigabytes in a file of one kilobyte. The form is RIFF:
//! <https://developers.google.com/speed/webp/docs/riff_container>.

use std::io::{self, Read, Seek, SeekFrom};

/// `RIFF`, a length and `WEBP` come before the first chunk.
const HEAD_BYTES: u64 = 12;

/// Whether every chunk ends before the file of `file_bytes` does.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn lie_inside(mut file: impl Read + Seek, file_bytes: u64) -> io::Result<bool> {
    let mut at = HEAD_BYTES;
    while at < file_bytes {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        match file.read_exact(&mut head) {
            Ok(()) => {}
            // Less than a chunk's head: nothing that anybody reads.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let end = at + 8 + length;
        if end > file_bytes {
            return Ok(false);
        }
        // Chunks of odd length are followed by a byte of nothing.
        at = end + length % 2;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_chunk_that_is_longer_than_its_file_is_found() {
        let file = |length: u32| {
            let mut file = b"RIFF\0\0\0\0WEBPVP8L\x03\0\0\0abc\0EXIF".to_vec();
            file.extend(length.to_le_bytes());
            file.extend([7; 10]);
            file
        };
        let fits = |file: &[u8]| lie_inside(Cursor::new(file), file.len() as u64).unwrap();
        assert!(fits(&file(10)));
        assert!(!fits(&file(11)) && !fits(&file(u32::MAX)));
        assert!(!fits(&file(10)[..22]) && fits(b"RIFF"));
    }
}
