//! The description of one generation job.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SamplerId;
use super::canvas::{Tile, WindowChoice};
use super::control::{ControlSpec, MAX_CONTROLS};
use super::finish::Finish;
use super::frame::FrameSpec;
use super::guide::GuideKind;
use super::latents::Latents;
use super::layout::LayoutInput;
use super::lora::{LoraSpec, NamedFile};
use super::param::{Param, WIDTH};
use super::prediction::Prediction;
use super::prompt::{PromptSyntax, TextReading};
use super::schedule::{self, Schedule};
use super::semantic::SemanticInput;
use super::spec_error::{SizeError, SpecError};

/// Largest side, in pixels, that a job may ask for.
pub const MAX_SIDE_PX: u32 = 8192;

/// How much more boxes are heard at their own places, usually; `docs/storybook.md` says
/// what it is worth.
pub const LAYOUT_BIAS: f32 = 2.0;

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// The model that is shipped with the program.
    #[default]
    Storybook,
    /// A diffusers folder on disk, or a model in one file.
    Folder(PathBuf),
    /// A model in one file, and the YAML file that describes it.
    Described {
        /// The weights.
        file: PathBuf,
        /// The YAML file.
        yaml: PathBuf,
    },
}

/// A picture handed to a job, owned by it: 8-bit sRGB with alpha, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInput(pub Arc<image::RgbaImage>);

/// A mask handed to a job, owned by it: 255 repaints, 0 keeps, at the picture's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskInput(pub Arc<image::GrayImage>);

