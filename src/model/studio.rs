//! `studio.json`: what a model needs to be used and diffusers has no name for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AutoencoderKlConfig, ModelError, UNet2dConfig};
use crate::recipe::MAX_SIDE_PX;

/// A group of channels that the denoiser takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UNetInput {
    /// The noisy latents.
    Latent,
    /// The mask at the size of the latents, one channel.
    Mask,
    /// The latents of the picture without its masked part.
    MaskedImage,
}

impl UNetInput {
    /// Number of channels, given those of a latent.
    pub fn channels(self, latent: usize) -> usize {
        match self {
            Self::Latent | Self::MaskedImage => latent,
            Self::Mask => 1,
        }
    }
}

/// What the numbers of a mask mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskConvention {
    /// 1 is repainted and 0 kept, as in Stable Diffusion's inpainting model.
    #[default]
    OneIsRepainted,
    /// 1 is kept and 0 repainted.
    OneIsKept,
}

/// How the studio uses a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StudioConfig {
    /// The name shown to the user.
    pub name: String,
    /// Side in pixels of the pictures the model was trained on.
    pub resolution_px: u32,
    /// The groups of channels the denoiser takes, in order.
    pub unet_input: Vec<UNetInput>,
    /// What the numbers of the mask channel mean.
    pub mask_convention: MaskConvention,
    /// Sampling steps that suit the model.
    pub default_steps: u32,
    /// Guidance that suits the model.
    pub default_guidance_scale: f32,
    /// Data, licences, training, limits; Markdown.
    pub model_card: String,
}

impl Default for StudioConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            resolution_px: 512,
            unet_input: vec![UNetInput::Latent],
            mask_convention: MaskConvention::OneIsRepainted,
            default_steps: 25,
            default_guidance_scale: 7.5,
            model_card: String::new(),
        }
    }
}

impl StudioConfig {
    /// What the configurations of the networks imply, for folders without a
    /// `studio.json`.
    pub fn derive(
        name: String,
        unet: Option<&UNet2dConfig>,
        autoencoder: Option<&AutoencoderKlConfig>,
    ) -> Self {
        let side = |value: &Option<Value>| match value {
            Some(Value::Array(sides)) => sides.first().and_then(Value::as_u64),
            Some(value) => value.as_u64(),
            None => None,
        };
        let factor = autoencoder.map_or(8, AutoencoderKlConfig::downsampling) as u64;
        let trained = unet
            .and_then(|unet| side(&unet.sample_size))
            .and_then(|latent| latent.checked_mul(factor))
            .or_else(|| autoencoder.and_then(|config| side(&config.sample_size)));
        let latent = autoencoder.map_or(4, |config| config.latent_channels);
        let inpaints = unet.is_some_and(|unet| unet.in_channels == 2 * latent + 1);
        let default = Self::default();
        Self {
            name,
            resolution_px: trained
                .and_then(|side| u32::try_from(side).ok())
                .filter(|side| (8..=MAX_SIDE_PX).contains(side))
                .unwrap_or(default.resolution_px),
            unet_input: if inpaints {
                vec![UNetInput::Latent, UNetInput::Mask, UNetInput::MaskedImage]
            } else {
                default.unet_input.clone()
            },
            ..default
        }
    }

    /// Whether the denoiser sees the mask and the picture around it.
    pub fn inpaints(&self) -> bool {
        self.unet_input.contains(&UNetInput::Mask)
            || self.unet_input.contains(&UNetInput::MaskedImage)
    }

    /// Checks every number, and that each group of channels is there once.
    ///
    /// # Errors
    /// The first key that says something that cannot be.
    pub fn validate(&self) -> Result<(), ModelError> {
        let check = |is_right: bool, key, value: String, supported: String| {
            if is_right {
                return Ok(());
            }
            Err(ModelError::Studio {
                key,
                value,
                supported,
            })
        };
        check(
            (8..=MAX_SIDE_PX).contains(&self.resolution_px),
            "resolution_px",
            self.resolution_px.to_string(),
            format!("it must be from 8 to {MAX_SIDE_PX}"),
        )?;
        check(
            (1..=1000).contains(&self.default_steps),
            "default_steps",
            self.default_steps.to_string(),
            "it must be from 1 to 1000".into(),
        )?;
        check(
            (0.0..=100.0).contains(&self.default_guidance_scale),
            "default_guidance_scale",
            self.default_guidance_scale.to_string(),
            "it must be from 0 to 100".into(),
        )?;
        let count = |wanted| {
            self.unet_input
                .iter()
                .filter(|group| **group == wanted)
                .count()
        };
        let is_right = count(UNetInput::Latent) == 1
            && count(UNetInput::Mask) <= 1
            && count(UNetInput::MaskedImage) <= 1;
        check(
            is_right,
            "unet_input",
            format!("{:?}", self.unet_input),
            "the latents must be there once, and the mask and the masked picture at most once"
                .into(),
        )
    }

    /// Checks that the groups add up to the channels of the denoiser.
    ///
    /// # Errors
    /// If they do not.
    pub fn fits(&self, unet: &UNet2dConfig, latent_channels: usize) -> Result<(), ModelError> {
        let channels: usize = self
            .unet_input
            .iter()
            .map(|input| input.channels(latent_channels))
            .sum();
        if channels == unet.in_channels {
            return Ok(());
        }
        let supported = format!(
            "the groups {:?} of studio.json make {channels} channels with {latent_channels}-channel latents",
            self.unet_input
        );
        Err(ModelError::unsupported(
            "UNet2DConditionModel",
            "in_channels",
            unet.in_channels,
            supported,
        ))
    }
}
