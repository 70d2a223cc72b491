//! The network that leads a job to a class: which files these are, and the network in
//! memory.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::additions::file_digits;
use super::device::ComputeDevice;
use super::kept_files::{self, Kept};
use super::model_cache::{LoadNews, bad_model, path_of};
use super::protocol::StopReason;
use crate::diffusion::ClassGuide;
use crate::model::weights::{FileStamp, WeightDigest};
use crate::model::{Classifier, ClassifierFile, ModelFolder};
use crate::recipe::{GenerateSpec, NamedFile};

/// A classifier in memory.
pub(super) struct ReadClassifier {
    network: Arc<Classifier>,
    /// By which pictures name it; it is still being made when painting begins.
    digest: Arc<WeightDigest>,
}

impl ReadClassifier {
    /// Its digits in recipes.
    pub fn digits(&self) -> String {
        file_digits(&self.digest)
    }

    /// What leads a job: to nowhere while no class is chosen.
    pub fn guide(&self, spec: &GenerateSpec) -> ClassGuide {
        ClassGuide {
            classifier: Arc::clone(&self.network),
            class: spec.class.unwrap_or(0),
            scale: spec.class.map_or(0.0, |_| spec.classifier_scale),
        }
    }
}

struct Known {
    path: PathBuf,
    /// Its files as they were when it was read.
    stamp: Vec<FileStamp>,
    read: Rc<ReadClassifier>,
}

/// The classifier that was used last.
#[derive(Default)]
pub(super) struct Classifiers(Option<Known>);

/// Where a file lies, and what it was when it was looked at.
struct Found {
    path: PathBuf,
    stamp: Vec<FileStamp>,
}

impl Found {
    /// Looks for the classifier of a job; `None` where it has none.
    fn of(spec: &GenerateSpec) -> Result<Option<Self>, StopReason> {
        let Some(named) = &spec.classifier else {
            return Ok(None);
        };
        let beside = path_of(&spec.model)?;
        let path = kept_files::find_file(named, Kept::Classifiers, &beside);
        let path = path.map_err(|error| bad_model(&error))?;
        let stamp = ModelFolder::stamp_of(&path);
        Ok(Some(Self { path, stamp }))
    }

    fn is_of(&self, known: &Known) -> bool {
        known.path == self.path && known.stamp == self.stamp
    }
}

impl Classifiers {
    /// Memory that the classifier of a job takes beside what is in memory, for latents of so
    /// many columns and rows. Reads no weights.
    ///
    /// # Errors
    /// If it cannot be found or opened.
    pub fn needed_bytes(&self, spec: &GenerateSpec, size: [usize; 2]) -> Result<u64, StopReason> {
        let Some(found) = Found::of(spec)? else {
            return Ok(0);
        };
        if let Some(known) = self.0.as_ref().filter(|known| found.is_of(known)) {
            let config = known.read.network.config();
            return Ok(config.gradient_memory(size).working_bytes);
        }
        let file = ClassifierFile::open(&found.path).map_err(|error| bad_model(&error))?;
        Ok(file.config().gradient_memory(size).total_bytes())
    }

    /// The classifier of a job; one that it does not use is let go of first.
    ///
    /// # Errors
    /// If it cannot be found or read.
    pub fn get(
        &mut self,
        spec: &GenerateSpec,
        device: &ComputeDevice,
        news: &dyn LoadNews,
    ) -> Result<Option<Rc<ReadClassifier>>, StopReason> {
        let Some((named, found)) = spec.classifier.as_ref().zip(Found::of(spec)?) else {
            self.forget();
            return Ok(None);
        };
        let known = self.0.take().filter(|known| found.is_of(known));
        let known = match known {
            Some(known) => known,
            None => {
                let Found { path, stamp } = found;
                let file = ClassifierFile::open(&path).map_err(|error| bad_model(&error))?;
                let network = file.load(&device.device);
                let network = network.map_err(|error| bad_model(&error))?;
                let digest = WeightDigest::new(file.files());
                digest.begin();
                Known {
                    path,
                    stamp,
                    read: Rc::new(ReadClassifier {
                        network: Arc::new(network),
                        digest,
                    }),
                }
            }
        };
        let read = Rc::clone(&known.read);
        self.0 = Some(known);
        tell_another(named, spec.classifier_hash.as_deref(), &read, news);
        Ok(Some(read))
    }

    /// Lets go of it.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

/// Tells of a classifier that was found by name and is another than a recipe wants.
fn tell_another(
    file: &NamedFile,
    wanted: Option<&str>,
    read: &ReadClassifier,
    news: &dyn LoadNews,
) {
    let Some(wanted) = wanted.filter(|_| file.path.is_none()) else {
        return;
    };
    let digits = read.digits();
    if !digits.is_empty() && !wanted.starts_with(&digits) && !digits.starts_with(wanted) {
        let name = &file.name;
        news.warn(&format!(
            "the classifier \u{201c}{name}\u{201d} is another one ({digits}) than the picture was painted with ({wanted}); the picture may be another"
        ));
    }
}
