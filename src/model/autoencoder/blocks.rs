//! Encoder and decoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::codec::Codec;
use crate::nn::{
    Attention, AttentionConfig, Conv2d, Conv2dConfig, Downsample, DownsampleConfig, GroupNorm,
    GroupNormConfig, ResBlock, ResBlockConfig, Upsample, UpsampleConfig,
};

/// Epsilon of every normalisation of an autoencoder; it is in no configuration.
const EPS: f64 = 1e-6;

fn res_blocks(
    codec: &Codec,
    input: usize,
    output: usize,
    count: usize,
    device: &Device,
) -> Vec<ResBlock> {
    let block = |i| ResBlockConfig {
        input: if i == 0 { input } else { output },
        output,
        time: None,
        groups: codec.groups,
        eps: EPS,
        zero: false,
        scale_shift: false,
    };
    (0..count).map(|i| block(i).init(device)).collect()
}

/// Attention of one head among all places, so many times.
fn attentions(codec: &Codec, channels: usize, count: usize, device: &Device) -> Vec<Attention> {
    let attention = AttentionConfig {
        width: channels,
        context: None,
        heads: 1,
        bias: true,
        norm: Some((codec.groups, EPS)),
    };
    (0..count).map(|_| attention.init(device)).collect()
}

fn norm(codec: &Codec, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig {
        groups: codec.groups,
        channels,
        eps: EPS,
    }
    .init(device)
}

/// Blocks, each followed by attention if there is any.
fn in_turn(resnets: &[ResBlock], attentions: &[Attention], mut x: Tensor<4>) -> Tensor<4> {
    for (i, resnet) in resnets.iter().enumerate() {
        x = resnet.forward(x, None);
        if let Some(attention) = attentions.get(i) {
            x = attention.forward_map(x);
        }
    }
    x
}

/// One resolution of the encoder (`DownEncoderBlock2D`, `AttnDownEncoderBlock2D`).
#[derive(Module, Debug)]
struct DownLevel {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attention>,
    downsampler: Option<Downsample>,
}

/// One resolution of the decoder (`UpDecoderBlock2D`, `AttnUpDecoderBlock2D`).
#[derive(Module, Debug)]
struct UpLevel {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attention>,
    upsampler: Option<Upsample>,
}

/// The lowest resolution (`UNetMidBlock2D`).
#[derive(Module, Debug)]
struct Middle {
    resnets: Vec<ResBlock>,
    /// Between the two; the name is that of checkpoints of training.
    attention: Option<Attention>,
}

impl Middle {
    fn new(codec: &Codec, channels: usize, device: &Device) -> Self {
        Self {
            resnets: res_blocks(codec, channels, channels, 2, device),
            attention: attentions(codec, channels, codec.attends_in_middle.into(), device).pop(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        in_turn(&self.resnets, self.attention.as_slice(), x)
    }
}

/// Pictures to latents, or to the moments of their distribution.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownLevel>,
    mid_block: Middle,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    pub fn new(codec: &Codec, device: &Device) -> Self {
        let levels = &codec.levels;
        let last = levels.len() - 1;
        let level = |i: usize| {
            let (before, channels) = (levels[i.saturating_sub(1)].channels, levels[i].channels);
            let attending = usize::from(levels[i].attends_down) * codec.layers;
            DownLevel {
                resnets: res_blocks(codec, before, channels, codec.layers, device),
                attentions: attentions(codec, channels, attending, device),
                downsampler: (i < last).then(|| {
                    DownsampleConfig {
                        channels,
                        symmetric: false,
                    }
                    .init(device)
                }),
            }
        };
        let (first, lowest) = (levels[0].channels, levels[last].channels);
        Self {
            conv_in: Conv2dConfig::same(codec.in_channels, first, 3).init(device),
            down_blocks: (0..levels.len()).map(level).collect(),
            mid_block: Middle::new(codec, lowest, device),
            conv_norm_out: norm(codec, lowest, device),
            conv_out: Conv2dConfig::same(lowest, codec.encoded, 3).init(device),
        }
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut x = self.conv_in.forward(images);
        for level in &self.down_blocks {
            x = in_turn(&level.resnets, &level.attentions, x);
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
    pub fn new(codec: &Codec, device: &Device) -> Self {
        let levels: Vec<_> = codec.levels.iter().rev().collect();
        let last = levels.len() - 1;
        let layers = codec.layers + 1;
        let level = |i: usize| {
            let (before, channels) = (levels[i.saturating_sub(1)].channels, levels[i].channels);
            let attending = usize::from(levels[i].attends_up) * layers;
            UpLevel {
                resnets: res_blocks(codec, before, channels, layers, device),
                attentions: attentions(codec, channels, attending, device),
                upsampler: (i < last).then(|| UpsampleConfig { channels }.init(device)),
            }
        };
        let (lowest, first) = (levels[0].channels, levels[last].channels);
        Self {
            conv_in: Conv2dConfig::same(codec.decoded, lowest, 3).init(device),
            mid_block: Middle::new(codec, lowest, device),
            up_blocks: (0..levels.len()).map(level).collect(),
            conv_norm_out: norm(codec, first, device),
            conv_out: Conv2dConfig::same(first, codec.out_channels, 3).init(device),
        }
    }

    pub fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        let mut x = self.mid_block.forward(self.conv_in.forward(latents));
        for level in &self.up_blocks {
            x = in_turn(&level.resnets, &level.attentions, x);
            if let Some(upsampler) = &level.upsampler {
                let [_, _, height, width] = x.dims();
                x = upsampler.forward(x, [2 * height, 2 * width]);
            }
        }
        self.conv_out.forward(self.conv_norm_out.forward_silu(x))
    }
}
