//! What a file or folder of weights is, told from its headers alone.

mod folder;
mod foreign;
mod lone;
mod pipeline;
mod prediction;
mod single;
mod usual;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(super) use folder::only_checkpoint;
pub use foreign::{Addition, addition};
pub(super) use foreign::{CONTROLNET_RELATIVES, check_bytes, check_class};
pub(super) use prediction::PREDICTION_NOTE;
pub(super) use single::{SingleFile, usual_first_stage};

use super::first_stage::tiny_inspected;
use super::weights::WeightSource;
use super::{ClassifierFile, ModelError, WeightDtype};

/// What to tell of a denoiser with its words but without an autoencoder.
const NO_AUTOENCODER: &str = "it has no autoencoder in it: give one as --vae FILE|DIR";

/// Whose models they are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// Stable Diffusion 1.
    StableDiffusion1,
    /// Stable Diffusion 2.
    StableDiffusion2,
    /// Stable Diffusion XL.
    StableDiffusionXl,
    /// The models of the latent diffusion paper, first stages alone among them.
    LatentDiffusion,
    /// Models that were trained here.
    Velatura,
}

impl Family {
    /// The word for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::StableDiffusion1 => "stable-diffusion-1",
            Self::StableDiffusion2 => "stable-diffusion-2",
            Self::StableDiffusionXl => "stable-diffusion-xl",
            Self::LatentDiffusion => "latent-diffusion",
            Self::Velatura => "velatura",
        }
    }

    /// The words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::StableDiffusion1 => "Stable Diffusion 1",
            Self::StableDiffusion2 => "Stable Diffusion 2",
            Self::StableDiffusionXl => "Stable Diffusion XL",
            Self::LatentDiffusion => "Latent Diffusion",
            Self::Velatura => "Velatura",
        }
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// From words to pictures.
    TextToImage,
    /// Repainting a part of a picture.
    Inpainting,
    /// Pictures of its own kind, with nothing to be told.
    Unconditional,
    /// From a class to pictures.
    ClassToImage,
    /// From boxes to pictures.
    LayoutToImage,
    /// From a label map to pictures.
    SemanticToImage,
    /// From a small picture to a large one.
    SuperResolution,
    /// Between pictures and latents.
    Autoencoder,
    /// From noisy latents to classes.
    Classifier,
}

impl Task {
    /// The word for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::TextToImage => "text-to-image",
            Self::Inpainting => "inpainting",
            Self::Unconditional => "unconditional",
            Self::ClassToImage => "class-to-image",
            Self::LayoutToImage => "layout-to-image",
            Self::SemanticToImage => "semantic-to-image",
            Self::SuperResolution => "super-resolution",
            Self::Autoencoder => "autoencoder",
            Self::Classifier => "classifier",
        }
    }
}

/// What a denoiser says of noisy latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predicts {
    /// The noise.
    Epsilon,
    /// The velocity.
    Velocity,
    /// The latents without noise.
    Sample,
}

impl Predicts {
    /// The word for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Velocity => "v",
            Self::Sample => "sample",
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The file or folder.
    pub path: PathBuf,
    /// Whose models it is like.
    pub family: Family,
    /// What it is for.
    pub task: Task,
    /// What its denoiser says; `None` without one.
    pub prediction: Option<Predicts>,
    /// How most of its weights are stored.
    pub precision: WeightDtype,
    /// Numbers in all weights that are used.
    pub parameters: u64,
    /// Weights that are needed and not there, by their names in the file.
    pub missing: Vec<String>,
    /// Weights that nothing needs, by their names in the file.
    pub surplus: Vec<String>,
    /// Weights of another shape: name, shape found, shape needed.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Whether averaged weights are there beside the last ones.
    pub has_averages: bool,
    /// The YAML file that told its sizes.
    pub config: Option<PathBuf>,
    /// What else there is to know, in sentences.
    pub notices: Vec<String>,
}

impl Inspection {
    /// One sentence for people.
    pub fn sentence(&self) -> String {
        let task = self.task.id().replace('-', " ");
        let predicts = self
            .prediction
            .map_or_else(String::new, |prediction| match prediction {
                Predicts::Epsilon => ", predicts noise".into(),
                Predicts::Velocity => ", predicts velocity".into(),
                Predicts::Sample => ", predicts latents".into(),
            });
        let precision = precision_id(self.precision);
        let millions = self.parameters as f64 / 1e6;
        let lists = [("missing", &self.missing), ("surplus", &self.surplus)];
        let told = lists.iter().map(|(what, names)| match names.as_slice() {
            [] => format!("nothing is {what}"),
            [one] => format!("{one} is {what}"),
            [one, rest @ ..] => format!("{one} and {} more are {what}", rest.len()),
        });
        let told: Vec<String> = told.collect();
        let shapes = match self.mismatched.as_slice() {
            [] => String::new(),
            [(name, found, wanted), rest @ ..] => {
                let more = if rest.is_empty() {
                    String::new()
                } else {
                    format!(", and {} more", rest.len())
                };
                format!("; {name} is {found:?} instead of {wanted:?}{more}")
            }
        };
        format!(
            "{}: {}, {task}{predicts}, {precision}, {millions:.1} million weights; {}{shapes}",
            self.path.display(),
            self.family.label(),
            told.join("; ")
        )
    }
}

/// The word for how weights are stored.
pub fn precision_id(precision: WeightDtype) -> &'static str {
    match precision {
        WeightDtype::F32 => "f32",
        WeightDtype::F16 => "f16",
        WeightDtype::Bf16 => "bf16",
    }
}

/// Tells what a file or folder is; `config` is the YAML file of an original checkpoint,
/// if it is not the one beside it. No weights are read.
///
/// # Errors
/// If it cannot be read, is damaged, or is of a kind that is no model here.
pub fn inspect(path: &Path, config: Option<&Path>) -> Result<Inspection, ModelError> {
    if path.is_dir() {
        return match ClassifierFile::is_one(path) {
            true => ClassifierFile::open(path)?.inspected(),
            false => folder::inspect(path, config),
        };
    }
    let opened = SingleFile::open(path, config).map(|file| file.inspection);
    // A network of diffusers, which its folder describes.
    match (&opened, path.parent()) {
        (Err(ModelError::UnknownWeights { .. }), Some(folder))
            if folder.join("config.json").is_file() =>
        {
            inspect(folder, None)
        }
        (Err(ModelError::UnknownWeights { .. }), _) => {
            if let Some(found) = tiny_inspected(path)? {
                return Ok(found);
            }
            lone::inspected(path)?.map_or(opened, Ok)
        }
        _ => opened,
    }
}

/// How most bytes of these weights are stored.
pub(in crate::model) fn precision<'a>(
    source: &dyn WeightSource,
    names: impl Iterator<Item = &'a str>,
) -> WeightDtype {
    use safetensors::Dtype;
    let mut bytes = [0_u64; 3];
    for name in names {
        let size: u64 = source
            .shape(name)
            .unwrap_or_default()
            .iter()
            .map(|axis| *axis as u64)
            .product();
        match source.dtype(name) {
            Some(Dtype::F16) => bytes[1] += 2 * size,
            Some(Dtype::BF16) => bytes[2] += 2 * size,
            _ => bytes[0] += 4 * size,
        }
    }
    let [wide, half, brain] = bytes;
    if brain > half && brain > wide {
        WeightDtype::Bf16
    } else if half > wide {
        WeightDtype::F16
    } else {
        WeightDtype::F32
    }
}
