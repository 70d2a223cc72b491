//! The YAML beside an original checkpoint.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::ModelError;
use super::yaml::read_yaml;
use super::{
    ClipKind, OriginalAttention, OriginalConditioner, OriginalFirstStage, OriginalHeads,
    OriginalLevel, OriginalUnet, TokenTransformer,
};

/// Words of BERT's vocabulary, and classes of ImageNet: what the code takes where
/// a configuration says nothing.
const USUAL_VOCABULARY: usize = 30_522;
const USUAL_LENGTH: usize = 77;
const USUAL_CLASSES: usize = 1000;

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
    /// What the denoiser is told.
    pub conditioner: ToldConditioner,
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
        if let Some(path) = named {
            let found = Self::open(path)?;
            let found =
                found.ok_or_else(|| unclear(path, "it has no model with a target".into()))?;
            return Ok(Some((path.to_path_buf(), found)));
        }
        let own = checkpoint.with_extension("yaml");
        let shared = checkpoint.with_file_name("config.yaml");
        for path in [own, shared] {
            // Another program's settings may be called so too.
            if path.is_file()
                && let Some(found) = Self::open(&path)?
            {
                return Ok(Some((path, found)));
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
        let Some(model) = whole
            .get("model")
            .filter(|model| model.get("target").is_some())
        else {
            return Ok(None);
        };
        let config = Self::read(model).map_err(|message| unclear(path, message))?;
        config.validate()?;
        Ok(Some(config))
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
        if let Ok(Some(first_stage)) = alone {
            return Ok(Self {
                unet: None,
                first_stage: Some(first_stage),
                conditioner: ToldConditioner::Sized(OriginalConditioner::Nothing),
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
        Ok(Self {
            unet: Some(unet(told.value("unet_config").unwrap_or(&nothing))?),
            first_stage: first_stage(stage, "first_stage_config")?,
            conditioner,
            joined,
            prediction,
            schedule,
            scale_factor: told.number("scale_factor")?.unwrap_or(1.0),
            is_scaled_by_deviation: told.flag("scale_by_std")?.unwrap_or(false),
            has_averages: told.flag("use_ema")?.unwrap_or(true),
        })
    }
}

fn unclear(path: &Path, message: String) -> ModelError {
    ModelError::Json {
        path: path.to_path_buf(),
        message,
    }
}

/// The parameters of a part, and what they are called in errors.
#[derive(Clone, Copy)]
struct Told<'a> {
    params: Option<&'a Map<String, Value>>,
    whose: &'a str,
}

impl<'a> Told<'a> {
    fn value(self, key: &str) -> Option<&'a Value> {
        self.params?.get(key).filter(|value| !value.is_null())
    }

    fn text(self, key: &str) -> Option<&'a str> {
        self.value(key)?.as_str()
    }

    fn wrong(self, key: &str, value: &Value, wanted: &str) -> String {
        let value = value.to_string();
        let shown: String = value.chars().take(40).collect();
        format!(
            "{} with {key} = {shown} is not supported: it must be {wanted}",
            self.whose
        )
    }

    fn flag(self, key: &str) -> Result<Option<bool>, String> {
        let read = |value: &Value| {
            value
                .as_bool()
                .ok_or_else(|| self.wrong(key, value, "True or False"))
        };
        self.value(key).map(read).transpose()
    }

    fn number(self, key: &str) -> Result<Option<f64>, String> {
        let read = |value: &Value| {
            value
                .as_f64()
                .ok_or_else(|| self.wrong(key, value, "a number"))
        };
        self.value(key).map(read).transpose()
    }

    fn size(self, key: &str) -> Result<Option<usize>, String> {
        let read = |value: &Value| size(value).ok_or_else(|| self.wrong(key, value, "a size"));
        self.value(key).map(read).transpose()
    }

    fn need(self, key: &str) -> Result<usize, String> {
        self.size(key)?
            .ok_or_else(|| format!("{} has no {key}", self.whose))
    }

    fn sizes(self, key: &str) -> Result<Option<Vec<usize>>, String> {
        let read = |value: &Value| {
            let items = value
                .as_array()
                .and_then(|items| items.iter().map(size).collect());
            items.ok_or_else(|| self.wrong(key, value, "a list of sizes"))
        };
        self.value(key).map(read).transpose()
    }
}

fn size(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?)
        .ok()
        .filter(|size| *size <= 1 << 32)
}

/// The class and the parameters of a part.
fn part<'a>(value: &'a Value, whose: &'a str) -> Result<(&'a str, Told<'a>), String> {
    let class = value.get("target").and_then(Value::as_str);
    let class = class.ok_or_else(|| format!("{whose} has no target"))?;
    let params = value.get("params").and_then(Value::as_object);
    Ok((class, Told { params, whose }))
}

