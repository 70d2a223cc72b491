//! Stable Diffusion XL (Podell et al. 2023, <https://arxiv.org/abs/2307.01952>) in one file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::edm::{self, EdmFile};
use super::few_steps::FewSteps;
use super::single::{
    HEAD_WIDTH, OneFile, clip, denoiser, open_clip, refused, schedule, text_config,
};
use super::{ModelFolder, SECOND_TEXT, completed};
use crate::model::inspect::{Predicts, SingleFile};
use crate::model::paper::{OriginalConditioner, OriginalHeads, OriginalUnet};
use crate::model::weights::{Piece, WeightDtype};
use crate::model::{Manifest, ModelError};

/// What latents are multiplied by.
pub(super) const SCALE_FACTOR: f64 = 0.13025;
/// Side of the latents that a model was trained on.
const SAMPLE_SIZE: usize = 128;
/// Numbers that tell of sizes, and those of a refiner.
const SIZES: usize = 6;
const REFINER_SIZES: usize = 5;

/// Opens a model whose weights are all there.
///
/// # Errors
/// If its sizes are not supported.
pub(super) fn open(path: &Path, file: SingleFile) -> Result<ModelFolder, ModelError> {
    let SingleFile {
        source,
        inspection,
        unet,
        first_stage,
        conditioner,
        has_zero_end,
        ..
    } = file;
    let Some(unet) = unet else {
        return Err(refused(path, &inspection));
    };
    let OriginalConditioner::Both {
        clip: first,
        open_clip: second,
    } = conditioner
    else {
        return Err(refused(path, &inspection));
    };
    let is_velocity = inspection.prediction == Some(Predicts::Velocity);
    let edm = EdmFile::of(source.as_ref())?;
    // Few steps are those of a training.
    let few = FewSteps::of(path).filter(|_| edm.is_none());
    let sample_size = few.map_or(SAMPLE_SIZE, |few| few.sample_size(SAMPLE_SIZE));
    let unet = OriginalUnet {
        heads: Some(OriginalHeads::Width(HEAD_WIDTH)),
        ..unet
    };
    let place = format!(
        "conditioner.embedders.{}.model",
        usize::from(first.is_some())
    );
    let projection = format!("{place}.text_projection");
    let pooled = source.shape(&projection).and_then(|shape| shape.last());
    let pooled = pooled.copied().unwrap_or(second.width);
    let unet_config = {
        let plain = OriginalUnet {
            added_width: None,
            ..unet.clone()
        };
        let mut config = plain.config(sample_size)?;
        let sizes = if first.is_some() {
            SIZES
        } else {
            REFINER_SIZES
        };
        let added = unet.added_width.unwrap_or(0);
        let waves = added.saturating_sub(pooled) / sizes;
        for (key, value) in [
            ("addition_embed_type", json!("text_time")),
            ("addition_time_embed_dim", json!(waves)),
            ("projection_class_embeddings_input_dim", json!(added)),
        ] {
            config.other.insert(key.to_owned(), value);
        }
        config
    };
    unet_config.validate()?;
    let mut stage = completed::own(
        path,
        first_stage.as_ref(),
        sample_size,
        SCALE_FACTOR,
        &source,
    )?;
    if let (Some(edm), Some(stage)) = (&edm, &mut stage) {
        edm.tell(&mut stage.config)?;
    }
    let first_config = first.map(|sizes| text_config(sizes, sizes.layers, false));
    let second_config = text_config(second, second.layers, true).with_projection(pooled);
    for config in first_config.iter().chain([&second_config]) {
        config.validate()?;
    }
    let mut scheduler = schedule("EulerDiscreteScheduler", is_velocity);
    if has_zero_end {
        scheduler["rescale_betas_zero_snr"] = json!(true);
        scheduler["timestep_spacing"] = json!("trailing");
    }
    if let Some(edm) = edm {
        scheduler = edm.scheduler();
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let stage_config = stage.as_ref().map(|stage| &stage.config);
    let manifest = Manifest::derive(name.into_owned(), Some(&unet_config), stage_config);
    let manifest = manifest.with_text(Some(&second_config));
    let manifest = edm::derived(&scheduler, manifest);
    let manifest = few.map_or(manifest.clone(), |few| few.manifest(manifest));
    manifest.validate()?;
    let mut parts = BTreeMap::from([("unet", denoiser(&unet, inspection.has_averages))]);
    let mut words = open_clip(&place, second, second.layers);
    words.insert("text_projection.weight".into(), Piece::turned(projection));
    parts.insert(SECOND_TEXT, words);
    if first.is_some() {
        let place = "conditioner.embedders.0.transformer.";
        parts.insert("text_encoder", clip(source.names(), place));
    }
    let folder = ModelFolder {
        path: path.to_path_buf(),
        unet: Some(unet_config),
        first_stage: stage,
        is_nothing_zero: first_config.is_some(),
        text_encoder: first_config,
        second_text_encoder: Some(second_config),
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
            parts,
            source,
            filled: Some("tokenizer_2"),
        })),
        original: None,
    };
    folder.check_conditions()?;
    Ok(folder)
}
