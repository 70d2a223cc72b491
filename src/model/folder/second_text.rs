//! The second text encoder of Stable Diffusion XL in a model on disk.

use burn::tensor::Device;

use super::{ModelFolder, SECOND_TEXT, TEXT};
use crate::model::conditioner::clip_pair::{SizeWaves, TextEncoder};
use crate::model::weights::{self, names};
use crate::model::{ClipTextConfig, ClipTextModel, ClipTokenizer, ModelError};

impl ModelFolder {
    /// Configuration of the second text encoder, if there is one.
    pub fn second_text_encoder_config(&self) -> Option<&ClipTextConfig> {
        self.second_text_encoder.as_ref()
    }

    /// Reads the second text encoder alone.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged or do not fit.
    pub fn load_second_text_network(&self, device: &Device) -> Result<ClipTextModel, ModelError> {
        let config = self.second_text_encoder_config();
        let config = config.ok_or_else(|| self.missing("second text encoder (text_encoder_2)"))?;
        let source = self.weights(SECOND_TEXT, TEXT)?;
        weights::load(
            config.init(device)?,
            source.as_ref(),
            &names::CLIP_TEXT,
            "CLIPTextModelWithProjection",
            self.held_for(source.as_ref()),
        )
    }

    /// Reads the tokenizer of the second text encoder.
    ///
    /// # Errors
    /// As [`Self::tokenizer`].
    pub fn second_tokenizer(&self) -> Result<ClipTokenizer, ModelError> {
        self.tokenizer_of("tokenizer_2", self.second_text_encoder_config())
    }

    /// How the denoiser is told of sizes beside the second text encoder; `None` without one.
    ///
    /// # Errors
    /// If they do not fit together.
    pub(super) fn size_waves(&self) -> Result<Option<SizeWaves>, ModelError> {
        let (Some(text), Ok(unet)) = (self.second_text_encoder_config(), self.unet_config()) else {
            return Ok(None);
        };
        let Some(pooled) = text.projection_width() else {
            return Err(ModelError::unsupported(
                "the second text encoder",
                "architectures",
                format!("{:?}", text.architectures),
                "it must be CLIPTextModelWithProjection",
            ));
        };
        SizeWaves::of(unet, pooled, self.is_nothing_zero).map(Some)
    }

    /// The second text encoder without its weights, with its words, and how the denoiser is
    /// told of sizes; `None` where there is none.
    ///
    /// # Errors
    /// If it cannot be built, or its words cannot be read.
    pub(in crate::model) fn unread_second_text_encoder(
        &self,
        device: &Device,
    ) -> Result<Option<(TextEncoder, SizeWaves)>, ModelError> {
        let (Some(sizes), Some(config)) = (self.size_waves()?, self.second_text_encoder_config())
        else {
            return Ok(None);
        };
        let text = TextEncoder {
            tokenizer: self.second_tokenizer()?,
            network: config.init(device)?,
        };
        Ok(Some((text, sizes)))
    }

    /// Reads the second text encoder with its words, and how the denoiser is told of sizes;
    /// `None` where there is none.
    ///
    /// # Errors
    /// If its weights are damaged or do not fit.
    pub(in crate::model) fn load_second_text_encoder(
        &self,
        device: &Device,
    ) -> Result<Option<(TextEncoder, SizeWaves)>, ModelError> {
        let Some(sizes) = self.size_waves()? else {
            return Ok(None);
        };
        let text = TextEncoder {
            tokenizer: self.second_tokenizer()?,
            network: self.load_second_text_network(device)?,
        };
        Ok(Some((text, sizes)))
    }
}
