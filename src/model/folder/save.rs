//! Writing a model: a folder that Python's diffusers opens.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::super::conditioner::class::{ClassEncoder, ClassEncoderConfig};
use super::super::conditioner::layout::{LayoutEncoder, LayoutEncoderConfig};
use super::super::conditioner::semantic::{SemanticEncoder, SemanticEncoderConfig};
use super::super::json::write_json;
use super::super::weights::{self, WeightDtype, names};
use super::super::{
    ClipTextConfig, ClipTextModel, ClipTokenizer, FirstStage, FirstStageConfig,
    FirstStageReference, LayoutPriorConfig, Manifest, ModelError, SharedWeights, UNet2d,
    UNet2dConfig,
};
use super::convert::ConversionWatch;
use super::{CLASS, LAYOUT, ModelFolder, PRIOR, SECOND_TEXT, SEMANTIC, TEXT, UNET, ZEROS, place};
use crate::files::write_atomically;

/// What [`ModelFolder::save`] writes; parts that are `None` are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelParts<'a> {
    /// The denoiser.
    pub unet: Option<&'a UNet2d>,
    /// The first stage.
    pub first_stage: Option<&'a dyn FirstStage>,
    /// Where its weights lie already: the model shares that file, in the precision
    /// that it has, where the file system can.
    pub first_stage_weights: Option<&'a SharedWeights>,
    /// Where the first stage lies, for a model that only refers to it; other programs
    /// cannot open such a folder.
    pub first_stage_reference: Option<&'a FirstStageReference>,
    /// The text encoder.
    pub text_encoder: Option<&'a ClipTextModel>,
    /// The second text encoder, as Stable Diffusion XL has it, with its tokenizer.
    pub second_text_encoder: Option<(&'a ClipTextModel, &'a ClipTokenizer)>,
    /// Whether no words to steer away from are zeros; only beside a second text encoder.
    pub is_nothing_zero: bool,
    /// The encoder of boxes.
    pub layout_encoder: Option<&'a LayoutEncoder>,
    /// The encoder of label maps.
    pub semantic_encoder: Option<&'a SemanticEncoder>,
    /// The encoder of classes.
    pub class_encoder: Option<&'a ClassEncoder>,
    /// The tokenizer.
    pub tokenizer: Option<&'a ClipTokenizer>,
    /// `scheduler_config.json`, with its `_class_name`.
    pub scheduler: Option<&'a Value>,
    /// `studio.json`.
    pub manifest: Option<&'a Manifest>,
    /// How weights are stored.
    pub dtype: WeightDtype,
}

impl ModelFolder {
    /// Whether [`Self::save`] would find its place free, or taken by a model that
    /// holds nothing else. Ask before long work.
    ///
    /// # Errors
    /// As [`Self::save`], of what can be told beforehand.
    pub fn check_place(path: impl AsRef<Path>) -> Result<(), ModelError> {
        place::check(path.as_ref())
    }

    /// Writes a folder that Python's diffusers opens, beside `path` first and
    /// then in its place, where an older model may lie.
    ///
    /// # Errors
    /// If something lies at `path` that is no model, or anything in it that is not
    /// part of one; or a file cannot be written. What was there is then still there.
    pub fn save(path: impl AsRef<Path>, parts: &ModelParts<'_>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        put_whole(path, |fresh| write_parts(fresh, path, parts))?;
        Self::open(path)
    }

    /// Writes the model once more, with weights of another kind and another
    /// `studio.json`; [`Self::save`] tells what happens to a folder that is there.
    ///
    /// # Errors
    /// If a part cannot be read or written.
    pub fn copy_to(
        &self,
        path: impl AsRef<Path>,
        dtype: WeightDtype,
        manifest: &Manifest,
    ) -> Result<Self, ModelError> {
        self.copy_while(path.as_ref(), dtype, manifest, &mut |_, _| true)
    }

    /// The same for as long as `goes_on` says so, which is told how many bytes of how many
    /// are written.
    ///
    /// # Errors
    /// As [`Self::copy_to`], and [`ModelError::WritingEnded`] once it does not go on:
    /// nothing is left of it then.
    pub fn copy_while(
        &self,
        path: &Path,
        dtype: WeightDtype,
        manifest: &Manifest,
        goes_on: ConversionWatch<'_>,
    ) -> Result<Self, ModelError> {
        self.write_anew(path, Some(dtype), Some(manifest), goes_on)?;
        Self::open(path)
    }
}

