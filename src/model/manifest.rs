//! `studio.json`: what a model can be asked for, and what else there is to know
//! of it that diffusers has no name for.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::conditioner::grounding::MOST_PHRASES;
use super::conditioner::low_resolution::LOW_RESOLUTION;
use super::conditioner::{self, LATENT, inpaint};
use super::{ClipTextConfig, FirstStageConfig, ModelError, UNet2dConfig, limits};
use crate::recipe::{Degradation, InputSpec, MAX_BOXES, MAX_SIDE_PX, MaskConvention, Palette};

/// Channels of a picture.
const PIXEL: usize = 3;
/// What older programs called everything that they trained.
const NAMES_OF_ALL: [&str; 2] = ["Trained model", "Trained autoencoder"];

/// What a model is for and how it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "ManifestFile", into = "ManifestFile")]
pub struct Manifest {
    /// The name shown to the user.
    pub name: String,
    /// Side in pixels of the pictures the model was trained on.
    pub resolution_px: u32,
    /// What can be asked of it.
    pub inputs: Vec<InputSpec>,
    /// The groups of channels that the denoiser takes, in order: the latents, and
    /// what conditioners give.
    pub channels: Vec<String>,
    /// Sampling steps that suit the model.
    pub default_steps: u32,
    /// Guidance that suits the model.
    pub default_guidance_scale: f32,
    /// The share of the steps that is over when guidance of this model begins.
    pub default_guidance_start: f32,
    /// Data, licences, training, limits; Markdown.
    pub model_card: String,
}

/// The file. Before there were `inputs`, a mask was known by its channels and by
/// `mask_convention`, which is still written for the programs of that time.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct ManifestFile {
    name: String,
    resolution_px: u32,
    inputs: Option<Vec<InputSpec>>,
    unet_input: Vec<String>,
    mask_convention: MaskConvention,
    default_steps: u32,
    default_guidance_scale: f32,
    default_guidance_start: f32,
    model_card: String,
}

impl Default for ManifestFile {
    fn default() -> Self {
        Self {
            name: String::new(),
            resolution_px: 512,
            inputs: None,
            unet_input: vec![LATENT.into()],
            mask_convention: MaskConvention::OneIsRepainted,
            default_steps: 25,
            default_guidance_scale: 7.5,
            default_guidance_start: 0.0,
            model_card: String::new(),
        }
    }
}

impl From<ManifestFile> for Manifest {
    fn from(file: ManifestFile) -> Self {
        let convention = file.mask_convention;
        let is_mask = |name: &String| [inpaint::MASK, inpaint::MASKED_IMAGE].contains(&&**name);
        let older = || {
            let mask = file.unet_input.iter().any(is_mask);
            mask.then_some(InputSpec::Mask { convention }).into_iter()
        };
        Self {
            inputs: file.inputs.unwrap_or_else(|| older().collect()),
            name: file.name,
            resolution_px: file.resolution_px,
            channels: file.unet_input,
            default_steps: file.default_steps,
            default_guidance_scale: file.default_guidance_scale,
            default_guidance_start: file.default_guidance_start,
            model_card: file.model_card,
        }
    }
}

impl From<Manifest> for ManifestFile {
    fn from(manifest: Manifest) -> Self {
        Self {
            mask_convention: manifest.mask_convention().unwrap_or_default(),
            name: manifest.name,
            resolution_px: manifest.resolution_px,
            inputs: Some(manifest.inputs),
            unet_input: manifest.channels,
            default_steps: manifest.default_steps,
            default_guidance_scale: manifest.default_guidance_scale,
            default_guidance_start: manifest.default_guidance_start,
            model_card: manifest.model_card,
        }
    }
}

impl Default for Manifest {
    fn default() -> Self {
        ManifestFile::default().into()
    }
}

