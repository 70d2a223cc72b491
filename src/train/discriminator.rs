//! The network that tells patches of real pictures from decoded ones.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

use crate::nn::{Conv2d, Conv2dConfig, GroupNorm, GroupNormConfig};

/// Sizes of a [`PatchDiscriminator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PatchDiscriminatorConfig {
    /// Channels of the first layer.
    pub width: usize,
    /// Layers that halve the picture.
    pub layers: usize,
}

impl PatchDiscriminatorConfig {
    /// Sizes that suit pictures of this side: the original's three halvings see
    /// patches of 70 pixels, too many for small pictures.
    pub fn for_size(size_px: u32) -> Self {
        if size_px >= 128 {
            Self {
                width: 64,
                layers: 3,
            }
        } else {
            Self {
                width: 32,
                layers: 2,
            }
        }
    }

    /// Makes the network.
    pub fn init(&self, device: &Device) -> PatchDiscriminator {
        let conv = |input, output, stride| {
            Conv2dConfig {
                stride,
                padding: [(1, 1); 2],
                ..Conv2dConfig::same(input, output, 4)
            }
            .init(device)
        };
        let mut convs = vec![conv(3, self.width, 2)];
        let mut norms = Vec::new();
        let mut width = self.width;
        for layer in 1..=self.layers {
            let output = self.width * (1 << layer).min(8);
            let stride = if layer < self.layers { 2 } else { 1 };
            convs.push(conv(width, output, stride));
            norms.push(
                GroupNormConfig {
                    groups: 8,
                    channels: output,
                    eps: 1e-5,
                }
                .init(device),
            );
            width = output;
        }
        convs.push(conv(width, 1, 1));
        PatchDiscriminator { convs, norms }
    }
}

/// PatchGAN (Isola et al. 2017, <https://arxiv.org/abs/1611.07004>) with group
/// instead of batch normalisation: no running state to save, and pictures of a
/// batch do not see each other.
#[derive(Module, Debug)]
pub(super) struct PatchDiscriminator {
    convs: Vec<Conv2d>,
    norms: Vec<GroupNorm>,
}

impl PatchDiscriminator {
    /// One number for each patch: high for a real one.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` to `[batch, 1, h, w]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let last = self.convs.len() - 1;
        let mut x = x;
        for (i, conv) in self.convs.iter().enumerate() {
            x = conv.forward(x);
            if i == last {
                break;
            }
            if i > 0 {
                x = self.norms[i - 1].forward(x);
            }
            x = activation::leaky_relu(x, 0.2);
        }
        x
    }
}

/// What the discriminator learns from: ½ (mean max(0, 1 − D(real)) + mean max(0, 1 + D(made))).
///
/// # Shapes
/// Any two outputs of the discriminator; the result has one number.
pub(super) fn hinge_loss(real: Tensor<4>, made: Tensor<4>) -> Tensor<1> {
    let real = activation::relu(real.neg() + 1.0).mean();
    let made = activation::relu(made + 1.0).mean();
    (real + made) * 0.5
}

/// How much the discriminator's opinion counts: as much as the reconstruction,
/// measured by their gradients (LDM `contperceptual.py`), times `factor`.
///
/// `values` is the number of values of a picture. The original's guard against a
/// division by nothing, 1e-4, is meant for gradients by the last convolution, which
/// are sums over a picture; by its pixels they are so much smaller. Its upper bound
/// of 1e4 is of a reconstruction that is summed over a picture; as the mean is so
/// much smaller, it only stops what has lost all sense.
pub(super) fn adaptive_weight(
    reconstruction_norm: f32,
    adversarial_norm: f32,
    values: usize,
    factor: f32,
) -> f32 {
    let guard = 1e-4 / values.max(1) as f32;
    (reconstruction_norm / (adversarial_norm + guard)).clamp(0.0, 1e4) * factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_patches() {
        let device = Device::flex();
        for (size, expected) in [(64, 14), (128, 14), (256, 30)] {
            let network = PatchDiscriminatorConfig::for_size(size as u32).init(&device);
            let x = Tensor::<4>::zeros([1, 3, size, size], &device);
            assert_eq!(network.forward(x).dims(), [1, 1, expected, expected]);
        }
    }

    #[test]
    fn the_hinge_is_flat_for_what_is_sure() {
        let device = Device::flex();
        let at = |value: f32| Tensor::<4>::full([1, 1, 2, 2], value, &device);
        let loss = |real, made| hinge_loss(at(real), at(made)).into_scalar::<f32>();
        assert_eq!(loss(2.0, -2.0), 0.0);
        assert_eq!(loss(0.0, 0.0), 1.0);
        assert_eq!(loss(-1.0, 1.0), 2.0);
    }

    #[test]
    fn the_weight_balances_gradients_within_bounds() {
        assert!((adaptive_weight(2.0, 1.0, 12_288, 0.5) - 1.0).abs() < 1e-3);
        assert_eq!(adaptive_weight(1.0, 0.0, 1, 1.0), 1e4);
        assert_eq!(adaptive_weight(0.0, 1.0, 1, 1.0), 0.0);
    }
}
