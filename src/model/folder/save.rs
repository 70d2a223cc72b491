//! Writing a model: a folder that Python's diffusers opens.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};

use super::super::conditioner::class::ClassEncoder;
use super::super::conditioner::layout::LayoutEncoder;
use super::super::conditioner::semantic::SemanticEncoder;
use super::super::json::write_json;
use super::super::weights::{self, WeightDtype, names};
use super::super::{
    ClipTextModel, ClipTokenizer, FirstStage, FirstStageConfig, Manifest, ModelError,
    SharedWeights, UNet2d,
};
use super::{CLASS, LAYOUT, ModelFolder, SECOND_TEXT, SEMANTIC, TEXT, UNET, ZEROS, place};
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
        write_parts(&fresh, parts)?;
        // Once more: weights take their time to write.
        place::check(path)?;
        place::put(&fresh, path, scratch.path())?;
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
        if self.original_parameter_count() > 0 {
            return Err(ModelError::OnlyOriginal(self.path.clone()));
        }
        let device = Device::flex();
        let has_tokenizer = match self.one_file {
            Some(_) => self.text_encoder.is_some(),
            None => self.path.join("tokenizer").is_dir(),
        };
        let unet = self
            .unet
            .as_ref()
            .map(|_| self.load_unet(&device))
            .transpose()?;
        let first_stage = self
            .first_stage
            .as_ref()
            .map(|_| self.load_first_stage(&device));
        let first_stage = first_stage.transpose()?;
        let text_encoder = self
            .text_encoder
            .as_ref()
            .map(|_| self.load_text_encoder(&device));
        let text_encoder = text_encoder.transpose()?;
        let second_text_encoder = self.second_text_encoder.as_ref().map(|_| {
            let network = self.load_second_text_network(&device)?;
            Ok::<_, ModelError>((network, self.second_tokenizer()?))
        });
        let second_text_encoder = second_text_encoder.transpose()?;
        let layout_encoder = self
            .layout_encoder
            .as_ref()
            .map(|_| self.load_layout_encoder(&device));
        let layout_encoder = layout_encoder.transpose()?;
        let semantic_encoder = self
            .semantic_encoder
            .as_ref()
            .map(|_| self.load_semantic_encoder(&device));
        let semantic_encoder = semantic_encoder.transpose()?;
        let class_encoder = self
            .class_encoder
            .as_ref()
            .map(|_| self.load_class_encoder(&device));
        let class_encoder = class_encoder.transpose()?.flatten();
        let tokenizer = has_tokenizer.then(|| self.tokenizer()).transpose()?;
        let scheduler = self.scheduler_config();
        let parts = ModelParts {
            unet: unet.as_ref(),
            first_stage: first_stage.as_deref(),
            first_stage_weights: None,
            text_encoder: text_encoder.as_ref(),
            second_text_encoder: second_text_encoder
                .as_ref()
                .map(|(network, tokenizer)| (network, tokenizer)),
            is_nothing_zero: self.is_nothing_zero,
            layout_encoder: layout_encoder.as_ref(),
            semantic_encoder: semantic_encoder.as_ref(),
            class_encoder: class_encoder.as_ref(),
            tokenizer: tokenizer.as_ref(),
            scheduler: scheduler.is_object().then_some(&scheduler),
            manifest: Some(manifest),
            dtype,
        };
        Self::save(path, &parts)
    }
}

