//! Models in one file.

use std::collections::BTreeMap;

use std::path::Path;
use std::sync::Arc;

use super::super::ModelError;
use super::super::folder::FewSteps;
use super::super::paper::{
    AVERAGES, ClipKind, ClipSizes, FIRST_STAGE, Joined, Layout, OriginalAttention,
    OriginalConditioner, OriginalConfig, OriginalFirstStage, OriginalUnet, Seen, ToldConditioner,
    UNET, is_leftover, matching,
};
use super::super::weights::{self, Gathered, WeightSource, is_alike};
use super::{Family, Inspection, NO_AUTOENCODER, Task, foreign, precision, prediction, usual};

/// A file that was opened, and what it is.
#[derive(Debug)]
pub(in crate::model) struct SingleFile {
    pub source: Arc<dyn WeightSource>,
    pub inspection: Inspection,
    pub unet: Option<OriginalUnet>,
    pub first_stage: Option<OriginalFirstStage>,
    pub conditioner: OriginalConditioner,
    /// What its YAML file tells, or that of the released model that it is.
    pub told: Option<OriginalConfig>,
    /// Whether the file says that the last step of its noise leaves nothing of a picture.
    pub has_zero_end: bool,
    /// Where the weights lie that are used, by the names of those that are not averaged.
    pub used: BTreeMap<String, Gathered>,
}

impl SingleFile {
    /// Opens a file and tells what it is; `config` is its YAML file, if that is not the
    /// one beside it. No weights are read.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is of a kind that is no model here.
    pub fn open(path: &Path, config: Option<&Path>) -> Result<Self, ModelError> {
        foreign::check_bytes(path)?;
        Self::of(weights::open(path)?.into(), config)
    }

    /// Tells what an opened file is.
    ///
    /// # Errors
    /// As [`Self::open`], of what names, shapes and its configuration tell.
    pub fn of(source: Arc<dyn WeightSource>, config: Option<&Path>) -> Result<Self, ModelError> {
        let source = usual::named(source);
        let Found {
            inspection,
            parts,
            told,
            used,
        } = inspect(source.as_ref(), config)?;
        Ok(Self {
            has_zero_end: source.shape("ztsnr").is_some(),
            source,
            inspection,
            unet: parts.unet,
            first_stage: parts.first_stage,
            conditioner: parts.conditioner,
            told,
            used,
        })
    }
}

/// The parts of a model, by what is known of their sizes.
struct Parts {
    unet: Option<OriginalUnet>,
    first_stage: Option<OriginalFirstStage>,
    conditioner: OriginalConditioner,
}

/// What an opened file is.
struct Found {
    inspection: Inspection,
    parts: Parts,
    told: Option<OriginalConfig>,
    used: BTreeMap<String, Gathered>,
}

