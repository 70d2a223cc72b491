//! Latents that are kept near the standard normal distribution.

use burn::tensor::{Tensor, TensorData};

use super::bounds::{Bounds, Passed};
use crate::model::AutoencoderKl;
use crate::recipe::TrainSpec;
use crate::train::TrainError;
use crate::train::random::Purpose;
use crate::train::tensors::scalar;

/// The Kullback-Leibler divergence (Kingma and Welling 2013,
/// <https://arxiv.org/abs/1312.6114>).
pub(super) struct DivergenceBounds {
    /// Of its sum over a latent, by the values of a picture.
    weight: f64,
    seed: u64,
}

impl DivergenceBounds {
    pub fn new(spec: &TrainSpec) -> Self {
        let values = 3 * (spec.size_px as usize).pow(2);
        Self {
            weight: spec.kl_weight / values as f64,
            seed: spec.seed,
        }
    }
}

impl Bounds for DivergenceBounds {
    type Network = AutoencoderKl;

    const COLUMN: &'static str = "kl";

    fn with_fixed_latents(network: AutoencoderKl) -> AutoencoderKl {
        network.with_fixed_encoder()
    }

    fn pass(
        &mut self,
        network: &AutoencoderKl,
        pictures: Tensor<4>,
        counter: u64,
    ) -> Result<Passed, TrainError> {
        let device = pictures.device();
        let posterior = network.encode(pictures);
        let dims = posterior.mean.dims();
        let noise = Purpose::Posterior
            .random(self.seed, counter)
            .normals(dims.iter().product());
        let noise = Tensor::<4>::from_data(TensorData::new(noise, dims), &device);
        let divergence = posterior.kl().mean();
        Ok(Passed {
            made: network.decode(posterior.sample(noise)),
            told: scalar(divergence.clone())?,
            pull: divergence * self.weight,
        })
    }
}
