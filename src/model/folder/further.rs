//! Models of the paper's code that were trained further: one file again with the original
//! names, and its YAML file beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::convert::gathered;
use super::original::{VOCABULARY, pieces};
use super::place::LEFT_BY_DESKTOPS;
use super::save::put_whole;
use super::{CLASS_NAMES, ModelFolder, single};
use crate::files::write_atomically;
use crate::model::conditioner::rescaled_map::Rescaler;
use crate::model::conditioner::token_transformer::TokenEncoder;
use crate::model::inspect::SingleFile;
use crate::model::json::read_text;
use crate::model::paper::{self, OriginalConditioner};
use crate::model::weights::{self, Arranged, Gathered, WeightDtype, WeightSource, names};
use crate::model::{ModelError, UNet2d};

/// How the YAML file of such a model begins: the model is ours, and may be replaced.
const MARK: &str = "# Trained further with Velatura.\n";
/// Where what tells the denoiser lies in a checkpoint.
const CONDITIONER: &str = "cond_stage_model.";
/// What latents are multiplied by, if it was measured in training.
const SCALE_FACTOR: &str = "scale_factor";
/// The two forms in which the weights are written, whatever the file was called.
const SAFETENSORS: &str = "safetensors";
const CHECKPOINT: &str = "ckpt";
/// Other names of the second, by which older editions wrote it.
const OLDER: [&str; 3] = ["pt", "pth", "bin"];

/// The network of what tells the denoiser.
#[derive(Clone, Copy, Debug)]
pub enum OriginalNetwork<'a> {
    /// Of words or boxes.
    Tokens(&'a TokenEncoder),
    /// Of label maps.
    Map(&'a Rescaler),
}

/// Whether a file has this ending, in letters of either case.
fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension()
        .is_some_and(|it| it.eq_ignore_ascii_case(ending))
}

/// Whether a folder holds such a model and nothing else that somebody would miss.
pub(super) fn is_ours(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let paths: Option<Vec<PathBuf>> = entries.map(|entry| Some(entry.ok()?.path())).collect();
    let mut paths = paths.unwrap_or_default();
    paths.retain(|path| !LEFT_BY_DESKTOPS.iter().any(|name| path.ends_with(name)));
    let Some(yaml) = paths.iter().find(|path| ends_in(path, "yaml")) else {
        return false;
    };
    let is_marked = || matches!(read_text(yaml), Ok(Some(text)) if text.starts_with(MARK));
    let is_known = |path: &PathBuf| {
        let is_beside = [CLASS_NAMES, VOCABULARY]
            .iter()
            .any(|name| path.ends_with(name));
        let mut endings = [SAFETENSORS, CHECKPOINT].into_iter().chain(OLDER);
        let is_weights = endings.any(|ending| ends_in(path, ending));
        path == yaml || is_beside || (is_weights && path.file_stem() == yaml.file_stem())
    };
    paths.iter().all(|path| path.is_file() && is_known(path)) && is_marked()
}

/// Writes the names of classes, one on each line.
fn write_classes(folder: &Path, classes: &[String]) -> Result<(), ModelError> {
    let path = folder.join(CLASS_NAMES);
    let text = classes.join("\n") + "\n";
    write_atomically(&path, |file| file.write_all(text.as_bytes()))
        .map_err(ModelError::io("write", &path))
}

impl ModelFolder {
    /// Whether its encoder of words, boxes or label maps learns along with the denoiser, as
    /// its YAML file says.
    pub fn learns_to_be_told(&self) -> bool {
        let told = SingleFile::open(&self.path, None);
        let told = told.ok().and_then(|file| file.told);
        told.is_some_and(|told| told.is_conditioner_trained)
    }

    /// Whether the model of this file can be written again when it was trained.
    ///
    /// # Errors
    /// If no YAML file lies beside it.
    pub fn check_further(&self) -> Result<(), ModelError> {
        self.yaml(&SingleFile::open(&self.path, None)?).map(|_| ())
    }

    fn yaml(&self, file: &SingleFile) -> Result<PathBuf, ModelError> {
        let yaml = file.inspection.config.clone();
        yaml.ok_or_else(|| ModelError::NeedsYaml {
            path: self.path.clone(),
            task: file.inspection.task.id(),
        })
    }

