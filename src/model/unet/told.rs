//! What a denoiser is told beside noisy latents and their time.

use burn::tensor::{Int, Tensor};

/// What a denoiser is told in one call. Each part of a network takes of it what is for
/// that part, and passes over the rest.
#[derive(Clone, Debug)]
pub struct Told {
    /// What its attention looks at.
    ///
    /// # Shapes
    /// `[batch, tokens, cross_attention_dim]`.
    pub context: Tensor<3>,
    /// Numbers of classes, whose embeddings are added to that of time.
    ///
    /// # Shapes
    /// `[batch]`, or `[1]` for the whole batch.
    pub classes: Option<Tensor<1, Int>>,
}

impl From<Tensor<3>> for Told {
    fn from(context: Tensor<3>) -> Self {
        Self {
            context,
            classes: None,
        }
    }
}
