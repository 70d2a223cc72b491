//! Pictures larger than those that a model was trained on, and pictures that go on
//! over their edges.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::generate::MAX_SIDE_PX;

/// Whether the denoiser sees a picture whole or in windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WindowChoice {
    /// In windows where the picture is much larger than those of the model's training.
    #[default]
    Auto,
    /// Whole, whatever its size.
    Off,
    /// In windows with sides of so many pixels.
    Side(u32),
}

/// Sides of windows that can be had, in pixels.
const SIDES_PX: RangeInclusive<u32> = 64..=MAX_SIDE_PX;

/// Sides of windows in which pictures of recipes may have been painted.
const TOLD_SIDES_PX: RangeInclusive<u32> = 1..=MAX_SIDE_PX;

/// A picture with more than this many times the area of those of the model's training
/// is painted in windows where nobody chooses: up to there models mostly do well with
/// all of it, and further on its time and memory grow beyond its area.
const WHOLE_AREAS: u64 = 4;

/// How much longer than high a picture is from which on it is a strip, and than those of the
/// model's training.
const STRIP_RATIO: f32 = 2.0;

/// Of a strip the shorter side, at most, as a multiple of those of the model's training: what is
/// higher has windows without a horizon, in which anything is painted.
const STRIP_SIDES: f32 = 1.5;

/// The sides of such windows, as a multiple of those of the model's training.
const AUTO_SIDES: u32 = 2;

/// Whether a picture is much longer than high, and hardly higher than those of the model's
/// training.
pub fn is_strip(size_px: [u32; 2], native_px: u32) -> bool {
    let [across, down] = size_px.map(|side| side as f32);
    let native = native_px as f32;
    across > STRIP_RATIO * down.max(native) && down <= STRIP_SIDES * native
}

impl WindowChoice {
    /// The sides of the windows in which a picture is painted; `None` for whole.
    pub fn side_px(self, size_px: [u32; 2], native_px: u32) -> Option<u32> {
        let area = |[width, height]: [u32; 2]| u64::from(width) * u64::from(height);
        match self {
            Self::Off => None,
            Self::Side(side_px) => Some(side_px),
            Self::Auto => {
                let is_large = area(size_px) > WHOLE_AREAS * area([native_px; 2]);
                let side_px = native_px.saturating_mul(AUTO_SIDES);
                is_large.then_some(side_px.clamp(*SIDES_PX.start(), *SIDES_PX.end()))
            }
        }
    }

    /// The choice for a picture with boxes, of a model that knows what they are called:
    /// where nobody chose, a strip is painted in windows that show what lies in them as a
    /// picture of the training would.
    #[must_use]
    pub fn beside_boxes(self, size_px: [u32; 2], native_px: u32) -> Self {
        match self {
            Self::Auto if is_strip(size_px, native_px) => Self::Side(native_px),
            choice => choice,
        }
    }

    /// Whether a picture is painted in several windows.
    pub fn divides(self, size_px: [u32; 2], native_px: u32) -> bool {
        let side_px = self.side_px(size_px, native_px);
        side_px.is_some_and(|side_px| size_px.iter().any(|side| *side > side_px))
    }

    /// The same, settled for a picture.
    #[must_use]
    pub fn settled(self, size_px: [u32; 2], native_px: u32) -> Self {
        self.side_px(size_px, native_px)
            .map_or(Self::Off, Self::Side)
    }

    /// Reads a choice of a recipe: it is what was, and may be less than can be asked for.
    pub(super) fn of_recipe(text: &str) -> Result<Self, String> {
        Self::read(text, TOLD_SIDES_PX)
    }

    fn read(text: &str, sides_px: RangeInclusive<u32>) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            number => match number.parse() {
                Ok(side_px) if sides_px.contains(&side_px) => Ok(Self::Side(side_px)),
                _ => Err(format!(
                    "windows must be auto, off, or their side in pixels between {} and {}",
                    sides_px.start(),
                    sides_px.end()
                )),
            },
        }
    }
}

impl fmt::Display for WindowChoice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str("auto"),
            Self::Off => out.write_str("off"),
            Self::Side(side_px) => side_px.fmt(out),
        }
    }
}

impl FromStr for WindowChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, SIDES_PX)
    }
}

impl TryFrom<String> for WindowChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::of_recipe(&text)
    }
}

impl From<WindowChoice> for String {
    fn from(choice: WindowChoice) -> Self {
        choice.to_string()
    }
}

/// Along which axes a picture goes on over its edges, so that copies of it laid side by
/// side show no seam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tile {
    /// None.
    #[default]
    None,
    /// From left to right.
    X,
    /// From top to bottom.
    Y,
    /// Both.
    Xy,
}

impl Tile {
    /// All there are, in the order in which menus list them.
    pub const ALL: [Self; 4] = [Self::None, Self::X, Self::Y, Self::Xy];

    /// What menus call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "No",
            Self::X => "Left to right",
            Self::Y => "Top to bottom",
            Self::Xy => "Both ways",
        }
    }

    /// Its name in options and infotext; nothing where it is none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::X => Some("x"),
            Self::Y => Some("y"),
            Self::Xy => Some("xy"),
        }
    }

    /// The axes (columns, rows).
    pub fn wraps(self) -> [bool; 2] {
        [
            matches!(self, Self::X | Self::Xy),
            matches!(self, Self::Y | Self::Xy),
        ]
    }

    /// Whether it is the usual picture, with edges.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_chosen_where_a_picture_is_much_larger() {
        let side = |size| WindowChoice::Auto.side_px(size, 128);
        assert_eq!(side([128, 128]), None);
        assert_eq!(side([512, 128]), None);
        assert_eq!(side([256, 256]), None);
        assert_eq!(side([1024, 256]), Some(256));
        assert_eq!(side([1024, 1024]), Some(256));
        assert_eq!(WindowChoice::Off.side_px([8192, 8192], 128), None);
        assert_eq!(WindowChoice::Side(512).side_px([64, 64], 128), Some(512));
        let settled = WindowChoice::Auto.settled([8192, 8192], 512);
        assert_eq!(settled, WindowChoice::Side(1024));
        // Whatever is chosen can be asked for.
        for (native_px, side_px) in [(16, 64), (8000, 8192)] {
            let side = WindowChoice::Auto.side_px([40_000; 2], native_px);
            assert_eq!(side, Some(side_px));
        }
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for choice in [
            WindowChoice::Auto,
            WindowChoice::Off,
            WindowChoice::Side(256),
            // Before there was a least one.
            WindowChoice::Side(32),
        ] {
            let json = serde_json::to_string(&choice).unwrap();
            assert_eq!(
                serde_json::from_str::<WindowChoice>(&json).unwrap(),
                choice,
                "{json}"
            );
        }
        for text in ["", "0", "63", "8193", "-1", "large"] {
            let error = text.parse::<WindowChoice>().unwrap_err();
            assert!(error.contains("between 64 and 8192"), "{text}: {error}");
        }
    }
}
