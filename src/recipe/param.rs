//! The numbers of a generation, each described once.
//!
//! The command line makes its help from these descriptions, the panel its rows,
//! [`GenerateSpec::validate`](super::GenerateSpec::validate) its checks and the
//! infotext its keys. A new number is a [`Number`] here and a line in the
//! `PARAMS` of what holds it.

use std::fmt;

use super::generate::{GenerateSpec, MAX_SIDE_PX};
use super::spec_error::SpecError;

/// A number of either kind.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Real(f32),
}

impl Value {
    /// The nearest whole number from 0 to [`u32::MAX`]; 0 for what is none.
    pub fn as_u32(self) -> u32 {
        u32::try_from(self.as_u64()).unwrap_or(u32::MAX)
    }

    /// The nearest whole number from 0 to [`u64::MAX`]; 0 for what is none.
    pub fn as_u64(self) -> u64 {
        match self {
            Self::Whole(number) => number,
            // The cast saturates, and makes 0 of NaN.
            Self::Real(number) => number.round() as u64,
        }
    }

    /// The number as a real one; beyond 2²⁴ the nearest that there is.
    pub fn as_f32(self) -> f32 {
        match self {
            Self::Whole(number) => number as f32,
            Self::Real(number) => number,
        }
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(out),
            Self::Real(number) => number.fmt(out),
        }
    }
}

/// The numbers from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The smallest.
    pub least: Value,
    /// The largest.
    pub most: Value,
}

impl Range {
    /// Whole numbers.
    pub const fn whole(least: u64, most: u64) -> Self {
        Self {
            least: Value::Whole(least),
            most: Value::Whole(most),
        }
    }

    /// All numbers.
    pub const fn real(least: f32, most: f32) -> Self {
        Self {
            least: Value::Real(least),
            most: Value::Real(most),
        }
    }

    /// Whether the value lies inside; NaN and the other kind of number never do.
    pub fn contains(&self, value: Value) -> bool {
        self.least <= value && value <= self.most
    }

    /// The nearest value inside; `fallback` for NaN and the other kind of number.
    pub fn nearest(&self, value: Value, fallback: Value) -> Value {
        if value < self.least {
            self.least
        } else if value > self.most {
            self.most
        } else if self.contains(value) {
            value
        } else {
            fallback
        }
    }

    /// Reads a number of the range's kind; `None` for other text, and for what
    /// lies outside.
    pub fn read(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let value = match self.least {
            Value::Whole(_) => Value::Whole(text.parse().ok()?),
            Value::Real(_) => Value::Real(text.parse().ok()?),
        };
        self.contains(value).then_some(value)
    }
}

impl fmt::Display for Range {
    /// As in "it must be between 1 and 1000".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "between {} and {}", self.least, self.most)
    }
}

/// How a number is shown where it can be dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As a whole number.
    Whole,
    /// As a whole number, with more room for small ones.
    WholeByMagnitude,
    /// With one decimal.
    Tenths,
    /// With two decimals.
    Hundredths,
    /// As a part of a hundred: 0.5 is 50 %.
    Percent,
}

/// What there is to say of one number.
#[derive(Debug, PartialEq)]
pub struct Number {
    /// What messages call it; unique.
    pub id: &'static str,
    /// What the panel calls it.
    pub label: &'static str,
    /// What it does: a sentence without its full stop.
    pub hint: &'static str,
    /// The unit, if it has one.
    pub unit: Option<&'static str>,
    /// What can be done at all.
    pub allowed: Range,
    /// What a slider offers: the part of `allowed` that is usual.
    pub offered: Range,
    /// How a slider shows it.
    pub shown: Shown,
    /// Its key in A1111 infotext. Width and height share one that is a pair.
    pub infotext: Option<&'static str>,
}

impl Number {
    /// Refuses what cannot be done.
    ///
    /// # Errors
    /// If the value is not allowed.
    pub fn check(&self, value: Value) -> Result<(), SpecError> {
        if self.allowed.contains(value) {
            return Ok(());
        }
        Err(SpecError::OutOfRange {
            field: self.id,
            value,
            allowed: self.allowed,
        })
    }
}

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

/// A number, and where a `T` keeps it.
#[derive(Debug)]
pub struct Param<T: 'static> {
    /// What there is to say of it.
    pub number: &'static Number,
    /// The value.
    pub get: fn(&T) -> Value,
    /// Sets the value, as it is: ranges are checked by who has asked for it.
    pub set: fn(&mut T, Value),
}

impl<T> Param<T> {
    /// The parameter of `params` that has this infotext key.
    pub fn with_infotext_key<'a>(params: &'a [Self], key: &str) -> Option<&'a Self> {
        params
            .iter()
            .find(|param| param.number.infotext == Some(key))
    }
}

