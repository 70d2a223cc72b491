//! The numbers of a generation, each described once.
//!
//! The command line makes its help from these descriptions, the panel its rows,
//! [`GenerateSpec::validate`](super::GenerateSpec::validate) its checks and the
//! infotext its keys. A new number is a [`Number`] in `numbers.rs` and a line in the
//! `PARAMS` of what holds it.

mod numbers;

use std::fmt;

pub use self::numbers::*;
use super::generate::GenerateSpec;
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
            number: &VARIATION,
            get: |spec| Value::Real(spec.variation_strength),
            set: |spec, value| spec.variation_strength = value.as_f32(),
        },
        Param {
            number: &VARIATION_SEED,
            get: |spec| Value::Whole(spec.variation_seed),
            set: |spec, value| spec.variation_seed = value.as_u64(),
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
