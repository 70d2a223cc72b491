//! What a model can be asked for.

use serde::{Deserialize, Serialize};

use super::palette::{PaletteClass, is_same_name};
use super::train::Degradation;

/// What the numbers of a mask mean to a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskConvention {
    /// 1 is repainted and 0 kept, as in Stable Diffusion's inpainting model.
    #[default]
    OneIsRepainted,
    /// 1 is kept and 0 repainted.
    OneIsKept,
    /// 1 is repainted and -1 kept, and the hole in the picture is black and not grey, as
    /// in the inpainting models of the paper's code.
    Signed,
    /// 1 is kept and 0 repainted, and the hole is cut out of the latents of the whole
    /// picture and not out of the picture, as in GLIGEN's inpainting model. What is kept is
    /// put back after each step.
    KeptLatents,
}

impl MaskConvention {
    /// The number for a place, given whether it is repainted (1) or kept (0).
    pub fn number(self, repainted: f32) -> f32 {
        match self {
            Self::OneIsRepainted => repainted,
            Self::OneIsKept | Self::KeptLatents => 1.0 - repainted,
            Self::Signed => 2.0 * repainted - 1.0,
        }
    }

    /// The number that stands in the picture, from -1 to 1, where it is repainted.
    pub fn hole(self) -> f32 {
        match self {
            Self::OneIsRepainted | Self::OneIsKept | Self::KeptLatents => 0.0,
            Self::Signed => -1.0,
        }
    }
}

impl InputSpec {
    /// What it is called in lists of what a model takes.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Text { .. } => "words",
            Self::Mask { .. } => "mask",
            Self::Layout { .. } => "boxes",
            Self::Phrases { .. } => "boxes with phrases",
            Self::Semantic { .. } => "label map",
            Self::LowResolution { .. } => "low resolution",
            Self::Class { .. } => "class",
        }
    }

    /// Classes that have numbers instead of names, of which the last also stands for
    /// none.
    pub fn numbered_classes(count: usize) -> Self {
        Self::Class {
            classes: Self::class_numbers(count),
            empty: None,
        }
    }

    /// The numbers of classes, in the place of names.
    pub fn class_numbers(count: usize) -> Vec<String> {
        (0..count).map(|number| number.to_string()).collect()
    }

    /// Whether the denoiser looks at what it is told of this.
    pub fn is_attended(&self) -> bool {
        matches!(
            self,
            Self::Text { .. } | Self::Layout { .. } | Self::Class { .. }
        )
    }
}

/// Something that a model can be asked for. This is the only closed list that a
/// new kind of input extends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InputSpec {
    /// A description in words.
    Text {
        /// Tokens that are read of it, start and end included.
        max_tokens: u32,
    },
    /// A picture and which part of it is to be painted anew.
    Mask {
        /// What the numbers mean that the denoiser gets.
        convention: MaskConvention,
    },
    /// Boxes that say where what is to appear.
    Layout {
        /// What a box may hold, by name.
        classes: Vec<String>,
        /// The colour words that a box may have.
        colours: Vec<String>,
        /// Boxes that are seen at most.
        max_boxes: u32,
        /// Whether it reads them as one sequence, as models of the paper's code do: then
        /// attention cannot hear one of them more than another.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        in_sequence: bool,
    },
    /// Boxes that say where what is to appear, in any words.
    Phrases {
        /// Boxes that are seen at most.
        max_boxes: u32,
    },
    /// A class for every pixel.
    Semantic {
        /// What a pixel may be.
        classes: Vec<PaletteClass>,
    },
    /// The whole picture in small.
    LowResolution {
        /// How often the side of the small picture goes into that of the large one.
        factor: u32,
        /// Whether the model paints from nothing else, as those of the paper's code.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_needed: bool,
        /// How small pictures were made in training; `None` where that is not told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        degradation: Option<Degradation>,
    },
    /// A class out of a list.
    Class {
        /// Their names, by number.
        classes: Vec<String>,
        /// The number beyond them that stands for none; the last of them where there is
        /// no such number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        empty: Option<u32>,
    },
}

/// The number of a class that is named, or given by its number.
pub fn class_number(classes: &[String], told: &str) -> Option<u32> {
    // A name may be a list of words for the same thing.
    let is_named = |name: &String| {
        is_same_name(name, told) || name.split(',').any(|word| is_same_name(word.trim(), told))
    };
    let named = classes.iter().position(is_named);
    let number = || told.trim().parse().ok().filter(|at| *at < classes.len());
    u32::try_from(named.or_else(number)?).ok()
}
