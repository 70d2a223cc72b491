//! Boxes that say where something of a class is to appear.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Boxes that a job may have, far more than anybody draws.
pub const MAX_BOXES: usize = 10_000;

/// Beyond this many pixels from the corner of the picture nothing is meant.
const FARTHEST_PX: f32 = 1e6;

/// A box of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayoutBox {
    /// What it holds, by its name.
    pub class: String,
    /// Left, top, width and height in pixels of the job's picture; it may reach over
    /// the edges.
    pub rect: [f32; 4],
    /// The colour of what it holds, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
}

/// The boxes of a job, owned by it, lower ones first.
#[derive(Clone, Debug, PartialEq)]
pub struct LayoutInput(pub Arc<[LayoutBox]>);

/// Why boxes cannot be painted, in a sentence for the user. Boxes are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// A box does not say what it holds.
    #[error("box {0} has no class; say what it holds, or remove it")]
    NoClass(usize),
    /// A number of a box is none, or lies nowhere near the picture.
    #[error(
        "box {number} (\u{201c}{class}\u{201d}) has the place {rect:?}; left, top, width and height must be \
         numbers of at most a million"
    )]
    Place {
        /// Which box.
        number: usize,
        /// What it holds.
        class: String,
        /// Left, top, width and height.
        rect: [f32; 4],
    },
    /// A box has no inside.
    #[error(
        "box {number} (\u{201c}{class}\u{201d}) is {width_px} × {height_px} pixels; both sides must be more than 0"
    )]
    Empty {
        /// Which box.
        number: usize,
        /// What it holds.
        class: String,
        /// Its width.
        width_px: f32,
        /// Its height.
        height_px: f32,
    },
    /// There are absurdly many.
    #[error("there are {0} boxes; at most {MAX_BOXES} can be given")]
    TooMany(usize),
}

impl LayoutInput {
    /// Checks that every box is somewhere, has an inside and says what it holds.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), LayoutError> {
        if self.0.len() > MAX_BOXES {
            return Err(LayoutError::TooMany(self.0.len()));
        }
        for (number, LayoutBox { class, rect, .. }) in (1..).zip(self.0.iter()) {
            if class.trim().is_empty() {
                return Err(LayoutError::NoClass(number));
            }
            // NaN is not at most anything.
            if !rect.iter().all(|value| value.abs() <= FARTHEST_PX) {
                return Err(LayoutError::Place {
                    number,
                    class: class.clone(),
                    rect: *rect,
                });
            }
            let [_, _, width_px, height_px] = *rect;
            if width_px <= 0.0 || height_px <= 0.0 {
                return Err(LayoutError::Empty {
                    number,
                    class: class.clone(),
                    width_px,
                    height_px,
                });
            }
        }
        Ok(())
    }

    /// The same boxes on a picture of another size.
    #[must_use]
    pub fn scaled(&self, across: f32, down: f32) -> Self {
        let scaled = |it: &LayoutBox| {
            let [x, y, width, height] = it.rect;
            LayoutBox {
                rect: [x * across, y * down, width * across, height * down],
                ..it.clone()
            }
        };
        Self(self.0.iter().map(scaled).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(class: &str, rect: [f32; 4]) -> LayoutInput {
        let it = LayoutBox {
            class: class.to_owned(),
            rect,
            colour: None,
        };
        LayoutInput([it].into())
    }

    #[test]
    fn boxes_that_cannot_be_are_told_one_sentence_each() {
        assert_eq!(one("bus", [-5.0, 3.5, 20.0, 400.0]).validate(), Ok(()));
        let sentence = |input: LayoutInput| input.validate().unwrap_err().to_string();
        let nameless = sentence(one(" ", [0.0, 0.0, 1.0, 1.0]));
        assert!(nameless.contains("box 1 has no class"), "{nameless}");
        for rect in [
            [f32::NAN, 0.0, 1.0, 1.0],
            [0.0, 0.0, f32::INFINITY, 1.0],
            [0.0, -1e30, 1.0, 1.0],
        ] {
            let text = sentence(one("bus", rect));
            assert!(
                text.contains("\u{201c}bus\u{201d}") && text.contains("million"),
                "{text}"
            );
        }
        for rect in [[0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 5.0, -5.0]] {
            assert!(sentence(one("bus", rect)).contains("more than 0"));
        }
        let many = one("bus", [0.0, 0.0, 1.0, 1.0]).0[0].clone();
        let many = LayoutInput(vec![many; MAX_BOXES + 1].into());
        assert!(sentence(many).contains("10001 boxes"));
    }

    #[test]
    fn boxes_grow_with_their_picture() {
        let larger = one("bus", [1.0, 2.0, 3.0, 4.0]).scaled(2.0, 0.5);
        assert_eq!(larger.0[0].rect, [2.0, 1.0, 6.0, 2.0]);
    }
}
