//! A model in one file, with the original names, taken for a folder of diffusers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::few_steps::FewSteps;
use super::{ModelFolder, TEXT, UNET, completed, latent_diffusion, stable_diffusion_xl};
use crate::model::inspect::{Family, Inspection, Predicts, SingleFile, Task};
use crate::model::paper::{
    ClipSizes, FIRST_STAGE, Lone, OriginalAttention, OriginalConditioner, OriginalFirstStage,
    OriginalHeads, OriginalUnet,
};
use crate::model::weights::{self, Part, Piece, Renamed, WeightDtype, WeightSource};
use crate::model::{ClipTextConfig, ClipTokenizer, HiddenAct, Manifest, ModelError};

/// The vocabulary of CLIP, which single files are without.
const MERGES: &str = include_str!("../../../assets/clip/merges.txt");

/// Heads of attention of Stable Diffusion 1, which no file tells.
const HEADS: usize = 8;
/// What the latents of Stable Diffusion are multiplied by.
pub(super) const SCALE_FACTOR: f64 = 0.18215;
/// Channels of a head of Stable Diffusion 2, and of all text encoders.
pub(super) const HEAD_WIDTH: usize = 64;
/// Side of the latents that a model was trained on, and that of those that predict
/// velocity.
const SAMPLE_SIZES: [usize; 2] = [64, 96];
/// Layers of OpenCLIP's text encoder that Stable Diffusion 2 does not use.
pub(super) const UNUSED_LAYERS: usize = 1;
/// The token with which OpenCLIP's texts are filled up.
const FILLER: &str = "!";

/// Where text encoders lie in a file.
const TEXTS: [&str; 2] = ["cond_stage_model.", "conditioner."];

/// The parts of a file, by the folders of diffusers in which they would lie.
#[derive(Debug)]
pub(super) struct OneFile {
    pub parts: BTreeMap<&'static str, Pieces>,
    pub source: Arc<dyn WeightSource>,
    /// The tokenizer that fills texts up as OpenCLIP's do.
    pub filled: Option<&'static str>,
}

/// Where the weights of a part lie, by diffusers' names.
pub(super) type Pieces = BTreeMap<String, Piece>;

impl OneFile {
    /// The parts of a file, without text.
    pub fn new(parts: BTreeMap<&'static str, Pieces>, source: Arc<dyn WeightSource>) -> Self {
        Self {
            parts,
            source,
            filled: None,
        }
    }

    /// The weights of a part, by diffusers' names.
    pub fn weights(&self, part: &str, stem: &str) -> Box<dyn WeightSource> {
        debug_assert!(stem == UNET || stem == TEXT);
        let names = self.parts.get(part).cloned().unwrap_or_default();
        Box::new(Renamed::new(Arc::clone(&self.source), names))
    }

    /// CLIP's own tokenizer, as the folder of diffusers would have it.
    pub fn tokenizer(&self, part: &str) -> Result<ClipTokenizer, ModelError> {
        let tokenizer = ClipTokenizer::from_merges(MERGES)?;
        if self.filled == Some(part) {
            return Ok(tokenizer.padded_with(FILLER));
        }
        Ok(tokenizer)
    }
}

/// Opens a model in one file.
///
/// # Errors
/// If it is of a kind that does not open yet, or lacks weights: what it is and the
/// first that is missing.
pub(super) fn open(path: &Path, yaml: Option<&Path>) -> Result<ModelFolder, ModelError> {
    let file = SingleFile::open(path, yaml).map_err(|error| match error {
        ModelError::UnknownWeights { .. } => alone(path).unwrap_or(error),
        error => error,
    });
    of_file(path, file?)
}

/// What a file of one network by diffusers' names is instead of a model.
fn alone(path: &Path) -> Option<ModelError> {
    let source = weights::open(path).ok()?;
    Some(match Lone::of(source.as_ref())? {
        Lone::FirstStage(_) => ModelError::PaintsNothing(path.to_path_buf()),
        Lone::Unet(_) => ModelError::DenoiserAlone(path.to_path_buf()),
    })
}

/// The same of a file whose headers are read.
pub(super) fn of_file(path: &Path, file: SingleFile) -> Result<ModelFolder, ModelError> {
    check_parts(path, &file)?;
    check(path, &file.inspection)?;
    match file.inspection.family {
        Family::LatentDiffusion => latent_diffusion::open(path, file),
        Family::StableDiffusionXl => stable_diffusion_xl::open(path, file),
        _ => stable_diffusion(path, file),
    }
}