    /// Writes this model of the paper's code with other weights of its denoiser and of what
    /// tells it, into a folder, under its old name: as safetensors if it was, else as a
    /// checkpoint of PyTorch that ends in `.ckpt`, by which folders know such a file. `classes`
    /// are the names of all by their numbers where they are others than before.
    ///
    /// # Errors
    /// If something else lies there, or a file cannot be read or written.
    pub fn save_further(
        &self,
        place: &Path,
        unet: &UNet2d,
        network: OriginalNetwork<'_>,
        classes: Option<&[String]>,
    ) -> Result<Self, ModelError> {
        let file = SingleFile::open(&self.path, None)?;
        let yaml = self.yaml(&file)?;
        put_whole(place, |fresh| {
            self.write_further(fresh, &file, &yaml, unet, network)?;
            match classes {
                Some(classes) => write_classes(fresh, classes),
                None => Ok(()),
            }
        })?;
        Self::open(place)
    }

    fn write_further(
        &self,
        folder: &Path,
        file: &SingleFile,
        yaml: &Path,
        unet: &UNet2d,
        network: OriginalNetwork<'_>,
    ) -> Result<(), ModelError> {
        let is_safe = ends_in(&self.path, SAFETENSORS);
        let ending = if is_safe { SAFETENSORS } else { CHECKPOINT };
        let name = Path::new(self.path.file_name().unwrap_or_default());
        let target = folder.join(name.with_extension(ending));
        fs::create_dir_all(folder).map_err(ModelError::io("make the folder", folder))?;
        let scratch = tempfile::tempdir_in(folder).map_err(ModelError::io("write in", folder))?;
        let arranged = self.trained(&target, file, scratch.path(), unet, network)?;
        let arranged = Arc::new(arranged);
        match is_safe {
            true => weights::save_arranged(&target, &arranged, None, &mut |_| true)?,
            false => weights::save_arranged_checkpoint(&target, &arranged)?,
        }
        drop(arranged);
        scratch
            .close()
            .map_err(ModelError::io("write in", folder))?;
        let text = read_text(yaml)?.unwrap_or_default();
        let text = text.strip_prefix(MARK).unwrap_or(&text);
        let path = target.with_extension("yaml");
        write_atomically(&path, |to| to.write_all(format!("{MARK}{text}").as_bytes()))
            .map_err(ModelError::io("write", &path))?;
        for name in [CLASS_NAMES, VOCABULARY] {
            let from = self.path.with_file_name(name);
            if from.is_file() {
                let to = folder.join(name);
                fs::copy(&from, &to).map_err(ModelError::io("write", &to))?;
            }
        }
        Ok(())
    }

    /// The weights of the file that it came from, but for those that learnt.
    fn trained(
        &self,
        target: &Path,
        file: &SingleFile,
        scratch: &Path,
        unet: &UNet2d,
        network: OriginalNetwork<'_>,
    ) -> Result<Arranged, ModelError> {
        let (Some(sizes), Some(conditioner)) = (&file.unet, self.original()) else {
            return Err(self.missing("denoiser (unet)"));
        };
        let unet_file = scratch.join("unet.safetensors");
        let told_file = scratch.join("told.safetensors");
        let f32 = WeightDtype::F32;
        weights::save(unet, &unet_file, &names::DIFFUSERS, f32)?;
        match network {
            OriginalNetwork::Tokens(network) => {
                weights::save(network, &told_file, &names::DIFFUSERS, f32)?;
            }
            OriginalNetwork::Map(network) => {
                weights::save(network, &told_file, &names::DIFFUSERS, f32)?;
            }
        }
        let learnt = |name: &str| name.starts_with(paper::UNET) || name.starts_with(CONDITIONER);
        let kept = file.used.iter().filter(|(name, _)| !learnt(name));
        let mut tensors: BTreeMap<String, Gathered> = kept
            .map(|(name, tensor)| (name.clone(), tensor.clone()))
            .collect();
        if let Some(shape) = file.source.shape(SCALE_FACTOR) {
            let tensor = Gathered {
                shape: shape.to_vec(),
                rows: vec![(0, SCALE_FACTOR.to_owned())],
                is_turned: false,
            };
            tensors.insert(SCALE_FACTOR.to_owned(), tensor);
        }
        let parts = [
            (sizes.layout(paper::UNET), single::denoiser(sizes, false)),
            (
                OriginalConditioner::layout(conditioner),
                pieces(conditioner),
            ),
        ];
        for (source, (layout, pieces)) in (1..).zip(parts) {
            let names = gathered(source, layout, &pieces, 0);
            tensors.extend(names.ok_or_else(|| self.missing("names of its weights"))?);
        }
        let sources: Vec<Arc<dyn WeightSource>> = vec![
            Arc::clone(&file.source),
            weights::open(&unet_file)?.into(),
            weights::open(&told_file)?.into(),
        ];
        Arranged::new(target, sources, tensors)
    }
}