/// Tells what an opened file is.
///
/// # Errors
/// If it is of a kind that is no model here, or its configuration cannot be read.
fn inspect(source: &dyn WeightSource, config: Option<&Path>) -> Result<Found, ModelError> {
    let path = source.path();
    let names = source.names();
    let seen = Seen::new(names.filter_map(|name| Some((name, source.shape(name)?))));
    foreign::check_names(source, &seen)?;
    let bare = ["input_blocks.", "middle_block.", "output_blocks."];
    let unet_place = match seen.has(UNET) {
        true => Some(UNET),
        false if bare.iter().any(|name| seen.has(name)) => Some(""),
        false => None,
    };
    let bare = [
        "encoder.down.",
        "decoder.up.",
        "encoder.mid.",
        "decoder.mid.",
    ];
    let stage_place = match seen.has(FIRST_STAGE) {
        true => Some(FIRST_STAGE),
        false if bare.iter().any(|name| seen.has(name)) => Some(""),
        false => None,
    };
    let unknown = || ModelError::UnknownWeights {
        path: path.to_path_buf(),
        first: source
            .names()
            .next()
            .unwrap_or_default()
            .chars()
            .take(80)
            .collect(),
    };
    if source.names().next().is_none() {
        return Err(ModelError::NoTensors(path.to_path_buf()));
    }
    if unet_place.is_none() && stage_place.is_none() {
        return Err(unknown());
    }
    let beside = OriginalConfig::beside(path, config)?;
    // A file beside may be that of another checkpoint in the same folder.
    let beside =
        beside.filter(|(_, told)| config.is_some() || told.unet.is_some() == unet_place.is_some());
    let (config_path, told) = beside.unzip();
    let mut parts = parts(&seen, unet_place, stage_place, told.as_ref()).ok_or_else(unknown)?;
    let told = told.or_else(|| {
        let (unet, stage) = (parts.unet.as_ref()?, parts.first_stage.as_ref()?);
        Some(matching(unet, stage, &parts.conditioner)?.config.clone())
    });
    if let Some(told) = &told
        && config_path.is_none()
    {
        parts.unet.clone_from(&told.unet);
        if let ToldConditioner::Sized(conditioner) = &told.conditioner {
            parts.conditioner.clone_from(conditioner);
        }
    }
    let family = family(&parts);
    let task = task(&parts, told.as_ref(), family).map_err(|kind| ModelError::OtherKind {
        path: path.to_path_buf(),
        kind,
        remedy: "choose a model that paints from nothing more than words, a mask, a class, boxes, \
                 a label map or a small picture",
    })?;
    let mut notices = Vec::new();
    let later = match family {
        Family::StableDiffusionXl => OriginalConfig::later_prediction(path, config)?,
        _ => None,
    };
    let noted = later.or(told.as_ref().map(|told| told.prediction));
    let prediction = parts
        .unet
        .as_ref()
        .map(|unet| prediction::of(unet, noted, family, (&seen, source), &mut notices));
    if family == Family::LatentDiffusion
        && parts.unet.as_ref().is_some_and(|unet| unet.heads.is_none())
    {
        notices.push(
            "only its YAML file tells the heads of its attention; put it beside, or name it with --config".into(),
        );
    }
    if parts.unet.as_ref().is_some_and(|unet| unet.is_grounded) {
        notices.push("it takes boxes with any words (GLIGEN)".into());
    }
    if family != Family::LatentDiffusion {
        let few = || FewSteps::of(path).map(FewSteps::notice);
        let edm = foreign::edm_notice(&seen).filter(|_| family == Family::StableDiffusionXl);
        notices.extend(edm.or_else(few).map(str::to_owned));
    }
    if family == Family::StableDiffusionXl
        && matches!(
            parts.conditioner,
            OriginalConditioner::Both { clip: None, .. }
        )
    {
        notices.push("it is a refiner, which finishes pictures of another model".into());
    }
    if family != Family::LatentDiffusion
        && parts.first_stage.is_none()
        && parts.conditioner != OriginalConditioner::Nothing
    {
        notices.push(NO_AUTOENCODER.to_owned());
    }
    let whole = unet_place == Some(UNET);
    let needed = needed(
        &parts,
        unet_place,
        stage_place,
        whole && family != Family::LatentDiffusion,
    );
    let optional = optional(&parts, unet_place);
    let averages = averages(&parts, unet_place);
    let has_averages =
        !averages.is_empty() && averages.values().all(|name| source.shape(name).is_some());
    let mut missing = Vec::new();
    let mut mismatched = Vec::new();
    for (name, wanted) in &needed {
        let place = match source.shape(name) {
            Some(_) => Some(name.as_str()),
            // Averaged weights do as well, and better.
            None => averages
                .get(name)
                .map(String::as_str)
                .filter(|name| source.shape(name).is_some()),
        };
        match place.and_then(|place| Some((place, source.shape(place)?))) {
            None => missing.push(name.clone()),
            Some((place, found)) if !is_alike(found, wanted) => {
                mismatched.push((place.to_owned(), found.to_vec(), wanted.clone()));
            }
            Some(_) => {}
        }
    }
    let average_names: std::collections::BTreeSet<&String> = averages.values().collect();
    let is_surplus = |name: &&str| {
        !needed.contains_key(*name)
            && !optional.contains_key(*name)
            && !average_names.contains(&(*name).to_owned())
            && !is_leftover(name)
    };
    let surplus = source
        .names()
        .filter(is_surplus)
        .map(str::to_owned)
        .collect();
    let used = || {
        needed
            .keys()
            .filter(|name| source.shape(name).is_some())
            .map(String::as_str)
    };
    let count = |name: &str| {
        source
            .shape(name)
            .unwrap_or_default()
            .iter()
            .map(|axis| *axis as u64)
            .product::<u64>()
    };
    let inspection = Inspection {
        path: path.to_path_buf(),
        family,
        task,
        prediction,
        precision: precision(source, used()),
        parameters: used().map(count).sum(),
        missing,
        surplus,
        mismatched,
        has_averages,
        config: config_path,
        notices,
    };
    let placed = |(name, shape): (String, Vec<usize>)| {
        let average = averages.get(&name).filter(|_| has_averages);
        let place = average.unwrap_or(&name).clone();
        let tensor = Gathered {
            shape,
            rows: vec![(0, place)],
            is_turned: false,
        };
        (name, tensor)
    };
    let used = needed.into_iter().map(placed).collect();
    Ok(Found {
        inspection,
        parts,
        told,
        used,
    })
}