impl Manifest {
    /// What the configurations of the networks imply, for folders without a
    /// `studio.json`.
    pub fn derive(
        name: String,
        unet: Option<&UNet2dConfig>,
        first_stage: Option<&FirstStageConfig>,
    ) -> Self {
        let side = |value: &Value| match value {
            Value::Array(sides) => sides.first().and_then(Value::as_u64),
            value => value.as_u64(),
        };
        let latents = first_stage.map(FirstStageConfig::info);
        let factor = latents.map_or(8, |latents| latents.factor) as u64;
        let trained = unet
            .and_then(|unet| side(unet.sample_size.as_ref()?))
            .and_then(|latent| latent.checked_mul(factor))
            .or_else(|| side(first_stage?.kind().sample_size()?));
        let latent = latents.map_or(4, |latents| latents.channels);
        let inpaints = unet.is_some_and(|unet| unet.in_channels == 2 * latent + 1);
        let default = ManifestFile::default();
        let is_grounded = unet.is_some_and(UNet2dConfig::is_grounded);
        let enlarges = factor > 1
            && unet.is_some_and(|unet| unet.is_plain() && unet.in_channels == latent + PIXEL);
        let channels: &[&str] = match (inpaints, is_grounded) {
            (true, false) => &[LATENT, inpaint::MASK, inpaint::MASKED_IMAGE],
            (true, true) => &[LATENT, inpaint::MASKED_IMAGE, inpaint::MASK],
            (false, _) if enlarges => &[LATENT, LOW_RESOLUTION],
            (false, _) => &[LATENT],
        };
        let file = ManifestFile {
            name,
            resolution_px: trained
                .and_then(|side| u32::try_from(side).ok())
                .filter(|side| (8..=MAX_SIDE_PX).contains(side))
                .unwrap_or(default.resolution_px),
            unet_input: channels.iter().map(|name| (*name).to_owned()).collect(),
            mask_convention: match is_grounded {
                true => MaskConvention::KeptLatents,
                false => MaskConvention::default(),
            },
            ..default
        };
        let mut manifest = Self::from(file);
        let classes = unet.and_then(UNet2dConfig::classes);
        if let Some(classes) = classes.filter(|count| limits::CLASSES.contains(count)) {
            manifest.inputs.push(InputSpec::numbered_classes(classes));
        }
        if is_grounded {
            let max_boxes = MOST_PHRASES as u32;
            manifest.inputs.push(InputSpec::Phrases { max_boxes });
        }
        if enlarges {
            manifest.inputs.push(InputSpec::LowResolution {
                factor: u32::try_from(factor).unwrap_or(u32::MAX),
                is_needed: true,
                degradation: None,
            });
        }
        let leads_nowhere = |input: &InputSpec| {
            matches!(
                input,
                InputSpec::Class { .. } | InputSpec::LowResolution { .. }
            )
        };
        let is_led = !manifest.inputs.iter().all(leads_nowhere);
        if !is_led && unet.is_some_and(UNet2dConfig::is_plain) {
            // There is nothing to steer to, or no class that stands for none to steer from.
            manifest.default_guidance_scale = 1.0;
        }
        manifest
    }

    /// The same, which is called like its folder where an older program gave it the name of
    /// all that it trained. A training writes into a folder `model` beside its checkpoints,
    /// around which the folder says more.
    #[must_use]
    pub(super) fn called_apart(mut self, folder: &Path) -> Self {
        let around = match folder.file_name() {
            Some(name) if name == "model" => folder.parent().and_then(Path::file_name),
            name => name,
        };
        if let Some(around) = around.filter(|_| NAMES_OF_ALL.contains(&self.name.as_str())) {
            self.name = around.to_string_lossy().into_owned();
        }
        self
    }

    /// The same with the text that a text encoder can be asked for, if the file
    /// did not say so.
    #[must_use]
    pub fn with_text(mut self, text_encoder: Option<&ClipTextConfig>) -> Self {
        if let Some(text) = text_encoder
            && !self.takes_text()
        {
            let max_tokens = u32::try_from(text.max_position_embeddings).unwrap_or(u32::MAX);
            self.inputs.insert(0, InputSpec::Text { max_tokens });
        }
        self
    }

    /// Whether the model can be asked for words.
    pub fn takes_text(&self) -> bool {
        let is_text = |input: &InputSpec| matches!(input, InputSpec::Text { .. });
        self.inputs.iter().any(is_text)
    }

    /// Whether the denoiser sees the mask and the picture around it.
    pub fn takes_mask(&self) -> bool {
        self.mask_convention().is_some()
    }

    /// What the numbers of masks mean; `None` for a denoiser that sees none.
    pub fn mask_convention(&self) -> Option<MaskConvention> {
        self.inputs.iter().find_map(|input| {
            let InputSpec::Mask { convention } = input else {
                return None;
            };
            Some(*convention)
        })
    }

