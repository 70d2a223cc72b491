//! Where a first stage lies on disk: in a folder or file of its own, or among the
//! parts of a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use serde_json::Value;

use super::config::OpenWeights;
use super::{FirstStage, FirstStageConfig, FirstStageReference, PixelsConfig, tiny_files};
use crate::model::autoencoder::presets;
use crate::model::inspect::{SingleFile, check_bytes, only_checkpoint};
use crate::model::json::{read_config, read_json};
use crate::model::paper::{
    FIRST_STAGE, Lone, OriginalConfig, OriginalFirstStage, lacks_last_convolutions,
};
use crate::model::weights::{self, Piece, Renamed, WeightDtype, WeightSource};
use crate::model::{AutoencoderKlConfig, ModelError, ModelFolder, VqModelConfig};

/// Folders of a model that may hold it; the first is the one that is written.
const FOLDERS: [&str; 2] = ["vae", "vqvae"];
/// Names of the weights without their endings.
const WEIGHTS: &str = "diffusion_pytorch_model";
/// diffusers' pipelines whose denoisers work on pixels.
const PIXEL_PIPELINES: [&str; 3] = ["DDPMPipeline", "DDIMPipeline", "PNDMPipeline"];
/// The pipeline that does not scale latents, whatever the configuration says.
const UNSCALED_PIPELINE: &str = "LDMSuperResolutionPipeline";
/// What stands before its names in files of it alone, and of whole models.
const PLACES_IN_FILES: [&str; 3] = ["", "first_stage_model.", "vae."];
/// Classes that lie alone in a folder.
const ALONE: [&str; 3] = ["AutoencoderKL", "VQModel", "AutoencoderTiny"];
/// Side of the latents of pictures that most autoencoders were trained on.
const USUAL_LATENT_SIDE: usize = 32;
/// Stands for pixels as latents where a path is asked for.
const PIXELS: &str = "pixels";

/// Whether a path stands for pixels as latents: their name, and nothing lies there.
pub fn is_pixels(path: &Path) -> bool {
    path == Path::new(PIXELS) && !path.exists()
}

/// Reads the first stage of a model, or one that lies alone: a folder, or a file of
/// weights, in the names of diffusers or of the paper's code, with its `config.json`
/// or YAML beside it or of a released autoencoder; or `pixels`. Other parts of a model in
/// a folder are not looked at.
///
/// # Errors
/// If there is none, or it is damaged or not supported.
pub fn load_first_stage(
    path: &Path,
    held: WeightDtype,
    device: &Device,
) -> Result<Box<dyn FirstStage>, ModelError> {
    FirstStagePlace::open(path)?.load(held, device)
}

/// The configuration of what [`load_first_stage`] reads; its weights are not read.
///
/// # Errors
/// As [`load_first_stage`].
pub fn first_stage_config(path: &Path) -> Result<FirstStageConfig, ModelError> {
    FirstStagePlace::open(path).map(|place| place.config)
}

/// What tells the first stage that [`load_first_stage`] reads from all others, wherever it
/// lies.
///
/// # Errors
/// As [`load_first_stage`].
pub fn first_stage_digest(path: &Path) -> Result<String, ModelError> {
    let place = FirstStagePlace::open(path)?;
    match place.elsewhere() {
        Some((_, reference)) => Ok(reference.digest().to_owned()),
        None => place.digest(),
    }
}

/// A first stage whose configuration is read and whose weights are not.
#[derive(Clone, Debug)]
pub(in crate::model) struct FirstStagePlace {
    pub config: FirstStageConfig,
    weights: Weights,
}

/// Where the weights of a first stage lie.
#[derive(Clone, Debug)]
enum Weights {
    /// In this folder or file.
    At(PathBuf),
    /// Among those of a whole model in one file.
    Among(Arc<dyn WeightSource>, BTreeMap<String, Piece>),
    /// Where the model in this folder says that they are.
    Elsewhere(PathBuf, FirstStageReference),
    /// Nowhere: it has none.
    None,
}

