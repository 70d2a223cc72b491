//! A rectifier that learns how steep it is below zero (He et al. 2015,
//! <https://arxiv.org/abs/1502.01852>).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::initializer::Initializer;
use super::ops;

/// PyTorch's slope before anything is learnt.
const SLOPE: f64 = 0.25;

/// PReLU with one slope a channel.
#[derive(Module, Debug)]
pub struct PRelu {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
}

impl PRelu {
    /// Makes the layer.
    pub fn init(channels: usize, device: &Device) -> Self {
        Self {
            weight: Initializer::Constant { value: SLOPE }.param([channels], device),
        }
    }

    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::prelu(x, self.weight.val())
    }
}