    /// How often the side of a small picture that the model takes goes into that of
    /// the large one; `None` for one that takes none.
    pub fn low_resolution_factor(&self) -> Option<u32> {
        self.inputs.iter().find_map(|input| {
            let InputSpec::LowResolution { factor, .. } = input else {
                return None;
            };
            Some(*factor)
        })
    }

    /// Whether small pictures were made by bicubic interpolation alone in training, so that what
    /// is painted should agree with them.
    pub fn trusts_small_pictures(&self) -> bool {
        let clean = Some(Degradation::Bicubic);
        self.inputs.iter().any(|input| {
            matches!(input, InputSpec::LowResolution { degradation, .. } if *degradation == clean)
        })
    }

    /// The names of the classes that it paints, by number; `None` for one that paints none.
    pub fn classes(&self) -> Option<&[String]> {
        self.inputs.iter().find_map(|input| match input {
            InputSpec::Class { classes, .. } => Some(classes.as_slice()),
            _ => None,
        })
    }

    /// Whether the model paints from nothing but a small picture.
    pub fn needs_low_resolution(&self) -> bool {
        self.inputs.iter().any(|input| {
            matches!(
                input,
                InputSpec::LowResolution {
                    is_needed: true,
                    ..
                }
            )
        })
    }

    /// Checks every number, and that each group of channels is there once and
    /// comes from something that can be asked for.
    ///
    /// # Errors
    /// The first key that says something that cannot be.
    pub fn validate(&self) -> Result<(), ModelError> {
        let check = |is_right: bool, key, value: String, supported: String| {
            if is_right {
                return Ok(());
            }
            Err(ModelError::Studio {
                key,
                value,
                supported,
            })
        };
        check(
            (8..=MAX_SIDE_PX).contains(&self.resolution_px),
            "resolution_px",
            self.resolution_px.to_string(),
            format!("it must be from 8 to {MAX_SIDE_PX}"),
        )?;
        check(
            (1..=1000).contains(&self.default_steps),
            "default_steps",
            self.default_steps.to_string(),
            "it must be from 1 to 1000".into(),
        )?;
        check(
            (0.0..=100.0).contains(&self.default_guidance_scale),
            "default_guidance_scale",
            self.default_guidance_scale.to_string(),
            "it must be from 0 to 100".into(),
        )?;
        check(
            (0.0..=1.0).contains(&self.default_guidance_start),
            "default_guidance_start",
            self.default_guidance_start.to_string(),
            "it must be from 0 to 1".into(),
        )?;
        for (i, input) in self.inputs.iter().enumerate() {
            let is_alike =
                |other: &InputSpec| std::mem::discriminant(other) == std::mem::discriminant(input);
            check(
                !self.inputs[..i].iter().any(is_alike),
                "inputs",
                input.label().to_owned(),
                "each kind may be there once".into(),
            )?;
        }
        for input in &self.inputs {
            if let Err(supported) = check_input(input) {
                check(false, "inputs", input.label().to_owned(), supported)?;
            }
        }
        let given = self.inputs.iter().flat_map(conditioner::groups);
        let given: Vec<&str> = given.copied().collect();
        let known = || [LATENT].into_iter().chain(given.iter().copied());
        let count = |name: &str| self.channels.iter().filter(|found| *found == name).count();
        let is_known = |name: &String| known().any(|known| known == name);
        let is_right = count(LATENT) == 1
            && self.channels.iter().all(is_known)
            && known().all(|name| count(name) <= 1);
        let names: Vec<&str> = known().collect();
        check(
            is_right,
            "unet_input",
            format!("{:?}", self.channels),
            format!("it must list the latents, and of {names:?} none twice"),
        )
    }

