//! What a model makes of what is drawn for it: boxes and label maps act in another way
//! on each kind of model.

use super::input::InputSpec;
use super::palette::PaletteClass;
use super::param::{GROUNDING_SHARE, LAYOUT_BIAS, Number};

/// Regional prompts that one job may have: each is read, and attended to, of its own.
pub const MOST_REGIONS: usize = 32;

/// What a model makes of boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxUse<'a> {
    /// It was trained with boxes of classes out of a list.
    Classes {
        /// What a box may hold, by name.
        classes: &'a [String],
        /// The colour words that a box may have.
        colours: &'a [String],
        /// Boxes that are seen at most.
        max_boxes: u32,
    },
    /// It was trained with boxes that hold any words.
    Phrases {
        /// Boxes that are seen at most.
        max_boxes: u32,
    },
    /// It knows no boxes but reads words: those of a box act inside of it, as a regional
    /// prompt.
    Regions,
}

impl<'a> BoxUse<'a> {
    /// What a model makes of boxes that can be asked for `inputs`; `None` where they
    /// cannot act at all.
    pub fn of(inputs: &'a [InputSpec]) -> Option<Self> {
        let own = inputs.iter().find_map(|input| match input {
            InputSpec::Layout {
                classes,
                colours,
                max_boxes,
                ..
            } => Some(Self::Classes {
                classes,
                colours,
                max_boxes: *max_boxes,
            }),
            InputSpec::Phrases { max_boxes } => Some(Self::Phrases {
                max_boxes: *max_boxes,
            }),
            _ => None,
        });
        own.or_else(|| reads_words(inputs).then_some(Self::Regions))
    }

    /// Boxes that act at most.
    pub fn max_boxes(self) -> u32 {
        match self {
            Self::Classes { max_boxes, .. } | Self::Phrases { max_boxes } => max_boxes,
            Self::Regions => MOST_REGIONS as u32,
        }
    }
}

/// What can be said, beside their weight, of how boxes act on a model that can be asked for
/// `inputs`.
pub fn box_number(inputs: &[InputSpec]) -> Option<&'static Number> {
    inputs.iter().find_map(|input| match input {
        InputSpec::Phrases { .. } => Some(&GROUNDING_SHARE),
        InputSpec::Layout {
            in_sequence: false, ..
        } => Some(&LAYOUT_BIAS),
        _ => None,
    })
}

/// What a model makes of a label map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapUse<'a> {
    /// It was trained with label maps of these classes.
    Classes(&'a [PaletteClass]),
    /// It knows no label maps but reads words: the name of a class acts where the class
    /// is, as a regional prompt.
    Regions,
}

impl<'a> MapUse<'a> {
    /// What a model makes of label maps that can be asked for `inputs`; `None` where they
    /// cannot act at all.
    pub fn of(inputs: &'a [InputSpec]) -> Option<Self> {
        let own = inputs.iter().find_map(|input| match input {
            InputSpec::Semantic { classes } => Some(Self::Classes(classes)),
            _ => None,
        });
        own.or_else(|| reads_words(inputs).then_some(Self::Regions))
    }
}

fn reads_words(inputs: &[InputSpec]) -> bool {
    let is_text = |input: &InputSpec| matches!(input, InputSpec::Text { .. });
    inputs.iter().any(is_text)
}
