//! Configurations as JSON files, as Python writes them: the one reader of all
//! JSON in a model's folder.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ModelError;
use super::weights::LFS_POINTER;
use crate::files::{open_file, write_atomically};

/// Longest text that is read: the largest are vocabularies, of some 20 MB.
const MOST_BYTES: u64 = 128 << 20;

/// Most strings and commas of a file: the largest vocabularies have some hundred thousand.
const MOST_PARTS: usize = 1 << 20;

/// Reads a text file without its byte order mark; `None` where there is none.
///
/// # Errors
/// If it cannot be read, is no text, or is no file of this kind by its size.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, ModelError> {
    let unclear = |message: &str| ModelError::Json {
        path: path.to_path_buf(),
        message: message.to_owned(),
    };
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ModelError::io("read", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(ModelError::io("read", path))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unclear("it is larger than any such file"));
    }
    if bytes.starts_with(LFS_POINTER) {
        return Err(ModelError::LfsPointer(path.to_path_buf()));
    }
    let text = String::from_utf8(bytes).map_err(|_| unclear("it is not UTF-8 text"))?;
    // Editors on Windows put a byte order mark in front, which Python passes over.
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    Ok(Some(text))
}

/// Reads a JSON file; `None` where there is none.
///
/// # Errors
/// As [`read_text`], or if it does not say what it should.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    if parts(text.as_bytes()) > MOST_PARTS {
        return Err(ModelError::Json {
            path: path.to_path_buf(),
            message: "it says far more than any such file".into(),
        });
    }
    serde_json::from_str(&plain(&text))
        .map(Some)
        .map_err(|error| ModelError::Json {
            path: path.to_path_buf(),
            message: error.to_string(),
        })
}

/// Reads a configuration, in which a null says the same as no key at all: the
/// default. Keys that the configuration only hands on keep their nulls.
///
/// # Errors
/// As [`read_json`].
pub(super) fn read_config<T>(path: &Path) -> Result<Option<T>, ModelError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let read = read_json::<Value>(path)?;
    read.map(|read| config_of(path, read)).transpose()
}

/// The configuration that a file holds.
///
/// # Errors
/// If it does not say what it should.
pub(super) fn config_of<T>(path: &Path, mut read: Value) -> Result<T, ModelError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let unclear = |error: serde_json::Error| ModelError::Json {
        path: path.to_path_buf(),
        message: error.to_string(),
    };
    let known = serde_json::to_value(T::default()).map_err(unclear)?;
    if let Some(keys) = read.as_object_mut() {
        keys.retain(|key, value| !value.is_null() || known.get(key).is_none());
    }
    serde_json::from_value(read).map_err(unclear)
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

/// How many strings there are in a JSON text, and commas outside of them: what is read of
/// it takes memory by their number.
fn parts(text: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for letter in text {
        match letter {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => {
                is_text = !is_text;
                count += usize::from(is_text);
            }
            b',' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pythons_numbers_are_read() {
        let text = r#"{"a": -Infinity, "b": [Infinity, NaN], "c": "NaN \" Infinity", "é": 1}"#;
        let value: Value = serde_json::from_str(&plain(text)).expect("plain JSON");
        let wanted = json!({"a": -1e308, "b": [1e308, null], "c": "NaN \" Infinity", "é": 1});
        assert_eq!(value, wanted);
        assert!(matches!(plain("{}"), Cow::Borrowed("{}")));
    }
}
