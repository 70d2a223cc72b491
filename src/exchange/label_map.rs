//! Label maps as PNG files: the numbers of classes as they are, or classes by colour.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

use image::{GrayImage, Luma, RgbaImage};

use super::ExchangeError;
use crate::files::{damage_of, open_file, reason_of, write_atomically};
use crate::recipe::MAX_SIDE_PX;
use crate::recipe::palette::{NOTHING, Palette};

/// Bytes that the decoder may take beside the picture.
const MAX_DECODER_BYTES: usize = 64 << 20;

/// Unknown colours that are counted: a photograph has millions.
const MOST_UNKNOWN: usize = 1024;

/// A label map as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelMapFile {
    /// The number of a class for every pixel; [`NOTHING`] for none.
    Numbers(GrayImage),
    /// The colour of a class for every pixel; what is transparent has none.
    Colours(RgbaImage),
}

/// A colour that stands for no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownColour {
    /// The colour.
    pub color: [u8; 3],
    /// How many pixels have it.
    pub pixels: u64,
}

impl LabelMapFile {
    /// Width and height in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        match self {
            Self::Numbers(map) => map.dimensions().into(),
            Self::Colours(map) => map.dimensions().into(),
        }
    }

    /// The numbers of the classes. Colours are those of the palette or of `further`,
    /// which go first; a colour that several classes share is none of theirs.
    ///
    /// # Errors
    /// The colours that are left, the most frequent first; of very many the first.
    pub fn numbers(
        &self,
        palette: &Palette,
        further: &BTreeMap<[u8; 3], u8>,
    ) -> Result<GrayImage, Vec<UnknownColour>> {
        let map = match self {
            Self::Numbers(map) => return Ok(map.clone()),
            Self::Colours(map) => map,
        };
        let mut known: BTreeMap<[u8; 3], Option<u8>> = BTreeMap::new();
        for class in &palette.classes {
            let of_one = known.entry(class.color).or_insert(Some(class.index));
            if *of_one != Some(class.index) {
                *of_one = None;
            }
        }
        known.extend(further.iter().map(|(color, index)| (*color, Some(*index))));
        let mut unknown: BTreeMap<[u8; 3], u64> = BTreeMap::new();
        let numbers = GrayImage::from_fn(map.width(), map.height(), |x, y| {
            let [r, g, b, alpha] = map.get_pixel(x, y).0;
            if alpha == 0 {
                return Luma([NOTHING]);
            }
            let color = [r, g, b];
            Luma([match known.get(&color) {
                Some(Some(index)) => *index,
                _ => {
                    if unknown.len() < MOST_UNKNOWN {
                        *unknown.entry(color).or_default() += 1;
                    } else if let Some(pixels) = unknown.get_mut(&color) {
                        *pixels += 1;
                    }
                    NOTHING
                }
            }])
        });
        if unknown.is_empty() {
            return Ok(numbers);
        }
        let unknown = unknown.into_iter();
        let mut unknown: Vec<UnknownColour> = unknown
            .map(|(color, pixels)| UnknownColour { color, pixels })
            .collect();
        unknown.sort_by_key(|it| std::cmp::Reverse(it.pixels));
        Err(unknown)
    }
}

