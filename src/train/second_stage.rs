//! The networks of a diffusion run: out of a model, or new ones.

use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};

use super::TrainError;
use super::config::TrainConfig;
use super::holdings::Holdings;
use super::kinds::{NewModel, new_model};
use super::latent_store::LatentStore;
use super::paper_form::{PaperEncoder, PaperForm};
use super::pictures::Pictures;
use super::{box_classes, limits, usual};
use crate::model::conditioner::Encoders;
use crate::model::conditioner::class::ClassEncoder;
use crate::model::conditioner::layout::LayoutEncoder;
use crate::model::conditioner::semantic::SemanticEncoder;
use crate::model::{
    ClipTextConfig, ClipTextModel, ClipTokenizer, FirstStage, FirstStageReference, Manifest,
    ModelFolder, SharedWeights, UNet2d, UNet2dConfig, WeightDtype, first_stage_digest, groups_of,
    load_first_stage,
};
use crate::recipe::palette::is_same_name;
use crate::recipe::{InputSpec, MaskConvention, TrainSpec, TrainTask};

/// Names that a sentence lists.
const NAMED: usize = 6;

/// Everything that a diffusion run is made of.
pub(super) struct SecondStage {
    pub unet: UNet2d,
    /// For a model that takes words.
    pub text: Option<(ClipTokenizer, ClipTextModel)>,
    pub is_text_trained: bool,
    /// For a model that takes boxes.
    pub layout_encoder: Option<LayoutEncoder>,
    /// For a model that takes label maps.
    pub semantic_encoder: Option<SemanticEncoder>,
    /// For a model that takes a class, unless the denoiser has the table.
    pub class_encoder: Option<ClassEncoder>,
    /// For a model of the paper's code that is told in its own way, and the network if it
    /// learns along.
    pub paper: Option<(PaperForm, Option<PaperEncoder>)>,
    /// Without autodiff.
    pub first_stage: Box<dyn FirstStage>,
    /// Where its weights lie.
    pub first_stage_weights: Option<SharedWeights>,
    /// The same, for a model that will not have it in its own folder.
    pub first_stage_reference: Option<FirstStageReference>,
    /// Which it is; `None` for one without weights.
    pub digest: Option<String>,
    /// What was encoded with it before.
    pub store: Option<LatentStore>,
    pub scheduler: Value,
    pub studio: Manifest,
    /// What latents are multiplied by; `None` where it has to be measured.
    pub factor: Option<f64>,
    /// What of the pictures the model will not learn, in sentences for the user.
    pub remarks: Vec<String>,
}

