//! A box around the mask, for what the words ask for there.

use super::vocabulary;
use crate::app::AppState;
use crate::document::BoundingBox;
use crate::geometry::CanvasPoint;

/// The box; without a class where the words name no thing that the model knows, or
/// several. `None` where nothing is masked.
pub(in crate::app) fn around_mask(state: &AppState) -> Option<BoundingBox> {
    let masked = state.document().mask_bounds();
    if masked.is_empty() {
        return None;
    }
    let [from, to] = [masked.min, masked.max].map(|corner| {
        let [x, y] = corner.map(|at| at as f32);
        CanvasPoint::new(x, y)
    });
    let known = vocabulary(state);
    let (classes, colours) = known.map_or((&[][..], &[][..]), |it| (it.classes, it.colours));
    let (class, colour) = named(&state.form().spec.prompt, classes, colours).unzip();
    Some(BoundingBox {
        colour: colour.flatten(),
        ..BoundingBox::from_corners(from, to, class.unwrap_or_default())
    })
}

/// The one thing that a text names, and its colour where that stands before it. `None`
/// where it names none, or several.
fn named(text: &str, classes: &[String], colours: &[String]) -> Option<(String, Option<String>)> {
    let words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let begins = |words: &[String], class: &str| {
        let parts: Vec<String> = class.split_whitespace().map(str::to_lowercase).collect();
        (!parts.is_empty() && words.starts_with(&parts)).then_some(parts.len())
    };
    let mut found = None;
    let mut at = 0;
    while at < words.len() {
        // "pine tree" rather than "tree".
        let longest = classes
            .iter()
            .filter_map(|class| Some((begins(&words[at..], class)?, class)))
            .max_by_key(|(length, _)| *length);
        let Some((length, class)) = longest else {
            at += 1;
            continue;
        };
        if found.is_some() {
            return None;
        }
        let before = at.checked_sub(1).map(|before| &words[before]);
        let mut colours = colours.iter();
        let colour = colours.find(|colour| before.is_some_and(|it| colour.to_lowercase() == *it));
        found = Some((class.clone(), colour.cloned()));
        at += length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_thing_that_is_named_is_found_with_its_colour() {
        let list = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let classes = list(&["tree", "Pine tree", "car", "rose"]);
        let colours = list(&["Red", "rose"]);
        let said = |text: &str| named(text, &classes, &colours);
        let tree = |colour: Option<&str>| Some(("Pine tree".to_owned(), colour.map(str::to_owned)));
        assert_eq!(said("a pine tree, flat style"), tree(None));
        assert_eq!(said("A RED (pine tree:1.2)"), tree(Some("Red")));
        assert_eq!(said("a car beside a tree"), None);
        assert_eq!(said("a car and a car"), None);
        assert_eq!(said("a carpet"), None);
        assert_eq!(said(""), None);
    }
}
