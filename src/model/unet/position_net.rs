//! Boxes with phrases, as a denoiser of GLIGEN looks at them (Li et al. 2023,
//! <https://arxiv.org/abs/2301.07093>, equation 5).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::nn::{Linear, LinearConfig, learned_vector, ops};

/// Width between the layers.
const INNER: usize = 512;
/// Numbers that say where a box lies: two waves of eight frequencies for each corner.
pub const PLACE_FEATURES: usize = 64;

/// Boxes with phrases. Where there are fewer than places for them, places are nobody's.
#[derive(Clone, Debug)]
pub struct Grounding {
    /// What the phrases say.
    ///
    /// # Shapes
    /// `[batch, boxes, cross_attention_dim]`.
    pub phrases: Tensor<3>,
    /// Where the boxes lie, as Fourier features.
    ///
    /// # Shapes
    /// `[batch, boxes, 64]`.
    pub places: Tensor<3>,
    /// 1 for a box, 0 for a place that is nobody's.
    ///
    /// # Shapes
    /// `[batch, boxes, 1]`.
    pub is_there: Tensor<3>,
}

/// Makes one token of a phrase and a place (diffusers `GLIGENTextBoundingboxProjection`).
#[derive(Module, Debug)]
pub(super) struct PositionNet {
    linear_1: Linear,
    linear_2: Linear,
    linear_3: Linear,
    null_positive_feature: Param<Tensor<1>>,
    null_position_feature: Param<Tensor<1>>,
}

impl PositionNet {
    /// For phrases and tokens of a width.
    pub fn new(width: usize, device: &Device) -> Self {
        Self {
            linear_1: LinearConfig::new(width + PLACE_FEATURES, INNER).init(device),
            linear_2: LinearConfig::new(INNER, INNER).init(device),
            linear_3: LinearConfig::new(INNER, width).init(device),
            null_positive_feature: learned_vector(width, 0.02, device),
            null_position_feature: learned_vector(PLACE_FEATURES, 0.02, device),
        }
    }

    /// # Shapes
    /// Those of [`Grounding`] to `[batch, boxes, width]`.
    pub fn forward(&self, grounding: &Grounding) -> Tensor<3> {
        let Grounding {
            phrases,
            places,
            is_there,
        } = grounding;
        let or = |told: &Tensor<3>, null: &Param<Tensor<1>>| {
            let null = null.val().reshape([1, 1, -1]);
            told.clone() * is_there.clone() + null * (1.0 - is_there.clone())
        };
        let phrases = or(phrases, &self.null_positive_feature);
        let places = or(places, &self.null_position_feature);
        let x = self.linear_1.forward(Tensor::cat(vec![phrases, places], 2));
        let x = self.linear_2.forward(ops::silu(x));
        self.linear_3.forward(ops::silu(x))
    }
}
