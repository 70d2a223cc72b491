//! `config.json` of a first stage of any kind.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FirstStage, LatentInfo, PixelsConfig};
use crate::model::autoencoder::codec::Codec;
use crate::model::autoencoder::presets;
use crate::model::autoencoder::{AutoencoderKl, AutoencoderTiny, VqModel};
use crate::model::weights::{self, Arranged, WeightDtype, WeightSource, names};
use crate::model::{AutoencoderKlConfig, AutoencoderTinyConfig, ModelError, VqModelConfig, paper};
use crate::nn;

/// The configuration of a first stage, told apart by its `_class_name`; files
/// without one are of an `AutoencoderKL`. One with a `target` is the paper's; a name
/// alone stands for the released autoencoder of that name ([`presets`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", untagged)]
pub enum FirstStageConfig {
    /// Latents that a distribution keeps in bounds.
    Kl(AutoencoderKlConfig),
    /// Latents that a codebook keeps in bounds.
    Vq(VqModelConfig),
    /// Latents of another one, made and decoded in a fraction of the time.
    Tiny(AutoencoderTinyConfig),
    /// Pictures are their own latents.
    Pixels(PixelsConfig),
}

impl Default for FirstStageConfig {
    fn default() -> Self {
        Self::Kl(AutoencoderKlConfig::default())
    }
}

impl TryFrom<Value> for FirstStageConfig {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        if let Some(name) = value.as_str() {
            let known = || presets::names().collect::<Vec<_>>().join(", ");
            let preset = presets::find(name);
            return preset.ok_or_else(|| format!("there is no {name}; there are {}", known()));
        }
        if value.get("target").is_some() {
            return paper::first_stage_config(&value);
        }
        let read = match value["_class_name"].as_str() {
            Some("VQModel") => serde_json::from_value(value).map(Self::Vq),
            Some("AutoencoderTiny") => serde_json::from_value(value).map(Self::Tiny),
            Some("IdentityFirstStage") => serde_json::from_value(value).map(Self::Pixels),
            // Other classes are refused by name when they are validated.
            _ => serde_json::from_value(value).map(Self::Kl),
        };
        read.map_err(|error| error.to_string())
    }
}

/// What every configuration can tell of its network.
pub(in crate::model) trait Kind {
    /// Its class in diffusers or in the paper's code.
    fn class(&self) -> &'static str;

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    fn validate(&self) -> Result<(), ModelError>;

    /// What latents are like.
    fn info(&self) -> LatentInfo;

    /// Side of the pictures trained on, as the file has it.
    fn sample_size(&self) -> Option<&Value>;

    /// What encoder and decoder are made of; `None` where there are none.
    ///
    /// # Errors
    /// If the kinds of levels are not known.
    fn codec(&self) -> Result<Option<Codec>, ModelError>;

    /// Number of weights of the network, without making any.
    ///
    /// # Errors
    /// As [`Self::validate`].
    fn parameter_count(&self) -> Result<usize, ModelError>;

    /// Whether a source holds exactly the weights of such a network.
    fn fits(&self, source: &dyn WeightSource) -> bool;

    /// Where the weights of such a network lie in a source, by the names that we write;
    /// `weights` is asked where there are any.
    ///
    /// # Errors
    /// As [`Self::load`], of what names and shapes tell.
    fn placed(&self, weights: OpenWeights<'_>) -> Result<Option<Arranged>, ModelError>;

    /// Makes the network without its weights, which are drawn should anybody ask it.
    ///
    /// # Errors
    /// As [`Self::validate`].
    fn unread(&self, device: &Device) -> Result<Box<dyn FirstStage>, ModelError>;

    /// Reads the network; `weights` is asked where there are any.
    ///
    /// # Errors
    /// As [`Self::validate`], or if the weights are damaged or do not fit.
    fn load(
        &self,
        weights: OpenWeights<'_>,
        held: WeightDtype,
        device: &Device,
    ) -> Result<Box<dyn FirstStage>, ModelError>;
}

/// Opens the weights of a network.
pub(in crate::model) type OpenWeights<'a> =
    &'a dyn Fn() -> Result<Box<dyn WeightSource>, ModelError>;

impl From<AutoencoderTinyConfig> for FirstStageConfig {
    fn from(config: AutoencoderTinyConfig) -> Self {
        Self::Tiny(config)
    }
}

impl FirstStageConfig {
    /// Refuses what cannot make latents of pictures.
    ///
    /// # Errors
    /// [`ModelError::OnlyDecoder`].
    pub fn check_encoder(&self) -> Result<(), ModelError> {
        match self {
            Self::Tiny(config) if !config.has_encoder() => Err(ModelError::OnlyDecoder),
            _ => Ok(()),
        }
    }

