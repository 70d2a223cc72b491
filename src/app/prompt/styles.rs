//! Styles: prompts with a name, to be put around others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files::{open_file, reason_of, write_atomically};

/// What stands in a style for the prompt that it is put around.
const PLACE: &str = "{prompt}";

/// Bytes of a file of styles.
const MOST_BYTES: u64 = 4 << 20;

/// A prompt with a name. Files of styles are lists of these, as other studios have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Style {
    /// Its name.
    pub name: String,
    /// What it says; `{prompt}` in it stands for the prompt that it is put around.
    pub prompt: String,
    /// What it steers away from.
    pub negative_prompt: String,
    /// What other programs keep with it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What can be done with styles.
#[derive(Clone, Debug)]
pub enum StyleCommand {
    /// Puts a style around the prompt.
    Apply(Style),
    /// Makes a style of the prompt, or another one of that name.
    Save(String),
    /// Forgets a style.
    Delete(String),
    /// Keeps a style again as it was before it was overwritten or forgotten.
    PutBack(Style),
}

/// Why styles could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StyleError {
    /// The file cannot be read.
    #[error("the styles in “{}” could not be read: {}", path.display(), reason_of(error))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file holds something else.
    #[error(
        "“{}” is no list of styles ({error}); each must have a name, a prompt and a negative_prompt. It was left as it is",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// The file is too large.
    #[error(
        "“{}” has more than {} MiB and is not read as a list of styles; keep fewer styles in it. It was left as it is",
        path.display(), MOST_BYTES >> 20
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("the styles could not be written to “{}”: {}", path.display(), reason_of(error))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

impl Style {
    /// A prompt and a negative prompt with the style around them.
    pub fn around(&self, prompt: &str, negative: &str) -> (String, String) {
        (
            placed(&self.prompt, prompt),
            placed(&self.negative_prompt, negative),
        )
    }
}

/// A text in its place in a style, or before it where it has none.
fn placed(style: &str, text: &str) -> String {
    let (style, text) = (style.trim(), text.trim());
    if style.contains(PLACE) {
        return style.replace(PLACE, text);
    }
    let parts = [text, style].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

/// The styles of a file, by name; none if there is no file.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub fn read_styles(path: &Path) -> Result<Vec<Style>, StyleError> {
    Ok(shown(read_file(path)?))
}

/// Those of a file that have a name, by name.
fn shown(mut styles: Vec<Style>) -> Vec<Style> {
    styles.retain(|style| !style.name.trim().is_empty());
    styles.sort_by_key(|style| style.name.to_lowercase());
    styles
}

/// All that a file holds, in its order.
fn read_file(path: &Path) -> Result<Vec<Style>, StyleError> {
    let failed = |error| StyleError::Read {
        path: path.to_owned(),
        error,
    };
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let path = path.to_owned();
    if text.len() as u64 > MOST_BYTES {
        return Err(StyleError::TooLarge { path });
    }
    serde_json::from_slice(&text).map_err(|error| StyleError::Form { path, error })
}

/// Puts a style into a file in the place of that of its name, or takes that out; the
/// styles afterwards. What else is in the file stays, where it stands.
///
/// # Errors
/// If the file cannot be read or written.
pub fn change_styles(
    path: &Path,
    name: &str,
    style: Option<Style>,
) -> Result<Vec<Style>, StyleError> {
    let mut styles = read_file(path)?;
    let place = styles.iter().position(|known| known.name == name);
    styles.retain(|known| known.name != name);
    if let Some(style) = style {
        styles.insert(place.unwrap_or(styles.len()), style);
    }
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&styles)?;
        write_atomically(path, |file| file.write_all(text.as_bytes()))
    };
    write().map_err(|error: std::io::Error| StyleError::Write {
        path: path.to_owned(),
        error,
    })?;
    Ok(shown(styles))
}
