//! What a run is asked for, and how it ends.

use std::sync::Arc;

use burn::tensor::Tensor;
use image::{GrayImage, RgbImage};

use super::{Canvas, ClassGuide, ControlInput, DiffusionError, Guide, Variation};
use crate::model::Manifest;
use crate::recipe::prompt::TextReading;
use crate::recipe::{
    BoxUse, LAYOUT_BIAS, Latents, LayoutInput, MapUse, MaskedContent, Prediction, SamplerId,
    Schedule, SemanticInput,
};

/// What to paint.
#[derive(Clone, Debug)]
pub struct GenerationRequest {
    /// What to paint.
    pub prompt: String,
    /// What to steer away from.
    pub negative_prompt: String,
    /// How both are read.
    pub reading: TextReading,
    /// The sampler; `None` takes the model's own.
    pub sampler: Option<SamplerId>,
    /// How noise levels are spread; `None` takes the model's own choice.
    pub schedule: Option<Schedule>,
    /// What the denoiser predicts; `None` takes what the model says.
    pub prediction: Option<Prediction>,
    /// Number of steps.
    pub steps: u32,
    /// Scale of classifier-free guidance (Ho and Salimans 2022,
    /// <https://arxiv.org/abs/2207.12598>); up to 1 there is none.
    pub guidance_scale: f32,
    /// How much of what it adds to the deviation is taken back, from 0 to 1 (Lin et al.
    /// 2023, <https://arxiv.org/abs/2305.08891>, equations 14 to 16).
    pub guidance_rescale: f32,
    /// The shares of all steps that are over when guidance begins and when it ends
    /// (Kynkäänniemi et al. 2024, <https://arxiv.org/abs/2404.07724>): in between the
    /// denoiser is asked twice, elsewhere once. Steps are those of a whole picture, also
    /// where `strength` leaves the first of them out.
    pub guidance_interval: [f32; 2],
    /// DDIM's η.
    pub eta: f32,
    /// Seed of all noise.
    pub seed: u64,
    /// How the noise to begin with differs from that of the seed.
    pub variation: Option<Variation>,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// How much of `init` is repainted, from 0 to 1.
    pub strength: f32,
    /// The picture to begin with, of the size of the job.
    pub init: Option<RgbImage>,
    /// Where it is repainted: 255 is yes. Of the size of the job.
    pub mask: Option<GrayImage>,
    /// How the masked part is begun and repainted.
    pub inpainting: Inpainting,
    /// What else the model is told.
    pub conditions: Conditions,
    /// How the networks see the picture.
    pub canvas: Canvas,
    /// What pulls the picture towards itself.
    pub guide: Option<Guide>,
    /// The class that a classifier leads to, whatever the model is told of classes.
    pub class_guide: Option<ClassGuide>,
    /// Noise and latents that are handed in.
    pub given: GivenLatents,
}

impl Default for GenerationRequest {
    /// A picture of 512 × 512 pixels of nothing in particular, without guidance.
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            reading: TextReading::default(),
            sampler: None,
            schedule: None,
            prediction: None,
            steps: 20,
            guidance_scale: 1.0,
            guidance_rescale: 0.0,
            guidance_interval: [0.0, 1.0],
            eta: 0.0,
            seed: 0,
            variation: None,
            width_px: 512,
            height_px: 512,
            strength: 1.0,
            init: None,
            mask: None,
            inpainting: Inpainting::default(),
            conditions: Conditions::default(),
            canvas: Canvas::default(),
            guide: None,
            class_guide: None,
            given: GivenLatents::default(),
        }
    }
}

/// Noise and latents that are handed in instead of being made. They are not drawn from
/// the seed then, so that all other noise is what it is in diffusers, handed the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenLatents {
    /// The noise to begin with, of deviation 1.
    pub noise: Option<Arc<Latents>>,
    /// The clean latents of the picture to begin with, as the denoiser sees them.
    pub clean: Option<Arc<Latents>>,
}

