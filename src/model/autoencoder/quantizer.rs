//! The codebook between encoder and decoder.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Int, Tensor};

use crate::nn::{Embedding, codebook};

/// Distances that are held in memory at a time.
const DISTANCES: usize = 1 << 22;

/// Replaces the vector at each place of a latent by the nearest of a codebook
/// (van den Oord et al. 2017, <https://arxiv.org/abs/1711.00937>).
#[derive(Module, Debug)]
pub struct VectorQuantizer {
    embedding: Embedding,
}

/// Latents and what a codebook makes of them.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// Before; `[batch, channels, h, w]`.
    pub latents: Tensor<4>,
    /// The nearest vectors of the codebook; of the same shape. A gradient goes
    /// to the codebook.
    pub nearest: Tensor<4>,
    /// Their numbers, row by row; `[batch · h · w]`.
    pub codes: Tensor<1, Int>,
}

impl VectorQuantizer {
    /// A codebook of `count` vectors, uniform in ± 1 / `count` as in the paper's code.
    pub(super) fn new(count: usize, width: usize, device: &Device) -> Self {
        Self {
            embedding: codebook(count, width, device),
        }
    }

    /// The codebook.
    ///
    /// # Shapes
    /// `[count, channels]`.
    pub fn codebook(&self) -> &Param<Tensor<2>> {
        &self.embedding.weight
    }

    /// The nearest vectors by squared distance; of those equally near the first.
    ///
    /// # Shapes
    /// `latents`: `[batch, channels, h, w]`.
    pub fn quantize(&self, latents: Tensor<4>) -> Quantized {
        let [batch, channels, height, width] = latents.dims();
        let rows = latents.clone().permute([0, 2, 3, 1]);
        let rows = rows.reshape([batch * height * width, channels]);
        let codes = self.nearest(rows.detach());
        let places = codes.clone().reshape([batch, height * width]);
        let nearest = self.embedding.forward(places);
        let nearest = nearest.reshape([batch, height, width, channels]);
        Quantized {
            latents,
            nearest: nearest.permute([0, 3, 1, 2]),
            codes,
        }
    }

    /// # Shapes
    /// `[places, channels]` to `[places]`.
    fn nearest(&self, rows: Tensor<2>) -> Tensor<1, Int> {
        let codebook = self.embedding.weight.val().detach().cast(DType::F32);
        let [count, _] = codebook.dims();
        // |z − e|² less |z|², which is the same for all codes.
        let squares = (codebook.clone() * codebook.clone()).sum_dim(1).transpose();
        let codebook = codebook.transpose();
        let at_once = (DISTANCES / count.max(1)).max(1);
        let codes = rows.split(at_once, 0).into_iter().map(|rows| {
            let distances = squares.clone() - rows.matmul(codebook.clone()) * 2.0;
            distances.argmin(1).flatten::<1>(0, 1)
        });
        Tensor::cat(codes.collect(), 0)
    }
}

impl Quantized {
    /// The nearest vectors for the decoder, whose gradient goes straight through to
    /// the latents.
    ///
    /// # Shapes
    /// `[batch, channels, h, w]`.
    pub fn straight_through(&self) -> Tensor<4> {
        self.latents.clone() + (self.nearest.clone() - self.latents.clone()).detach()
    }
}

/// What latents and codebook are told of each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodebookLoss {
    /// Weight β of one of the two terms.
    pub beta: f64,
    /// Whether β sits on the term that moves the codebook, as in the paper's code
    /// ("legacy"), instead of on the one that moves the latents (van den Oord et
    /// al. 2017, eq. 3).
    pub is_legacy: bool,
}

impl CodebookLoss {
    /// The mean over all numbers.
    ///
    /// # Shapes
    /// `[1]`.
    pub fn forward(&self, quantized: &Quantized) -> Tensor<1> {
        let square = |difference: Tensor<4>| (difference.clone() * difference).mean();
        let (z, e) = (&quantized.latents, &quantized.nearest);
        let commitment = square(e.clone().detach() - z.clone());
        let codebook = square(e.clone() - z.clone().detach());
        if self.is_legacy {
            commitment + codebook * self.beta
        } else {
            codebook + commitment * self.beta
        }
    }
}
