//! ControlNets (Zhang et al. 2023, <https://arxiv.org/abs/2302.05543>): a copy of a
//! denoiser's way down that sees a picture too, and adds to what the denoiser says
//! there.
//!
//! [`ControlNetFile`] opens what there is on disk, for a model that it must fit;
//! [`ControlNet`] is the network, and a [`Control`] what it says of one picture.

mod config;
mod file;
mod original;

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

pub use config::ControlNetConfig;
pub use file::ControlNetFile;

use super::ModelError;
use super::unet::{Residuals, Told, WayDown};
use crate::nn::{self, Conv2d, Conv2dConfig, ops};

/// A network that controls a denoiser by a picture.
#[derive(Module, Debug)]
pub struct ControlNet {
    way_down: WayDown,
    controlnet_cond_embedding: PictureEmbedding,
    controlnet_down_blocks: Vec<Conv2d>,
    controlnet_mid_block: Conv2d,
    #[module(skip)]
    config: ControlNetConfig,
}

impl ControlNetConfig {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported.
    pub fn init(&self, device: &Device) -> Result<ControlNet, ModelError> {
        self.validate()?;
        let architecture = self.way_down.architecture()?;
        let zero = |channels: usize| Conv2dConfig::same(channels, channels, 1).zeroed();
        let skips = architecture.skips();
        let lowest = skips.last().copied().unwrap_or_default();
        Ok(ControlNet {
            way_down: architecture.way_down(device)?,
            controlnet_cond_embedding: PictureEmbedding::new(
                &self.embedding_channels,
                skips[0],
                device,
            ),
            controlnet_down_blocks: skips
                .iter()
                .map(|channels| zero(*channels).init(device))
                .collect(),
            controlnet_mid_block: zero(lowest).init(device),
            config: self.clone(),
        })
    }
}

impl ControlNet {
    /// The configuration the network was made from.
    pub fn config(&self) -> &ControlNetConfig {
        &self.config
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        nn::parameter_count(self)
    }

    /// What the network makes of a picture before it sees any latents.
    ///
    /// # Shapes
    /// `picture`: `[1, 3, height, width]`, from 0 to 1, -1 where it is hidden; result:
    /// `[1, channels, h, w]`, as large as the latents.
    fn hint(&self, picture: Tensor<4>) -> Tensor<4> {
        let picture = if self.config.is_bgr {
            picture.flip([1])
        } else {
            picture
        };
        ops::on_workers(&picture.clone(), || {
            self.controlnet_cond_embedding.forward(picture)
        })
    }

    /// What it adds to what the denoiser says of noisy latents.
    ///
    /// # Shapes
    /// `sample`: `[batch, in_channels, h, w]`; `timesteps`: `[batch]`, or `[1]` for the
    /// whole batch; `hint`: as [`Self::hint`] makes it.
    fn residuals(
        &self,
        sample: Tensor<4>,
        timesteps: Tensor<1>,
        hint: Tensor<4>,
        told: &Told,
    ) -> Residuals {
        ops::on_workers(&sample.clone(), || {
            let time = self.way_down.time(timesteps, told);
            let (lowest, skips) = self.way_down.forward(sample, Some(hint), &time, told);
            let pairs = skips.into_iter().zip(&self.controlnet_down_blocks);
            Residuals {
                skips: pairs.map(|(skip, zero)| zero.forward(skip)).collect(),
                lowest: self.controlnet_mid_block.forward(lowest),
            }
        })
    }
}

/// Brings a picture to the size and the channels of latents.
#[derive(Module, Debug)]
struct PictureEmbedding {
    conv_in: Conv2d,
    blocks: Vec<Conv2d>,
    conv_out: Conv2d,
}

impl PictureEmbedding {
    /// Each width but the first halves the picture.
    fn new(widths: &[usize], output: usize, device: &Device) -> Self {
        let pairs = widths.iter().zip(widths.iter().skip(1));
        let blocks = pairs.flat_map(|(wide, next)| {
            let halving = Conv2dConfig {
                stride: 2,
                ..Conv2dConfig::same(*wide, *next, 3)
            };
            [Conv2dConfig::same(*wide, *wide, 3), halving]
        });
        let [first, last] = [widths.first(), widths.last()].map(|it| it.copied().unwrap_or(1));
        Self {
            conv_in: Conv2dConfig::same(COLOURS, first, 3).init(device),
            blocks: blocks.map(|config| config.init(device)).collect(),
            conv_out: Conv2dConfig::same(last, output, 3).zeroed().init(device),
        }
    }

    fn forward(&self, picture: Tensor<4>) -> Tensor<4> {
        let first = ops::silu(self.conv_in.forward(picture));
        let blocks = self.blocks.iter();
        let last = blocks.fold(first, |x, block| ops::silu(block.forward(x)));
        self.conv_out.forward(last)
    }
}

/// Channels of a picture.
const COLOURS: usize = 3;

/// A network that has seen its picture.
#[derive(Clone, Debug)]
pub struct Control {
    network: Arc<ControlNet>,
    /// # Shapes
    /// `[1, channels, h, w]`, as large as the latents.
    hint: Tensor<4>,
    /// How strongly it acts; 1 as it was trained.
    weight: f32,
}

impl Control {
    /// Shows a network a picture, which is as much larger than the latents as those of
    /// the model are.
    ///
    /// # Shapes
    /// `picture`: `[1, 3, height, width]`, from 0 to 1, -1 where it is hidden.
    pub fn new(network: Arc<ControlNet>, picture: Tensor<4>, weight: f32) -> Self {
        Self {
            hint: network.hint(picture),
            network,
            weight,
        }
    }

    /// The same of another part of the picture.
    #[must_use]
    pub fn seeing(&self, part: impl FnOnce(&Tensor<4>) -> Tensor<4>) -> Self {
        Self {
            hint: part(&self.hint),
            ..self.clone()
        }
    }

    /// What several add together to what a denoiser says that is told the same; `None`
    /// where there are none.
    ///
    /// # Shapes
    /// `latents`: `[1 or batch, channels, h, w]`, without the channels of anything else.
    pub(super) fn residuals(
        controls: &[Self],
        latents: &Tensor<4>,
        timesteps: &Tensor<1>,
        told: &Told,
    ) -> Option<Residuals> {
        let rows = told.context.dims()[0].max(latents.dims()[0]);
        let sample = match latents.dims()[0] {
            1 if rows > 1 => latents.clone().repeat_dim(0, rows),
            _ => latents.clone(),
        };
        let each = controls.iter().map(|control| {
            let Self {
                network,
                hint,
                weight,
            } = control;
            let hint = hint.clone();
            let residuals = network.residuals(sample.clone(), timesteps.clone(), hint, told);
            let is_pooled = network.config.is_pooled;
            residuals.mapped(|residual| {
                let residual = if is_pooled {
                    // Only the branch that is told what is wanted, which is the last.
                    told_only(residual.mean_dim(2).mean_dim(3))
                } else {
                    residual
                };
                residual * *weight
            })
        });
        each.reduce(Residuals::plus)
    }
}

/// Nothing in the first row of two.
fn told_only(rows: Tensor<4>) -> Tensor<4> {
    match rows.dims()[0] {
        2 => {
            let told = rows.narrow(0, 1, 1);
            Tensor::cat(vec![told.zeros_like(), told], 0)
        }
        _ => rows,
    }
}
