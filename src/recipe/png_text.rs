//! What a PNG file carries beside its pixels: texts, and what its colours mean.

use std::io::{BufRead, Seek, Write};

use image::RgbaImage;
use png::text_metadata::{ITXtChunk, TEXtChunk};

/// Bytes that may be taken for the chunks of one file.
const MAX_DECODER_BYTES: usize = 64 << 20;

/// Letters of a text that is only for us from which on it is compressed.
const LONG_TEXT: usize = 4096;

/// Writes a PNG file with the texts that are there.
///
/// A text goes into a tEXt chunk when Latin-1 can hold it, else into iTXt: that
/// is what Pillow does, and some readers of infotext know only tEXt. A long text
/// under `own` keyword is compressed.
pub(super) fn write_png(
    writer: impl Write,
    image: &RgbaImage,
    texts: &[(&str, Option<&str>)],
    own: &str,
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(writer, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let mut writer = encoder.write_header()?;
    for &(keyword, text) in texts {
        let Some(text) = text else { continue };
        if keyword == own && text.len() >= LONG_TEXT {
            let mut chunk = ITXtChunk::new(keyword, text);
            chunk.compressed = true;
            writer.write_text_chunk(&chunk)?;
        } else if text.chars().all(|letter| u32::from(letter) <= 0xff) {
            writer.write_text_chunk(&TEXtChunk::new(keyword, text))?;
        } else {
            writer.write_text_chunk(&ITXtChunk::new(keyword, text))?;
        }
    }
    writer.write_image_data(image)?;
    writer.finish()
}

/// What the chunks around the pixels say.
#[derive(Clone, Debug, Default)]
pub(super) struct PngHead {
    /// Keyword and text of the text chunks that were asked for.
    pub(super) texts: Vec<(String, String)>,
    /// Whether one of them was too long to be read.
    pub(super) has_longer_text: bool,
    /// Whether the palette ends within a colour, which its decoder does not bear.
    pub(super) has_odd_palette: bool,
    /// Exponent of the pixels' numbers over the light that they mean, where
    /// that is not what sRGB says.
    pub(super) gamma: Option<f32>,
    /// The primaries that come with the gamma.
    pub(super) chromaticities: Option<png::SourceChromaticities>,
}

/// Reads the text chunks with certain keywords, whether they stand before or
/// after the pixels, and the gamma. No more than `max_bytes` of a text are
/// unpacked, and nothing of others: a megabyte may hold a gigabyte.
pub(super) fn read_png_head(
    reader: impl BufRead + Seek,
    keywords: &[&str],
    max_bytes: usize,
) -> PngHead {
    let limits = png::Limits {
        bytes: MAX_DECODER_BYTES,
    };
    let mut decoder = png::Decoder::new_with_limits(reader, limits);
    decoder.set_ignore_iccp_chunk(true);
    let Ok(mut reader) = decoder.read_info() else {
        return PngHead::default();
    };
    // What was read up to a damaged place still counts.
    reader.finish().ok();
    let info = reader.info();
    let palette_bytes = info.palette.as_ref().map_or(0, |palette| palette.len());
    let mut head = PngHead {
        has_odd_palette: palette_bytes % 3 != 0,
        ..PngHead::default()
    };
    if info.srgb.is_none() && info.coding_independent_code_points.is_none() {
        head.gamma = info.gama_chunk.map(png::ScaledFloat::into_value);
        head.chromaticities = info.chrm_chunk;
    }
    let mut add = |keyword: &str, text: Option<String>| match text {
        Some(text) if text.len() <= max_bytes => head.texts.push((keyword.to_owned(), text)),
        _ => head.has_longer_text = true,
    };
    let is_wanted = |keyword: &String| keywords.contains(&keyword.as_str());
    for chunk in &info.utf8_text {
        if is_wanted(&chunk.keyword) {
            let mut chunk = chunk.clone();
            let unpacked = chunk.decompress_text_with_limit(max_bytes);
            add(
                &chunk.keyword,
                unpacked.and_then(|()| chunk.get_text()).ok(),
            );
        }
    }
    for chunk in &info.uncompressed_latin1_text {
        if is_wanted(&chunk.keyword) {
            add(&chunk.keyword, Some(chunk.text.clone()));
        }
    }
    for chunk in &info.compressed_latin1_text {
        if is_wanted(&chunk.keyword) {
            let mut chunk = chunk.clone();
            let unpacked = chunk.decompress_text_with_limit(max_bytes);
            add(
                &chunk.keyword,
                unpacked.and_then(|()| chunk.get_text()).ok(),
            );
        }
    }
    head
}