fn write_parts(folder: &Path, parts: &ModelParts<'_>) -> Result<(), ModelError> {
    let part = |name: &str| {
        let path = folder.join(name);
        fs::create_dir_all(&path)
            .map_err(ModelError::io("make the folder", &path))
            .map(|()| path)
    };
    if let Some(unet) = parts.unet {
        let path = part("unet")?;
        write_json(&path.join("config.json"), unet.config())?;
        weights::save(
            unet,
            &path.join(format!("{UNET}.safetensors")),
            &names::DIFFUSERS,
            parts.dtype,
        )?;
    }
    if let Some(first_stage) = parts.first_stage {
        let path = part("vae")?;
        write_json(&path.join("config.json"), &first_stage.configuration())?;
        let file = path.join(format!("{UNET}.safetensors"));
        if !parts.first_stage_weights.is_some_and(|it| it.link(&file)) {
            first_stage.save_weights(&file, parts.dtype)?;
        }
    }
    let texts = [
        ("text_encoder", parts.text_encoder),
        (
            SECOND_TEXT,
            parts.second_text_encoder.map(|(network, _)| network),
        ),
    ];
    for (name, text_encoder) in texts {
        let Some(text_encoder) = text_encoder else {
            continue;
        };
        let path = part(name)?;
        let mut config = text_encoder.config().clone();
        if !config.other.contains_key("dtype") && !config.other.contains_key("torch_dtype") {
            // transformers would compute in the precision of the file, while
            // diffusers does not, and the two would not fit together.
            config.other.insert("torch_dtype".into(), json!("float32"));
        }
        write_json(&path.join("config.json"), &config)?;
        weights::save(
            text_encoder,
            &path.join(format!("{TEXT}.safetensors")),
            &names::CLIP_TEXT,
            parts.dtype,
        )?;
    }
    if let Some(encoder) = parts.layout_encoder {
        let path = part(LAYOUT)?;
        write_json(&path.join("config.json"), encoder.config())?;
        let file = path.join(format!("{UNET}.safetensors"));
        weights::save(encoder, &file, &names::DIFFUSERS, parts.dtype)?;
    }
    if let Some(encoder) = parts.semantic_encoder {
        let path = part(SEMANTIC)?;
        write_json(&path.join("config.json"), encoder.config())?;
        let file = path.join(format!("{UNET}.safetensors"));
        weights::save(encoder, &file, &names::DIFFUSERS, parts.dtype)?;
    }
    if let Some(encoder) = parts.class_encoder {
        let path = part(CLASS)?;
        write_json(&path.join("config.json"), encoder.config())?;
        let file = path.join(format!("{UNET}.safetensors"));
        weights::save(encoder, &file, &names::DIFFUSERS, parts.dtype)?;
    }
    if let Some(tokenizer) = parts.tokenizer {
        tokenizer.save(&part("tokenizer")?)?;
    }
    if let Some((_, tokenizer)) = parts.second_text_encoder {
        tokenizer.save(&part("tokenizer_2")?)?;
    }
    if let Some(scheduler) = parts.scheduler {
        write_json(&part("scheduler")?.join("scheduler_config.json"), scheduler)?;
    }
    if let Some(manifest) = parts.manifest {
        part("")?;
        write_json(&folder.join("studio.json"), manifest)?;
    }
    part("")?;
    if let Some(card) = parts.manifest.map(|manifest| manifest.model_card.as_str())
        && !card.is_empty()
    {
        // Where people and web sites look for it.
        let path = folder.join("README.md");
        write_atomically(&path, |file| file.write_all(card.as_bytes()))
            .map_err(ModelError::io("write", &path))?;
    }
    write_json(&folder.join("model_index.json"), &index(parts))
}

/// `model_index.json`: the classes with which Python opens the parts.
fn index(parts: &ModelParts<'_>) -> Value {
    let inpaints = match (parts.unet, parts.first_stage) {
        (Some(unet), Some(first_stage)) => {
            unet.config().in_channels == 2 * first_stage.info().channels + 1
        }
        _ => false,
    };
    let unet = parts.unet.map(|unet| unet.config().class_name.as_str());
    let is_xl = parts.second_text_encoder.is_some();
    let class = if is_xl && parts.text_encoder.is_none() {
        // Refiners begin with a picture.
        "StableDiffusionXLImg2ImgPipeline"
    } else if is_xl && inpaints {
        "StableDiffusionXLInpaintPipeline"
    } else if is_xl {
        "StableDiffusionXLPipeline"
    } else if inpaints {
        "StableDiffusionInpaintPipeline"
    } else if parts.unet.is_some_and(|unet| unet.config().is_plain()) {
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
    let first_stage = parts.first_stage.map(FirstStage::configuration);
    // diffusers has no class for pixels as latents.
    let first_stage = first_stage
        .as_ref()
        .filter(|config| !matches!(config, FirstStageConfig::Pixels(_)))
        .map(FirstStageConfig::class);
    let scheduler = parts
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
        "text_encoder": part(parts.text_encoder.is_some(), "transformers", "CLIPTextModel"),
        "tokenizer": part(parts.tokenizer.is_some(), "transformers", "CLIPTokenizer"),
        "unet": part(unet.is_some(), "diffusers", unet.unwrap_or_default()),
        "vae": part(first_stage.is_some(), "diffusers", first_stage.unwrap_or_default()),
    });
    if is_xl {
        index["text_encoder_2"] = part(true, "transformers", "CLIPTextModelWithProjection");
        index["tokenizer_2"] = part(true, "transformers", "CLIPTokenizer");
        index[ZEROS] = json!(parts.is_nothing_zero);
        if parts.text_encoder.is_none() {
            index["requires_aesthetics_score"] = json!(true);
        }
        for key in ["requires_safety_checker", "safety_checker"] {
            index.as_object_mut().map(|index| index.remove(key));
        }
    }
    index
}
