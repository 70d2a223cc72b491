//! The smallest EXIF block that carries a text, and reading such blocks.
//!
//! JPEG and WebP have no text chunks, so studios put their infotext into the
//! EXIF tag `UserComment` (Exif 2.32, §4.6.5): eight bytes that name the
//! character code, then the text. Written is what most readers expect:
//! big-endian TIFF, `UNICODE`, UTF-16 in the same byte order.

const EXIF_IFD: u16 = 0x8769;
const USER_COMMENT: u16 = 0x9286;
const TYPE_LONG: u16 = 4;
const TYPE_UNDEFINED: u16 = 7;

/// Offset of the only entry's text: header 8, two directories of 2 + 12 + 4.
const TEXT_OFFSET: u32 = 8 + 18 + 18;

/// Bytes an EXIF block may have in a JPEG file: its segment's 16-bit length
/// counts itself and the six bytes `Exif\0\0` too.
pub(super) const MAX_JPEG_EXIF_BYTES: usize = 0xffff - 2 - 6;

/// An EXIF block with nothing but a `UserComment`.
pub(super) fn exif_with_comment(text: &str) -> Vec<u8> {
    let mut comment = b"UNICODE\0".to_vec();
    comment.extend(text.encode_utf16().flat_map(u16::to_be_bytes));

    let mut block = b"MM\0\x2a".to_vec();
    block.extend(8_u32.to_be_bytes());
    push_directory(&mut block, EXIF_IFD, TYPE_LONG, 1, 8 + 18);
    // A text is bounded by what its file can hold, far below 4 GiB.
    let count = u32::try_from(comment.len()).unwrap_or(u32::MAX);
    push_directory(&mut block, USER_COMMENT, TYPE_UNDEFINED, count, TEXT_OFFSET);
    block.extend(comment);
    block
}

fn push_directory(block: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32) {
    block.extend(1_u16.to_be_bytes());
    block.extend(tag.to_be_bytes());
    block.extend(kind.to_be_bytes());
    block.extend(count.to_be_bytes());
    block.extend(value.to_be_bytes());
    block.extend(0_u32.to_be_bytes());
}

/// The text of an EXIF block's `UserComment`, if it has one.
pub(super) fn comment_in_exif(block: &[u8]) -> Option<String> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let tiff = Tiff {
        bytes: block,
        big_endian: match block.get(..4)? {
            b"MM\0\x2a" => true,
            b"II\x2a\0" => false,
            _ => return None,
        },
    };
    let exif = tiff.entry(tiff.u32_at(4)?, EXIF_IFD)?;
    let comment = tiff.entry(exif.value, USER_COMMENT)?;
    let start = usize::try_from(comment.value).ok()?;
    let end = start.checked_add(usize::try_from(comment.count).ok()?)?;
    let (code, text) = block.get(start..end)?.split_at_checked(8)?;
    let text = match code {
        b"UNICODE\0" => unicode(text, tiff.big_endian),
        _ => String::from_utf8_lossy(text).into_owned(),
    };
    let text = text.trim_matches(['\0', '\u{feff}']).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

struct Entry {
    count: u32,
    value: u32,
}

impl Tiff<'_> {
    fn u16_at(&self, offset: u32) -> Option<u16> {
        let offset = usize::try_from(offset).ok()?;
        let bytes = self.bytes.get(offset..)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(*bytes)
        } else {
            u16::from_le_bytes(*bytes)
        })
    }

    fn u32_at(&self, offset: u32) -> Option<u32> {
        let offset = usize::try_from(offset).ok()?;
        let bytes = self.bytes.get(offset..)?.first_chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(*bytes)
        } else {
            u32::from_le_bytes(*bytes)
        })
    }

    fn entry(&self, directory: u32, tag: u16) -> Option<Entry> {
        let count = u32::from(self.u16_at(directory)?);
        let at = (0..count)
            .map_while(|index| directory.checked_add(2 + 12 * index))
            .find(|&at| self.u16_at(at) == Some(tag))?;
        Some(Entry {
            count: self.u32_at(at.checked_add(4)?)?,
            value: self.u32_at(at.checked_add(8)?)?,
        })
    }
}

/// Decodes UTF-16, or the UTF-8 that some writers put there against the
/// standard. Infotext has Latin letters, and UTF-16 a zero byte for each of them.
fn unicode(bytes: &[u8], block_is_big_endian: bool) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0);
    let text = &bytes[..end.map_or(0, |last| last + 1)];
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        _ => utf16(bytes, block_is_big_endian),
    }
}

/// Decodes UTF-16 whose byte order the standard leaves open: some writers take
/// the block's, others always big-endian. The order that makes more of the
/// units Latin letters wins; a tie goes to the block's.
fn utf16(bytes: &[u8], block_is_big_endian: bool) -> String {
    let pairs = || bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    let big = pairs().filter(|pair| pair[0] == 0).count();
    let little = pairs().filter(|pair| pair[1] == 0).count();
    let is_big_endian = if big == little {
        block_is_big_endian
    } else {
        big > little
    };
    let units = pairs().map(|pair| {
        if is_big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        }
    });
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_comes_back() {
        for text in ["a red barn\nSteps: 3", "Mühle 🌾 水", "x"] {
            assert_eq!(
                comment_in_exif(&exif_with_comment(text)).as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn the_block_is_laid_out_as_the_standard_says() {
        let block = exif_with_comment("A");
        let expected: &[u8] = &[
            b'M', b'M', 0, 42, 0, 0, 0, 8, // header
            0, 1, 0x87, 0x69, 0, 4, 0, 0, 0, 1, 0, 0, 0, 26, 0, 0, 0, 0, // IFD 0
            0, 1, 0x92, 0x86, 0, 7, 0, 0, 0, 10, 0, 0, 0, 44, 0, 0, 0, 0, // Exif IFD
            b'U', b'N', b'I', b'C', b'O', b'D', b'E', 0, 0, b'A',
        ];
        assert_eq!(block, expected);
    }

    #[test]
    fn little_endian_blocks_and_other_codes_are_read() {
        let mut block = b"II\x2a\0\x08\0\0\0".to_vec();
        block.extend([1, 0, 0x69, 0x87, 4, 0, 1, 0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0]);
        block.extend([1, 0, 0x86, 0x92, 7, 0, 10, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0]);
        let with = |tail: &[u8]| comment_in_exif(&[&block[..], tail].concat());
        assert_eq!(with(b"UNICODE\0h\0").as_deref(), Some("h"));
        assert_eq!(with(b"UNICODE\0\0h").as_deref(), Some("h"));
        assert_eq!(with(b"UNICODE\0hi").as_deref(), Some("hi"));
        assert_eq!(with(b"ASCII\0\0\0hi").as_deref(), Some("hi"));
        assert_eq!(with(b"\0\0\0\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn a_damaged_block_has_no_comment() {
        let whole = exif_with_comment("a meadow");
        for end in 0..whole.len() {
            comment_in_exif(&whole[..end]);
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] = 0xff;
            comment_in_exif(&broken);
        }
        assert_eq!(comment_in_exif(b"MM\0\x2a\xff\xff\xff\xff"), None);
    }
}
