//! A folder of pictures and captions.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use walkdir::WalkDir;

use super::TrainError;
use super::random::Random;
use super::source::{PictureSource, Sample, SkippedPicture};

/// Endings of the files that are read.
const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// Decoded pictures that are kept for the next epoch.
const CACHE_BYTES: usize = 512 << 20;
/// Longest side over shortest beyond which a picture is a strip, not a picture.
const LONGEST_STRIP: u32 = 16;

/// The pictures of a folder and its subfolders.
///
/// `name.txt` beside `name.png` is its caption. A picture is brought to the
/// size by its shorter side and cut at a random place along its longer one.
pub struct ImageFolder {
    root: PathBuf,
    size_px: u32,
    pictures: Vec<Picture>,
    cache: Mutex<Cache>,
}

#[derive(Clone)]
struct Picture {
    path: PathBuf,
    caption: String,
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
    /// Finds the pictures of a folder and reads their sizes and captions. The
    /// second value lists those that were left out.
    ///
    /// # Errors
    /// If the folder cannot be read, or holds no picture that can be used.
    pub fn open(root: &Path, size_px: u32) -> Result<(Self, Vec<SkippedPicture>), TrainError> {
        // Walking a missing folder would only say that one entry failed.
        fs::read_dir(root).map_err(TrainError::io("read the folder", root))?;
        let mut pictures = Vec::new();
        let mut skipped = Vec::new();
        for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    skipped.push(SkippedPicture {
                        path: error.path().unwrap_or(root).to_path_buf(),
                        reason: error.to_string(),
                    });
                    continue;
                }
            };
            if !entry.file_type().is_file() || !is_picture(entry.path()) {
                continue;
            }
            let path = entry.into_path();
            match check(&path, size_px) {
                Ok(()) => pictures.push(Picture {
                    caption: read_caption(&path),
                    path,
                }),
                Err(reason) => skipped.push(SkippedPicture { path, reason }),
            }
        }
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
        let folder = Self::with(root.to_path_buf(), size_px, pictures);
        Ok((folder, skipped))
    }

    fn with(root: PathBuf, size_px: u32, pictures: Vec<Picture>) -> Self {
        let cache = Cache::new(pictures.len());
        Self {
            root,
            size_px,
            pictures,
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
        (
            Self::with(self.root.clone(), self.size_px, kept),
            Self::with(self.root, self.size_px, taken),
        )
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
        let picture = decode(&self.pictures[index].path)?;
        let picture = shrink(picture, self.size_px);
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
            objects: Vec::new(),
        })
    }

    fn describe(&self) -> String {
        format!(
            "{} pictures of {}",
            self.pictures.len(),
            self.root.display()
        )
    }
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Reads the head of a picture only: a damaged body is met when it is decoded.
fn check(path: &Path, size_px: u32) -> Result<(), String> {
    let (width, height) = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| format!("it cannot be opened ({error})"))?
        .into_dimensions()
        .map_err(|error| format!("it is no picture ({error})"))?;
    if width.min(height) < size_px {
        return Err(format!(
            "its {width} × {height} pixels are fewer than the {size_px} × {size_px} trained on"
        ));
    }
    if width.max(height) > LONGEST_STRIP * width.min(height) {
        return Err(format!("its {width} × {height} pixels are a strip"));
    }
    Ok(())
}

/// The text beside a picture, on one line.
fn read_caption(path: &Path) -> String {
    // A missing or unreadable caption is an empty one: captions are optional.
    let bytes = fs::read(path.with_extension("txt")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

fn decode(path: &Path) -> Result<DynamicImage, String> {
    let text = |error: image::ImageError| format!("it is damaged ({error})");
    let mut decoder = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| format!("it cannot be opened ({error})"))?
        .into_decoder()
        .map_err(text)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(text)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Lays transparent pictures on white and brings the shorter side to the size.
fn shrink(picture: DynamicImage, size_px: u32) -> RgbImage {
    let picture = if picture.color().has_alpha() {
        let rgba = picture.into_rgba8();
        let mut flat = RgbImage::new(rgba.width(), rgba.height());
        for (to, from) in flat.pixels_mut().zip(rgba.pixels()) {
            let alpha = u32::from(from[3]);
            for channel in 0..3 {
                let blended = u32::from(from[channel]) * alpha + 255 * (255 - alpha);
                to[channel] = ((blended + 127) / 255) as u8;
            }
        }
        flat
    } else {
        picture.into_rgb8()
    };
    let (width, height) = picture.dimensions();
    let shorter = width.min(height);
    if shorter == size_px {
        return picture;
    }
    let scaled = |side: u32| {
        let exact = u64::from(side) * u64::from(size_px);
        let rounded = (exact + u64::from(shorter) / 2) / u64::from(shorter);
        u32::try_from(rounded).unwrap_or(u32::MAX).max(size_px)
    };
    imageops::resize(
        &picture,
        scaled(width),
        scaled(height),
        FilterType::Lanczos3,
    )
}