fn last(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

fn unet(value: &Value) -> Result<OriginalUnet, String> {
    let (class, told) = part(value, "unet_config")?;
    if last(class) != "UNetModel" {
        return Err(format!(
            "unet_config with the target {class} is not supported: only UNetModel is"
        ));
    }
    let width = told.need("model_channels")?;
    let rates = told.sizes("attention_resolutions")?.unwrap_or_default();
    let multipliers = told
        .sizes("channel_mult")?
        .unwrap_or_else(|| vec![1, 2, 4, 8]);
    let is_transformer = told.flag("use_spatial_transformer")?.unwrap_or(false);
    let depths = match told.value("transformer_depth") {
        Some(Value::Array(_)) => told.sizes("transformer_depth")?.unwrap_or_default(),
        _ => vec![told.size("transformer_depth")?.unwrap_or(1); multipliers.len()],
    };
    if depths.len() != multipliers.len() {
        return Err(
            "unet_config has another number of transformer_depth than of channel_mult".into(),
        );
    }
    let level = |(index, multiplier): (usize, &usize)| OriginalLevel {
        channels: width.saturating_mul(*multiplier),
        depth: match rates.contains(&1_usize.checked_shl(index as u32).unwrap_or(0)) {
            true if is_transformer => depths[index],
            true => 1,
            false => 0,
        },
    };
    let attention = if is_transformer {
        OriginalAttention::Transformer {
            context: told.need("context_dim")?,
            is_linear: told.flag("use_linear_in_transformer")?.unwrap_or(false),
        }
    } else {
        OriginalAttention::Plain
    };
    let is_given = |key| {
        // -1 stands for what is not said.
        match told.value(key).and_then(Value::as_i64) {
            Some(-1) => Ok(None),
            _ => told.size(key),
        }
    };
    let heads = match (is_given("num_head_channels")?, is_given("num_heads")?) {
        (Some(width), _) => OriginalHeads::Width(width),
        (None, Some(count)) => OriginalHeads::Count(count),
        (None, None) => {
            return Err("unet_config has neither num_heads nor num_head_channels".into());
        }
    };
    Ok(OriginalUnet {
        input_channels: told.need("in_channels")?,
        output_channels: told.need("out_channels")?,
        width,
        levels: multipliers.iter().enumerate().map(level).collect(),
        layers: told.need("num_res_blocks")?,
        middle_depth: depths.last().copied().unwrap_or(1).max(1),
        attention,
        heads: Some(heads),
        is_scale_shift: told.flag("use_scale_shift_norm")?.unwrap_or(false),
        resamples_in_blocks: told.flag("resblock_updown")?.unwrap_or(false),
        classes: told.size("num_classes")?,
        added_width: None,
    })
}

fn first_stage(value: &Value, whose: &str) -> Result<Option<OriginalFirstStage>, String> {
    let (class, told) = part(value, whose)?;
    let codes = match last(class) {
        "AutoencoderKL" => None,
        "VQModel" | "VQModelInterface" => Some(told.need("n_embed")?),
        "IdentityFirstStage" | "Identity" => return Ok(None),
        _ => return Err(format!("{whose} with the target {class} is not known")),
    };
    let told = Told {
        params: told.value("ddconfig").and_then(Value::as_object),
        whose: "ddconfig",
    };
    let width = told.need("ch")?;
    let multipliers = told.sizes("ch_mult")?.ok_or("ddconfig has no ch_mult")?;
    let resolution = told.need("resolution")?;
    let attended = told.sizes("attn_resolutions")?.unwrap_or_default();
    let attends_at_all = told.text("attn_type") != Some("none");
    let side = |index: usize| resolution.checked_shr(index as u32).unwrap_or(0);
    let levels = 0..multipliers.len();
    let (_, outer) = part(value, whose)?;
    Ok(Some(OriginalFirstStage {
        input_channels: told.need("in_channels")?,
        output_channels: told.need("out_ch")?,
        levels: multipliers
            .iter()
            .map(|m| width.saturating_mul(*m))
            .collect(),
        width,
        layers: told.need("num_res_blocks")?,
        attends: levels
            .map(|index| attends_at_all && attended.contains(&side(index)))
            .collect(),
        attends_in_middle: attends_at_all,
        inner_channels: told.need("z_channels")?,
        latent_channels: outer.need("embed_dim")?,
        is_gaussian: told.flag("double_z")?.unwrap_or(true),
        codes,
    }))
}

fn conditioner(value: &Value) -> Result<ToldConditioner, String> {
    let sized = |conditioner| Ok(ToldConditioner::Sized(conditioner));
    match value.as_str() {
        Some("__is_unconditional__") => return sized(OriginalConditioner::Nothing),
        Some("__is_first_stage__") => return sized(OriginalConditioner::FirstStage),
        _ if value.is_null() => return sized(OriginalConditioner::Nothing),
        _ => {}
    }
    let (class, told) = part(value, "cond_stage_config")?;
    match last(class) {
        "Identity" => sized(OriginalConditioner::Picture),
        "ClassEmbedder" => sized(OriginalConditioner::Class {
            classes: told.size("n_classes")?.unwrap_or(USUAL_CLASSES),
            width: told.need("embed_dim")?,
        }),
        "SpatialRescaler" => match told.size("out_channels")? {
            Some(outputs) => sized(OriginalConditioner::Rescaler {
                inputs: told.size("in_channels")?.unwrap_or(3),
                outputs,
                has_bias: told.flag("bias")?.unwrap_or(false),
            }),
            None => sized(OriginalConditioner::Picture),
        },
        "BERTEmbedder" | "TransformerEmbedder" => {
            let words = told.flag("use_tokenizer")?;
            sized(OriginalConditioner::Tokens(TokenTransformer {
                width: told.need("n_embed")?,
                layers: told.need("n_layer")?,
                vocabulary: told.size("vocab_size")?.unwrap_or(USUAL_VOCABULARY),
                length: told.size("max_seq_len")?.unwrap_or(USUAL_LENGTH),
                reads_words: words.unwrap_or(last(class) == "BERTEmbedder"),
            }))
        }
        "FrozenCLIPEmbedder" => Ok(ToldConditioner::Clip(ClipKind::Clip)),
        "FrozenOpenCLIPEmbedder" => Ok(ToldConditioner::Clip(ClipKind::OpenClip)),
        _ => Err(format!(
            "cond_stage_config with the target {class} is not known"
        )),
    }
}
