//! Boxes that say where something of a class is to appear.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::palette::is_same_name;

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

impl LayoutBox {
    /// What it holds in words, the colour before it.
    pub fn words(&self) -> String {
        let class = self.class.trim();
        match &self.colour {
            Some(colour) => format!("{} {class}", colour.trim()),
            None => class.to_owned(),
        }
    }
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
    /// The model does not know what boxes hold.
    #[error(
        "the model does not know {}; it knows {}",
        listed(unknown),
        listed(known)
    )]
    Unknown {
        /// Classes or colour words of boxes.
        unknown: Vec<String>,
        /// Those of the model.
        known: Vec<String>,
    },
    /// The model sees fewer.
    #[error("there are {given} boxes, and the model sees at most {most}; remove some")]
    MoreThanSeen {
        /// Boxes of the job.
        given: usize,
        /// Boxes that the model sees.
        most: u32,
    },
}

/// Names that one sentence lists.
const MOST_NAMED: usize = 12;

/// The first of some names.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMED);
    let mut shown: Vec<String> = shown
        .map(|name| {
            let short: String = name.chars().take(60).collect();
            format!("\u{201c}{short}\u{201d}")
        })
        .collect();
    if let Some(more @ 1..) = names.len().checked_sub(MOST_NAMED) {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
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

    /// Checks that a model knows the classes and colour words, and sees so many boxes.
    ///
    /// # Errors
    /// What it does not know, or that there are too many.
    pub fn check_known(
        &self,
        classes: &[String],
        colours: &[String],
        max_boxes: u32,
    ) -> Result<(), LayoutError> {
        let check = |names: &mut dyn Iterator<Item = &String>, known: &[String]| {
            let mut unknown: Vec<String> = Vec::new();
            for name in names {
                let is_same = |other: &String| is_same_name(other, name);
                if !known.iter().any(is_same) && !unknown.iter().any(is_same) {
                    unknown.push(name.clone());
                }
            }
            if unknown.is_empty() {
                return Ok(());
            }
            Err(LayoutError::Unknown {
                unknown,
                known: known.to_vec(),
            })
        };
        check(&mut self.0.iter().map(|it| &it.class), classes)?;
        let words = self.0.iter().filter_map(|it| it.colour.as_ref());
        check(&mut { words }, colours)?;
        self.check_count(max_boxes)
    }

    /// Checks that a model sees so many boxes.
    ///
    /// # Errors
    /// If there are too many.
    pub fn check_count(&self, max_boxes: u32) -> Result<(), LayoutError> {
        if self.0.len() > max_boxes as usize {
            return Err(LayoutError::MoreThanSeen {
                given: self.0.len(),
                most: max_boxes,
            });
        }
        Ok(())
    }

    /// The same without boxes of classes that a model does not know, without colour
    /// words that it does not know, and no more than it sees.
    #[must_use]
    pub fn limited_to(&self, classes: &[String], colours: &[String], max_boxes: u32) -> Self {
        let knows = |names: &[String], name: &str| {
            let mut names = names.iter();
            names.any(|known| is_same_name(known, name))
        };
        let known = self.0.iter().filter(|it| knows(classes, &it.class));
        let known = known.take(max_boxes as usize).map(|it| LayoutBox {
            colour: it.colour.clone().filter(|word| knows(colours, word)),
            ..it.clone()
        });
        Self(known.collect())
    }

    /// The lowest of them, so many at most.
    #[must_use]
    pub fn cut_to(&self, max_boxes: u32) -> Self {
        Self(self.0.iter().take(max_boxes as usize).cloned().collect())
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
    fn what_a_model_does_not_know_is_named() {
        let known = ["bus", "boat"].map(str::to_owned);
        let words = ["red".to_owned()];
        let mut input = one("BUS", [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(input.check_known(&known, &words, 1), Ok(()));
        input = one("unicorn", [0.0, 0.0, 1.0, 1.0]);
        let error = input
            .check_known(&known, &words, 1)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("unicorn") && error.contains("boat"),
            "{error}"
        );
        let mut coloured = one("bus", [0.0, 0.0, 1.0, 1.0]).0.to_vec();
        coloured[0].colour = Some("mauve".to_owned());
        let error = LayoutInput(coloured.into()).check_known(&known, &words, 1);
        assert!(error.unwrap_err().to_string().contains("mauve"));
        let limited = input.limited_to(&known, &words, 1);
        assert!(limited.0.is_empty());
        let two = vec![one("bus", [0.0, 0.0, 1.0, 1.0]).0[0].clone(); 2];
        let error = LayoutInput(two.into()).check_known(&known, &words, 1);
        assert!(error.unwrap_err().to_string().contains("at most 1"));
    }

    #[test]
    fn boxes_grow_with_their_picture() {
        let larger = one("bus", [1.0, 2.0, 3.0, 4.0]).scaled(2.0, 0.5);
        assert_eq!(larger.0[0].rect, [2.0, 1.0, 6.0, 2.0]);
    }
}
