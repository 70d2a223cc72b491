//! Errands for files of label maps and palettes.

use std::path::PathBuf;
use std::sync::Arc;

use super::classes::{ClassEvent, no_room};
use super::{Background, BackgroundEvent};
use crate::app::classes::{ImportPalette, MapCoding, MapImport, ReadMap};
use crate::document::{DocumentSnapshot, Recoding, TileGrid, joined};
use crate::exchange::{read_palette, write_coloured_label_map, write_label_map, write_palette};
use crate::recipe::SemanticInput;
use crate::recipe::palette::Palette;

/// A label map from a file, ready for its place.
#[derive(Debug)]
pub struct ImportedMap {
    /// What it was made from.
    pub import: MapImport,
    /// The document as it was then.
    pub document: DocumentSnapshot,
    /// The classes, as the document stores them.
    pub map: TileGrid<u8>,
    /// The classes of the document afterwards.
    pub palette: Palette,
}

impl Background {
    /// Reads a label map.
    pub fn read_map(&self, path: PathBuf) {
        self.spawn("map", Box::new(BackgroundEvent::Failed), move || {
            let file = ReadMap::read(path)?;
            Ok(ClassEvent::MapRead(Arc::new(file)).into())
        });
    }

    /// Makes a label map from a file ready for a document.
    pub fn import_map(&self, import: MapImport, document: DocumentSnapshot) {
        self.spawn("map", Box::new(BackgroundEvent::Failed), move || {
            let imported = imported(import, document)?;
            Ok(ClassEvent::Imported(Box::new(imported)).into())
        });
    }

    /// Saves a label map.
    pub fn write_map(
        &mut self,
        path: PathBuf,
        coding: MapCoding,
        map: TileGrid<u8>,
        palette: Palette,
    ) {
        self.write(move || {
            let map = map.to_class_map();
            let written = match coding {
                MapCoding::Index => write_label_map(&path, &map, &palette),
                MapCoding::Color => write_coloured_label_map(&path, &map, &palette),
            };
            written.map_err(|error| error.to_string())?;
            Ok(path)
        });
    }

    /// Saves a palette.
    pub fn write_palette(&mut self, path: PathBuf, palette: Palette) {
        self.write(move || {
            write_palette(&path, &palette).map_err(|error| error.to_string())?;
            Ok(path)
        });
    }

    /// Reads a palette.
    pub fn read_palette(&self, path: PathBuf) {
        self.spawn("palette", Box::new(BackgroundEvent::Failed), move || {
            let palette = read_palette(&path).map_err(|error| error.to_string())?;
            Ok(ClassEvent::PaletteRead(palette).into())
        });
    }

    fn write(&mut self, write: impl FnOnce() -> Result<PathBuf, String> + Send + 'static) {
        let failed = Box::new(BackgroundEvent::KeepFailed);
        self.writer
            .send(failed, move |()| Ok(ClassEvent::Written(write()?).into()));
    }
}

fn imported(import: MapImport, document: DocumentSnapshot) -> Result<ImportedMap, String> {
    let palette = import.palette_of(&document);
    let map = import.decoded(&palette)?;
    let input = SemanticInput {
        map: Arc::new(map),
        palette,
    };
    let scaled = input.resized(document.size_px());
    let grid = TileGrid::from_class_map(&scaled.map);
    let mut maps = document
        .layers()
        .iter()
        .filter_map(|layer| layer.semantic());
    let is_alone = maps.all(TileGrid::is_blank);
    let is_own = import.palette == ImportPalette::Document;
    let (palette, recoding) = if is_own || is_alone {
        (input.palette, Recoding::default())
    } else {
        let counts = scaled.counts();
        let is_used = |index: u8| counts[usize::from(index)] > 0;
        let (both, recoding, left_out) = joined(document.palette(), &input.palette, is_used);
        if !left_out.is_empty() {
            return Err(no_room(&left_out));
        }
        (both, recoding)
    };
    Ok(ImportedMap {
        map: recoding.applied(&grid),
        import,
        document,
        palette,
    })
}
