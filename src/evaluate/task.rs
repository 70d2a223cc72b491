//! What a model is asked to do, and the kinds of pictures that show whether it does.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::model::Manifest;
use crate::recipe::InputSpec;

/// Something that a model is asked to do with unseen scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Paint captions.
    Text,
    /// Put things where boxes say.
    Layout,
    /// Follow a label map.
    Semantic,
    /// Paint one object anew.
    Inpaint,
    /// Make a larger picture of a small one.
    SuperResolution,
    /// Paint combinations that no training scene shows.
    HeldOut,
    /// Paint as many of a kind as a caption says.
    Numbers,
    /// Paint things left and right of each other.
    Sides,
    /// Paint captions in 4 and in 8 steps.
    FewSteps,
}

impl Task {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::Text,
        Self::Layout,
        Self::Semantic,
        Self::Inpaint,
        Self::SuperResolution,
        Self::HeldOut,
        Self::Numbers,
        Self::Sides,
        Self::FewSteps,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Layout => "layout",
            Self::Semantic => "semantic",
            Self::Inpaint => "inpaint",
            Self::SuperResolution => "super-resolution",
            Self::HeldOut => "held-out",
            Self::Numbers => "numbers",
            Self::Sides => "sides",
            Self::FewSteps => "few-steps",
        }
    }

    /// Whether a model can be asked for it. Every model can be asked to paint a part
    /// of a picture anew, even one that does not see the rest.
    pub fn is_for(self, manifest: &Manifest) -> bool {
        let takes = |is: fn(&InputSpec) -> bool| manifest.inputs.iter().any(is);
        match self {
            Self::Text
            | Self::Inpaint
            | Self::HeldOut
            | Self::Numbers
            | Self::Sides
            | Self::FewSteps => true,
            Self::Layout => takes(|input| matches!(input, InputSpec::Layout { .. })),
            Self::Semantic => takes(|input| matches!(input, InputSpec::Semantic { .. })),
            Self::SuperResolution => {
                takes(|input| matches!(input, InputSpec::LowResolution { .. }))
            }
        }
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|task| task.name() == name.trim());
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no task \u{201c}{name}\u{201d}; there are {names}")
        })
    }
}

/// How a picture was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PictureKind {
    /// From its caption alone.
    TextToImage,
    /// From its boxes alone.
    Boxes,
    /// From its caption and its boxes.
    TextAndBoxes,
    /// From its boxes moved elsewhere: a wrong condition.
    MovedBoxes,
    /// From its label map alone.
    LabelMap,
    /// From its caption and its label map.
    TextAndLabelMap,
    /// From the label map of another scene: a wrong condition.
    ForeignLabelMap,
    /// A scene of which one object was painted anew.
    Inpainting,
    /// The same, told as a box around the mask too.
    InpaintingInBox,
    /// From itself in small.
    SmallPicture,
    /// From a caption of what no training scene shows together.
    HeldOut,
    /// From a caption of the same object as scenes show it.
    Familiar,
    /// From a caption that says how many there are of a kind.
    Numbers,
    /// From a caption that says what is left or right of what.
    Sides,
    /// From its caption in 4 steps.
    FourSteps,
    /// From its caption in 8 steps.
    EightSteps,
}

impl PictureKind {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 16] = [
        Self::TextToImage,
        Self::Boxes,
        Self::TextAndBoxes,
        Self::MovedBoxes,
        Self::LabelMap,
        Self::TextAndLabelMap,
        Self::ForeignLabelMap,
        Self::Inpainting,
        Self::InpaintingInBox,
        Self::SmallPicture,
        Self::HeldOut,
        Self::Familiar,
        Self::Numbers,
        Self::Sides,
        Self::FourSteps,
        Self::EightSteps,
    ];

    /// What it is painted for.
    pub fn task(self) -> Task {
        match self {
            Self::TextToImage => Task::Text,
            Self::Boxes | Self::TextAndBoxes | Self::MovedBoxes => Task::Layout,
            Self::LabelMap | Self::TextAndLabelMap | Self::ForeignLabelMap => Task::Semantic,
            Self::Inpainting | Self::InpaintingInBox => Task::Inpaint,
            Self::SmallPicture => Task::SuperResolution,
            Self::HeldOut | Self::Familiar => Task::HeldOut,
            Self::Numbers => Task::Numbers,
            Self::Sides => Task::Sides,
            Self::FourSteps | Self::EightSteps => Task::FewSteps,
        }
    }

    /// Whether it can be made with a model that can be asked for its task.
    pub(super) fn is_for(self, manifest: &Manifest) -> bool {
        self != Self::InpaintingInBox || Task::Layout.is_for(manifest)
    }

    /// Whether one object of a scene is painted anew.
    pub(super) fn has_hole(self) -> bool {
        self.task() == Task::Inpaint
    }

    /// A word for file names.
    pub fn slug(self) -> &'static str {
        match self {
            Self::TextToImage => "text",
            Self::Boxes => "boxes",
            Self::TextAndBoxes => "text-boxes",
            Self::MovedBoxes => "moved-boxes",
            Self::LabelMap => "map",
            Self::TextAndLabelMap => "text-map",
            Self::ForeignLabelMap => "foreign-map",
            Self::Inpainting => "inpaint",
            Self::InpaintingInBox => "inpaint-box",
            Self::SmallPicture => "small",
            Self::HeldOut => "held-out",
            Self::Familiar => "familiar",
            Self::Numbers => "numbers",
            Self::Sides => "sides",
            Self::FourSteps => "4-steps",
            Self::EightSteps => "8-steps",
        }
    }

    /// The steps in which it is painted, where these are its own.
    pub(super) fn steps(self) -> Option<u32> {
        match self {
            Self::FourSteps => Some(4),
            Self::EightSteps => Some(8),
            _ => None,
        }
    }

    /// Whether the caption is told.
    pub(super) fn has_caption(self) -> bool {
        matches!(
            self,
            Self::TextToImage
                | Self::TextAndBoxes
                | Self::TextAndLabelMap
                | Self::Inpainting
                | Self::InpaintingInBox
                | Self::HeldOut
                | Self::Familiar
                | Self::Numbers
                | Self::Sides
                | Self::FourSteps
                | Self::EightSteps
        )
    }
}

impl fmt::Display for PictureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TextToImage => "text to image",
            Self::Boxes => "boxes alone",
            Self::TextAndBoxes => "text and boxes",
            Self::MovedBoxes => "moved boxes",
            Self::LabelMap => "label map alone",
            Self::TextAndLabelMap => "text and label map",
            Self::ForeignLabelMap => "another's label map",
            Self::Inpainting => "inpainting",
            Self::InpaintingInBox => "inpainting in a box",
            Self::SmallPicture => "small picture",
            Self::HeldOut => "held-out combination",
            Self::Familiar => "familiar combination",
            Self::Numbers => "numbers",
            Self::Sides => "sides",
            Self::FourSteps => "in 4 steps",
            Self::EightSteps => "in 8 steps",
        })
    }
}
