//! The colours that objects can take.

use serde::{Deserialize, Serialize};

use super::colour::{rgb, rgb_to_hsv};

/// Paler and darker pixels have no colour.
const LEAST_SATURATION: f32 = 0.25;
const LEAST_VALUE: f32 = 0.15;

/// A named colour of a recoloured object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tint {
    /// Red.
    Red,
    /// Orange.
    Orange,
    /// Yellow.
    Yellow,
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Purple.
    Purple,
    /// Pink.
    Pink,
}

impl Tint {
    /// Every colour.
    pub const ALL: [Self; 7] = [
        Self::Red,
        Self::Orange,
        Self::Yellow,
        Self::Green,
        Self::Blue,
        Self::Purple,
        Self::Pink,
    ];

    /// Its name in captions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Purple => "purple",
            Self::Pink => "pink",
        }
    }

    /// Its hue, in turns.
    pub fn hue(self) -> f32 {
        match self {
            Self::Red => 0.985,
            Self::Orange => 0.075,
            Self::Yellow => 0.135,
            Self::Green => 0.34,
            Self::Blue => 0.58,
            Self::Purple => 0.77,
            Self::Pink => 0.925,
        }
    }

    /// The colour that a pixel is nearest to by its hue; `None` for grey ones.
    pub fn nearest(pixel: [u8; 3]) -> Option<Self> {
        let [hue, saturation, value] = rgb_to_hsv(rgb(pixel));
        let away = |tint: &Self| ((tint.hue() - hue + 1.5).fract() - 0.5).abs();
        let nearest = Self::ALL
            .into_iter()
            .min_by(|a, b| away(a).total_cmp(&away(b)));
        nearest.filter(|_| saturation >= LEAST_SATURATION && value >= LEAST_VALUE)
    }

    /// What is left of an object's saturation: pink is a pale red.
    pub fn saturation(self) -> f32 {
        if self == Self::Pink { 0.55 } else { 1.0 }
    }

    /// How far an object is lightened: yellow, orange and pink read as such only
    /// when they are light.
    pub fn lift(self) -> f32 {
        match self {
            Self::Yellow | Self::Orange => 0.25,
            Self::Pink => 0.6,
            Self::Red | Self::Green | Self::Blue | Self::Purple => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::colour::from_hue;

    #[test]
    fn every_colour_is_nearest_to_itself_and_grey_to_none() {
        for tint in Tint::ALL {
            let pixel = from_hue(tint.hue(), 0.8 * tint.saturation(), 0.9);
            assert_eq!(Tint::nearest(pixel), Some(tint));
        }
        assert_eq!(Tint::nearest([120, 118, 122]), None);
        assert_eq!(Tint::nearest([9, 0, 0]), None);
    }
}