/// Has a folder written beside a place and puts it there, where an older model may lie.
pub(super) fn put_whole(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    place::check(path)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(ModelError::io("make the folder", parent))?;
    let scratch = tempfile::Builder::new()
        .prefix(".velatura-model-")
        .tempdir_in(parent)
        .map_err(ModelError::io("make a folder in", parent))?;
    let fresh = scratch.path().join("new");
    write(&fresh)?;
    // Once more: weights take their time to write.
    place::check(path)?;
    place::put(&fresh, path, scratch.path())
}

/// All that is in a model's folder but weights; parts that are `None` are left out.
#[derive(Debug)]
pub(super) struct Described<'a> {
    pub unet: Option<&'a UNet2dConfig>,
    pub first_stage: Option<FirstStageConfig>,
    pub text_encoder: Option<&'a ClipTextConfig>,
    pub second_text_encoder: Option<(&'a ClipTextConfig, &'a ClipTokenizer)>,
    pub is_nothing_zero: bool,
    pub layout_encoder: Option<&'a LayoutEncoderConfig>,
    pub semantic_encoder: Option<&'a SemanticEncoderConfig>,
    pub class_encoder: Option<&'a ClassEncoderConfig>,
    pub layout_prior: Option<&'a LayoutPriorConfig>,
    pub tokenizer: Option<&'a ClipTokenizer>,
    pub scheduler: Option<&'a Value>,
    pub manifest: Option<&'a Manifest>,
}

/// Writes everything into a folder that will be put at `place`.
fn write_parts(folder: &Path, place: &Path, parts: &ModelParts<'_>) -> Result<(), ModelError> {
    let described = Described {
        unet: parts.unet.map(UNet2d::config),
        first_stage: parts.first_stage.map(FirstStage::configuration),
        text_encoder: parts.text_encoder.map(ClipTextModel::config),
        second_text_encoder: parts
            .second_text_encoder
            .map(|(network, tokenizer)| (network.config(), tokenizer)),
        is_nothing_zero: parts.is_nothing_zero,
        layout_encoder: parts.layout_encoder.map(LayoutEncoder::config),
        semantic_encoder: parts.semantic_encoder.map(SemanticEncoder::config),
        class_encoder: parts.class_encoder.map(ClassEncoder::config),
        layout_prior: None,
        tokenizer: parts.tokenizer,
        scheduler: parts.scheduler,
        manifest: parts.manifest,
    };
    described.write(folder)?;
    let file = |part: &str, stem: &str| folder.join(part).join(format!("{stem}.safetensors"));
    if let Some(unet) = parts.unet {
        weights::save(unet, &file("unet", UNET), &names::DIFFUSERS, parts.dtype)?;
    }
    if let Some(first_stage) = parts.first_stage {
        let file = file("vae", UNET);
        if let Some(reference) = parts.first_stage_reference {
            reference.write(place, &folder.join("vae"))?;
        } else if !parts.first_stage_weights.is_some_and(|it| it.link(&file)) {
            first_stage.save_weights(&file, parts.dtype)?;
        }
    }
    if let Some(text_encoder) = parts.text_encoder {
        let file = file("text_encoder", TEXT);
        weights::save(text_encoder, &file, &names::CLIP_TEXT, parts.dtype)?;
    }
    if let Some((text_encoder, _)) = parts.second_text_encoder {
        let file = file(SECOND_TEXT, TEXT);
        weights::save(text_encoder, &file, &names::CLIP_TEXT, parts.dtype)?;
    }
    if let Some(encoder) = parts.layout_encoder {
        weights::save(encoder, &file(LAYOUT, UNET), &names::DIFFUSERS, parts.dtype)?;
    }
    if let Some(encoder) = parts.semantic_encoder {
        weights::save(
            encoder,
            &file(SEMANTIC, UNET),
            &names::DIFFUSERS,
            parts.dtype,
        )?;
    }
    if let Some(encoder) = parts.class_encoder {
        weights::save(encoder, &file(CLASS, UNET), &names::DIFFUSERS, parts.dtype)?;
    }
    Ok(())
}

