//! Small files that change a model for a job: LoRA, by name and weight, as the list of
//! a job has them and as prompts name them (`<lora:name:0.8>`).

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// How a prompt names a LoRA, as in A1111's web UI, which calls those of LyCORIS so too.
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("<(?:lora|lyco):([^<>]*)>").expect("the pattern is constant and valid")
});

/// A file that a job uses beside its model.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedFile {
    /// Its name without folder and ending, by which it is looked for where `path` is not told.
    pub name: String,
    /// Where it lies; never in a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl NamedFile {
    /// A file of which it is known where it lies.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: stem(&path),
            path: Some(path),
        }
    }

    /// Whether it lies there.
    pub fn is_at(&self, path: impl AsRef<Path>) -> bool {
        self.path.as_deref() == Some(path.as_ref())
    }

    /// A network in a file or a folder of its own, which is called like the folder around
    /// where its own name says nothing.
    pub fn of_network(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let whole = |path: &Path| match path.is_dir() {
            // A folder has no ending, whatever stands behind its last point.
            true => path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            false => stem(path),
        };
        let name = whole(&path);
        let says_nothing = name == "model" || name.starts_with("diffusion_pytorch_model");
        let parent = path.parent().and_then(Path::file_name);
        let parent = parent.filter(|_| says_nothing);
        Self {
            name: parent.map_or(name, |parent| parent.to_string_lossy().into_owned()),
            path: Some(path),
        }
    }

    /// A file that is looked for.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: None,
        }
    }

    /// A file that is looked for, as somebody typed its name; `None` for a path, and for the
    /// name of a file that is there.
    pub fn typed(path: &Path) -> Option<Self> {
        let is_name = path.components().count() == 1 && !path.exists();
        is_name.then(|| {
            let whole = path.to_string_lossy();
            match has_ending(&whole) {
                true => Self::named(stem(path)),
                // Whatever stands behind its last point.
                false => Self::named(whole),
            }
        })
    }

    /// Whether both mean one file: that of the same place where both are told theirs, else
    /// of the same name.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (&self.path, &other.path) {
            (Some(own), Some(others)) => own == others,
            _ => self.name == other.name,
        }
    }

    /// The same without the place where it lies, which is nobody else's business.
    #[must_use]
    pub fn without_place(self) -> Self {
        Self { path: None, ..self }
    }
}

/// A file's name without folder and ending, by which other programs know it too.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Whether a name ends as files of weights do.
pub(super) fn has_ending(name: &str) -> bool {
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_lowercase());
    ending.is_some_and(|ending| {
        ["safetensors", "pth", "pt", "ckpt", "bin"].contains(&ending.as_str())
    })
}

/// A LoRA (Hu et al. 2021, <https://arxiv.org/abs/2106.09685>) and how strongly it acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoraSpec {
    /// The file.
    #[serde(flatten)]
    pub file: NamedFile,
    /// How strongly it acts: 0 not at all, 1 as it was trained; may be negative.
    pub weight: f32,
    /// How strongly it acts on the text encoder, where that is another number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_weight: Option<f32>,
}

impl Default for LoraSpec {
    fn default() -> Self {
        Self {
            file: NamedFile::default(),
            weight: 1.0,
            text_weight: None,
        }
    }
}

impl LoraSpec {
    /// How a prompt names it; `None` where its name has signs that would end it.
    pub fn tag(&self) -> Option<String> {
        let name = &self.file.name;
        if name.is_empty() || name.contains([':', '<', '>', '\n']) {
            return None;
        }
        Some(match self.text_weight {
            Some(text) => format!("<lora:{name}:{text}:{}>", self.weight),
            None => format!("<lora:{name}:{}>", self.weight),
        })
    }

    /// Reads `FILE[:WEIGHT]`: the last colon counts only before a number.
    pub fn read(text: &str) -> Self {
        let weighted = text.rsplit_once(':').and_then(|(file, weight)| {
            let weight = number(weight).filter(|_| !file.is_empty())?;
            Some((file, weight))
        });
        let (file, weight) = weighted.unwrap_or((text, 1.0));
        Self {
            file: NamedFile::at(file),
            weight,
            text_weight: None,
        }
    }
}

/// A finite number in digits; words such as `inf` are names.
fn number(text: &str) -> Option<f32> {
    let text = text.trim();
    let is_number = text.ends_with(|last: char| last.is_ascii_digit() || last == '.')
        && !text.contains(|letter: char| letter.is_alphabetic() && letter != 'e' && letter != 'E');
    let number: f32 = text.parse().ok().filter(|_| is_number)?;
    number.is_finite().then_some(number)
}

/// A LoRA in a prompt whose weight is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} in the prompt cannot be understood; write <lora:name:0.8>")]
pub struct LoraTagError(pub String);

