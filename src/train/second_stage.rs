//! The networks of a diffusion run: out of a model, or new ones.

use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};

use super::TrainError;
use super::config::TrainConfig;
use super::usual;
use crate::model::conditioner::Encoders;
use crate::model::conditioner::layout::{LayoutEncoder, LayoutEncoderConfig};
use crate::model::conditioner::semantic::{SemanticEncoder, SemanticEncoderConfig};
use crate::model::{
    ClipTextModel, ClipTokenizer, FirstStage, Manifest, ModelFolder, SharedWeights, UNet2d,
    WeightDtype, groups_of, load_first_stage,
};
use crate::recipe::TrainSpec;

/// Everything that a diffusion run is made of.
pub(super) struct SecondStage {
    pub unet: UNet2d,
    pub text_encoder: ClipTextModel,
    pub is_text_trained: bool,
    /// For a model that takes boxes.
    pub layout_encoder: Option<LayoutEncoder>,
    /// For a model that takes label maps.
    pub semantic_encoder: Option<SemanticEncoder>,
    /// Without autodiff.
    pub first_stage: Box<dyn FirstStage>,
    /// Where its weights lie.
    pub first_stage_weights: Option<SharedWeights>,
    pub tokenizer: ClipTokenizer,
    pub scheduler: Value,
    pub studio: Manifest,
    /// What latents are multiplied by; `None` where it has to be measured.
    pub factor: Option<f64>,
}

/// Opens or makes the networks that a job names; `device` is with autodiff.
pub(super) fn open(
    spec: &TrainSpec,
    config: &TrainConfig,
    device: &Device,
    captions: &[String],
) -> Result<SecondStage, TrainError> {
    let stage = match &spec.from {
        Some(from) => {
            let mut stage = from_model(&ModelFolder::open(from)?, config, device)?;
            stage.studio = renamed(stage.studio, &spec.output);
            stage
        }
        None => from_scratch(spec, config, device, captions)?,
    };
    let latents = stage.first_stage.info();
    let latent = latents.channels;
    if stage.unet.config().out_channels != latent {
        return Err(TrainError::setting(format!(
            "the denoiser answers in {} channels, but the autoencoder's latents have {latent}",
            stage.unet.config().out_channels
        )));
    }
    stage.studio.validate()?;
    let layout = stage.layout_encoder.as_ref().map(LayoutEncoder::config);
    let semantic = stage.semantic_encoder.as_ref();
    let semantic = semantic.map(SemanticEncoder::config);
    let mut groups = Vec::new();
    for input in &stage.studio.inputs {
        groups.extend(groups_of(input, latents, layout, semantic)?);
    }
    if let Some(layout) = layout
        && layout.hidden_size != stage.unet.config().cross_attention_dim
    {
        return Err(TrainError::setting(format!(
            "the denoiser listens to tokens {} wide, but those of boxes are {}",
            stage.unet.config().cross_attention_dim,
            layout.hidden_size
        )));
    }
    stage.studio.fits(stage.unet.config(), latent, &groups)?;
    let factor = latents.factor as u32;
    if !spec.size_px.is_multiple_of(factor) {
        return Err(TrainError::setting(format!(
            "the autoencoder makes 1 latent of {factor} pixels; choose a picture size that {factor} divides"
        )));
    }
    Ok(stage)
}

/// What a model that was trained further says of itself: it is another one, and
/// the figures of the one it began with no longer hold.
fn renamed(mut studio: Manifest, output: &Path) -> Manifest {
    let Some(name) = output.file_name() else {
        return studio;
    };
    let name = name.to_string_lossy().into_owned();
    let mut card = format!(
        "# {name}\n\nTrained further with Velatura from {}.\n",
        studio.name
    );
    if !studio.model_card.is_empty() {
        card += "\n---\n\nWhat was said of the model that it began with:\n\n";
        card += &studio.model_card;
    }
    studio.model_card = card;
    studio.name = name;
    studio
}

