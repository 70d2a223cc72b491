//! Attention among tokens, or from tokens to a context.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Context, GroupNorm, GroupNormConfig, Linear, LinearConfig, ops};

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

    /// Attends from the places of a map of a height and width, `size`, to what its context
    /// holds for them: some tokens are heard more or less there (see
    /// [`AttentionBias`](super::AttentionBias)), and the last of the batch attends to other
    /// tokens too, which count so much at each place (see [`Regions`](super::Regions)).
    ///
    /// # Shapes
    /// `x`: `[batch, height · width, width]`; result: as `x`.
    pub fn forward_to(&self, x: Tensor<3>, context: &Context<'_>, size: [usize; 2]) -> Tensor<3> {
        let said = |query: Tensor<3>, source: &Tensor<3>, bias: Option<&Tensor<4>>| {
            let key = self.to_k.forward(source.clone());
            let value = self.to_v.forward(source.clone());
            match bias {
                Some(bias) => ops::biased_attention(query, key, value, self.heads, bias.clone()),
                None => ops::attention(query, key, value, self.heads, false),
            }
        };
        let query = self.to_q.forward(x);
        let last = query.dims()[0] - 1;
        let own = query.clone().narrow(0, last, 1);
        let bias = context.bias.and_then(|it| it.at(size));
        let common = said(query, context.tokens, bias);
        let regions = context.regions;
        let Some((contexts, counted)) = regions.and_then(|it| Some((it.tokens(), it.at(size)?)))
        else {
            return self.to_out.forward(common);
        };
        let base = common.clone().narrow(0, last, 1);
        let mut of_last = base.clone();
        // One by one: all at once they would take gigabytes.
        for region in 0..contexts.dims()[0] {
            let inside = said(own.clone(), &contexts.clone().narrow(0, region, 1), None);
            let counts = counted.clone().narrow(0, region, 1);
            of_last = of_last + (inside - base.clone()) * counts;
        }
        // Without guidance there is no other.
        let all = match last {
            0 => of_last,
            _ => Tensor::cat(vec![common.narrow(0, 0, last), of_last], 0),
        };
        self.to_out.forward(all)
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
