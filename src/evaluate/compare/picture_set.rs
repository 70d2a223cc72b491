//! Sets of pictures, seen one picture after the other.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::distribution::{Distribution, Moments};
use super::features::{FeatureNetwork, Rows};
use crate::evaluate::EvaluateError;
use crate::recipe::{PictureFormat, PictureWarning, decode_picture};

/// Ends of the names of what lies beside pictures and is none.
const BESIDE: [&str; 2] = [".label", ".mask"];
/// Pictures of which each by itself is remembered, for figures that need that: spread
/// over the whole set where there are more.
const MOST_KEPT: usize = 10_000;

/// What a network saw in a set of pictures.
#[derive(Clone, Debug)]
pub struct PictureSet {
    /// Of all pictures.
    pub distribution: Distribution,
    /// Each by itself, of up to ten thousand.
    pub features: Rows,
    /// What they were taken for, where the network says.
    pub logits: Option<Rows>,
}

/// Sees pictures as they come; only numbers of them are kept.
#[derive(Debug)]
pub struct Gatherer<'a> {
    network: &'a FeatureNetwork,
    moments: Moments,
    features: Rows,
    logits: Option<Rows>,
    waiting: Vec<RgbImage>,
    expected: usize,
    seen: usize,
}

impl<'a> Gatherer<'a> {
    /// Before any of so many pictures.
    pub fn new(network: &'a FeatureNetwork, expected: usize) -> Self {
        Self {
            network,
            moments: Moments::new(network.width()),
            features: Rows::new(network.width(), Vec::new()),
            logits: None,
            waiting: Vec::new(),
            expected,
            seen: 0,
        }
    }

    /// Sees a picture.
    ///
    /// # Errors
    /// When the device fails, or the network sees no numbers.
    pub fn add(&mut self, picture: RgbImage) -> Result<(), EvaluateError> {
        self.waiting.push(picture);
        if self.waiting.len() >= self.network.at_once() {
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), EvaluateError> {
        let pictures = std::mem::take(&mut self.waiting);
        if pictures.is_empty() {
            return Ok(());
        }
        let seen = self.network.look(&pictures)?;
        self.moments.add(&seen.features)?;
        let width = self.network.width();
        for (at, row) in seen.features.chunks(width).enumerate() {
            let place = |picture: usize| picture * MOST_KEPT / self.expected.max(MOST_KEPT);
            let is_kept = place(self.seen) != place(self.seen + 1);
            self.seen += 1;
            if !is_kept {
                continue;
            }
            self.features.push(row);
            if let Some(logits) = &seen.logits {
                let width = logits.len() / pictures.len();
                let kept = self
                    .logits
                    .get_or_insert_with(|| Rows::new(width, Vec::new()));
                kept.push(&logits[at * width..][..width]);
            }
        }
        Ok(())
    }

    /// What was seen.
    ///
    /// # Errors
    /// When there were fewer than two pictures, or the device fails.
    pub fn finish(mut self) -> Result<PictureSet, EvaluateError> {
        self.look()?;
        Ok(PictureSet {
            distribution: self.moments.finish()?,
            features: self.features,
            logits: self.logits,
        })
    }
}

/// The pictures that lie directly in a folder, by name.
#[derive(Clone, Debug)]
pub struct PictureFolder {
    path: PathBuf,
    files: Vec<PathBuf>,
}

impl PictureFolder {
    /// Looks which pictures there are.
    ///
    /// # Errors
    /// When the folder cannot be read, or holds fewer than two.
    pub fn open(path: &Path) -> Result<Self, EvaluateError> {
        let failed = |source| EvaluateError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if is_picture(&file) && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        let path = path.to_owned();
        match files.len() {
            0 => Err(EvaluateError::NoPictures(path)),
            1 => Err(EvaluateError::OnePicture(path)),
            _ => Ok(Self { path, files }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its pictures.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Sees all of them; `observe` is told how many are seen.
    ///
    /// # Errors
    /// When a picture cannot be read, a device fails, or `observe` has enough.
    pub fn look(
        &self,
        network: &FeatureNetwork,
        observe: &mut dyn FnMut(Looked<'_>) -> ControlFlow<()>,
    ) -> Result<PictureSet, EvaluateError> {
        let mut gatherer = Gatherer::new(network, self.files.len());
        for (index, file) in self.files.iter().enumerate() {
            let (picture, warnings) = read_picture(file)?;
            gatherer.add(picture)?;
            let looked = Looked {
                done: index + 1,
                warnings: &warnings,
            };
            if observe(looked).is_break() {
                return Err(EvaluateError::Stopped);
            }
        }
        gatherer.finish()
    }
}

/// A picture was seen.
#[derive(Debug)]
pub struct Looked<'a> {
    /// Pictures seen.
    pub done: usize,
    /// What is odd about the last of them.
    pub warnings: &'a [PictureWarning],
}

/// A picture as Python's readers have it: without what is clear, which is dropped as
/// `convert("RGB")` does.
pub(super) fn read_picture(file: &Path) -> Result<(RgbImage, Vec<PictureWarning>), EvaluateError> {
    let decoded = decode_picture(file)?;
    Ok((decoded.image.into_rgb8(), decoded.warnings))
}

fn is_picture(path: &Path) -> bool {
    let is_read = PictureFormat::from_path(path).is_some();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_beside = BESIDE
        .iter()
        .any(|end| stem.to_ascii_lowercase().ends_with(end));
    is_read && !is_beside && !stem.starts_with('.')
}
