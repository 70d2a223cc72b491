//! The classes that a box can be given, as the first letters narrow them down.

use super::Vocabulary;
use crate::document::{BoundingBox, Document, Layer};

/// Most choices that are listed: nobody reads more.
const MOST_CHOICES: usize = 200;

/// A class that a box can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassChoice {
    /// The class.
    pub name: String,
    /// Whether the model knows it; `true` when no model says what it knows.
    pub is_known: bool,
}

/// What was typed in the list of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Typed<'a> {
    /// A word for a colour before the class.
    pub colour: Option<&'a str>,
    /// The letters of the class.
    pub letters: &'a str,
}

impl<'a> Typed<'a> {
    /// Reads what was typed: `red b` are the letters `b` and a colour, where the
    /// model has that colour.
    pub fn read(text: &'a str, vocabulary: Option<Vocabulary<'_>>) -> Self {
        let text = text.trim_start();
        let colours = vocabulary.map_or(&[][..], |vocabulary| vocabulary.colours);
        let is_colour = |word: &str| {
            colours
                .iter()
                .any(|colour| colour.eq_ignore_ascii_case(word))
        };
        match text.split_once(' ') {
            Some((word, rest)) if is_colour(word) => Self {
                colour: Some(word),
                letters: rest.trim(),
            },
            _ => Self {
                colour: None,
                letters: text.trim_end(),
            },
        }
    }
}

/// The classes that begin with some letters: first those of the model, then what
/// the document used, then those with a later word that begins so, and at last the
/// letters themselves as a class of their own.
pub fn choices(
    vocabulary: Option<Vocabulary<'_>>,
    document: &Document,
    letters: &str,
) -> Vec<ClassChoice> {
    let known = vocabulary.map_or(&[][..], |vocabulary| vocabulary.classes);
    let is_known = |name: &str| vocabulary.is_none_or(|vocabulary| vocabulary.knows(name));
    let mut names: Vec<&str> = known.iter().map(String::as_str).collect();
    for label in used(document) {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(label)) {
            names.push(label);
        }
    }
    let letters_lower = letters.to_lowercase();
    let begins = |name: &str| name.to_lowercase().starts_with(&letters_lower);
    let has_word = |name: &str| {
        let words = name.split(|letter: char| !letter.is_alphanumeric());
        words.skip(1).any(begins)
    };
    let first = names.iter().filter(|name| begins(name));
    let later = names.iter().filter(|name| !begins(name) && has_word(name));
    let listed = first.chain(later).take(MOST_CHOICES);
    let mut choices: Vec<ClassChoice> = listed
        .map(|name| ClassChoice {
            name: (*name).to_owned(),
            is_known: is_known(name),
        })
        .collect();
    let is_exact = |choice: &ClassChoice| choice.name.to_lowercase() == letters_lower;
    if !letters.is_empty() && !choices.iter().any(is_exact) {
        choices.push(ClassChoice {
            name: letters.to_owned(),
            is_known: is_known(letters),
        });
    }
    choices
}

/// The classes of the document's boxes, each once.
fn used(document: &Document) -> Vec<&str> {
    let layers = document.layers().iter();
    let boxes = layers.flat_map(|layer: &Layer| layer.boxes().unwrap_or_default());
    let labels = boxes.map(|found: &BoundingBox| found.label.as_str());
    let mut seen = std::collections::BTreeSet::new();
    labels
        .filter(|label| !label.is_empty() && seen.insert(label.to_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentEditor;
    use crate::geometry::CanvasPoint;

    fn names(choices: &[ClassChoice]) -> Vec<&str> {
        choices.iter().map(|choice| choice.name.as_str()).collect()
    }

    #[test]
    fn the_models_classes_come_first_then_those_used() {
        let classes = ["bus", "balloon", "hot air balloon", "cat"].map(str::to_owned);
        let colours = ["red".to_owned()];
        let vocabulary = Some(Vocabulary {
            sees_windows: true,
            takes_any: false,
            classes: &classes,
            colours: &colours,
            max_boxes: 4,
        });
        let mut editor = DocumentEditor::new(Document::blank([8, 8]).expect("allowed"));
        let corner = CanvasPoint::new(4.0, 4.0);
        let boxes = ["dragon", "Bus", "", "beard", "dragon"]
            .map(|label| BoundingBox::from_corners(CanvasPoint::default(), corner, label));
        editor
            .insert_layout("Import", "Layout", boxes.to_vec())
            .expect("added");
        let document = editor.document();
        let all = choices(vocabulary, document, "");
        assert_eq!(
            names(&all),
            [
                "bus",
                "balloon",
                "hot air balloon",
                "cat",
                "dragon",
                "beard"
            ]
        );
        assert!(all[3].is_known && !all[4].is_known);
        let b = choices(vocabulary, document, "B");
        assert_eq!(
            names(&b),
            ["bus", "balloon", "beard", "hot air balloon", "B"]
        );
        assert_eq!(names(&choices(vocabulary, document, "bus")), ["bus"]);
        let own = choices(vocabulary, document, "ufo");
        assert!(names(&own) == ["ufo"] && !own[0].is_known);
        assert!(choices(None, document, "ufo")[0].is_known);

        let typed = Typed::read(" red bu", vocabulary);
        assert_eq!((typed.colour, typed.letters), (Some("red"), "bu"));
        let typed = Typed::read("teal bu", vocabulary);
        assert_eq!((typed.colour, typed.letters), (None, "teal bu"));
        assert_eq!(Typed::read("red", vocabulary).letters, "red");
    }
}
