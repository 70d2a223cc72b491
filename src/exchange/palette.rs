//! Palettes of one's own, as JSON.

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Deserialize;

use super::ExchangeError;
use crate::files::{open_file, reason_of, write_atomically};
use crate::recipe::palette::{Palette, PaletteClass};

/// Bytes that a palette file may have, far more than 255 classes need.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A class as files have it: ours, and the `palette.json` of a folder of scenes.
#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "id")]
    index: u8,
    name: String,
    #[serde(alias = "colour")]
    color: [u8; 3],
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    name: String,
    classes: Vec<Entry>,
}

/// Reads a palette: an object with a name and a list of classes, or the list alone.
/// Without a name it is called as the file is.
///
/// # Errors
/// When the file cannot be read, is no palette, or has two classes of one index.
pub fn read_palette(path: &Path) -> Result<Palette, ExchangeError> {
    let file_error = |source| ExchangeError::Read {
        path: path.to_owned(),
        source,
    };
    let file = open_file(path).map_err(file_error)?;
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(file_error)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(ExchangeError::LongPalette(path.to_owned()));
    }
    let not_one = |error: serde_json::Error| ExchangeError::NoPalette {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let is_list = text.trim_ascii_start().first() == Some(&b'[');
    let Written { name, classes } = if is_list {
        let classes = serde_json::from_slice(&text).map_err(not_one)?;
        Written {
            name: String::new(),
            classes,
        }
    } else {
        serde_json::from_slice(&text).map_err(not_one)?
    };
    let name = match name.trim() {
        "" => path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        name => name.to_owned(),
    };
    let class = |entry: Entry| PaletteClass {
        index: entry.index,
        name: entry.name.trim().to_owned(),
        color: entry.color,
    };
    let palette = Palette {
        name,
        classes: classes.into_iter().map(class).collect(),
    };
    palette
        .validate()
        .map_err(|source| ExchangeError::Palette {
            path: path.to_owned(),
            source,
        })?;
    Ok(palette)
}

/// Writes a palette.
///
/// # Errors
/// When the file cannot be written.
pub fn write_palette(path: &Path, palette: &Palette) -> Result<(), ExchangeError> {
    let written = write_atomically(path, |file| {
        let text = serde_json::to_vec_pretty(palette)?;
        file.write_all(&text)
    });
    written.map_err(|error| ExchangeError::Write {
        path: path.to_owned(),
        reason: reason_of(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_come_back_and_those_of_scenes_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.json");
        let text = r#" [{"id": 3, "name": "sky ", "colour": [1, 2, 3], "is_thing": false}]"#;
        std::fs::write(&path, text).unwrap();
        let palette = read_palette(&path).unwrap();
        assert_eq!(palette.name, "mine");
        assert_eq!(palette.class(3).map(|class| &*class.name), Some("sky"));
        write_palette(&path, &palette).unwrap();
        assert_eq!(read_palette(&path).unwrap(), palette);
    }

    #[test]
    fn what_is_no_palette_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.json");
        let says = |text: &str, part: &str| {
            std::fs::write(&path, text).unwrap();
            let told = read_palette(&path).unwrap_err().to_string();
            assert!(told.contains(part), "{told}");
        };
        says("", "is no palette");
        says(
            r#"{"classes": [{"index": 300, "name": "a", "color": [1, 2, 3]}]}"#,
            "300",
        );
        let twice = r#"{"index": 3, "name": "a", "color": [1, 2, 3]}"#;
        says(&format!("[{twice}, {twice}]"), "3 twice");
        says(&" ".repeat(2 << 20), "too long");
        assert!(read_palette(&folder.path().join("missing")).is_err());
    }
}
