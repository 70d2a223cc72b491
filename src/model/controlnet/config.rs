//! `config.json` of a ControlNet, as diffusers writes it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::json::{config_of, read_json};
use super::super::{ModelError, PerLevel, UNet2dConfig, limits};
use super::COLOURS;

pub(super) const CLASS: &str = "ControlNetModel";
/// Widths of the networks that were published.
const USUAL_EMBEDDING: [usize; 4] = [16, 32, 96, 256];

/// The sizes of a ControlNet.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlNetConfig {
    /// Its way down, as that of a denoiser that answers in as many channels.
    pub way_down: UNet2dConfig,
    /// Widths of what brings a picture to the size of latents; each but the first halves it.
    pub embedding_channels: Vec<usize>,
    /// Whether blue comes first in the picture.
    pub is_bgr: bool,
    /// Whether what it adds is the same at all places, and nothing where no words are told.
    pub is_pooled: bool,
}

impl ControlNetConfig {
    /// That of a network whose file tells nothing but its weights, for a denoiser.
    pub fn beside(unet: &UNet2dConfig, latent_channels: usize) -> Self {
        Self {
            way_down: UNet2dConfig {
                in_channels: latent_channels,
                out_channels: latent_channels,
                ..unet.clone()
            },
            embedding_channels: USUAL_EMBEDDING.to_vec(),
            is_bgr: false,
            is_pooled: false,
        }
    }

    /// Reads a file; `None` where there is none, or it is that of another network.
    ///
    /// # Errors
    /// If it cannot be read or understood.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ModelError> {
        let Some(told) = read_json::<Map<String, Value>>(path)? else {
            return Ok(None);
        };
        if told.get("_class_name").is_none_or(|class| class != CLASS) {
            return Ok(None);
        }
        Self::told(path, told).map(Some)
    }

    fn told(path: &Path, mut told: Map<String, Value>) -> Result<Self, ModelError> {
        let mut take = |key: &'static str| told.remove(key).filter(|value| !value.is_null());
        let unsupported = |key, value: &Value, supported: &str| {
            Err(ModelError::unsupported(CLASS, key, value, supported))
        };
        let is_bgr = match take("controlnet_conditioning_channel_order") {
            None => false,
            Some(order) if order == "rgb" => false,
            Some(order) if order == "bgr" => true,
            Some(order) => {
                let key = "controlnet_conditioning_channel_order";
                return unsupported(key, &order, "it must be rgb or bgr");
            }
        };
        if let Some(channels) = take("conditioning_channels")
            && channels != COLOURS
        {
            return unsupported("conditioning_channels", &channels, "only 3 are");
        }
        let embedding_channels = match take("conditioning_embedding_out_channels") {
            None => USUAL_EMBEDDING.to_vec(),
            Some(widths) => match serde_json::from_value(widths.clone()) {
                Ok(widths) => widths,
                Err(_) => {
                    let key = "conditioning_embedding_out_channels";
                    return unsupported(key, &widths, "it must be a list of numbers");
                }
            },
        };
        let is_pooled = take("global_pool_conditions").is_some_and(|it| it == true);
        let types = take("down_block_types");
        told.insert("_class_name".into(), json!("UNet2DConditionModel"));
        if let Some(types) = types {
            // What a denoiser would have on its way up.
            let kinds = types.as_array().into_iter().flatten().rev();
            let kinds = kinds.filter_map(Value::as_str);
            let up: Vec<String> = kinds.map(|kind| kind.replace("Down", "Up")).collect();
            told.insert("up_block_types".into(), json!(up));
            told.insert("down_block_types".into(), types);
        }
        let way_down: UNet2dConfig = config_of(path, Value::Object(told))?;
        Ok(Self {
            way_down: UNet2dConfig {
                out_channels: way_down.in_channels,
                ..way_down
            },
            embedding_channels,
            is_bgr,
            is_pooled,
        })
    }

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        let key = "conditioning_embedding_out_channels";
        limits::within(CLASS, key, self.embedding_channels.len(), &limits::LEVELS)?;
        for width in &self.embedding_channels {
            limits::within(CLASS, key, *width, &limits::WIDTH)?;
        }
        self.way_down.validate()
    }

    /// Pixels of a side for each place of the latents.
    pub fn factor(&self) -> usize {
        1 << self.embedding_channels.len().saturating_sub(1)
    }

    /// Why it cannot control a denoiser whose latents have so many channels, each for so
    /// many pixels of a side; `None` where it can.
    pub(super) fn misfit(
        &self,
        unet: &UNet2dConfig,
        channels: usize,
        factor: usize,
    ) -> Option<String> {
        if unet.is_plain() {
            return Some("the model is told nothing that a ControlNet could be told too".into());
        }
        let (own, other) = (&self.way_down, unet);
        let differ = |what: &str, own: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
            Some(format!("its {what} is {own:?}, the model's {other:?}"))
        };
        if own.cross_attention_dim != other.cross_attention_dim {
            let (own, other) = (own.cross_attention_dim, other.cross_attention_dim);
            return Some(format!(
                "it is told text that is {own} wide{}, and the model text that is {other} wide{}",
                made_for(own),
                made_for(other)
            ));
        }
        if own.block_out_channels != other.block_out_channels {
            let widths = (&own.block_out_channels, &other.block_out_channels);
            return differ("list of widths", widths.0, widths.1);
        }
        if layers(own) != layers(other) {
            return differ("number of layers", &layers(own), &layers(other));
        }
        if own.in_channels != channels {
            return differ("number of latent channels", &own.in_channels, &channels);
        }
        let added = |config: &UNet2dConfig| {
            let told = config.other.get("addition_embed_type");
            told.filter(|it| !it.is_null()).cloned()
        };
        if added(own) != added(other) {
            return Some("only one of the two is told of sizes, as Stable Diffusion XL is".into());
        }
        if self.factor() != factor {
            let own = self.factor();
            return Some(format!(
                "its picture is {own} times as large as latents, the model's {factor} times"
            ));
        }
        None
    }
}

