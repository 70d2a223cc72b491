//! Where pictures come from.

use std::path::PathBuf;

use crate::random::Random;
use crate::recipe::{LayoutBox, SemanticInput};
use image::RgbImage;
use serde::{Deserialize, Serialize};

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
    /// What else is known of it.
    pub known: Known,
}

/// What a model can be told of a picture besides its caption, as far as it is known;
/// nothing for most pictures.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Captions that leave something out.
    pub partial_captions: Vec<String>,
    /// Where what is.
    pub boxes: Vec<LayoutBox>,
    /// What every pixel is.
    pub label_map: Option<SemanticInput>,
    /// What kind of picture it is.
    pub class: Option<String>,
    /// The picture of which this is a part, where more of it is known.
    pub whole: Option<Whole>,
}

/// A picture of which no more than a part is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole {
    /// Left, top, width and height of the part, in shares of the whole.
    pub part: [f32; 4],
    /// Where in the whole what is, in shares of it, of all that reaches into the part.
    pub boxes: Vec<LayoutBox>,
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

/// What tells the pictures of a run from those of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// Where they come from: the canonical path of a folder, or what scenes they are.
    pub place: String,
    /// A digest of their names, contents and captions; empty where the place says
    /// it all.
    pub digest: String,
}

impl SourceIdentity {
    /// What is different from the pictures of `before`, in a sentence for the user.
    pub(super) fn difference(&self, before: &Self) -> Option<String> {
        if self == before {
            return None;
        }
        let is_elsewhere = self.place != before.place;
        let (is, was) = (&self.place, &before.place);
        Some(if is_elsewhere && self.digest != before.digest {
            format!("the pictures are now {is}; until now they were {was}")
        } else if is_elsewhere {
            format!("the pictures are the same as before, but lie in {is} instead of {was}")
        } else {
            format!("the pictures in {is} are not all the same as before")
        })
    }
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

    /// What the pictures are, in a sentence fragment for people.
    fn describe(&self) -> String;

    /// What tells these pictures from others, kept in checkpoints.
    fn identity(&self) -> SourceIdentity;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_apart() {
        let identity = |place: &str, digest: &str| SourceIdentity {
            place: place.to_owned(),
            digest: digest.to_owned(),
        };
        let now = identity("/pictures", "1");
        let told = |before: SourceIdentity| now.difference(&before);
        assert_eq!(told(identity("/pictures", "1")), None);
        let moved = told(identity("/old", "1")).expect("told");
        assert!(moved.contains("same as before") && moved.contains("/old"));
        let changed = told(identity("/pictures", "2")).expect("told");
        assert!(changed.contains("not all the same"));
        assert!(told(identity("/old", "2")).is_some_and(|text| text.contains("/old")));
    }
}
