//! The models in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::PromptReader;
use super::device::ComputeDevice;
use super::job::JobContext;
use super::kept_files::{Kept, find_file};
use super::protocol::{EngineError, ModelSummary, StopReason};
use crate::diffusion::LatentDiffusion;
use crate::folders;
use crate::model::weights::{FileStamp, ReadWatch, WeightDigest};
use crate::model::{ModelError, ModelFolder, WeightDtype};
use crate::recipe::{ModelSource, NamedFile};

/// A model in memory.
pub(super) struct Loaded {
    pub model: LatentDiffusion,
    pub summary: ModelSummary,
    /// By which pictures name it; it is begun when a step is done or nothing is to do.
    pub digest: Arc<WeightDigest>,
    /// Memory that its weights take.
    size_bytes: u64,
    /// Its files as they were when it was read: a folder that was written anew
    /// since holds another model.
    stamp: Vec<FileStamp>,
    /// Whether its networks are read when their turn comes, where that can be.
    saves_memory: bool,
    /// The first stage that it was given because it has none.
    pub completed_by: Option<PathBuf>,
    /// What changed it.
    pub used: UsedFiles,
}

/// The digests of the files that changed a model.
#[derive(Clone, Debug, Default)]
pub(super) struct UsedFiles {
    /// Of LoRAs, by their names.
    pub loras: BTreeMap<String, Arc<WeightDigest>>,
    /// Of words, by their names.
    pub words: BTreeMap<String, Arc<WeightDigest>>,
    /// Of another first stage in one file.
    pub vae: Option<Arc<WeightDigest>>,
}

impl Loaded {
    /// The same with changed weights, which take so much memory beside the others.
    pub fn changed(&self, model: LatentDiffusion, size_bytes: u64, used: UsedFiles) -> Self {
        Self {
            model,
            summary: self.summary.clone(),
            digest: Arc::clone(&self.digest),
            size_bytes,
            stamp: self.stamp.clone(),
            saves_memory: self.saves_memory,
            completed_by: self.completed_by.clone(),
            used,
        }
    }
}

/// Who asked for a model, while it is read.
pub(super) trait LoadNews {
    /// What is told of weights as they are read, of so many bytes or about.
    fn watch(&self, total_bytes: u64) -> ReadWatch;

    /// Whether the model is still wanted.
    ///
    /// # Errors
    /// [`StopReason::Cancelled`] if not.
    fn goes_on(&self) -> Result<(), StopReason>;

    /// Tells something that the model cannot have.
    fn warn(&self, warning: &str);

    /// Whether networks are to be read when their turn comes.
    fn saves_memory(&self) -> bool {
        false
    }
}

impl LoadNews for JobContext {
    fn watch(&self, total_bytes: u64) -> ReadWatch {
        ReadWatch::new(self.reading(total_bytes))
    }

    fn goes_on(&self) -> Result<(), StopReason> {
        self.checkpoint()
    }

    fn warn(&self, warning: &str) {
        self.warn(warning);
    }

    fn saves_memory(&self) -> bool {
        self.saves_memory()
    }
}

/// The models that were used last, as many as fit into a number of bytes. The one
/// that was used longest ago goes first.
#[derive(Default)]
pub(super) struct ModelCache {
    /// Oldest use first.
    models: Vec<Rc<Loaded>>,
}

impl ModelCache {
    /// The model of a source, from memory if it is there and still the one on
    /// the disk. Others make room for it before it is read: two may not fit.
    /// `news` is told how far it is when it is read, and what it cannot have as its
    /// folder says. `vae` is the first stage that is chosen, for a model that has none.
    pub fn get(
        &mut self,
        source: &ModelSource,
        vae: Option<&NamedFile>,
        device: &ComputeDevice,
        budget_bytes: u64,
        news: &dyn LoadNews,
    ) -> Result<Rc<Loaded>, StopReason> {
        let path = path_of(source)?;
        // Before anything is read: what changes meanwhile is read again next time.
        let mut stamp = ModelFolder::stamp_of(&path);
        if let ModelSource::Described { yaml, .. } = source {
            stamp.extend(FileStamp::of(yaml));
        }
        let stamp_with = |completed_by: Option<&Path>| {
            let mut stamp = stamp.clone();
            if let Some(path) = completed_by {
                match path.is_dir() {
                    true => stamp.extend(ModelFolder::stamp_of(path)),
                    false => stamp.extend(FileStamp::of(path)),
                }
            }
            stamp
        };
        let known = self
            .models
            .iter()
            .position(|loaded| loaded.summary.source == *source);
        if let Some(place) = known {
            let loaded = self.models.remove(place);
            let is_completed = match &loaded.completed_by {
                Some(known) => completing(vae, &path)?.as_ref() == Some(known),
                None => true,
            };
            let stamp = stamp_with(loaded.completed_by.as_deref());
            let is_same = loaded.stamp == stamp && is_completed;
            if is_same && loaded.saves_memory == news.saves_memory() {
                self.models.push(Rc::clone(&loaded));
                return Ok(loaded);
            }
        }
        let (folder, completed_by) = completed(source, vae, device, news.saves_memory())?;
        let stamp = stamp_with(completed_by.as_deref());
        let estimate = folder
            .painting_memory([1, 1], 1)
            .map_err(|error| bad_model(&error))?;
        self.shrink(budget_bytes.saturating_sub(estimate.weights_bytes));
        let folder = folder.watched(news.watch(estimate.weights_bytes));
        let size_bytes = estimate.weights_bytes;
        let loaded = open(
            source,
            &folder,
            stamp,
            news.saves_memory(),
            size_bytes,
            device,
        );
        // A model that was given up is none that failed.
        news.goes_on()?;
        let loaded = Rc::new(Loaded {
            completed_by,
            ..loaded?
        });
        loaded
            .model
            .warnings()
            .iter()
            .for_each(|warning| news.warn(warning));
        self.shrink(budget_bytes.saturating_sub(loaded.size_bytes));
        self.models.push(Rc::clone(&loaded));
        Ok(loaded)
    }

