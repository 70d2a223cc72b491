//! Models in folders: diffusers' layout, those trained here, or a checkpoint with its
//! YAML file.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::folder::FewSteps;
use super::super::json::read_json;
use super::super::paper::{OriginalAttention, is_leftover};
use super::super::weights::{WeightSource, is_alike};
use super::super::{HiddenAct, Manifest, ModelError, ModelFolder, WeightDtype};
use super::pipeline::{self, Network, Sizes};
use super::single::family_of_denoiser;
use super::{Family, Inspection, NO_AUTOENCODER, Predicts, Task, foreign, precision};
use crate::recipe::InputSpec;

/// Pipelines of diffusers that are known to be no model here, and what they are.
const OTHERS: [(&str, &str); 8] = [
    ("StableDiffusion3", "Stable Diffusion 3"),
    ("Flux", "Flux"),
    ("PixArt", "a diffusion transformer"),
    ("Kandinsky", "Kandinsky"),
    ("StableCascade", "Stable Cascade"),
    ("Wuerstchen", "Stable Cascade"),
    ("StableVideo", "a model of moving pictures"),
    ("Video", "a model of moving pictures"),
];

/// What to tell of weights within networks that their configurations do not know.
const STRANGE: &str = "it does not open: its config.json files do not describe all of its weights, \
                       so that one or the other is of another model";

/// Tells what a folder is.
///
/// # Errors
/// If it is no model, or of a kind that does not open here.
pub(super) fn inspect(path: &Path, config: Option<&Path>) -> Result<Inspection, ModelError> {
    if let Some(file) = only_checkpoint(path) {
        return super::inspect(&file, config);
    }
    if config.is_some() {
        return Err(ModelError::NeedsNoYaml(path.to_path_buf()));
    }
    foreign::check_class(path)?;
    let index: Option<Value> = read_json(&path.join("model_index.json"))?;
    let class = index
        .as_ref()
        .and_then(|index| index.get("_class_name")?.as_str());
    let other = class.and_then(|class| OTHERS.iter().find(|(start, _)| class.contains(start)));
    if let Some((_, kind)) = other {
        return Err(ModelError::OtherKind {
            path: path.to_path_buf(),
            kind,
            remedy: "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
        });
    }
    // Its words are looked up by the names in the file.
    if path.join("bert").is_dir() {
        return Ok(described(path, class, &pipeline::networks(path)?));
    }
    match ModelFolder::open(path) {
        Ok(folder) => known(path, &folder),
        // Networks that do not open yet are told all the same.
        Err(error @ (ModelError::Unsupported { .. } | ModelError::NotAModel(_))) => {
            let networks = pipeline::networks(path)?;
            if networks.is_empty() {
                return Err(error);
            }
            let mut told = described(path, class, &networks);
            if matches!(error, ModelError::Unsupported { .. }) {
                told.notices.push(unopened(&error));
            }
            Ok(told)
        }
        Err(error) => Err(error),
    }
}

/// An inspection of a folder, before its weights are looked at.
fn begun(path: &Path, family: Family, task: Task, prediction: Option<Predicts>) -> Inspection {
    Inspection {
        path: path.to_path_buf(),
        family,
        task,
        prediction,
        precision: WeightDtype::F32,
        parameters: 0,
        missing: Vec::new(),
        surplus: Vec::new(),
        mismatched: Vec::new(),
        has_averages: false,
        config: None,
        notices: Vec::new(),
    }
}

/// Counts the weights of a network; the largest one says how a model is stored.
fn count<'a>(
    inspection: &mut Inspection,
    largest: &mut u64,
    source: &dyn WeightSource,
    names: impl Iterator<Item = &'a str> + Clone,
) {
    let size = |name: &str| {
        let shape = source.shape(name).unwrap_or_default();
        shape.iter().map(|axis| *axis as u64).product::<u64>()
    };
    let parameters: u64 = names.clone().map(size).sum();
    inspection.parameters += parameters;
    if parameters > *largest {
        *largest = parameters;
        inspection.precision = precision(source, names);
    }
}

