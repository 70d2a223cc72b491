//! What the Generate panel edits, and how it becomes a job.

use serde::{Deserialize, Serialize};

use crate::engine::SamplerChoice;
use crate::engine::protocol::ModelSummary;
use crate::recipe::param::SEED;
use crate::recipe::{
    FoundRecipe, GenerateSpec, ImageInput, MAX_SIDE_PX, MaskInput, ModelSource, SamplerId,
};

/// Most steps the panel offers.
pub const MAX_STEPS: u32 = 150;
/// Largest guidance scale the panel offers.
pub const MAX_GUIDANCE: f32 = 20.0;
/// Most pictures of one job.
pub const MAX_BATCH: u32 = 16;
/// Smallest side that the panel offers.
pub const MIN_SIDE_PX: u32 = 16;

/// The prompt of a first start: what the first press on Generate paints, and how
/// Storybook wants to be spoken to.
pub const EXAMPLE_PROMPT: &str = "a yellow bus in the hills at sunset, 3d style";

/// The settings of the next job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateForm {
    /// The model.
    pub model: ModelSource,
    /// What to paint.
    pub prompt: String,
    /// What to steer away from.
    pub negative_prompt: String,
    /// The sampler.
    pub sampler: SamplerId,
    /// Karras noise levels, where the sampler has them.
    pub karras: bool,
    /// Sampling steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance_scale: f32,
    /// Seed of the noise.
    pub seed: u64,
    /// Whether the seed stays from job to job.
    pub seed_locked: bool,
    /// Width of a new picture.
    pub width_px: u32,
    /// Height of a new picture.
    pub height_px: u32,
    /// How much of an existing picture is repainted without a mask.
    pub strength: f32,
    /// How much is repainted inside a mask.
    pub mask_strength: f32,
    /// Soft edge of a repainted mask.
    pub feather_px: f32,
    /// Number of pictures.
    pub batch: u32,
}

impl Default for GenerateForm {
    fn default() -> Self {
        Self {
            model: ModelSource::Storybook,
            prompt: EXAMPLE_PROMPT.to_owned(),
            negative_prompt: String::new(),
            sampler: SamplerChoice::usual(),
            karras: false,
            steps: 20,
            guidance_scale: 4.0,
            seed: 0,
            seed_locked: false,
            width_px: 64,
            height_px: 64,
            strength: 0.6,
            mask_strength: 1.0,
            feather_px: GenerateSpec::default().feather_px,
            batch: 1,
        }
    }
}

/// What a press on Generate would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Intent {
    /// A new picture from the prompt alone.
    TextToImage,
    /// Only what the mask covers.
    Inpaint,
    /// The whole picture, keeping some of it.
    ImageToImage,
}

impl Intent {
    /// The rule: no picture, a new one; a picture and a mask, inside the mask;
    /// a picture alone, all of it.
    pub fn of(has_picture: bool, has_mask: bool) -> Self {
        match (has_picture, has_mask) {
            (false, _) => Self::TextToImage,
            (true, true) => Self::Inpaint,
            (true, false) => Self::ImageToImage,
        }
    }

    /// Whether the strength acts.
    pub fn uses_strength(self) -> bool {
        self != Self::TextToImage
    }

    /// One line for the user.
    pub fn sentence(self, form: &GenerateForm, size_px: [u32; 2]) -> String {
        let [width, height] = size_px;
        let percent = (form.strength_for(self) * 100.0).round();
        let what = match self {
            Self::TextToImage => format!("Text to image, {width} × {height}"),
            Self::Inpaint if percent >= 100.0 => "Repaint inside the mask".to_owned(),
            Self::Inpaint => format!("Repaint inside the mask, {percent} %"),
            Self::ImageToImage => format!("Image to image, {percent} %"),
        };
        if form.batch > 1 {
            format!("{what}, {} pictures", form.batch)
        } else {
            what
        }
    }
}

impl GenerateForm {
    /// Brings every number into its range.
    pub fn validated(mut self) -> Self {
        let finite = |value: f32, fallback: f32| if value.is_finite() { value } else { fallback };
        self.steps = self.steps.clamp(1, MAX_STEPS);
        self.guidance_scale = finite(self.guidance_scale, 4.0).clamp(0.0, MAX_GUIDANCE);
        self.width_px = self.width_px.clamp(MIN_SIDE_PX, MAX_SIDE_PX);
        self.height_px = self.height_px.clamp(MIN_SIDE_PX, MAX_SIDE_PX);
        self.strength = finite(self.strength, 0.6).clamp(0.0, 1.0);
        self.mask_strength = finite(self.mask_strength, 1.0).clamp(0.0, 1.0);
        self.feather_px = finite(self.feather_px, 4.0).clamp(0.0, 256.0);
        self.batch = self.batch.clamp(1, MAX_BATCH);
        if SamplerChoice::find(&self.sampler).is_none() {
            log::warn!(
                "There is no sampler {} (settings of a newer version?)",
                self.sampler
            );
            self.sampler = SamplerChoice::usual();
        }
        self.karras &= self.takes_karras();
        self
    }

    /// Whether the sampler can take the noise levels of Karras et al.
    pub fn takes_karras(&self) -> bool {
        SamplerChoice::find(&self.sampler).is_some_and(|choice| choice.takes_karras)
    }

