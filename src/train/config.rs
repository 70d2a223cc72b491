//! The configuration of a run from random weights.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TrainError;
use super::limits;
use super::run_file;
use super::schedule::Decay;
use crate::model::conditioner::class::ClassEncoderConfig;
use crate::model::conditioner::layout::LayoutEncoderConfig;
use crate::model::conditioner::semantic::SemanticEncoderConfig;
use crate::model::{ClassifierConfig, ClipTextConfig, FirstStageConfig, Manifest, UNet2dConfig};
use crate::recipe::{TrainSpec, TrainTarget};

/// What the file named by `TrainSpec::config` says: the sizes of the networks
/// in diffusers' own words, and fine points of the training. A run from random
/// weights takes sizes that suit its pictures for what is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// `config.json` of the autoencoder, or the name of a released one.
    pub autoencoder: Option<FirstStageConfig>,
    /// `config.json` of the denoiser.
    pub unet: Option<UNet2dConfig>,
    /// `config.json` of the text encoder; its vocabulary follows from the tokenizer.
    pub text_encoder: Option<ClipTextConfig>,
    /// `config.json` of the encoder of boxes, for a model that takes them.
    pub layout_encoder: Option<LayoutEncoderConfig>,
    /// `config.json` of the encoder of label maps, for a model that takes them.
    pub semantic_encoder: Option<SemanticEncoderConfig>,
    /// `config.json` of the encoder of classes, for a model that takes one.
    pub class_encoder: Option<ClassEncoderConfig>,
    /// `config.json` of a classifier; its classes, and what it sees, are those of the run.
    pub classifier: Option<ClassifierConfig>,
    /// How the vocabulary is learnt from the captions.
    pub tokenizer: TokenizerConfig,
    /// `scheduler_config.json`.
    pub scheduler: Option<Value>,
    /// `studio.json`.
    pub studio: Option<Manifest>,
    /// Fine points of the training.
    pub training: TrainingConfig,
}

/// How a vocabulary is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerConfig {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Length of a text in tokens; the text encoder's when absent.
    pub model_max_length: Option<usize>,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            vocab_size: 1024,
            model_max_length: None,
        }
    }
}

/// How often the steps of the diffusion are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TimestepSampling {
    /// All alike.
    #[default]
    Uniform,
    /// The logit of step ÷ number of steps is normally distributed (Esser et al.
    /// 2024, <https://arxiv.org/abs/2403.03206>, section 3.1): the middle, where
    /// it is decided what a picture shows, more often than both ends.
    LogitNormal {
        /// Mean of the logit; 0 is the middle, more is noisier.
        mean: f64,
        /// Standard deviation of the logit.
        std: f64,
    },
}

/// How often a model that takes more than words and masks is told of what, where that
/// is known of a picture. Words are left out as often as the job says, besides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConditionShares {
    /// Nothing at all, so that guidance has something to steer away from.
    pub nothing: f32,
    /// Of the captions, those that leave something out.
    pub partial_caption: f32,
    /// Boxes.
    pub boxes: f32,
    /// The label map.
    pub label_map: f32,
    /// The picture in small.
    pub low_resolution: f32,
}

impl Default for ConditionShares {
    fn default() -> Self {
        Self {
            nothing: 0.1,
            partial_caption: 0.45,
            boxes: 0.5,
            label_map: 0.42,
            low_resolution: 0.12,
        }
    }
}