    /// Takes over from another one of the same kind what names and shapes do not tell.
    pub(super) fn take_from(&mut self, other: &Self) {
        let is_alike = self.info() == other.info();
        let fits = |groups: usize, widths: &[usize]| {
            groups > 0 && widths.iter().all(|width| width.is_multiple_of(groups))
        };
        match (self, other) {
            (Self::Kl(own), Self::Kl(other)) => {
                if fits(other.norm_num_groups, &own.block_out_channels) {
                    own.norm_num_groups = other.norm_num_groups;
                }
                if is_alike {
                    own.scaling_factor = other.scaling_factor;
                    own.shift_factor = other.shift_factor;
                    own.latents_mean.clone_from(&other.latents_mean);
                    own.latents_std.clone_from(&other.latents_std);
                }
            }
            (Self::Vq(own), Self::Vq(other)) => {
                if fits(other.norm_num_groups, &own.block_out_channels) {
                    own.norm_num_groups = other.norm_num_groups;
                }
                if is_alike {
                    own.scaling_factor = other.scaling_factor;
                }
            }
            _ => {}
        }
    }

    pub(in crate::model) fn kind(&self) -> &dyn Kind {
        match self {
            Self::Kl(config) => config,
            Self::Vq(config) => config,
            Self::Tiny(config) => config,
            Self::Pixels(config) => config,
        }
    }

    /// Its class in diffusers or in the paper's code.
    pub fn class(&self) -> &'static str {
        self.kind().class()
    }

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.kind().validate()
    }

    /// What latents are like.
    pub fn info(&self) -> LatentInfo {
        self.kind().info()
    }

    /// Number of weights of the network, without making any.
    ///
    /// # Errors
    /// If the configuration is not supported.
    pub fn parameter_count(&self) -> Result<usize, ModelError> {
        self.kind().parameter_count()
    }
}

/// The kinds of autoencoders tell the same in the same words.
macro_rules! autoencoder_kind {
    ($config:ty => $network:ty) => {
        impl $config {
            /// Reads the network.
            ///
            /// # Errors
            /// As [`Self::init`], or if the weights are damaged or do not fit.
            pub fn load(
                &self,
                source: &dyn WeightSource,
                held: WeightDtype,
                device: &Device,
            ) -> Result<$network, ModelError> {
                let network = self.init(device)?;
                weights::load(network, source, &names::AUTOENCODER, Self::CLASS, held)
            }

            /// Number of weights of the network, without making any.
            ///
            /// # Errors
            /// As [`Self::init`].
            pub fn parameter_count(&self) -> Result<usize, ModelError> {
                Ok(nn::parameter_count(&self.init(&Device::flex())?))
            }
        }

        impl Kind for $config {
            fn class(&self) -> &'static str {
                <$config>::CLASS
            }

            fn validate(&self) -> Result<(), ModelError> {
                self.validate()
            }

            fn info(&self) -> LatentInfo {
                LatentInfo {
                    channels: self.channels(),
                    factor: self.downsampling(),
                }
            }

            fn sample_size(&self) -> Option<&Value> {
                self.sample_size.as_ref()
            }

            fn codec(&self) -> Result<Option<Codec>, ModelError> {
                self.codec().map(Some)
            }

            fn parameter_count(&self) -> Result<usize, ModelError> {
                self.parameter_count()
            }

            fn fits(&self, source: &dyn WeightSource) -> bool {
                let network = self.init(&Device::flex());
                network.is_ok_and(|it| weights::fits(&it, source, &names::AUTOENCODER))
            }

            fn placed(&self, weights: OpenWeights<'_>) -> Result<Option<Arranged>, ModelError> {
                let network = self.init(&Device::flex())?;
                let names = &names::AUTOENCODER;
                Arranged::of_module(&network, weights()?, names, <$config>::CLASS).map(Some)
            }

            fn unread(&self, device: &Device) -> Result<Box<dyn FirstStage>, ModelError> {
                Ok(Box::new(self.init(device)?))
            }

            fn load(
                &self,
                weights: OpenWeights<'_>,
                held: WeightDtype,
                device: &Device,
            ) -> Result<Box<dyn FirstStage>, ModelError> {
                Ok(Box::new(self.load(weights()?.as_ref(), held, device)?))
            }
        }
    };
}

autoencoder_kind!(AutoencoderKlConfig => AutoencoderKl);
autoencoder_kind!(VqModelConfig => VqModel);
autoencoder_kind!(AutoencoderTinyConfig => AutoencoderTiny);
