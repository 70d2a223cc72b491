//! Halving and doubling the size of feature maps.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Conv2d, Conv2dConfig, ops};

/// Sizes of a [`Downsample`].
#[derive(Clone, Copy, Debug)]
pub struct DownsampleConfig {
    /// Channels in and out.
    pub channels: usize,
    /// Zeros on every side, as in most denoisers; otherwise only below and to the
    /// right, as in autoencoders.
    pub symmetric: bool,
}

impl DownsampleConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Downsample {
        let padding = if self.symmetric { (1, 1) } else { (0, 1) };
        let conv = Conv2dConfig {
            stride: 2,
            padding: [padding; 2],
            ..Conv2dConfig::same(self.channels, self.channels, 3)
        };
        Downsample {
            conv: conv.init(device),
        }
    }
}

/// Halves height and width by a strided convolution.
#[derive(Module, Debug)]
pub struct Downsample {
    conv: Conv2d,
}

impl Downsample {
    /// # Shapes
    /// `[batch, channels, h, w]` to half of it: with symmetric padding odd sizes
    /// are rounded up, otherwise down.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(x)
    }
}

/// Sizes of an [`Upsample`].
#[derive(Clone, Copy, Debug)]
pub struct UpsampleConfig {
    /// Channels in and out.
    pub channels: usize,
}

impl UpsampleConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Upsample {
        Upsample {
            conv: Conv2dConfig::same(self.channels, self.channels, 3).init(device),
        }
    }
}

/// Doubles height and width by repetition, then convolves.
#[derive(Module, Debug)]
pub struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    /// `size` is the height and width wanted: twice those of `x`, or one less
    /// where the way down met an odd size.
    ///
    /// # Shapes
    /// `[batch, channels, h, w]` to `[batch, channels, size[0], size[1]]`.
    pub fn forward(&self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        self.conv.forward(ops::upsample_nearest(x, size))
    }
}
