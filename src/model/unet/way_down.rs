//! The way down of a denoiser, which is also most of a ControlNet.

use burn::module::Module;
use burn::tensor::Tensor;

use super::Told;
use super::blocks::{DownBlock, MidBlock};
use crate::nn::{self, Conv2d, Embedding, TimestepEmbedding};

/// From latents to the lowest level, and what is told of time.
#[derive(Module, Debug)]
pub(in crate::model) struct WayDown {
    pub(super) conv_in: Conv2d,
    pub(super) time_embedding: TimestepEmbedding,
    pub(super) class_embedding: Option<Embedding>,
    pub(super) add_embedding: Option<TimestepEmbedding>,
    pub(super) down_blocks: Vec<DownBlock>,
    pub(super) mid_block: MidBlock,
}

impl WayDown {
    /// The time and what is added to it. Every block begins its use of it with the same
    /// SiLU, which has been taken.
    ///
    /// # Shapes
    /// `timesteps`: `[batch]`, or `[1]` for the whole batch; result: `[batch or 1, width]`.
    pub fn time(&self, timesteps: Tensor<1>, told: &Told) -> Tensor<2> {
        let mut time = self
            .time_embedding
            .forward(timesteps, told.guidance.as_ref());
        if let (Some(embedding), Some(classes)) = (&self.class_embedding, &told.classes) {
            let rows = embedding.forward(classes.clone().unsqueeze_dim(0));
            time = time + rows.squeeze_dim(0);
        }
        if let (Some(embedding), Some(added)) = (&self.add_embedding, &told.added) {
            time = time + embedding.project(added.clone());
        }
        nn::ops::silu(time)
    }

    /// What the lowest level says, and what was said before each step down; `hint` is
    /// added behind the first convolution.
    ///
    /// # Shapes
    /// `sample`: `[batch, in_channels, h, w]`; `hint`: `[batch or 1, channels, h, w]`.
    pub fn forward(
        &self,
        sample: Tensor<4>,
        hint: Option<Tensor<4>>,
        time: &Tensor<2>,
        told: &Told,
    ) -> (Tensor<4>, Vec<Tensor<4>>) {
        let mut x = self.conv_in.forward(sample);
        if let Some(hint) = hint {
            x = x + hint;
        }
        let mut skips = vec![x.clone()];
        for block in &self.down_blocks {
            x = block.forward(x, time, told, &mut skips);
        }
        (self.mid_block.forward(x, time, told), skips)
    }
}