/// Refuses files in which whole networks are not: nothing was lost of them.
fn check_parts(path: &Path, file: &SingleFile) -> Result<(), ModelError> {
    let Some(unet) = &file.unet else {
        return Ok(());
    };
    let has = |place: &str| file.source.names().any(|name| name.starts_with(place));
    let is_told = TEXTS.iter().any(|place| has(place));
    let attends_to_words = matches!(unet.attention, OriginalAttention::Transformer { .. });
    match is_told || has(FIRST_STAGE) {
        false if attends_to_words => Err(ModelError::DenoiserAlone(path.to_path_buf())),
        _ => Ok(()),
    }
}

fn stable_diffusion(path: &Path, file: SingleFile) -> Result<ModelFolder, ModelError> {
    let SingleFile {
        source,
        inspection,
        unet,
        first_stage,
        conditioner,
        ..
    } = file;
    let Some(unet) = unet else {
        return Err(refused(path, &inspection));
    };
    let (text, is_second) = match conditioner {
        OriginalConditioner::Clip(sizes) => (sizes, false),
        OriginalConditioner::OpenClip(sizes) if sizes.layers > UNUSED_LAYERS => (sizes, true),
        _ => return Err(refused(path, &inspection)),
    };
    let is_velocity = inspection.prediction == Some(Predicts::Velocity);
    let few = FewSteps::of(path);
    let sample_size = SAMPLE_SIZES[usize::from(is_velocity)];
    let sample_size = few.map_or(sample_size, |few| few.sample_size(sample_size));
    let unet = OriginalUnet {
        heads: Some(match is_second {
            true => OriginalHeads::Width(HEAD_WIDTH),
            false => OriginalHeads::Count(HEADS),
        }),
        ..unet
    };
    let unet_config = unet.config(sample_size)?;
    let stage = completed::own(
        path,
        first_stage.as_ref(),
        sample_size,
        SCALE_FACTOR,
        &source,
    )?;
    let unused = if is_second { UNUSED_LAYERS } else { 0 };
    let layers = text.layers - unused;
    let text_encoder = text_config(text, layers, is_second);
    unet_config.validate()?;
    text_encoder.validate()?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let stage_config = stage.as_ref().map(|stage| &stage.config);
    let manifest = Manifest::derive(name, Some(&unet_config), stage_config);
    let manifest = manifest.with_text(Some(&text_encoder));
    let manifest = few.map_or(manifest.clone(), |few| few.manifest(manifest));
    manifest.validate()?;
    let scheduler = schedule("PNDMScheduler", is_velocity);
    let folder = ModelFolder {
        path: path.to_path_buf(),
        unet: Some(unet_config),
        first_stage: stage,
        text_encoder: Some(text_encoder),
        second_text_encoder: None,
        is_nothing_zero: false,
        layout_encoder: None,
        semantic_encoder: None,
        class_encoder: None,
        layout_prior: None,
        scheduler: few.map_or(scheduler.clone(), |few| few.scheduler(scheduler)),
        manifest,
        held: WeightDtype::F32,
        keeps_halves: false,
        is_in_turn: false,
        watch: None,
        one_file: Some(Arc::new(OneFile {
            parts: BTreeMap::from([
                ("unet", denoiser(&unet, inspection.has_averages)),
                (
                    "text_encoder",
                    if is_second {
                        open_clip("cond_stage_model.model", text, layers)
                    } else {
                        clip(source.names(), "cond_stage_model.transformer.")
                    },
                ),
            ]),
            source,
            filled: is_second.then_some("tokenizer"),
        })),
        original: None,
    };
    folder.check_conditions()?;
    Ok(folder)
}

pub(super) fn unclear(path: &Path, message: String) -> ModelError {
    ModelError::Json {
        path: path.to_path_buf(),
        message,
    }
}

pub(super) fn refused(path: &Path, inspection: &Inspection) -> ModelError {
    ModelError::NotYet {
        path: path.to_path_buf(),
        family: inspection.family.label(),
        task: inspection.task.id(),
    }
}

/// Refuses what is no model of a kind that opens, or lacks weights.
pub(super) fn check(path: &Path, inspection: &Inspection) -> Result<(), ModelError> {
    if inspection.task == Task::Autoencoder {
        return Err(ModelError::PaintsNothing(path.to_path_buf()));
    }
    let paints = match inspection.family {
        Family::StableDiffusion1 | Family::StableDiffusion2 | Family::StableDiffusionXl => {
            [Task::TextToImage, Task::Inpainting].contains(&inspection.task)
        }
        Family::LatentDiffusion => true,
        Family::Velatura => false,
    };
    if !paints {
        return Err(refused(path, inspection));
    }
    // With all names there, it is the shapes told that are those of another model.
    if let (Some(yaml_path), [], [(name, found, wanted), ..]) = (
        &inspection.config,
        inspection.missing.as_slice(),
        inspection.mismatched.as_slice(),
    ) {
        return Err(ModelError::OtherYaml {
            path: path.to_path_buf(),
            yaml_path: yaml_path.clone(),
            name: name.clone(),
            shapes: Box::new([found.clone(), wanted.clone()]),
            count: inspection.mismatched.len(),
        });
    }
    let shapes = inspection.mismatched.iter();
    let shapes =
        shapes.map(|(name, found, needed)| format!("{name} ({found:?} instead of {needed:?})"));
    let lost = inspection.missing.iter().cloned().chain(shapes);
    let lost: Vec<String> = lost.collect();
    let Some(first) = lost.first() else {
        return Ok(());
    };
    Err(ModelError::Lacking {
        path: path.to_path_buf(),
        family: inspection.family.label(),
        name: first.clone(),
        count: lost.len(),
    })
}

