//! What paint does to the pixels under it.

use crate::document::{Pixel, blend_over, mul_255};

/// Coverage from which a pixel gets a class: its middle is under the paint.
const CLASS_COVERAGE: u8 = 128;

/// What paint does to the pixels of a layer.
pub(super) trait Ink<P: Pixel>: Copy {
    /// What becomes of a pixel under a coverage.
    fn over(self, under: P, amount: u8) -> P;

    /// Whether it only takes away.
    fn erases(self) -> bool;

    /// Whether it leaves nothing of what it covers in full.
    fn hides(self) -> bool;
}

/// What it does to masks and semantic layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueInk {
    /// Covers a mask.
    Cover,
    /// Uncovers a mask.
    Uncover,
    /// Gives a class, as it is stored; 0 takes it away. There is nothing in between.
    Class(u8),
}

impl Ink<u8> for ValueInk {
    fn over(self, under: u8, amount: u8) -> u8 {
        match self {
            Self::Cover => 255 - remaining(255 - under, amount),
            Self::Uncover => remaining(under, amount),
            Self::Class(stored) if amount >= CLASS_COVERAGE => stored,
            Self::Class(_) => under,
        }
    }

    fn erases(self) -> bool {
        matches!(self, Self::Uncover | Self::Class(0))
    }

    fn hides(self) -> bool {
        true
    }
}

/// What it does to pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColourInk {
    /// Lays an opaque colour over them.
    Over([u8; 3]),
    /// Lays it behind what is there.
    Behind([u8; 3]),
    /// Gives the colour to what is there, as opaque as it is.
    Tint([u8; 3]),
    /// Makes them transparent.
    Clear,
}

impl Ink<[u8; 4]> for ColourInk {
    fn over(self, under: [u8; 4], amount: u8) -> [u8; 4] {
        match self {
            Self::Over([r, g, b]) => blend_over(under, [r, g, b, 255], amount),
            Self::Behind([r, g, b]) => blend_over([r, g, b, amount], under, 255),
            Self::Tint([r, g, b]) => {
                let [.., alpha] = under;
                let [r, g, b, _] =
                    blend_over([under[0], under[1], under[2], 255], [r, g, b, 255], amount);
                visible([r, g, b, alpha])
            }
            Self::Clear => {
                let [r, g, b, alpha] = under;
                visible([r, g, b, remaining(alpha, amount)])
            }
        }
    }

    fn erases(self) -> bool {
        self == Self::Clear
    }

    fn hides(self) -> bool {
        matches!(self, Self::Over(_) | Self::Clear)
    }
}

/// What cannot be seen has no colour.
fn visible(pixel: [u8; 4]) -> [u8; 4] {
    if pixel[3] == 0 { [0; 4] } else { pixel }
}

/// What is left of a value when a part in units of 1/255 is taken away.
fn remaining(value: u8, taken: u8) -> u8 {
    mul_255(value, 255 - taken)
}
