//! The name of a sampler.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a sampler on the command line and in our JSON, such as `euler-a`.
///
/// Any text: which names there are, the samplers themselves say (`diffusion`),
/// so that a recipe of a newer program can be read and told of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SamplerId(Cow<'static, str>);

impl SamplerId {
    /// A name that is known when the program is built.
    pub const fn new(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The name that belongs to a label as A1111 and others write it: `DPM++ 2M`
    /// is `dpmpp-2m`.
    pub fn from_label(label: &str) -> Self {
        let letter = |letter: char| match letter {
            '+' => 'p',
            ' ' | '_' => '-',
            other => other.to_ascii_lowercase(),
        };
        Self(label.trim().chars().map(letter).collect::<String>().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SamplerId {
    fn from(id: String) -> Self {
        Self(Cow::Owned(id))
    }
}

impl fmt::Display for SamplerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
