//! A folder of pictures, and what lies beside them.
//!
//! `barn.txt` (or `barn.caption`) is the caption of `barn.png`; `barn.json` may
//! hold boxes of the things in it, as `velatura scenes` writes them;
//! `barn.label.png` and `barn.mask.png` belong to it and are no pictures.
//! Hidden files and folders, and the folder that the run writes into, are no data.

mod caption;
mod companion;
mod picture;
mod scan;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::{RgbImage, imageops};

use self::scan::{Found, Picture};
use super::TrainError;
use super::source::{Known, PictureSource, Sample, SkippedPicture, SourceIdentity};
use crate::random::Random;

/// Decoded pictures that are kept for the next epoch.
const CACHE_BYTES: usize = 512 << 20;
/// Part of a thing that must be left of it in what is cut out.
const LEAST_SEEN: f32 = 0.5;

/// The pictures of a folder and its subfolders.
///
/// A picture is brought to the size by its shorter side and cut at a random place
/// along its longer one.
pub struct ImageFolder {
    root: PathBuf,
    size_px: u32,
    pictures: Vec<Picture>,
    identity: SourceIdentity,
    cache: Mutex<Cache>,
}

/// What was met on the way through a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderReport {
    /// Pictures that were left out.
    pub skipped: Vec<SkippedPicture>,
    /// Sentences about what was done differently from what one may expect.
    pub remarks: Vec<String>,
}

struct Cache {
    resized: Vec<Option<RgbImage>>,
    bytes: usize,
}

impl Cache {
    fn new(count: usize) -> Mutex<Self> {
        Mutex::new(Self {
            resized: vec![None; count],
            bytes: 0,
        })
    }
}

impl ImageFolder {
    /// Finds the pictures of a folder and reads their sizes and captions. Nothing
    /// in `output`, the folder that the run writes into, is a picture.
    ///
    /// # Errors
    /// If the folder cannot be read, or holds no picture that can be used.
    pub fn open(
        root: &Path,
        size_px: u32,
        output: &Path,
    ) -> Result<(Self, FolderReport), TrainError> {
        let Found {
            pictures,
            skipped,
            remarks,
            identity,
        } = scan::scan(root, size_px, output)?;
        if pictures.is_empty() {
            return Err(match skipped.first() {
                None => TrainError::NoPictures(root.to_path_buf()),
                Some(first) => TrainError::NoUsablePictures {
                    folder: root.to_path_buf(),
                    count: skipped.len(),
                    first: Box::new(first.clone()),
                },
            });
        }
        let folder = Self::with(root.to_path_buf(), size_px, pictures, identity);
        Ok((folder, FolderReport { skipped, remarks }))
    }

    fn with(root: PathBuf, size_px: u32, pictures: Vec<Picture>, identity: SourceIdentity) -> Self {
        let cache = Cache::new(pictures.len());
        Self {
            root,
            size_px,
            pictures,
            identity,
            cache,
        }
    }

    /// Takes `count` pictures out, evenly spread, to judge the model by.
    pub fn split(self, count: usize) -> (Self, Self) {
        let total = self.pictures.len();
        let count = count.min(total);
        let is_taken = |index: usize| (index + 1) * count / total != index * count / total;
        let (mut kept, mut taken) = (Vec::new(), Vec::new());
        for (index, picture) in self.pictures.into_iter().enumerate() {
            if is_taken(index) {
                taken.push(picture);
            } else {
                kept.push(picture);
            }
        }
        let part = |pictures| {
            Self::with(
                self.root.clone(),
                self.size_px,
                pictures,
                self.identity.clone(),
            )
        };
        (part(kept), part(taken))
    }

    /// The captions, in the order of the pictures.
    pub fn captions(&self) -> impl Iterator<Item = &str> {
        self.pictures.iter().map(|picture| picture.caption.as_str())
    }

    /// The picture with its shorter side at the size, from the cache if it is there.
    fn resized(&self, index: usize) -> Result<RgbImage, String> {
        let cached = |cache: &Mutex<Cache>| {
            let cache = cache.lock().unwrap_or_else(|poison| poison.into_inner());
            cache.resized[index].clone()
        };
        if let Some(picture) = cached(&self.cache) {
            return Ok(picture);
        }
        let picture = picture::decode(&self.pictures[index].path)?;
        let picture = picture::shrink(picture, self.size_px);
        let bytes = picture.as_raw().len();
        let mut cache = self
            .cache
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        if cache.bytes + bytes <= CACHE_BYTES && cache.resized[index].is_none() {
            cache.bytes += bytes;
            cache.resized[index] = Some(picture.clone());
        }
        Ok(picture)
    }
}

impl PictureSource for ImageFolder {
    fn len(&self) -> Option<usize> {
        Some(self.pictures.len())
    }

    fn get(&self, index: u64, random: &mut Random) -> Result<Sample, SkippedPicture> {
        let index = (index % self.pictures.len().max(1) as u64) as usize;
        let picture = &self.pictures[index];
        let resized = self.resized(index).map_err(|reason| SkippedPicture {
            path: picture.path.clone(),
            reason,
        })?;
        let (width, height) = resized.dimensions();
        let size = self.size_px;
        let left = random.below(u64::from(width - size) + 1) as u32;
        let top = random.below(u64::from(height - size) + 1) as u32;
        Ok(Sample {
            rgb: imageops::crop_imm(&resized, left, top, size, size).to_image(),
            caption: picture.caption.clone(),
            objects: seen(&picture.objects, [width, height], [left, top], size),
            known: Known::default(),
        })
    }

    fn describe(&self) -> String {
        format!(
            "{} pictures of {}",
            self.pictures.len(),
            self.root.display()
        )
    }

    fn identity(&self) -> SourceIdentity {
        self.identity.clone()
    }
}

/// What is seen of things, given in parts of a picture of `size_px`, in the square
/// of `side` pixels that was cut out at `corner`.
fn seen(things: &[[f32; 4]], size_px: [u32; 2], corner: [u32; 2], side: u32) -> Vec<[f32; 4]> {
    let side = side as f32;
    let along = |from: f32, length: f32, axis: usize| {
        let scale = size_px[axis] as f32;
        let start = from * scale - corner[axis] as f32;
        (
            start.clamp(0.0, side),
            (start + length * scale).clamp(0.0, side),
            length * scale,
        )
    };
    let things = things.iter().filter_map(|[left, top, width, height]| {
        let (left, right, width) = along(*left, *width, 0);
        let (top, bottom, height) = along(*top, *height, 1);
        let part = (right - left) * (bottom - top) / (width * height);
        (part >= LEAST_SEEN).then_some([left, top, right - left, bottom - top])
    });
    things.collect()
}

#[cfg(test)]
mod tests;
