//! What a denoiser is told beside noisy latents and their time.

use burn::tensor::{Int, Tensor};

use crate::nn::{AttentionBias, Context, Regions};

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
    /// What ControlNets add on the way up.
    pub residuals: Option<Residuals>,
    /// How much more its attention hears of that in parts of the picture.
    pub bias: Option<AttentionBias>,
    /// What its attention looks at in parts of the picture, for the last of the batch.
    pub regions: Option<Regions>,
    /// Boxes that its attention looks at, by [`UNet2d::grounded`](super::UNet2d::grounded).
    ///
    /// # Shapes
    /// `[batch, boxes, cross_attention_dim]`.
    pub boxes: Option<Tensor<3>>,
    /// A vector that is embedded and added to that of time: of Stable Diffusion XL
    /// (Podell et al. 2023, <https://arxiv.org/abs/2307.01952>) the whole text's and those
    /// of sizes.
    ///
    /// # Shapes
    /// `[batch, projection_class_embeddings_input_dim]`, or one row for the whole batch.
    pub added: Option<Tensor<2>>,
    /// The waves of a guidance that was taught to it.
    ///
    /// # Shapes
    /// `[batch, time_cond_proj_dim]`, or one row for the whole batch.
    pub guidance: Option<Tensor<2>>,
}

impl Told {
    /// What places attend to.
    pub(super) fn attended(&self) -> Context<'_> {
        Context {
            tokens: &self.context,
            bias: self.bias.as_ref(),
            regions: self.regions.as_ref(),
            boxes: self.boxes.as_ref(),
        }
    }
}

impl From<Tensor<3>> for Told {
    fn from(context: Tensor<3>) -> Self {
        Self {
            context,
            classes: None,
            residuals: None,
            bias: None,
            regions: None,
            boxes: None,
            added: None,
            guidance: None,
        }
    }
}

/// What ControlNets (Zhang et al. 2023, <https://arxiv.org/abs/2302.05543>) add to what a
/// denoiser says on its way down.
#[derive(Clone, Debug)]
pub struct Residuals {
    /// To the skip connections, from the highest resolution down.
    ///
    /// # Shapes
    /// Those of the skip connections.
    pub skips: Vec<Tensor<4>>,
    /// To the lowest level.
    ///
    /// # Shapes
    /// That of the lowest level.
    pub lowest: Tensor<4>,
}

impl Residuals {
    /// The sum of those of two networks.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let pairs = self.skips.into_iter().zip(other.skips);
        Self {
            skips: pairs.map(|(one, other)| one + other).collect(),
            lowest: self.lowest + other.lowest,
        }
    }

    /// All of them, changed in one way.
    #[must_use]
    pub fn mapped(self, change: impl Fn(Tensor<4>) -> Tensor<4>) -> Self {
        Self {
            skips: self.skips.into_iter().map(&change).collect(),
            lowest: change(self.lowest),
        }
    }

    /// What is left when they are added.
    pub(super) fn added_to(
        &self,
        lowest: Tensor<4>,
        skips: Vec<Tensor<4>>,
    ) -> (Tensor<4>, Vec<Tensor<4>>) {
        let pairs = skips.into_iter().zip(&self.skips);
        let skips = pairs.map(|(skip, residual)| skip + residual.clone());
        (lowest + self.lowest.clone(), skips.collect())
    }
}
