//! Boxes that places of a map look at (GLIGEN, Li et al. 2023,
//! <https://arxiv.org/abs/2301.07093>, equation 7).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::{
    Attention, AttentionConfig, FeedForward, FeedForwardConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, learned_number,
};

/// Sizes of a [`GatedSelfAttention`].
#[derive(Clone, Copy, Debug)]
pub struct GatedSelfAttentionConfig {
    /// Width of a token of the map.
    pub width: usize,
    /// Width of a token of a box.
    pub context: usize,
    /// Number of heads.
    pub heads: usize,
}

impl GatedSelfAttentionConfig {
    /// Makes the module; it starts as the identity.
    pub fn init(&self, device: &Device) -> GatedSelfAttention {
        let norm = || {
            LayerNormConfig {
                width: self.width,
                eps: 1e-5,
            }
            .init(device)
        };
        let attention = AttentionConfig {
            width: self.width,
            context: None,
            heads: self.heads,
            bias: false,
            norm: None,
        };
        GatedSelfAttention {
            linear: LinearConfig::new(self.context, self.width).init(device),
            attn: attention.init(device),
            ff: FeedForwardConfig { width: self.width }.init(device),
            norm1: norm(),
            norm2: norm(),
            alpha_attn: learned_number(device),
            alpha_dense: learned_number(device),
        }
    }
}

/// Self-attention of a map together with boxes, behind gates that training opens
/// (diffusers `GatedSelfAttentionDense`).
#[derive(Module, Debug)]
pub struct GatedSelfAttention {
    linear: Linear,
    attn: Attention,
    ff: FeedForward,
    norm1: LayerNorm,
    norm2: LayerNorm,
    alpha_attn: Param<Tensor<1>>,
    alpha_dense: Param<Tensor<1>>,
}

impl GatedSelfAttention {
    /// # Shapes
    /// `x`: `[batch, places, width]`; `boxes`: `[batch, boxes, context width]`; result:
    /// as `x`.
    pub fn forward(&self, x: Tensor<3>, boxes: &Tensor<3>) -> Tensor<3> {
        let places = x.dims()[1];
        let gate = |alpha: &Param<Tensor<1>>| alpha.val().tanh().reshape([1, 1, 1]);
        let both = Tensor::cat(vec![x.clone(), self.linear.forward(boxes.clone())], 1);
        let seen = self.attn.forward(self.norm1.forward(both), None);
        let x = x + seen.narrow(1, 0, places) * gate(&self.alpha_attn);
        let dense = self.ff.forward(self.norm2.forward(x.clone()));
        x + dense * gate(&self.alpha_dense)
    }
}
