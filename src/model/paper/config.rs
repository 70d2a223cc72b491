//! The YAML beside an original checkpoint.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::ModelError;
use super::parts::{check_halvings, conditioner, first_stage, unet};
use super::sgm;
use super::told::part;
use super::yaml::{parse, read_yaml};
use super::{ClipKind, OriginalConditioner, OriginalFirstStage, OriginalUnet};

/// What a denoiser says of noisy latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalPrediction {
    /// The noise.
    Epsilon,
    /// The velocity.
    Velocity,
    /// The latents without noise.
    Sample,
}

/// Where a denoiser is told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Nowhere.
    Nowhere,
    /// As further channels of its input.
    Concatenated,
    /// As a context of its attention.
    Attended,
    /// Both.
    Hybrid,
    /// Added to the embedding of time.
    Added,
}

/// The noise that a model was trained with.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginalSchedule {
    /// The paper's name of it: its `linear` is diffusers' `scaled_linear`.
    pub name: String,
    /// Variance of the first step.
    pub start: f64,
    /// Variance of the last step.
    pub end: f64,
    /// Steps.
    pub steps: usize,
}

/// What is told of a conditioner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToldConditioner {
    /// With its sizes.
    Sized(OriginalConditioner),
    /// A text encoder whose sizes only its weights tell.
    Clip(ClipKind),
}

/// A configuration of the paper's code.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginalConfig {
    /// The denoiser; `None` for a first stage alone.
    pub unet: Option<OriginalUnet>,
    /// The first stage; `None` where pictures are their own latents.
    pub first_stage: Option<OriginalFirstStage>,
    /// Side of the pictures that the first stage was trained on.
    pub resolution_px: Option<usize>,
    /// Side of the latents that the denoiser was trained on.
    pub latent_side: Option<usize>,
    /// What the denoiser is told.
    pub conditioner: ToldConditioner,
    /// Whether what tells it learns along with it.
    pub is_conditioner_trained: bool,
    /// Where it is told that.
    pub joined: Joined,
    /// What the denoiser says.
    pub prediction: OriginalPrediction,
    /// The noise.
    pub schedule: OriginalSchedule,
    /// What latents are multiplied by for the denoiser.
    pub scale_factor: f64,
    /// Whether that number lies in the checkpoint instead.
    pub is_scaled_by_deviation: bool,
    /// Whether averaged weights were kept.
    pub has_averages: bool,
}

impl OriginalConfig {
    /// The configuration of a checkpoint: the named one, else `<stem>.yaml` or
    /// `config.yaml` beside it, if that is one of the paper's code.
    ///
    /// # Errors
    /// If a named file is not there or none of the paper's code, or one asks for
    /// something that is not known.
    pub fn beside(
        checkpoint: &Path,
        named: Option<&Path>,
    ) -> Result<Option<(PathBuf, Self)>, ModelError> {
        for path in places(checkpoint, named) {
            let found = Self::open(&path)?;
            // Another program's settings may be called so too.
            let is_wanted =
                named.is_some() && !opened_model(&path)?.as_ref().is_some_and(sgm::is_one);
            if found.is_none() && is_wanted {
                return Err(unclear(&path, "it has no model with a target".into()));
            }
            if let Some(found) = found {
                return Ok(Some((path, found)));
            }
        }
        Ok(None)
    }

    /// What the denoiser of a checkpoint predicts by a YAML file of Stability's later code,
    /// which is looked for as in [`Self::beside`]; `None` where there is none.
    ///
    /// # Errors
    /// If it cannot be read or asks for something that is not known.
    pub fn later_prediction(
        checkpoint: &Path,
        named: Option<&Path>,
    ) -> Result<Option<OriginalPrediction>, ModelError> {
        for path in places(checkpoint, named) {
            if let Some(model) = opened_model(&path)?.filter(sgm::is_one) {
                return sgm::prediction(&model).map_err(|message| unclear(&path, message));
            }
        }
        Ok(None)
    }

    /// Reads a file; `None` where it is no configuration of a model.
    ///
    /// # Errors
    /// If it cannot be read or asks for something that is not known.
    pub fn open(path: &Path) -> Result<Option<Self>, ModelError> {
        let missing = || unclear(path, "it is not there".into());
        let whole = read_yaml(path)?.ok_or_else(missing)?;
        let config = Self::of_value(&whole).map_err(|message| unclear(path, message))?;
        config.as_ref().map_or(Ok(()), Self::validate)?;
        Ok(config)
    }

    /// Reads what a file holds; `None` where it is no configuration of a model.
    ///
    /// # Errors
    /// What it asks for that is not known.
    pub(super) fn of_value(whole: &Value) -> Result<Option<Self>, String> {
        let model = model_of(whole).filter(|model| !sgm::is_one(model));
        model.map(Self::read).transpose()
    }

