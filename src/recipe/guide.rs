//! What of a picture pulls another one towards itself.

use serde::{Deserialize, Serialize};

/// What of a guide counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuideKind {
    /// The picture in small: colours by area, no detail.
    #[default]
    LowResolution,
    /// The colour of every pixel that is not transparent.
    Strokes,
    /// Where it becomes brighter and darker, whatever the colours.
    Edges,
}

impl GuideKind {
    /// All there are, in the order in which menus list them.
    pub const ALL: [Self; 3] = [Self::LowResolution, Self::Strokes, Self::Edges];

    /// What menus call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::LowResolution => "Low resolution",
            Self::Strokes => "Colour strokes",
            Self::Edges => "Edges",
        }
    }

    /// Its name in options and infotext.
    pub fn name(self) -> &'static str {
        match self {
            Self::LowResolution => "low-resolution",
            Self::Strokes => "strokes",
            Self::Edges => "edges",
        }
    }
}
