//! The classes of a semantic layer and their colours.

use serde::{Deserialize, Serialize};

/// One class of a semantic map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaletteClass {
    /// The class in words.
    pub name: String,
    /// The colour in which it is shown, sRGB.
    pub color: [u8; 3],
}

/// What the values of a semantic layer mean: value `k` is class `k`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Palette {
    /// The classes, at most 256.
    pub classes: Vec<PaletteClass>,
}

impl Palette {
    /// The class of a value, if it has one.
    pub fn class(&self, value: u8) -> Option<&PaletteClass> {
        self.classes.get(usize::from(value))
    }
}
