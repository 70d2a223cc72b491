//! Configurations as JSON files, as Python writes them.

use std::borrow::Cow;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ModelError;
use crate::files::write_atomically;

/// Reads a JSON file; `None` where there is none.
///
/// # Errors
/// If it cannot be read, or does not say what it should.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ModelError::io("read", path)(error)),
    };
    serde_json::from_str(&plain(&text))
        .map(Some)
        .map_err(|error| ModelError::Json {
            path: path.to_path_buf(),
            message: error.to_string(),
        })
}

/// Writes a JSON file that appears whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ModelError> {
    let json = |error: serde_json::Error| ModelError::Json {
        path: path.to_path_buf(),
        message: error.to_string(),
    };
    let mut text = serde_json::to_vec_pretty(value).map_err(json)?;
    text.push(b'\n');
    write_atomically(path, |file| file.write_all(&text)).map_err(ModelError::io("write", path))
}

/// JSON without the numbers that only Python's has.
///
/// diffusers writes `"lambda_min_clipped": -Infinity`; the largest number
/// that JSON knows does as well.
fn plain(text: &str) -> Cow<'_, str> {
    const NUMBERS: [(&str, &str); 3] = [
        ("-Infinity", "-1e308"),
        ("Infinity", "1e308"),
        ("NaN", "null"),
    ];
    if !NUMBERS.iter().any(|(name, _)| text.contains(name)) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_quoted = false;
    while let Some(next) = rest.chars().next() {
        let found = NUMBERS
            .iter()
            .find(|(name, _)| !is_quoted && rest.starts_with(name));
        if let Some((name, number)) = found {
            result.push_str(number);
            rest = &rest[name.len()..];
            continue;
        }
        // An escaped character ends no quotation.
        let taken = match (is_quoted, next) {
            (true, '\\') => next.len_utf8() + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => next.len_utf8(),
        };
        is_quoted ^= next == '"';
        result.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    Cow::Owned(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn pythons_numbers_are_read() {
        let text = r#"{"a": -Infinity, "b": [Infinity, NaN], "c": "NaN \" Infinity", "é": 1}"#;
        let value: Value = serde_json::from_str(&plain(text)).expect("plain JSON");
        let wanted = json!({"a": -1e308, "b": [1e308, null], "c": "NaN \" Infinity", "é": 1});
        assert_eq!(value, wanted);
        assert!(matches!(plain("{}"), Cow::Borrowed("{}")));
    }
}
