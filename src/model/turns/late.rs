//! A first stage whose numbers are read when it is first asked, and stay.
//!
//! No step needs it where a picture is painted of noise, so the first one is done before it is
//! read: of Stable Diffusion 1 it is a twelfth of the bytes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;

use super::reading::Reading;
use super::stage::{StageInTurn, StageReader};
use crate::model::first_stage::FirstStagePlace;
use crate::model::weights::Watched;
use crate::model::{FirstStage, ModelError, ModelFolder, WeightDtype};

/// Reads a first stage once, from files that stay open until then.
#[derive(Debug)]
pub(in crate::model) struct LateStage {
    model: PathBuf,
    /// Its weights were compared with its network, and nothing but the disk can fail.
    place: FirstStagePlace,
    held: WeightDtype,
    /// The network without weights.
    like: Box<dyn FirstStage>,
    device: Device,
    read: Mutex<Option<Box<dyn FirstStage>>>,
    reading: Reading,
}

impl LateStage {
    /// That of a model; `None` for one that has to be read to be known to be good, or has no
    /// weights.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn of(folder: &ModelFolder, device: &Device) -> Result<Option<Arc<Self>>, ModelError> {
        let Some((place, held)) = folder.checked_first_stage()? else {
            return Ok(None);
        };
        let late = Self {
            model: folder.path().to_path_buf(),
            like: place.config.kind().unread(device)?,
            place,
            held,
            device: device.clone(),
            read: Mutex::default(),
            reading: Reading::default(),
        };
        folder.tell_later(late.bytes())?;
        Ok(Some(Arc::new(late)))
    }

    /// What its weights take in memory, about.
    fn bytes(&self) -> usize {
        self.like.parameter_count() * self.held.bytes()
    }

    /// The first stage, which is read when it is asked.
    pub fn first_stage(late: &Arc<Self>) -> Box<dyn FirstStage> {
        let reader = Arc::clone(late);
        Box::new(StageInTurn::new(late.like.boxed(), reader))
    }
}

impl StageReader for LateStage {
    fn stage(&self) -> Option<Box<dyn FirstStage>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = &*read {
            return Some(stage.boxed());
        }
        let watch = self.reading.watch(self.bytes());
        let weights = || {
            let source = self.place.weights()?;
            Ok(match watch.clone() {
                Some(watch) => Box::new(Watched { source, watch }),
                None => source,
            })
        };
        let stage = self.place.load_from(&weights, self.held, &self.device);
        let stage = self.reading.told(stage)?;
        *read = Some(stage.boxed());
        Some(stage)
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    fn model(&self) -> &Path {
        &self.model
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