/// Everything that decides what a generation job paints.
///
/// The job owns its inputs: nothing here refers to the document it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateSpec {
    /// The model that paints.
    pub model: ModelSource,
    /// What to paint.
    pub prompt: String,
    /// What to steer away from; the unconditional text of guidance.
    pub negative_prompt: String,
    /// The number of the class to paint, for a model that paints classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<u32>,
    /// What leads to the class by what it sees in noisy latents, with any model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier: Option<NamedFile>,
    /// The first twelve digits of its digest: that it had, or is wanted to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier_hash: Option<String>,
    /// How strongly it leads: 1 as its probabilities say, 0 not at all.
    pub classifier_scale: f32,
    /// Whether signs in both mean something.
    pub prompt_syntax: PromptSyntax,
    /// Which layer of CLIP's text encoder is the last: 1 is the last, 2 the one before it.
    pub clip_skip: u32,
    /// The sampling algorithm; `None` takes the model's own default. Whether there
    /// is one of that name the samplers know, not the recipe.
    pub sampler: Option<SamplerId>,
    /// How noise levels are spread; `None` takes the model's own default.
    #[serde(flatten, with = "schedule")]
    pub schedule: Option<Schedule>,
    /// What the denoiser is taken to predict, where the model is wrong about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// Number of sampling steps, at least 1.
    pub steps: u32,
    /// Scale of classifier-free guidance; up to 1 there is none, as in diffusers.
    pub guidance_scale: f32,
    /// How much of what guidance adds to the contrast is taken back, from 0 to 1.
    pub guidance_rescale: f32,
    /// The share of the steps that is over when guidance begins: the steps are those of a
    /// whole picture, also where an input picture leaves the first of them out.
    #[serde(skip_serializing_if = "is_zero")]
    pub guidance_start: f32,
    /// The share of the steps that is over when guidance ends.
    #[serde(skip_serializing_if = "is_one")]
    pub guidance_end: f32,
    /// DDIM's eta: 0 is deterministic, 1 is ancestral.
    pub eta: f32,
    /// Seed of the noise; picture `k` of a batch uses `seed + k`, unless it is a variation.
    pub seed: u64,
    /// How far the noise to begin with goes from that of `seed` to that of
    /// `variation_seed`, from 0 to 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub variation_strength: f32,
    /// Seed of the noise that a variation goes towards; picture `k` of a batch of
    /// variations uses `variation_seed + k`.
    #[serde(skip_serializing_if = "is_no_seed")]
    pub variation_seed: u64,
    /// Width of the picture in pixels.
    pub width_px: u32,
    /// Height of the picture in pixels.
    pub height_px: u32,
    /// How much of an input picture is repainted: 0 nothing, 1 everything.
    pub strength: f32,
    /// Width in pixels of the soft edge when what was repainted inside of a mask
    /// is pasted back. It lies inside the mask: pixels outside stay bit-identical.
    pub feather_px: f32,
    /// Whether what a mask covers in part is repainted as much less strongly, instead of
    /// all from half coverage on. `strengths` holds it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gradual_mask: bool,
    /// Number of pictures.
    pub batch: u32,
    /// How strongly boxes act: 0 not at all, 1 as the model was trained.
    pub layout_weight: f32,
    /// How much more a box is heard at its own places than elsewhere while the picture is
    /// more noise than not: what attention adds to its logits there, and takes elsewhere.
    pub layout_bias: f32,
    /// Whether a model that can places boxes: for the things on a label map, else for the
    /// words, where nothing but words says what to paint. Map, or seed, words and model
    /// decide where, so that a recipe needs no more. Where a part of a picture is painted
    /// anew: for what the words name and the rest does not show; `layout` then has them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub places_boxes: bool,
    /// The share of the steps, from the first, in which boxes act on a model that takes
    /// them with phrases (GLIGEN's scheduled sampling).
    pub grounding_share: f32,
    /// How strongly the label map acts: 0 not at all, 1 as the model was trained.
    pub semantic_weight: f32,
    /// What of the guide counts.
    pub guide_kind: GuideKind,
    /// How far the guide pulls: 0 not at all.
    pub guide_scale: f32,
    /// What is done with the painted picture; sizes above are those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// How much of the picture is repainted once it was made larger, from 0 to 1: 0 for no
    /// second pass. Only with `finish`.
    #[serde(skip_serializing_if = "is_zero")]
    pub second_strength: f32,
    /// Number of steps that the second pass does: 0 for as many as its strength leaves of
    /// `steps`.
    #[serde(skip_serializing_if = "is_nought")]
    pub second_steps: u32,
    /// The part of a picture that is seen and painted. With it, `width_px` and
    /// `height_px`, boxes and label map are those of what is painted, whereas `init`,
    /// `mask` and `strengths` have the frame's own size, as the finished patch has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<FrameSpec>,
    /// Whether the denoiser sees the picture whole or in windows.
    pub windows: WindowChoice,
    /// Along which axes the picture goes on over its edges.
    #[serde(skip_serializing_if = "Tile::is_none")]
    pub tile: Tile,
    /// What changes the model beside what the prompt names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<LoraSpec>,
    /// The first twelve digits of the digests of LoRAs by their names: of a job that
    /// was done those it used, of one to be done those that it wants.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lora_hashes: BTreeMap<String, String>,
    /// The first twelve digits of the digests of words by their names, as of LoRAs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub word_hashes: BTreeMap<String, String>,
    /// Files of words that were taught to the text encoder, beside those that are
    /// found by the words of the prompts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embeddings: Vec<NamedFile>,
    /// The first stage, where it is not the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vae: Option<NamedFile>,
    /// The first ten digits of its digest: that it had, or is wanted to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vae_hash: Option<String>,
    /// Whether steps are shown by a tiny decoder where one lies beside the model. The
    /// picture is the same.
    #[serde(skip)]
    pub has_tiny_previews: bool,
    /// Pictures that control what is painted, each through a network of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlSpec>,
    /// Whether it was told something else on its way, or went on otherwise from a step of
    /// another picture: it is what was told last, and paints another picture from the start.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_retold: bool,
    /// Whether noise or latents were handed in, which a recipe does not hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_given_latents: bool,
    /// The noise to begin with, instead of that of the seed, with a deviation of 1.
    #[serde(skip)]
    pub initial_noise: Option<Arc<Latents>>,
    /// Latents to begin with, instead of those of a picture.
    #[serde(skip)]
    pub initial_latents: Option<Arc<Latents>>,
    /// The picture to start from.
    #[serde(skip)]
    pub init: Option<ImageInput>,
    /// Where to repaint; only with `init`.
    #[serde(skip)]
    pub mask: Option<MaskInput>,
    /// How strongly each place of the mask is repainted where that is not the same
    /// everywhere: 255 as `strength` says, 0 not at all. Only with `mask`.
    #[serde(skip)]
    pub strengths: Option<MaskInput>,
    /// The whole picture in small where `init` is a part of it, clear in that part: words may
    /// name what stands elsewhere.
    #[serde(skip)]
    pub around: Option<ImageInput>,
    /// Where what is to appear.
    #[serde(skip)]
    pub layout: Option<LayoutInput>,
    /// What every pixel is to be.
    #[serde(skip)]
    pub semantic: Option<SemanticInput>,
    /// The whole picture in small, of which the model makes a larger one.
    #[serde(skip)]
    pub low_resolution: Option<ImageInput>,
    /// The picture that pulls what is painted towards itself; what is transparent is
    /// free.
    #[serde(skip)]
    pub guide: Option<ImageInput>,
}

