//! The residual block of autoencoders and denoisers.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Conv2d, Conv2dConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig};

/// Sizes of a [`ResBlock`].
#[derive(Clone, Copy, Debug)]
pub struct ResBlockConfig {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Width of the time embedding, if the block takes one.
    pub time: Option<usize>,
    /// Groups of both normalisations.
    pub groups: usize,
    /// Added to the variance in both normalisations.
    pub eps: f64,
    /// Whether the block starts as the identity (its last convolution at 0),
    /// as in latent diffusion's denoisers.
    pub zero: bool,
}

impl ResBlockConfig {
    /// Makes the block.
    pub fn init(&self, device: &Device) -> ResBlock {
        let norm = |channels| {
            GroupNormConfig {
                groups: self.groups,
                channels,
                eps: self.eps,
            }
            .init(device)
        };
        let last = Conv2dConfig::same(self.output, self.output, 3);
        ResBlock {
            norm1: norm(self.input),
            conv1: Conv2dConfig::same(self.input, self.output, 3).init(device),
            time_emb_proj: self
                .time
                .map(|width| LinearConfig::new(width, self.output).init(device)),
            norm2: norm(self.output),
            conv2: if self.zero { last.zeroed() } else { last }.init(device),
            conv_shortcut: (self.input != self.output)
                .then(|| Conv2dConfig::same(self.input, self.output, 1).init(device)),
        }
    }
}

/// Two normalised convolutions around a shortcut, with the time added in between
/// (diffusers `ResnetBlock2D`).
#[derive(Module, Debug)]
pub struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl ResBlock {
    /// `time` is the embedding *after* its SiLU, which all blocks share.
    ///
    /// # Shapes
    /// `x`: `[batch, input, height, width]`; `time`: `[batch, width]`; result:
    /// `[batch, output, height, width]`.
    pub fn forward(&self, x: Tensor<4>, time: Option<&Tensor<2>>) -> Tensor<4> {
        let mut hidden = self.conv1.forward(self.norm1.forward_silu(x.clone()));
        if let (Some(project), Some(time)) = (&self.time_emb_proj, time) {
            let shift = project.forward(time.clone());
            let [batch, channels] = shift.dims();
            hidden = hidden + shift.reshape([batch, channels, 1, 1]);
        }
        let hidden = self.conv2.forward(self.norm2.forward_silu(hidden));
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x) + hidden,
            None => x + hidden,
        }
    }
}