impl Described<'_> {
    /// Writes the configurations, the tokenizer and what describes the whole.
    pub fn write(&self, folder: &Path) -> Result<(), ModelError> {
        let part = |name: &str| {
            let path = folder.join(name);
            fs::create_dir_all(&path)
                .map_err(ModelError::io("make the folder", &path))
                .map(|()| path)
        };
        part("")?;
        if let Some(config) = self.unet {
            write_json(&part("unet")?.join("config.json"), config)?;
        }
        if let Some(config) = &self.first_stage {
            write_json(&part("vae")?.join("config.json"), config)?;
        }
        let second = self.second_text_encoder.map(|(config, _)| config);
        for (name, config) in [("text_encoder", self.text_encoder), (SECOND_TEXT, second)] {
            let Some(config) = config else {
                continue;
            };
            let mut config = config.clone();
            if !config.other.contains_key("dtype") && !config.other.contains_key("torch_dtype") {
                // transformers would compute in the precision of the file, while
                // diffusers does not, and the two would not fit together.
                config.other.insert("torch_dtype".into(), json!("float32"));
            }
            write_json(&part(name)?.join("config.json"), &config)?;
        }
        if let Some(config) = self.layout_encoder {
            write_json(&part(LAYOUT)?.join("config.json"), config)?;
        }
        if let Some(config) = self.semantic_encoder {
            write_json(&part(SEMANTIC)?.join("config.json"), config)?;
        }
        if let Some(config) = self.class_encoder {
            write_json(&part(CLASS)?.join("config.json"), config)?;
        }
        if let Some(config) = self.layout_prior {
            write_json(&part(PRIOR)?.join("config.json"), config)?;
        }
        if let Some(tokenizer) = self.tokenizer {
            tokenizer.save(&part("tokenizer")?)?;
        }
        if let Some((_, tokenizer)) = self.second_text_encoder {
            tokenizer.save(&part("tokenizer_2")?)?;
        }
        if let Some(scheduler) = self.scheduler {
            write_json(&part("scheduler")?.join("scheduler_config.json"), scheduler)?;
        }
        if let Some(manifest) = self.manifest {
            write_json(&folder.join("studio.json"), manifest)?;
        }
        if let Some(card) = self.manifest.map(|manifest| manifest.model_card.as_str())
            && !card.is_empty()
        {
            // Where people and web sites look for it.
            let path = folder.join("README.md");
            write_atomically(&path, |file| file.write_all(card.as_bytes()))
                .map_err(ModelError::io("write", &path))?;
        }
        write_json(&folder.join("model_index.json"), &self.index())
    }

    /// `model_index.json`: the classes with which Python opens the parts.
    fn index(&self) -> Value {
        let inpaints = match (self.unet, &self.first_stage) {
            (Some(unet), Some(first_stage)) => {
                unet.in_channels == 2 * first_stage.info().channels + 1
            }
            _ => false,
        };
        let unet = self.unet.map(|unet| unet.class_name.as_str());
        let is_xl = self.second_text_encoder.is_some();
        let class = if is_xl && self.text_encoder.is_none() {
            // Refiners begin with a picture.
            "StableDiffusionXLImg2ImgPipeline"
        } else if is_xl && inpaints {
            "StableDiffusionXLInpaintPipeline"
        } else if is_xl {
            "StableDiffusionXLPipeline"
        } else if inpaints {
            "StableDiffusionInpaintPipeline"
        } else if self.unet.is_some_and(UNet2dConfig::is_plain) {
            "LDMPipeline"
        } else {
            "StableDiffusionPipeline"
        };
        let part = |present: bool, library: &str, class: &str| {
            if present {
                json!([library, class])
            } else {
                json!([null, null])
            }
        };
        // diffusers has no class for pixels as latents.
        let first_stage = self
            .first_stage
            .as_ref()
            .filter(|config| !matches!(config, FirstStageConfig::Pixels(_)))
            .map(FirstStageConfig::class);
        let scheduler = self
            .scheduler
            .and_then(|config| config["_class_name"].as_str());
        let mut index = json!({
            "_class_name": class,
            "_diffusers_version": "0.30.0",
            "feature_extractor": [null, null],
            "image_encoder": [null, null],
            "requires_safety_checker": false,
            "safety_checker": [null, null],
            "scheduler": part(scheduler.is_some(), "diffusers", scheduler.unwrap_or_default()),
            "text_encoder": part(self.text_encoder.is_some(), "transformers", "CLIPTextModel"),
            "tokenizer": part(self.tokenizer.is_some(), "transformers", "CLIPTokenizer"),
            "unet": part(unet.is_some(), "diffusers", unet.unwrap_or_default()),
            "vae": part(first_stage.is_some(), "diffusers", first_stage.unwrap_or_default()),
        });
        if is_xl {
            index["text_encoder_2"] = part(true, "transformers", "CLIPTextModelWithProjection");
            index["tokenizer_2"] = part(true, "transformers", "CLIPTokenizer");
            index[ZEROS] = json!(self.is_nothing_zero);
            if self.text_encoder.is_none() {
                index["requires_aesthetics_score"] = json!(true);
            }
            for key in ["requires_safety_checker", "safety_checker"] {
                index.as_object_mut().map(|index| index.remove(key));
            }
        }
        index
    }
}
