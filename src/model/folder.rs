//! A model on disk: the folder layout of diffusers.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::{Value, json};

use super::checkpoint::{self, Naming, WeightDtype, WeightFiles};
use super::json::{read_json, write_json};
use super::{
    AutoencoderKl, AutoencoderKlConfig, ClipTextConfig, ClipTextModel, ClipTokenizer, ModelError,
    StudioConfig, UNet2d, UNet2dConfig,
};
use crate::files::write_atomically;

const UNET: &str = "diffusion_pytorch_model";
const TEXT: &str = "model";

/// A diffusers folder whose configurations are read and whose weights are not.
///
/// Parts may be missing: a folder may hold an autoencoder only.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    unet: Option<UNet2dConfig>,
    autoencoder: Option<AutoencoderKlConfig>,
    text_encoder: Option<ClipTextConfig>,
    scheduler: Value,
    studio: StudioConfig,
    held: WeightDtype,
}

/// What [`ModelFolder::save`] writes; parts that are `None` are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelParts<'a> {
    /// The denoiser.
    pub unet: Option<&'a UNet2d>,
    /// The autoencoder.
    pub autoencoder: Option<&'a AutoencoderKl>,
    /// The text encoder.
    pub text_encoder: Option<&'a ClipTextModel>,
    /// The tokenizer.
    pub tokenizer: Option<&'a ClipTokenizer>,
    /// `scheduler_config.json`, with its `_class_name`.
    pub scheduler: Option<&'a Value>,
    /// `studio.json`.
    pub studio: Option<&'a StudioConfig>,
    /// How weights are stored.
    pub dtype: WeightDtype,
}

