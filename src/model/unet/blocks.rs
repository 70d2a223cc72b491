//! The levels of the denoiser.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Middle, Told};
use crate::nn::{
    Attention, AttentionConfig, Downsample, DownsampleConfig, ResBlock, ResBlockConfig,
    SpatialTransformer, SpatialTransformerConfig, Upsample, UpsampleConfig, ops,
};

/// What the blocks of one level have in common.
pub(super) struct BlockSizes {
    pub channels: usize,
    pub layers: usize,
    pub heads: usize,
    /// Width of the context; `None` attends to nothing but the places of the map.
    pub context: Option<usize>,
    pub groups: usize,
    pub eps: f64,
    pub linear: bool,
    pub gated: bool,
    pub scale_shift: bool,
    pub halves_in_block: bool,
    pub pads_all_sides: bool,
    pub doubles_in_block: bool,
}

impl BlockSizes {
    fn res_block(&self, input: usize, time: usize, device: &Device) -> ResBlock {
        let config = ResBlockConfig {
            input,
            output: self.channels,
            time: Some(time),
            groups: self.groups,
            eps: self.eps,
            zero: true,
            scale_shift: self.scale_shift,
        };
        config.init(device)
    }

    fn attention(&self, depth: usize, device: &Device) -> Attending {
        let Some(context) = self.context else {
            let config = AttentionConfig {
                width: self.channels,
                context: None,
                heads: self.heads,
                bias: true,
                norm: Some((self.groups, self.eps)),
            };
            return Attending::Places(config.init(device));
        };
        let config = SpatialTransformerConfig {
            channels: self.channels,
            context,
            heads: self.heads,
            depth,
            groups: self.groups,
            linear: self.linear,
            gated: self.gated,
        };
        Attending::Context(config.init(device))
    }

    /// Attention behind each residual block, of so many transformer blocks.
    fn attentions(&self, depths: &[usize], device: &Device) -> Vec<Attending> {
        let depths = depths.iter();
        depths.map(|depth| self.attention(*depth, device)).collect()
    }
}

/// Attention of a level.
#[allow(
    clippy::large_enum_variant,
    reason = "a network has a few of them, and all of one network are of one kind"
)]
#[derive(Module, Debug)]
enum Attending {
    /// Among the places of the map.
    Places(Attention),
    /// Among them and to a context.
    Context(SpatialTransformer),
}

impl Attending {
    fn forward(&self, x: Tensor<4>, told: &Told) -> Tensor<4> {
        match self {
            Self::Places(attention) => attention.forward_map(x),
            Self::Context(transformer) => transformer.forward(x, &told.attended()),
        }
    }
}

/// What halves a map.
#[allow(
    clippy::large_enum_variant,
    reason = "a network has a few of them, and all of one network are of one kind"
)]
#[derive(Module, Debug)]
enum Halving {
    Convolution(Downsample),
    Block(ResBlock),
}

impl Halving {
    fn forward(&self, x: Tensor<4>, time: &Tensor<2>) -> Tensor<4> {
        match self {
            Self::Convolution(convolution) => convolution.forward(x),
            Self::Block(block) => block.forward_resampled(x, Some(time), ops::halved),
        }
    }
}

/// What doubles a map.
#[allow(
    clippy::large_enum_variant,
    reason = "a network has a few of them, and all of one network are of one kind"
)]
#[derive(Module, Debug)]
enum Doubling {
    Convolution(Upsample),
    Block(ResBlock),
}

impl Doubling {
    fn forward(&self, x: Tensor<4>, time: &Tensor<2>, size: [usize; 2]) -> Tensor<4> {
        match self {
            Self::Convolution(convolution) => convolution.forward(x, size),
            Self::Block(block) => {
                block.forward_resampled(x, Some(time), |map| ops::upsample_nearest(map, size))
            }
        }
    }
}

/// A level on the way down (`DownBlock2D`, or with attentions `CrossAttnDownBlock2D` or
/// `AttnDownBlock2D`).
#[derive(Module, Debug)]
pub(super) struct DownBlock {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attending>,
    downsampler: Option<Halving>,
}

impl DownBlock {
    pub fn new(
        level: &BlockSizes,
        input: usize,
        depths: &[usize],
        down: bool,
        time: usize,
        device: &Device,
    ) -> Self {
        let width_in = |layer| if layer == 0 { input } else { level.channels };
        Self {
            resnets: (0..level.layers)
                .map(|i| level.res_block(width_in(i), time, device))
                .collect(),
            attentions: level.attentions(depths, device),
            downsampler: down.then(|| {
                if level.halves_in_block {
                    return Halving::Block(level.res_block(level.channels, time, device));
                }
                let config = DownsampleConfig {
                    channels: level.channels,
                    symmetric: level.pads_all_sides,
                };
                Halving::Convolution(config.init(device))
            }),
        }
    }

    /// Each result is also pushed to `skips`, where the way up finds it.
    pub fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        told: &Told,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, told);
            }
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.forward(x, time);
            skips.push(x.clone());
        }
        x
    }
}

/// The lowest level (`UNetMidBlock2DCrossAttn`, `UNetMidBlock2D`), or nothing of it.
#[derive(Module, Debug)]
pub(super) struct MidBlock {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attending>,
}

impl MidBlock {
    pub fn new(level: &BlockSizes, middle: Middle, time: usize, device: &Device) -> Self {
        let attentions = match middle {
            Middle::Attending(depth) => level.attentions(&[depth], device),
            Middle::Nothing | Middle::Residual => Vec::new(),
        };
        Self {
            resnets: (0..middle.layers())
                .map(|_| level.res_block(level.channels, time, device))
                .collect(),
            attentions,
        }
    }

    pub fn forward(&self, mut x: Tensor<4>, time: &Tensor<2>, told: &Told) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, told);
            }
        }
        x
    }
}

/// A level on the way up (`UpBlock2D`, or with attentions `CrossAttnUpBlock2D` or
/// `AttnUpBlock2D`).
#[derive(Module, Debug)]
pub(super) struct UpBlock {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attending>,
    upsampler: Option<Doubling>,
}

impl UpBlock {
    /// `previous` is the width coming from below, `skip` the width of the level
    /// above, from which the last skip connection comes.
    pub fn new(
        level: &BlockSizes,
        previous: usize,
        skip: usize,
        depths: &[usize],
        up: bool,
        time: usize,
        device: &Device,
    ) -> Self {
        let layers = level.layers + 1;
        let width_in = |layer| {
            let below = if layer == 0 { previous } else { level.channels };
            below
                + if layer == layers - 1 {
                    skip
                } else {
                    level.channels
                }
        };
        Self {
            resnets: (0..layers)
                .map(|i| level.res_block(width_in(i), time, device))
                .collect(),
            attentions: level.attentions(depths, device),
            upsampler: up.then(|| {
                if level.doubles_in_block {
                    return Doubling::Block(level.res_block(level.channels, time, device));
                }
                let config = UpsampleConfig {
                    channels: level.channels,
                };
                Doubling::Convolution(config.init(device))
            }),
        }
    }

    pub fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        told: &Told,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            let skip = skips
                .pop()
                .expect("the way down pushed one skip for each resnet of the way up");
            x = resnet.forward(Tensor::cat(vec![x, skip], 1), Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, told);
            }
        }
        if let Some(upsampler) = &self.upsampler {
            // An odd size was rounded up on the way down; the next skip knows it.
            let [_, _, height, width] = x.dims();
            let size = skips.last().map_or([2 * height, 2 * width], |skip| {
                [skip.dims()[2], skip.dims()[3]]
            });
            x = upsampler.forward(x, time, size);
        }
        x
    }
}
