//! The levels of the denoiser.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::{
    Downsample, DownsampleConfig, ResBlock, ResBlockConfig, SpatialTransformer,
    SpatialTransformerConfig, Upsample, UpsampleConfig,
};

/// What the blocks of one level have in common.
pub(super) struct BlockSizes {
    pub channels: usize,
    pub layers: usize,
    pub heads: usize,
    pub depth: usize,
    pub context: usize,
    pub groups: usize,
    pub eps: f64,
    pub linear: bool,
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
        };
        config.init(device)
    }

    fn transformer(&self, device: &Device) -> SpatialTransformer {
        let config = SpatialTransformerConfig {
            channels: self.channels,
            context: self.context,
            heads: self.heads,
            depth: self.depth,
            groups: self.groups,
            linear: self.linear,
        };
        config.init(device)
    }

    fn transformers(&self, count: usize, device: &Device) -> Vec<SpatialTransformer> {
        (0..count).map(|_| self.transformer(device)).collect()
    }
}

/// A level on the way down (`DownBlock2D`, or `CrossAttnDownBlock2D` with attentions).
#[derive(Module, Debug)]
pub(super) struct DownBlock {
    resnets: Vec<ResBlock>,
    attentions: Vec<SpatialTransformer>,
    downsampler: Option<Downsample>,
}

impl DownBlock {
    pub fn new(
        level: &BlockSizes,
        input: usize,
        attend: bool,
        down: bool,
        time: usize,
        device: &Device,
    ) -> Self {
        let width_in = |layer| if layer == 0 { input } else { level.channels };
        Self {
            resnets: (0..level.layers)
                .map(|i| level.res_block(width_in(i), time, device))
                .collect(),
            attentions: level.transformers(if attend { level.layers } else { 0 }, device),
            downsampler: down.then(|| {
                DownsampleConfig {
                    channels: level.channels,
                    symmetric: true,
                }
                .init(device)
            }),
        }
    }

    /// Each result is also pushed to `skips`, where the way up finds it.
    pub fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        context: &Tensor<3>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, context);
            }
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.forward(x);
            skips.push(x.clone());
        }
        x
    }
}

/// The lowest level (`UNetMidBlock2DCrossAttn`).
#[derive(Module, Debug)]
pub(super) struct MidBlock {
    resnets: Vec<ResBlock>,
    attentions: Vec<SpatialTransformer>,
}

impl MidBlock {
    pub fn new(level: &BlockSizes, time: usize, device: &Device) -> Self {
        Self {
            resnets: (0..2)
                .map(|_| level.res_block(level.channels, time, device))
                .collect(),
            attentions: level.transformers(1, device),
        }
    }

    pub fn forward(&self, mut x: Tensor<4>, time: &Tensor<2>, context: &Tensor<3>) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, context);
            }
        }
        x
    }
}

/// A level on the way up (`UpBlock2D`, or `CrossAttnUpBlock2D` with attentions).
#[derive(Module, Debug)]
pub(super) struct UpBlock {
    resnets: Vec<ResBlock>,
    attentions: Vec<SpatialTransformer>,
    upsampler: Option<Upsample>,
}

impl UpBlock {
    /// `previous` is the width coming from below, `skip` the width of the level
    /// above, from which the last skip connection comes.
    pub fn new(
        level: &BlockSizes,
        previous: usize,
        skip: usize,
        attend: bool,
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
            attentions: level.transformers(if attend { layers } else { 0 }, device),
            upsampler: up.then(|| {
                UpsampleConfig {
                    channels: level.channels,
                }
                .init(device)
            }),
        }
    }

    pub fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        context: &Tensor<3>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            let skip = skips
                .pop()
                .expect("the way down pushed one skip for each resnet of the way up");
            x = resnet.forward(Tensor::cat(vec![x, skip], 1), Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, context);
            }
        }
        if let Some(upsampler) = &self.upsampler {
            // An odd size was rounded up on the way down; the next skip knows it.
            let [_, _, height, width] = x.dims();
            let size = skips.last().map_or([2 * height, 2 * width], |skip| {
                [skip.dims()[2], skip.dims()[3]]
            });
            x = upsampler.forward(x, size);
        }
        x
    }
}