/// A prompt without the LoRAs that it names.
pub(super) fn without_loras(prompt: &str) -> String {
    TAG.replace_all(prompt, "").into_owned()
}

/// What a prompt names LoRAs by, and nothing else of it.
pub(super) fn only_loras(prompt: &str) -> String {
    TAG.find_iter(prompt).map(|tag| tag.as_str()).collect()
}

/// The LoRAs that a prompt names, in its order.
///
/// A second number is for the denoiser, then the first is for the text encoder.
pub(super) fn loras_in(prompt: &str) -> Result<Vec<LoraSpec>, LoraTagError> {
    let tags = TAG.captures_iter(prompt);
    tags.map(|tag| read_tag(&tag[1]).ok_or_else(|| LoraTagError(tag[0].to_owned())))
        .collect()
}

fn read_tag(inner: &str) -> Option<LoraSpec> {
    let mut parts = inner.split(':');
    let name = parts.next()?.trim();
    let mut plain = Vec::new();
    let (mut text, mut denoiser) = (None, None);
    for part in parts {
        match part.split_once('=') {
            Some(("te", value)) => text = Some(number(value)?),
            Some(("unet", value)) => denoiser = Some(number(value)?),
            Some(_) => return None,
            None => plain.push(number(part)?),
        }
    }
    let (first, second) = match plain.as_slice() {
        [] => (1.0, None),
        [first] => (*first, None),
        [first, second] => (*first, Some(*second)),
        _ => return None,
    };
    if name.is_empty() {
        return None;
    }
    let text = text.unwrap_or(first);
    let weight = denoiser.or(second).unwrap_or(first);
    Some(LoraSpec {
        file: NamedFile::named(name),
        weight,
        text_weight: (text.to_bits() != weight.to_bits()).then_some(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (String, f32, Option<f32>) {
        let spec = loras_in(text).unwrap().remove(0);
        (spec.file.name, spec.weight, spec.text_weight)
    }

    #[test]
    fn prompts_name_loras_as_in_other_programs() {
        let prompt = "a cat <lora:ink wash:0.8>, on <lora:b> a mat<lora:c:-1.5>";
        assert_eq!(without_loras(prompt), "a cat , on  a mat");
        let only = "<lora:ink wash:0.8><lora:b><lora:c:-1.5>";
        assert_eq!(only_loras(prompt), only);
        let found = loras_in(prompt).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.file.name.as_str(), it.weight))
            .collect();
        assert_eq!(found, [("ink wash", 0.8), ("b", 1.0), ("c", -1.5)]);
        assert_eq!(told("<lora:a:0.5:0.7>"), ("a".into(), 0.7, Some(0.5)));
        assert_eq!(
            told("<lora:a:te=0.5:unet=0.7>"),
            ("a".into(), 0.7, Some(0.5))
        );
        assert_eq!(told("<lora:a:0.7:0.7>"), ("a".into(), 0.7, None));
        assert_eq!(told("<lyco:a:0.7>"), ("a".into(), 0.7, None));
        for wrong in [
            "<lora:a:much>",
            "<lora::1>",
            "<lora:a:1:2:3>",
            "<lora:a:nan>",
            "<lora:>",
        ] {
            let error = loras_in(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
        assert_eq!(without_loras("a < b > c <b>"), "a < b > c <b>");
    }

    #[test]
    fn a_colon_counts_before_a_number_only() {
        let read = |text: &str| {
            let spec = LoraSpec::read(text);
            (spec.file.path.unwrap(), spec.weight)
        };
        for (text, path, weight) in [
            ("a.safetensors", "a.safetensors", 1.0),
            ("a.safetensors:0.5", "a.safetensors", 0.5),
            ("a.safetensors:-2", "a.safetensors", -2.0),
            ("C:\\a.safetensors", "C:\\a.safetensors", 1.0),
            ("a:b.safetensors:.25", "a:b.safetensors", 0.25),
            ("a:inf", "a:inf", 1.0),
            ("a:nan", "a:nan", 1.0),
            (":1", ":1", 1.0),
        ] {
            assert_eq!(read(text), (PathBuf::from(path), weight), "{text}");
        }
        assert_eq!(
            LoraSpec::read("x/ink.v2.safetensors:1e-1").file.name,
            "ink.v2"
        );
    }

    #[test]
    fn a_tag_comes_back() {
        for spec in [
            LoraSpec::read("ink.safetensors:0.3"),
            LoraSpec {
                text_weight: Some(0.25),
                ..LoraSpec::read("ink.safetensors:-1")
            },
        ] {
            let read = loras_in(&spec.tag().unwrap()).unwrap().remove(0);
            assert_eq!(
                (read.weight, read.text_weight),
                (spec.weight, spec.text_weight)
            );
            assert_eq!(read.file, spec.file.without_place());
        }
        assert_eq!(LoraSpec::read("a:b.safetensors").tag(), None);
    }
}
