//! The network that makes a picture four times as large: Real-ESRGAN's compact
//! one (Wang et al. 2021, <https://arxiv.org/abs/2107.10833>; `SRVGGNetCompact`).

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::ModelError;
use super::weights::{self, SafetensorsFile, WeightDtype, names};
use crate::nn::{Conv2d, Conv2dConfig, PRelu, ops};

/// How many convolutions there are; each looks one pixel further.
const CONVOLUTIONS: usize = 18;
const WIDTH: usize = 64;

/// Convolutions of one width on the small picture; only the last one's channels
/// are spread out. What they say is added to the picture, enlarged by repetition.
#[derive(Module, Debug)]
pub struct Upscaler {
    convolutions: Vec<Conv2d>,
    activations: Vec<PRelu>,
}

impl Upscaler {
    /// Sides of the large picture for one of the small.
    pub const FACTOR: usize = 4;
    /// Pixels around a pixel that it depends on.
    pub const REACH_PX: usize = CONVOLUTIONS;

    /// The network, untrained.
    pub fn new(device: &Device) -> Self {
        let last = 3 * Self::FACTOR * Self::FACTOR;
        let width = |index| match index {
            0 => 3,
            CONVOLUTIONS => last,
            _ => WIDTH,
        };
        let convolutions = (0..CONVOLUTIONS)
            .map(|index| Conv2dConfig::same(width(index), width(index + 1), 3).init(device));
        let activations = (1..CONVOLUTIONS).map(|_| PRelu::init(WIDTH, device));
        Self {
            convolutions: convolutions.collect(),
            activations: activations.collect(),
        }
    }

    /// Reads the network.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds another network.
    pub fn open(path: &Path, device: &Device) -> Result<Self, ModelError> {
        let source = SafetensorsFile::open(path)?;
        weights::load(
            Self::new(device),
            &source,
            &names::DIFFUSERS,
            "SRVGGNetCompact",
            WeightDtype::F32,
        )
    }

    /// Enlarges pictures in [0, 1]; the result may reach a little beyond that.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` to `[batch, 3, 4 · height, 4 · width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::on_workers(&x.clone(), || {
            let [_, _, height, width] = x.dims();
            let mut y = x.clone();
            for (index, convolution) in self.convolutions.iter().enumerate() {
                y = convolution.forward(y);
                if let Some(activation) = self.activations.get(index) {
                    y = activation.forward(y);
                }
            }
            let doubled = ops::upsample_nearest(x, [2 * height, 2 * width]);
            let repeated = ops::upsample_nearest(doubled, [4 * height, 4 * width]);
            ops::pixel_shuffle(y, Self::FACTOR) + repeated
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_published_number_of_weights() {
        let network = Upscaler::new(&Device::flex());
        assert_eq!(crate::nn::parameter_count(&network), 621_424);
        let enlarged = network.forward(Tensor::zeros([1, 3, 5, 7], &Device::flex()));
        assert_eq!(enlarged.dims(), [1, 3, 20, 28]);
    }
}
