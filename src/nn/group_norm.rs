//! Group normalisation (Wu and He 2018, <https://arxiv.org/abs/1803.08494>).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::initializer::Initializer;
use super::ops;

/// Sizes of a [`GroupNorm`].
#[derive(Clone, Copy, Debug)]
pub struct GroupNormConfig {
    /// Number of groups; divides `channels`.
    pub groups: usize,
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl GroupNormConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> GroupNorm {
        GroupNorm {
            weight: Initializer::Ones.param([self.channels], device),
            bias: Initializer::Zeros.param([self.channels], device),
            groups: self.groups,
            eps: self.eps,
        }
    }
}

/// Group normalisation with learned scale and shift.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    eps: f64,
}

impl GroupNorm {
    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::group_norm(x, self.groups, self.weight.val(), self.bias.val(), self.eps)
    }

    /// Normalises, then applies SiLU.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn forward_silu(&self, x: Tensor<4>) -> Tensor<4> {
        ops::group_norm_silu(x, self.groups, self.weight.val(), self.bias.val(), self.eps)
    }
}
