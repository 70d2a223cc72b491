//! The network that leads a job to a class: which files these are, and the network in
//! memory.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::additions::file_digits;
use super::device::ComputeDevice;
use super::kept_files::{self, Kept};
use super::memory::Memory;
use super::model_cache::{LoadNews, bad_model, path_of};
use super::protocol::StopReason;
use super::workbench::check_room;
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

impl Classifiers {
    /// The classifier of a job; one that it does not use is let go of first.
    ///
    /// # Errors
    /// If it cannot be found or read, or there is not enough memory.
    pub fn get(
        &mut self,
        spec: &GenerateSpec,
        device: &ComputeDevice,
        news: &dyn LoadNews,
    ) -> Result<Option<Rc<ReadClassifier>>, StopReason> {
        let Some(named) = &spec.classifier else {
            self.forget();
            return Ok(None);
        };
        let beside = path_of(&spec.model)?;
        let path = kept_files::find_file(named, Kept::Classifiers, &beside);
        let path = path.map_err(|error| bad_model(&error))?;
        let stamp = ModelFolder::stamp_of(&path);
        let known = self.0.take();
        let known = known.filter(|known| known.path == path && known.stamp == stamp);
        let known = match known {
            Some(known) => known,
            None => {
                let file = ClassifierFile::open(&path).map_err(|error| bad_model(&error))?;
                if !device.summary.is_gpu {
                    let available = Memory::now().map(|memory| memory.available_bytes);
                    let remedy = "close other programs, or paint without it";
                    let bytes = file.config().working_bytes();
                    check_room("The classifier", bytes, available, remedy)
                        .map_err(StopReason::Failed)?;
                }
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
