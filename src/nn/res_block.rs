//! The residual block of autoencoders and denoisers.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Conv2d, Conv2dConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig, ops};

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
    /// Whether time scales and shifts what was normalised, instead of being added
    /// before (Dhariwal and Nichol 2021, <https://arxiv.org/abs/2105.05233>, §3.1).
    pub scale_shift: bool,
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
            time_emb_proj: self.time.map(|width| {
                let told = if self.scale_shift { 2 } else { 1 } * self.output;
                LinearConfig::new(width, told).init(device)
            }),
            norm2: norm(self.output),
            conv2: if self.zero { last.zeroed() } else { last }.init(device),
            conv_shortcut: (self.input != self.output)
                .then(|| Conv2dConfig::same(self.input, self.output, 1).init(device)),
            scale_shift: self.scale_shift,
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
    #[module(skip)]
    scale_shift: bool,
}

impl ResBlock {
    /// `time` is the embedding *after* its SiLU, which all blocks share.
    ///
    /// # Shapes
    /// `x`: `[batch, input, height, width]`; `time`: `[batch, width]`; result:
    /// `[batch, output, height, width]`.
    pub fn forward(&self, x: Tensor<4>, time: Option<&Tensor<2>>) -> Tensor<4> {
        self.forward_resampled(x, time, |map| map)
    }

    /// The same with another size, brought there by `resample` on both ways, before the
    /// first convolution.
    ///
    /// # Shapes
    /// As [`Self::forward`], but for height and width of the result.
    pub fn forward_resampled(
        &self,
        x: Tensor<4>,
        time: Option<&Tensor<2>>,
        resample: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let normal = self.norm1.forward_silu(x.clone());
        let (x, mut hidden) = (resample(x), self.conv1.forward(resample(normal)));
        let told = self.time_emb_proj.as_ref().zip(time);
        let told = told.map(|(project, time)| {
            let told = project.forward(time.clone());
            let [batch, channels] = told.dims();
            told.reshape([batch, channels, 1, 1])
        });
        hidden = match told {
            Some(told) if self.scale_shift => {
                let [_, channels, _, _] = hidden.dims();
                let (scale, shift) = (
                    told.clone().narrow(1, 0, channels),
                    told.narrow(1, channels, channels),
                );
                ops::silu(self.norm2.forward(hidden) * (scale + 1.0) + shift)
            }
            Some(told) => self.norm2.forward_silu(hidden + told),
            None => self.norm2.forward_silu(hidden),
        };
        let hidden = self.conv2.forward(hidden);
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x) + hidden,
            None => x + hidden,
        }
    }
}
