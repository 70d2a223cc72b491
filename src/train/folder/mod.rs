//! A folder of pictures, and what lies beside them.
//!
//! `barn.txt` (or `barn.caption`) is the caption of `barn.png`; `barn.json` may
//! hold boxes of the things in it and `barn.label.png` its label map, whose numbers the
//! `palette.json` of the folder explains, as `velatura scenes` writes them. Boxes of many
//! pictures may be in one COCO JSON file, and the folder that a picture lies in is its class.
//! `barn.mask.png` belongs to it too and is no picture.
//! Hidden files and folders, and the folder that the run writes into, are no data.

mod beside;
mod caption;
mod classes;
mod coco;
mod companion;
mod labels;
mod picture;
mod preview;
mod scan;
mod survey;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Pixel};

use self::labels::Labels;
use self::picture::Fitted;
use self::scan::{Found, Picture};
use super::TrainError;
use super::holdings::Holdings;
use super::source::{Known, PictureSource, Sample, SkippedPicture, SourceIdentity, Whole};
use crate::random::Random;
use crate::recipe::{Fit, LayoutBox, SemanticInput};

pub use preview::preview_of_folder;
pub use survey::survey_of_folder;

/// Decoded pictures that are kept for the next epoch.
const CACHE_BYTES: usize = 512 << 20;
/// Part of a thing that must be left of it in what is cut out.
const LEAST_SEEN: f32 = 0.5;
/// How often the side trained on goes into that of the largest square that is made smaller.
const ZOOM: u32 = 2;

/// The pictures of a folder and its subfolders.
///
/// A picture is brought to the size as a whole, or by its shorter side and cut at a
/// random place along its longer one (see [`Fit`]).
pub struct ImageFolder {
    root: PathBuf,
    size_px: u32,
    fit: Fit,
    /// Whether smaller squares are cut out and enlarged, too.
    zooms: bool,
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
    ready: Vec<Option<Arc<Ready>>>,
    bytes: usize,
}

/// A picture that is ready to be cut.
struct Ready {
    picture: Fitted,
    labels: Option<SemanticInput>,
}

impl Cache {
    fn new(count: usize) -> Mutex<Self> {
        Mutex::new(Self {
            ready: vec![None; count],
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
        fit: Fit,
        output: &Path,
    ) -> Result<(Self, FolderReport), TrainError> {
        let Found {
            pictures,
            skipped,
            remarks,
            identity,
        } = scan::scan(root, size_px, fit, output)?;
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
        let root = root.to_path_buf();
        let folder = Self::with(root, size_px, fit, pictures, identity);
        Ok((folder, FolderReport { skipped, remarks }))
    }

    fn with(
        root: PathBuf,
        size_px: u32,
        fit: Fit,
        pictures: Vec<Picture>,
        identity: SourceIdentity,
    ) -> Self {
        let cache = Cache::new(pictures.len());
        Self {
            root,
            size_px,
            fit,
            zooms: false,
            pictures,
            identity,
            cache,
        }
    }

    /// The same, with squares of every size from that trained on to the shorter side of a
    /// picture, as the paper's models of boxes were trained; but of no less than a half of
    /// that side.
    #[must_use]
    pub fn zooming(self, zooms: bool) -> Self {
        Self { zooms, ..self }
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
            let part = Self::with(
                self.root.clone(),
                self.size_px,
                self.fit,
                pictures,
                self.identity.clone(),
            );
            part.zooming(self.zooms)
        };
        (part(kept), part(taken))
    }

    /// What is known of the pictures.
    pub(super) fn holdings(&self) -> Holdings {
        let mut holdings = Holdings::default();
        for picture in &self.pictures {
            holdings.add(
                picture.class.as_deref(),
                !picture.caption.is_empty(),
                &picture.objects,
                picture
                    .labels
                    .as_ref()
                    .map(|labels| labels.palette.as_ref()),
            );
        }
        holdings
    }

    /// The captions, in the order of the pictures.
    pub fn captions(&self) -> impl Iterator<Item = &str> {
        self.pictures.iter().map(|picture| picture.caption.as_str())
    }

    /// The picture brought to the size, from the cache if it is there.
    fn ready(&self, index: usize) -> Result<Arc<Ready>, String> {
        let lock = || {
            let lock = self.cache.lock();
            lock.unwrap_or_else(|poison| poison.into_inner())
        };
        let cached = lock().ready[index].clone();
        if let Some(ready) = cached {
            return Ok(ready);
        }
        let about = &self.pictures[index];
        let picture = picture::decode(&about.path)?;
        // As it is seen: a camera may have turned it.
        let size_px = [picture.width(), picture.height()];
        let shorter = picture.width().min(picture.height());
        let side = match self.zooms {
            true => shorter.clamp(self.size_px, ZOOM * self.size_px),
            false => self.size_px,
        };
        let picture = picture::fitted(picture, side, self.fit)?;
        let labels = about.labels.as_ref().map(|Labels { path, palette, .. }| {
            let map = labels::read(path, size_px)?;
            Ok::<_, String>(SemanticInput {
                map: Arc::new(picture::fitted_labels(&map, &picture)),
                palette: palette.as_ref().clone(),
            })
        });
        // What nobody calls a label map may be anything that is called like one.
        let is_meant = about.labels.as_ref().is_some_and(|it| it.is_named);
        let labels = match labels {
            Some(Err(_)) if !is_meant => None,
            other => other.transpose()?,
        };
        let ready = Arc::new(Ready { labels, picture });
        let maps = ready.labels.iter().map(|labels| labels.map.as_raw().len());
        let bytes = ready.picture.rgb.as_raw().len() + maps.sum::<usize>();
        let mut cache = lock();
        if cache.bytes + bytes <= CACHE_BYTES && cache.ready[index].is_none() {
            cache.bytes += bytes;
            cache.ready[index] = Some(Arc::clone(&ready));
        }
        Ok(ready)
    }
}

impl ImageFolder {
    /// A square at the size that is trained on.
    fn at_size<P: Pixel<Subpixel = u8> + 'static>(
        &self,
        square: ImageBuffer<P, Vec<u8>>,
        filter: FilterType,
    ) -> ImageBuffer<P, Vec<u8>> {
        let size = self.size_px;
        match square.width() == size {
            true => square,
            false => imageops::resize(&square, size, size, filter),
        }
    }
}

