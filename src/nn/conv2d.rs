//! A convolution with bias, as PyTorch's, but padded on each side by itself.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::initializer::Initializer;
use super::ops;

/// Sizes of a [`Conv2d`].
#[derive(Clone, Copy, Debug)]
pub struct Conv2dConfig {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros (before, after) on rows and on columns.
    pub padding: [(usize, usize); 2],
    /// Whether the weights start at 0 instead of at random.
    pub zero: bool,
}

impl Conv2dConfig {
    /// A convolution that keeps the size of the picture.
    pub fn same(input: usize, output: usize, kernel: usize) -> Self {
        Self {
            input,
            output,
            kernel,
            stride: 1,
            padding: [(kernel / 2, kernel / 2); 2],
            zero: false,
        }
    }

    /// Starts the weights at 0.
    pub fn zeroed(mut self) -> Self {
        self.zero = true;
        self
    }

    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Conv2d {
        let draw = if self.zero {
            Initializer::Zeros
        } else {
            Initializer::of_fan_in(self.input * self.kernel * self.kernel)
        };
        Conv2d {
            weight: draw.param([self.output, self.input, self.kernel, self.kernel], device),
            bias: draw.param([self.output], device),
            stride: self.stride,
            padding: self.padding,
        }
    }
}

/// A convolution with bias.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[output, input, rows, columns]`.
    pub weight: Param<Tensor<4>>,
    /// `[output]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: [(usize, usize); 2],
}

impl Conv2d {
    /// # Shapes
    /// `[batch, input, height, width]` to `[batch, output, height', width']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv2d(
            x,
            self.weight.val(),
            Some(self.bias.val()),
            self.stride,
            self.padding,
        )
    }
}
