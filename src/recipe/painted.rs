//! What is known of a picture that was painted, and our own JSON form of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kept_fields::{leave_controls_out, leave_nameless_out, spec_of};
use super::kept_inputs::KeptInputs;
use super::param::{
    BATCH, CLASSIFIER_SCALE, FEATHER, GROUNDING_SHARE, GUIDE_SCALE, LAYOUT_BIAS, LAYOUT_WEIGHT,
    Number, SEMANTIC_WEIGHT, STRENGTH,
};
use super::picture_reading::MAX_TEXT_BYTES;
use super::prompt::PromptSyntax;
use super::{Framing, GenerateSpec, WindowChoice};

/// Keyword of the PNG text chunk that holds [`PaintedRecipe::to_json`].
pub const PRIVATE_KEYWORD: &str = "velatura";

/// Number of the JSON form; a reader refuses newer ones.
const FORMAT_VERSION: u32 = 1;

/// The field that tells whether signs in prompts mean something.
const PROMPT_SYNTAX: &str = "prompt_syntax";

/// How noise or latents that were handed in are called where they are missed.
const GIVEN_LATENTS: &str = "the noise or latents that it began with";

/// Settings that one sentence names, and letters of each: a file may have many,
/// and long ones.
const MOST_NAMED: usize = 12;
const MOST_LETTERS: usize = 60;

/// Everything that a picture file tells of how its picture was painted.
#[derive(Clone, Debug, PartialEq)]
pub struct PaintedRecipe {
    /// The job, with every default filled in and this picture's own seed, but
    /// without the picture and the mask it began with, which the document has.
    pub spec: GenerateSpec,
    /// How menus call the sampler; where this is not known, its name.
    pub sampler_label: Option<String>,
    /// Whether the job started from a picture.
    pub used_picture: bool,
    /// Whether the job repainted inside of a mask.
    pub used_mask: bool,
    /// Whether the job started from latents that were handed in.
    pub used_latents: bool,
    /// The model's name.
    pub model_name: String,
    /// First ten hexadecimal digits of the SHA-256 of the denoiser's weights.
    pub model_hash: String,
    /// The program that painted, with its version.
    pub program: String,
    /// How the small picture was painted that was made larger.
    pub source: Option<Box<PaintedRecipe>>,
}

/// A recipe found in a picture file.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRecipe {
    /// The job, as far as the file tells it, with boxes, label map and small picture;
    /// the rest has its default value. `init`, `mask` and `model` are never there: a file may come from anybody,
    /// so what it says of places on this computer is not looked at.
    pub spec: GenerateSpec,
    /// Which form it was read from.
    pub form: RecipeForm,
    /// Ids of the numbers that the file tells.
    pub told: BTreeSet<&'static str>,
    /// What the file calls the sampler, where that is not its name here.
    pub sampler_label: Option<String>,
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
    /// Whether the job started from latents, which are needed to repeat it.
    pub used_latents: bool,
    /// How a frame was put around the mask and filled, as far as the file tells it; where
    /// it lay is in `spec`, if that is told.
    pub framing: Option<Framing>,
    /// How the small picture was painted that was made larger.
    pub source: Option<Box<FoundRecipe>>,
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
    spec: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    source: Value,
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    latents: bool,
    #[serde(flatten)]
    kept: KeptInputs,
}

impl PaintedRecipe {
    /// A recipe of this program.
    pub fn new(
        spec: GenerateSpec,
        model_name: impl Into<String>,
        model_hash: impl Into<String>,
    ) -> Self {
        let given = [&spec.initial_noise, &spec.initial_latents];
        Self {
            sampler_label: spec.sampler.as_ref().map(ToString::to_string),
            used_picture: spec.init.is_some(),
            used_mask: spec.mask.is_some(),
            used_latents: spec.initial_latents.is_some(),
            spec: GenerateSpec {
                was_given_latents: given.iter().any(|it| it.is_some()),
                initial_noise: None,
                initial_latents: None,
                init: None,
                mask: None,
                strengths: None,
                around: None,
                // How steps were shown is not how the picture was painted.
                has_tiny_previews: false,
                ..spec
            },
            model_name: model_name.into(),
            model_hash: model_hash.into(),
            program: concat!("Velatura ", env!("CARGO_PKG_VERSION")).to_owned(),
            source: None,
        }
    }

    /// Whether there were boxes, a label map or a small picture.
    pub(super) fn has_inputs(&self) -> bool {
        let GenerateSpec {
            layout,
            semantic,
            low_resolution,
            guide,
            controls,
            ..
        } = &self.spec;
        let controls = controls.iter().map(|control| &control.picture);
        let mut pictures = [low_resolution, guide].into_iter().chain(controls);
        layout.is_some() || semantic.is_some() || pictures.any(Option::is_some)
    }

    /// The recipe with the name under which the sampler is known elsewhere, for
    /// [infotext](super::write_infotext).
    pub fn with_sampler_label(mut self, label: impl Into<String>) -> Self {
        self.sampler_label = Some(label.into());
        self
    }