impl GivenLatents {
    /// Checks that they are those of one picture of this model and size.
    pub(super) fn check(&self, wanted: [usize; 4]) -> Result<(), DiffusionError> {
        for (what, given) in [("noise", &self.noise), ("latents", &self.clean)] {
            let Some(Latents { shape, values }) = given.as_deref() else {
                continue;
            };
            if *shape != wanted || values.len() != wanted.iter().product::<usize>() {
                return Err(DiffusionError::GivenShape {
                    what,
                    found: *shape,
                    wanted,
                });
            }
            if !values.iter().all(|value| value.is_finite()) {
                return Err(DiffusionError::GivenNumbers(what));
            }
        }
        Ok(())
    }
}

/// How the masked part of a picture is begun and repainted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inpainting {
    /// How strongly each place is repainted, of the size of the job: 255 as the job
    /// says, 0 not at all. `None` repaints all places equally.
    pub strengths: Option<GrayImage>,
    /// What stands there before the noise, where the job keeps some of it. A picture
    /// that is to be filled has been.
    pub content: MaskedContent,
}

/// What a model may be told besides words, and a picture to repaint.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// Where what is to appear.
    pub layout: Option<LayoutInput>,
    /// How strongly the boxes act, from 0 to 1.
    pub layout_weight: f32,
    /// What attention adds to the logits of a box at its own places, and takes from them
    /// elsewhere, while the picture is more noise than not.
    pub layout_bias: f32,
    /// Whether a model that can places boxes for the words itself, where nothing but words
    /// says what to paint.
    pub places_boxes: bool,
    /// Whether boxes act as regional prompts even on a model that knows boxes.
    pub boxes_are_regions: bool,
    /// The share of the steps, from the first, in which boxes with phrases act.
    pub grounding_share: f32,
    /// What every pixel is to be; of the size of the job.
    pub semantic: Option<SemanticInput>,
    /// How strongly the label map acts, from 0 to 1.
    pub semantic_weight: f32,
    /// The whole picture in small; each side is that of the job over the model's
    /// factor, rounded up.
    pub low_resolution: Option<RgbImage>,
    /// The number of the class to paint.
    pub class: Option<u32>,
    /// Pictures that control what is painted, by networks of their own.
    pub controls: Vec<ControlInput>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            layout: None,
            layout_weight: 1.0,
            layout_bias: LAYOUT_BIAS,
            places_boxes: false,
            boxes_are_regions: false,
            grounding_share: 0.3,
            semantic: None,
            semantic_weight: 1.0,
            low_resolution: None,
            class: None,
            controls: Vec::new(),
        }
    }
}

