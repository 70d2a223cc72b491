//! How the denoisers of Stable Diffusion XL are told of whole texts and of sizes.

use serde_json::Value;

use super::super::{ModelError, limits};
use super::UNet2dConfig;
use super::diffusers::CLASS;

/// diffusers' word for it.
pub(super) const TEXT_TIME: &str = "text_time";
const ADDED_WIDTH: &str = "projection_class_embeddings_input_dim";
const WAVES_WIDTH: &str = "addition_time_embed_dim";

/// The vector that Stable Diffusion XL's denoisers are told beside their context: the whole
/// text's, then the waves of each number of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Width of the whole vector.
    pub width: usize,
    /// Width of the waves of one number.
    pub waves: usize,
}

impl UNet2dConfig {
    /// How it is told of whole texts and of sizes, if it is.
    pub fn added(&self) -> Option<Added> {
        if !self.says("addition_embed_type", TEXT_TIME) {
            return None;
        }
        let size = |key: &str| usize::try_from(self.other.get(key)?.as_u64()?).ok();
        Some(Added {
            width: size(ADDED_WIDTH)?,
            waves: size(WAVES_WIDTH)?,
        })
    }

    /// Checks the sizes of that.
    ///
    /// # Errors
    /// If one is missing or cannot be.
    pub(super) fn check_added(&self) -> Result<(), ModelError> {
        if !self.says("addition_embed_type", TEXT_TIME) {
            return Ok(());
        }
        for key in [ADDED_WIDTH, WAVES_WIDTH] {
            let told = self.other.get(key).unwrap_or(&Value::Null);
            let size = told.as_u64().and_then(|size| usize::try_from(size).ok());
            let Some(size) = size else {
                let supported = "it must be a number";
                return Err(ModelError::unsupported(CLASS, key, told, supported));
            };
            limits::within(CLASS, key, size, &limits::WIDTH)?;
        }
        Ok(())
    }
}
