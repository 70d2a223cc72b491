//! Storybook scenes as an endless source of pictures.

use super::TrainError;
use super::random::Random;
use super::source::{PictureSource, Sample, SkippedPicture};
use crate::scenes::{SceneSource, sample_prompt};

/// Scenes of one seed, drawn when they are asked for.
pub struct ScenePictures {
    scenes: SceneSource,
    size_px: u32,
    seed: u64,
}

impl ScenePictures {
    /// The world of a seed.
    ///
    /// # Errors
    /// If scenes of this size cannot be drawn.
    pub fn new(size_px: u32, seed: u64) -> Result<Self, TrainError> {
        Ok(Self {
            scenes: SceneSource::new(size_px)?,
            size_px,
            seed,
        })
    }

    /// A caption such as a scene could have, without drawing it.
    pub fn caption(&self, index: u64) -> String {
        sample_prompt(self.seed, index)
    }
}

impl PictureSource for ScenePictures {
    fn len(&self) -> Option<usize> {
        None
    }

    fn get(&self, index: u64, _random: &mut Random) -> Result<Sample, SkippedPicture> {
        let scene = self.scenes.scene(self.seed, index);
        Ok(Sample {
            rgb: scene.image,
            caption: scene.caption,
        })
    }

    fn describe(&self) -> String {
        format!(
            "storybook scenes of {} pixels, seed {}",
            self.size_px, self.seed
        )
    }
}
