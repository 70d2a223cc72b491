//! Whether a JPEG file has an end.
//!
//! Decoders fill what is missing of a cut file with gray and say nothing, so
//! its segments are walked through here: ITU-T T.81, annex B
//! (<https://www.w3.org/Graphics/JPEG/itu-t81.pdf>).

use std::io::{self, BufRead, Read as _};

const MARKER: u8 = 0xff;
const END_OF_IMAGE: u8 = 0xd9;

/// Whether the file ends before its picture does.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn is_cut_off(mut file: impl BufRead) -> io::Result<bool> {
    loop {
        // Before a marker there is the packed picture, which escapes 0xff.
        file.skip_until(MARKER)?;
        let Some(marker) = first_after_fill(&mut file)? else {
            return Ok(true);
        };
        match marker {
            END_OF_IMAGE => return Ok(false),
            // An escaped 0xff, a restart, the start: nothing follows them.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let mut length = [0; 2];
                if !fill(&mut file, &mut length)? {
                    return Ok(true);
                }
                // The length counts itself.
                let rest = u64::from(u16::from_be_bytes(length)).saturating_sub(2);
                let skipped = io::copy(&mut file.by_ref().take(rest), &mut io::sink())?;
                if skipped < rest {
                    return Ok(true);
                }
            }
        }
    }
}

/// The byte after any number of 0xff; `None` at the end of the file.
fn first_after_fill(file: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let mut byte = [0];
        if !fill(file, &mut byte)? {
            return Ok(None);
        }
        if byte[0] != MARKER {
            return Ok(Some(byte[0]));
        }
    }
}

/// Fills the buffer; `false` when the file has fewer bytes.
fn fill(file: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_has_an_end() {
        let picture = image::RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([(x * 31) as u8, (y * 57) as u8, (x * y) as u8])
        });
        let mut file = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 90);
        encoder.encode_image(&picture).unwrap();
        for end in 0..file.len() {
            assert!(is_cut_off(&file[..end]).unwrap(), "cut at {end}");
        }
        assert!(!is_cut_off(&file[..]).unwrap());
        // Cameras write films, sounds and depths behind the picture.
        file.extend(b"more of it");
        assert!(!is_cut_off(&file[..]).unwrap());
    }
}