/// The family that is told text of a width, in brackets.
fn made_for(width: usize) -> &'static str {
    match width {
        768 => " (Stable Diffusion 1)",
        1024 => " (Stable Diffusion 2)",
        2048 => " (Stable Diffusion XL)",
        _ => "",
    }
}

fn layers(config: &UNet2dConfig) -> Vec<usize> {
    let levels = 0..config.block_out_channels.len();
    match &config.layers_per_block {
        PerLevel::All(count) => levels.map(|_| *count).collect(),
        counts => levels.map(|level| counts.at(level)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ControlNetConfig, ModelError> {
        let told = serde_json::from_str(text).expect("valid JSON");
        let config = ControlNetConfig::told(Path::new("config.json"), told)?;
        config.validate()?;
        Ok(config)
    }

    #[test]
    fn the_published_network_has_its_number_of_weights() {
        let config = read(r#"{"_class_name": "ControlNetModel", "cross_attention_dim": 768}"#);
        let network = config
            .expect("supported")
            .init(&burn::tensor::Device::flex());
        let count = network.expect("supported").parameter_count();
        assert_eq!(count, 361_279_120);
    }

    #[test]
    fn foreign_features_are_named() {
        for (text, key) in [
            (r#"{"conditioning_channels": 4}"#, "conditioning_channels"),
            (
                r#"{"controlnet_conditioning_channel_order": "hsv"}"#,
                "channel_order",
            ),
            (
                r#"{"conditioning_embedding_out_channels": []}"#,
                "conditioning_embedding_out_channels",
            ),
            (
                r#"{"conditioning_embedding_out_channels": "many"}"#,
                "conditioning_embedding_out_channels",
            ),
            (r#"{"class_embed_type": "timestep"}"#, "class_embed_type"),
            (r#"{"down_block_types": ["Odd"]}"#, "down_block_types"),
        ] {
            let error = read(text).expect_err("unsupported").to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn what_is_made_for_another_family_is_told() {
        let unet = |width: usize| UNet2dConfig {
            cross_attention_dim: width,
            ..UNet2dConfig::default()
        };
        let config = ControlNetConfig::beside(&unet(768), 4);
        assert_eq!(config.misfit(&unet(768), 4, 8), None);
        let told = config.misfit(&unet(1024), 4, 8).expect("a reason");
        assert!(
            told.contains("768") && told.contains("Diffusion 2"),
            "{told}"
        );
        assert!(config.misfit(&unet(768), 4, 4).is_some());
        assert!(config.misfit(&unet(768), 3, 8).is_some());
    }
}