impl Conditions {
    /// What a model makes of the boxes.
    pub(super) fn box_use<'m>(&self, manifest: &'m Manifest) -> Option<BoxUse<'m>> {
        if self.boxes_are_regions && manifest.takes_text() {
            return Some(BoxUse::Regions);
        }
        BoxUse::of(&manifest.inputs)
    }

    /// How many of some boxes are regional prompts on a model.
    fn regional_boxes(&self, manifest: &Manifest, layout: Option<&LayoutInput>) -> usize {
        match self.box_use(manifest) {
            Some(BoxUse::Regions) => layout.map_or(0, |layout| layout.0.len()),
            _ => 0,
        }
    }

    /// The same without what a model does not know or cannot be told: boxes and regions
    /// of unknown classes, unknown colours, boxes beyond the most that it sees.
    #[must_use]
    pub fn limited_to(mut self, manifest: &Manifest) -> Self {
        let (mut layout, mut semantic) = (None::<LayoutInput>, None);
        if let (Some(given), Some(used)) = (self.layout.take(), self.box_use(manifest)) {
            layout = Some(match used {
                BoxUse::Classes {
                    classes,
                    colours,
                    max_boxes,
                } => given.limited_to(classes, colours, max_boxes),
                BoxUse::Phrases { max_boxes } => given.cut_to(max_boxes),
                BoxUse::Regions => given.cut_to(used.max_boxes()),
            });
        }
        if let (Some(given), Some(used)) = (self.semantic.take(), MapUse::of(&manifest.inputs)) {
            let others = self.regional_boxes(manifest, layout.as_ref());
            semantic = match used {
                MapUse::Classes(classes) => given.limited_to(classes),
                MapUse::Regions => given.check_regions(others).is_ok().then_some(given),
            };
        }
        let factor = manifest.low_resolution_factor();
        let count = manifest.classes().map_or(0, <[String]>::len);
        Self {
            class: self.class.filter(|class| (*class as usize) < count),
            layout: layout.filter(|layout| !layout.0.is_empty()),
            semantic,
            low_resolution: self.low_resolution.filter(|_| factor.is_some()),
            ..self
        }
    }

    /// Checks that a model can be told all of it, for a picture of a size. One that is
    /// divided into windows may have more boxes than the model sees: each window has its own.
    ///
    /// # Errors
    /// The first thing that it cannot be told.
    pub fn check(
        &self,
        manifest: &Manifest,
        size_px: [u32; 2],
        is_divided: bool,
    ) -> Result<(), DiffusionError> {
        let at_a_time = |max_boxes: u32| match is_divided {
            true => u32::MAX,
            false => max_boxes,
        };
        if let Some(layout) = &self.layout {
            layout.validate()?;
            let used = self.box_use(manifest);
            match used.ok_or(DiffusionError::NotTaken("boxes"))? {
                BoxUse::Classes {
                    classes,
                    colours,
                    max_boxes,
                } => layout.check_known(classes, colours, at_a_time(max_boxes))?,
                BoxUse::Phrases { max_boxes } => layout.check_count(at_a_time(max_boxes))?,
                used @ BoxUse::Regions => layout.check_count(used.max_boxes())?,
            }
        }
        if let Some(semantic) = &self.semantic {
            semantic.validate(size_px)?;
            semantic.check_values()?;
            let used = MapUse::of(&manifest.inputs);
            match used.ok_or(DiffusionError::NotTaken("label map"))? {
                MapUse::Classes(classes) => semantic.check_known(classes)?,
                MapUse::Regions => {
                    let others = self.regional_boxes(manifest, self.layout.as_ref());
                    semantic.check_regions(others)?;
                }
            }
        }
        if let Some(class) = self.class {
            let classes = manifest
                .classes()
                .ok_or(DiffusionError::NotTaken("class"))?;
            if class as usize >= classes.len() {
                let last = classes.len().saturating_sub(1);
                return Err(DiffusionError::UnknownClass { class, last });
            }
        }
        for control in &self.controls {
            control.check(size_px)?;
        }
        if let Some(small) = &self.low_resolution {
            let factor = manifest.low_resolution_factor();
            let factor = factor.ok_or(DiffusionError::NotTaken("low-resolution picture"))?;
            let wanted_px = size_px.map(|side| side.div_ceil(factor));
            if <[u32; 2]>::from(small.dimensions()) != wanted_px {
                return Err(DiffusionError::SmallSize {
                    found_px: small.dimensions().into(),
                    wanted_px,
                    size_px,
                });
            }
        } else if manifest.needs_low_resolution() {
            return Err(DiffusionError::NeedsSmallPicture);
        }
        Ok(())
    }
}

impl GenerationRequest {
    pub(super) fn check_sizes(&self) -> Result<(), DiffusionError> {
        let wanted_px = [self.width_px, self.height_px];
        let init = self.init.as_ref().map(|image| image.dimensions());
        let mask = self.mask.as_ref().map(|mask| mask.dimensions());
        let strengths = self.inpainting.strengths.as_ref();
        let strengths = strengths.map(|strengths| strengths.dimensions());
        for (what, found) in [
            ("picture", init),
            ("mask", mask),
            ("map of strengths", strengths),
        ] {
            if let Some(found) = found
                && <[u32; 2]>::from(found) != wanted_px
            {
                return Err(DiffusionError::Size {
                    what,
                    found_px: found.into(),
                    wanted_px,
                });
            }
        }
        Ok(())
    }
}

/// How a generation ended.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each picture, and nearly always the large one"
)]
pub enum GenerationOutcome {
    /// With a picture.
    Finished {
        /// The last latents, before the division by the scaling factor.
        ///
        /// # Shapes
        /// `[1, latent_channels, h, w]`.
        latents: Tensor<4>,
        /// The picture; with a mask it is not yet laid over the original.
        image: RgbImage,
    },
    /// The observer stopped it.
    Cancelled,
}
