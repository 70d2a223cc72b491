//! Which files of a folder are pictures, and what lies beside each.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use super::beside::Beside;
use super::classes::Classes;
use super::coco::BoxLists;
use super::labels::Labels;
use super::{caption, companion, picture};
use crate::files::{open_file, reason_of};
use crate::recipe::{Fit, LayoutBox};
use crate::train::TrainError;
use crate::train::source::{SkippedPicture, SourceIdentity};

/// Longest side over shortest beyond which a picture is a strip, not a picture.
const LONGEST_STRIP: u32 = 16;
/// Names of what a run writes, for an output folder that is the folder of pictures.
const WRITTEN: [&str; 3] = ["checkpoints", "model", "samples"];
/// Bytes at the start and at the end of a file by which it is told from others.
const SEEN_BYTES: u64 = 1 << 16;
/// Files that a remark names; of more it says how many.
const NAMED: usize = 5;

/// A picture and what lies beside it.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub path: PathBuf,
    pub caption: String,
    /// Things in it, by parts of its sides.
    pub objects: Vec<LayoutBox>,
    /// Its label map.
    pub labels: Option<Labels>,
    /// The folder of its kind.
    pub class: Option<String>,
}

/// What a folder holds.
pub(super) struct Found {
    pub pictures: Vec<Picture>,
    pub skipped: Vec<SkippedPicture>,
    /// Sentences about what was done differently from what one may expect.
    pub remarks: Vec<String>,
    pub identity: SourceIdentity,
}

/// Looks through a folder and its subfolders, but for hidden ones and `output`.
pub(super) fn scan(
    root: &Path,
    size_px: u32,
    fit: Fit,
    output: &Path,
) -> Result<Found, TrainError> {
    // Walking a missing folder would only say that one entry failed.
    let place = fs::canonicalize(root).map_err(TrainError::io("read the folder", root))?;
    fs::read_dir(root).map_err(TrainError::io("read the folder", root))?;
    let mut skipped = Vec::new();
    let files = files(root, &place, output, &mut skipped);
    let beside = Beside::of(&files);
    let lists = BoxLists::read(beside.lists());
    let classes = Classes::of(files.iter().filter(|path| beside.is_shown(path)));
    let mut pictures = Vec::new();
    let mut odd = Oddities {
        lists: lists.problems.clone(),
        ..Oddities::default()
    };
    let mut digest = Sha256::new();
    for path in files.iter().filter(|path| beside.is_shown(path)) {
        let size = match check(path, size_px, fit) {
            Ok(size) => size,
            Err(reason) => {
                skipped.push(SkippedPicture {
                    path: path.clone(),
                    reason,
                });
                continue;
            }
        };
        let picture = Picture {
            caption: odd.caption(beside.caption(path)),
            objects: odd.objects(path, beside.boxes(path), &lists, size),
            labels: beside.labels(path),
            class: classes.class(path),
            path: path.clone(),
        };
        add(&mut digest, root, &picture).map_err(TrainError::io("read", path))?;
        pictures.push(picture);
    }
    Ok(Found {
        pictures,
        skipped,
        remarks: beside
            .problems
            .iter()
            .cloned()
            .chain(odd.remarks())
            .chain(notes(&beside, &lists, &files))
            .collect(),
        identity: SourceIdentity {
            place: place.to_string_lossy().into_owned(),
            digest: digest
                .finalize()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect(),
        },
    })
}

/// What may not be expected of the lists of boxes and the label maps of a folder.
pub(super) fn notes(beside: &Beside<'_>, lists: &BoxLists, files: &[PathBuf]) -> Vec<String> {
    let pictures = files.iter().map(PathBuf::as_path);
    let remarks = lists.remarks(pictures.filter(|path| beside.is_shown(path)));
    beside.maps_apart().into_iter().chain(remarks).collect()
}

/// Pictures of a folder and its subfolders, but for hidden ones, among its first files.
pub(super) fn some_pictures(root: &Path, most_files: usize) -> Vec<PathBuf> {
    let files = first_files(root, most_files);
    let beside = Beside::of(&files);
    let pictures = files.iter().filter(|path| beside.is_shown(path));
    pictures.cloned().collect()
}

/// Files of a folder and its subfolders, but for hidden ones, the first so many of them.
pub(super) fn first_files(root: &Path, most_files: usize) -> Vec<PathBuf> {
    let is_hidden = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    let walk = WalkDir::new(root).follow_links(true).sort_by_file_name();
    let entries = walk
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry));
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(DirEntry::into_path)
        .take(most_files)
        .collect()
}

/// All files that may be data, in an order that is the same everywhere.
fn files(
    root: &Path,
    place: &Path,
    output: &Path,
    skipped: &mut Vec<SkippedPicture>,
) -> Vec<PathBuf> {
    let outputs: Vec<PathBuf> = match fs::canonicalize(output) {
        Ok(output) if output == place => WRITTEN.map(|name| place.join(name)).to_vec(),
        Ok(output) => vec![output],
        // It is made later.
        Err(_) => Vec::new(),
    };
    let is_output = |entry: &DirEntry| {
        let is_folder = entry.file_type().is_dir() && !outputs.is_empty();
        is_folder && fs::canonicalize(entry.path()).is_ok_and(|path| outputs.contains(&path))
    };
    let is_hidden = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    let walk = WalkDir::new(root).follow_links(true).sort_by_file_name();
    let entries = walk
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry) && !is_output(entry));
    let mut files = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => skipped.push(SkippedPicture {
                path: error.path().unwrap_or(root).to_path_buf(),
                reason: error
                    .io_error()
                    .map_or_else(|| error.to_string(), reason_of),
            }),
        }
    }
    files
}

