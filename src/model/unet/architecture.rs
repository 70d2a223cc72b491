//! What a denoiser is made of, whichever file says so.

use burn::tensor::Device;

use super::super::{ModelError, limits};
use super::blocks::{BlockSizes, DownBlock, MidBlock, UpBlock};
use super::position_net::PositionNet;
use super::{UNet2d, UNet2dConfig, WayDown};
use crate::nn::{Conv2dConfig, EmbeddingConfig, GroupNormConfig, TimestepEmbeddingConfig};

/// The sizes of a denoiser. A dialect turns a file into one and checks it there,
/// where the words of that file are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Channels of latents and everything concatenated to them.
    pub input_channels: usize,
    /// Channels of the prediction.
    pub output_channels: usize,
    /// From the highest resolution down.
    pub levels: Vec<Level>,
    /// What lies below the last level, as wide as that.
    pub middle: Middle,
    /// Width of the context; `None` attends to nothing but the places of the map.
    pub context_width: Option<usize>,
    /// Width of the embedding of time.
    pub time_width: usize,
    /// Whether cosines come first in the embedding of time.
    pub is_cosine_first: bool,
    /// Shift of the frequencies of the embedding of time.
    pub frequency_shift: f64,
    /// Groups of all group normalisations.
    pub groups: usize,
    /// Epsilon of the group normalisations of residual blocks.
    pub eps: f64,
    /// Whether time scales and shifts instead of being added.
    pub is_scale_shift: bool,
    /// Classes whose embeddings are added to that of time.
    pub classes: Option<usize>,
    /// Whether places look at boxes (GLIGEN).
    pub is_grounded: bool,
    /// Width of the vector whose embedding is added to that of time.
    pub added_width: Option<usize>,
    /// Width of the waves of a guidance that was taught to it.
    pub guidance_width: Option<usize>,
    /// Whether transformers are entered by a matrix instead of a 1×1 convolution.
    pub is_linear_projection: bool,
    /// Side of the first convolution's kernel.
    pub input_kernel: usize,
    /// Side of the last convolution's kernel.
    pub output_kernel: usize,
}

/// What lies below the last level of a denoiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Middle {
    /// Nothing, as in the smaller of the distilled models (BK-SDM, tiny-sd).
    Nothing,
    /// One residual block (SSD-1B).
    Residual,
    /// Two, with attention of so many transformer blocks between them.
    Attending(usize),
}

impl Middle {
    /// Residual blocks.
    pub fn layers(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Residual => 1,
            Self::Attending(_) => 2,
        }
    }

    /// Transformer blocks; 0 without attention.
    pub fn depth(self) -> usize {
        match self {
            Self::Attending(depth) => depth,
            Self::Nothing | Self::Residual => 0,
        }
    }
}

/// One resolution of a denoiser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Channels.
    pub channels: usize,
    /// Residual blocks on the way down; on the way up there is one more.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Transformer blocks behind each residual block on the way down, or 1 for attention
    /// among places alone; empty without attention.
    pub depths_down: Vec<usize>,
    /// The same on the way up.
    pub depths_up: Vec<usize>,
    /// Whether a residual block halves the resolution, and not a convolution.
    pub halves_in_block: bool,
    /// Whether a convolution that halves it pads all sides, and not only the last ones.
    pub pads_all_sides: bool,
    /// Whether a residual block doubles the resolution, and not a convolution.
    pub doubles_in_block: bool,
}

impl Level {
    /// Whether there is attention, on either way.
    pub fn attends(&self) -> bool {
        !self.depths_down.is_empty() || !self.depths_up.is_empty()
    }

    /// Transformer blocks on both ways.
    pub fn transformers(&self) -> usize {
        let depths = self.depths_down.iter().chain(&self.depths_up);
        depths.fold(0, |sum, depth| sum.saturating_add(*depth))
    }

    /// Residual blocks on both ways.
    pub fn residuals(&self) -> usize {
        self.layers.saturating_mul(2).saturating_add(1)
    }
}

impl Architecture {
    /// Number of residual and transformer blocks.
    pub fn blocks(&self) -> usize {
        let levels = self.levels.iter();
        let levels = levels.map(|level| level.residuals().saturating_add(level.transformers()));
        let middle = self.middle.layers().saturating_add(self.middle.depth());
        levels.fold(middle, usize::saturating_add)
    }