    /// Our own JSON form: the whole job but for the picture and the mask it began
    /// with, of which it only says that they were there.
    ///
    /// # Errors
    /// None that is known: every job has a JSON form.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        self.as_kept().map(|(json, _)| json)
    }

    /// As [`Self::to_json`], with whether a picture or label map had to be left out. What
    /// is longer than a reader takes is not read: the picture's own recipe comes first,
    /// and then as many of its inputs as there is room for.
    pub(super) fn as_kept(&self) -> Result<(String, bool), serde_json::Error> {
        let mut form = self.form()?;
        let mut json = serde_json::to_string(&form)?;
        while json.len() > MAX_TEXT_BYTES {
            let had_source = !std::mem::take(&mut form.source).is_null();
            if !had_source && !form.inputs.kept.leave_one_out() {
                break;
            }
            json = serde_json::to_string(&form)?;
        }
        Ok((json, form.inputs.kept.are_cut()))
    }

    fn form(&self) -> Result<PrivateForm, serde_json::Error> {
        // Pictures are shown around: where the model lies, and with it the name
        // of its user, is nobody's business.
        let mut spec = serde_json::to_value(self.spec.clone().without_places())?;
        if let Value::Object(fields) = &mut spec {
            fields.remove("model");
        }
        let source = match self.source.as_deref() {
            None => Value::Null,
            Some(source) => serde_json::to_value(source.form()?)?,
        };
        Ok(PrivateForm {
            format: FORMAT_VERSION,
            program: self.program.clone(),
            model: ModelNote {
                name: self.model_name.clone(),
                hash: self.model_hash.clone(),
            },
            inputs: InputNote {
                picture: self.used_picture,
                mask: self.used_mask,
                latents: self.used_latents,
                kept: KeptInputs::of(&self.spec)?,
            },
            spec,
            source,
        })
    }
}

impl FoundRecipe {
    /// A recipe that says no more than this. Our own form tells every number,
    /// others must be asked for each.
    pub fn new(spec: GenerateSpec, form: RecipeForm) -> Self {
        let numbers = GenerateSpec::PARAMS.iter().map(|param| param.number.id);
        Self {
            spec,
            form,
            told: match form {
                RecipeForm::Velatura => numbers.collect(),
                RecipeForm::Infotext => BTreeSet::new(),
            },
            sampler_label: None,
            model_name: None,
            model_hash: None,
            program: None,
            used_picture: false,
            used_mask: false,
            used_latents: false,
            framing: None,
            source: None,
            unread: Vec::new(),
        }
    }

    /// Whether a number is the one that painted the picture. A file may say how
    /// strongly a picture was repainted where there was none.
    pub fn tells(&self, number: &Number) -> bool {
        let acted = if *number == STRENGTH {
            self.used_picture || self.used_latents
        } else if *number == FEATHER {
            self.used_mask
        } else if [&LAYOUT_WEIGHT, &LAYOUT_BIAS, &GROUNDING_SHARE].contains(&number) {
            self.spec.layout.is_some()
        } else if *number == SEMANTIC_WEIGHT {
            self.spec.semantic.is_some()
        } else if *number == GUIDE_SCALE {
            self.spec.guide.is_some()
        } else if *number == CLASSIFIER_SCALE {
            self.spec.classifier.is_some()
        } else {
            // A file has one picture, whatever its batch had.
            *number != BATCH
        };
        acted && self.told.contains(number.id)
    }

    /// Puts everything that the file tells into a job, but for the model. What
    /// it does not tell stays: give it the model's defaults.
    pub fn restore_into(&self, spec: &mut GenerateSpec) {
        spec.prompt.clone_from(&self.spec.prompt);
        spec.negative_prompt.clone_from(&self.spec.negative_prompt);
        spec.prompt_syntax = self.spec.prompt_syntax;
        if self.spec.sampler.is_some() {
            spec.sampler.clone_from(&self.spec.sampler);
        }
        spec.schedule = self.spec.schedule.or(spec.schedule);
        spec.prediction = self.spec.prediction;
        spec.finish = self.spec.finish.or(spec.finish);
        spec.frame = self.spec.frame;
        spec.class = self.spec.class;
        spec.classifier.clone_from(&self.spec.classifier);
        spec.classifier_hash.clone_from(&self.spec.classifier_hash);
        spec.windows = self.spec.windows;
        spec.tile = self.spec.tile;
        spec.loras.clone_from(&self.spec.loras);
        spec.lora_hashes.clone_from(&self.spec.lora_hashes);
        spec.embeddings.clone_from(&self.spec.embeddings);
        spec.word_hashes.clone_from(&self.spec.word_hashes);
        spec.vae.clone_from(&self.spec.vae);
        spec.controls.clone_from(&self.spec.controls);
        spec.vae_hash.clone_from(&self.spec.vae_hash);
        spec.layout.clone_from(&self.spec.layout);
        spec.places_boxes = self.spec.places_boxes;
        spec.semantic.clone_from(&self.spec.semantic);
        spec.low_resolution.clone_from(&self.spec.low_resolution);
        spec.guide.clone_from(&self.spec.guide);
        if spec.guide.is_some() {
            spec.guide_kind = self.spec.guide_kind;
        }
        if self.used_mask {
            spec.gradual_mask = self.spec.gradual_mask;
        }
        for param in GenerateSpec::PARAMS {
            if self.tells(param.number) {
                (param.set)(spec, (param.get)(&self.spec));
            }
        }
    }

