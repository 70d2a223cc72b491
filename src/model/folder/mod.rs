//! A model on disk: the folder layout of diffusers, or one file that is taken for it.

mod bert;
mod completed;
mod conditions;
mod convert;
mod differences;
mod edm;
mod few_steps;
mod files;
mod first_stage;
mod further;
mod held;
mod latent_diffusion;
mod original;
mod place;
mod save;
mod second_text;
mod single;
mod stable_diffusion_xl;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use serde_json::Value;

use bert::BERT;
pub use conditions::groups_of;
pub use convert::{Conversion, is_single_target};
pub(super) use few_steps::{FewSteps, name_words};
pub use further::OriginalNetwork;
pub(super) use original::{class_names, wrong_class_count};
pub use save::ModelParts;
use single::OneFile;

use super::conditioner::class::{ClassEncoder, ClassEncoderConfig};
use super::conditioner::layout::{LayoutEncoder, LayoutEncoderConfig};
use super::conditioner::semantic::{SemanticEncoder, SemanticEncoderConfig};
use super::first_stage::FirstStagePlace;
use super::inspect::{check_class, only_checkpoint};
use super::json::{read_config, read_json};
use super::paper::OriginalConditioner;
use super::turns;
use super::weights::{self, ReadWatch, Watched, WeightDtype, WeightSource, names};
use super::{
    ClipTextConfig, ClipTextModel, ClipTokenizer, FirstStageConfig, LayoutPrior, LayoutPriorConfig,
    Manifest, ModelError, UNet2d, UNet2dConfig,
};

const UNET: &str = "diffusion_pytorch_model";
const TEXT: &str = "model";
/// The folders of the parts.
const PARTS: [&str; 13] = [
    BERT,
    "unet",
    "vae",
    "vqvae",
    "text_encoder",
    "tokenizer",
    SECOND_TEXT,
    "tokenizer_2",
    "scheduler",
    LAYOUT,
    SEMANTIC,
    CLASS,
    PRIOR,
];
const SECOND_TEXT: &str = "text_encoder_2";
const LAYOUT: &str = "layout_encoder";
const SEMANTIC: &str = "semantic_encoder";
const CLASS: &str = "class_encoder";
const PRIOR: &str = "layout_prior";

/// Where a pipeline says that no words to steer away from are zeros.
const ZEROS: &str = "force_zeros_for_empty_prompt";

/// The file beside a checkpoint that names its classes, one on each line.
pub(super) const CLASS_NAMES: &str = "classes.txt";

/// Width of the states of a text, those of both encoders side by side.
fn text_width(first: &Option<ClipTextConfig>, second: &Option<ClipTextConfig>) -> Option<usize> {
    let widths = first.iter().chain(second).map(|text| text.hidden_size);
    widths.reduce(usize::saturating_add)
}

/// A diffusers folder whose configurations are read and whose weights are not.
///
/// Parts may be missing: a folder may hold an autoencoder only.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    unet: Option<UNet2dConfig>,
    first_stage: Option<FirstStagePlace>,
    text_encoder: Option<ClipTextConfig>,
    second_text_encoder: Option<ClipTextConfig>,
    /// Whether no words to steer away from are zeros instead of a text without any.
    is_nothing_zero: bool,
    layout_encoder: Option<LayoutEncoderConfig>,
    semantic_encoder: Option<SemanticEncoderConfig>,
    class_encoder: Option<ClassEncoderConfig>,
    layout_prior: Option<LayoutPriorConfig>,
    scheduler: Value,
    manifest: Manifest,
    held: WeightDtype,
    /// Whether half precision stays what it is.
    keeps_halves: bool,
    /// Whether networks are read when their turn comes.
    is_in_turn: bool,
    /// The weights of all parts, for a model in one file.
    one_file: Option<Arc<OneFile>>,
    /// What tells the denoiser, where its network is the paper's own.
    original: Option<OriginalConditioner>,
    /// Who is told while weights are read.
    watch: Option<ReadWatch>,
}

