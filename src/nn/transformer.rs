//! Transformers over the places of a feature map.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{
    Attention, AttentionBias, AttentionConfig, Conv2d, Conv2dConfig, GatedSelfAttention,
    GatedSelfAttentionConfig, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, Regions, ops,
};

/// What the places of a map attend to besides themselves.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What acts everywhere.
    ///
    /// # Shapes
    /// `[batch, keys, context width]`.
    pub tokens: &'a Tensor<3>,
    /// How much more its tokens are heard in parts of the map.
    pub bias: Option<&'a AttentionBias>,
    /// What acts in parts of the map, for the last of the batch.
    pub regions: Option<&'a Regions>,
    /// Boxes, for blocks with a gated self-attention.
    ///
    /// # Shapes
    /// `[batch, boxes, context width]`.
    pub boxes: Option<&'a Tensor<3>>,
}

/// Sizes of a [`FeedForward`].
#[derive(Clone, Copy, Debug)]
pub struct FeedForwardConfig {
    /// Width of a token; the hidden layer is four times as wide.
    pub width: usize,
}

impl FeedForwardConfig {
    /// Makes the module.
    pub fn init(&self, device: &Device) -> FeedForward {
        let hidden = 4 * self.width;
        FeedForward {
            proj: LinearConfig::new(self.width, 2 * hidden).init(device),
            out: LinearConfig::new(hidden, self.width).init(device),
        }
    }
}

/// The gated network behind the attention.
#[derive(Module, Debug)]
pub struct FeedForward {
    proj: Linear,
    out: Linear,
}

impl FeedForward {
    /// # Shapes
    /// `[batch, tokens, width]` to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let weight = self.proj.weight.val();
        self.out.forward(match &self.proj.bias {
            Some(bias) => ops::linear_geglu(x, weight, bias.val()),
            None => ops::geglu(ops::linear(x, weight, None)),
        })
    }
}

/// Sizes of a [`BasicTransformerBlock`].
#[derive(Clone, Copy, Debug)]
pub struct BasicTransformerBlockConfig {
    /// Width of a token.
    pub width: usize,
    /// Width of the context.
    pub context: usize,
    /// Number of heads of all attentions.
    pub heads: usize,
    /// Whether places look at boxes in between.
    pub gated: bool,
}

impl BasicTransformerBlockConfig {
    /// Makes the block.
    pub fn init(&self, device: &Device) -> BasicTransformerBlock {
        let norm = || {
            LayerNormConfig {
                width: self.width,
                eps: 1e-5,
            }
            .init(device)
        };
        let attention = |context| {
            AttentionConfig {
                width: self.width,
                context,
                heads: self.heads,
                bias: false,
                norm: None,
            }
            .init(device)
        };
        BasicTransformerBlock {
            norm1: norm(),
            attn1: attention(None),
            fuser: self.gated.then(|| {
                GatedSelfAttentionConfig {
                    width: self.width,
                    context: self.context,
                    heads: self.heads,
                }
                .init(device)
            }),
            norm2: norm(),
            attn2: attention(Some(self.context)),
            norm3: norm(),
            ff: FeedForwardConfig { width: self.width }.init(device),
        }
    }
}

/// Self-attention, attention to boxes in networks that have it, attention to the context,
/// feed-forward: each normalised before and added after.
#[derive(Module, Debug)]
pub struct BasicTransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    fuser: Option<GatedSelfAttention>,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl BasicTransformerBlock {
    /// `size` is the height and width of the map that the tokens are the places of.
    ///
    /// # Shapes
    /// `x`: `[batch, tokens, width]`; result: as `x`.
    pub fn forward(&self, x: Tensor<3>, context: &Context<'_>, size: [usize; 2]) -> Tensor<3> {
        let x = self.attn1.forward(self.norm1.forward(x.clone()), None) + x;
        let x = match (&self.fuser, context.boxes) {
            (Some(fuser), Some(boxes)) => fuser.forward(x, boxes),
            _ => x,
        };
        let normal = self.norm2.forward(x.clone());
        let x = x + self.attn2.forward_to(normal, context, size);
        self.ff.forward(self.norm3.forward(x.clone())) + x
    }
}

/// Sizes of a [`SpatialTransformer`].
#[derive(Clone, Copy, Debug)]
pub struct SpatialTransformerConfig {
    /// Channels of the feature map.
    pub channels: usize,
    /// Width of the context.
    pub context: usize,
    /// Number of heads.
    pub heads: usize,
    /// Number of transformer blocks.
    pub depth: usize,
    /// Groups of the normalisation.
    pub groups: usize,
    /// Linear projections (Stable Diffusion 2) instead of 1×1 convolutions.
    pub linear: bool,
    /// Whether places look at boxes too (GLIGEN).
    pub gated: bool,
}

impl SpatialTransformerConfig {
    /// Makes the module; it starts as the identity.
    pub fn init(&self, device: &Device) -> SpatialTransformer {
        let block = BasicTransformerBlockConfig {
            width: self.channels,
            context: self.context,
            heads: self.heads,
            gated: self.gated,
        };
        let (proj_in, proj_out) = if self.linear {
            let config = LinearConfig::new(self.channels, self.channels);
            (
                Projection::Linear(config.init(device)),
                Projection::Linear(config.zeroed().init(device)),
            )
        } else {
            let config = Conv2dConfig::same(self.channels, self.channels, 1);
            (
                Projection::Conv(config.init(device)),
                Projection::Conv(config.zeroed().init(device)),
            )
        };
        SpatialTransformer {
            // diffusers `Transformer2DModel` fixes this epsilon, whatever the UNet's own is.
            norm: GroupNormConfig {
                groups: self.groups,
                channels: self.channels,
                eps: 1e-6,
            }
            .init(device),
            proj_in,
            transformer_blocks: (0..self.depth).map(|_| block.init(device)).collect(),
            proj_out,
        }
    }
}

/// The way into and out of the tokens.
#[derive(Module, Debug)]
enum Projection {
    /// A 1×1 convolution of the feature map.
    Conv(Conv2d),
    /// A matrix on the tokens.
    Linear(Linear),
}

/// Attention among all places of a feature map and to a context (diffusers `Transformer2DModel`).
#[derive(Module, Debug)]
pub struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Projection,
    transformer_blocks: Vec<BasicTransformerBlock>,
    proj_out: Projection,
}

impl SpatialTransformer {
    /// # Shapes
    /// `x`: `[batch, channels, height, width]`; result: as `x`.
    pub fn forward(&self, x: Tensor<4>, context: &Context<'_>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let to_tokens = |map: Tensor<4>| {
            map.reshape([batch, channels, height * width])
                .swap_dims(1, 2)
        };
        let to_map = |tokens: Tensor<3>| {
            tokens
                .swap_dims(1, 2)
                .reshape([batch, channels, height, width])
        };
        let normal = self.norm.forward(x.clone());
        let mut tokens = match &self.proj_in {
            Projection::Conv(conv) => to_tokens(conv.forward(normal)),
            Projection::Linear(linear) => linear.forward(to_tokens(normal)),
        };
        for block in &self.transformer_blocks {
            tokens = block.forward(tokens, context, [height, width]);
        }
        let out = match &self.proj_out {
            Projection::Conv(conv) => conv.forward(to_map(tokens)),
            Projection::Linear(linear) => to_map(linear.forward(tokens)),
        };
        out + x
    }
}