impl FirstStagePlace {
    /// Finds what [`load_first_stage`] reads.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if is_pixels(path) {
            return Self::of_pixels();
        }
        if path.is_file() {
            return Self::of_file(path, None);
        }
        if let Some(file) = only_checkpoint(path) {
            return Self::of_file(&file, None);
        }
        let index = read_json(&path.join("model_index.json"))?;
        let place = Self::find(path, index.as_ref())?;
        place.ok_or_else(|| ModelError::NoFirstStage(path.to_owned()))
    }

    /// Finds the first stage of a model, or one that lies alone in a folder; `index`
    /// is the `model_index.json`, if there is one.
    ///
    /// # Errors
    /// If a configuration cannot be read or is not supported.
    pub fn find(model: &Path, index: Option<&Value>) -> Result<Option<Self>, ModelError> {
        let pipeline = index.and_then(|index| index["_class_name"].as_str());
        let pipeline = pipeline.unwrap_or_default();
        for folder in FOLDERS.map(|part| model.join(part)) {
            if let Some(config) = read_config(&folder.join("config.json"))? {
                let mut place = Self::new(as_used(config, pipeline), &folder)?;
                // What somebody put inside again is nearer.
                let is_bare = || {
                    let inside = weights::find(&folder, WEIGHTS);
                    matches!(inside, Err(ModelError::MissingWeights { .. }))
                };
                if let Some(reference) = FirstStageReference::read(&folder, model)?
                    && is_bare()
                {
                    place.weights = Weights::Elsewhere(model.to_owned(), reference);
                }
                return Ok(Some(place));
            }
        }
        if PIXEL_PIPELINES.contains(&pipeline) {
            return Self::of_pixels().map(Some);
        }
        let alone = alone_in(model)?;
        alone.map(|config| Self::new(config, model)).transpose()
    }

    /// Finds a first stage that takes the place of a model's own: what
    /// [`load_first_stage`] reads, or a file of weights alone, which is like the model's
    /// where nothing beside it says otherwise; also that of a whole model in one file.
    ///
    /// # Errors
    /// As [`load_first_stage`].
    pub fn instead_of(own: &FirstStageConfig, path: &Path) -> Result<Self, ModelError> {
        if let Some(file) = only_checkpoint(path) {
            return Self::instead_of(own, &file);
        }
        let is_told = || Ok(alone_in(path.parent().unwrap_or(Path::new("")))?.is_some());
        if !path.is_file() || is_told()? {
            return Self::open(path);
        }
        check_bytes(path)?;
        let source: Arc<dyn WeightSource> = weights::open(path)?.into();
        for place in PLACES_IN_FILES {
            let inner = source.names().filter_map(|name| {
                let inner = name.strip_prefix(place)?;
                Some((inner.to_owned(), Piece::whole(name)))
            });
            let pieces: BTreeMap<String, Piece> = inner.collect();
            let part = Renamed::new(Arc::clone(&source), pieces.clone());
            if own.kind().fits(&part) {
                return Self::among(own.clone(), source, pieces);
            }
        }
        Self::of_file(path, Some(own))
    }

    /// That of a file; `own` is the model's own where it takes the place of that.
    fn of_file(path: &Path, own: Option<&FirstStageConfig>) -> Result<Self, ModelError> {
        check_bytes(path)?;
        let file = weights::open(path)?;
        if let Some(config) = alone_in(path.parent().unwrap_or(Path::new("")))? {
            return Self::new(config, path);
        }
        if let Some(config) = told_beside(path)? {
            return Self::new(config, path);
        }
        let file: Arc<dyn WeightSource> = file.into();
        if let Some((config, weights)) = tiny_files::found(path, &file)? {
            return Self::whole(config.into(), Arc::new(weights));
        }
        let mut presets = presets::all().iter().map(|preset| &preset.config);
        if let Some(config) = presets.find(|config| config.kind().fits(file.as_ref())) {
            return Self::new(config.clone(), path);
        }
        let usual_vq = VqModelConfig::default().scaling_factor;
        match Lone::of(file.as_ref()) {
            Some(Lone::FirstStage(stage)) => {
                Self::told_by_names(&stage, own, path, &file, usual_vq)
            }
            Some(Lone::Unet(_)) => Self::of_whole(path),
            None => match original_alone(&file) {
                // The paper's code leaves latents of a codebook as they are.
                Some(stage) => Self::told_by_names(&stage, own, path, &file, 1.0),
                None => Self::of_whole(path),
            },
        }
    }

    /// One that lies alone, whose sizes its names tell. What latents are multiplied by they
    /// do not: it is that of a model's own if it makes such latents, else what diffusers
    /// takes where nothing is told, or `usual_vq` for those of a codebook.
    fn told_by_names(
        stage: &OriginalFirstStage,
        own: Option<&FirstStageConfig>,
        path: &Path,
        source: &Arc<dyn WeightSource>,
        usual_vq: f64,
    ) -> Result<Self, ModelError> {
        let side_px = USUAL_LATENT_SIDE << stage.levels.len().saturating_sub(1);
        let scale_factor = match stage.is_gaussian {
            true => AutoencoderKlConfig::default().scaling_factor,
            false => usual_vq,
        };
        let config = stage.config(side_px, scale_factor);
        let mut config = config.map_err(|message| ModelError::Json {
            path: path.to_path_buf(),
            message,
        })?;
        let within = source.names().filter_map(|name| {
            let inner = name.strip_prefix(FIRST_STAGE)?;
            Some((inner.to_owned(), Piece::whole(name)))
        });
        let within: BTreeMap<String, Piece> = within.collect();
        if let FirstStageConfig::Kl(config) = &mut config
            && within.is_empty()
            && lacks_last_convolutions(source.as_ref())
        {
            (config.use_quant_conv, config.use_post_quant_conv) = (false, false);
        }
        if let Some(own) = own {
            config.take_from(own);
        }
        match within.is_empty() {
            true => Self::new(config, path),
            false => Self::among(config, Arc::clone(source), within),
        }
    }

    /// A first stage that is all there is in a source, by diffusers' names.
    fn whole(config: FirstStageConfig, source: Arc<dyn WeightSource>) -> Result<Self, ModelError> {
        let names = source
            .names()
            .map(|name| (name.to_owned(), Piece::whole(name)));
        let pieces = names.collect();
        Self::among(config, source, pieces)
    }

    /// That of a whole model in one file.
    fn of_whole(path: &Path) -> Result<Self, ModelError> {
        match ModelFolder::open(path) {
            Ok(folder) => folder.first_stage_place().cloned(),
            // What lies alone and is none of the released ones, or nothing of the kind.
            Err(ModelError::PaintsNothing(_) | ModelError::UnknownWeights { .. }) => {
                Err(ModelError::UnknownFirstStage(path.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    fn new(config: FirstStageConfig, weights: &Path) -> Result<Self, ModelError> {
        config.validate()?;
        let weights = match config {
            FirstStageConfig::Pixels(_) => Weights::None,
            _ => Weights::At(weights.to_owned()),
        };
        Ok(Self { config, weights })
    }

    fn of_pixels() -> Result<Self, ModelError> {
        Self::new(PixelsConfig::default().into(), Path::new(PIXELS))
    }

    /// Whether it is no network.
    pub fn has_no_weights(&self) -> bool {
        matches!(self.weights, Weights::None)
    }

    /// Where it lies, if not in the folder of the model, which is the first.
    pub fn elsewhere(&self) -> Option<(&Path, &FirstStageReference)> {
        match &self.weights {
            Weights::Elsewhere(model, reference) => Some((model, reference)),
            _ => None,
        }
    }

    /// A first stage whose weights lie among those of a whole model: where each of
    /// them lies, by its name in diffusers.
    ///
    /// # Errors
    /// If the configuration is not supported.
    pub fn among(
        config: FirstStageConfig,
        source: Arc<dyn WeightSource>,
        pieces: BTreeMap<String, Piece>,
    ) -> Result<Self, ModelError> {
        config.validate()?;
        let weights = Weights::Among(source, pieces);
        Ok(Self { config, weights })
    }

    /// Its weights.
    ///
    /// # Errors
    /// If there are none, or a file is damaged.
    pub fn weights(&self) -> Result<Box<dyn WeightSource>, ModelError> {
        match &self.weights {
            Weights::At(path) if path.is_file() => weights::open(path),
            Weights::At(path) => weights::find(path, WEIGHTS),
            Weights::Among(source, pieces) => {
                let part = Renamed::new(Arc::clone(source), pieces.clone());
                Ok(Box::new(part))
            }
            Weights::Elsewhere(model, reference) => reference.find(model, &self.config)?.weights(),
            Weights::None => weights::find(Path::new(PIXELS), WEIGHTS),
        }
    }

    /// The same, whose files are open from now on; names and shapes fit the network.
    ///
    /// # Errors
    /// As [`Self::load`], of what they tell.
    pub fn opened(&self) -> Result<Self, ModelError> {
        let opened = Self::whole(self.config.clone(), self.weights()?.into())?;
        self.config.kind().placed(&|| opened.weights())?;
        Ok(opened)
    }

    /// Reads the network.
    ///
    /// # Errors
    /// If its weights are damaged or do not fit.
    pub fn load(
        &self,
        held: WeightDtype,
        device: &Device,
    ) -> Result<Box<dyn FirstStage>, ModelError> {
        self.load_from(&|| self.weights(), held, device)
    }

    /// Reads the network from weights that are asked for if there are any to read.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_from(
        &self,
        weights: OpenWeights<'_>,
        held: WeightDtype,
        device: &Device,
    ) -> Result<Box<dyn FirstStage>, ModelError> {
        self.config.kind().load(weights, held, device)
    }
}

/// The sizes of a first stage that lies alone and whole in a file by the paper's names.
fn original_alone(file: &Arc<dyn WeightSource>) -> Option<OriginalFirstStage> {
    let found = SingleFile::of(Arc::clone(file), None).ok()?;
    let told = &found.inspection;
    let is_whole = told.missing.is_empty() && told.mismatched.is_empty();
    found
        .first_stage
        .filter(|_| found.unet.is_none() && is_whole)
}

/// The configuration of a first stage that lies alone in a folder.
fn alone_in(folder: &Path) -> Result<Option<FirstStageConfig>, ModelError> {
    let path = folder.join("config.json");
    let class = read_json::<Value>(&path)?.map(|config| config["_class_name"].clone());
    if class.is_some_and(|class| ALONE.iter().any(|known| class == *known)) {
        return read_config(&path);
    }
    Ok(None)
}

/// The configuration of a first stage that lies alone in a file, by the YAML of the
/// paper's code beside it.
fn told_beside(path: &Path) -> Result<Option<FirstStageConfig>, ModelError> {
    let Some((yaml, told)) = OriginalConfig::beside(path, None)? else {
        return Ok(None);
    };
    let stage = told.first_stage.filter(|_| told.unet.is_none());
    let side_px = told.resolution_px.unwrap_or_default();
    let config = stage.map(|stage| stage.config(side_px, told.scale_factor));
    config.transpose().map_err(|message| ModelError::Json {
        path: yaml,
        message,
    })
}

/// The configuration as the model's pipeline understands it.
fn as_used(config: FirstStageConfig, pipeline: &str) -> FirstStageConfig {
    match config {
        FirstStageConfig::Vq(mut config) if pipeline == UNSCALED_PIPELINE => {
            config.scaling_factor = 1.0;
            FirstStageConfig::Vq(config)
        }
        config => config,
    }
}