/// What the configuration tells, and of what it does not, what the file shows.
fn parts(
    seen: &Seen<'_>,
    unet_place: Option<&str>,
    stage_place: Option<&str>,
    told: Option<&OriginalConfig>,
) -> Option<Parts> {
    if let Some(told) = told {
        let conditioner = match &told.conditioner {
            ToldConditioner::Sized(conditioner) => conditioner.clone(),
            ToldConditioner::Clip(kind) => match seen.conditioner() {
                Some(found @ (OriginalConditioner::Clip(_) | OriginalConditioner::OpenClip(_))) => {
                    found
                }
                _ => usual_clip(*kind),
            },
        };
        return Some(Parts {
            unet: told.unet.clone(),
            first_stage: told.first_stage.clone(),
            conditioner,
        });
    }
    let unet = match unet_place {
        Some(place) => Some(seen.under(place).unet()?),
        None => None,
    };
    let first_stage = match stage_place {
        Some(place) => Some(seen.under(place).first_stage()?),
        None => None,
    };
    let conditioner = match unet_place {
        Some(_) => seen.conditioner()?,
        None => OriginalConditioner::Nothing,
    };
    Some(Parts {
        unet,
        first_stage,
        conditioner,
    })
}

/// The text encoders of Stable Diffusion 1 and 2.
fn usual_clip(kind: ClipKind) -> OriginalConditioner {
    match kind {
        ClipKind::Clip => OriginalConditioner::Clip(clip_sizes(768, 12)),
        ClipKind::OpenClip => OriginalConditioner::OpenClip(clip_sizes(1024, 24)),
    }
}

/// Those of Stable Diffusion XL.
fn usual_pair() -> OriginalConditioner {
    OriginalConditioner::Both {
        clip: Some(clip_sizes(768, 12)),
        open_clip: clip_sizes(1280, 32),
    }
}

fn clip_sizes(width: usize, layers: usize) -> ClipSizes {
    ClipSizes {
        width,
        inner_width: 4 * width,
        layers,
        vocabulary: 49_408,
        length: 77,
    }
}

fn family(parts: &Parts) -> Family {
    match (&parts.conditioner, &parts.unet) {
        (_, None) => Family::LatentDiffusion,
        (OriginalConditioner::Both { .. }, _) => Family::StableDiffusionXl,
        (OriginalConditioner::Clip(_), _) => Family::StableDiffusion1,
        (OriginalConditioner::OpenClip(_), _) => Family::StableDiffusion2,
        // Text encoders are left out of some files.
        (OriginalConditioner::Nothing, Some(unet)) => family_of_denoiser(unet),
        _ => Family::LatentDiffusion,
    }
}

/// Whose models a denoiser that lies alone is like.
pub(super) fn family_of_denoiser(unet: &OriginalUnet) -> Family {
    match (unet.attention, unet.added_width) {
        (OriginalAttention::Transformer { .. }, Some(_)) => Family::StableDiffusionXl,
        (OriginalAttention::Transformer { context: 768, .. }, _) => Family::StableDiffusion1,
        (OriginalAttention::Transformer { context: 1024, .. }, _) => Family::StableDiffusion2,
        _ => Family::LatentDiffusion,
    }
}

/// What the model is for; the error is the kind of model that it is instead.
fn task(
    parts: &Parts,
    told: Option<&OriginalConfig>,
    family: Family,
) -> Result<Task, &'static str> {
    let Some(unet) = &parts.unet else {
        return Ok(Task::Autoencoder);
    };
    let (inputs, outputs) = (unet.input_channels, unet.output_channels);
    let latent = parts
        .first_stage
        .as_ref()
        .map_or(outputs, |stage| stage.latent_channels);
    let inpaints = inputs == 2 * latent + 1;
    if matches!(family, Family::StableDiffusion1 | Family::StableDiffusion2)
        && unet.added_width.is_some()
    {
        return Err("a model that varies pictures (unCLIP)");
    }
    if family != Family::LatentDiffusion {
        return match inputs {
            _ if inputs == latent => Ok(Task::TextToImage),
            _ if inpaints => Ok(Task::Inpainting),
            7 => Ok(Task::SuperResolution),
            5 => Err("a model that paints from words and depth"),
            8 => Err("a model that edits pictures by instructions"),
            _ => Err("a model whose input is not known"),
        };
    }
    Ok(match &parts.conditioner {
        _ if told.is_some_and(|told| told.joined == Joined::Added) => Task::ClassToImage,
        OriginalConditioner::Class { .. } => Task::ClassToImage,
        OriginalConditioner::Rescaler { .. } => Task::SemanticToImage,
        OriginalConditioner::FirstStage => Task::Inpainting,
        // Words, and a picture with a hole beside the latents.
        OriginalConditioner::Tokens(_) if told.is_some_and(|it| it.joined == Joined::Hybrid) => {
            Task::Inpainting
        }
        OriginalConditioner::Tokens(tokens) if tokens.reads_words => Task::TextToImage,
        OriginalConditioner::Tokens(_) => Task::LayoutToImage,
        _ if inpaints => Task::Inpainting,
        OriginalConditioner::Picture => Task::SuperResolution,
        _ if inputs > outputs && told.is_none_or(|told| told.joined == Joined::Concatenated) => {
            Task::SuperResolution
        }
        _ if unet.classes.is_some() => Task::ClassToImage,
        _ => Task::Unconditional,
    })
}

