//! Rows of figures that were found already: a sweep that was broken off goes on.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::evaluate::EvaluateError;
use crate::files::write_atomically;

/// A figure that there may be none of: JSON has no other numbers than finite ones.
pub(super) fn or_none<'de, D: Deserializer<'de>>(told: D) -> Result<f64, D::Error> {
    Option::<f64>::deserialize(told).map(|it| it.unwrap_or(f64::NAN))
}

/// A row, and what it was found with.
#[derive(Deserialize, Serialize)]
struct Kept<R> {
    told: Value,
    row: R,
}

/// The row that is kept at a place if it was found with what is `told`; else it is found
/// and kept. Rows of older programs may not say the keys that are `unsaid`.
pub(super) fn kept<R: DeserializeOwned + Serialize>(
    place: &Path,
    told: &Value,
    unsaid: &[&str],
    find: impl FnOnce() -> Result<R, EvaluateError>,
) -> Result<R, EvaluateError> {
    let text = fs::read(place).unwrap_or_default();
    // What is none of ours, or of other settings, is found anew.
    if let Ok(mut kept) = serde_json::from_slice::<Kept<R>>(&text) {
        if let Some(known) = kept.told.as_object_mut() {
            let asked = unsaid
                .iter()
                .filter_map(|key| Some((*key, told.get(*key)?)));
            for (key, value) in asked {
                known.entry(key).or_insert_with(|| value.clone());
            }
        }
        if kept.told == *told {
            return Ok(kept.row);
        }
    }
    let row = find()?;
    let kept = Kept {
        told: told.clone(),
        row,
    };
    let text = serde_json::to_vec_pretty(&kept).map_err(EvaluateError::device)?;
    let folder = place.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| write_atomically(place, |file| file.write_all(&text)))
        .map_err(|source| EvaluateError::Io {
            action: "write",
            path: place.to_owned(),
            source,
        })?;
    Ok(kept.row)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_found_once_with_the_same_settings() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("rows/one.json");
        let mut found = 0;
        let mut ask = |told: Value| -> f64 {
            let row = kept(&place, &told, &["warmup"], || {
                found += 1;
                Ok(f64::from(found))
            });
            row.expect("a row")
        };
        assert_eq!(ask(json!({ "steps": 1 })), 1.0);
        assert_eq!(ask(json!({ "steps": 1 })), 1.0);
        assert_eq!(ask(json!({ "steps": 2 })), 2.0);
        fs::write(&place, "{").expect("written");
        assert_eq!(ask(json!({ "steps": 2 })), 3.0);
        // What older rows do not say is not held against them.
        assert_eq!(ask(json!({ "steps": 2, "warmup": 1 })), 3.0);
        assert_eq!(ask(json!({ "steps": 2, "seed": 1, "warmup": 1 })), 4.0);
        assert_eq!(ask(json!({ "steps": 2, "seed": 1, "warmup": 2 })), 5.0);
    }
}
