//! The denoiser, diffusers' `UNet2DConditionModel` and `UNet2DModel`, the paper's
//! `UNetModel`.
//!
//! An [`Architecture`] says what it is made of; `diffusers` reads one out of a
//! `config.json`. Another dialect is another file beside it: `original` brings the
//! paper's configurations into those words.

mod added;
mod architecture;
mod blocks;
mod depths;
mod diffusers;
mod guidance;
mod original;
mod position_net;
mod told;
mod way_down;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

pub use architecture::{Architecture, Level, Middle};
pub use depths::PerLevel;
pub use diffusers::UNet2dConfig;
pub(in crate::model) use guidance::guidance_waves;
pub use position_net::Grounding;
pub use told::{Residuals, Told};
pub(in crate::model) use way_down::WayDown;

use self::blocks::UpBlock;
use self::position_net::PositionNet;
use super::ModelError;
use crate::nn::{self, Conv2d, GroupNorm};

impl UNet2dConfig {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported, or
    /// its sizes contradict each other.
    pub fn init(&self, device: &Device) -> Result<UNet2d, ModelError> {
        self.architecture()?.init(self.clone(), device)
    }

    /// Number of weights of the network, without making any.
    ///
    /// # Errors
    /// As [`Self::init`].
    pub fn parameter_count(&self) -> Result<usize, ModelError> {
        Ok(nn::parameter_count(&self.init(&Device::flex())?))
    }
}

/// The denoiser: noisy latents, a time and a text in, a prediction out
/// (Rombach et al. 2022, <https://arxiv.org/abs/2112.10752>).
#[derive(Module, Debug)]
pub struct UNet2d {
    way_down: WayDown,
    position_net: Option<PositionNet>,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    #[module(skip)]
    config: UNet2dConfig,
}

impl UNet2d {
    /// The configuration the network was made from.
    pub fn config(&self) -> &UNet2dConfig {
        &self.config
    }

    /// Boxes as its attention looks at them; `None` of a denoiser that looks at none.
    ///
    /// # Shapes
    /// `[batch, boxes, cross_attention_dim]`.
    pub fn grounded(&self, grounding: &Grounding) -> Option<Tensor<3>> {
        let network = self.position_net.as_ref()?;
        Some(network.forward(grounding))
    }

    /// Height and width need not be equal, even, or those of training.
    ///
    /// # Shapes
    /// `sample`: `[batch, in_channels, h, w]`; `timesteps`: `[batch]`, or `[1]`
    /// for the whole batch; `context`: `[batch, tokens, cross_attention_dim]`;
    /// result: `[batch, out_channels, h, w]`.
    pub fn forward(
        &self,
        sample: Tensor<4>,
        timesteps: Tensor<1>,
        context: Tensor<3>,
    ) -> Tensor<4> {
        self.forward_told(sample, timesteps, &context.into())
    }

    /// The same, told of more than a context.
    ///
    /// # Shapes
    /// As [`Self::forward`], and those of [`Told`].
    pub fn forward_told(&self, sample: Tensor<4>, timesteps: Tensor<1>, told: &Told) -> Tensor<4> {
        nn::ops::on_workers(&sample.clone(), || {
            let time = self.way_down.time(timesteps, told);
            let (mut x, mut skips) = self.way_down.forward(sample, None, &time, told);
            if let Some(residuals) = &told.residuals {
                (x, skips) = residuals.added_to(x, skips);
            }
            for block in &self.up_blocks {
                x = block.forward(x, &time, told, &mut skips);
            }
            self.conv_out.forward(self.conv_norm_out.forward_silu(x))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_diffusion_1_has_the_published_number_of_weights() {
        let config = UNet2dConfig {
            cross_attention_dim: 768,
            ..Default::default()
        };
        assert_eq!(config.parameter_count().expect("supported"), 859_520_964);
        let inpaint = UNet2dConfig {
            in_channels: 9,
            ..config
        };
        assert_eq!(inpaint.parameter_count().expect("supported"), 859_535_364);
    }

    #[test]
    fn stable_diffusion_2_has_the_published_number_of_weights() {
        let config = UNet2dConfig {
            cross_attention_dim: 1024,
            attention_head_dim: PerLevel::Each(vec![5, 10, 20, 20]),
            use_linear_projection: true,
            ..Default::default()
        };
        assert_eq!(config.parameter_count().expect("supported"), 865_910_724);
    }

    #[test]
    fn stable_diffusion_xl_has_the_published_number_of_weights() {
        let config: UNet2dConfig = serde_json::from_value(serde_json::json!({
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "attention_head_dim": [5, 10, 20],
            "block_out_channels": [320, 640, 1280],
            "cross_attention_dim": 2048,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "projection_class_embeddings_input_dim": 2816,
            "transformer_layers_per_block": [1, 2, 10],
            "use_linear_projection": true,
        }))
        .expect("a configuration");
        assert_eq!(config.parameter_count().expect("supported"), 2_567_463_684);
    }
}