/// Names and shapes of all that is needed to paint, or to encode.
fn needed(
    parts: &Parts,
    unet_place: Option<&str>,
    stage_place: Option<&str>,
    is_stable_diffusion: bool,
) -> Layout {
    let mut needed = Layout::new();
    if let Some(unet) = &parts.unet {
        needed.extend(unet.layout(unet_place.unwrap_or(UNET)));
    }
    if let Some(stage) = &parts.first_stage {
        let place = stage_place.unwrap_or(if parts.unet.is_some() {
            FIRST_STAGE
        } else {
            ""
        });
        needed.extend(stage.layout(place));
    } else if is_stable_diffusion && parts.conditioner == OriginalConditioner::Nothing {
        needed.extend(usual_first_stage().layout(FIRST_STAGE));
    }
    if unet_place != Some("") {
        needed.extend(parts.conditioner.layout());
        if is_stable_diffusion && parts.conditioner == OriginalConditioner::Nothing {
            let context = parts.unet.as_ref().map(|unet| unet.attention);
            let is_xl = parts
                .unet
                .as_ref()
                .and_then(|unet| unet.added_width)
                .is_some();
            let conditioner = match context {
                _ if is_xl => usual_pair(),
                Some(OriginalAttention::Transformer { context: 1024, .. }) => {
                    usual_clip(ClipKind::OpenClip)
                }
                _ => usual_clip(ClipKind::Clip),
            };
            needed.extend(conditioner.layout());
        }
    }
    needed
}

/// The first stage of Stable Diffusion.
pub(in crate::model) fn usual_first_stage() -> OriginalFirstStage {
    OriginalFirstStage {
        input_channels: 3,
        output_channels: 3,
        levels: vec![128, 256, 512, 512],
        width: 128,
        layers: 2,
        attends: vec![false; 4],
        attends_in_middle: true,
        inner_channels: 4,
        latent_channels: 4,
        is_gaussian: true,
        codes: None,
    }
}

/// Names and shapes of what may be there and is not needed.
fn optional(parts: &Parts, unet_place: Option<&str>) -> Layout {
    let mut optional = Layout::new();
    if unet_place.is_none() {
        return optional;
    }
    let mut add = |name: &str| drop(optional.insert(name.to_owned(), Vec::new()));
    match &parts.conditioner {
        OriginalConditioner::Clip(_) => {
            add("cond_stage_model.transformer.text_projection.weight");
            add("cond_stage_model.logit_scale");
        }
        OriginalConditioner::OpenClip(_) => {
            for name in ["text_projection", "logit_scale", "attn_mask"] {
                add(&format!("cond_stage_model.model.{name}"));
            }
        }
        OriginalConditioner::Both { clip, .. } => {
            let second = usize::from(clip.is_some());
            for name in ["logit_scale", "attn_mask"] {
                add(&format!("conditioner.embedders.{second}.model.{name}"));
            }
            add("conditioner.embedders.0.transformer.text_projection.weight");
            add("conditioner.embedders.0.logit_scale");
        }
        OriginalConditioner::Tokens(_) => {
            add("cond_stage_model.transformer.to_logits.weight");
            add("cond_stage_model.transformer.to_logits.bias");
        }
        // The same storages under a second name.
        OriginalConditioner::FirstStage => {
            let stage = parts.first_stage.as_ref();
            optional.extend(
                stage
                    .map(|stage| stage.layout("cond_stage_model."))
                    .unwrap_or_default(),
            );
        }
        _ => {}
    }
    optional
}

/// The names of averaged weights, by those of the weights.
fn averages(parts: &Parts, unet_place: Option<&str>) -> BTreeMap<String, String> {
    let (Some(unet), Some(UNET)) = (&parts.unet, unet_place) else {
        return BTreeMap::new();
    };
    let names = unet.layout("").into_keys();
    names
        .map(|name| {
            let average = format!("{AVERAGES}diffusion_model{}", name.replace('.', ""));
            (format!("{UNET}{name}"), average)
        })
        .collect()
}