/// Files with something odd about them, of each kind.
#[derive(Default)]
pub(super) struct Oddities {
    unreadable: Vec<OsString>,
    guessed: Vec<OsString>,
    cut: Vec<OsString>,
    other_size: Vec<OsString>,
    /// What is wrong with lists of boxes, as sentences.
    lists: Vec<String>,
}

impl Oddities {
    fn caption(&mut self, path: Option<&Path>) -> String {
        let Some(path) = path else {
            return String::new();
        };
        match caption::read(path) {
            Ok(caption) => {
                if caption.is_guessed {
                    self.guessed.push(path.into());
                }
                if caption.is_cut {
                    self.cut.push(path.into());
                }
                caption.text
            }
            Err(_) => {
                self.unreadable.push(path.into());
                String::new()
            }
        }
    }

    /// Boxes beside a picture, or else those that a list has of it.
    pub fn objects(
        &mut self,
        picture: &Path,
        path: Option<&Path>,
        lists: &BoxLists,
        size_px: [u32; 2],
    ) -> Vec<LayoutBox> {
        let [width, height] = size_px.map(|side| side as f32);
        let beside = path.map(|path| (path, companion::read_boxes(path, size_px)));
        match beside {
            Some((_, Ok(boxes))) if !boxes.is_empty() => {
                let part = |[x, y, w, h]: [f32; 4]| [x / width, y / height, w / width, h / height];
                let boxes = boxes.into_iter().map(|it| LayoutBox {
                    rect: part(it.rect),
                    ..it
                });
                boxes.collect()
            }
            Some((path, Err(_))) => {
                self.other_size.push(path.into());
                Vec::new()
            }
            _ => {
                let listed = lists.boxes(picture, size_px);
                listed.unwrap_or(Ok(Vec::new())).unwrap_or_else(|()| {
                    self.other_size.push(picture.into());
                    Vec::new()
                })
            }
        }
    }

    fn remarks(&self) -> impl Iterator<Item = String> {
        let lists = self.lists.iter();
        let lists = lists.map(|problem| format!("{problem}; its boxes are left out"));
        let files = [
            (
                "captions that cannot be read are taken as empty",
                &self.unreadable,
            ),
            (
                "captions that are not UTF-8 are read as Windows-1252, so check their letters",
                &self.guessed,
            ),
            (
                "of captions this long only the beginning is read",
                &self.cut,
            ),
            (
                "boxes that were drawn for another size of the picture are left out",
                &self.other_size,
            ),
        ]
        .into_iter()
        .filter(|(_, files)| !files.is_empty())
        .map(|(what, files)| format!("{what}: {}", names(files)));
        files.chain(lists)
    }
}

/// The first few names, and how many more there are.
fn names(files: &[OsString]) -> String {
    let name = |file: &OsString| format!("\u{201c}{}\u{201d}", Path::new(file).display());
    let named: Vec<String> = files.iter().take(NAMED).map(name).collect();
    match files.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Width and height of a picture, from its head only: a damaged body is met when
/// it is decoded.
fn check(path: &Path, size_px: u32, fit: Fit) -> Result<[u32; 2], String> {
    let (width, height) = picture::size_px(path)?;
    let may_be_whole = || match fit {
        Fit::Crop => false,
        Fit::Pad => true,
        Fit::Auto => picture::may_be_clear(path),
    };
    let is_small = width.max(height) < size_px || (width.min(height) < size_px && !may_be_whole());
    if is_small {
        return Err(picture::too_small([width, height], size_px));
    }
    if width.max(height) > LONGEST_STRIP * width.min(height) {
        return Err(format!("its {width} × {height} pixels are a strip"));
    }
    Ok([width, height])
}

/// Adds a picture to the digest of all: its name, its file, its caption, and what of
/// boxes and label map lies beside it.
fn add(digest: &mut Sha256, root: &Path, picture: &Picture) -> io::Result<()> {
    let name = picture.path.strip_prefix(root).unwrap_or(&picture.path);
    let (ends, length) = ends(&picture.path)?;
    add_part(digest, name.as_os_str().as_encoded_bytes());
    add_part(digest, &ends);
    add_part(digest, picture.caption.as_bytes());
    digest.update(length.to_le_bytes());
    // Folders without them keep the digest that runs of before know.
    if !picture.objects.is_empty() {
        add_part(digest, &serde_json::to_vec(&picture.objects)?);
    }
    if let Some(labels) = &picture.labels {
        let (ends, length) = self::ends(&labels.path)?;
        add_part(digest, &ends);
        digest.update(length.to_le_bytes());
    }
    Ok(())
}

/// Both ends of a file, and how long it is. Pictures of thousands of megabytes are not
/// read whole to be told from others.
fn ends(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let mut file = open_file(path)?;
    let length = file.metadata()?.len();
    let mut ends = Vec::new();
    file.by_ref().take(SEEN_BYTES).read_to_end(&mut ends)?;
    file.seek(SeekFrom::Start(length.saturating_sub(SEEN_BYTES)))?;
    file.take(SEEN_BYTES).read_to_end(&mut ends)?;
    Ok((ends, length))
}

fn add_part(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_le_bytes());
    digest.update(part);
}
