//! A model as one file in the original naming.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::alike;
use super::texts::{SECOND, SECOND_VELOCITY, Texts};
use crate::model::folder::original::VOCABULARY;
use crate::model::folder::single::{self, Pieces};
use crate::model::folder::{CLASS_NAMES, FewSteps, ModelFolder};
use crate::model::inspect::{Family, Inspection, PREDICTION_NOTE, Predicts, SingleFile, Task};
use crate::model::paper::{self, Layout, OriginalFirstStage, OriginalUnet};
use crate::model::weights::{Arranged, Gathered, WeightSource};
use crate::model::{FirstStageConfig, ModelError};

/// What a file says of itself that is not its weights, and that is read again: what
/// latents are multiplied by, marks of what is predicted, and the noise of EDM.
const TELLING: [&str; 7] = [
    "scale_factor",
    VELOCITY_MARK,
    ZERO_END_MARK,
    "edm_mean",
    "edm_std",
    "edm_vpred.sigma_max",
    "edm_vpred.sigma_min",
];
/// Of files of Stable Diffusion XL that predict velocity, and of those whose last level is noise
/// alone: tensors without numbers.
const VELOCITY_MARK: &str = "v_pred";
const ZERO_END_MARK: &str = "ztsnr";
/// Where files say which kind of model they are
/// (<https://github.com/Stability-AI/ModelSpec>).
const ARCHITECTURE_NOTE: &str = "modelspec.architecture";
const TITLE_NOTE: &str = "modelspec.title";

/// Where OpenCLIP keeps the layers of a text encoder.
const LAYERS: &str = "resblocks";

/// The used weights of one file, for another.
///
/// # Errors
/// If it lacks some, or would be read otherwise under its new name.
pub(super) fn rearranged(
    source: &Path,
    target: &Path,
    file: SingleFile,
) -> Result<Arranged, ModelError> {
    let weights = Arc::clone(&file.source);
    let mut tensors = file.used.clone();
    for name in TELLING {
        if let Some(shape) = weights.shape(name) {
            let tensor = Gathered {
                shape: shape.to_vec(),
                rows: vec![(0, name.to_owned())],
                is_turned: false,
            };
            tensors.insert(name.to_owned(), tensor);
        }
    }
    let is_alone = file.inspection.task == Task::Autoencoder;
    if !is_alone {
        single::check(source, &file.inspection)?;
    }
    let prediction = file.inspection.prediction;
    let config = file.inspection.config.clone();
    let arranged = Arranged::new(target, vec![weights], tensors)?;
    let arranged = noted(arranged, &file, prediction);
    if is_alone {
        return Ok(arranged);
    }
    let model = single::of_file(source, file)?;
    checked(&model, target, arranged, config.as_deref())
}

/// The files that belong beside a checkpoint, and where they go.
///
/// # Errors
/// If others lie there, or some for which the source has none.
pub(super) fn beside(
    source: &Path,
    target: &Path,
    found: &Inspection,
    replaces: bool,
) -> Result<Vec<(PathBuf, PathBuf)>, ModelError> {
    let yaml = found.config.clone();
    let yaml = yaml.map(|yaml| (yaml, target.with_extension("yaml")));
    let names = [CLASS_NAMES, VOCABULARY];
    let names = names.map(|name| (source.with_file_name(name), target.with_file_name(name)));
    let mut files = Vec::new();
    for (from, to) in yaml.into_iter().chain(names) {
        let Ok(wanted) = std::fs::read(&from) else {
            // The new one would be read with what is another's.
            match to.is_file() && found.family == Family::LatentDiffusion {
                true => return Err(ModelError::Stray(to)),
                false => continue,
            }
        };
        match std::fs::read(&to) {
            Ok(there) if there == wanted => {}
            Ok(_) if !replaces => return Err(ModelError::Exists(to)),
            _ => files.push((from, to)),
        }
    }
    Ok(files)
}

