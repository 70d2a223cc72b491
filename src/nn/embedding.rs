//! A table of learned vectors.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use super::initializer::Initializer;
use super::ops;

/// Sizes of an [`Embedding`].
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingConfig {
    /// Number of vectors.
    pub count: usize,
    /// Width of a vector.
    pub width: usize,
    /// Standard deviation of the first weights.
    pub std: f64,
}

impl EmbeddingConfig {
    /// Makes the table.
    pub fn init(&self, device: &Device) -> Embedding {
        let draw = Initializer::Normal { std: self.std };
        Embedding {
            weight: draw.param([self.count, self.width], device),
        }
    }
}

/// A table of `count` vectors to choose from, whose first numbers are uniform in
/// ± 1 / `count` (van den Oord et al. 2017, <https://arxiv.org/abs/1711.00937>).
pub fn codebook(count: usize, width: usize, device: &Device) -> Embedding {
    let draw = Initializer::Uniform {
        bound: (count as f64).recip(),
    };
    Embedding {
        weight: draw.param([count, width], device),
    }
}

/// A table of `count` vectors that have something in common at first: of numbers of
/// variance 2, half is the same in all of them. What holds for any of them is then learnt
/// from all.
pub fn related_vectors(count: usize, width: usize, device: &Device) -> Embedding {
    Embedding {
        weight: Initializer::RelatedRows.param([count, width], device),
    }
}

/// A learned vector; `std` is the standard deviation of its first numbers.
pub fn learned_vector(width: usize, std: f64, device: &Device) -> Param<Tensor<1>> {
    Initializer::Normal { std }.param([width], device)
}

/// A learned matrix; `std` is the standard deviation of its first numbers.
pub fn learned_matrix(shape: [usize; 2], std: f64, device: &Device) -> Param<Tensor<2>> {
    Initializer::Normal { std }.param(shape, device)
}

/// A learned number, 0 at first. In files it has no axis.
pub fn learned_number(device: &Device) -> Param<Tensor<1>> {
    Initializer::Zeros.param([1], device)
}

/// A table of learned vectors.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[count, width]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// # Shapes
    /// `[batch, tokens]` to `[batch, tokens, width]`.
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        ops::embedding(self.weight.val(), indices)
    }
}
