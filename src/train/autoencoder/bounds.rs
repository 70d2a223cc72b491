//! What keeps the latents in bounds while an autoencoder learns.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::model::FirstStage;
use crate::train::{Learner, TrainError};

/// What came of a pass through an autoencoder.
pub(super) struct Passed {
    /// The decoded pictures.
    pub made: Tensor<4>,
    /// What the latents are told, with its weight; `[1]`.
    pub pull: Tensor<1>,
    /// The same as it is told in figures.
    pub told: f32,
}

/// A way of keeping latents in bounds (Rombach et al. 2022,
/// <https://arxiv.org/abs/2112.10752>, §3.1: "KL-reg." and "VQ-reg.").
pub(super) trait Bounds {
    /// The autoencoder that it is for.
    type Network: Module + FirstStage;

    /// The name of its term in figures.
    const COLUMN: &'static str;

    /// The network whose latents training leaves alone.
    fn with_fixed_latents(network: Self::Network) -> Self::Network;

    /// Takes pictures through the network; `counter` tells passes apart.
    ///
    /// # Shapes
    /// `pictures`: `[batch, 3, height, width]`.
    fn pass(
        &mut self,
        network: &Self::Network,
        pictures: Tensor<4>,
        counter: u64,
    ) -> Result<Passed, TrainError>;

    /// Looks at the network after the step after `step` steps.
    fn after_step(
        &mut self,
        _step: u64,
        _learner: &mut Learner<Self::Network>,
    ) -> Result<(), TrainError> {
        Ok(())
    }

    /// What else there is to tell of the run so far.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// What of it is told with the judgement of the pictures.
    fn judged(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Writes what [`Self::load`] needs into a checkpoint.
    fn save(&self, _folder: &Path) -> Result<(), TrainError> {
        Ok(())
    }

    /// Reads what belongs to a checkpoint.
    fn load(&mut self, _folder: &Path) -> Result<(), TrainError> {
        Ok(())
    }
}