impl PictureSource for ImageFolder {
    fn len(&self) -> Option<usize> {
        Some(self.pictures.len())
    }

    fn get(&self, index: u64, random: &mut Random) -> Result<Sample, SkippedPicture> {
        let index = (index % self.pictures.len().max(1) as u64) as usize;
        let picture = &self.pictures[index];
        let ready = self.ready(index).map_err(|reason| SkippedPicture {
            path: picture.path.clone(),
            reason,
        })?;
        let Fitted { rgb, place, .. } = &ready.picture;
        let (width, height) = rgb.dimensions();
        let size = match self.zooms {
            true => {
                let most = width.min(height);
                let more = u64::from(most - self.size_px.min(most)) + 1;
                self.size_px.min(most) + random.below(more) as u32
            }
            false => self.size_px,
        };
        let left = random.below(u64::from(width - size) + 1) as u32;
        let top = random.below(u64::from(height - size) + 1) as u32;
        let scale = self.size_px as f32 / size as f32;
        let mut boxes = seen(&picture.objects, *place, [left, top], size);
        for length in boxes.iter_mut().flat_map(|it| &mut it.rect) {
            *length *= scale;
        }
        let label_map = ready.labels.as_ref().map(|labels| {
            let map = imageops::crop_imm(labels.map.as_ref(), left, top, size, size);
            SemanticInput {
                map: Arc::new(self.at_size(map.to_image(), FilterType::Nearest)),
                palette: labels.palette.clone(),
            }
        });
        let rgb = imageops::crop_imm(rgb, left, top, size, size).to_image();
        Ok(Sample {
            rgb: self.at_size(rgb, FilterType::Lanczos3),
            caption: picture.caption.clone(),
            objects: boxes.iter().map(|it| it.rect).collect(),
            known: Known {
                partial_captions: Vec::new(),
                boxes: boxes
                    .into_iter()
                    .filter(|it| !it.class.is_empty())
                    .collect(),
                label_map,
                class: picture.class.clone(),
                whole: Some(whole(&picture.objects, *place, [left, top], size)),
            },
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

/// The picture of which a square of `side` pixels was cut out at `corner`, and the things of
/// names that reach into it.
fn whole(things: &[LayoutBox], place: [u32; 4], corner: [u32; 2], side: u32) -> Whole {
    let share = |axis: usize| {
        let length = place[axis + 2].max(1) as f32;
        let start = (corner[axis] as f32 - place[axis] as f32) / length;
        (start, side as f32 / length)
    };
    let ((left, across), (top, down)) = (share(0), share(1));
    let reaches = |from: f32, length: f32, start: f32, side: f32| {
        from < start + side && start < from + length
    };
    let is_seen = |it: &&LayoutBox| {
        let [x, y, width, height] = it.rect;
        let reaches = reaches(x, width, left, across) && reaches(y, height, top, down);
        reaches && !it.class.is_empty()
    };
    Whole {
        part: [left, top, across, down],
        boxes: things.iter().filter(is_seen).cloned().collect(),
    }
}

/// What is seen of things, given in parts of a picture at a place (left, top, width and
/// height), in the square of `side` pixels that was cut out at `corner`.
fn seen(things: &[LayoutBox], place: [u32; 4], corner: [u32; 2], side: u32) -> Vec<LayoutBox> {
    let side = side as f32;
    let along = |from: f32, length: f32, axis: usize| {
        let scale = place[axis + 2] as f32;
        let start = place[axis] as f32 + from * scale - corner[axis] as f32;
        (
            start.clamp(0.0, side),
            (start + length * scale).clamp(0.0, side),
            length * scale,
        )
    };
    let things = things.iter().filter_map(|thing| {
        let [left, top, width, height] = thing.rect;
        let (left, right, width) = along(left, width, 0);
        let (top, bottom, height) = along(top, height, 1);
        let part = (right - left) * (bottom - top) / (width * height);
        (part >= LEAST_SEEN).then(|| LayoutBox {
            rect: [left, top, right - left, bottom - top],
            ..thing.clone()
        })
    });
    things.collect()
}

#[cfg(test)]
mod tests;