/// A folder that opens.
fn known(path: &Path, folder: &ModelFolder) -> Result<Inspection, ModelError> {
    let has_denoiser = folder.unet_config().is_ok();
    let prediction = has_denoiser.then(|| prediction(&folder.scheduler_config()));
    let task = task(&folder.manifest(), has_denoiser);
    let mut inspection = begun(path, family(folder), task, prediction);
    let mut largest = 0;
    let mut is_strange = false;
    for part in folder.differences()? {
        if let Some(source) = &part.source {
            let names: Vec<&str> = part.differences.used().collect();
            count(
                &mut inspection,
                &mut largest,
                source.as_ref(),
                names.into_iter(),
            );
        }
        is_strange |= !part.differences.strange.is_empty();
        inspection.missing.extend(part.differences.missing);
        inspection.surplus.extend(part.differences.surplus);
        inspection.mismatched.extend(part.differences.mismatched);
    }
    if has_denoiser && folder.text_encoder_config().is_ok() && !path.join("studio.json").exists() {
        let few = FewSteps::notice_of_folder(path, &folder.scheduler_config());
        inspection.notices.extend(few.map(str::to_owned));
    }
    let obstacles = folder.obstacles();
    let notices = obstacles.iter().map(|obstacle| match obstacle {
        ModelError::NoAutoencoder(_) => NO_AUTOENCODER.to_owned(),
        other => unopened(other),
    });
    inspection.notices.extend(notices);
    if is_strange {
        inspection.notices.push(STRANGE.to_owned());
    }
    Ok(inspection)
}

/// What to tell of a folder that cannot paint.
fn unopened(reason: &ModelError) -> String {
    format!("it does not open: {reason}")
}

/// A folder of networks that are known by their sizes only.
pub(super) fn described(path: &Path, class: Option<&str>, networks: &[Network]) -> Inspection {
    let unet = networks.iter().find_map(|network| match &network.sizes {
        Sizes::Unet(unet) => Some(unet),
        _ => None,
    });
    let text = networks.iter().find_map(|network| match &network.sizes {
        Sizes::Text { is_bert } => Some(*is_bert),
        _ => None,
    });
    let stage = networks.iter().find_map(|network| match &network.sizes {
        Sizes::FirstStage(stage) => Some(stage),
        _ => None,
    });
    let class = class.unwrap_or_default();
    let is_papers = class.starts_with("LDM") || text.is_none() || text == Some(true);
    let family = match unet {
        Some(unet) if class.contains("XL") || unet.added_width.is_some() => {
            Family::StableDiffusionXl
        }
        Some(_) if !is_papers => Family::StableDiffusion1,
        Some(unet) if text.is_none() => family_of_denoiser(unet),
        _ => Family::LatentDiffusion,
    };
    let task = match unet {
        None => Task::Autoencoder,
        Some(unet) => {
            let latent = stage.map_or(unet.output_channels, |stage| stage.latent_channels);
            if unet.input_channels == 2 * latent + 1 {
                Task::Inpainting
            } else if unet.input_channels > unet.output_channels {
                Task::SuperResolution
            } else if text.is_some() || unet.attention != OriginalAttention::Plain {
                // Where the text encoder lies elsewhere, attention to words tells.
                Task::TextToImage
            } else if unet.classes.is_some() {
                Task::ClassToImage
            } else {
                Task::Unconditional
            }
        }
    };
    let scheduler = read_json(&path.join("scheduler/scheduler_config.json"));
    let scheduler: Value = scheduler.ok().flatten().unwrap_or_default();
    let prediction = unet.map(|_| prediction(&scheduler));
    let mut inspection = begun(path, family, task, prediction);
    let mut largest = 0;
    for network in networks {
        let Some(source) = &network.source else {
            inspection.missing.extend(network.layout.keys().cloned());
            continue;
        };
        let names = network.layout.keys().map(String::as_str);
        let there = names.filter(|name| source.shape(name).is_some());
        count(&mut inspection, &mut largest, source.as_ref(), there);
        for (name, wanted) in &network.layout {
            match source.shape(name) {
                None => inspection.missing.push(name.clone()),
                Some(found) if !is_alike(found, wanted) => {
                    inspection
                        .mismatched
                        .push((name.clone(), found.to_vec(), wanted.clone()));
                }
                Some(_) => {}
            }
        }
        let is_surplus = |name: &&str| {
            !network.layout.contains_key(*name)
                && !is_leftover(name)
                && !name.starts_with("to_logits.")
        };
        let surplus = source.names().filter(is_surplus).map(str::to_owned);
        inspection.surplus.extend(surplus);
    }
    inspection
}

