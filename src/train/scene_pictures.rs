//! Storybook scenes as an endless source of pictures.

use std::sync::Arc;

use super::TrainError;
use super::holdings::Holdings;
use super::random::Purpose;
use super::source::{Known, PictureSource, Sample, SkippedPicture, SourceIdentity};
use crate::random::Random;
use crate::recipe::{LayoutBox, Palette, PaletteClass, SemanticInput};
use crate::scenes::{
    Attributes, Place, SceneSource, Tint, classes, is_sticker, palette, partial_captions,
    sample_prompt,
};

/// Scenes of one seed, drawn when they are asked for.
pub struct ScenePictures {
    scenes: SceneSource,
    size_px: u32,
    seed: u64,
    sticker_share: Option<f32>,
    palette: Palette,
}

/// The class of scenes that are no place.
const STICKER: &str = "sticker";
/// Boxes that a model of scenes has room for; few scenes have more.
const MOST_BOXES: usize = 12;
/// Scenes among which one of the wanted kind is looked for.
const CANDIDATES: u64 = 8;

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
            sticker_share: None,
            palette: scene_palette(),
        })
    }

    /// The same world with more or fewer stickers than it has by itself.
    pub fn with_sticker_share(mut self, share: Option<f32>) -> Self {
        self.sticker_share = share;
        self
    }

    /// The scene that is shown at a place.
    fn number(&self, index: u64) -> u64 {
        let Some(share) = self.sticker_share else {
            return index;
        };
        let wanted = Purpose::Kind.random(self.seed, index).happens(share);
        let first = index * CANDIDATES;
        (first..first + CANDIDATES)
            .find(|number| is_sticker(self.seed, *number) == wanted)
            .unwrap_or(first)
    }

    /// What is known of all scenes.
    pub(super) fn holdings(&self) -> Holdings {
        let palette = self.palette.classes.clone();
        let nouns = classes().iter().map(|class| class.noun.clone());
        let places = Place::ALL.map(|place| place.name().to_owned());
        Holdings {
            pictures: None,
            classes: places.into_iter().chain([STICKER.to_owned()]).collect(),
            box_classes: nouns.collect(),
            box_colours: Tint::ALL.map(|tint| tint.name().to_owned()).to_vec(),
            most_boxes: MOST_BOXES,
            map_classes: palette,
            // Every scene has everything.
            captioned: 1,
            classed: 1,
            boxed: 1,
            mapped: 1,
            ..Holdings::default()
        }
    }

    /// A caption such as a scene could have, without drawing it.
    pub fn caption(&self, index: u64) -> String {
        sample_prompt(self.seed, index)
    }
}

/// The class of a scene: where it is.
fn class_of(scene: &Attributes) -> &'static str {
    match scene.sticker_ground {
        Some(_) => STICKER,
        None => scene.place.name(),
    }
}

/// What the numbers of the scenes' label maps mean.
fn scene_palette() -> Palette {
    let class = |entry: crate::scenes::PaletteEntry| PaletteClass {
        index: entry.id,
        name: entry.name,
        color: entry.colour,
    };
    Palette {
        name: "Storybook".to_owned(),
        classes: palette().into_iter().map(class).collect(),
    }
}

impl PictureSource for ScenePictures {
    fn len(&self) -> Option<usize> {
        None
    }

    fn get(&self, index: u64, _random: &mut Random) -> Result<Sample, SkippedPicture> {
        let number = self.number(index);
        let scene = self.scenes.scene(self.seed, number);
        let boxes = scene.objects.iter().map(|object| LayoutBox {
            class: classes()[object.class].noun.clone(),
            rect: object.bbox,
            colour: object.tint.map(|tint| tint.name().to_owned()),
        });
        let known = Known {
            whole: None,
            partial_captions: partial_captions(&scene, self.seed, number),
            boxes: boxes.collect(),
            label_map: Some(SemanticInput {
                map: Arc::new(scene.labels),
                palette: self.palette.clone(),
            }),
            class: Some(class_of(&scene.attributes).to_owned()),
        };
        Ok(Sample {
            rgb: scene.image,
            caption: scene.caption,
            objects: scene.objects.iter().map(|object| object.bbox).collect(),
            known,
        })
    }

    fn describe(&self) -> String {
        format!(
            "storybook scenes of {} pixels, seed {}",
            self.size_px, self.seed
        )
    }

    fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            place: self.describe(),
            digest: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_stickers_as_asked_for() {
        let source = ScenePictures::new(64, 7).expect("64 pixels are enough");
        let count = |source: &ScenePictures| {
            let stickers = (0..400).filter(|index| is_sticker(7, source.number(*index)));
            stickers.count()
        };
        assert!((70..130).contains(&count(&source)));
        let more = source.with_sticker_share(Some(0.5));
        assert!((160..230).contains(&count(&more)));
        assert!(count(&more.with_sticker_share(Some(0.0))) < 5);
    }
}
