//! Attention among tokens, or from tokens to a context.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{GroupNorm, GroupNormConfig, Linear, LinearConfig, ops};

/// Sizes of an [`Attention`].
#[derive(Clone, Copy, Debug)]
pub struct AttentionConfig {
    /// Width of the queries and of the result.
    pub width: usize,
    /// Width of the context; `None` attends to the tokens themselves.
    pub context: Option<usize>,
    /// Number of heads; divides `width`.
    pub heads: usize,
    /// Whether queries, keys and values have a bias.
    pub bias: bool,
    /// Groups and epsilon of a normalisation before the attention, as in the
    /// middle of autoencoders.
    pub norm: Option<(usize, f64)>,
}

impl AttentionConfig {
    /// Makes the module.
    pub fn init(&self, device: &Device) -> Attention {
        let source = self.context.unwrap_or(self.width);
        let project = |input| {
            LinearConfig::new(input, self.width)
                .with_bias(self.bias)
                .init(device)
        };
        Attention {
            group_norm: self.norm.map(|(groups, eps)| {
                GroupNormConfig {
                    groups,
                    channels: self.width,
                    eps,
                }
                .init(device)
            }),
            to_q: project(self.width),
            to_k: project(source),
            to_v: project(source),
            to_out: LinearConfig::new(self.width, self.width).init(device),
            heads: self.heads,
        }
    }
}

/// Multi-head attention (diffusers `Attention`).
#[derive(Module, Debug)]
pub struct Attention {
    group_norm: Option<GroupNorm>,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    #[module(skip)]
    heads: usize,
}

impl Attention {
    /// Without `context` the tokens attend to themselves.
    ///
    /// # Shapes
    /// `x`: `[batch, tokens, width]`; `context`: `[batch, keys, context width]`; result: as `x`.
    pub fn forward(&self, x: Tensor<3>, context: Option<&Tensor<3>>) -> Tensor<3> {
        let source = context.cloned().unwrap_or_else(|| x.clone());
        let query = self.to_q.forward(x);
        let key = self.to_k.forward(source.clone());
        let value = self.to_v.forward(source);
        self.to_out
            .forward(ops::attention(query, key, value, self.heads, false))
    }

    /// Normalises a feature map, attends among its places, and adds the result.
    ///
    /// # Shapes
    /// `[batch, width, height, width]` to the same.
    pub fn forward_map(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let normal = match &self.group_norm {
            Some(norm) => norm.forward(x.clone()),
            None => x.clone(),
        };
        let tokens = normal
            .reshape([batch, channels, height * width])
            .swap_dims(1, 2);
        let out = self.forward(tokens, None).swap_dims(1, 2);
        x + out.reshape([batch, channels, height, width])
    }
}
