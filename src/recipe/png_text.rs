//! PNG files with text chunks.

use std::io::{BufRead, Seek, Write};

use image::RgbaImage;
use png::text_metadata::{ITXtChunk, TEXtChunk};

/// Writes a PNG file with the texts that are there.
///
/// A text goes into a tEXt chunk when Latin-1 can hold it, else into iTXt: that
/// is what Pillow does, and some readers of infotext know only tEXt.
pub(super) fn write_png(
    writer: impl Write,
    image: &RgbaImage,
    texts: &[(&str, Option<&str>)],
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(writer, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let mut writer = encoder.write_header()?;
    for &(keyword, text) in texts {
        let Some(text) = text else { continue };
        if text.chars().all(|letter| u32::from(letter) <= 0xff) {
            writer.write_text_chunk(&TEXtChunk::new(keyword, text))?;
        } else {
            writer.write_text_chunk(&ITXtChunk::new(keyword, text))?;
        }
    }
    writer.write_image_data(image)?;
    writer.finish()
}

/// The keyword and text of every text chunk that can be read, whether it stands
/// before or after the pixels.
pub(super) fn read_png_texts(reader: impl BufRead + Seek) -> Vec<(String, String)> {
    let Ok(mut reader) = png::Decoder::new(reader).read_info() else {
        return Vec::new();
    };
    // What was read up to a damaged place still counts.
    reader.finish().ok();
    let info = reader.info();
    let plain = info.uncompressed_latin1_text.iter();
    let plain = plain.map(|chunk| (chunk.keyword.clone(), Some(chunk.text.clone())));
    let compressed = info.compressed_latin1_text.iter();
    let compressed = compressed.map(|chunk| (chunk.keyword.clone(), chunk.get_text().ok()));
    let unicode = info.utf8_text.iter();
    let unicode = unicode.map(|chunk| (chunk.keyword.clone(), chunk.get_text().ok()));
    unicode
        .chain(plain)
        .chain(compressed)
        .filter_map(|(keyword, text)| Some((keyword, text?)))
        .collect()
}