impl ModelFolder {
    /// The weights of a diffusers folder by their original names.
    ///
    /// # Errors
    /// What such files do not tell.
    pub(super) fn as_one_file(&self, target: &Path) -> Result<Arranged, ModelError> {
        if self.original().is_some() {
            return Err(ModelError::OnlyOriginal(self.path.clone()));
        }
        let without_form = |reason: &str| ModelError::NoSingleForm {
            path: self.path.clone(),
            reason: reason.to_owned(),
        };
        let encoders = [
            (self.layout_encoder.is_some(), "boxes"),
            (self.semantic_encoder.is_some(), "label maps"),
        ];
        if let Some((_, what)) = encoders.iter().find(|(is_there, _)| *is_there) {
            let reason = format!("such files have no place for an encoder of {what}");
            return Err(without_form(&reason));
        }
        let unet = self.unet_config()?;
        let texts = [&self.text_encoder, &self.second_text_encoder];
        if unet.is_plain()
            || self.class_encoder.is_some()
            || texts.iter().all(|text| text.is_none())
        {
            let reason = "only models that paint from words have one, by the conventions of \
                          Stable Diffusion 1, 2 and XL";
            return Err(without_form(reason));
        }
        if unet.guidance_width().is_some() {
            let reason = "such files have no place for a guidance that was taught to the model";
            return Err(without_form(reason));
        }
        let FirstStageConfig::Kl(stage) = self.first_stage_config()? else {
            return Err(without_form(
                "its autoencoder is none of Stable Diffusion's",
            ));
        };
        let unet = OriginalUnet::of(&unet.architecture()?);
        let stage = OriginalFirstStage::of(stage);
        let Texts {
            architecture,
            named: texts,
            unused_layers,
        } = Texts::of(self)?;
        let named = [
            (
                "unet",
                unet.layout(paper::UNET),
                single::denoiser(&unet, false),
            ),
            (
                "vae",
                stage.layout(paper::FIRST_STAGE),
                single::first_stage_pieces(&stage),
            ),
        ];
        let named = named.into_iter().chain(texts);
        let mut sources: Vec<Arc<dyn WeightSource>> = Vec::new();
        let mut tensors = BTreeMap::new();
        for (part, layout, pieces) in named {
            let found = self.arranged_parts()?.into_iter();
            let found = found.map(|(folder, _, weights)| (folder, weights));
            let weights = found
                .filter(|(folder, _)| *folder == part)
                .map(|(_, it)| it);
            let weights = weights.last().ok_or_else(|| self.missing(part))?;
            let names = gathered(sources.len(), layout, &pieces, unused_layers);
            let is_unlike = || format!("its {part} is unlike those of such files");
            let names = names.ok_or_else(|| without_form(&is_unlike()))?;
            let used = names.values().flat_map(|tensor| &tensor.rows);
            let used: std::collections::BTreeSet<&str> =
                used.map(|(_, name)| name.as_str()).collect();
            // What has no name there would be lost.
            if weights.names().any(|name| !used.contains(name))
                || used.iter().any(|name| weights.shape(name).is_none())
            {
                return Err(without_form(&is_unlike()));
            }
            tensors.extend(names);
            sources.push(Arc::new(weights));
        }
        let prediction = match self.scheduler["prediction_type"].as_str() {
            Some("v_prediction") => Predicts::Velocity,
            Some("sample") => return Err(without_form("it predicts latents without noise")),
            _ => Predicts::Epsilon,
        };
        if self.second_text_encoder.is_some() && prediction == Predicts::Velocity {
            // Other programs know it by these alone.
            let ends_in_noise = self.scheduler["rescale_betas_zero_snr"] == true;
            let marks = [Some(VELOCITY_MARK), ends_in_noise.then_some(ZERO_END_MARK)];
            let nothing = Gathered {
                shape: vec![0],
                rows: Vec::new(),
                is_turned: false,
            };
            let marks = marks.into_iter().flatten();
            tensors.extend(marks.map(|mark| (mark.to_owned(), nothing.clone())));
        }
        let arranged = Arranged::new(target, sources, tensors)?;
        let architecture = match (architecture, prediction) {
            (SECOND, Predicts::Velocity) => SECOND_VELOCITY,
            (architecture, _) => architecture,
        };
        let arranged = arranged
            .noting(ARCHITECTURE_NOTE, architecture)
            .noting(PREDICTION_NOTE, prediction.id())
            .noting(TITLE_NOTE, self.manifest.name.clone());
        checked(self, target, arranged, None)
    }
}

