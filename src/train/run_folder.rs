//! The output folder of a run: it belongs to one run at a time, it can be written,
//! and a run that begins in it replaces nothing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::PathBuf;

use super::TrainError;
use super::checkpoint::Checkpoints;
use crate::recipe::TrainSpec;

/// A file that a run holds locked. It stays with what a run wrote; the lock ends
/// with the process.
pub(super) const LOCK: &str = ".velatura-run";

/// The output folder, taken for a run.
pub(super) struct RunFolder {
    pub checkpoints: Checkpoints,
    /// Where the model of now lies.
    pub model: PathBuf,
    /// The folder, where there was none before.
    made: Option<PathBuf>,
    _lock: File,
}

impl RunFolder {
    /// Takes the folder. Costs next to nothing and comes before all else, so that
    /// a place where nothing can be written is found before the work is done.
    pub fn take(spec: &TrainSpec) -> Result<Self, TrainError> {
        let path = &spec.output;
        let checkpoints = Checkpoints::new(path);
        let model = path.join("model");
        if spec.resume {
            checkpoints.newest_first()?;
        } else if checkpoints.is_in_use() {
            return Err(TrainError::OutputInUse(path.clone()));
        } else if model.exists() {
            return Err(TrainError::InTheWay(model));
        }
        let made = (!path.exists()).then(|| path.clone());
        fs::create_dir_all(path).map_err(TrainError::io("make the folder", path))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(TrainError::io("write in", path))?;
        match lock.try_lock() {
            Ok(()) => checkpoints.forget_unfinished(),
            Err(TryLockError::WouldBlock) => return Err(TrainError::OutputBusy(path.clone())),
            // Some network folders know no locks; a run is possible all the same.
            Err(TryLockError::Error(error)) => {
                log::warn!("cannot lock {}: {error}", path.display());
            }
        }
        tempfile::tempfile_in(path).map_err(TrainError::io("write in", path))?;
        Ok(Self {
            checkpoints,
            model,
            made,
            _lock: lock,
        })
    }
}

impl Drop for RunFolder {
    /// A run that came to nothing, for want of pictures for instance, leaves nothing.
    fn drop(&mut self) {
        let Some(made) = &self.made else { return };
        let is_bare = fs::read_dir(made).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == LOCK))
        });
        if is_bare && fs::remove_file(made.join(LOCK)).is_ok() {
            fs::remove_dir(made).ok();
        }
    }
}
