//! Reads the fields of a job in our JSON form, each by itself.

use serde_json::Value;

use super::{GenerateSpec, NamedFile, Schedule};

/// The field that names schedules.
const SCHEDULE: &str = "schedule";

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

/// Takes files without a name out of a job: nobody could find them.
pub(super) fn leave_nameless_out(spec: &mut GenerateSpec, lost: &mut Lost) {
    let is_named = |file: &NamedFile| !file.name.trim().is_empty();
    let before = [
        spec.loras.len(),
        spec.embeddings.len(),
        spec.vae.iter().len(),
    ];
    spec.loras.retain(|lora| is_named(&lora.file));
    spec.embeddings.retain(is_named);
    spec.vae = spec.vae.take().filter(is_named);
    let after = [
        spec.loras.len(),
        spec.embeddings.len(),
        spec.vae.iter().len(),
    ];
    let keys = ["loras", "embeddings", "vae"].into_iter();
    let shorter = keys.zip(before.into_iter().zip(after));
    let shorter = shorter.filter(|(_, (before, after))| before != after);
    lost.extend(shorter.map(|(key, _)| (key.to_owned(), Value::String(String::new()))));
}
