//! The paper's latent diffusion models in one file, with the YAML that describes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::original::{names_beside, wrong_count_beside};
use super::single::{OneFile, Pieces, denoiser, first_stage_pieces, refused, unclear};
use super::{CLASS, ModelFolder, original};
use crate::model::conditioner::LATENT;
use crate::model::conditioner::class::ClassEncoderConfig;
use crate::model::first_stage::{FirstStageConfig, FirstStagePlace, PixelsConfig};
use crate::model::inspect::SingleFile;
use crate::model::paper::{
    Joined, OriginalConditioner, OriginalConfig, OriginalPrediction, OriginalSchedule, released,
};
use crate::model::weights::{Piece, WeightDtype, WeightSource};
use crate::model::{LatentInfo, Manifest, ModelError, limits};
use crate::recipe::InputSpec;

/// The classes of the released models that paint classes.
const IMAGENET: &str = include_str!("../../../assets/imagenet/classes.txt");
/// Where the factor lies that was measured in training.
const SCALE_FACTOR: &str = "scale_factor";
/// Steps and guidance that suit them, as in the paper's samples.
const STEPS: u32 = 50;
const GUIDANCE: f32 = 3.0;
pub(super) const TEXT_GUIDANCE: f32 = 5.0;

/// What a model is told, and the networks for it.
#[derive(Default)]
struct Conditions {
    inputs: Vec<InputSpec>,
    /// The groups of channels in the order of the denoiser.
    channels: Vec<&'static str>,
    class_encoder: Option<ClassEncoderConfig>,
    parts: Vec<(&'static str, Pieces)>,
    original: Option<OriginalConditioner>,
}

/// Opens a latent diffusion model whose weights are all there.
///
/// # Errors
/// If nothing tells its heads of attention, it is told something that is not known yet,
/// or its configuration is not supported.
pub(super) fn open(path: &Path, file: SingleFile) -> Result<ModelFolder, ModelError> {
    let SingleFile {
        source,
        inspection,
        unet,
        told,
        ..
    } = file;
    let (Some(unet), Some(told)) = (unet, told) else {
        return Err(ModelError::NeedsYaml {
            path: path.to_path_buf(),
            task: inspection.task.id(),
        });
    };
    let stage = match &told.first_stage {
        None => FirstStageConfig::Pixels(PixelsConfig::default()),
        Some(stage) => {
            let factor = scale_factor(path, &told, source.as_ref())?;
            let side_px = told.resolution_px.unwrap_or_default();
            stage
                .config(side_px, factor)
                .map_err(|message| unclear(path, message))?
        }
    };
    let factor = stage.info().factor;
    let latent_side = told.latent_side;
    let latent_side = latent_side.or_else(|| told.resolution_px.map(|side_px| side_px / factor));
    let unet_config = unet.config(latent_side.unwrap_or_default())?;
    let pieces = told.first_stage.as_ref().map(first_stage_pieces);
    let stage = FirstStagePlace::among(stage, Arc::clone(&source), pieces.unwrap_or_default())?;
    let latents = stage.config.info();
    let conditions = conditions(path, &told, latents)?.ok_or_else(|| refused(path, &inspection))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let derived = Manifest::derive(name.into_owned(), Some(&unet_config), Some(&stage.config));
    let channels = [LATENT].into_iter().chain(conditions.channels);
    let manifest = Manifest {
        channels: channels.map(str::to_owned).collect(),
        default_steps: STEPS,
        // Only words and classes were left out in training.
        default_guidance_scale: match conditions.inputs.first() {
            Some(InputSpec::Text { .. }) => TEXT_GUIDANCE,
            // Without an empty class it would lead away from one that can be asked for.
            Some(InputSpec::Class { empty: Some(_), .. }) => GUIDANCE,
            _ => 1.0,
        },
        inputs: conditions.inputs,
        ..derived
    };
    manifest.validate()?;
    let mut parts = BTreeMap::from([("unet", denoiser(&unet, inspection.has_averages))]);
    parts.extend(conditions.parts);
    let folder = ModelFolder {
        path: path.to_path_buf(),
        unet: Some(unet_config),
        first_stage: Some(stage),
        text_encoder: None,
        second_text_encoder: None,
        is_nothing_zero: false,
        layout_encoder: None,
        semantic_encoder: None,
        class_encoder: conditions.class_encoder,
        layout_prior: None,
        scheduler: scheduler(path, &told.schedule, told.prediction)?,
        manifest,
        held: WeightDtype::F32,
        keeps_halves: false,
        is_in_turn: false,
        watch: None,
        one_file: Some(Arc::new(OneFile::new(parts, source))),
        original: conditions.original,
    };
    folder.check_conditions()?;
    Ok(folder)
}

/// What the denoiser is told, by what the configuration says; `None` for what does not
/// open yet. Each conditioner has a line here.
fn conditions(
    path: &Path,
    told: &OriginalConfig,
    latents: LatentInfo,
) -> Result<Option<Conditions>, ModelError> {
    use crate::model::paper::ToldConditioner::Sized;
    let classes = told.unet.as_ref().and_then(|unet| unet.classes);
    Ok(match (&told.conditioner, told.joined) {
        (Sized(OriginalConditioner::Nothing), _) => Some(Conditions::default()),
        (Sized(OriginalConditioner::Class { classes, width }), Joined::Attended) => {
            Some(class(path, told, *classes, *width)?)
        }
        (_, Joined::Added) => match classes {
            Some(classes) => Some(Conditions {
                inputs: vec![class_input(path, told, classes)?],
                ..Conditions::default()
            }),
            None => None,
        },
        (Sized(conditioner), joined) => {
            let found = original::inputs(path, conditioner, joined, latents)?;
            found.map(|(inputs, channels)| Conditions {
                inputs,
                channels,
                parts: vec![(original::PART, original::pieces(conditioner))],
                original: Some(conditioner.clone()),
                ..Conditions::default()
            })
        }
        _ => None,
    })
}

/// A class that the denoiser looks at.
fn class(
    path: &Path,
    told: &OriginalConfig,
    classes: usize,
    width: usize,
) -> Result<Conditions, ModelError> {
    let config = ClassEncoderConfig {
        classes,
        hidden_size: width,
        ..ClassEncoderConfig::default()
    };
    config.validate()?;
    let stored = Piece::whole("cond_stage_model.embedding.weight");
    Ok(Conditions {
        inputs: vec![class_input(path, told, classes)?],
        class_encoder: Some(config),
        parts: vec![(CLASS, Pieces::from([("embedding.weight".into(), stored)]))],
        ..Conditions::default()
    })
}

/// The classes of a checkpoint by the names in the file beside it; without one those of a
/// released model by their usual names, others by their numbers.
fn class_input(path: &Path, told: &OriginalConfig, count: usize) -> Result<InputSpec, ModelError> {
    limits::within("a model", "n_classes", count, &limits::CLASSES)?;
    let names = match names_beside(path)? {
        Some(names) => names,
        None if is_released(told) => IMAGENET.lines().map(str::to_owned).collect(),
        None => return Ok(InputSpec::numbered_classes(count)),
    };
    // The class that stands for none needs no name.
    if names.len() != count && names.len() + 1 != count {
        return Err(wrong_count_beside(path, names.len(), count));
    }
    let empty = (names.len() < count).then_some(names.len() as u32);
    Ok(InputSpec::Class {
        classes: names,
        empty,
    })
}

/// Whether a model has the very denoiser and classes of a released one.
fn is_released(told: &OriginalConfig) -> bool {
    let is_same = |known: &OriginalConfig| {
        known.unet == told.unet
            && known.conditioner == told.conditioner
            && known.first_stage == told.first_stage
    };
    released().iter().any(|released| is_same(&released.config))
}

/// What latents are multiplied by: told, or measured in training and kept with the weights.
fn scale_factor(
    path: &Path,
    told: &OriginalConfig,
    source: &dyn WeightSource,
) -> Result<f64, ModelError> {
    if !told.is_scaled_by_deviation {
        return Ok(told.scale_factor);
    }
    let shape = source.shape(SCALE_FACTOR).map(<[usize]>::to_vec);
    let shape = shape.ok_or_else(|| ModelError::Lacking {
        path: path.to_path_buf(),
        family: "Latent Diffusion",
        name: SCALE_FACTOR.into(),
        count: 1,
    })?;
    // A file may say that it is as large as it likes.
    if shape.iter().any(|axis| *axis != 1) {
        let message = format!("its {SCALE_FACTOR} is of the shape {shape:?} instead of one number");
        return Err(unclear(path, message));
    }
    let values = source.read(SCALE_FACTOR, &shape, false, WeightDtype::F32)?;
    let values: Vec<f32> = values.try_into_vec().unwrap_or_default();
    match values.as_slice() {
        [factor] if factor.is_finite() && *factor > 0.0 => Ok(f64::from(*factor)),
        _ => Err(unclear(
            path,
            format!("its {SCALE_FACTOR} is no positive number"),
        )),
    }
}

/// The noise in diffusers' words. The last step is taken to the noise of the first, and
/// steps are spaced as in the paper's code.
fn scheduler(
    path: &Path,
    schedule: &OriginalSchedule,
    prediction: OriginalPrediction,
) -> Result<Value, ModelError> {
    let name = match schedule.name.as_str() {
        "linear" => "scaled_linear",
        "sqrt_linear" => "linear",
        "cosine" => "squaredcos_cap_v2",
        other => {
            let message = format!("its YAML file says beta_schedule = {other}, which is not known");
            return Err(unclear(path, message));
        }
    };
    Ok(json!({
        "_class_name": "DDIMScheduler",
        "beta_start": schedule.start,
        "beta_end": schedule.end,
        "beta_schedule": name,
        "num_train_timesteps": schedule.steps,
        "prediction_type": match prediction {
            OriginalPrediction::Epsilon => "epsilon",
            OriginalPrediction::Velocity => "v_prediction",
            OriginalPrediction::Sample => "sample",
        },
        "set_alpha_to_one": false,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "clip_sample": false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::paper::{FIRST_STAGE, Released, ToldConditioner, UNET};
    use crate::recipe::class_number;

    fn found(name: &str) -> &'static Released {
        let found = released().iter().find(|released| released.name == name);
        found.expect("a released model")
    }

    #[test]
    fn released_models_know_their_classes_by_name() {
        let path = Path::new("no such folder/model.ckpt");
        for (name, count, empty) in [("cin256", 1000, None), ("cin256-v2", 1001, Some(1000))] {
            let input = class_input(path, &found(name).config, count).expect("classes");
            let InputSpec::Class {
                classes,
                empty: found,
            } = &input
            else {
                panic!("{input:?}");
            };
            assert_eq!((classes.len(), *found), (1000, empty), "{name}");
            assert_eq!(class_number(classes, "golden retriever"), Some(207));
            assert_eq!(class_number(classes, "bathroom tissue"), Some(999));
        }
    }

    /// A file with the names and shapes of a released model, whose numbers nobody reads.
    fn write_hollow(path: &Path, released: &Released) {
        let config = &released.config;
        let stage = config.first_stage.as_ref().expect("a first stage");
        let mut layout = stage.layout(FIRST_STAGE);
        layout.extend(config.unet.as_ref().expect("a denoiser").layout(UNET));
        if let ToldConditioner::Sized(conditioner) = &config.conditioner {
            layout.extend(conditioner.layout());
        }
        layout.insert(SCALE_FACTOR.into(), Vec::new());
        let mut length = 0;
        let mut header = serde_json::Map::new();
        for (name, shape) in layout {
            let begin = length;
            length += 4 * shape.iter().product::<usize>() as u64;
            let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, length]});
            header.insert(name, entry);
        }
        let header = serde_json::to_vec(&header).expect("JSON");
        let start = [&(header.len() as u64).to_le_bytes(), header.as_slice()].concat();
        std::fs::write(path, &start).expect("a file");
        let file = std::fs::File::options().append(true).open(path);
        let file = file.expect("the file");
        // Nothing but the header takes room.
        file.set_len(start.len() as u64 + length)
            .expect("a long file");
    }

    #[test]
    fn released_models_open_without_their_yaml() {
        let scratch = tempfile::tempdir().expect("a folder");
        for (name, side_px, inputs) in [
            ("celeba256", 256, 0),
            ("cin256-v2", 256, 1),
            ("cin256", 256, 1),
        ] {
            let path = scratch.path().join("model.safetensors");
            write_hollow(&path, found(name));
            let folder = ModelFolder::open(&path).expect("a released model");
            let manifest = folder.manifest();
            assert_eq!(manifest.resolution_px, side_px, "{name}");
            assert_eq!(manifest.inputs.len(), inputs, "{name}");
            let unet = folder.unet_config().expect("a denoiser");
            let wanted = found(name).config.unet.as_ref().expect("a denoiser");
            let wanted =
                wanted.config(256 / folder.first_stage_config().expect("one").info().factor);
            assert_eq!(*unet, wanted.expect("supported"), "{name}");
        }
        // Its factor is measured, and nothing measured it here.
        let path = scratch.path().join("model.safetensors");
        write_hollow(&path, found("lsun_churches256"));
        let error = ModelFolder::open(&path).expect_err("no factor").to_string();
        assert!(error.contains(SCALE_FACTOR), "{error}");
    }
}