impl Default for GenerateSpec {
    fn default() -> Self {
        Self {
            model: ModelSource::Storybook,
            prompt: String::new(),
            negative_prompt: String::new(),
            class: None,
            classifier: None,
            classifier_hash: None,
            classifier_scale: 1.0,
            prompt_syntax: PromptSyntax::default(),
            clip_skip: 1,
            sampler: None,
            schedule: None,
            prediction: None,
            steps: 25,
            guidance_scale: 5.0,
            guidance_rescale: 0.0,
            guidance_start: 0.0,
            guidance_end: 1.0,
            eta: 0.0,
            seed: 0,
            variation_strength: 0.0,
            variation_seed: 0,
            width_px: 64,
            height_px: 64,
            strength: 1.0,
            feather_px: 4.0,
            gradual_mask: false,
            batch: 1,
            layout_weight: 1.0,
            layout_bias: LAYOUT_BIAS,
            places_boxes: false,
            grounding_share: 0.3,
            semantic_weight: 1.0,
            guide_kind: GuideKind::default(),
            guide_scale: 3.0,
            finish: None,
            second_strength: 0.0,
            second_steps: 0,
            frame: None,
            windows: WindowChoice::Auto,
            tile: Tile::None,
            loras: Vec::new(),
            lora_hashes: BTreeMap::new(),
            word_hashes: BTreeMap::new(),
            embeddings: Vec::new(),
            vae: None,
            vae_hash: None,
            has_tiny_previews: false,
            controls: Vec::new(),
            was_retold: false,
            was_given_latents: false,
            initial_noise: None,
            initial_latents: None,
            init: None,
            mask: None,
            strengths: None,
            around: None,
            layout: None,
            semantic: None,
            low_resolution: None,
            guide: None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(value: &f32) -> bool {
    *value == 1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_nought(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_no_seed(value: &u64) -> bool {
    *value == 0
}

/// Strongest weight of a LoRA, of either sign: beyond it there are no pictures.
const MOST_LORA_WEIGHT: f32 = 100.0;

impl GenerateSpec {
    /// What is asked for of one picture of the batch, counted from 0. Those of a batch of
    /// variations vary the same picture.
    #[must_use]
    pub fn of_picture(&self, index: u32) -> Self {
        let mut spec = Self {
            batch: 1,
            ..self.clone()
        };
        let seed = match spec.variation_strength > 0.0 {
            true => &mut spec.variation_seed,
            false => &mut spec.seed,
        };
        *seed = seed.wrapping_add(index.into());
        spec
    }

    /// The same job, told what another one is told of words, class, boxes and a label map.
    #[must_use]
    pub fn told_as(self, other: &Self) -> Self {
        Self {
            prompt: other.prompt.clone(),
            negative_prompt: other.negative_prompt.clone(),
            class: other.class,
            classifier_scale: other.classifier_scale,
            prompt_syntax: other.prompt_syntax,
            clip_skip: other.clip_skip,
            guidance_scale: other.guidance_scale,
            layout: other.layout.clone(),
            layout_weight: other.layout_weight,
            layout_bias: other.layout_bias,
            grounding_share: other.grounding_share,
            places_boxes: other.places_boxes,
            semantic: other.semantic.clone(),
            semantic_weight: other.semantic_weight,
            ..self
        }
    }

    /// Whether the model is to place boxes: it may, there are none, and a label map or
    /// nothing but words says what is to be where.
    pub fn is_composed(&self) -> bool {
        let are_words_alone = self.init.is_none() && !self.has_other_guides();
        self.places_boxes && self.layout.is_none() && (self.semantic.is_some() || are_words_alone)
    }

    /// Whether what the words name and the kept part of the picture does not show is to get
    /// boxes where the picture is painted anew: the model may place boxes, there are none, and
    /// nothing but words and a mask says what is to be where.
    pub fn is_filled_in(&self) -> bool {
        let is_drawn = self.layout.is_some() || self.semantic.is_some();
        let is_masked = self.init.is_some() && self.mask.is_some();
        self.places_boxes && is_masked && !is_drawn && !self.has_other_guides()
    }

    /// Whether something beside words, boxes, maps and the picture to begin with says what
    /// is to be where.
    fn has_other_guides(&self) -> bool {
        self.low_resolution.is_some()
            || self.guide.is_some()
            || self.initial_latents.is_some()
            || !self.controls.is_empty()
    }

    /// The LoRAs of the list and those that the prompt names.
    ///
    /// # Errors
    /// If one has no weight that can be understood.
    pub fn all_loras(&self) -> Result<Vec<LoraSpec>, SpecError> {
        let mut loras = self.loras.clone();
        loras.extend(self.prompt_syntax.loras_in(&self.prompt)?);
        let is_unclear = |lora: &&LoraSpec| {
            let weights = [Some(lora.weight), lora.text_weight];
            let is_sound = |weight: f32| weight.abs() <= MOST_LORA_WEIGHT;
            !weights.into_iter().flatten().all(is_sound)
        };
        match loras.iter().find(is_unclear) {
            Some(lora) => Err(SpecError::LoraWeight(lora.file.name.clone())),
            None => Ok(loras),
        }
    }

    /// The same without the places where files lie, which are nobody else's business.
    #[must_use]
    pub fn without_places(self) -> Self {
        let lora = |lora: LoraSpec| LoraSpec {
            file: lora.file.without_place(),
            ..lora
        };
        let placeless = |control: ControlSpec| ControlSpec {
            file: control.file.without_place(),
            ..control
        };
        Self {
            model: ModelSource::default(),
            loras: self.loras.into_iter().map(lora).collect(),
            embeddings: self
                .embeddings
                .into_iter()
                .map(NamedFile::without_place)
                .collect(),
            vae: self.vae.map(NamedFile::without_place),
            classifier: self.classifier.map(NamedFile::without_place),
            controls: self.controls.into_iter().map(placeless).collect(),
            ..self
        }
    }

    /// How the words are read.
    pub fn reading(&self) -> TextReading {
        TextReading {
            syntax: self.prompt_syntax,
            clip_skip: self.clip_skip,
        }
    }

    /// Lets signs mean what they usually do, before words are changed. Those that stay as
    /// they are mean what they did.
    pub fn take_usual_syntax(&mut self) {
        let before = std::mem::take(&mut self.prompt_syntax);
        for words in [&mut self.prompt, &mut self.negative_prompt] {
            if let Cow::Owned(rewritten) = before.rewritten(words) {
                *words = rewritten;
            }
        }
    }

    /// The same job with the wildcards of its words chosen by its seed.
    #[must_use]
    pub fn resolved(self) -> Self {
        let resolved =
            |text: &str, stream| self.prompt_syntax.resolved(text, self.seed, stream).into();
        Self {
            prompt: resolved(&self.prompt, 0),
            negative_prompt: resolved(&self.negative_prompt, 1),
            ..self
        }
    }

    /// Checks every number and the sizes of the inputs, but looks at no pixel.
    ///
    /// # Errors
    /// The first thing that is wrong, as a sentence for the user.
    pub fn validate(&self) -> Result<(), SpecError> {
        let sides = [self.width_px, self.height_px];
        if !sides
            .iter()
            .all(|&side| WIDTH.allowed.contains(side.into()))
        {
            return Err(SizeError {
                width_px: self.width_px,
                height_px: self.height_px,
            }
            .into());
        }
        for Param { number, get, .. } in Self::PARAMS {
            number.check(get(self))?;
        }
        if let Some(second_px) = self.second_px()
            && second_px.iter().any(|side| *side > MAX_SIDE_PX)
        {
            return Err(SpecError::SecondPass(second_px));
        }
        let image_px = self.init.as_ref().map(|image| image.0.dimensions());
        let masks = [&self.mask, &self.strengths].into_iter().flatten();
        for mask_px in masks.map(|mask| mask.0.dimensions()) {
            match image_px {
                None => return Err(SpecError::MaskWithoutImage),
                Some(image_px) if image_px != mask_px => {
                    return Err(SpecError::MaskSize {
                        mask_px: mask_px.into(),
                        image_px: image_px.into(),
                    });
                }
                Some(_) => {}
            }
        }
        if self.strengths.is_some() && self.mask.is_none() {
            return Err(SpecError::StrengthsWithoutMask);
        }
        if let Some(frame) = &self.frame {
            frame.validate()?;
            if self.tile != Tile::None {
                return Err(SpecError::FrameTiled);
            }
            let frame_px = frame.size_px();
            match image_px.map(<[u32; 2]>::from) {
                Some(image_px) if image_px != frame_px => {
                    return Err(SpecError::FrameSize { image_px, frame_px });
                }
                _ => {}
            }
        }
        self.all_loras()?;
        if self.controls.len() > MAX_CONTROLS {
            return Err(SpecError::ManyControls);
        }
        for control in &self.controls {
            control.validate()?;
            if control.picture.is_none() && self.init.is_none() {
                let name = control.file.name.clone();
                return Err(SpecError::ControlWithoutPicture(name));
            }
        }
        if let Some(layout) = &self.layout {
            layout.validate()?;
        }
        if let Some(semantic) = &self.semantic {
            semantic.validate(sides)?;
        }
        Ok(())
    }
}
