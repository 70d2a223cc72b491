//! Label maps beside pictures, as `velatura scenes` writes them: PNG files whose values
//! are the numbers of classes, named by the `palette.json` of their folder.

use std::fmt::Display;
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::GrayImage;
use serde::Deserialize;

use crate::files::{open_file, reason_of};
use crate::recipe::palette::NOTHING;
use crate::recipe::{MAX_SIDE_PX, Palette, PaletteClass};
use crate::scenes::PaletteEntry;

/// The file that says what the numbers mean.
pub(super) const PALETTE: &str = "palette.json";
/// Bytes of it that are read.
const MOST_BYTES: u64 = 1 << 20;

/// The label map of a picture.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub path: PathBuf,
    pub palette: Arc<Palette>,
    /// Whether a file says what its numbers mean, so that it is meant as a label map.
    pub is_named: bool,
}

/// A list of entries, or a palette as the window writes it.
#[derive(Deserialize)]
#[serde(untagged)]
enum PaletteForm {
    Entries(Vec<PaletteEntry>),
    Palette(Palette),
}

/// The palette of a folder; `None` if it has none.
///
/// # Errors
/// Why it cannot be used, as a sentence.
pub(super) fn palette_of(folder: &Path) -> Result<Option<Palette>, String> {
    let path = folder.join(PALETTE);
    let bad = |reason: &dyn Display| {
        format!(
            "\u{201c}{}\u{201d} is no palette that can be used, and is passed over: {reason}",
            path.display()
        )
    };
    let file = match open_file(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(&error)),
    };
    let mut bytes = Vec::new();
    let read = file.take(MOST_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| bad(&error))?;
    let form = serde_json::from_slice(&bytes).map_err(|error| match error.is_data() {
        true => bad(&"it lists no classes with their numbers, names and colours"),
        false => bad(&error),
    })?;
    let palette = match form {
        PaletteForm::Palette(palette) => palette,
        PaletteForm::Entries(entries) => Palette {
            name: String::new(),
            classes: entries
                .into_iter()
                .map(|entry| PaletteClass {
                    index: entry.id,
                    name: entry.name,
                    color: entry.colour,
                })
                .collect(),
        },
    };
    palette.validate().map_err(|error| bad(&error))?;
    Ok(Some(palette))
}

/// Maps that are read to learn which numbers there are.
const MOST_READ: usize = 64;

/// Classes that are called by the numbers which are in some of the maps, for a folder
/// where nothing says what they mean.
pub(super) fn numbered(maps: &[&Path]) -> Palette {
    let mut is_there = [false; NOTHING as usize];
    let shown = maps.len().min(MOST_READ);
    for map in (0..shown).map(|i| maps[i * maps.len() / shown]) {
        let Ok((width, height)) = image::image_dimensions(map) else {
            continue;
        };
        for value in read(map, [width, height])
            .iter()
            .flat_map(|map| map.as_raw())
        {
            if let Some(is_there) = is_there.get_mut(usize::from(*value)) {
                *is_there = true;
            }
        }
    }
    let numbers = (0..NOTHING).filter(|number| is_there[usize::from(*number)]);
    Palette {
        name: String::new(),
        classes: numbers
            .map(|index| PaletteClass {
                index,
                name: index.to_string(),
                color: [index; 3],
            })
            .collect(),
    }
}

/// The numbers of a map; `size_px` is that of its picture.
///
/// # Errors
/// Why it cannot be used, in half a sentence.
pub(super) fn read(path: &Path, size_px: [u32; 2]) -> Result<GrayImage, String> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let bad = |what: &str| format!("its label map {} {what}", name.display());
    let file = open_file(path)
        .map_err(|error| bad(&format!("cannot be opened ({})", reason_of(&error))))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    // Numbers, not the colours that they are shown in.
    decoder.set_transformations(png::Transformations::IDENTITY);
    let damaged = |_| bad("is no PNG file that can be read");
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let [width, height] = size_px;
    if width.max(height) > MAX_SIDE_PX {
        return Err(bad("is too large"));
    }
    if [info.width, info.height] != size_px {
        return Err(bad(&format!("has another size than {width} × {height}")));
    }
    let is_numbers = matches!(
        info.color_type,
        png::ColorType::Indexed | png::ColorType::Grayscale
    );
    if !is_numbers || info.bit_depth != png::BitDepth::Eight {
        return Err(bad("has no numbers of 8 bits"));
    }
    let mut numbers = vec![0; width as usize * height as usize];
    reader.next_frame(&mut numbers).map_err(damaged)?;
    GrayImage::from_raw(width, height, numbers).ok_or_else(|| bad("is cut off"))
}