    /// Takes the defaults of a newly chosen model, but leaves words, seed and
    /// batch alone.
    pub fn adopt(&mut self, model: &ModelSummary) {
        self.sampler = model.default_sampler.clone();
        self.karras = model.default_karras;
        self.steps = model.default_steps;
        self.guidance_scale = model.default_guidance;
        self.width_px = model.native_size_px;
        self.height_px = model.native_size_px;
    }

    /// Takes over the settings of a finished picture, but for its model, which
    /// must be looked for first.
    pub fn restore(&mut self, recipe: &FoundRecipe) {
        let own = self.clone();
        let mut spec = own.spec([own.width_px, own.height_px], None, None);
        recipe.restore_into(&mut spec);
        *self = Self {
            prompt: spec.prompt,
            negative_prompt: spec.negative_prompt,
            sampler: match spec.sampler {
                Some(id) if SamplerChoice::find(&id).is_some() => id,
                _ => own.sampler.clone(),
            },
            karras: spec.karras.unwrap_or(own.karras),
            steps: spec.steps,
            guidance_scale: spec.guidance_scale,
            seed: spec.seed,
            // The point of restoring is to get the same picture again.
            seed_locked: recipe.tells(&SEED) || own.seed_locked,
            width_px: spec.width_px,
            height_px: spec.height_px,
            strength: match (recipe.used_picture, recipe.used_mask) {
                (true, false) => spec.strength,
                _ => own.strength,
            },
            mask_strength: if recipe.used_mask {
                spec.strength
            } else {
                own.mask_strength
            },
            feather_px: spec.feather_px,
            ..own
        }
        .validated();
    }

    /// The strength that acts for an intent.
    pub fn strength_for(&self, intent: Intent) -> f32 {
        match intent {
            Intent::TextToImage => 1.0,
            Intent::Inpaint => self.mask_strength,
            Intent::ImageToImage => self.strength,
        }
    }

    /// The job that these settings describe.
    pub fn spec(
        &self,
        size_px: [u32; 2],
        init: Option<ImageInput>,
        mask: Option<MaskInput>,
    ) -> GenerateSpec {
        GenerateSpec {
            model: self.model.clone(),
            prompt: self.prompt.trim().to_owned(),
            negative_prompt: self.negative_prompt.trim().to_owned(),
            sampler: Some(self.sampler.clone()),
            karras: Some(self.karras && self.takes_karras()),
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            seed: self.seed,
            width_px: size_px[0],
            height_px: size_px[1],
            strength: self.strength_for(Intent::of(init.is_some(), mask.is_some())),
            feather_px: self.feather_px,
            batch: self.batch,
            init,
            mask,
            ..GenerateSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::RecipeForm;

    #[test]
    fn the_sentence_says_what_will_happen() {
        let form = GenerateForm {
            strength: 0.6,
            ..GenerateForm::default()
        };
        let size = [64, 48];
        let says = |intent: Intent| intent.sentence(&form, size);
        assert_eq!(says(Intent::of(false, true)), "Text to image, 64 × 48");
        assert_eq!(says(Intent::of(true, true)), "Repaint inside the mask");
        assert_eq!(says(Intent::of(true, false)), "Image to image, 60 %");
    }

    #[test]
    fn a_broken_settings_file_becomes_a_usable_form() {
        let broken = GenerateForm {
            steps: 0,
            guidance_scale: f32::NAN,
            width_px: 0,
            strength: f32::INFINITY,
            batch: 9999,
            sampler: SamplerId::new("ddim"),
            karras: true,
            ..GenerateForm::default()
        };
        let form = broken.validated();
        assert!(
            form.spec([form.width_px, form.height_px], None, None)
                .validate()
                .is_ok()
        );
        assert!(!form.karras);
    }

    #[test]
    fn a_sampler_of_a_newer_version_costs_nothing_else() {
        let text = r#"{"prompt": "a pond", "sampler": "unheard-of", "karras": true}"#;
        let form: GenerateForm = serde_json::from_str(text).expect("any name is read");
        let form = form.validated();
        assert_eq!(form.prompt, "a pond");
        assert_eq!(form.sampler, SamplerId::new("euler"));
    }

    #[test]
    fn restoring_gives_the_same_job_again() {
        let spec = GenerateSpec {
            prompt: "a red house".to_owned(),
            sampler: Some(SamplerId::new("heun")),
            karras: Some(true),
            steps: 12,
            seed: 77,
            width_px: 128,
            height_px: 64,
            ..GenerateSpec::default()
        };
        let mut form = GenerateForm::default();
        let mut recipe = FoundRecipe::new(spec, RecipeForm::Velatura);
        form.restore(&recipe);
        assert!(form.seed_locked);
        assert_eq!(form.spec([128, 64], None, None), recipe.spec);

        // A sampler that is not here leaves the chosen one.
        recipe.spec.sampler = Some(SamplerId::new("unheard-of"));
        form.restore(&recipe);
        assert_eq!(form.sampler, SamplerId::new("heun"));

        // What was painted inside of a mask says nothing of whole pictures.
        let usual = form.strength;
        (recipe.used_picture, recipe.used_mask) = (true, true);
        (recipe.spec.strength, recipe.spec.feather_px) = (0.9, 7.0);
        form.restore(&recipe);
        assert_eq!((form.strength, form.mask_strength), (usual, 0.9));
        assert_eq!(form.feather_px, 7.0);
    }
}
