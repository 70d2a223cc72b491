//! Reading the first stage of a model on disk, or another one in its place.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use safetensors::Dtype;

use super::ModelFolder;
use crate::model::first_stage::{FirstStagePlace, Halves};
use crate::model::weights::WeightDtype;
use crate::model::{AutoencoderKl, FirstStage, FirstStageConfig, ModelError, VqModel};

impl ModelFolder {
    /// Reads the first stage, of whichever kind.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_first_stage(&self, device: &Device) -> Result<Box<dyn FirstStage>, ModelError> {
        let place = self.first_stage_place()?;
        let weights = || Ok(self.told(place.weights()?));
        place.load_from(&weights, self.first_stage_held(place), device)
    }

    /// The first stage, compared with its files, which stay open, and how it is held; `None`
    /// where it has no weights, or a number could turn out to be none when it is read.
    ///
    /// # Errors
    /// As [`Self::load_first_stage`], of what names and shapes tell.
    pub(in crate::model) fn checked_first_stage(
        &self,
    ) -> Result<Option<(FirstStagePlace, WeightDtype)>, ModelError> {
        let place = self.first_stage_place()?;
        if place.has_no_weights() {
            return Ok(None);
        }
        let place = place.opened()?;
        let source = place.weights()?;
        let held = self.held_for(source.as_ref());
        let is_safe = source.names().all(|name| {
            let is_vector = source.shape(name).is_some_and(|shape| shape.len() < 2);
            match source.dtype(name) {
                Some(Dtype::F32 | Dtype::F64) => held == WeightDtype::F32 || is_vector,
                Some(Dtype::F16) => held != WeightDtype::Bf16 || is_vector,
                Some(Dtype::BF16) => held != WeightDtype::F16 || is_vector,
                _ => false,
            }
        });
        Ok(is_safe.then_some((place, held)))
    }

    /// Reads a first stage that takes the place of the model's own: a folder, or a file of
    /// weights, which may be without its configuration where it has the sizes of the
    /// model's own.
    ///
    /// # Errors
    /// As [`Self::load_first_stage`].
    pub fn load_first_stage_instead(
        &self,
        path: &Path,
        device: &Device,
    ) -> Result<Box<dyn FirstStage>, ModelError> {
        let place = FirstStagePlace::instead_of(self.first_stage_config()?, path)?;
        let weights = || Ok(self.told(place.weights()?));
        let stage = place.load_from(&weights, self.first_stage_held(&place), device)?;
        whole(&place.config, stage, || self.load_first_stage(device))
    }

    /// The first stage without its weights, or another one that takes the place of the
    /// model's own.
    ///
    /// # Errors
    /// As [`Self::load_first_stage_instead`], of what configurations, names and shapes tell.
    pub(in crate::model) fn unread_first_stage(
        &self,
        instead: Option<&Path>,
        device: &Device,
    ) -> Result<Box<dyn FirstStage>, ModelError> {
        let own = self.first_stage_config()?;
        let Some(path) = instead else {
            return own.kind().unread(device);
        };
        let place = FirstStagePlace::instead_of(own, path)?;
        let stage = place.config.kind().unread(device)?;
        whole(&place.config, stage, || own.kind().unread(device))
    }

    /// Reads the first stage where it is one that a distribution keeps in bounds.
    ///
    /// # Errors
    /// As [`Self::load_first_stage`], or if it is of another kind.
    pub fn load_autoencoder(&self, device: &Device) -> Result<AutoencoderKl, ModelError> {
        let place = self.first_stage_place()?;
        let FirstStageConfig::Kl(config) = &place.config else {
            return Err(self.missing("AutoencoderKL"));
        };
        let source = place.weights()?;
        config.load(source.as_ref(), self.held_for(source.as_ref()), device)
    }

    /// Reads the first stage where it is one that a codebook keeps in bounds.
    ///
    /// # Errors
    /// As [`Self::load_first_stage`], or if it is of another kind.
    pub fn load_vq_model(&self, device: &Device) -> Result<VqModel, ModelError> {
        let place = self.first_stage_place()?;
        let FirstStageConfig::Vq(config) = &place.config else {
            return Err(self.missing("VQModel"));
        };
        let source = place.weights()?;
        config.load(source.as_ref(), self.held_for(source.as_ref()), device)
    }

    /// The files of the first stage's weights; none where it has no weights.
    pub fn first_stage_files(&self) -> Vec<PathBuf> {
        let weights = self.first_stage_place().and_then(FirstStagePlace::weights);
        weights.map_or_else(|_| Vec::new(), |weights| weights.files())
    }
}

/// A first stage that does both; what only decodes leaves the other half to the model's own.
fn whole(
    config: &FirstStageConfig,
    stage: Box<dyn FirstStage>,
    own: impl FnOnce() -> Result<Box<dyn FirstStage>, ModelError>,
) -> Result<Box<dyn FirstStage>, ModelError> {
    match config {
        FirstStageConfig::Tiny(config) if !config.has_encoder() => {
            Ok(Box::new(Halves::new(own()?, stage)?))
        }
        _ => Ok(stage),
    }
}
