//! Models without a first stage of their own, to which one from elsewhere is given.

use std::path::Path;
use std::sync::Arc;

use super::single::unclear;
use super::{ModelFolder, single, stable_diffusion_xl};
use crate::model::first_stage::FirstStagePlace;
use crate::model::inspect::usual_first_stage;
use crate::model::paper::OriginalFirstStage;
use crate::model::weights::WeightSource;
use crate::model::{FirstStageConfig, Manifest, ModelError};

impl ModelFolder {
    /// Whether nothing would make a picture of what its denoiser says.
    pub fn lacks_first_stage(&self) -> bool {
        self.unet.is_some() && self.first_stage.is_none()
    }

    /// The same model with a first stage from elsewhere, where it has none of its own: a
    /// file or folder as [`Self::load_first_stage_instead`] takes it, which is taken for one
    /// of the family where it does not say otherwise.
    ///
    /// # Errors
    /// If it is none, or only decodes.
    pub fn completed_by(mut self, path: &Path) -> Result<Self, ModelError> {
        if !self.lacks_first_stage() {
            return Ok(self);
        }
        let scale_factor = match self.second_text_encoder {
            Some(_) => stable_diffusion_xl::SCALE_FACTOR,
            None => single::SCALE_FACTOR,
        };
        let side_px = self.manifest.resolution_px as usize;
        let usual = usual_first_stage().config(side_px, scale_factor);
        let usual = usual.map_err(|message| unclear(path, message))?;
        let place = FirstStagePlace::instead_of(&usual, path)?;
        if matches!(&place.config, FirstStageConfig::Tiny(config) if !config.has_encoder()) {
            return Err(ModelError::OnlyDecoder);
        }
        if !self.path.join("studio.json").is_file() {
            let name = self.manifest.name.clone();
            let told = Manifest::derive(name, self.unet.as_ref(), Some(&place.config));
            self.manifest.resolution_px = told.resolution_px;
        }
        self.first_stage = Some(place);
        self.check_conditions()?;
        Ok(self)
    }
}

/// The first stage of a model in one file, if that has one.
///
/// # Errors
/// If its sizes are not supported.
pub(super) fn own(
    path: &Path,
    stage: Option<&OriginalFirstStage>,
    sample_size: usize,
    scale_factor: f64,
    source: &Arc<dyn WeightSource>,
) -> Result<Option<FirstStagePlace>, ModelError> {
    let Some(stage) = stage else {
        return Ok(None);
    };
    let side_px = sample_size << stage.levels.len().saturating_sub(1);
    let config = stage.config(side_px, scale_factor);
    let config = config.map_err(|message| unclear(path, message))?;
    let pieces = single::first_stage_pieces(stage);
    FirstStagePlace::among(config, Arc::clone(source), pieces).map(Some)
}
