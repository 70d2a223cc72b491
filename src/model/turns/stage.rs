//! A first stage that is read when it is asked.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::reading::Reading;
use crate::model::first_stage::{Draw, Scaling};
use crate::model::{FirstStage, FirstStageConfig, LatentInfo, ModelError, WeightDtype};

/// What reads a first stage when it is asked.
pub(in crate::model) trait StageReader: Debug + Send + Sync {
    /// The first stage; `None` where it cannot be read, which [`Reading::check`] tells.
    fn stage(&self) -> Option<Box<dyn FirstStage>>;

    /// Who watches, and what went wrong.
    fn reading(&self) -> &Reading;

    /// The model whose first stage it is.
    fn model(&self) -> &Path;

    /// Where it computes.
    fn device(&self) -> &Device;

    /// The first stage, which is there.
    ///
    /// # Errors
    /// If it cannot be read.
    fn present_stage(&self) -> Result<Box<dyn FirstStage>, ModelError> {
        let stage = self.stage();
        self.reading().check()?;
        stage.ok_or_else(|| ModelError::MissingPart {
            folder: self.model().to_path_buf(),
            part: "autoencoder (vae)",
        })
    }
}

/// Stands for a first stage that is not in memory until it is asked.
#[derive(Debug)]
pub(super) struct StageInTurn {
    /// The same without weights.
    like: Box<dyn FirstStage>,
    reader: Arc<dyn StageReader>,
}

impl StageInTurn {
    /// That of a reader; `like` is the same without weights.
    pub fn new(like: Box<dyn FirstStage>, reader: Arc<dyn StageReader>) -> Self {
        Self { like, reader }
    }

    /// What the first stage makes of something; zeros where it cannot be read, which
    /// [`Reading::check`] tells.
    fn made(
        &self,
        shape: impl FnOnce(LatentInfo) -> [usize; 4],
        of: impl FnOnce(&dyn FirstStage) -> Tensor<4>,
    ) -> Tensor<4> {
        match self.reader.stage() {
            Some(stage) => of(stage.as_ref()),
            None => Tensor::zeros(shape(self.like.info()), self.reader.device()),
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
        match self.reader.stage() {
            Some(stage) => stage.distribution_unscaled(pictures),
            None => {
                let shape = latent_shape(pictures.dims(), self.like.info());
                (Tensor::zeros(shape, self.reader.device()), None)
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
        self.reader.present_stage()?.save_weights(path, dtype)
    }

    /// It stays in memory for as long as somebody holds it.
    fn differentiable(&self) -> Box<dyn FirstStage> {
        let stage = self.reader.stage();
        let stage = stage.as_deref().unwrap_or(self.like.as_ref());
        stage.differentiable()
    }

    fn boxed(&self) -> Box<dyn FirstStage> {
        Box::new(Self {
            like: self.like.boxed(),
            reader: Arc::clone(&self.reader),
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
