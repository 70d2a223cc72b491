//! `config.json` of a classifier, in the words of the code that it is from, and the YAML
//! of models of the paper's code, whose classifiers have the sizes of their denoisers.

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::super::Middle;
use super::super::json::{config_of, read_json};
use super::super::paper::{
    OriginalAttention, OriginalHeads, OriginalLevel, OriginalUnet, read_yaml,
};
use super::super::{LatentInfo, MemoryEstimate, ModelError, limits};

pub(super) const CLASS: &str = "EncoderUNetModel";

/// Groups of channels that are normalised together.
const GROUPS: usize = 32;
/// Maps that a gradient keeps of a block, about.
const KEPT_MAPS: u64 = 12;
/// Weights of a block for each pair of channels, about.
const WEIGHTS_OF_BLOCK: u64 = 28;
/// Bytes of a number that is computed with.
const NUMBER_BYTES: u64 = 4;

/// How a classifier comes from places to classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// By the mean of all places, of which there may be any number.
    Adaptive,
    /// By attention to all places, of which there are always as many.
    #[default]
    Attention,
    /// By the means of what every block says.
    Spatial,
    /// The same with a normalisation between.
    SpatialV2,
}

/// The latents that a classifier was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassifierLatents {
    /// Pixels of a picture per side of a latent's place.
    pub factor: usize,
    /// What they were multiplied by.
    pub scaling_factor: f64,
}

/// `config.json` of a classifier: what its constructor takes, and what it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassifierConfig {
    /// Always `EncoderUNetModel`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Places on a side of the latents that it was trained on.
    pub image_size: usize,
    /// Channels of latents.
    pub in_channels: usize,
    /// Channels of the first level.
    pub model_channels: usize,
    /// Classes that it tells apart.
    pub out_channels: usize,
    /// Residual blocks of a level.
    pub num_res_blocks: usize,
    /// How often the sides of levels with attention go into those of latents.
    pub attention_resolutions: Vec<usize>,
    /// Channels of each level, in those of the first.
    pub channel_mult: Vec<usize>,
    /// Heads of attention, where they have not all the same width.
    #[serde(
        deserialize_with = "said_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub num_heads: Option<usize>,
    /// Channels of a head of attention.
    #[serde(
        deserialize_with = "said_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub num_head_channels: Option<usize>,
    /// Whether time scales and shifts instead of being added.
    pub use_scale_shift_norm: bool,
    /// Whether residual blocks halve maps, and not convolutions.
    pub resblock_updown: bool,
    /// Whether files by the names of that code have all queries first, then keys and
    /// values, instead of head by head.
    pub use_new_attention_order: bool,
    /// How it comes to classes.
    pub pool: Pool,
    /// The names of its classes; without them they are numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The latents that it was trained on, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<ClassifierLatents>,
    /// `scheduler_config.json` of the noise that it was trained on, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Value>,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            image_size: 64,
            in_channels: 4,
            model_channels: 128,
            out_channels: 1000,
            num_res_blocks: 2,
            attention_resolutions: vec![2, 4, 8],
            channel_mult: vec![1, 2, 3, 4],
            num_heads: None,
            num_head_channels: None,
            use_scale_shift_norm: false,
            resblock_updown: false,
            use_new_attention_order: false,
            pool: Pool::default(),
            classes: Vec::new(),
            latents: None,
            scheduler: None,
        }
    }
}

/// A number, for which -1 stands where it is not said.
fn said_count<'de, D: Deserializer<'de>>(told: D) -> Result<Option<usize>, D::Error> {
    let told = Option::<i64>::deserialize(told)?;
    Ok(told
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0))
}

