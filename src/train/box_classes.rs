//! Classes of boxes that a model which is trained further has no name for: models of the
//! paper's code have tokens to spare and learn them, others leave such boxes out.

use super::TrainError;
use super::holdings::Holdings;
use super::paper_form::PaperForm;
use crate::model::Manifest;
use crate::recipe::InputSpec;
use crate::recipe::palette::is_same_name;

/// Names that a sentence lists.
const NAMED: usize = 6;

/// Gives what boxes of the pictures hold a number, where the model has one to spare; what
/// is to be said of it, in sentences.
///
/// # Errors
/// If there is no box that the model could learn from, and nothing else for it to learn.
pub(super) fn take_up(
    studio: &mut Manifest,
    form: Option<&mut PaperForm>,
    holdings: &Holdings,
) -> Result<Vec<String>, TrainError> {
    let is_alone = studio.inputs.len() == 1;
    let classes = studio.inputs.iter_mut().find_map(|input| match input {
        InputSpec::Layout { classes, .. } => Some(classes),
        _ => None,
    });
    let Some(classes) = classes else {
        return Ok(Vec::new());
    };
    let is_known = |name: &&String| classes.iter().any(|known| is_same_name(known, name));
    let (known, unknown): (Vec<&String>, Vec<&String>) =
        holdings.box_classes.iter().partition(is_known);
    let most = form.as_ref().and_then(|form| form.most_box_classes());
    let room = most.map_or(0, |most| most.saturating_sub(classes.len()));
    // They stand in a file, one on each line.
    let is_line = |name: &&String| !name.contains(char::is_control);
    let (lines, mut lost): (Vec<&String>, Vec<&String>) = unknown.into_iter().partition(is_line);
    let (new, rest) = lines.split_at(room.min(lines.len()));
    lost.extend(rest);
    classes.extend(new.iter().map(|name| (*name).clone()));
    if let Some(form) = form.filter(|_| !new.is_empty()) {
        form.learn_classes(classes.clone());
    }
    if is_alone && known.is_empty() && new.is_empty() {
        return Err(TrainError::setting(match lost.as_slice() {
            [] => "the model learns from boxes, but none lie beside the pictures: they are in a COCO JSON file, or in barn.json beside barn.png".to_owned(),
            lost => format!(
                "none of the boxes holds what the model knows, but {}; call them by its names, or begin with random weights",
                listed(lost)
            ),
        }));
    }
    let new = (!new.is_empty()).then(|| {
        format!(
            "the model had no name for what some boxes hold, and learns it: {}",
            listed(new)
        )
    });
    let lost = (!lost.is_empty()).then(|| {
        format!(
            "boxes of what the model does not know are left out: {}",
            listed(&lost)
        )
    });
    Ok(new.into_iter().chain(lost).collect())
}

/// The first names, and how many more there are.
fn listed(names: &[&String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn studio(inputs: usize) -> Manifest {
        let boxes = InputSpec::Layout {
            classes: vec!["cat".to_owned()],
            colours: Vec::new(),
            max_boxes: 4,
            in_sequence: false,
        };
        let words = InputSpec::Text { max_tokens: 8 };
        Manifest {
            inputs: [boxes, words].into_iter().take(inputs).collect(),
            ..Manifest::default()
        }
    }

    #[test]
    fn boxes_that_say_nothing_to_a_model_are_told() {
        let holding = |names: &[&str]| Holdings {
            box_classes: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Holdings::default()
        };
        let told = |inputs, names: &[&str]| {
            take_up(&mut studio(inputs), None, &holding(names)).map_err(|error| error.to_string())
        };
        assert_eq!(told(1, &["Cat"]), Ok(Vec::new()));
        let some = told(1, &["Cat", "dog", "owl"]).expect("it learns from cats");
        assert!(some[0].ends_with("left out: dog, owl"), "{some:?}");
        let error = told(1, &["dog"]).expect_err("nothing to learn");
        assert!(error.contains("but dog;"), "{error}");
        let error = told(1, &[]).expect_err("no boxes");
        assert!(error.contains("COCO"), "{error}");
        // Words are left to learn.
        assert!(told(2, &["dog"]).is_ok());
    }
}
