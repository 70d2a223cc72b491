//! What lies beside each picture of a folder, by the names of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::labels::{self, Labels};
use super::{caption, companion};
use crate::recipe::{Palette, PictureFormat};

/// What folders of label maps are called in data sets that keep them apart.
const MAP_FOLDERS: [&str; 7] = [
    "annotations",
    "labels",
    "label",
    "masks",
    "stuffthingmaps",
    "segmentation",
    "SegmentationClass",
];
/// The stem of the file that says what the numbers of label maps mean.
const PALETTE: &str = "palette";

fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

fn is_picture(path: &Path) -> bool {
    PictureFormat::from_path(path).is_some()
}

/// The palette of a folder; what is wrong with one goes to `problems`.
fn known_palette(folder: &Path, problems: &mut BTreeSet<String>) -> Option<Arc<Palette>> {
    match labels::palette_of(folder) {
        Ok(palette) => palette.map(Arc::new),
        Err(problem) => {
            problems.insert(problem);
            None
        }
    }
}

/// What of each folder's files lies beside a picture of the same stem.
#[derive(Default)]
pub(super) struct Beside<'a> {
    folders: BTreeMap<&'a Path, Names<'a>>,
    /// What is wrong with palettes, as sentences.
    pub problems: BTreeSet<String>,
}

#[derive(Default)]
pub(super) struct Names<'a> {
    pictures: BTreeSet<&'a OsStr>,
    /// By the place of their ending among those of captions, then by stem.
    captions: [BTreeMap<&'a OsStr, &'a Path>; caption::ENDINGS.len()],
    boxes: BTreeMap<&'a OsStr, &'a Path>,
    /// Label maps, by the stems of their pictures.
    labels: BTreeMap<&'a str, &'a Path>,
    /// What the numbers of the label maps mean.
    palette: Option<Arc<Palette>>,
    /// Whether a file says that.
    is_named: bool,
}

impl<'a> Beside<'a> {
    pub fn of(files: &'a [PathBuf]) -> Self {
        let mut beside = Self::default();
        for path in files {
            let (Some(folder), Some(stem), Some(ending)) =
                (path.parent(), path.file_stem(), ending(path))
            else {
                continue;
            };
            let names = beside.folders.entry(folder).or_default();
            if is_picture(path) {
                names.pictures.insert(stem);
                let of = stem.to_str().and_then(|stem| stem.strip_suffix(".label"));
                if let Some(of) = of.filter(|_| ending == "png") {
                    names.labels.insert(of, path);
                }
            } else if ending == "json" {
                names.boxes.insert(stem, path);
            } else if let Some(i) = caption::ENDINGS.iter().position(|known| *known == ending) {
                names.captions[i].insert(stem, path);
            }
        }
        for (folder, names) in &mut beside.folders {
            if !names.labels.is_empty() {
                names.palette = known_palette(folder, &mut beside.problems);
                names.is_named = names.palette.is_some();
            }
        }
        beside.share_palettes();
        beside
    }

    /// Folders without a palette take that of the nearest folder above them that has one,
    /// and where nobody says what the numbers mean, they stand for themselves.
    fn share_palettes(&mut self) {
        let needy = self.folders.iter();
        let needy = needy.filter(|(_, names)| !names.labels.is_empty() && names.palette.is_none());
        let needy: Vec<&Path> = needy.map(|(folder, _)| *folder).collect();
        let mut nameless = Vec::new();
        for folder in needy {
            let has_file = |above: &&Path| {
                let names = self.folders.get(above);
                names.is_some_and(|names| names.boxes.contains_key(OsStr::new(PALETTE)))
            };
            let mut above = folder.ancestors().skip(1).filter(has_file);
            let palette = above.find_map(|above| known_palette(above, &mut self.problems));
            let Some(names) = self.folders.get_mut(folder) else {
                continue;
            };
            match palette {
                Some(palette) => {
                    names.palette = Some(palette);
                    names.is_named = true;
                }
                None => nameless.push(folder),
            }
        }
        let maps = nameless
            .iter()
            .filter_map(|folder| self.folders.get(folder));
        let maps: Vec<&Path> = maps
            .flat_map(|names| names.labels.values().copied())
            .collect();
        if maps.is_empty() {
            return;
        }
        let numbers = Arc::new(labels::numbered(&maps));
        for folder in nameless {
            if let Some(names) = self.folders.get_mut(folder) {
                names.palette = Some(Arc::clone(&numbers));
            }
        }
    }

    /// Whether a file is a picture by itself.
    pub fn is_shown(&self, path: &'a Path) -> bool {
        is_picture(path) && !self.belongs_to_another(path)
    }

    /// JSON files that lie beside no picture of their name: they may be lists of boxes.
    pub fn lists(&self) -> impl Iterator<Item = &'a Path> {
        let folders = self.folders.values();
        folders.flat_map(|names| {
            let boxes = names.boxes.iter();
            let alone = boxes.filter(|(stem, _)| !names.pictures.contains(*stem));
            alone.map(|(_, path)| *path)
        })
    }

    /// Where PNG pictures lie apart from others of the same names, as label maps do in some
    /// data sets, as a sentence; `None` where there is no such folder.
    pub fn maps_apart(&self) -> Option<String> {
        let has_name = |folder: &Path| {
            let mut parts = folder.iter().rev();
            parts.any(|part| {
                MAP_FOLDERS
                    .iter()
                    .any(|name| part.eq_ignore_ascii_case(name))
            })
        };
        let (maps, others): (Vec<_>, Vec<_>) = self
            .folders
            .iter()
            .partition(|(folder, _)| has_name(folder));
        for (folder, names) in maps {
            let is_elsewhere = |stem: &&OsStr| {
                let mut others = others.iter();
                others.any(|(_, other)| other.pictures.contains(*stem))
            };
            let first = names.pictures.iter().copied().find(is_elsewhere);
            if let Some(first) = first {
                let first = first.display();
                return Some(format!(
                    "\u{201c}{}\u{201d} seems to hold label maps, which are taken for pictures there: put {first}.label.png beside {first}, and so on",
                    folder.display()
                ));
            }
        }
        None
    }

    fn names(&self, picture: &'a Path) -> Option<(&Names<'a>, &'a OsStr)> {
        Some((self.folders.get(picture.parent()?)?, picture.file_stem()?))
    }

    fn belongs_to_another(&self, picture: &'a Path) -> bool {
        self.names(picture).is_some_and(|(names, stem)| {
            let is_there = |stem: &str| names.pictures.contains(OsStr::new(stem));
            stem.to_str()
                .is_some_and(|stem| companion::belongs_to_a_picture(stem, is_there))
        })
    }

    pub fn caption(&self, picture: &'a Path) -> Option<&'a Path> {
        let (names, stem) = self.names(picture)?;
        let found = names.captions.iter().find_map(|of| of.get(stem));
        found.copied()
    }

    pub fn labels(&self, picture: &'a Path) -> Option<Labels> {
        let (names, stem) = self.names(picture)?;
        Some(Labels {
            path: names.labels.get(stem.to_str()?)?.to_path_buf(),
            palette: Arc::clone(names.palette.as_ref()?),
            is_named: names.is_named,
        })
    }

    pub fn boxes(&self, picture: &'a Path) -> Option<&'a Path> {
        let (names, stem) = self.names(picture)?;
        names.boxes.get(stem).copied()
    }
}
