//! What is known of a picture that was painted, and our own JSON form of it.

use serde::{Deserialize, Serialize};

use super::GenerateSpec;

/// Keyword of the PNG text chunk that holds [`PaintedRecipe::to_json`].
pub const PRIVATE_KEYWORD: &str = "velatura";

/// Number of the JSON form; a reader refuses newer ones.
const FORMAT_VERSION: u32 = 1;

/// Everything that a picture file tells of how its picture was painted.
#[derive(Clone, Debug, PartialEq)]
pub struct PaintedRecipe {
    /// The job, with every default filled in and this picture's own seed.
    pub spec: GenerateSpec,
    /// How menus call the sampler; where this is not known, its name.
    pub sampler_label: Option<String>,
    /// The model's name.
    pub model_name: String,
    /// First ten hexadecimal digits of the SHA-256 of the denoiser's weights.
    pub model_hash: String,
    /// The program that painted, with its version.
    pub program: String,
}

/// A recipe found in a picture file.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRecipe {
    /// The job, as far as the file tells it; the rest has its default value.
    /// `init` and `mask` are never there: no file carries them.
    pub spec: GenerateSpec,
    /// Which form it was read from. Only [`RecipeForm::Velatura`] tells where
    /// the model lies: for the others `spec.model` is the default.
    pub form: RecipeForm,
    /// The model's name.
    pub model_name: Option<String>,
    /// First ten hexadecimal digits of the SHA-256 of the denoiser's weights.
    pub model_hash: Option<String>,
    /// The program that painted.
    pub program: Option<String>,
    /// Whether the job started from a picture, which is needed to repeat it.
    pub used_picture: bool,
    /// Whether the job repainted inside of a mask, which is needed to repeat it.
    pub used_mask: bool,
    /// Settings in the file that cannot be restored here, as `key: value`.
    pub unread: Vec<String>,
}

/// The form a recipe was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipeForm {
    /// Our own JSON: complete.
    Velatura,
    /// The text line that A1111's web UI and many others write.
    Infotext,
}

#[derive(Serialize, Deserialize)]
struct PrivateForm {
    format: u32,
    program: String,
    model: ModelNote,
    inputs: InputNote,
    spec: GenerateSpec,
}

#[derive(Serialize, Deserialize)]
struct ModelNote {
    name: String,
    hash: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct InputNote {
    picture: bool,
    mask: bool,
}

impl PaintedRecipe {
    /// A recipe of this program.
    pub fn new(
        spec: GenerateSpec,
        model_name: impl Into<String>,
        model_hash: impl Into<String>,
    ) -> Self {
        Self {
            sampler_label: spec.sampler.as_ref().map(ToString::to_string),
            spec,
            model_name: model_name.into(),
            model_hash: model_hash.into(),
            program: concat!("Velatura ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The recipe with the name under which the sampler is known elsewhere, for
    /// [infotext](super::write_infotext).
    pub fn with_sampler_label(mut self, label: impl Into<String>) -> Self {
        self.sampler_label = Some(label.into());
        self
    }

    /// Our own JSON form: the whole job but for its input pictures, of which it
    /// only says that there were some.
    ///
    /// # Errors
    /// When the model's path is not valid Unicode.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&PrivateForm {
            format: FORMAT_VERSION,
            program: self.program.clone(),
            model: ModelNote {
                name: self.model_name.clone(),
                hash: self.model_hash.clone(),
            },
            inputs: InputNote {
                picture: self.spec.init.is_some(),
                mask: self.spec.mask.is_some(),
            },
            spec: self.spec.clone(),
        })
    }
}

impl FoundRecipe {
    /// Reads our own JSON form; `None` when it is not that form, is damaged, or
    /// was written by a newer program whose form may mean something else.
    pub fn from_json(json: &str) -> Option<Self> {
        let form: PrivateForm = serde_json::from_str(json).ok()?;
        if form.format > FORMAT_VERSION {
            return None;
        }
        Some(Self {
            spec: form.spec,
            form: RecipeForm::Velatura,
            model_name: Some(form.model.name),
            model_hash: Some(form.model.hash),
            program: Some(form.program),
            used_picture: form.inputs.picture,
            used_mask: form.inputs.mask,
            unread: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{ModelSource, SamplerId};

    fn recipe() -> PaintedRecipe {
        let spec = GenerateSpec {
            model: ModelSource::Folder("models/garden".into()),
            prompt: "a \"red\" barn,\nby night".to_owned(),
            sampler: Some(SamplerId::new("dpmpp-2m")),
            karras: Some(true),
            seed: u64::MAX,
            guidance_scale: 6.1,
            ..Default::default()
        };
        PaintedRecipe::new(spec, "Garden", "0123456789")
    }

    #[test]
    fn the_json_form_comes_back_whole() {
        let recipe = recipe();
        let found = FoundRecipe::from_json(&recipe.to_json().unwrap()).unwrap();
        assert_eq!(found.spec, recipe.spec);
        assert_eq!(found.form, RecipeForm::Velatura);
        assert_eq!(found.model_name.as_deref(), Some("Garden"));
        assert_eq!(found.program, Some(recipe.program));
        assert!(!found.used_picture && !found.used_mask);
    }

    #[test]
    fn a_newer_form_and_foreign_json_are_refused() {
        let newer = recipe()
            .to_json()
            .unwrap()
            .replacen("\"format\":1", "\"format\":2", 1);
        assert_eq!(FoundRecipe::from_json(&newer), None);
        assert_eq!(FoundRecipe::from_json("{\"prompt\": 3}"), None);
        assert_eq!(FoundRecipe::from_json("not json"), None);
    }

    #[test]
    fn a_field_added_later_has_its_default_in_old_files() {
        let json = r#"{"format":1,"program":"Velatura 0.0.1",
            "model":{"name":"m","hash":"h"},"inputs":{},"spec":{"prompt":"sea"}}"#;
        let found = FoundRecipe::from_json(json).unwrap();
        let expected = GenerateSpec {
            prompt: "sea".to_owned(),
            ..Default::default()
        };
        assert_eq!(found.spec, expected);
    }
}
