//! Reads the fields of a job in our JSON form, each by itself.

use serde::Deserialize as _;
use serde_json::Value;

use super::{ControlSpec, GenerateSpec, MAX_CONTROLS, NamedFile, Schedule};

/// The field that names schedules.
const SCHEDULE: &str = "schedule";

/// The field that lists ControlNets.
const CONTROLS: &str = "controls";

/// Keys of a job that are not taken over, with their values.
pub(super) type Lost = Vec<(String, Value)>;

/// The job of our JSON form. What a stranger or a newer program has written of one field
/// costs the others nothing.
pub(super) fn spec_of(fields: Value, lost: &mut Lost) -> Option<GenerateSpec> {
    if let Some(Value::String(name)) = fields.get(SCHEDULE)
        && Schedule::of_id(name).is_none()
    {
        // As none it is read without an error.
        lost.push((SCHEDULE.to_owned(), Value::String(name.clone())));
    }
    if let Ok(spec) = serde_json::from_value(fields.clone()) {
        return Some(spec);
    }
    let Value::Object(fields) = fields else {
        return None;
    };
    let mut known = serde_json::Map::new();
    for (key, value) in fields {
        let alone = serde_json::Map::from_iter([(key.clone(), value.clone())]);
        match serde_json::from_value::<GenerateSpec>(Value::Object(alone)) {
            Ok(_) => {
                known.insert(key, value);
            }
            Err(_) => lost.push((key, value)),
        }
    }
    serde_json::from_value(Value::Object(known)).ok()
}

/// Takes ControlNets out of the fields of a job that are not understood, have no name, or are
/// more than a job may have, and names them. Says of each that was there whether it stays.
pub(super) fn leave_controls_out(fields: &mut Value, unread: &mut Vec<String>) -> Vec<bool> {
    let Some(Value::Array(controls)) = fields.get_mut(CONTROLS) else {
        return Vec::new();
    };
    let (mut count, mut has_more) = (0, false);
    let mut stay = Vec::new();
    controls.retain(|control| {
        let read = ControlSpec::deserialize(control);
        let is_known = read.is_ok_and(|read| is_named(&read.file));
        if !is_known {
            let name = control.get("name").and_then(Value::as_str);
            unread.push(format!("ControlNet {}", name.unwrap_or_default()));
        } else if count == MAX_CONTROLS {
            has_more = true;
        }
        let stays = is_known && count < MAX_CONTROLS;
        count += usize::from(stays);
        stay.push(stays);
        stays
    });
    if has_more {
        unread.push(format!("ControlNets after the first {MAX_CONTROLS}"));
    }
    stay
}

fn is_named(file: &NamedFile) -> bool {
    !file.name.trim().is_empty()
}

/// Takes files without a name out of a job: nobody could find them.
pub(super) fn leave_nameless_out(spec: &mut GenerateSpec, lost: &mut Lost) {
    let counts = |spec: &GenerateSpec| {
        [
            spec.loras.len(),
            spec.embeddings.len(),
            spec.vae.iter().len(),
            spec.classifier.iter().len(),
        ]
    };
    let before = counts(spec);
    spec.loras.retain(|lora| is_named(&lora.file));
    spec.embeddings.retain(is_named);
    spec.vae = spec.vae.take().filter(is_named);
    spec.classifier = spec.classifier.take().filter(is_named);
    let after = counts(spec);
    let keys = ["loras", "embeddings", "vae", "classifier"].into_iter();
    let shorter = keys.zip(before.into_iter().zip(after));
    let shorter = shorter.filter(|(_, (before, after))| before != after);
    lost.extend(shorter.map(|(key, _)| (key.to_owned(), Value::String(String::new()))));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::{Rgba, RgbaImage};

    use super::*;
    use crate::recipe::{FoundRecipe, ImageInput, PaintedRecipe};

    fn recipe(names: &[&str]) -> PaintedRecipe {
        let shown = |place: usize| RgbaImage::from_pixel(1, 1, Rgba([place as u8, 0, 0, 255]));
        let controls = names.iter().enumerate().map(|(place, name)| ControlSpec {
            file: NamedFile::named(*name),
            picture: Some(ImageInput(Arc::new(shown(place)))),
            ..ControlSpec::default()
        });
        let spec = GenerateSpec {
            controls: controls.collect(),
            ..GenerateSpec::default()
        };
        PaintedRecipe::new(spec, "m", "01")
    }

    /// Names of the controls, the red of their pictures, and what is not taken over.
    fn found(json: &str) -> (Vec<(String, u8)>, Vec<String>) {
        let found = FoundRecipe::from_json(json).unwrap();
        let controls = found.spec.controls.into_iter().map(|control| {
            let red = control.picture.unwrap().0.get_pixel(0, 0).0[0];
            (control.file.name, red)
        });
        (controls.collect(), found.unread)
    }

    #[test]
    fn an_unknown_control_costs_the_others_nothing() {
        let recipe = recipe(&["canny", "later", " ", "depth"]);
        let mut json: Value = serde_json::from_str(&recipe.to_json().unwrap()).unwrap();
        json["spec"][CONTROLS][1]["kind"] = "future".into();
        let (controls, unread) = found(&json.to_string());
        let expected = [("canny", 0), ("depth", 3)];
        assert_eq!(controls, expected.map(|(name, red)| (name.to_owned(), red)));
        assert_eq!(unread, ["ControlNet later", "ControlNet  "]);
        json["spec"][CONTROLS] = Value::from(vec![Value::from(7)]);
        assert_eq!(
            found(&json.to_string()),
            (Vec::new(), vec!["ControlNet ".to_owned()])
        );
    }

    #[test]
    fn there_are_no_more_controls_than_a_job_may_have() {
        let (controls, unread) = found(&recipe(&["canny"; 11]).to_json().unwrap());
        assert_eq!(controls.len(), MAX_CONTROLS);
        assert_eq!(controls[7], ("canny".to_owned(), 7));
        assert_eq!(unread, ["ControlNets after the first 8"]);
    }
}
