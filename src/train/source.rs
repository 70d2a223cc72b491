//! Where pictures come from.

use std::path::PathBuf;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::random::Random;

/// A picture to train on.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The picture, square and of the size asked for.
    pub rgb: RgbImage,
    /// What it shows; empty where nothing is said.
    pub caption: String,
    /// Left, top, width and height in pixels of the things that the caption names,
    /// where that is known.
    pub objects: Vec<[f32; 4]>,
}

/// A picture that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedPicture {
    /// The file.
    pub path: PathBuf,
    /// Why, in half a sentence.
    pub reason: String,
}

/// A numbered set of pictures, read by several threads at once.
pub trait PictureSource: Send + Sync {
    /// Number of pictures; `None` for a source that never ends.
    fn len(&self) -> Option<usize>;

    /// Whether there are no pictures.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// One picture; `random` decides on its crop.
    ///
    /// # Errors
    /// If the picture cannot be read; the run then takes the next one.
    fn get(&self, index: u64, random: &mut Random) -> Result<Sample, SkippedPicture>;

    /// A sentence fragment that tells this source from others, kept in checkpoints.
    fn describe(&self) -> String;
}
