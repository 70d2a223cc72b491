//! What there is to say of each number of a generation.

use super::{Number, Range, Shown};
use crate::recipe::generate::MAX_SIDE_PX;

/// Sampling steps.
pub static STEPS: Number = Number {
    id: "steps",
    label: "Steps",
    hint: "Number of sampling steps",
    unit: None,
    allowed: Range::whole(1, 1000),
    offered: Range::whole(1, 150),
    shown: Shown::WholeByMagnitude,
    infotext: Some("Steps"),
};

/// Scale of classifier-free guidance, Ho and Salimans 2022
/// (<https://arxiv.org/abs/2207.12598>).
pub static GUIDANCE: Number = Number {
    id: "guidance",
    label: "Guidance",
    hint: "How closely the picture follows the prompt: \
           the scale of classifier-free guidance, up to 1 for none",
    unit: None,
    allowed: Range::real(0.0, 100.0),
    offered: Range::real(1.0, 20.0),
    shown: Shown::Tenths,
    infotext: Some("CFG scale"),
};

/// Layers of CLIP's text encoder, counted from its end.
pub static CLIP_SKIP: Number = Number {
    id: "clip_skip",
    label: "Clip skip",
    hint: "Which layer of the text encoder speaks for the prompt: \
           1 for the last, 2 for the one before it",
    unit: None,
    allowed: Range::whole(1, 12),
    offered: Range::whole(1, 4),
    shown: Shown::Whole,
    infotext: Some("Clip skip"),
};

/// How far the contrast of a guided picture is brought back to that of one that is not,
/// Lin et al. 2023 (<https://arxiv.org/abs/2305.08891>, equations 14 to 16).
pub static GUIDANCE_RESCALE: Number = Number {
    id: "guidance_rescale",
    label: "Rescale",
    hint: "How much of what guidance adds to the contrast is taken back: \
           0 for none, 0.7 for models whose noise schedule ends in pure noise",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: Some("CFG rescale"),
};

/// When guidance begins to act, Kynkäänniemi et al. 2024
/// (<https://arxiv.org/abs/2404.07724>).
pub static GUIDANCE_START: Number = Number {
    id: "guidance_start",
    label: "Begins at",
    hint: "The part of the steps that is over when guidance begins; \
           the steps before it take half the time",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: Some("CFG start"),
};

/// When it ends.
pub static GUIDANCE_END: Number = Number {
    id: "guidance_end",
    label: "Ends at",
    hint: "The part of the steps that is over when guidance ends; \
           the steps after it take half the time",
    infotext: Some("CFG end"),
    ..GUIDANCE_START
};

/// The η of DDIM, Song et al. 2020 (<https://arxiv.org/abs/2010.02502>).
pub static ETA: Number = Number {
    id: "eta",
    label: "Eta",
    hint: "Randomness of DDIM: 0 for none, 1 for as much as DDPM has",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: Some("Eta DDIM"),
};

/// Seed of the noise.
pub static SEED: Number = Number {
    id: "seed",
    label: "Seed",
    hint: "Seed of the noise",
    unit: None,
    allowed: Range::whole(0, u64::MAX),
    offered: Range::whole(0, u32::MAX as u64),
    shown: Shown::Whole,
    infotext: Some("Seed"),
};

/// How far a variation goes.
pub static VARIATION: Number = Number {
    id: "variation_strength",
    label: "Variation",
    hint: "How far the noise goes from that of the seed to that of another: a little changes details, much of it the whole picture",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: Some("Variation seed strength"),
};

/// Seed of the noise that a variation goes towards.
pub static VARIATION_SEED: Number = Number {
    id: "variation_seed",
    label: "Towards",
    hint: "Seed of the noise that the variation goes towards",
    infotext: Some("Variation seed"),
    ..SEED
};

/// Width of the picture.
pub static WIDTH: Number = Number {
    id: "width",
    label: "Width",
    hint: "Width in pixels",
    unit: Some("px"),
    allowed: Range::whole(8, MAX_SIDE_PX as u64),
    offered: Range::whole(16, MAX_SIDE_PX as u64),
    shown: Shown::Whole,
    infotext: None,
};