/// Reads a label map: an indexed or grey PNG file value for value, one in RGB colour
/// by colour.
///
/// # Errors
/// If it cannot be read, is no PNG file, has 16 bits per value, is damaged, or is
/// larger than any job.
pub fn read_label_map(path: &Path) -> Result<LabelMapFile, ExchangeError> {
    let file = open_file(path).map_err(|source| ExchangeError::Read {
        path: path.to_owned(),
        source,
    })?;
    let limits = png::Limits {
        bytes: MAX_DECODER_BYTES,
    };
    let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), limits);
    // The indices themselves, not what they look like.
    decoder.set_transformations(png::Transformations::IDENTITY);
    let failed = |error: png::DecodingError| {
        let is_foreign = matches!(&error, png::DecodingError::Format(it) if it.to_string().contains("signature"));
        if is_foreign {
            ExchangeError::NotPng(path.to_owned())
        } else {
            ExchangeError::Damaged {
                path: path.to_owned(),
                reason: damage_of(&error).to_owned(),
            }
        }
    };
    let (width_px, height_px) = decoder.read_header_info().map_err(failed)?.size();
    if width_px.max(height_px) > MAX_SIDE_PX {
        return Err(ExchangeError::TooLarge {
            path: path.to_owned(),
            width_px,
            height_px,
            most_px: MAX_SIDE_PX,
        });
    }
    let mut reader = decoder.read_info().map_err(failed)?;
    let (colour, depth) = reader.output_color_type();
    if depth == png::BitDepth::Sixteen {
        return Err(ExchangeError::SixteenBits(path.to_owned()));
    }
    let damaged = || ExchangeError::Damaged {
        path: path.to_owned(),
        reason: "its sizes contradict each other".to_owned(),
    };
    let line = reader.output_line_size(width_px).ok_or_else(damaged)?;
    let mut bytes = vec![0; line * height_px as usize];
    reader.next_frame(&mut bytes).map_err(failed)?;
    reader.finish().map_err(failed)?;
    let rgba =
        |bytes: Vec<u8>| RgbaImage::from_raw(width_px, height_px, bytes).map(LabelMapFile::Colours);
    let map = match colour {
        png::ColorType::Indexed | png::ColorType::Grayscale => {
            let numbers = unpacked(&bytes, line, [width_px, height_px], depth as usize);
            GrayImage::from_raw(width_px, height_px, numbers).map(LabelMapFile::Numbers)
        }
        png::ColorType::GrayscaleAlpha => {
            let (pixels, _) = bytes.as_chunks::<2>();
            let value = |[value, alpha]: &[u8; 2]| if *alpha == 0 { NOTHING } else { *value };
            let numbers = pixels.iter().map(value).collect();
            GrayImage::from_raw(width_px, height_px, numbers).map(LabelMapFile::Numbers)
        }
        png::ColorType::Rgb => {
            let (pixels, _) = bytes.as_chunks::<3>();
            rgba(
                pixels
                    .iter()
                    .flat_map(|[r, g, b]| [*r, *g, *b, 255])
                    .collect(),
            )
        }
        png::ColorType::Rgba => rgba(bytes),
    };
    map.ok_or_else(damaged)
}

/// One byte for each value of so many bits, of which the first stand highest.
fn unpacked(bytes: &[u8], line: usize, [width, height]: [u32; 2], bits: usize) -> Vec<u8> {
    if bits == 8 {
        return bytes.to_vec();
    }
    let each = 8 / bits;
    let mask = (1_u8 << bits) - 1;
    let mut values = Vec::with_capacity(width as usize * height as usize);
    for row in bytes.chunks(line.max(1)).take(height as usize) {
        values.extend((0..width as usize).map(|x| {
            let byte = row.get(x / each).copied().unwrap_or(0);
            (byte >> (8 - bits * (x % each + 1))) & mask
        }));
    }
    values
}

/// Writes a label map as an indexed PNG file, value for value, in the colours of its
/// palette; what is nothing is black.
///
/// # Errors
/// If the file cannot be written.
pub fn write_label_map(
    path: &Path,
    map: &GrayImage,
    palette: &Palette,
) -> Result<(), ExchangeError> {
    let mut colours = [[0_u8; 3]; 256];
    for class in &palette.classes {
        colours[usize::from(class.index)] = class.color;
    }
    let palette = colours.as_flattened().to_vec();
    let kind = png::ColorType::Indexed;
    write_png(path, map.dimensions(), kind, Some(palette), map.as_raw())
}

