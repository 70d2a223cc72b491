//! The distribution that an encoder returns.

use burn::tensor::Tensor;

/// Independent normal distributions, one for each number of a latent.
#[derive(Clone, Debug)]
pub struct DiagonalGaussian {
    /// `[batch, latent_channels, h, w]`.
    pub mean: Tensor<4>,
    /// Logarithm of the variance, within [-30, 20]; of the shape of `mean`.
    pub logvar: Tensor<4>,
}

impl DiagonalGaussian {
    /// Splits an encoder's output, in which the means come first.
    ///
    /// # Shapes
    /// `[batch, 2 · latent_channels, h, w]`.
    pub fn from_moments(moments: Tensor<4>) -> Self {
        let channels = moments.dims()[1] / 2;
        Self {
            mean: moments.clone().narrow(1, 0, channels),
            logvar: moments.narrow(1, channels, channels).clamp(-30.0, 20.0),
        }
    }

    /// mean + standard deviation · `noise`.
    ///
    /// # Shapes
    /// `noise` and result: those of the mean.
    pub fn sample(&self, noise: Tensor<4>) -> Tensor<4> {
        self.mean.clone() + self.deviation() * noise
    }

    /// The standard deviation.
    ///
    /// # Shapes
    /// That of the mean.
    pub fn deviation(&self) -> Tensor<4> {
        (self.logvar.clone() * 0.5).exp()
    }

    /// The most likely latent, which is the mean.
    ///
    /// # Shapes
    /// Those of the mean.
    pub fn mode(&self) -> Tensor<4> {
        self.mean.clone()
    }

    /// Kullback-Leibler divergence from the standard normal distribution:
    /// ½ Σ (μ² + σ² − 1 − ln σ²), summed over each latent.
    ///
    /// # Shapes
    /// `[batch]`.
    pub fn kl(&self) -> Tensor<1> {
        let [batch, channels, height, width] = self.mean.dims();
        let terms = self.mean.clone() * self.mean.clone() + self.logvar.clone().exp()
            - 1.0
            - self.logvar.clone();
        terms
            .reshape([batch, channels * height * width])
            .sum_dim(1)
            .reshape([batch])
            * 0.5
    }
}