impl ClassifierConfig {
    /// Reads `config.json`; `None` where there is none, or it is that of another network.
    ///
    /// # Errors
    /// If it cannot be read or understood.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ModelError> {
        let told = read_json::<Map<String, Value>>(path)?;
        let told = told.filter(|told| told.get("_class_name").is_some_and(|it| it == CLASS));
        told.map(|told| config_of(path, Value::Object(told)))
            .transpose()
    }

    /// Reads a YAML file of the paper's code: that of a classifier with its sizes, or that
    /// of the model whose latents it tells apart. `None` where there is none.
    ///
    /// # Errors
    /// If it cannot be read, or says no sizes.
    pub(super) fn read_yaml(path: &Path) -> Result<Option<Self>, ModelError> {
        let Some(whole) = read_yaml(path)? else {
            return Ok(None);
        };
        let params = |value: &Value| value.get("params").cloned();
        let model = whole.get("model").and_then(params);
        let unet = model.as_ref().and_then(|model| model.get("unet_config"));
        let classifier = model.as_ref().filter(|it| it.get("pool").is_some());
        let of_unet = unet.and_then(params).map(|mut unet| {
            let channels = unet.get("out_channels").cloned();
            if let (Some(sizes), Some(channels)) = (unet.as_object_mut(), channels) {
                sizes.insert("in_channels".into(), channels);
                // Of the denoiser.
                for key in ["out_channels", "num_classes"] {
                    sizes.remove(key);
                }
            }
            unet
        });
        let sizes = of_unet
            .or(model.clone())
            .or(params(&whole))
            .unwrap_or(whole);
        let unclear = |message: &str| ModelError::Json {
            path: path.to_path_buf(),
            message: message.to_owned(),
        };
        if sizes.get("model_channels").is_none() {
            return Err(unclear(
                "it says no sizes of a classifier: model_channels and the others that its code takes",
            ));
        }
        let mut config: Self = config_of(path, sizes)?;
        config.class_name = CLASS.into();
        if let Some(pool) = classifier.and_then(|it| it.get("pool")) {
            config.pool = serde_json::from_value(pool.clone())
                .map_err(|error| unclear(&error.to_string()))?;
        }
        Ok(Some(config))
    }

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        limits::within(CLASS, "out_channels", self.out_channels, &limits::CLASSES)?;
        limits::within(CLASS, "image_size", self.image_size, &limits::WIDTH)?;
        self.original().validate()?;
        let width = self.model_channels;
        if !width.is_multiple_of(GROUPS) {
            let supported = format!("it must be a multiple of {GROUPS}");
            let key = "model_channels";
            return Err(ModelError::unsupported(CLASS, key, width, supported));
        }
        if !self.classes.is_empty() && self.classes.len() != self.out_channels {
            let supported = format!("there must be {} names of classes", self.out_channels);
            let count = self.classes.len();
            return Err(ModelError::unsupported(CLASS, "classes", count, supported));
        }
        if self.pool != Pool::Attention {
            return Ok(());
        }
        let halvings = 1 << (self.channel_mult.len() - 1);
        if !self.image_size.is_multiple_of(halvings) {
            let supported = format!("with attention at the end {halvings} must divide it");
            let size = self.image_size;
            return Err(ModelError::unsupported(
                CLASS,
                "image_size",
                size,
                supported,
            ));
        }
        let last = self.original().levels.last().map_or(0, |it| it.channels);
        let width = self.num_head_channels.unwrap_or(0);
        if width == 0 || !last.is_multiple_of(width) {
            let supported = format!("with attention at the end it must divide {last}");
            let key = "num_head_channels";
            return Err(ModelError::unsupported(CLASS, key, width, supported));
        }
        Ok(())
    }

    /// What its classes are called: their numbers, where they have no names.
    pub fn class_names(&self) -> Vec<String> {
        match self.classes.is_empty() {
            true => crate::recipe::InputSpec::class_numbers(self.out_channels),
            false => self.classes.clone(),
        }
    }

    /// Checks that it tells apart what a model paints: latents, of so many columns and rows
    /// in the picture to paint, and classes, where the model paints such.
    ///
    /// # Errors
    /// If it does not: why.
    pub fn check(
        &self,
        latents: LatentInfo,
        size: [usize; 2],
        classes: Option<usize>,
    ) -> Result<(), ModelError> {
        let own = self.out_channels;
        let others = classes.filter(|count| *count != own);
        let others = others.map(|count| {
            format!("it tells {own} classes apart, and the model paints {count} classes")
        });
        match self.misfit(latents, size).or(others) {
            Some(reason) => Err(ModelError::ClassifierMisfit(reason)),
            None => Ok(()),
        }
    }

    /// Why it cannot tell apart what a model paints, whose pictures have so many columns
    /// and rows of latents; `None` where it can.
    fn misfit(&self, latents: LatentInfo, size: [usize; 2]) -> Option<String> {
        let (own, other) = (self.in_channels, latents.channels);
        if own != other {
            return Some(format!(
                "it sees latents of {own} channels, and those of the model have {other}"
            ));
        }
        if let Some(known) = &self.latents
            && known.factor != latents.factor
        {
            return Some(format!(
                "it sees latents of {} pixels a side, and those of the model are {}",
                known.factor, latents.factor
            ));
        }
        let side = self.image_size;
        if self.pool == Pool::Attention && size != [side; 2] {
            let side_px = side * latents.factor;
            let [width_px, height_px] = size.map(|places| places * latents.factor);
            return Some(format!(
                "it tells pictures of {side_px} × {side_px} pixels apart, and this one has \
                 {width_px} × {height_px}; paint one of its size, or train a classifier with the \
                 pool adaptive"
            ));
        }
        None
    }

    /// Memory for its training, about: no more than the denoiser takes of which it is the
    /// way down.
    ///
    /// # Errors
    /// If the configuration is not supported.
    pub fn training_memory(&self, batch: u32) -> Result<MemoryEstimate, ModelError> {
        let denoiser = self.original().config(self.image_size)?;
        denoiser.training_memory([self.image_size; 2], batch)
    }

    /// Memory that its weights take, and a gradient through it by latents of so many
    /// columns and rows, about.
    pub fn gradient_memory(&self, size: [usize; 2]) -> MemoryEstimate {
        let halved = |side: usize, index: usize| (side as u64).div_ceil(1 << index.min(32));
        let places = |index: usize| halved(size[0], index).saturating_mul(halved(size[1], index));
        let levels = || self.original().levels.into_iter().enumerate();
        let all = |of_block: &dyn Fn(usize, u64) -> u64| {
            let blocks = self.num_res_blocks as u64 + 1;
            let of_levels = levels().map(|(index, level)| of_block(index, level.channels as u64));
            let numbers = of_levels
                .fold(0, u64::saturating_add)
                .saturating_mul(blocks);
            numbers.saturating_mul(NUMBER_BYTES)
        };
        MemoryEstimate {
            weights_bytes: all(&|_, channels| {
                WEIGHTS_OF_BLOCK.saturating_mul(channels.saturating_pow(2))
            }),
            working_bytes: all(&|index, channels| {
                let map = channels.saturating_mul(places(index));
                map.saturating_mul(KEPT_MAPS)
            }),
        }
    }

    /// Places on a side of the lowest level.
    pub(super) fn lowest_side(&self) -> usize {
        self.image_size >> (self.channel_mult.len().max(1) - 1)
    }

    /// The denoiser of which it is the way down.
    pub(super) fn original(&self) -> OriginalUnet {
        let attends = |index: usize| {
            let rate = 1_usize.checked_shl(index as u32).unwrap_or(0);
            self.attention_resolutions.contains(&rate)
        };
        let level = |(index, multiplier): (usize, &usize)| {
            let channels = self.model_channels.saturating_mul(*multiplier);
            OriginalLevel::even(channels, self.num_res_blocks, usize::from(attends(index)))
        };
        OriginalUnet {
            input_channels: self.in_channels,
            output_channels: self.out_channels,
            width: self.model_channels,
            levels: self.channel_mult.iter().enumerate().map(level).collect(),
            layers: self.num_res_blocks,
            middle: Middle::Attending(1),
            attention: OriginalAttention::Plain,
            heads: Some(match self.num_head_channels {
                Some(width) => OriginalHeads::Width(width),
                None => OriginalHeads::Count(self.num_heads.unwrap_or(1)),
            }),
            is_newly_ordered: self.use_new_attention_order,
            is_scale_shift: self.use_scale_shift_norm,
            resamples_in_blocks: self.resblock_updown,
            classes: None,
            is_grounded: false,
            added_width: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let usual = || ClassifierConfig {
            num_head_channels: Some(64),
            ..ClassifierConfig::default()
        };
        assert!(usual().validate().is_ok());
        let refused = |config: ClassifierConfig, key: &str| {
            let error = config.validate().expect_err("unsupported").to_string();
            assert!(error.contains(key), "{error}");
        };
        refused(
            ClassifierConfig {
                num_head_channels: Some(100),
                ..usual()
            },
            "num_head_channels",
        );
        refused(
            ClassifierConfig {
                model_channels: 16,
                ..usual()
            },
            "EncoderUNetModel",
        );
        refused(
            ClassifierConfig {
                image_size: 12,
                ..usual()
            },
            "image_size",
        );
        refused(
            ClassifierConfig {
                channel_mult: Vec::new(),
                ..usual()
            },
            "channel_mult",
        );
        refused(
            ClassifierConfig {
                classes: vec!["day".into()],
                ..usual()
            },
            "classes",
        );
    }

    #[test]
    fn the_yaml_of_a_model_tells_the_sizes_of_its_classifier() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.yaml");
        let text = "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    \
                    unet_config:\n      target: ldm.modules.diffusionmodules.openaimodel.UNetModel\n      \
                    params:\n        image_size: 32\n        in_channels: 7\n        \
                    out_channels: 4\n        model_channels: 64\n        \
                    attention_resolutions: [4, 2]\n        num_res_blocks: 1\n        \
                    channel_mult: [1, 2]\n        num_head_channels: 32\n        num_heads: -1\n";
        std::fs::write(&path, text).expect("written");
        let config = ClassifierConfig::read_yaml(&path);
        let config = config.expect("readable").expect("sizes");
        assert_eq!((config.in_channels, config.image_size), (4, 32));
        assert_eq!(
            (config.num_head_channels, config.num_heads),
            (Some(32), None)
        );
        std::fs::write(&path, "model:\n  params:\n    pool: attention\n").expect("written");
        let error = ClassifierConfig::read_yaml(&path).expect_err("no sizes");
        assert!(error.to_string().contains("model_channels"), "{error}");
    }

    #[test]
    fn other_latents_and_sizes_are_told() {
        let config = ClassifierConfig {
            image_size: 8,
            latents: Some(ClassifierLatents {
                factor: 4,
                scaling_factor: 1.0,
            }),
            ..ClassifierConfig::default()
        };
        let latents = |channels, factor| LatentInfo { channels, factor };
        assert_eq!(config.misfit(latents(4, 4), [8; 2]), None);
        let told = |latents, size| config.misfit(latents, size).expect("a reason");
        assert!(told(latents(3, 4), [8; 2]).contains("4 channels"));
        assert!(told(latents(4, 8), [8; 2]).contains("4 pixels"));
        assert!(told(latents(4, 4), [16, 8]).contains("64 × 32"));
        let any = ClassifierConfig {
            pool: Pool::Adaptive,
            ..config.clone()
        };
        assert_eq!(any.misfit(latents(4, 4), [16, 8]), None);
    }
}
