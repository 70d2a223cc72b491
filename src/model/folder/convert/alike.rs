//! Whether a file would be read as the model that is written into it.

use serde_json::Value;

use crate::model::folder::edm;
use crate::model::{Architecture, ClipTextConfig, FirstStageConfig, ModelError, ModelFolder};

/// Keys of a scheduler for which every single file stands for the same.
const SCHEDULE: [&str; 4] = [
    "beta_start",
    "beta_end",
    "beta_schedule",
    "num_train_timesteps",
];
/// Keys of a scheduler that change the noise, and that hardly a single file tells.
const UNTOLD: [&str; 2] = ["trained_betas", "rescale_betas_zero_snr"];

/// What is lost of a model in a file that is read as `read`: the end of a sentence about
/// the file; `None` if nothing is.
pub(super) fn lost(model: &ModelFolder, read: &ModelFolder) -> Result<Option<String>, ModelError> {
    let denoisers = (model.unet_config()?, read.unet_config()?);
    let (own, other) = (
        attending(denoisers.0.architecture()?),
        attending(denoisers.1.architecture()?),
    );
    if own != other {
        let heads = |architecture: &Architecture| {
            let levels = architecture.levels.iter();
            levels.map(|level| level.heads).collect::<Vec<_>>()
        };
        return Ok(Some(match heads(&own) == heads(&other) {
            true => "its denoiser is unlike those of such files".into(),
            false => format!(
                "it does not tell the heads of attention, which are {:?} and would be taken for {:?}",
                heads(&own),
                heads(&other)
            ),
        }));
    }
    let stages = (model.first_stage_config()?, read.first_stage_config()?);
    if stages.0.kind().codec()? != stages.1.kind().codec()? || stages.0.info() != stages.1.info() {
        return Ok(Some("its autoencoder is unlike those of such files".into()));
    }
    let [own, other] = [stages.0, stages.1].map(scaling);
    if own != other {
        return Ok(Some(format!(
            "it does not tell what latents are multiplied by, which is {} and would be taken for {}",
            own[0], other[0]
        )));
    }
    let channels = |config: &FirstStageConfig| match config {
        FirstStageConfig::Kl(config) => config.scaling().channels,
        _ => None,
    };
    if channels(stages.0) != channels(stages.1) {
        return Ok(Some(
            "it does not tell the mean and the deviation of each channel of latents".into(),
        ));
    }
    Ok(lost_words(model, read)?.or_else(|| lost_noise(&model.scheduler, &read.scheduler)))
}

/// A denoiser without what is said of heads on levels that have no attention; those of the
/// middle are the last level's.
fn attending(mut architecture: Architecture) -> Architecture {
    let last = architecture.levels.len().saturating_sub(1);
    for (index, level) in architecture.levels.iter_mut().enumerate() {
        let is_middle = index == last && architecture.middle.depth() > 0;
        if !is_middle && !level.attends() {
            level.heads = 0;
        }
    }
    architecture
}

/// Factor and shift of the latents.
fn scaling(config: &FirstStageConfig) -> [f64; 2] {
    match config {
        FirstStageConfig::Kl(config) => [config.scaling_factor, config.shift_factor.unwrap_or(0.0)],
        FirstStageConfig::Vq(config) => [config.scaling_factor, 0.0],
        FirstStageConfig::Tiny(config) => {
            [config.scaling_factor, config.shift_factor.unwrap_or(0.0)]
        }
        FirstStageConfig::Pixels(_) => [1.0, 0.0],
    }
}

fn lost_words(model: &ModelFolder, read: &ModelFolder) -> Result<Option<String>, ModelError> {
    let unlike = "its text encoder is unlike those of such files";
    for (own, other) in [
        (&model.text_encoder, &read.text_encoder),
        (&model.second_text_encoder, &read.second_text_encoder),
    ] {
        match (own, other) {
            (Some(own), Some(other)) if !is_same_text(own, other) => {
                return Ok(Some(unlike.into()));
            }
            (Some(_), Some(_)) | (None, None) => {}
            _ => return Ok(Some("it has no place for its text encoder".into())),
        }
    }
    let is_first_other = match model.text_encoder {
        Some(_) => !model.tokenizer()?.reads_like(&read.tokenizer()?),
        None => false,
    };
    let is_second_other = match model.second_text_encoder {
        Some(_) => !model
            .second_tokenizer()?
            .reads_like(&read.second_tokenizer()?),
        None => false,
    };
    if is_first_other || is_second_other {
        let what = "it has no place for a vocabulary, and that of the model is not CLIP's";
        return Ok(Some(what.into()));
    }
    let is_told = model.second_text_encoder.is_some();
    let is_zero_other = is_told && model.is_nothing_zero != read.is_nothing_zero;
    Ok(is_zero_other.then(|| {
        "it does not tell force_zeros_for_empty_prompt, which is other than in such files".into()
    }))
}

/// Whether two text encoders make the same of their weights.
fn is_same_text(own: &ClipTextConfig, other: &ClipTextConfig) -> bool {
    let sizes = |config: &ClipTextConfig| {
        [
            config.vocab_size,
            config.hidden_size,
            config.intermediate_size,
            config.num_hidden_layers,
            config.num_attention_heads,
            config.max_position_embeddings,
        ]
    };
    sizes(own) == sizes(other)
        && own.hidden_act == other.hidden_act
        && own.layer_norm_eps == other.layer_norm_eps
        && own.projection_width() == other.projection_width()
}

/// What a scheduler of EDM tells of its noise; `None` of others.
fn edm(scheduler: &Value) -> Option<[&Value; 5]> {
    let keys = [
        "sigma_min",
        "sigma_max",
        "sigma_data",
        "sigma_schedule",
        "prediction_type",
    ];
    edm::is_one(scheduler).then(|| keys.map(|key| &scheduler[key]))
}

fn lost_noise(own: &Value, other: &Value) -> Option<String> {
    let is_told = |value: &Value| !value.is_null() && *value != Value::Bool(false);
    let is_lost = |key: &&str| is_told(&own[*key]) && own[*key] != other[*key];
    if let Some(key) = UNTOLD.into_iter().find(|key| is_lost(key)) {
        return Some(format!("it does not tell the {key} of the scheduler"));
    }
    if edm(own) != edm(other) {
        return Some("it does not tell the noise of EDM that the model was trained with".into());
    }
    let predicts = |value: &Value| {
        let told = value["prediction_type"].as_str();
        told.unwrap_or("epsilon").to_owned()
    };
    if predicts(own) != predicts(other) {
        return Some(format!(
            "it does not tell that the denoiser predicts {}",
            predicts(own)
        ));
    }
    if own.is_null() {
        // Without a scheduler it paints by what is usual, as such files do.
        return None;
    }
    let differs = |key: &str| match (own[key].as_f64(), other[key].as_f64()) {
        (Some(own), Some(other)) => (own - other).abs() > 1e-9,
        _ => own[key] != other[key],
    };
    let key = SCHEDULE.into_iter().find(|key| differs(key))?;
    Some(format!(
        "it does not tell the {key} of the scheduler, which is {} and would be taken for {}",
        own[key], other[key]
    ))
}
