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

impl Sample {
    /// How much each square of `factor` pixels a side counts, row by row: `over_things`
    /// where its middle lies in a thing that the caption names, 1 elsewhere. Empty
    /// where all count alike.
    pub(super) fn weights(&self, factor: usize, over_things: f32) -> Vec<f32> {
        if over_things == 1.0 || self.objects.is_empty() {
            return Vec::new();
        }
        let side = self.rgb.width() as usize / factor;
        let centre = |i: usize| ((i as f32) + 0.5) * factor as f32;
        let is_inside = |x: f32, y: f32, [left, top, width, height]: [f32; 4]| {
            (left..=left + width).contains(&x) && (top..=top + height).contains(&y)
        };
        (0..side * side)
            .map(|i| (centre(i % side), centre(i / side)))
            .map(|(x, y)| {
                let mut things = self.objects.iter();
                if things.any(|thing| is_inside(x, y, *thing)) {
                    over_things
                } else {
                    1.0
                }
            })
            .collect()
    }
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