impl ModelFolder {
    /// Reads the configurations of a folder, or tells the sizes of a model in one file,
    /// alone in its folder or named itself, by the YAML file beside it where it needs one.
    ///
    /// # Errors
    /// If it is no model, or a configuration cannot be read or is not supported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::open_with(path, None)
    }

    /// The same, by another YAML file than that beside it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(path: impl AsRef<Path>, yaml: Option<&Path>) -> Result<Self, ModelError> {
        let path = path.as_ref().to_path_buf();
        // Whatever is there and no folder: what can be read, and pipes and devices, which are
        // refused by name.
        if path.metadata().is_ok_and(|it| !it.is_dir()) {
            return single::open(&path, yaml);
        }
        if let Some(file) = only_checkpoint(&path) {
            return single::open(&file, yaml);
        }
        if yaml.is_some() {
            return Err(ModelError::NeedsNoYaml(path));
        }
        let unet = UNet2dConfig::read(&path.join("unet/config.json"))?;
        let text_encoder: Option<ClipTextConfig> =
            read_config(&path.join("text_encoder/config.json"))?;
        let second_text_encoder: Option<ClipTextConfig> =
            read_config(&path.join(SECOND_TEXT).join("config.json"))?;
        let layout_encoder: Option<LayoutEncoderConfig> =
            read_config(&path.join(LAYOUT).join("config.json"))?;
        let semantic_encoder: Option<SemanticEncoderConfig> =
            read_config(&path.join(SEMANTIC).join("config.json"))?;
        let class_encoder: Option<ClassEncoderConfig> =
            read_config(&path.join(CLASS).join("config.json"))?;
        let layout_prior: Option<LayoutPriorConfig> =
            read_config(&path.join(PRIOR).join("config.json"))?;
        let index: Option<Value> = read_json(&path.join("model_index.json"))?;
        let first_stage = FirstStagePlace::find(&path, index.as_ref())?;
        let says_zeros = index.as_ref().and_then(|index| index.get(ZEROS)?.as_bool());
        if index.is_none() && unet.is_none() && first_stage.is_none() && text_encoder.is_none() {
            path.metadata().map_err(ModelError::io("read", &path))?;
            check_class(&path)?;
            return Err(ModelError::NotAModel(path));
        }
        if let Some(config) = &unet {
            config.validate()?;
        }
        for config in text_encoder.iter().chain(&second_text_encoder) {
            config.validate()?;
        }
        if let Some(config) = &layout_encoder {
            config.validate()?;
        }
        if let Some(config) = &semantic_encoder {
            config.validate()?;
        }
        if let Some(config) = &class_encoder {
            config.validate()?;
        }
        if let Some(config) = &layout_prior {
            config.validate()?;
        }
        let scheduler =
            read_json(&path.join("scheduler/scheduler_config.json"))?.unwrap_or(Value::Null);
        let (manifest, scheduler) = match read_config::<Manifest>(&path.join("studio.json"))? {
            Some(manifest) => (manifest.called_apart(&path), scheduler),
            None => {
                let name = path
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let first_stage = first_stage.as_ref().map(|place| &place.config);
                let derived = Manifest::derive(name, unet.as_ref(), first_stage);
                let derived = edm::derived(&scheduler, derived);
                FewSteps::derived(&path, scheduler, unet.as_ref(), derived)
            }
        };
        let manifest = manifest.with_text(text_encoder.as_ref().or(second_text_encoder.as_ref()));
        let words = bert::read(&path)?;
        let manifest = match &words {
            Some(words) => bert::manifest(manifest, words),
            None => manifest,
        };
        manifest.validate()?;
        if let (Some(unet), Some(width)) = (&unet, text_width(&text_encoder, &second_text_encoder))
            && !unet.is_plain()
            && unet.cross_attention_dim != width
        {
            let missing = match (&text_encoder, &second_text_encoder) {
                (Some(_), None) if unet.added().is_some() => Some(SECOND_TEXT),
                (None, Some(_)) if unet.cross_attention_dim > width => Some("text_encoder"),
                _ => None,
            };
            if let Some(part) = missing {
                return Err(ModelError::MissingPart { folder: path, part });
            }
            return Err(ModelError::unsupported(
                "UNet2DConditionModel",
                "cross_attention_dim",
                unet.cross_attention_dim,
                format!("the text encoder's states are {width} wide"),
            ));
        }
        let folder = Self {
            path,
            unet,
            first_stage,
            // Refiners have the second alone, and were trained without zeros.
            is_nothing_zero: says_zeros.unwrap_or(text_encoder.is_some()),
            text_encoder,
            second_text_encoder,
            layout_encoder,
            semantic_encoder,
            class_encoder,
            layout_prior,
            scheduler,
            manifest,
            held: WeightDtype::F32,
            keeps_halves: false,
            is_in_turn: false,
            one_file: None,
            original: words.map(OriginalConditioner::Tokens),
            watch: None,
        };
        folder.check_conditions()?;
        Ok(folder)
    }

    /// The same folder, with somebody who is told while its weights are read and can
    /// end that: reading then fails with [`ModelError::BrokenOff`].
    #[must_use]
    pub fn watched(self, watch: ReadWatch) -> Self {
        Self {
            watch: Some(watch),
            ..self
        }
    }

    /// The same folder, whose reading nobody watches.
    #[must_use]
    pub(super) fn unwatched(self) -> Self {
        Self {
            watch: None,
            ..self
        }
    }

    /// The same folder, of whose large networks no more than one will be in memory at a
    /// time. Models that are told more than words and masks are small, and read as usual.
    #[must_use]
    pub fn in_turn(self) -> Self {
        let is_possible = turns::are_possible(&self.manifest.inputs) && self.original().is_none();
        Self {
            is_in_turn: is_possible && self.unet.is_some(),
            ..self
        }
    }

    /// Whether networks will be read when their turn comes.
    pub fn is_in_turn(&self) -> bool {
        self.is_in_turn
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

    /// Configuration of the first stage.
    ///
    /// # Errors
    /// If the model has none.
    pub fn first_stage_config(&self) -> Result<&FirstStageConfig, ModelError> {
        self.first_stage_place().map(|place| &place.config)
    }

    pub(in crate::model) fn first_stage_place(&self) -> Result<&FirstStagePlace, ModelError> {
        self.first_stage.as_ref().ok_or_else(|| match self.unet {
            Some(_) => ModelError::NoAutoencoder(self.path.clone()),
            None => self.missing("autoencoder (vae)"),
        })
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

    /// Configuration of the encoder of boxes.
    ///
    /// # Errors
    /// If the model has none.
    pub fn layout_encoder_config(&self) -> Result<&LayoutEncoderConfig, ModelError> {
        self.layout_encoder
            .as_ref()
            .ok_or_else(|| self.missing("encoder of boxes (layout_encoder)"))
    }

    /// Configuration of the encoder of label maps.
    ///
    /// # Errors
    /// If the model has none.
    pub fn semantic_encoder_config(&self) -> Result<&SemanticEncoderConfig, ModelError> {
        self.semantic_encoder
            .as_ref()
            .ok_or_else(|| self.missing("encoder of label maps (semantic_encoder)"))
    }

    /// Configuration of the encoder of classes.
    ///
    /// # Errors
    /// If the model has none.
    pub fn class_encoder_config(&self) -> Result<&ClassEncoderConfig, ModelError> {
        self.class_encoder
            .as_ref()
            .ok_or_else(|| self.missing("encoder of classes (class_encoder)"))
    }

    /// The JSON of `scheduler_config.json`; null where there is none.
    pub fn scheduler_config(&self) -> Value {
        self.scheduler.clone()
    }

    /// What can be asked of the model and how it is used: its `studio.json`, or
    /// what the configurations imply.
    pub fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    /// Reads the denoiser.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_unet(&self, device: &Device) -> Result<UNet2d, ModelError> {
        let network = self.unet_config()?.init(device)?;
        let source = self.weights("unet", UNET)?;
        weights::load(
            network,
            source.as_ref(),
            &names::DENOISER,
            "UNet2DConditionModel",
            self.held_for(source.as_ref()),
        )
    }

    /// Reads the text encoder.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_text_encoder(&self, device: &Device) -> Result<ClipTextModel, ModelError> {
        let network = self.text_encoder_config()?.init(device)?;
        let source = self.weights("text_encoder", TEXT)?;
        weights::load(
            network,
            source.as_ref(),
            &names::CLIP_TEXT,
            "CLIPTextModel",
            self.held_for(source.as_ref()),
        )
    }

    /// Reads the encoder of boxes.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_layout_encoder(&self, device: &Device) -> Result<LayoutEncoder, ModelError> {
        let network = self.layout_encoder_config()?.init(device)?;
        let source = self.weights(LAYOUT, UNET)?;
        weights::load(
            network,
            source.as_ref(),
            &names::DIFFUSERS,
            "LayoutEncoder",
            self.held_for(source.as_ref()),
        )
    }

    /// Reads the encoder of label maps.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_semantic_encoder(&self, device: &Device) -> Result<SemanticEncoder, ModelError> {
        let network = self.semantic_encoder_config()?.init(device)?;
        let source = self.weights(SEMANTIC, UNET)?;
        weights::load(
            network,
            source.as_ref(),
            &names::DIFFUSERS,
            "SemanticEncoder",
            self.held_for(source.as_ref()),
        )
    }

    /// Reads the encoder of classes; `None` where the denoiser has their embeddings.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_class_encoder(&self, device: &Device) -> Result<Option<ClassEncoder>, ModelError> {
        if self.unet_config()?.classes().is_some() {
            return Ok(None);
        }
        let network = self.class_encoder_config()?.init(device)?;
        let source = self.weights(CLASS, UNET)?;
        weights::load(
            network,
            source.as_ref(),
            &names::DIFFUSERS,
            "ClassEncoder",
            self.held_for(source.as_ref()),
        )
        .map(Some)
    }

    /// Whether it places boxes for words.
    pub fn has_layout_prior(&self) -> bool {
        self.layout_prior.is_some()
    }

    /// Reads what places boxes for words; `None` where the model has none. It is small, and
    /// asked token by token: it stays on the processor.
    ///
    /// # Errors
    /// If its weights are damaged or do not fit.
    pub fn load_layout_prior(&self) -> Result<Option<LayoutPrior>, ModelError> {
        let Some(config) = &self.layout_prior else {
            return Ok(None);
        };
        let device = Device::flex();
        let network = weights::load(
            config.init(&device)?,
            self.weights(PRIOR, TEXT)?.as_ref(),
            &names::CLIP_TEXT,
            "LayoutPrior",
            WeightDtype::F32,
        )?;
        LayoutPrior::new(config.clone(), self.tokenizer()?, network, &device).map(Some)
    }

    /// Reads the tokenizer.
    ///
    /// # Errors
    /// If there is none, its files do not fit together, or it knows more tokens
    /// than the text encoder.
    pub fn tokenizer(&self) -> Result<ClipTokenizer, ModelError> {
        self.tokenizer_of("tokenizer", self.text_encoder.as_ref())
    }

    fn tokenizer_of(
        &self,
        part: &'static str,
        text: Option<&ClipTextConfig>,
    ) -> Result<ClipTokenizer, ModelError> {
        let folder = self.path.join(part);
        let tokenizer = match &self.one_file {
            Some(file) => file.tokenizer(part)?,
            None if !folder.is_dir() => return Err(self.missing(part)),
            None => ClipTokenizer::open(&folder)?,
        };
        let Some(text) = text else {
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

    fn missing(&self, part: &'static str) -> ModelError {
        ModelError::MissingPart {
            folder: self.path.clone(),
            part,
        }
    }

    fn weights(&self, component: &str, stem: &str) -> Result<Box<dyn WeightSource>, ModelError> {
        let source = match &self.one_file {
            Some(file) => file.weights(component, stem),
            None => weights::find(&self.path.join(component), stem)?,
        };
        Ok(self.told(source))
    }

    /// Tells who watches of a network of so many bytes that is read later, as if it were.
    ///
    /// # Errors
    /// If reading is to end.
    pub(in crate::model) fn tell_later(&self, bytes: usize) -> Result<(), ModelError> {
        match &self.watch {
            Some(watch) if !watch.goes_on(bytes as u64) => {
                Err(ModelError::BrokenOff(self.path.clone()))
            }
            _ => Ok(()),
        }
    }

    /// A source whose reading is told of, if somebody wants to know.
    fn told(&self, source: Box<dyn WeightSource>) -> Box<dyn WeightSource> {
        match self.watch.clone() {
            Some(watch) => Box::new(Watched { source, watch }),
            None => source,
        }
    }
}