    /// Takes a sampler that is not known here out of the job, to be told.
    pub fn leave_sampler_out(&mut self) {
        if let Some(id) = self.spec.sampler.take() {
            let label = self.sampler_label.take();
            let label = label.unwrap_or_else(|| id.to_string());
            self.unread.push(format!("Sampler: {label}"));
        }
    }

    /// Noise or latents are handed in again, so that none are missed.
    pub fn give_latents(&mut self) {
        self.unread.retain(|setting| setting != GIVEN_LATENTS);
    }

    /// What cannot be taken over, each by its name, as a sentence for the user.
    pub fn complaint(&self) -> Option<String> {
        if self.unread.is_empty() {
            return None;
        }
        let short = |setting: &String| {
            let mut letters = setting.chars();
            let mut short: String = letters.by_ref().take(MOST_LETTERS).collect();
            if letters.next().is_some() {
                short.push('…');
            }
            format!("\u{201c}{short}\u{201d}")
        };
        let mut named: Vec<_> = self.unread.iter().take(MOST_NAMED).map(short).collect();
        if let Some(more @ 1..) = self.unread.len().checked_sub(MOST_NAMED) {
            named.push(format!("{more} more"));
        }
        Some(format!(
            "settings of this picture that cannot be taken over: {}",
            named.join(", ")
        ))
    }

    /// Reads our own JSON form; `None` when it is not that form, is damaged, or
    /// was written by a newer program whose form may mean something else.
    pub fn from_json(json: &str) -> Option<Self> {
        Self::of_form(serde_json::from_str(json).ok()?)
    }

    fn of_form(mut form: PrivateForm) -> Option<Self> {
        if form.format > FORMAT_VERSION {
            return None;
        }
        let is_old = form.spec.get(PROMPT_SYNTAX).is_none();
        let knows_windows = form.spec.get("windows").is_some();
        let knows_bias = form.spec.get(LAYOUT_BIAS.id).is_some();
        let (mut lost, mut left_out) = (Vec::new(), Vec::new());
        let stay = leave_controls_out(&mut form.spec, &mut left_out);
        form.inputs.kept.keep_control_pictures(&stay);
        let mut spec = spec_of(form.spec, &mut lost)?;
        leave_nameless_out(&mut spec, &mut lost);
        if is_old {
            // Before it was told, every sign was text.
            spec.prompt_syntax = PromptSyntax::Plain;
        }
        if !knows_windows {
            // Before there were any, all pictures were painted whole.
            spec.windows = WindowChoice::Off;
        }
        if !knows_bias {
            // Before there was any, all boxes were heard alike everywhere.
            spec.layout_bias = 0.0;
        }
        spec.frame = spec.frame.filter(|frame| frame.validate().is_ok());
        let kept = form.inputs.kept.restore(&mut spec);
        let mut found = Self::of(PaintedRecipe {
            spec,
            sampler_label: None,
            used_picture: form.inputs.picture,
            used_mask: form.inputs.mask,
            used_latents: form.inputs.latents,
            model_name: form.model.name,
            model_hash: form.model.hash,
            program: form.program,
            source: None,
        });
        // What a newer program says of it costs the picture's own recipe nothing.
        let source = serde_json::from_value(form.source).ok();
        found.source = source.and_then(Self::of_form).map(Box::new);
        for (key, _) in &lost {
            // Fields are called as numbers are, some with a unit or kind behind.
            let kinds = ["", "_px", "_scale"];
            let is_lost = |id: &str| kinds.iter().any(|kind| *key == format!("{id}{kind}"));
            found.told.retain(|id| !is_lost(id));
        }
        let lost = lost.iter().map(|(key, value)| format!("{key}: {value}"));
        let lost = lost.chain(left_out).chain(kept);
        found.unread = lost.chain(found.unread).collect();
        Some(found)
    }

    /// What a file would tell that holds a recipe in our own form.
    pub fn of(recipe: PaintedRecipe) -> Self {
        let mut spec = recipe.spec.without_places();
        let was_retold = std::mem::take(&mut spec.was_retold);
        let before = was_retold.then(|| {
            "how it was painted until it was told otherwise, or went on from a step".to_owned()
        });
        let was_given = std::mem::take(&mut spec.was_given_latents);
        let given = was_given.then(|| GIVEN_LATENTS.to_owned());
        Self {
            unread: before.into_iter().chain(given).collect(),
            model_name: Some(recipe.model_name),
            model_hash: Some(recipe.model_hash),
            program: Some(recipe.program),
            used_picture: recipe.used_picture,
            used_mask: recipe.used_mask,
            used_latents: recipe.used_latents,
            framing: spec.frame.map(|frame| frame.framing),
            source: recipe.source.map(|source| Box::new(Self::of(*source))),
            ..Self::new(spec, RecipeForm::Velatura)
        }
    }
}

#[cfg(test)]
mod tests;