/// The weights of the denoiser; averaged ones are those that one paints with.
pub(super) fn denoiser(unet: &OriginalUnet, has_averages: bool) -> Pieces {
    unet.pieces(|name| match has_averages {
        true => format!("model_ema.diffusion_model{}", name.replace('.', "")),
        false => format!("model.diffusion_model.{name}"),
    })
}

/// The weights of the first stage.
pub(super) fn first_stage_pieces(first_stage: &OriginalFirstStage) -> Pieces {
    let names = first_stage.layout("").into_keys();
    names
        .map(|name| {
            let stored = format!("first_stage_model.{name}");
            (first_stage.diffusers_name(&name), Piece::whole(stored))
        })
        .collect()
}

/// The weights of CLIP's text encoder, which has transformers' names already.
pub(super) fn clip<'a>(names: impl Iterator<Item = &'a str>, place: &str) -> Pieces {
    let mut pieces = Pieces::new();
    for name in names {
        let Some(inner) = name.strip_prefix(place) else {
            continue;
        };
        // A projection, or eyes beside it, are of no use.
        if let Some(inner) = inner.strip_prefix("text_model.")
            && !inner.ends_with("position_ids")
        {
            pieces.insert(format!("text_model.{inner}"), Piece::whole(name));
        }
    }
    pieces
}

/// The weights of so many layers of OpenCLIP's text encoder. Queries, keys and values lie
/// in one matrix.
pub(super) fn open_clip(place: &str, sizes: ClipSizes, layers: usize) -> Pieces {
    const PARTS: [(&str, &str); 5] = [
        ("layer_norm1", "ln_1"),
        ("layer_norm2", "ln_2"),
        ("self_attn.out_proj", "attn.out_proj"),
        ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"),
    ];
    let mut pieces = Pieces::new();
    let mut put = |name: String, piece: Piece| {
        pieces.insert(format!("text_model.{name}"), piece);
    };
    put(
        "embeddings.token_embedding.weight".into(),
        Piece::whole(format!("{place}.token_embedding.weight")),
    );
    put(
        "embeddings.position_embedding.weight".into(),
        Piece::whole(format!("{place}.positional_embedding")),
    );
    for end in ["weight", "bias"] {
        let last = Piece::whole(format!("{place}.ln_final.{end}"));
        put(format!("final_layer_norm.{end}"), last);
        for layer in 0..layers.min(sizes.layers) {
            let ours = format!("encoder.layers.{layer}");
            let theirs = format!("{place}.transformer.resblocks.{layer}");
            for (name, stored) in PARTS {
                put(
                    format!("{ours}.{name}.{end}"),
                    Piece::whole(format!("{theirs}.{stored}.{end}")),
                );
            }
            for (which, name) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
                let part = Part {
                    which,
                    parts: 3,
                    groups: 1,
                };
                let piece = Piece::part(format!("{theirs}.attn.in_proj_{end}"), part);
                put(format!("{ours}.self_attn.{name}.{end}"), piece);
            }
        }
    }
    pieces
}

/// A text encoder of so many layers: OpenCLIP's, or CLIP's own.
pub(super) fn text_config(sizes: ClipSizes, layers: usize, is_open: bool) -> ClipTextConfig {
    ClipTextConfig {
        vocab_size: sizes.vocabulary,
        hidden_size: sizes.width,
        intermediate_size: sizes.inner_width,
        num_hidden_layers: layers,
        num_attention_heads: (sizes.width / HEAD_WIDTH).max(1),
        max_position_embeddings: sizes.length,
        hidden_act: if is_open {
            HiddenAct::Gelu
        } else {
            HiddenAct::QuickGelu
        },
        other: Map::new(),
        ..ClipTextConfig::default()
    }
}

/// The noise of Stable Diffusion, and a sampler; each spaces its steps as it does itself.
pub(super) fn schedule(class: &str, is_velocity: bool) -> Value {
    json!({
        "_class_name": class,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": if is_velocity { "v_prediction" } else { "epsilon" },
        "set_alpha_to_one": false,
        "skip_prk_steps": true,
        "steps_offset": 1,
        "clip_sample": false,
    })
}
