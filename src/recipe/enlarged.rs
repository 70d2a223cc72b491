//! Recipes of pictures that were made larger or are painted on: what is known of how they came
//! to be, and of the pictures before them.

use super::painted::{FoundRecipe, PaintedRecipe, RecipeForm};
use super::{Finish, GenerateSpec};

/// Pictures of which each was made larger from the one before, that a recipe remembers.
const MOST_SOURCES: usize = 8;

impl PaintedRecipe {
    /// The same of a picture that was made larger from one that has a recipe.
    #[must_use]
    pub fn made_from(self, source: Option<Self>) -> Self {
        Self {
            source: source.map(|source| Box::new(source.with_sources(MOST_SOURCES - 1))),
            ..self
        }
    }

    fn with_sources(self, most: usize) -> Self {
        let source = self.source.filter(|_| most > 0);
        Self {
            source: source.map(|source| Box::new(source.with_sources(most - 1))),
            ..self
        }
    }
}

impl FoundRecipe {
    /// The recipe of the picture once it was finished otherwise; `None` where that
    /// cannot be told: from a recipe of another program, or of one that was finished.
    pub fn finished(self, finish: Finish) -> Option<PaintedRecipe> {
        if self.form != RecipeForm::Velatura || self.spec.finish.is_some() {
            return None;
        }
        let painted = self.into_painted()?;
        Some(PaintedRecipe {
            spec: GenerateSpec {
                finish: Some(finish),
                ..painted.spec
            },
            ..painted
        })
    }

    /// The recipe of a layer that is painted on: `None` when it is not known which
    /// program painted with which model.
    pub fn into_painted(self) -> Option<PaintedRecipe> {
        let recipe = PaintedRecipe {
            sampler_label: self.spec.sampler.as_ref().map(ToString::to_string),
            used_picture: self.used_picture,
            used_mask: self.used_mask,
            used_latents: self.used_latents,
            model_name: self.model_name?,
            model_hash: self.model_hash?,
            program: self.program?,
            source: painted(self.source),
            spec: self.spec,
        };
        Some(match self.sampler_label {
            Some(label) => recipe.with_sampler_label(label),
            None => recipe,
        })
    }
}

fn painted(source: Option<Box<FoundRecipe>>) -> Option<Box<PaintedRecipe>> {
    source?.into_painted().map(Box::new)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::{Rgba, RgbaImage};

    use super::*;
    use crate::recipe::ImageInput;
    use crate::recipe::picture_reading::MAX_TEXT_BYTES;

    fn recipe(prompt: &str) -> PaintedRecipe {
        let spec = GenerateSpec {
            prompt: prompt.to_owned(),
            ..GenerateSpec::default()
        };
        PaintedRecipe::new(spec, "Garden", "0123456789")
    }

    #[test]
    fn the_small_picture_and_its_recipe_are_kept_inside() {
        let small = RgbaImage::from_pixel(4, 3, Rgba([9, 8, 7, 255]));
        let spec = GenerateSpec {
            steps: 30,
            seed: 7,
            low_resolution: Some(ImageInput(Arc::new(small))),
            ..GenerateSpec::default()
        };
        let large = PaintedRecipe::new(spec, "Larger", "abcdef0123");
        let large = large.made_from(Some(recipe("sea").made_from(Some(recipe("shore")))));
        let found = FoundRecipe::from_json(&large.to_json().unwrap()).unwrap();
        assert_eq!(found, FoundRecipe::of(large.clone()));
        let source = found.source.as_ref().unwrap();
        assert_eq!(source.spec.prompt, "sea");
        assert_eq!(source.source.as_ref().unwrap().spec.prompt, "shore");
        // Painted on, it is remembered too.
        let again = found.into_painted().unwrap();
        assert_eq!(again.to_json().unwrap(), large.to_json().unwrap());
        // What cannot be read of it costs nothing else.
        let json = large.to_json().unwrap();
        let newer = json.replacen("\"source\":{\"format\":1", "\"source\":{\"format\":9", 1);
        assert_ne!(newer, json);
        let found = FoundRecipe::from_json(&newer).unwrap();
        assert_eq!((found.spec.steps, found.source), (30, None));
    }

    #[test]
    fn the_own_recipe_comes_first_where_all_would_be_too_long_to_be_read() {
        let noise = RgbaImage::from_fn(440, 440, |x, y| {
            let mixed = (x * 440 + y).wrapping_mul(2_654_435_761);
            let [a, b, c, _] = (mixed ^ (mixed >> 15))
                .wrapping_mul(2_246_822_519)
                .to_le_bytes();
            Rgba([a, b, c, 255])
        });
        let spec = GenerateSpec {
            low_resolution: Some(ImageInput(Arc::new(noise))),
            ..GenerateSpec::default()
        };
        let large = || PaintedRecipe::new(spec.clone(), "Larger", "abcdef0123");
        let one = large().to_json().unwrap().len();
        assert!(one < MAX_TEXT_BYTES && 3 * one > MAX_TEXT_BYTES, "{one}");
        let json = large().made_from(Some(large().made_from(Some(large()))));
        let json = json.to_json().unwrap();
        assert!(json.len() <= MAX_TEXT_BYTES);
        let found = FoundRecipe::from_json(&json).unwrap();
        assert!(found.spec.low_resolution.is_some() && found.source.is_none());
    }

    #[test]
    fn recipes_do_not_grow_without_end() {
        let mut large = recipe("0");
        for generation in 1..200 {
            large = recipe(&generation.to_string()).made_from(Some(large));
        }
        let sources = std::iter::successors(large.source.as_deref(), |it| it.source.as_deref());
        assert_eq!(sources.count(), MOST_SOURCES);
        assert!(FoundRecipe::from_json(&large.to_json().unwrap()).is_some());
    }
}
