//! Encoder and decoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::AutoencoderKlConfig;
use crate::nn::{
    Attention, AttentionConfig, Conv2d, Conv2dConfig, Downsample, DownsampleConfig, GroupNorm,
    GroupNormConfig, ResBlock, ResBlockConfig, Upsample, UpsampleConfig,
};

/// Epsilon of every normalisation of an autoencoder; it is in no configuration.
const EPS: f64 = 1e-6;

fn res_blocks(
    config: &AutoencoderKlConfig,
    input: usize,
    output: usize,
    count: usize,
    device: &Device,
) -> Vec<ResBlock> {
    let block = |i| ResBlockConfig {
        input: if i == 0 { input } else { output },
        output,
        time: None,
        groups: config.norm_num_groups,
        eps: EPS,
        zero: false,
    };
    (0..count).map(|i| block(i).init(device)).collect()
}

fn norm(config: &AutoencoderKlConfig, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig {
        groups: config.norm_num_groups,
        channels,
        eps: EPS,
    }
    .init(device)
}

/// One resolution of the encoder (`DownEncoderBlock2D`).
#[derive(Module, Debug)]
struct DownLevel {
    resnets: Vec<ResBlock>,
    downsampler: Option<Downsample>,
}

/// One resolution of the decoder (`UpDecoderBlock2D`).
#[derive(Module, Debug)]
struct UpLevel {
    resnets: Vec<ResBlock>,
    upsampler: Option<Upsample>,
}

/// The lowest resolution (`UNetMidBlock2D`).
#[derive(Module, Debug)]
struct Middle {
    resnets: Vec<ResBlock>,
    attention: Option<Attention>,
}

impl Middle {
    fn new(config: &AutoencoderKlConfig, channels: usize, device: &Device) -> Self {
        let attention = AttentionConfig {
            width: channels,
            context: None,
            heads: 1,
            bias: true,
            norm: Some((config.norm_num_groups, EPS)),
        };
        Self {
            resnets: res_blocks(config, channels, channels, 2, device),
            attention: config
                .mid_block_add_attention
                .then(|| attention.init(device)),
        }
    }

    fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, None);
            if let (0, Some(attention)) = (i, &self.attention) {
                x = attention.forward_map(x);
            }
        }
        x
    }
}

/// Pictures to moments of latents.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownLevel>,
    mid_block: Middle,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    pub fn new(config: &AutoencoderKlConfig, device: &Device) -> Self {
        let widths = &config.block_out_channels;
        let last = widths.len() - 1;
        let level = |i: usize| DownLevel {
            resnets: res_blocks(
                config,
                widths[i.saturating_sub(1)],
                widths[i],
                config.layers_per_block,
                device,
            ),
            downsampler: (i < last).then(|| {
                DownsampleConfig {
                    channels: widths[i],
                    symmetric: false,
                }
                .init(device)
            }),
        };
        Self {
            conv_in: Conv2dConfig::same(config.in_channels, widths[0], 3).init(device),
            down_blocks: (0..widths.len()).map(level).collect(),
            mid_block: Middle::new(config, widths[last], device),
            conv_norm_out: norm(config, widths[last], device),
            conv_out: Conv2dConfig::same(widths[last], 2 * config.latent_channels, 3).init(device),
        }
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut x = self.conv_in.forward(images);
        for level in &self.down_blocks {
            for resnet in &level.resnets {
                x = resnet.forward(x, None);
            }
            if let Some(downsampler) = &level.downsampler {
                x = downsampler.forward(x);
            }
        }
        self.conv_out
            .forward(self.conv_norm_out.forward_silu(self.mid_block.forward(x)))
    }
}

/// Latents to pictures.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    conv_in: Conv2d,
    mid_block: Middle,
    up_blocks: Vec<UpLevel>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    pub fn new(config: &AutoencoderKlConfig, device: &Device) -> Self {
        let widths: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let last = widths.len() - 1;
        let level = |i: usize| UpLevel {
            resnets: res_blocks(
                config,
                widths[i.saturating_sub(1)],
                widths[i],
                config.layers_per_block + 1,
                device,
            ),
            upsampler: (i < last).then(|| {
                UpsampleConfig {
                    channels: widths[i],
                }
                .init(device)
            }),
        };
        Self {
            conv_in: Conv2dConfig::same(config.latent_channels, widths[0], 3).init(device),
            mid_block: Middle::new(config, widths[0], device),
            up_blocks: (0..widths.len()).map(level).collect(),
            conv_norm_out: norm(config, widths[last], device),
            conv_out: Conv2dConfig::same(widths[last], config.out_channels, 3).init(device),
        }
    }

    pub fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        let mut x = self.mid_block.forward(self.conv_in.forward(latents));
        for level in &self.up_blocks {
            for resnet in &level.resnets {
                x = resnet.forward(x, None);
            }
            if let Some(upsampler) = &level.upsampler {
                let [_, _, height, width] = x.dims();
                x = upsampler.forward(x, [2 * height, 2 * width]);
            }
        }
        self.conv_out.forward(self.conv_norm_out.forward_silu(x))
    }

    pub fn last_layer(&self) -> Tensor<4> {
        self.conv_out.weight.val()
    }
}
