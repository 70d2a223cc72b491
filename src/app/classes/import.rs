//! A label map from a file that waits for what its values or colours mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::GrayImage;

use super::palettes::BuiltInPalette;
use crate::document::Document;
use crate::exchange::{LabelMapFile, read_label_map};
use crate::recipe::palette::{NOTHING, Palette};

/// Different colours that a label map may have: one a class, and none.
const MOST_COLOURS: usize = 256;

/// What stands for a class in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelCode {
    /// The index of the class, 255 for none.
    Index(u8),
    /// Its colour.
    Color([u8; 3]),
    /// A pixel that is wholly transparent: no class.
    Clear,
}

impl LabelCode {
    /// The index of the class that it is in a palette, 255 for none; no answer where
    /// the palette does not have it, or has several classes of that colour.
    pub fn meaning(self, palette: &Palette) -> Option<u8> {
        match self {
            Self::Clear | Self::Index(NOTHING) => Some(NOTHING),
            Self::Index(index) => palette.class(index).map(|class| class.index),
            Self::Color(color) => {
                let mut found = palette.classes.iter().filter(|class| class.color == color);
                let class = found.next()?;
                found.next().is_none().then_some(class.index)
            }
        }
    }
}

impl std::fmt::Display for LabelCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Color([r, g, b]) => write!(f, "#{r:02x}{g:02x}{b:02x}"),
            Self::Clear => f.write_str("transparent"),
        }
    }
}

/// A label map that was read from a file, with what stands for classes in it.
#[derive(Debug)]
pub struct ReadMap {
    path: PathBuf,
    file: LabelMapFile,
    /// Each code that the file has, with its number of pixels.
    codes: Vec<(LabelCode, u64)>,
}

impl ReadMap {
    /// Reads a file. Not for the window's thread.
    ///
    /// # Errors
    /// Why it is no label map, as a sentence.
    pub fn read(path: PathBuf) -> Result<Self, String> {
        let file = read_label_map(&path).map_err(|error| error.to_string())?;
        let codes = codes_of(&file).ok_or_else(|| {
            format!(
                "“{}” has more than {MOST_COLOURS} colours; a label map has one colour for each class",
                path.display()
            )
        })?;
        Ok(Self { path, file, codes })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Width and height in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        self.file.size_px()
    }

    /// Each code that the file has, with its number of pixels.
    pub fn codes(&self) -> &[(LabelCode, u64)] {
        &self.codes
    }

    /// Whether classes are told by their colours.
    pub fn is_coloured(&self) -> bool {
        matches!(self.file, LabelMapFile::Colours(_))
    }
}

/// What stands for classes in a file; none when there are too many.
fn codes_of(file: &LabelMapFile) -> Option<Vec<(LabelCode, u64)>> {
    match file {
        LabelMapFile::Numbers(map) => {
            let mut counts = [0u64; 256];
            for value in map.as_raw() {
                counts[usize::from(*value)] += 1;
            }
            let codes = (0..=255).map(LabelCode::Index).zip(counts);
            Some(codes.filter(|(_, count)| *count > 0).collect())
        }
        LabelMapFile::Colours(map) => {
            let mut counts: BTreeMap<LabelCode, u64> = BTreeMap::new();
            for pixel in map.pixels() {
                let [r, g, b, alpha] = pixel.0;
                let code = match alpha {
                    0 => LabelCode::Clear,
                    _ => LabelCode::Color([r, g, b]),
                };
                *counts.entry(code).or_default() += 1;
                if counts.len() > MOST_COLOURS {
                    return None;
                }
            }
            Some(counts.into_iter().collect())
        }
    }
}

/// Whose classes a label map from a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportPalette {
    /// Those of the document.
    Document,
    /// Those of a palette that comes with the program.
    BuiltIn(BuiltInPalette),
    /// The same, in files whose indices are one less.
    CountedFromZero(BuiltInPalette),
}

impl ImportPalette {
    /// The choices beside the document's own classes, in the order of the list.
    pub const OTHERS: [Self; 5] = [
        Self::BuiltIn(BuiltInPalette::Storybook),
        Self::BuiltIn(BuiltInPalette::CocoStuff),
        Self::CountedFromZero(BuiltInPalette::CocoStuff),
        Self::BuiltIn(BuiltInPalette::Ade20k),
        Self::CountedFromZero(BuiltInPalette::Ade20k),
    ];

    /// Its name for people, of a document whose palette has the given one.
    pub fn label(self, own: &str) -> String {
        match (self, own) {
            (Self::Document, "") => "This document's".to_owned(),
            (Self::Document, own) => format!("This document's ({own})"),
            (Self::BuiltIn(palette), _) => palette.label().to_owned(),
            (Self::CountedFromZero(palette), _) => format!("{}, counted from 0", palette.label()),
        }
    }
}