/// Writes a label map as a PNG file in the colours of its palette; what is nothing is
/// transparent.
///
/// # Errors
/// If two classes of the map share a colour, one has none, or the file cannot be
/// written.
pub fn write_coloured_label_map(
    path: &Path,
    map: &GrayImage,
    palette: &Palette,
) -> Result<(), ExchangeError> {
    let mut is_used = [false; 256];
    for index in map.as_raw() {
        is_used[usize::from(*index)] = true;
    }
    let mut colours = [[0; 4]; 256];
    let mut known: BTreeMap<[u8; 3], &str> = BTreeMap::new();
    for index in (0..NOTHING).filter(|index| is_used[usize::from(*index)]) {
        let class = palette.class(index).ok_or(ExchangeError::NoColour(index))?;
        if let Some(other) = known.insert(class.color, &class.name) {
            let names = (other.to_owned(), class.name.clone());
            return Err(ExchangeError::SameColour(names.0, names.1));
        }
        let [r, g, b] = class.color;
        colours[usize::from(index)] = [r, g, b, 255];
    }
    let values = map.as_raw().iter();
    let pixels: Vec<u8> = values
        .flat_map(|index| colours[usize::from(*index)])
        .collect();
    write_png(path, map.dimensions(), png::ColorType::Rgba, None, &pixels)
}

