//! Layer normalisation (Ba et al. 2016, <https://arxiv.org/abs/1607.06450>).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::initializer::Initializer;
use super::ops;

/// Sizes of a [`LayerNorm`].
#[derive(Clone, Copy, Debug)]
pub struct LayerNormConfig {
    /// Width of a token.
    pub width: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNormConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> LayerNorm {
        LayerNorm {
            weight: Initializer::Ones.param([self.width], device),
            bias: Initializer::Zeros.param([self.width], device),
            eps: self.eps,
        }
    }
}

/// Layer normalisation with learned scale and shift.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// `[width]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    eps: f64,
}

impl LayerNorm {
    /// # Shapes
    /// `[batch, tokens, width]` to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        ops::layer_norm(x, self.weight.val(), self.bias.val(), self.eps)
    }
}
