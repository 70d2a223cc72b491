//! The networks through which pictures control a job: which files these are, and the
//! networks in memory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use image::{GrayImage, RgbImage};

use super::additions::file_digits;
use super::device::ComputeDevice;
use super::kept_files::{self, Kept};
use super::memory::Memory;
use super::model_cache::{LoadNews, Loaded, bad_model, path_of};
use super::protocol::StopReason;
use super::workbench::check_room;
use crate::control::{Seen, seen};
use crate::diffusion::ControlInput;
use crate::model::weights::{FileStamp, WeightDigest};
use crate::model::{ControlNet, ControlNetFile, ModelFolder, WeightDtype};
use crate::pixels::opaque;
use crate::recipe::{ControlSpec, GenerateSpec, ModelSource};

/// A network in memory.
pub(super) struct ReadControl {
    network: Arc<ControlNet>,
    /// By which pictures name it; it is still being made when painting begins.
    digest: Arc<WeightDigest>,
}

impl ReadControl {
    /// Its digits in recipes.
    pub fn digits(&self) -> String {
        file_digits(&self.digest)
    }

    /// By which its digits are found when it is gone.
    pub fn digest(&self) -> Arc<WeightDigest> {
        Arc::clone(&self.digest)
    }
}

struct Known {
    path: PathBuf,
    /// Its files as they were when it was read.
    stamp: Vec<FileStamp>,
    /// The model that it was read for, of whose heads it has as many.
    model: Weak<Loaded>,
    read: Rc<ReadControl>,
}

/// The networks that were used last.
#[derive(Default)]
pub(super) struct Controls {
    known: Vec<Known>,
}

impl Controls {
    /// The networks of a job, in its order; those that it does not use are let go of first.
    ///
    /// # Errors
    /// If one cannot be found or read or does not fit, or there is not enough memory.
    pub fn get(
        &mut self,
        model: &Rc<Loaded>,
        spec: &GenerateSpec,
        device: &ComputeDevice,
        news: &dyn LoadNews,
    ) -> Result<Vec<Rc<ReadControl>>, StopReason> {
        if spec.controls.is_empty() {
            self.forget();
            return Ok(Vec::new());
        }
        let beside = path_of(&spec.model)?;
        let find = |control: &ControlSpec| {
            kept_files::find_file(&control.file, Kept::Controls, &beside)
                .map_err(|error| bad_model(&error))
        };
        let paths = spec.controls.iter().map(find);
        let paths: Vec<PathBuf> = paths.collect::<Result<_, StopReason>>()?;
        self.known.retain(|known| {
            paths.contains(&known.path)
                && known.model.ptr_eq(&Rc::downgrade(model))
                && known.stamp == ModelFolder::stamp_of(&known.path)
        });
        // All that do not fit are told before one is read.
        let new = |path: &&PathBuf| !self.known.iter().any(|known| known.path == **path);
        let mut files = Vec::new();
        for path in paths.iter().filter(new) {
            if files.iter().any(|(known, _)| *known == path) {
                continue;
            }
            let file = ControlNetFile::open(path).map_err(|error| bad_model(&error))?;
            let fits = model.model.model().fits_control(&file);
            fits.map_err(|error| bad_model(&error))?;
            files.push((path, file));
        }
        for (path, file) in files {
            let bytes = (file.parameter_count() * device.weights.bytes()) as u64;
            if !device.summary.is_gpu {
                let available = Memory::now().map(|memory| memory.available_bytes);
                let remedy = "close other programs, or take --precision f16";
                check_room("Reading the ControlNet", bytes, available, remedy)
                    .map_err(StopReason::Failed)?;
            }
            let stamp = ModelFolder::stamp_of(path);
            let file = file.watched(news.watch(bytes));
            let network = model
                .model
                .model()
                .load_control(&file, &device.device, device.weights);
            // One that was given up is none that failed.
            news.goes_on()?;
            let network = network.map_err(|error| bad_model(&error))?;
            let digest = WeightDigest::new(file.files());
            digest.begin();
            self.known.push(Known {
                path: path.clone(),
                stamp,
                model: Rc::downgrade(model),
                read: Rc::new(ReadControl {
                    network: Arc::new(network),
                    digest,
                }),
            });
        }
        let of = |path: &PathBuf| {
            let known = self.known.iter().find(|known| known.path == *path);
            known.map(|known| Rc::clone(&known.read))
        };
        let read: Vec<Rc<ReadControl>> = paths.iter().filter_map(of).collect();
        tell_others(spec, &read, news);
        Ok(read)
    }

    /// Weights of the networks of a job, and bytes of those of them that are not in memory;
    /// nothing of one that cannot be opened, which is told when it is read.
    pub fn sizes(&self, spec: &GenerateSpec, model: &Path, weights: WeightDtype) -> [u64; 2] {
        let mut sizes = [0; 2];
        let paths = spec.controls.iter();
        let paths: BTreeSet<PathBuf> = paths
            .filter_map(|it| kept_files::find_file(&it.file, Kept::Controls, model).ok())
            .collect();
        for path in paths {
            let Ok(file) = ControlNetFile::open(&path) else {
                continue;
            };
            let count = file.parameter_count() as u64;
            let is_held = self.known.iter().any(|known| known.path == path);
            sizes[0] += count;
            sizes[1] += if is_held {
                0
            } else {
                count * weights.bytes() as u64
            };
        }
        sizes
    }

    /// Lets go of those of other models: another one needs the room.
    pub fn forget_others(&mut self, wanted: &ModelSource) {
        self.known.retain(|known| {
            let model = known.model.upgrade();
            model.is_some_and(|model| model.summary.source == *wanted)
        });
    }

    /// Lets go of all.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

/// Tells of networks that were found by name and are others than those a recipe wants.
fn tell_others(spec: &GenerateSpec, read: &[Rc<ReadControl>], news: &dyn LoadNews) {
    for (control, read) in spec.controls.iter().zip(read) {
        let (wanted, is_found) = (&control.hash, control.file.path.is_none());
        if wanted.is_empty() || !is_found {
            continue;
        }
        let digits = read.digits();
        if !digits.is_empty() && !wanted.starts_with(&digits) && !digits.starts_with(wanted) {
            let name = &control.file.name;
            news.warn(&format!(
                "the ControlNet \u{201c}{name}\u{201d} is another one ({digits}) than the picture was painted with ({wanted}); the picture may be another"
            ));
        }
    }
}

/// What the networks of a job are shown, given the picture and the mask that are
/// repainted as the model sees them.
pub(super) fn inputs_of(
    spec: &GenerateSpec,
    read: &[Rc<ReadControl>],
    init: Option<&RgbImage>,
    mask: Option<&GrayImage>,
) -> Vec<ControlInput> {
    let size_px = [spec.width_px, spec.height_px];
    let pairs = spec.controls.iter().zip(read);
    let input = |(control, read): (&ControlSpec, &Rc<ReadControl>)| {
        let Seen { picture, hidden } = match (&control.picture, init) {
            (Some(picture), _) => seen(control.kind, &picture.0, mask, size_px),
            (None, Some(init)) => seen(control.kind, &opaque(init), mask, size_px),
            // Such jobs are refused.
            (None, None) => return None,
        };
        Some(ControlInput {
            network: Arc::clone(&read.network),
            picture,
            hidden,
            weight: control.weight,
            start: control.start,
            end: control.end,
        })
    };
    pairs.filter_map(input).collect()
}