fn from_model(
    folder: &ModelFolder,
    config: &TrainConfig,
    device: &Device,
) -> Result<SecondStage, TrainError> {
    let plain = device.clone().inner();
    let scheduler = match &config.scheduler {
        Some(scheduler) => scheduler.clone(),
        None => folder.scheduler_config(),
    };
    if !scheduler.is_object() {
        return Err(TrainError::setting(format!(
            "\u{201c}{}\u{201d} has no scheduler_config.json, which says how noise is added",
            folder.path().display()
        )));
    }
    // A model that says of itself nothing else can be told words.
    folder.text_encoder_config()?;
    let encoders = Encoders::load(folder, device)?;
    let Some((tokenizer, text_encoder)) = encoders.text else {
        return Err(TrainError::setting("the model cannot be told words"));
    };
    let first_stage_weights = SharedWeights::of(folder.path());
    let first_stage = folder.load_first_stage(&plain)?;
    Ok(SecondStage {
        unet: folder.load_unet(device)?,
        text_encoder,
        is_text_trained: false,
        layout_encoder: encoders.layout,
        semantic_encoder: encoders.semantic,
        factor: Some(first_stage.scaling().factor),
        first_stage,
        first_stage_weights,
        tokenizer,
        scheduler,
        studio: folder.manifest(),
    })
}

fn from_scratch(
    spec: &TrainSpec,
    config: &TrainConfig,
    device: &Device,
    captions: &[String],
) -> Result<SecondStage, TrainError> {
    let first_stage = spec.first_stage.as_ref().ok_or_else(|| {
        TrainError::setting(
            "a diffusion model from random weights needs a first stage: a model with a trained autoencoder",
        )
    })?;
    let first_stage_weights = SharedWeights::of(first_stage);
    let first_stage = load_first_stage(first_stage, WeightDtype::F32, &device.clone().inner())?;
    let latents = first_stage.info();
    let latent_side = spec.size_px as usize / latents.factor;
    // What the configuration leaves open fits to what it says.
    let text_width = match (&config.unet, &config.text_encoder) {
        (Some(unet), _) => unet.cross_attention_dim,
        (None, Some(text)) => text.hidden_size,
        (None, None) => usual::text_width(latent_side),
    };
    let mut unet = config
        .unet
        .clone()
        .unwrap_or_else(|| usual::unet(latent_side, latents.channels, text_width));
    let mut text = config
        .text_encoder
        .clone()
        .unwrap_or_else(|| usual::text_encoder(text_width));
    let scheduler = config.scheduler.clone().unwrap_or_else(usual::scheduler);
    if unet.cross_attention_dim != text.hidden_size {
        return Err(TrainError::setting(format!(
            "the denoiser listens to texts {} wide, but the text encoder's are {}",
            unet.cross_attention_dim, text.hidden_size
        )));
    }
    let length = config
        .tokenizer
        .model_max_length
        .unwrap_or(text.max_position_embeddings);
    if length > text.max_position_embeddings {
        return Err(TrainError::setting(format!(
            "texts of {length} tokens are too long for the text encoder, which takes {}",
            text.max_position_embeddings
        )));
    }
    let tokenizer = ClipTokenizer::train(
        captions.iter().map(String::as_str),
        config.tokenizer.vocab_size,
        length,
    )?;
    text.vocab_size = tokenizer.vocab_size();
    // transformers looks for the end of a text by its number.
    for (key, token) in [
        ("bos_token_id", tokenizer.start_token()),
        ("eos_token_id", tokenizer.end_token()),
        ("pad_token_id", tokenizer.pad_token()),
    ] {
        text.other.insert(key.into(), json!(token));
    }
    unet.sample_size = Some(json!(latent_side));
    let mut studio = config
        .studio
        .clone()
        .unwrap_or_else(|| usual::studio(&unet, &first_stage.configuration()));
    studio.resolution_px = spec.size_px;
    let studio = studio.with_text(Some(&text));
    let layout = config.layout_encoder.as_ref();
    let layout = layout.map(|sizes: &LayoutEncoderConfig| sizes.init(device));
    let semantic = config.semantic_encoder.as_ref();
    let semantic = semantic.map(|sizes: &SemanticEncoderConfig| sizes.init(device));
    Ok(SecondStage {
        unet: unet.init(device)?,
        text_encoder: text.init(device)?,
        is_text_trained: true,
        layout_encoder: layout.transpose()?,
        semantic_encoder: semantic.transpose()?,
        first_stage,
        first_stage_weights,
        tokenizer,
        scheduler,
        studio,
        factor: None,
    })
}
