//! Classifiers on disk: folders that are written here, and files by the names of the code
//! that they are from, with their sizes beside them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use serde_json::Value;

use super::super::ModelError;
use super::super::folder::{CLASS_NAMES, class_names, wrong_class_count};
use super::super::inspect::{Family, Inspection, Task, check_bytes, precision};
use super::super::json::{read_json, write_json};
use super::super::weights::{self, Part, Piece, Renamed, WeightDtype, WeightSource, names};
use super::config::CLASS;
use super::{Classifier, ClassifierConfig, Pool};

/// The stem of the weights in a folder.
const STEM: &str = "diffusion_pytorch_model";
const CONFIG: &str = "config.json";
/// Classes that are named of many.
const NAMED: usize = 6;
/// Where the weights begin by the names of the public code, alone and in a
/// `NoisyLatentImageClassifier`.
const PREFIXES: [&str; 2] = ["", "model."];
/// Weights by those names have this.
const FIRST: &str = "input_blocks.0.0.weight";
/// What the head attends with, and how the last layers are called by each pool.
const POSITIONS: &str = "out.2.positional_embedding";

/// A classifier that is opened but not read.
#[derive(Clone, Debug)]
pub struct ClassifierFile {
    path: PathBuf,
    source: Arc<dyn WeightSource>,
    config: ClassifierConfig,
}

impl ClassifierFile {
    /// Opens a folder, or a file of weights with `config.json` or a YAML file beside it.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, is no classifier, or its sizes are nowhere told.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let (source, found) = if path.is_dir() {
            let config = ClassifierConfig::read(&path.join(CONFIG))?;
            let config = match config {
                Some(config) => Some(config),
                None => ClassifierConfig::read_yaml(&path.join("config.yaml"))?,
            };
            let config = config.ok_or_else(|| ModelError::NotAClassifier {
                path: path.to_path_buf(),
                reason: "no config.json of one is in it".to_owned(),
            })?;
            (weights(path)?, Some(config))
        } else {
            check_bytes(path)?;
            (weights::open(path)?, beside(path)?)
        };
        let source: Arc<dyn WeightSource> = Arc::from(source);
        let has = |name: &str| source.shape(name).is_some();
        let mut prefixes = PREFIXES.into_iter();
        let prefix = prefixes.find(|prefix| has(&format!("{prefix}{FIRST}")));
        // A whole denoiser of the paper's code has a way up.
        let is_other = |prefix: &str| has(&format!("{prefix}output_blocks.0.0.in_layers.0.weight"));
        let is_own = has("conv_in.weight") && source.names().any(|it| it.starts_with("head."));
        if prefix.is_none_or(is_other) && !is_own {
            return Err(ModelError::NotAClassifier {
                path: path.to_path_buf(),
                reason: "its weights are those of something else".to_owned(),
            });
        }
        let mut config = found.ok_or_else(|| ModelError::NotAClassifier {
            path: path.to_path_buf(),
            reason:
                "its sizes are nowhere told: put its config.json, or the YAML file of the model \
                     that it was trained for, beside it"
                    .to_owned(),
        })?;
        let source = match prefix.filter(|_| !is_own) {
            Some(prefix) => {
                take_shapes(&mut config, source.as_ref(), prefix);
                let pieces = pieces(&config, prefix);
                Arc::new(Renamed::new(source, pieces))
            }
            None => source,
        };
        if config.classes.is_empty() {
            config.classes = names_beside(path, config.out_channels)?;
        }
        config.validate()?;
        Ok(Self {
            path: path.to_path_buf(),
            source,
            config,
        })
    }

    /// Whether a folder says that it holds a classifier, were it a broken one. Reads one small
    /// file.
    pub fn is_one(folder: &Path) -> bool {
        let config = read_json::<Value>(&folder.join(CONFIG));
        config.is_ok_and(|config| config.is_some_and(|config| config["_class_name"] == CLASS))
    }

    /// Its sizes, its classes, and what it was trained on.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// All its files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    /// What it is, told from its headers.
    ///
    /// # Errors
    /// If its configuration is not supported.
    pub fn inspected(&self) -> Result<Inspection, ModelError> {
        let network = self.config.init(&Device::flex())?;
        let source = self.source.as_ref();
        let found = weights::differences(&network, source, &names::DIFFUSERS);
        let of_latents = match &self.config.latents {
            Some(latents) => format!(" of {} pixels a side", latents.factor),
            None => String::new(),
        };
        let classes = self.config.class_names();
        let shown: Vec<&str> = classes.iter().take(NAMED).map(String::as_str).collect();
        let more = if classes.len() > NAMED {
            ", \u{2026}"
        } else {
            ""
        };
        Ok(Inspection {
            path: self.path.clone(),
            family: match self.config.latents {
                Some(_) => Family::Velatura,
                None => Family::LatentDiffusion,
            },
            task: Task::Classifier,
            prediction: None,
            precision: precision(source, found.used()),
            parameters: network.parameter_count() as u64,
            missing: found.missing.clone(),
            surplus: found.surplus.clone(),
            mismatched: found.mismatched.clone(),
            has_averages: false,
            config: None,
            notices: vec![format!(
                "it tells {} classes apart ({}{more}) from latents with {} channels{of_latents}",
                classes.len(),
                shown.join(", "),
                self.config.in_channels
            )],
        })
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is damaged, or its sizes are other ones.
    pub fn load(&self, device: &Device) -> Result<Classifier, ModelError> {
        let network = self.config.init(device)?;
        let source = self.source.as_ref();
        weights::load(network, source, &names::DIFFUSERS, CLASS, WeightDtype::F32)
    }
}