    /// Memory of all models that could be let go of, but for the one of a source;
    /// and whether that one is there.
    pub fn spare_bytes(&self, source: Option<&ModelSource>) -> (u64, bool) {
        let is_wanted = |loaded: &&Rc<Loaded>| Some(&loaded.summary.source) == source;
        let others = self.models.iter().filter(|loaded| !is_wanted(loaded));
        let bytes = others.map(|loaded| loaded.size_bytes).sum();
        (bytes, self.models.iter().any(|loaded| is_wanted(&loaded)))
    }

    /// Lets go of the models that were used longest ago until the rest is no
    /// larger than a number of bytes.
    pub fn shrink(&mut self, most_bytes: u64) {
        let mut held: u64 = self.models.iter().map(|loaded| loaded.size_bytes).sum();
        while held > most_bytes {
            held -= self.models.remove(0).size_bytes;
        }
    }
}

pub(super) fn bad_model(error: &dyn std::fmt::Display) -> StopReason {
    StopReason::Failed(EngineError::Model(error.to_string()))
}

/// The folder of a source, of which the configurations only are read. On the processor half
/// precision of large models stays what it is: weights are widened as they are used.
///
/// A model without a first stage is given the one that is chosen.
pub(super) fn folder_of(
    source: &ModelSource,
    vae: Option<&NamedFile>,
    device: &ComputeDevice,
    saves_memory: bool,
) -> Result<ModelFolder, StopReason> {
    completed(source, vae, device, saves_memory).map(|(folder, _)| folder)
}

/// Where the first stage lies that is chosen for a model.
fn completing(vae: Option<&NamedFile>, model: &Path) -> Result<Option<PathBuf>, StopReason> {
    let found = vae.map(|file| find_file(file, Kept::Vaes, model));
    found.transpose().map_err(|error| bad_model(&error))
}

/// The same, and where the first stage lies that the model was given.
fn completed(
    source: &ModelSource,
    vae: Option<&NamedFile>,
    device: &ComputeDevice,
    saves_memory: bool,
) -> Result<(ModelFolder, Option<PathBuf>), StopReason> {
    let yaml = match source {
        ModelSource::Described { yaml, .. } => Some(yaml.as_path()),
        _ => None,
    };
    let folder = ModelFolder::open_with(path_of(source)?, yaml);
    let mut folder = folder.map_err(|error| bad_model(&error))?;
    let mut completed_by = None;
    if folder.lacks_first_stage() {
        completed_by = completing(vae, folder.path())?;
        let Some(path) = &completed_by else {
            let error = ModelError::NoAutoencoder(folder.path().to_path_buf());
            let error = EngineError::NoFirstStage(error.to_string());
            return Err(StopReason::Failed(error));
        };
        folder = folder
            .completed_by(path)
            .map_err(|error| bad_model(&error))?;
    }
    let folder = match device.summary.is_gpu || device.weights != WeightDtype::F32 {
        true => folder.held_as(device.weights),
        false => folder.held_to_paint(),
    };
    let folder = match saves_memory {
        true => folder.in_turn(),
        false => folder,
    };
    Ok((folder, completed_by))
}

pub(super) fn path_of(source: &ModelSource) -> Result<PathBuf, StopReason> {
    match source {
        ModelSource::Folder(path) | ModelSource::Described { file: path, .. } => Ok(path.clone()),
        ModelSource::Storybook => folders::storybook_model().ok_or_else(|| {
            bad_model(
                &"The Storybook model is missing; reinstall Velatura or open another model folder.",
            )
        }),
    }
}