fn write_png(
    path: &Path,
    (width, height): (u32, u32),
    kind: png::ColorType,
    palette: Option<Vec<u8>>,
    bytes: &[u8],
) -> Result<(), ExchangeError> {
    write_atomically(path, |file| {
        let mut writer = BufWriter::new(file);
        let mut encoder = png::Encoder::new(&mut writer, width, height);
        encoder.set_color(kind);
        encoder.set_depth(png::BitDepth::Eight);
        if let Some(palette) = palette {
            encoder.set_palette(palette);
        }
        let mut png = encoder.write_header()?;
        png.write_image_data(bytes)?;
        png.finish()?;
        writer.flush()
    })
    .map_err(|error| ExchangeError::Write {
        path: path.to_owned(),
        reason: reason_of(&error),
    })
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Rgb, RgbImage};

    use super::*;
    use crate::recipe::PaletteClass;

    fn palette() -> Palette {
        let class = |(index, color): (u8, [u8; 3])| PaletteClass {
            index,
            name: format!("class {index}"),
            color,
        };
        let classes = [
            (0, [9, 9, 9]),
            (3, [200, 10, 0]),
            (4, [1, 2, 3]),
            (5, [1, 2, 3]),
        ];
        Palette {
            name: String::new(),
            classes: classes.map(class).to_vec(),
        }
    }

    #[test]
    fn indexed_maps_come_back_value_for_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let map = GrayImage::from_fn(37, 12, |x, y| {
            Luma([[0, 3, 4, 255][((x * y) % 4) as usize]])
        });
        write_label_map(&path, &map, &palette()).unwrap();
        let found = read_label_map(&path).unwrap();
        assert_eq!(found, LabelMapFile::Numbers(map.clone()));
        assert_eq!(found.size_px(), [37, 12]);
        map.save(&path).unwrap();
        assert_eq!(read_label_map(&path).unwrap(), LabelMapFile::Numbers(map));
    }

    #[test]
    fn few_bits_are_values_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let write = |depth, colour, row: &[u8]| {
            let file = std::fs::File::create(&path).unwrap();
            let mut encoder = png::Encoder::new(file, 5, 1);
            encoder.set_color(colour);
            encoder.set_depth(depth);
            if colour == png::ColorType::Indexed {
                encoder.set_palette(vec![0; 48]);
            }
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(row).unwrap();
            writer.finish().unwrap();
        };
        for colour in [png::ColorType::Indexed, png::ColorType::Grayscale] {
            write(png::BitDepth::Four, colour, &[0x3c, 0x0f, 0xa0]);
            let LabelMapFile::Numbers(map) = read_label_map(&path).unwrap() else {
                panic!("it has numbers");
            };
            assert_eq!(map.as_raw(), &[3, 12, 0, 15, 10]);
        }
        write(
            png::BitDepth::One,
            png::ColorType::Grayscale,
            &[0b1011_0000],
        );
        let found = read_label_map(&path).unwrap();
        let wanted = GrayImage::from_raw(5, 1, vec![1, 0, 1, 1, 0]).unwrap();
        assert_eq!(found, LabelMapFile::Numbers(wanted));
    }

    #[test]
    fn colours_are_those_of_the_palette_or_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let colours = [
            [9, 9, 9],
            [200, 10, 0],
            [7, 7, 7],
            [7, 7, 7],
            [1, 2, 3],
            [9, 9, 9],
        ];
        let picture = RgbImage::from_fn(6, 1, |x, _| Rgb(colours[x as usize]));
        picture.save(&path).unwrap();
        let found = read_label_map(&path).unwrap();
        let unknown = found.numbers(&palette(), &BTreeMap::new()).unwrap_err();
        let listed: Vec<_> = unknown.iter().map(|it| (it.color, it.pixels)).collect();
        assert_eq!(listed, [([7, 7, 7], 2), ([1, 2, 3], 1)]);
        let further = [([7, 7, 7], 3), ([1, 2, 3], NOTHING)].into();
        let map = found.numbers(&palette(), &further).unwrap();
        assert_eq!(map.as_raw(), &[0, 3, 3, 3, 255, 0]);
        let error = ExchangeError::UnknownColours {
            path: path.clone(),
            colours: unknown,
        };
        assert!(
            error.to_string().contains("#070707 (2 pixels), #010203"),
            "{error}"
        );
        // What is transparent is nothing.
        let mut clear = RgbaImage::new(2, 1);
        clear.put_pixel(1, 0, image::Rgba([9, 9, 9, 255]));
        clear.save(&path).unwrap();
        let map = read_label_map(&path).unwrap();
        let map = map.numbers(&palette(), &BTreeMap::new()).unwrap();
        assert_eq!(map.as_raw(), &[255, 0]);
    }

    #[test]
    fn coloured_maps_come_back_and_colours_of_two_classes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let map = GrayImage::from_fn(37, 12, |x, y| {
            Luma([[0, 3, 4, 255][((x * y) % 4) as usize]])
        });
        write_coloured_label_map(&path, &map, &palette()).unwrap();
        let mut told_apart = palette();
        told_apart.classes.pop();
        let found = read_label_map(&path).unwrap();
        let found = found.numbers(&told_apart, &BTreeMap::new());
        assert_eq!(found, Ok(map));
        for (values, part) in [(vec![4, 5], "same colour"), (vec![0, 77], "class 77")] {
            let map = GrayImage::from_raw(2, 1, values).unwrap();
            let error = write_coloured_label_map(&path, &map, &palette()).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_is_told_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let sentence = || read_label_map(&path).unwrap_err().to_string();
        assert!(sentence().contains("could not be read"));
        std::fs::write(&path, b"GIF89a and so on, for some bytes").unwrap();
        assert!(sentence().contains("no PNG"), "{}", sentence());
        let deep: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::new(3, 3);
        deep.save(&path).unwrap();
        assert!(sentence().contains("16 bits"), "{}", sentence());
        let noise = GrayImage::from_fn(64, 64, |x, y| Luma([(x * 31 + y * y * 17) as u8]));
        noise.save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for end in [0, 20, 40, whole.len() / 2, whole.len() - 20] {
            std::fs::write(&path, &whole[..end]).unwrap();
            let text = sentence();
            assert!(
                text.contains("cut off") || text.contains("no PNG"),
                "{end}: {text}"
            );
        }
        let wide = Path::new("tests/data/faults/wide-10000px-1bit.png");
        let text = read_label_map(wide).unwrap_err().to_string();
        assert!(text.contains("10000"), "{text}");
    }
}