    /// Checks that the groups, with their numbers of channels, add up to the
    /// channels of the denoiser.
    ///
    /// # Errors
    /// If they do not.
    pub fn fits(
        &self,
        unet: &UNet2dConfig,
        latent_channels: usize,
        groups: &[(&'static str, usize)],
    ) -> Result<(), ModelError> {
        let count = |name: &String| {
            let group = groups.iter().find(|(known, _)| known == name);
            group.map_or(latent_channels, |(_, channels)| *channels)
        };
        let channels: usize = self.channels.iter().map(count).sum();
        if channels == unet.in_channels {
            return Ok(());
        }
        let supported = format!(
            "the groups {:?} of studio.json make {channels} channels with {latent_channels}-channel latents",
            self.channels
        );
        Err(ModelError::unsupported(
            "UNet2DConditionModel",
            "in_channels",
            unet.in_channels,
            supported,
        ))
    }
}

/// Checks the lists and numbers of something that can be asked for; the error says
/// what would be right.
fn check_input(input: &InputSpec) -> Result<(), String> {
    match input {
        InputSpec::Layout {
            classes,
            colours,
            max_boxes,
            ..
        } => {
            let names = classes.iter().chain(colours);
            if classes.is_empty() || names.clone().any(|name| name.trim().is_empty()) {
                return Err("boxes need classes and colours with names".to_owned());
            }
            if *max_boxes == 0 || *max_boxes as usize > MAX_BOXES {
                return Err(format!("max_boxes must be from 1 to {MAX_BOXES}"));
            }
            Ok(())
        }
        InputSpec::Phrases { max_boxes } => match (1..=MOST_PHRASES as u32).contains(max_boxes) {
            true => Ok(()),
            false => Err(format!("max_boxes must be from 1 to {MOST_PHRASES}")),
        },
        InputSpec::Semantic { classes } => {
            let palette = Palette {
                name: String::new(),
                classes: classes.clone(),
            };
            if classes.is_empty() {
                return Err("a label map needs classes".to_owned());
            }
            palette.validate().map_err(|error| error.to_string())
        }
        InputSpec::Class { classes, empty } => {
            if classes.is_empty() || classes.iter().any(|name| name.trim().is_empty()) {
                return Err("classes need names".to_owned());
            }
            let beyond = classes.len() as u32;
            match empty {
                Some(empty) if *empty != beyond => Err(format!("empty must be {beyond}")),
                _ => Ok(()),
            }
        }
        InputSpec::LowResolution { factor, .. } if !(2..=64).contains(factor) => {
            Err("factor must be from 2 to 64".to_owned())
        }
        InputSpec::Text { .. } | InputSpec::Mask { .. } | InputSpec::LowResolution { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Manifest {
        serde_json::from_str(json).expect("a manifest")
    }

    #[test]
    fn models_of_older_trainings_are_called_apart() {
        let named = |name: &str, folder: &str| {
            let manifest = Manifest {
                name: name.to_owned(),
                ..Manifest::default()
            };
            manifest.called_apart(Path::new(folder)).name
        };
        assert_eq!(named("Trained model", "models/cats/model"), "cats");
        assert_eq!(named("Trained autoencoder", "models/eyes"), "eyes");
        assert_eq!(named("Tabby", "models/cats/model"), "Tabby");
    }

    #[test]
    fn files_from_before_inputs_say_the_same() {
        let older = parsed(
            r#"{"unet_input": ["masked_image", "latent", "mask"], "mask_convention": "one_is_kept"}"#,
        );
        let convention = MaskConvention::OneIsKept;
        assert_eq!(older.inputs, [InputSpec::Mask { convention }]);
        assert_eq!(older.channels, ["masked_image", "latent", "mask"]);
        older.validate().expect("as it always was");
        let text = older.with_text(Some(&ClipTextConfig::default()));
        assert!(text.takes_text() && text.takes_mask());
        let written = serde_json::to_value(&text).expect("JSON");
        // What programs know that are older than this one.
        assert_eq!(written["mask_convention"], "one_is_kept");
        assert_eq!(written["unet_input"][2], "mask");
        assert_eq!(
            written["inputs"][0],
            serde_json::json!({"kind": "text", "max_tokens": 77})
        );
        assert_eq!(parsed(&written.to_string()), text);
        assert!(!parsed("{}").takes_mask());
    }

    #[test]
    fn channels_come_from_what_can_be_asked_for() {
        for json in [
            r#"{"unet_input": ["latent", "mood"]}"#,
            r#"{"inputs": [], "unet_input": ["latent", "mask"]}"#,
            r#"{"unet_input": ["latent", "mask", "mask"]}"#,
            r#"{"unet_input": ["mask"]}"#,
        ] {
            let error = parsed(json).validate().expect_err("impossible").to_string();
            assert!(error.contains("unet_input"), "{error}");
        }
        let twice =
            r#"{"inputs": [{"kind": "text", "max_tokens": 7}, {"kind": "text", "max_tokens": 9}]}"#;
        let error = parsed(twice).validate().expect_err("twice").to_string();
        assert!(error.contains("inputs"), "{error}");
    }
}