fn open(
    source: &ModelSource,
    folder: &ModelFolder,
    stamp: Vec<FileStamp>,
    saves_memory: bool,
    weights_bytes: u64,
    device: &ComputeDevice,
) -> Result<Loaded, StopReason> {
    let model = LatentDiffusion::load(folder, &device.device).map_err(|error| bad_model(&error))?;
    let manifest = model.manifest();
    let summary = ModelSummary {
        source: source.clone(),
        name: manifest.name.clone(),
        native_size_px: manifest.resolution_px,
        size_multiple_px: model.size_multiple_px(),
        default_sampler: model.default_sampler().sampler_id(),
        default_schedule: model.default_schedule(),
        default_steps: manifest.default_steps,
        default_guidance: manifest.default_guidance_scale,
        default_guidance_start: manifest.default_guidance_start,
        inputs: manifest.inputs.clone(),
        places_boxes: model.places_boxes(false),
        knows_things: model.places_boxes(true),
        prompts: model.reader().map(|reader| {
            let layers = model.text_layers().unwrap_or(1);
            let further = model.layout_prior().map(|prior| &*prior.config().words);
            PromptReader::new(reader.clone(), layers).knowing(further.unwrap_or_default())
        }),
        parameters: model.parameter_count() as u64,
    };
    Ok(Loaded {
        digest: folder.unet_digest().map_err(|error| bad_model(&error))?,
        // What is read in its turn does not stay.
        size_bytes: match model.model().is_in_turn() {
            true => 0,
            false => weights_bytes,
        },
        model,
        summary,
        stamp,
        saves_memory,
        completed_by: None,
        used: UsedFiles::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tiny::KINDS;

    fn tiny(name: &str) -> ModelSource {
        ModelSource::Folder(Path::new("tests/data/reference").join(name))
    }

    /// Somebody who waits, or nobody any more.
    struct Patience(bool);

    impl LoadNews for Patience {
        fn watch(&self, _total_bytes: u64) -> ReadWatch {
            let waits = self.0;
            ReadWatch::new(move |_| waits)
        }

        fn goes_on(&self) -> Result<(), StopReason> {
            if self.0 {
                Ok(())
            } else {
                Err(StopReason::Cancelled)
            }
        }

        fn warn(&self, _warning: &str) {}
    }

    fn get(cache: &mut ModelCache, source: &ModelSource, budget_bytes: u64) -> Rc<Loaded> {
        let device = ComputeDevice::cpu();
        let loaded = cache.get(source, None, &device, budget_bytes, &Patience(true));
        loaded.unwrap_or_else(|reason| panic!("{reason:?}"))
    }

    #[test]
    fn as_many_models_stay_as_fit() {
        let mut cache = ModelCache::default();
        let (one, two) = (tiny("sd1-tiny"), tiny("sd2-tiny"));
        let first = get(&mut cache, &one, u64::MAX);
        let second = get(&mut cache, &two, u64::MAX);
        assert!(Rc::ptr_eq(&first, &get(&mut cache, &one, u64::MAX)));
        // The second was used longest ago.
        cache.shrink(first.size_bytes);
        assert!(Rc::ptr_eq(&first, &get(&mut cache, &one, 0)));
        let again = get(&mut cache, &two, 0);
        assert!(!Rc::ptr_eq(&second, &again));
        // Without a budget only the one in use is kept.
        assert!(!Rc::ptr_eq(&first, &get(&mut cache, &one, 0)));
        cache.shrink(0);
        assert!(cache.models.is_empty());
    }

    #[test]
    fn a_model_that_is_given_up_is_not_kept() {
        let mut cache = ModelCache::default();
        let device = ComputeDevice::cpu();
        let source = tiny("sd1-tiny");
        let given_up = cache.get(&source, None, &device, u64::MAX, &Patience(false));
        assert_eq!(given_up.err(), Some(StopReason::Cancelled));
        assert!(cache.models.is_empty());
    }

    #[test]
    fn a_yaml_file_that_was_written_anew_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let yaml = folder.path().join("told elsewhere.yaml");
        let mut kinds = KINDS.iter();
        let kind = kinds.find(|kind| kind.id == "latent-diffusion-class-to-image");
        let file = kind.unwrap().write(&folder.path().join("model")).unwrap();
        std::fs::rename(file.with_extension("yaml"), &yaml).unwrap();
        let source = ModelSource::Described {
            file,
            yaml: yaml.clone(),
        };
        let mut cache = ModelCache::default();
        let first = get(&mut cache, &source, u64::MAX);
        assert!(Rc::ptr_eq(&first, &get(&mut cache, &source, u64::MAX)));
        let text = std::fs::read_to_string(&yaml).unwrap();
        std::fs::write(&yaml, text + "\n").unwrap();
        assert!(!Rc::ptr_eq(&first, &get(&mut cache, &source, u64::MAX)));
    }

    #[test]
    fn a_folder_that_was_written_anew_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for entry in walkdir::WalkDir::new("tests/data/reference/sd1-tiny") {
            let entry = entry.unwrap();
            let inner = entry.path().strip_prefix("tests/data/reference/sd1-tiny");
            let to = root.join(inner.unwrap());
            if entry.file_type().is_dir() {
                std::fs::create_dir_all(to).unwrap();
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
        let source = ModelSource::Folder(root.to_owned());
        let mut cache = ModelCache::default();
        let first = get(&mut cache, &source, u64::MAX);
        assert!(Rc::ptr_eq(&first, &get(&mut cache, &source, u64::MAX)));
        let config = root.join("scheduler/scheduler_config.json");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text + "\n").unwrap();
        assert!(!Rc::ptr_eq(&first, &get(&mut cache, &source, u64::MAX)));
    }
}
