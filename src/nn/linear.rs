//! A matrix product with optional bias.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::initializer::Initializer;
use super::ops;

/// Sizes of a [`Linear`].
#[derive(Clone, Copy, Debug)]
pub struct LinearConfig {
    /// Width in.
    pub input: usize,
    /// Width out.
    pub output: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether the weights start at 0 instead of at random.
    pub zero: bool,
}

impl LinearConfig {
    /// A layer with bias.
    pub fn new(input: usize, output: usize) -> Self {
        Self {
            input,
            output,
            bias: true,
            zero: false,
        }
    }

    /// Sets whether there is a bias.
    pub fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Starts the weights at 0.
    pub fn zeroed(mut self) -> Self {
        self.zero = true;
        self
    }

    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Linear {
        let draw = if self.zero {
            Initializer::Zeros
        } else {
            Initializer::of_fan_in(self.input)
        };
        Linear {
            weight: draw.param([self.input, self.output], device),
            bias: self.bias.then(|| draw.param([self.output], device)),
        }
    }
}

/// A matrix product with optional bias.
///
/// The matrix is held as burn multiplies it, which is the transpose of
/// PyTorch's; `model::weights` turns it when reading and writing.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[input, output]`.
    pub weight: Param<Tensor<2>>,
    /// `[output]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// # Shapes
    /// `[.., input]` to `[.., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
