//! What the weights of a folder lack, told from their headers.

use burn::module::Module;
use burn::tensor::Device;

use super::{CLASS, LAYOUT, ModelFolder, PRIOR, SECOND_TEXT, SEMANTIC, TEXT, UNET};
use crate::model::weights::names::Names;
use crate::model::weights::{Differences, WeightSource, differences, layout, names};
use crate::model::{FirstStageConfig, ModelError};

/// The weights of one network, and what they lack.
#[derive(Debug)]
pub struct PartDifferences {
    /// The weights; `None` where there is no file.
    pub source: Option<Box<dyn WeightSource>>,
    /// What they lack.
    pub differences: Differences,
}

impl ModelFolder {
    /// Why the folder cannot paint whatever its weights are: parts that it lacks, and words that
    /// cannot be read. Of an autoencoder alone nothing is asked.
    pub fn obstacles(&self) -> Vec<ModelError> {
        let texts = [
            (&self.text_encoder, Self::tokenizer as fn(&Self) -> _),
            (&self.second_text_encoder, Self::second_tokenizer),
        ];
        let has_text = texts.iter().any(|(text, _)| text.is_some());
        let denoiser = self.unet_config().err().filter(|_| has_text);
        let first_stage = self.first_stage_config().err();
        let words = texts.into_iter().filter(|(text, _)| text.is_some());
        let words = words.filter_map(|(_, tokenizer)| tokenizer(self).err());
        denoiser
            .into_iter()
            .chain(first_stage)
            .chain(words)
            .collect()
    }

    /// Compares every network that has a configuration with its weights. Nothing but
    /// headers is read.
    ///
    /// # Errors
    /// If a file is damaged, or a network cannot be built.
    pub fn differences(&self) -> Result<Vec<PartDifferences>, ModelError> {
        let device = Device::flex();
        let mut parts = Vec::new();
        if let Some(config) = &self.unet {
            let network = config.init(&device)?;
            parts.push(part(
                &network,
                self.weights("unet", UNET),
                &names::DENOISER,
            )?);
        }
        if let Some(place) = &self.first_stage {
            let names = &names::AUTOENCODER;
            match &place.config {
                FirstStageConfig::Kl(config) => {
                    parts.push(part(&config.init(&device)?, place.weights(), names)?);
                }
                FirstStageConfig::Vq(config) => {
                    parts.push(part(&config.init(&device)?, place.weights(), names)?);
                }
                FirstStageConfig::Tiny(config) => {
                    parts.push(part(&config.init(&device)?, place.weights(), names)?);
                }
                FirstStageConfig::Pixels(_) => {}
            }
        }
        let texts = [
            ("text_encoder", &self.text_encoder),
            (SECOND_TEXT, &self.second_text_encoder),
        ];
        for (component, config) in texts {
            let Some(config) = config else { continue };
            let network = config.init(&device)?;
            let source = self.weights(component, TEXT);
            parts.push(part(&network, source, &names::CLIP_TEXT)?);
        }
        if let Some(config) = &self.layout_encoder {
            let network = config.init(&device)?;
            parts.push(part(
                &network,
                self.weights(LAYOUT, UNET),
                &names::DIFFUSERS,
            )?);
        }
        if let Some(config) = &self.semantic_encoder {
            let network = config.init(&device)?;
            parts.push(part(
                &network,
                self.weights(SEMANTIC, UNET),
                &names::DIFFUSERS,
            )?);
        }
        if let Some(config) = &self.class_encoder {
            let network = config.init(&device)?;
            parts.push(part(
                &network,
                self.weights(CLASS, UNET),
                &names::DIFFUSERS,
            )?);
        }
        if let Some(config) = &self.layout_prior {
            let network = config.init(&device)?;
            parts.push(part(
                &network,
                self.weights(PRIOR, TEXT),
                &names::CLIP_TEXT,
            )?);
        }
        Ok(parts)
    }
}

fn part<M: Module>(
    network: &M,
    source: Result<Box<dyn WeightSource>, ModelError>,
    names: &Names,
) -> Result<PartDifferences, ModelError> {
    match source {
        Ok(source) => Ok(PartDifferences {
            differences: differences(network, source.as_ref(), names),
            source: Some(source),
        }),
        Err(ModelError::MissingWeights { .. } | ModelError::FirstStageGone { .. }) => {
            let names = layout(network, names).into_iter();
            let missing = names.map(|(name, _)| name).collect();
            Ok(PartDifferences {
                source: None,
                differences: Differences::all_missing(missing),
            })
        }
        Err(error) => Err(error),
    }
}