    /// Makes the network; weights are drawn when first used. `config` is how
    /// the network is described to diffusers.
    ///
    /// # Errors
    /// If it would have too many blocks to be a denoiser.
    pub fn init(&self, config: UNet2dConfig, device: &Device) -> Result<UNet2d, ModelError> {
        let way_down = self.way_down(device)?;
        let first = self.levels[0].channels;
        let time = self.time_width;
        let lowest = self.levels.len() - 1;
        let up = |(i, level): (usize, &Level)| {
            let previous = self.levels[(i + 1).min(lowest)].channels;
            let skip = self.levels[i.saturating_sub(1)].channels;
            let sizes = self.sizes(level);
            UpBlock::new(
                &sizes,
                previous,
                skip,
                &level.depths_up,
                i > 0,
                time,
                device,
            )
        };
        Ok(UNet2d {
            way_down,
            position_net: self
                .context_width
                .filter(|_| self.is_grounded)
                .map(|width| PositionNet::new(width, device)),
            up_blocks: self.levels.iter().enumerate().rev().map(up).collect(),
            conv_norm_out: GroupNormConfig {
                groups: self.groups,
                channels: first,
                eps: self.eps,
            }
            .init(device),
            conv_out: Conv2dConfig::same(first, self.output_channels, self.output_kernel)
                .zeroed()
                .init(device),
            config,
        })
    }

    /// Makes the way down alone, of which there is one at least.
    ///
    /// # Errors
    /// As [`Self::init`].
    pub(in crate::model) fn way_down(&self, device: &Device) -> Result<WayDown, ModelError> {
        let Some((first, last)) = self.levels.first().zip(self.levels.last()) else {
            return Err(ModelError::unsupported(
                "a denoiser",
                "levels",
                0,
                "it needs at least one",
            ));
        };
        limits::within(
            "a denoiser",
            "blocks",
            self.blocks(),
            &(1..=limits::MOST_BLOCKS),
        )?;
        let time = self.time_width;
        let lowest = self.levels.len() - 1;
        let down = |(i, level): (usize, &Level)| {
            let input = self.levels[i.saturating_sub(1)].channels;
            let sizes = self.sizes(level);
            DownBlock::new(&sizes, input, &level.depths_down, i < lowest, time, device)
        };
        Ok(WayDown {
            conv_in: Conv2dConfig::same(self.input_channels, first.channels, self.input_kernel)
                .init(device),
            time_embedding: TimestepEmbeddingConfig {
                sinusoidal: first.channels,
                width: time,
                cosine_first: self.is_cosine_first,
                shift: self.frequency_shift,
                condition: self.guidance_width,
            }
            .init(device),
            class_embedding: self.classes.map(|count| {
                EmbeddingConfig {
                    count,
                    width: time,
                    std: 1.0,
                }
                .init(device)
            }),
            add_embedding: self.added_width.map(|width| {
                TimestepEmbeddingConfig {
                    sinusoidal: width,
                    width: time,
                    cosine_first: self.is_cosine_first,
                    shift: self.frequency_shift,
                    condition: None,
                }
                .init(device)
            }),
            down_blocks: self.levels.iter().enumerate().map(down).collect(),
            mid_block: MidBlock::new(&self.sizes(last), self.middle, time, device),
        })
    }

    /// Channels of the skip connections, from the highest resolution down.
    pub(in crate::model) fn skips(&self) -> Vec<usize> {
        let lowest = self.levels.len().saturating_sub(1);
        let first = self.levels.first().map(|level| level.channels);
        let levels = self.levels.iter().enumerate().flat_map(|(i, level)| {
            std::iter::repeat_n(level.channels, level.layers + usize::from(i < lowest))
        });
        first.into_iter().chain(levels).collect()
    }

    fn sizes(&self, level: &Level) -> BlockSizes {
        BlockSizes {
            channels: level.channels,
            layers: level.layers,
            heads: level.heads,
            context: self.context_width,
            groups: self.groups,
            eps: self.eps,
            linear: self.is_linear_projection,
            gated: self.is_grounded,
            scale_shift: self.is_scale_shift,
            halves_in_block: level.halves_in_block,
            pads_all_sides: level.pads_all_sides,
            doubles_in_block: level.doubles_in_block,
        }
    }
}