/// A label map from a file, and what its codes are to mean.
#[derive(Clone, Debug)]
pub struct MapImport {
    /// The file.
    pub file: Arc<ReadMap>,
    /// Whose classes it has.
    pub palette: ImportPalette,
    /// What was chosen by hand for codes that the palette does not have: the index of
    /// a class, or 255 for none.
    pub by_hand: BTreeMap<LabelCode, u8>,
}

impl MapImport {
    /// An import into a document: by its own classes if it has any.
    pub fn new(file: Arc<ReadMap>, document: &Document) -> Self {
        let palette = match document.palette().classes.is_empty() {
            true => ImportPalette::BuiltIn(BuiltInPalette::Storybook),
            false => ImportPalette::Document,
        };
        Self {
            file,
            palette,
            by_hand: BTreeMap::new(),
        }
    }

    /// The classes that it has.
    pub fn palette_of(&self, document: &Document) -> Palette {
        match self.palette {
            ImportPalette::Document => document.palette().clone(),
            ImportPalette::BuiltIn(palette) => palette.palette(),
            ImportPalette::CountedFromZero(palette) => {
                let mut palette = palette.palette();
                palette.classes.retain(|class| class.index > 0);
                for class in &mut palette.classes {
                    class.index -= 1;
                }
                palette
            }
        }
    }

    /// The index of the class of a code, 255 for none; no answer where nobody gave one.
    pub fn meaning(&self, code: LabelCode, palette: &Palette) -> Option<u8> {
        code.meaning(palette).or_else(|| {
            let chosen = *self.by_hand.get(&code)?;
            // What was chosen from another palette may be unknown to this one.
            let is_known = chosen == NOTHING || palette.class(chosen).is_some();
            is_known.then_some(chosen)
        })
    }

    /// How many codes have no meaning yet.
    pub fn unknown_count(&self, palette: &Palette) -> usize {
        let codes = self.file.codes().iter();
        codes
            .filter(|(code, _)| self.meaning(*code, palette).is_none())
            .count()
    }

    /// The classes: indices, 255 for none. Not for the window's thread.
    ///
    /// # Errors
    /// How many codes have no meaning, as a sentence.
    pub fn decoded(&self, palette: &Palette) -> Result<GrayImage, String> {
        let unknown = self.unknown_count(palette);
        let problem = || format!("{unknown} values of the label map have no class; choose some");
        if unknown > 0 {
            return Err(problem());
        }
        let mut colors = BTreeMap::new();
        let mut indices = [NOTHING; 256];
        for (code, _) in self.file.codes() {
            match (code, self.meaning(*code, palette)) {
                (LabelCode::Color(color), Some(meant)) => {
                    colors.insert(*color, meant);
                }
                (LabelCode::Index(index), Some(meant)) => indices[usize::from(*index)] = meant,
                _ => {}
            }
        }
        let mut map = self
            .file
            .file
            .numbers(palette, &colors)
            .map_err(|_| problem())?;
        if !self.file.is_coloured() {
            for index in map.as_mut().iter_mut() {
                *index = indices[usize::from(*index)];
            }
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    #[test]
    fn what_the_palette_lacks_is_mapped_by_hand_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("map.png");
        let map = GrayImage::from_fn(4, 1, |x, _| Luma([[3, 0, 200, 255][x as usize]]));
        map.save(&path).expect("a file");
        let file = Arc::new(ReadMap::read(path).expect("a label map"));
        let document = Document::blank([4, 1]).expect("a size");
        let mut import = MapImport::new(file, &document);
        import.palette = ImportPalette::BuiltIn(BuiltInPalette::Ade20k);
        let palette = import.palette_of(&document);
        // ADE20K begins with 1 and ends with 150.
        assert_eq!(import.unknown_count(&palette), 2);
        assert!(import.decoded(&palette).is_err());
        import.by_hand.insert(LabelCode::Index(0), NOTHING);
        import.by_hand.insert(LabelCode::Index(200), 21);
        let decoded = import.decoded(&palette).expect("all have a class");
        assert_eq!(decoded.as_raw(), &[3, 255, 21, 255]);
        import.palette = ImportPalette::CountedFromZero(BuiltInPalette::Ade20k);
        let palette = import.palette_of(&document);
        let name = |index| palette.class(index).map(|class| class.name.clone());
        assert_eq!(name(2).as_deref(), Some("sky"));
        // Another palette knows 0 by itself, and of what was chosen only what it has.
        import.palette = ImportPalette::BuiltIn(BuiltInPalette::Storybook);
        let palette = import.palette_of(&document);
        assert_eq!(import.meaning(LabelCode::Index(0), &palette), Some(0));
    }

    #[test]
    fn photographs_are_refused_in_a_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("photo.png");
        let photo = image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([x as u8, y as u8, 7]));
        photo.save(&path).expect("a file");
        let text = ReadMap::read(path).expect_err("too many colours");
        assert!(text.contains("more than 256 colours"), "{text}");
    }
}