/// Fine points of the training, with defaults that suit most runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// What the learning rate does after the warm-up.
    pub decay: Decay,
    /// Weight of the adversarial term of the autoencoder's loss.
    pub discriminator_weight: f32,
    /// Weight β in the loss of a codebook.
    pub codebook_beta: f64,
    /// Whether β sits on the term that moves the codebook, as in the paper's code,
    /// instead of on the one that moves the latents.
    pub is_codebook_loss_legacy: bool,
    /// Steps after which a vector of the codebook that was never the nearest is put
    /// where latents are; 0 leaves it where it is.
    pub codebook_restart_steps: u32,
    /// Whether only the decoder of an autoencoder learns, so that its latents, and
    /// with them the denoisers trained on them, stay what they are.
    pub decoder_only: bool,
    /// Pictures whose latents are cached at a time.
    pub cached_pictures: usize,
    /// How often a picture of the cache is used before another takes its place.
    pub cache_reuse: f32,
    /// Masks that each picture of the cache is encoded with.
    pub masks_per_picture: usize,
    /// Share of the training for inpainting in which everything is masked, so
    /// that the model paints from the text alone.
    pub full_mask_share: f32,
    /// Share of the masks that cover one of the things that the caption names,
    /// where the pictures tell where these are: to be painted there, they must be
    /// read from the caption.
    pub object_mask_share: f32,
    /// How much more the loss, of an autoencoder the absolute difference, counts
    /// where such a thing is than elsewhere.
    pub object_weight: f32,
    /// How often boxes, label maps and small pictures are told. Without it, a model that
    /// takes one of them alone is told it exactly and always, but for the job's dropout.
    pub conditions: Option<ConditionShares>,
    /// Share of the storybook scenes that are stickers; their own when absent.
    pub sticker_share: Option<f32>,
    /// γ of min-SNR weighting (Hang et al. 2023, <https://arxiv.org/abs/2303.09556>);
    /// `None` weighs all steps alike.
    pub min_snr_gamma: Option<f64>,
    /// Standard deviation of what is added to all of a channel's noise alike, so that the
    /// model learns to change the brightness of whole pictures (Guttenberg 2023,
    /// <https://www.crosslabs.org/blog/diffusion-with-offset-noise>); 0.1 is usual.
    pub offset_noise: f32,
    /// Which steps of the diffusion are trained how often.
    pub timestep_sampling: TimestepSampling,
    /// Prompts of the sample sheets; taken from the captions when empty.
    pub sample_prompts: Vec<String>,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            decay: Decay::Constant,
            discriminator_weight: 0.5,
            codebook_beta: 0.25,
            is_codebook_loss_legacy: true,
            codebook_restart_steps: 100,
            decoder_only: false,
            cached_pictures: 2048,
            cache_reuse: 8.0,
            masks_per_picture: 2,
            full_mask_share: 0.4,
            object_mask_share: 0.0,
            object_weight: 1.0,
            conditions: None,
            sticker_share: None,
            min_snr_gamma: None,
            offset_noise: 0.0,
            timestep_sampling: TimestepSampling::Uniform,
            sample_prompts: Vec::new(),
        }
    }
}

impl TrainConfig {
    /// What a job says, in a file of its own or in itself; without either, nothing is said.
    ///
    /// # Errors
    /// If it cannot be read or does not say what it should.
    pub fn of(spec: &TrainSpec) -> Result<Self, TrainError> {
        let (path, told) = match (&spec.config, &spec.sizes) {
            (None, None) => return Ok(Self::default()),
            (Some(_), Some(_)) => {
                return Err(TrainError::setting(
                    "the run says its network sizes itself and names a file of them; leave out one of `sizes` and `config`",
                ));
            }
            (Some(path), None) => {
                let told = Value::Object(run_file::object_of(path)?);
                (path.as_path(), serde_json::from_value(told))
            }
            (None, Some(sizes)) => (Path::new("sizes"), Self::deserialize(sizes)),
        };
        let unclear = |message: String| TrainError::Config {
            path: path.to_path_buf(),
            message,
        };
        let config: Self = told.map_err(|error| unclear(error.to_string()))?;
        limits::check_training(&config.training).map_err(unclear)?;
        Ok(config)
    }

    /// Takes what is not said from the networks of a checkpoint that a run of random weights
    /// goes on from.
    pub(super) fn go_on(&mut self, target: TrainTarget, networks: &Value) {
        fn take<T: DeserializeOwned>(own: &mut Option<T>, network: &Value) {
            if own.is_none() {
                *own = serde_json::from_value(network.clone()).unwrap_or_default();
            }
        }
        match target {
            TrainTarget::Autoencoder => {
                let mut sizes = networks["autoencoder"].clone();
                if let Some(sizes) = sizes.as_object_mut() {
                    // It is measured, and not kept.
                    sizes.insert("scaling_factor".to_owned(), 1.0.into());
                }
                take(&mut self.autoencoder, &sizes);
            }
            TrainTarget::Diffusion => {
                take(&mut self.unet, &networks["unet"]);
                take(&mut self.text_encoder, &networks["text_encoder"]);
                take(&mut self.layout_encoder, &networks["layout_encoder"]);
                take(&mut self.semantic_encoder, &networks["semantic_encoder"]);
                take(&mut self.class_encoder, &networks["class_encoder"]);
                take(&mut self.scheduler, &networks["scheduler"]);
            }
            TrainTarget::Classifier => take(&mut self.classifier, &networks["classifier"]),
        }
    }
}