/// Opens or makes the networks that a job names; `device` is with autodiff.
pub(super) fn open(
    spec: &TrainSpec,
    config: &TrainConfig,
    device: &Device,
    pictures: &Pictures,
) -> Result<SecondStage, TrainError> {
    let mut stage = match &spec.from {
        Some(from) => {
            let mut stage = from_model(&ModelFolder::open(from)?, config, device)?;
            if let Some(task) = spec.task {
                check_task(&stage.studio, task)?;
            }
            stage.studio = renamed(stage.studio, spec.model_name());
            stage
        }
        None => from_scratch(spec, config, device, pictures)?,
    };
    if stage.studio.takes_text() {
        stage.remarks.extend(pictures.holdings.without_captions());
    }
    stage
        .remarks
        .extend(spec.task.and_then(|task| pictures.holdings.lacking(task)));
    let form = stage.paper.as_mut().map(|(form, _)| form);
    let found = box_classes::take_up(&mut stage.studio, form, &pictures.holdings)?;
    stage.remarks.extend(found);
    stage
        .remarks
        .extend(unknown_classes(&stage.studio, &pictures.holdings)?);
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
    // Those of the paper's code were checked when their model was opened.
    let is_papers = stage.paper.is_some();
    for input in stage.studio.inputs.iter().filter(|_| !is_papers) {
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
    if !is_papers {
        stage.studio.fits(stage.unet.config(), latent, &groups)?;
    }
    if let Some(path) = spec.from.as_ref().or(spec.first_stage.as_ref()) {
        if spec.share_first_stage && is_papers {
            return Err(TrainError::setting(
                "a model of the paper's code has its first stage inside and cannot refer to it; leave its sharing out",
            ));
        }
        if spec.share_first_stage {
            stage.first_stage_reference = FirstStageReference::to(path)?;
        }
        (stage.digest, stage.store) = known(spec, path, stage.first_stage.as_ref())?;
    }
    limits::check_side(spec.size_px, latents)?;
    Ok(stage)
}

/// Which first stage lies at `path`, where it has weights, and what was encoded with it in
/// earlier runs, if any of that is to be kept.
pub(super) fn known(
    spec: &TrainSpec,
    path: &Path,
    first_stage: &dyn FirstStage,
) -> Result<(Option<String>, Option<LatentStore>), TrainError> {
    if first_stage.parameter_count() == 0 {
        return Ok((None, None));
    }
    let digest = first_stage_digest(path)?;
    let root = spec.latent_cache.as_ref();
    let store = root.map(|root| LatentStore::open(root, &digest, spec.size_px));
    Ok((Some(digest), store))
}

/// Checks that a model that is trained further learns a task and nothing else.
fn check_task(studio: &Manifest, task: TrainTask) -> Result<(), TrainError> {
    let is_right = match (&studio.inputs[..], task) {
        ([], TrainTask::Unconditional) => true,
        ([only], _) => matches!(
            (only, task),
            (InputSpec::Class { .. }, TrainTask::Class)
                | (InputSpec::Text { .. }, TrainTask::Text)
                | (InputSpec::Layout { .. }, TrainTask::Layout)
                | (InputSpec::Semantic { .. }, TrainTask::Semantic)
                | (InputSpec::Mask { .. }, TrainTask::Inpaint)
                | (InputSpec::LowResolution { .. }, TrainTask::SuperResolution)
        ),
        _ => false,
    };
    if is_right {
        return Ok(());
    }
    let takes: Vec<&str> = studio.inputs.iter().map(InputSpec::label).collect();
    let takes = match takes.is_empty() {
        true => "nothing that it could be told".to_owned(),
        false => takes.join(", "),
    };
    Err(TrainError::setting(format!(
        "the model takes {takes}, and learns on as it is; leave the task out, or begin with random weights"
    )))
}

/// Class folders that a model which has its classes already does not know.
///
/// # Errors
/// If it knows none of them.
fn unknown_classes(studio: &Manifest, holdings: &Holdings) -> Result<Option<String>, TrainError> {
    let Some(known) = studio.classes() else {
        return Ok(None);
    };
    let is_known = |name: &&String| known.iter().any(|known| is_same_name(known, name));
    let (known, unknown): (Vec<&String>, Vec<&String>) =
        holdings.classes.iter().partition(is_known);
    let names: Vec<&str> = unknown
        .iter()
        .take(NAMED)
        .map(|name| name.as_str())
        .collect();
    let names = names.join(", ");
    if known.is_empty() {
        return Err(TrainError::setting(match unknown.is_empty() {
            true => "the model paints classes, but the pictures lie in no class folders".to_owned(),
            false => format!(
                "none of the class folders ({names}) is called like a class that the model paints"
            ),
        }));
    }
    Ok((!unknown.is_empty()).then(|| {
        format!(
            "pictures in folders that are no classes of the model train it without a class: {names}"
        )
    }))
}

/// What a model that was trained further says of itself: it is another one, and
/// the figures of the one it began with no longer hold.
fn renamed(mut studio: Manifest, name: String) -> Manifest {
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
    let encoders = Encoders::load(folder, device)?;
    let paper = encoders.original.map(|it| PaperForm::new(folder, it));
    let paper = paper.transpose()?;
    let studio = folder.manifest();
    if studio.mask_convention() == Some(MaskConvention::KeptLatents) {
        return Err(TrainError::setting(
            "GLIGEN's inpainting model can be painted with but not trained here; begin with its model for painting from nothing",
        ));
    }
    if folder.unet_config()?.guidance_width().is_some() {
        return Err(TrainError::setting(
            "guidance was taught to this model, which can be painted with but not trained here; begin with the model that it was made of",
        ));
    }
    let unet = folder.load_unet(device)?;
    if !studio.inputs.iter().any(InputSpec::is_attended) && !unet.config().is_plain() {
        // Denoisers with cross-attention must be told something.
        folder.text_encoder_config()?;
    }
    let first_stage_weights = SharedWeights::of(folder.path());
    let first_stage = folder.load_first_stage(&plain)?;
    Ok(SecondStage {
        unet,
        text: encoders.text,
        is_text_trained: false,
        layout_encoder: encoders.layout,
        semantic_encoder: encoders.semantic,
        class_encoder: encoders.class,
        paper,
        factor: Some(first_stage.scaling().factor),
        first_stage,
        first_stage_weights,
        first_stage_reference: None,
        digest: None,
        store: None,
        scheduler,
        studio,
        remarks: Vec::new(),
    })
}

fn from_scratch(
    spec: &TrainSpec,
    config: &TrainConfig,
    device: &Device,
    pictures: &Pictures,
) -> Result<SecondStage, TrainError> {
    let first_stage = spec.first_stage.as_ref().ok_or_else(|| {
        TrainError::setting(
            "a diffusion model from random weights needs a first stage: a model with a trained autoencoder",
        )
    })?;
    let first_stage_weights = SharedWeights::of(first_stage);
    let first_stage = load_first_stage(first_stage, WeightDtype::F32, &device.clone().inner())?;
    first_stage.configuration().check_encoder()?;
    let NewModel {
        unet,
        text,
        layout,
        semantic,
        class,
        studio,
    } = new_model(
        spec,
        config,
        &first_stage.configuration(),
        &pictures.holdings,
    )?;
    let text = text.map(|text| new_text(text, &unet, config, device, &pictures.captions));
    let text = text.transpose()?;
    Ok(SecondStage {
        unet: unet.init(device)?,
        is_text_trained: text.is_some(),
        text,
        layout_encoder: layout.map(|sizes| sizes.init(device)).transpose()?,
        semantic_encoder: semantic.map(|sizes| sizes.init(device)).transpose()?,
        class_encoder: class.map(|sizes| sizes.init(device)).transpose()?,
        paper: None,
        first_stage,
        first_stage_weights,
        first_stage_reference: None,
        digest: None,
        store: None,
        scheduler: config.scheduler.clone().unwrap_or_else(usual::scheduler),
        studio,
        factor: None,
        remarks: Vec::new(),
    })
}

/// A new text encoder and its vocabulary, learnt from the captions.
fn new_text(
    mut text: ClipTextConfig,
    unet: &UNet2dConfig,
    config: &TrainConfig,
    device: &Device,
    captions: &[String],
) -> Result<(ClipTokenizer, ClipTextModel), TrainError> {
    if unet.cross_attention_dim != text.hidden_size {
        return Err(TrainError::setting(format!(
            "the denoiser listens to texts {} wide, but the text encoder's are {}",
            unet.cross_attention_dim, text.hidden_size
        )));
    }
    let given = config.tokenizer.model_max_length;
    let length = given.unwrap_or(text.max_position_embeddings);
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
    let network = text.init(device)?;
    Ok((tokenizer, network))
}
