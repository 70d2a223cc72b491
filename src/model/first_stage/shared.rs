//! One first stage for many models: its weights lie on the disk once.

use std::fs;
use std::path::{Path, PathBuf};

use super::FirstStagePlace;
use crate::model::weights::FileStamp;

/// A file that holds the weights of a first stage in diffusers' names, as it was
/// before they were read.
#[derive(Clone, Debug)]
pub struct SharedWeights {
    path: PathBuf,
    stamp: FileStamp,
}

impl SharedWeights {
    /// That of what [`super::load_first_stage`] reads; `None` where its weights lie
    /// otherwise.
    pub fn of(model: &Path) -> Option<Self> {
        let source = FirstStagePlace::open(model).ok()?.weights().ok()?;
        let [path]: [PathBuf; 1] = source.files().try_into().ok()?;
        let is_safetensors = path.extension().is_some_and(|it| it == "safetensors");
        let is_diffusers = source.shape("encoder.mid_block.resnets.0.conv1.weight");
        is_diffusers.filter(|_| is_safetensors)?;
        let stamp = FileStamp::of(&path)?;
        Some(Self { path, stamp })
    }

    /// Gives the file a second name, if it is still what it was and the system can.
    /// Nobody writes into weights: they are replaced as a whole.
    pub(in crate::model) fn link(&self, to: &Path) -> bool {
        FileStamp::of(&self.path).as_ref() == Some(&self.stamp)
            && fs::hard_link(&self.path, to).is_ok()
    }
}