/// The checkpoint of a folder that holds one and nothing of diffusers.
pub(in crate::model) fn only_checkpoint(path: &Path) -> Option<PathBuf> {
    const PARTS: [&str; 6] = [
        "model_index.json",
        "config.json",
        "unet",
        "vae",
        "vqvae",
        "text_encoder",
    ];
    if PARTS.iter().any(|part| path.join(part).exists()) {
        return None;
    }
    let files = std::fs::read_dir(path)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    let is_checkpoint = |file: &PathBuf| {
        let extension = file.extension().unwrap_or_default();
        file.is_file()
            && ["ckpt", "safetensors", "pt", "pth"]
                .iter()
                .any(|known| extension == *known)
    };
    let mut files = files.filter(is_checkpoint);
    let file = files.next()?;
    files.next().is_none().then_some(file)
}

fn family(folder: &ModelFolder) -> Family {
    if folder.path().join("studio.json").is_file() {
        return Family::Velatura;
    }
    let Ok(unet) = folder.unet_config() else {
        return Family::LatentDiffusion;
    };
    if unet.is_plain() {
        return Family::LatentDiffusion;
    }
    if unet.added().is_some() {
        return Family::StableDiffusionXl;
    }
    let text = folder.text_encoder_config();
    let is_second = unet.use_linear_projection
        || text.is_ok_and(|text| text.hidden_act != HiddenAct::QuickGelu);
    if is_second {
        Family::StableDiffusion2
    } else {
        Family::StableDiffusion1
    }
}

/// What models that paint from words and nothing else may be asked for too.
fn is_of_text_models(input: &InputSpec) -> bool {
    matches!(
        input,
        InputSpec::Text { .. } | InputSpec::Mask { .. } | InputSpec::Phrases { .. }
    )
}

fn task(manifest: &Manifest, has_denoiser: bool) -> Task {
    if !has_denoiser {
        return Task::Autoencoder;
    }
    let has = |is: fn(&InputSpec) -> bool| manifest.inputs.iter().any(is);
    let maps = manifest
        .inputs
        .iter()
        .filter(|input| !is_of_text_models(input));
    if manifest.takes_text() && maps.count() > 0 {
        // What can be told everything can be told words alone.
        Task::TextToImage
    } else if manifest.low_resolution_factor().is_some() {
        Task::SuperResolution
    } else if manifest.takes_mask() {
        Task::Inpainting
    } else if manifest.takes_text() {
        Task::TextToImage
    } else if has(|input| matches!(input, InputSpec::Layout { .. })) {
        Task::LayoutToImage
    } else if has(|input| matches!(input, InputSpec::Semantic { .. })) {
        Task::SemanticToImage
    } else if has(|input| matches!(input, InputSpec::Class { .. })) {
        Task::ClassToImage
    } else {
        Task::Unconditional
    }
}

fn prediction(scheduler: &Value) -> Predicts {
    match scheduler.get("prediction_type").and_then(Value::as_str) {
        Some("v_prediction") => Predicts::Velocity,
        Some("sample") => Predicts::Sample,
        _ => Predicts::Epsilon,
    }
}