impl GenerateSpec {
    /// The numbers of a job, in the order in which they are checked.
    pub const PARAMS: &'static [Param<Self>] = &[
        Param {
            number: &WIDTH,
            get: |spec| spec.width_px.into(),
            set: |spec, value| spec.width_px = value.as_u32(),
        },
        Param {
            number: &HEIGHT,
            get: |spec| spec.height_px.into(),
            set: |spec, value| spec.height_px = value.as_u32(),
        },
        Param {
            number: &STEPS,
            get: |spec| spec.steps.into(),
            set: |spec, value| spec.steps = value.as_u32(),
        },
        Param {
            number: &GUIDANCE,
            get: |spec| Value::Real(spec.guidance_scale),
            set: |spec, value| spec.guidance_scale = value.as_f32(),
        },
        Param {
            number: &CLIP_SKIP,
            get: |spec| spec.clip_skip.into(),
            set: |spec, value| spec.clip_skip = value.as_u32(),
        },
        Param {
            number: &GUIDANCE_RESCALE,
            get: |spec| Value::Real(spec.guidance_rescale),
            set: |spec, value| spec.guidance_rescale = value.as_f32(),
        },
        Param {
            number: &GUIDANCE_START,
            get: |spec| Value::Real(spec.guidance_start),
            set: |spec, value| spec.guidance_start = value.as_f32(),
        },
        Param {
            number: &GUIDANCE_END,
            get: |spec| Value::Real(spec.guidance_end),
            set: |spec, value| spec.guidance_end = value.as_f32(),
        },
        Param {
            number: &ETA,
            get: |spec| Value::Real(spec.eta),
            set: |spec, value| spec.eta = value.as_f32(),
        },
        Param {
            number: &STRENGTH,
            get: |spec| Value::Real(spec.strength),
            set: |spec, value| spec.strength = value.as_f32(),
        },
        Param {
            number: &FEATHER,
            get: |spec| Value::Real(spec.feather_px),
            set: |spec, value| spec.feather_px = value.as_f32(),
        },
        Param {
            number: &SEED,
            get: |spec| Value::Whole(spec.seed),
            set: |spec, value| spec.seed = value.as_u64(),
        },
        Param {
            number: &BATCH,
            get: |spec| spec.batch.into(),
            set: |spec, value| spec.batch = value.as_u32(),
        },
        Param {
            number: &LAYOUT_WEIGHT,
            get: |spec| Value::Real(spec.layout_weight),
            set: |spec, value| spec.layout_weight = value.as_f32(),
        },
        Param {
            number: &LAYOUT_BIAS,
            get: |spec| Value::Real(spec.layout_bias),
            set: |spec, value| spec.layout_bias = value.as_f32(),
        },
        Param {
            number: &GROUNDING_SHARE,
            get: |spec| Value::Real(spec.grounding_share),
            set: |spec, value| spec.grounding_share = value.as_f32(),
        },
        Param {
            number: &SEMANTIC_WEIGHT,
            get: |spec| Value::Real(spec.semantic_weight),
            set: |spec, value| spec.semantic_weight = value.as_f32(),
        },
        Param {
            number: &GUIDE_SCALE,
            get: |spec| Value::Real(spec.guide_scale),
            set: |spec, value| spec.guide_scale = value.as_f32(),
        },
        Param {
            number: &SECOND_STRENGTH,
            get: |spec| Value::Real(spec.second_strength),
            set: |spec, value| spec.second_strength = value.as_f32(),
        },
        Param {
            number: &SECOND_STEPS,
            get: |spec| spec.second_steps.into(),
            set: |spec, value| spec.second_steps = value.as_u32(),
        },
        Param {
            number: &CLASSIFIER_SCALE,
            get: |spec| Value::Real(spec.classifier_scale),
            set: |spec, value| spec.classifier_scale = value.as_f32(),
        },
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_is_set_and_got_at_both_ends() {
        let mut ids = BTreeSet::new();
        for param in GenerateSpec::PARAMS {
            let Number {
                id,
                allowed,
                offered,
                ..
            } = param.number;
            assert!(ids.insert(*id), "{id} stands there twice");
            for end in [offered.least, offered.most] {
                assert!(allowed.contains(end), "{id}: {end} is offered, not allowed");
            }
            for end in [allowed.least, allowed.most] {
                let mut spec = GenerateSpec::default();
                (param.set)(&mut spec, end);
                assert_eq!((param.get)(&spec), end, "{id}");
                assert!(spec.validate().is_ok(), "{id} = {end}");
            }
        }
    }

    #[test]
    fn what_is_no_number_lies_in_no_range() {
        let range = Range::real(0.0, 2.0);
        for text in ["NaN", "inf", "-0.1", "2.1", "two", ""] {
            assert_eq!(range.read(text), None, "{text}");
        }
        assert_eq!(range.read(" 1.5 "), Some(Value::Real(1.5)));
        let nearest = |value| range.nearest(Value::Real(value), Value::Real(1.0));
        let given = [f32::NAN, f32::INFINITY, -3.0, 0.5];
        let expected = [1.0, 2.0, 0.0, 0.5].map(Value::Real);
        assert_eq!(given.map(nearest), expected);
        assert!(!range.contains(Value::Whole(1)));
        assert_eq!(Range::whole(0, u64::MAX).read("18446744073709551616"), None);
    }
}
