//! What the numbers of a label map mean.

use serde::{Deserialize, Serialize};

/// The number of a label map that stands for no class.
pub const NOTHING: u8 = 255;

/// One class of a label map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaletteClass {
    /// Its number in label maps: 0 to 254.
    pub index: u8,
    /// The class in words.
    pub name: String,
    /// The colour in which it is shown, sRGB.
    pub color: [u8; 3],
}

/// The classes of a label map, in the order in which they are listed. Their numbers
/// may have gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Palette {
    /// What the palette is called.
    #[serde(default)]
    pub name: String,
    /// The classes; no two share a number.
    pub classes: Vec<PaletteClass>,
}

/// Why classes make no palette, in a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaletteError {
    /// Two classes have one number.
    #[error(
        "the palette has the index {index} twice, for \u{201c}{first}\u{201d} and \u{201c}{second}\u{201d}; \
         give each class an index of its own"
    )]
    SameIndex {
        /// The number.
        index: u8,
        /// The class that has it first.
        first: String,
        /// The class that has it too.
        second: String,
    },
    /// A class has the number of nothing.
    #[error(
        "the palette gives the index {NOTHING} to \u{201c}{0}\u{201d}, which stands for no class; \
         choose one from 0 to 254"
    )]
    Nothing(String),
    /// A class cannot be called by its name.
    #[error("the class with the index {0} has no name; give it one")]
    NoName(u8),
}

impl Palette {
    /// The class of a number, if it has one.
    pub fn class(&self, index: u8) -> Option<&PaletteClass> {
        self.classes.iter().find(|class| class.index == index)
    }

    /// The class of a name, whatever its case.
    pub fn class_named(&self, name: &str) -> Option<&PaletteClass> {
        self.classes
            .iter()
            .find(|class| is_same_name(&class.name, name))
    }

    /// Checks that every class has a number and a name, and the number alone.
    ///
    /// # Errors
    /// The first class that has not.
    pub fn validate(&self) -> Result<(), PaletteError> {
        let mut first = [None; NOTHING as usize];
        for class in &self.classes {
            let Some(known) = first.get_mut(usize::from(class.index)) else {
                return Err(PaletteError::Nothing(class.name.clone()));
            };
            if let Some(first) = known.replace(class) {
                return Err(PaletteError::SameIndex {
                    index: class.index,
                    first: first.name.clone(),
                    second: class.name.clone(),
                });
            }
            if class.name.trim().is_empty() {
                return Err(PaletteError::NoName(class.index));
            }
        }
        Ok(())
    }
}

/// Whether two names mean the same class: case and the space around do not matter.
pub fn is_same_name(one: &str, other: &str) -> bool {
    let letters = |name: &str| -> String { name.trim().to_lowercase() };
    one == other || letters(one) == letters(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn palette(classes: &[(u8, &str)]) -> Palette {
        let class = |(index, name): &(u8, &str)| PaletteClass {
            index: *index,
            name: (*name).to_owned(),
            color: [*index; 3],
        };
        Palette {
            name: String::new(),
            classes: classes.iter().map(class).collect(),
        }
    }

    #[test]
    fn classes_are_found_by_number_and_by_name() {
        let palette = palette(&[(182, "Wolken"), (0, "Himmel")]);
        assert!(palette.validate().is_ok());
        assert_eq!(palette.class(182).map(|it| &*it.name), Some("Wolken"));
        assert_eq!(palette.class(1), None);
        assert_eq!(palette.class_named(" HIMMEL ").map(|it| it.index), Some(0));
    }

    #[test]
    fn numbers_and_names_are_each_given_once() {
        let twice = palette(&[(3, "sky"), (4, "hill"), (3, "water")]);
        let error = twice.validate().unwrap_err().to_string();
        assert!(
            error.contains("3 twice") && error.contains("water"),
            "{error}"
        );
        let nothing = palette(&[(255, "void")]).validate().unwrap_err();
        assert_eq!(nothing, PaletteError::Nothing("void".into()));
        let nameless = palette(&[(7, " ")]).validate().unwrap_err();
        assert_eq!(nameless, PaletteError::NoName(7));
    }
}