/// Height of the picture.
pub static HEIGHT: Number = Number {
    id: "height",
    label: "Height",
    hint: "Height in pixels",
    ..WIDTH
};

/// How much of an input picture is repainted.
pub static STRENGTH: Number = Number {
    id: "strength",
    label: "Strength",
    hint: "How much of the picture is repainted: little keeps it, all of it starts anew",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: Some("Denoising strength"),
};

/// Width of the soft edge of a repainted mask.
pub static FEATHER: Number = Number {
    id: "feather",
    label: "Feather",
    hint: "Width in pixels of the soft edge inside the mask",
    unit: Some("px"),
    allowed: Range::real(0.0, MAX_SIDE_PX as f32),
    offered: Range::real(0.0, 64.0),
    shown: Shown::Whole,
    infotext: Some("Mask blur"),
};

/// Pictures of one job.
pub static BATCH: Number = Number {
    id: "batch",
    label: "Pictures",
    hint: "Number of pictures, each with the next seed",
    unit: None,
    allowed: Range::whole(1, 64),
    offered: Range::whole(1, 16),
    shown: Shown::Whole,
    infotext: None,
};

/// How strongly boxes act.
pub static LAYOUT_WEIGHT: Number = Number {
    id: "layout_weight",
    label: "Boxes",
    hint: "How strongly the boxes act: 0 not at all, 1 as the model was trained",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: None,
};

/// How much more boxes are heard at their own places.
pub static LAYOUT_BIAS: Number = Number {
    id: "layout_bias",
    label: "Box focus",
    hint: "How much more a box is heard at its own places than elsewhere in the first half of the noise: 0 as the model was trained (attention bias)",
    unit: None,
    allowed: Range::real(0.0, 8.0),
    offered: Range::real(0.0, 4.0),
    shown: Shown::Tenths,
    infotext: None,
};

/// How long boxes with phrases act.
pub static GROUNDING_SHARE: Number = Number {
    id: "grounding_share",
    label: "Boxes until",
    hint: "The share of the steps, from the first, in which boxes act: later ones make the picture good (GLIGEN)",
    ..LAYOUT_WEIGHT
};

/// How strongly a label map acts.
pub static SEMANTIC_WEIGHT: Number = Number {
    id: "semantic_weight",
    label: "Label map",
    hint: "How strongly the label map acts: 0 not at all, 1 as the model was trained",
    ..LAYOUT_WEIGHT
};

/// How far a guide pulls.
pub static GUIDE_SCALE: Number = Number {
    id: "guide_scale",
    label: "Pull",
    hint: "How far the guide pulls at every step: 0 not at all",
    unit: None,
    allowed: Range::real(0.0, 100.0),
    offered: Range::real(0.0, 10.0),
    shown: Shown::Tenths,
    infotext: Some("Guide scale"),
};

/// How much of a picture is repainted once it was made larger.
pub static SECOND_STRENGTH: Number = Number {
    id: "second_strength",
    label: "2nd pass",
    hint: "How much is repainted once the picture was made larger, at that size: 0 for nothing (hires fix)",
    infotext: Some("Hires strength"),
    ..STRENGTH
};

/// Steps of the second pass.
pub static SECOND_STEPS: Number = Number {
    id: "second_steps",
    label: "2nd steps",
    hint: "Number of steps of the second pass: 0 for as many as its strength leaves of the first",
    unit: None,
    allowed: Range::whole(0, 1000),
    offered: Range::whole(0, 150),
    shown: Shown::WholeByMagnitude,
    infotext: Some("Hires steps"),
};

/// How strongly a classifier leads.
pub static CLASSIFIER_SCALE: Number = Number {
    id: "classifier_scale",
    label: "Lead",
    hint: "How strongly the classifier leads to the class: 1 as its probabilities say, 0 not at all",
    unit: None,
    allowed: Range::real(0.0, 1000.0),
    offered: Range::real(0.0, 20.0),
    shown: Shown::Tenths,
    infotext: Some("Classifier scale"),
};