impl ModelFolder {
    /// Reads the configurations of a folder.
    ///
    /// # Errors
    /// If it is no model, or a configuration cannot be read or is not supported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref().to_path_buf();
        let unet: Option<UNet2dConfig> = read_json(&path.join("unet/config.json"))?;
        let autoencoder: Option<AutoencoderKlConfig> = read_json(&path.join("vae/config.json"))?;
        let text_encoder: Option<ClipTextConfig> =
            read_json(&path.join("text_encoder/config.json"))?;
        let index: Option<Value> = read_json(&path.join("model_index.json"))?;
        if index.is_none() && unet.is_none() && autoencoder.is_none() && text_encoder.is_none() {
            return Err(ModelError::NotAModel(path));
        }
        if let Some(config) = &unet {
            config.validate()?;
        }
        if let Some(config) = &autoencoder {
            config.validate()?;
        }
        if let Some(config) = &text_encoder {
            config.validate()?;
        }
        let scheduler =
            read_json(&path.join("scheduler/scheduler_config.json"))?.unwrap_or(Value::Null);
        let studio = match read_json(&path.join("studio.json"))? {
            Some(studio) => studio,
            None => {
                let name = path
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                StudioConfig::derive(name, unet.as_ref(), autoencoder.as_ref())
            }
        };
        if let (Some(unet), Some(autoencoder)) = (&unet, &autoencoder) {
            studio.validate(unet, autoencoder.latent_channels)?;
        }
        if let (Some(unet), Some(text)) = (&unet, &text_encoder)
            && unet.cross_attention_dim != text.hidden_size
        {
            let supported = format!("the text encoder's states are {} wide", text.hidden_size);
            return Err(ModelError::unsupported(
                "UNet2DConditionModel",
                "cross_attention_dim",
                unet.cross_attention_dim,
                supported,
            ));
        }
        Ok(Self {
            path,
            unet,
            autoencoder,
            text_encoder,
            scheduler,
            studio,
            held: WeightDtype::F32,
        })
    }

    /// The same folder, whose weights will be held as `dtype` in memory.
    ///
    /// Half precision halves the memory; it is for painting, not for training.
    #[must_use]
    pub fn held_as(self, dtype: WeightDtype) -> Self {
        Self {
            held: dtype,
            ..self
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Configuration of the denoiser.
    ///
    /// # Errors
    /// If the model has none.
    pub fn unet_config(&self) -> Result<&UNet2dConfig, ModelError> {
        self.unet
            .as_ref()
            .ok_or_else(|| self.missing("denoiser (unet)"))
    }

    /// Configuration of the autoencoder.
    ///
    /// # Errors
    /// If the model has none.
    pub fn autoencoder_config(&self) -> Result<&AutoencoderKlConfig, ModelError> {
        self.autoencoder
            .as_ref()
            .ok_or_else(|| self.missing("autoencoder (vae)"))
    }

    /// Configuration of the text encoder.
    ///
    /// # Errors
    /// If the model has none.
    pub fn text_encoder_config(&self) -> Result<&ClipTextConfig, ModelError> {
        self.text_encoder
            .as_ref()
            .ok_or_else(|| self.missing("text encoder (text_encoder)"))
    }

    /// The JSON of `scheduler_config.json`; null where there is none.
    pub fn scheduler_config(&self) -> Value {
        self.scheduler.clone()
    }

    /// How the studio uses the model: its `studio.json`, or what the
    /// configurations imply.
    pub fn studio(&self) -> StudioConfig {
        self.studio.clone()
    }

    /// Reads the denoiser.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_unet(&self, device: &Device) -> Result<UNet2d, ModelError> {
        let network = self.unet_config()?.init(device)?;
        checkpoint::load(
            network,
            &self.weights("unet", UNET)?,
            Naming::Diffusers,
            "UNet2DConditionModel",
            self.held,
        )
    }

    /// Reads the autoencoder.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_autoencoder(&self, device: &Device) -> Result<AutoencoderKl, ModelError> {
        let network = self.autoencoder_config()?.init(device)?;
        checkpoint::load(
            network,
            &self.weights("vae", UNET)?,
            Naming::Autoencoder,
            "AutoencoderKL",
            self.held,
        )
    }

    /// Reads the text encoder.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_text_encoder(&self, device: &Device) -> Result<ClipTextModel, ModelError> {
        let network = self.text_encoder_config()?.init(device)?;
        checkpoint::load(
            network,
            &self.weights("text_encoder", TEXT)?,
            Naming::ClipText,
            "CLIPTextModel",
            self.held,
        )
    }

    /// Reads the tokenizer.
    ///
    /// # Errors
    /// If there is none, its files do not fit together, or it knows more tokens
    /// than the text encoder.
    pub fn tokenizer(&self) -> Result<ClipTokenizer, ModelError> {
        let folder = self.path.join("tokenizer");
        if !folder.is_dir() {
            return Err(self.missing("tokenizer"));
        }
        let tokenizer = ClipTokenizer::open(&folder)?;
        let Some(text) = &self.text_encoder else {
            return Ok(tokenizer);
        };
        if tokenizer.vocab_size() > text.vocab_size {
            let message = format!(
                "it has {} tokens and the text encoder only {}",
                tokenizer.vocab_size(),
                text.vocab_size
            );
            return Err(ModelError::Tokenizer {
                path: folder,
                message,
            });
        }
        Ok(tokenizer.limited_to(text.max_position_embeddings))
    }

    /// First ten hexadecimal digits of the SHA-256 of a part's weights:
    /// `component` is `unet`, `vae` or `text_encoder`.
    ///
    /// # Errors
    /// If there is no such part or it cannot be read.
    pub fn weights_sha256_prefix(&self, component: &str) -> Result<String, ModelError> {
        let stem = if component == "text_encoder" {
            TEXT
        } else {
            UNET
        };
        let mut digits = self.weights(component, stem)?.sha256()?;
        digits.truncate(10);
        Ok(digits)
    }

    /// Writes a folder that Python's diffusers opens, beside `path` first and
    /// then in its place, where an older model may lie.
    ///
    /// # Errors
    /// If something other than a model lies at `path`, or a file cannot be
    /// written; what was there is then still there.
    pub fn save(path: impl AsRef<Path>, parts: &ModelParts<'_>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let is_empty =
            |folder: &Path| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
        if path.exists() && !path.join("model_index.json").is_file() && !is_empty(path) {
            return Err(ModelError::Occupied(path.to_path_buf()));
        }
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
        if path.exists() {
            let old = scratch.path().join("old");
            fs::rename(path, &old).map_err(ModelError::io("replace", path))?;
            if let Err(error) = fs::rename(&fresh, path) {
                // The reason is reported below; the old model goes back to its place.
                let _ = fs::rename(&old, path);
                return Err(ModelError::io("replace", path)(error));
            }
        } else {
            fs::rename(&fresh, path).map_err(ModelError::io("write", path))?;
        }
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
        studio: &StudioConfig,
    ) -> Result<Self, ModelError> {
        let device = Device::flex();
        let has = |name: &str| self.path.join(name).is_dir();
        let unet = self
            .unet
            .as_ref()
            .map(|_| self.load_unet(&device))
            .transpose()?;
        let autoencoder = self
            .autoencoder
            .as_ref()
            .map(|_| self.load_autoencoder(&device));
        let autoencoder = autoencoder.transpose()?;
        let text_encoder = self
            .text_encoder
            .as_ref()
            .map(|_| self.load_text_encoder(&device));
        let text_encoder = text_encoder.transpose()?;
        let tokenizer = has("tokenizer").then(|| self.tokenizer()).transpose()?;
        let scheduler = self.scheduler_config();
        let parts = ModelParts {
            unet: unet.as_ref(),
            autoencoder: autoencoder.as_ref(),
            text_encoder: text_encoder.as_ref(),
            tokenizer: tokenizer.as_ref(),
            scheduler: scheduler.is_object().then_some(&scheduler),
            studio: Some(studio),
            dtype,
        };
        Self::save(path, &parts)
    }

    fn missing(&self, part: &'static str) -> ModelError {
        ModelError::MissingPart {
            folder: self.path.clone(),
            part,
        }
    }

    fn weights(&self, component: &str, stem: &str) -> Result<WeightFiles, ModelError> {
        WeightFiles::open(&self.path.join(component), stem)
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
        checkpoint::save(
            unet,
            &path.join(format!("{UNET}.safetensors")),
            Naming::Diffusers,
            parts.dtype,
        )?;
    }
    if let Some(autoencoder) = parts.autoencoder {
        let path = part("vae")?;
        write_json(&path.join("config.json"), autoencoder.config())?;
        checkpoint::save(
            autoencoder,
            &path.join(format!("{UNET}.safetensors")),
            Naming::Autoencoder,
            parts.dtype,
        )?;
    }
    if let Some(text_encoder) = parts.text_encoder {
        let path = part("text_encoder")?;
        let mut config = text_encoder.config().clone();
        if !config.other.contains_key("dtype") && !config.other.contains_key("torch_dtype") {
            // transformers would compute in the precision of the file, while
            // diffusers does not, and the two would not fit together.
            config.other.insert("torch_dtype".into(), json!("float32"));
        }
        write_json(&path.join("config.json"), &config)?;
        checkpoint::save(
            text_encoder,
            &path.join(format!("{TEXT}.safetensors")),
            Naming::ClipText,
            parts.dtype,
        )?;
    }
    if let Some(tokenizer) = parts.tokenizer {
        tokenizer.save(&part("tokenizer")?)?;
    }
    if let Some(scheduler) = parts.scheduler {
        write_json(&part("scheduler")?.join("scheduler_config.json"), scheduler)?;
    }
    if let Some(studio) = parts.studio {
        part("")?;
        write_json(&folder.join("studio.json"), studio)?;
    }
    part("")?;
    if let Some(card) = parts.studio.map(|studio| studio.model_card.as_str())
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
    let inpaints = match (parts.unet, parts.autoencoder) {
        (Some(unet), Some(autoencoder)) => {
            unet.config().in_channels == 2 * autoencoder.config().latent_channels + 1
        }
        _ => false,
    };
    let class = if inpaints {
        "StableDiffusionInpaintPipeline"
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
    let scheduler = parts
        .scheduler
        .and_then(|config| config["_class_name"].as_str());
    json!({
        "_class_name": class,
        "_diffusers_version": "0.30.0",
        "feature_extractor": [null, null],
        "image_encoder": [null, null],
        "requires_safety_checker": false,
        "safety_checker": [null, null],
        "scheduler": part(scheduler.is_some(), "diffusers", scheduler.unwrap_or_default()),
        "text_encoder": part(parts.text_encoder.is_some(), "transformers", "CLIPTextModel"),
        "tokenizer": part(parts.tokenizer.is_some(), "transformers", "CLIPTokenizer"),
        "unet": part(parts.unet.is_some(), "diffusers", "UNet2DConditionModel"),
        "vae": part(parts.autoencoder.is_some(), "diffusers", "AutoencoderKL"),
    })
}