    /// Reads a text; `None` where it is no configuration of a model.
    ///
    /// # Errors
    /// If it is no YAML, or asks for something that is not known.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        Self::of_value(&parse(text)?)
    }

    fn validate(&self) -> Result<(), ModelError> {
        self.unet.as_ref().map_or(Ok(()), OriginalUnet::validate)?;
        let first_stage = self.first_stage.as_ref();
        first_stage.map_or(Ok(()), OriginalFirstStage::validate)?;
        match &self.conditioner {
            ToldConditioner::Sized(conditioner) => conditioner.validate(),
            ToldConditioner::Clip(_) => Ok(()),
        }
    }

    fn read(model: &Value) -> Result<Self, String> {
        let (class, told) = part(model, "model")?;
        let schedule = OriginalSchedule {
            name: told.text("beta_schedule").unwrap_or("linear").to_owned(),
            start: told.number("linear_start")?.unwrap_or(1e-4),
            end: told.number("linear_end")?.unwrap_or(2e-2),
            steps: told.size("timesteps")?.unwrap_or(1000),
        };
        let alone = first_stage(model, "model");
        if let Ok(Some((first_stage, resolution))) = alone {
            return Ok(Self {
                unet: None,
                first_stage: Some(first_stage),
                resolution_px: Some(resolution),
                latent_side: None,
                conditioner: ToldConditioner::Sized(OriginalConditioner::Nothing),
                is_conditioner_trained: false,
                joined: Joined::Nowhere,
                prediction: OriginalPrediction::Epsilon,
                schedule,
                scale_factor: 1.0,
                is_scaled_by_deviation: false,
                has_averages: false,
            });
        }
        if told.value("unet_config").is_none() {
            alone?;
            return Err(format!("model with the target {class} is not known"));
        }
        let prediction = match told.text("parameterization") {
            None | Some("eps") => OriginalPrediction::Epsilon,
            Some("v") => OriginalPrediction::Velocity,
            Some("x0") => OriginalPrediction::Sample,
            Some(other) => return Err(format!("parameterization = {other} is not known")),
        };
        let nothing = Value::Null;
        let conditioner = conditioner(told.value("cond_stage_config").unwrap_or(&nothing))?;
        let is_told = conditioner != ToldConditioner::Sized(OriginalConditioner::Nothing);
        let joined = match told.text("conditioning_key") {
            _ if !is_told => Joined::Nowhere,
            Some("concat") => Joined::Concatenated,
            Some("crossattn") => Joined::Attended,
            Some("hybrid") => Joined::Hybrid,
            Some("adm") => Joined::Added,
            Some(other) => return Err(format!("conditioning_key = {other} is not known")),
            None if told.flag("concat_mode")?.unwrap_or(true) => Joined::Concatenated,
            None => Joined::Attended,
        };
        let stage = told.value("first_stage_config").unwrap_or(&nothing);
        let (first_stage, resolution_px) = first_stage(stage, "first_stage_config")?.unzip();
        let conditioned = told.value("cond_stage_config").unwrap_or(&nothing);
        check_halvings(conditioned, first_stage.as_ref())?;
        Ok(Self {
            unet: Some(unet(told.value("unet_config").unwrap_or(&nothing))?),
            first_stage,
            resolution_px,
            // Lists of two sides stand there too, for pictures that are not square.
            latent_side: told.size("image_size").ok().flatten(),
            conditioner,
            is_conditioner_trained: told.flag("cond_stage_trainable")?.unwrap_or(false),
            joined,
            prediction,
            schedule,
            scale_factor: told.number("scale_factor")?.unwrap_or(1.0),
            is_scaled_by_deviation: told.flag("scale_by_std")?.unwrap_or(false),
            has_averages: told.flag("use_ema")?.unwrap_or(true),
        })
    }
}

/// Where the YAML file of a checkpoint may lie: where it is named, else beside.
fn places(checkpoint: &Path, named: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = named {
        return vec![path.to_path_buf()];
    }
    let own = checkpoint.with_extension("yaml");
    let shared = checkpoint.with_file_name("config.yaml");
    [own, shared]
        .into_iter()
        .filter(|path| path.is_file())
        .collect()
}

/// What a YAML file tells of a model, by whichever code.
fn model_of(whole: &Value) -> Option<&Value> {
    let model = whole.get("model");
    model.filter(|model| model.get("target").is_some())
}

/// The same, read from the file.
fn opened_model(path: &Path) -> Result<Option<Value>, ModelError> {
    let whole = read_yaml(path)?;
    Ok(whole.as_ref().and_then(model_of).cloned())
}

fn unclear(path: &Path, message: String) -> ModelError {
    ModelError::Json {
        path: path.to_path_buf(),
        message,
    }
}