/// The same weights, with notes on the model where its kind has words for them.
fn noted(arranged: Arranged, file: &SingleFile, prediction: Option<Predicts>) -> Arranged {
    let keys = [ARCHITECTURE_NOTE, TITLE_NOTE];
    let kept = keys.map(|key| Some((key, file.source.note(key)?.to_owned())));
    let arranged = kept
        .into_iter()
        .flatten()
        .fold(arranged, |arranged, (key, value)| {
            arranged.noting(key, value)
        });
    match prediction {
        Some(prediction @ (Predicts::Epsilon | Predicts::Velocity)) => {
            arranged.noting(PREDICTION_NOTE, prediction.id())
        }
        _ => arranged,
    }
}

/// The weights of a file, if the model would be read from it again.
fn checked(
    model: &ModelFolder,
    target: &Path,
    arranged: Arranged,
    config: Option<&Path>,
) -> Result<Arranged, ModelError> {
    let arranged = Arc::new(arranged);
    let source: Arc<dyn WeightSource> = arranged.clone();
    let read = SingleFile::of(source, config).and_then(|file| single::of_file(target, file));
    let few = [
        FewSteps::of_folder(&model.path, &model.scheduler),
        FewSteps::of(target),
    ];
    let reads_words = model.text_encoder.is_some() || model.second_text_encoder.is_some();
    let reason = match &read {
        Ok(_) if reads_words && few[0] != few[1] => Some(
            "only its name says in how few steps it paints; let the new one say turbo, lightning, lcm, hyper or dmd2 where the old one does"
                .to_owned(),
        ),
        Ok(read) => alike::lost(model, read)?,
        Err(error) => Some(format!("it would not be read again: {error}")),
    };
    if let Some(reason) = reason {
        return Err(ModelError::NoSingleForm {
            path: model.path.clone(),
            reason,
        });
    }
    drop(read);
    Arc::try_unwrap(arranged).map_err(|_| model.missing("weights"))
}

/// Where each tensor of a file lies, by what its parts are called by diffusers; `None` if
/// one has no parts there. The last so many layers of OpenCLIP's text encoder are of no use.
pub(in crate::model::folder) fn gathered(
    source: usize,
    layout: Layout,
    pieces: &Pieces,
    unused_layers: usize,
) -> Option<BTreeMap<String, Gathered>> {
    let mut rows: BTreeMap<&str, Vec<(usize, &str, bool)>> = BTreeMap::new();
    for (name, piece) in pieces {
        let which = piece.part.map_or(0, |part| part.which);
        let row = (which, name.as_str(), piece.is_turned);
        rows.entry(&piece.name).or_default().push(row);
    }
    for rows in rows.values_mut() {
        rows.sort_unstable();
    }
    let layers = layout.keys().filter_map(|name| layer_of(name)).max();
    // A layer that nothing uses is that before it, as in the files of trainers.
    let before = |name: &str| {
        let last = layers.filter(|last| layer_of(name) == Some(*last))?;
        let [from, to] =
            [last, last.checked_sub(unused_layers)?].map(|layer| format!(".{LAYERS}.{layer}."));
        Some(name.replace(&from, &to))
    };
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let own = rows.get(name.as_str());
        let rows = match own {
            Some(rows) => rows,
            None => rows.get(before(&name)?.as_str())?,
        };
        let tensor = Gathered {
            shape,
            rows: rows
                .iter()
                .map(|(_, name, _)| (source, (*name).to_owned()))
                .collect(),
            is_turned: rows.iter().any(|(.., is_turned)| *is_turned),
        };
        Some((name, tensor))
    };
    layout.into_iter().map(tensor).collect()
}

/// The layer of OpenCLIP's text encoder to which a weight belongs.
fn layer_of(name: &str) -> Option<usize> {
    let (_, rest) = name.split_once(&format!(".{LAYERS}."))?;
    rest.split('.').next()?.parse().ok()
}