/// Writes a classifier into a folder; each file appears whole or not at all.
pub(super) fn save(network: &Classifier, folder: &Path) -> Result<(), ModelError> {
    fs::create_dir_all(folder).map_err(ModelError::io("make the folder", folder))?;
    let path = folder.join(format!("{STEM}.safetensors"));
    weights::save(network, &path, &names::DIFFUSERS, WeightDtype::F32)?;
    write_json(&folder.join(CONFIG), network.config())
}

/// The weights in a folder: those of our name, else the only file of weights.
fn weights(folder: &Path) -> Result<Box<dyn WeightSource>, ModelError> {
    let error = match weights::find(folder, STEM) {
        Ok(source) => return Ok(source),
        Err(error) => error,
    };
    let endings = ["safetensors", "pt", "pth", "ckpt", "bin"];
    let is_weights = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = entries.map(|entry| entry.path()).filter(is_weights);
    match (files.next(), files.next()) {
        (Some(only), None) => weights::open(&only),
        _ => Err(error),
    }
}

/// The sizes that lie beside a file.
fn beside(path: &Path) -> Result<Option<ClassifierConfig>, ModelError> {
    for json in [path.with_extension("json"), path.with_file_name(CONFIG)] {
        if let Some(config) = ClassifierConfig::read(&json)? {
            return Ok(Some(config));
        }
    }
    for yaml in [
        path.with_extension("yaml"),
        path.with_file_name("config.yaml"),
    ] {
        if let Some(config) = ClassifierConfig::read_yaml(&yaml)? {
            return Ok(Some(config));
        }
    }
    Ok(None)
}

/// The names of so many classes in the file beside; none where there is none. A lone file
/// may have one of its own name, as there may be other classifiers in its folder.
fn names_beside(path: &Path, count: usize) -> Result<Vec<String>, ModelError> {
    let shared = match path.is_dir() {
        true => path.join(CLASS_NAMES),
        false => path.with_file_name(CLASS_NAMES),
    };
    let own = path.with_extension(CLASS_NAMES);
    let is_own = !path.is_dir() && own.is_file();
    let file = if is_own { own } else { shared };
    match class_names(&file)? {
        Some(names) if names.len() == count => Ok(names),
        Some(names) => Err(wrong_class_count(&file, names.len(), count)),
        None => Ok(Vec::new()),
    }
}

/// Takes from the weights what they show beyond doubt, which a YAML file of a model does
/// not tell: what comes at the end, and how many classes.
fn take_shapes(config: &mut ClassifierConfig, source: &dyn WeightSource, prefix: &str) {
    let shape = |name: &str| source.shape(&format!("{prefix}{name}"));
    if let Some([_, channels, ..]) = shape(FIRST) {
        config.in_channels = *channels;
    }
    config.pool = if shape(POSITIONS).is_some() {
        Pool::Attention
    } else if shape("out.0.weight").is_some_and(|shape| shape.len() == 1) {
        Pool::Adaptive
    } else if shape("out.3.weight").is_some() {
        Pool::SpatialV2
    } else {
        Pool::Spatial
    };
    if let Some([_, tokens]) = shape(POSITIONS) {
        let side = tokens.saturating_sub(1).isqrt();
        config.image_size = side << (config.channel_mult.len().clamp(1, 32) - 1);
    }
    if let Some([classes, ..]) = shape(&format!("{}.weight", last(config.pool))) {
        config.out_channels = *classes;
    }
}

/// The name of the last matrix.
fn last(pool: Pool) -> &'static str {
    match pool {
        Pool::Adaptive | Pool::SpatialV2 => "out.3",
        Pool::Attention => "out.2.c_proj",
        Pool::Spatial => "out.2",
    }
}

/// Where each weight lies by the names of the public code.
fn pieces(config: &ClassifierConfig, prefix: &str) -> BTreeMap<String, Piece> {
    let stored = |name: &str| format!("{prefix}{name}");
    let is_above = |name: &str| {
        ["up_blocks.", "conv_norm_out.", "conv_out."]
            .iter()
            .any(|part| name.starts_with(part))
    };
    let mut pieces = config.original().pieces(stored);
    pieces.retain(|name, _| !is_above(name));
    let (first, norm, project) = match config.pool {
        Pool::Adaptive | Pool::Attention => (None, Some("out.0"), "project"),
        Pool::Spatial => (Some("out.0"), None, "linear_2"),
        Pool::SpatialV2 => (Some("out.0"), Some("out.1"), "linear_2"),
    };
    for end in ["weight", "bias"] {
        let mut put = |ours: &str, theirs: &str| {
            let piece = Piece::whole(stored(&format!("{theirs}.{end}")));
            pieces.insert(format!("head.{ours}.{end}"), piece);
        };
        first.iter().for_each(|theirs| put("linear_1", theirs));
        norm.iter().for_each(|theirs| put("norm", theirs));
        put(project, last(config.pool));
        if config.pool == Pool::Attention {
            for (which, matrix) in ["to_q", "to_k", "to_v"].into_iter().enumerate() {
                let part = Part {
                    which,
                    parts: 3,
                    groups: 1,
                };
                let piece = Piece::part(stored(&format!("out.2.qkv_proj.{end}")), part);
                pieces.insert(format!("head.{matrix}.{end}"), piece);
            }
        }
    }
    if config.pool == Pool::Attention {
        let piece = Piece::whole(stored(POSITIONS));
        pieces.insert("head.positional_embedding".to_owned(), piece);
    }
    pieces
}
