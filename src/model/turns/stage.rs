//! A first stage that is read when it is asked.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Tensor;

use super::Turns;
use crate::model::first_stage::{Draw, Scaling};
use crate::model::{FirstStage, FirstStageConfig, LatentInfo, ModelError, WeightDtype};

/// Stands for a first stage that is not in memory until it has its turn.
#[derive(Debug)]
struct StageInTurn {
    /// The same without weights.
    like: Box<dyn FirstStage>,
    turns: Arc<Turns>,
}

impl Turns {
    /// The first stage, which is read when it is asked.
    pub fn first_stage(turns: &Arc<Self>) -> Box<dyn FirstStage> {
        Box::new(StageInTurn {
            like: turns.unread_stage.boxed(),
            turns: Arc::clone(turns),
        })
    }
}

impl StageInTurn {
    /// What the first stage makes of something; zeros where it cannot be read, which
    /// [`Turns::check`] tells.
    fn made(
        &self,
        shape: impl FnOnce(LatentInfo) -> [usize; 4],
        of: impl FnOnce(&dyn FirstStage) -> Tensor<4>,
    ) -> Tensor<4> {
        match self.turns.stage() {
            Some(stage) => of(stage.as_ref()),
            None => Tensor::zeros(shape(self.like.info()), &self.turns.device),
        }
    }
}

fn latent_shape([batch, _, height, width]: [usize; 4], info: LatentInfo) -> [usize; 4] {
    let LatentInfo { channels, factor } = info;
    [batch, channels, height / factor, width / factor]
}

fn picture_shape([batch, _, height, width]: [usize; 4], info: LatentInfo) -> [usize; 4] {
    [batch, 3, height * info.factor, width * info.factor]
}

impl FirstStage for StageInTurn {
    fn configuration(&self) -> FirstStageConfig {
        self.like.configuration()
    }

    fn scaling(&self) -> Scaling {
        self.like.scaling()
    }

    fn set_scaling_factor(&mut self, factor: f64) {
        self.like.set_scaling_factor(factor);
    }

    fn draw_unscaled(&self, pictures: Tensor<4>, noise: Draw<'_>) -> Tensor<4> {
        let dims = pictures.dims();
        self.made(
            |info| latent_shape(dims, info),
            |stage| stage.draw_unscaled(pictures, noise),
        )
    }

    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4> {
        let dims = pictures.dims();
        self.made(
            |info| latent_shape(dims, info),
            |stage| stage.likeliest_unscaled(pictures),
        )
    }

    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        match self.turns.stage() {
            Some(stage) => stage.distribution_unscaled(pictures),
            None => {
                let shape = latent_shape(pictures.dims(), self.like.info());
                (Tensor::zeros(shape, &self.turns.device), None)
            }
        }
    }

    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        let dims = latents.dims();
        self.made(
            |info| picture_shape(dims, info),
            |stage| stage.decode_unscaled(latents),
        )
    }

    fn parameter_count(&self) -> usize {
        self.like.parameter_count()
    }

    fn decoder_work(&self) -> f64 {
        self.like.decoder_work()
    }

    fn save_weights(&self, path: &Path, dtype: WeightDtype) -> Result<(), ModelError> {
        self.turns.present_stage()?.save_weights(path, dtype)
    }

    /// It stays in memory for as long as somebody holds it.
    fn differentiable(&self) -> Box<dyn FirstStage> {
        let stage = self.turns.stage();
        let stage = stage.as_deref().unwrap_or(self.like.as_ref());
        stage.differentiable()
    }

    fn boxed(&self) -> Box<dyn FirstStage> {
        Box::new(Self {
            like: self.like.boxed(),
            turns: Arc::clone(&self.turns),
        })
    }

    fn to_pictures(&self, latents: Tensor<4>) -> Tensor<4> {
        let dims = latents.dims();
        self.made(
            |info| picture_shape(dims, info),
            |stage| stage.to_pictures(latents),
        )
    }
}
