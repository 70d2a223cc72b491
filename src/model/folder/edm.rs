//! Files of Stable Diffusion XL that were trained on with the noise of EDM (Karras et al. 2022,
//! <https://arxiv.org/abs/2206.00364>): what single files tell of it, in the words of a folder
//! of diffusers.

use serde_json::{Value, json};

use crate::model::weights::{WeightDtype, WeightSource};
use crate::model::{FirstStageConfig, Manifest, ModelError};

/// The statistics of latents of Playground 2.5 (<https://arxiv.org/abs/2402.17245>).
const STATISTICS: [&str; 2] = ["edm_mean", "edm_std"];
/// The noise levels of CosXL.
const LEVELS: [&str; 2] = ["edm_vpred.sigma_min", "edm_vpred.sigma_max"];

/// The standard deviation that latents of Playground 2.5 are brought to, by the paper of EDM.
const DEVIATION: f64 = 0.5;
/// The noise levels of files that do not tell, the smallest and the largest.
const USUAL_LEVELS: [f64; 2] = [0.002, 120.0];

/// Guidance that suits Playground 2.5, by its model card.
const GUIDANCE: f32 = 3.0;

/// Whether a scheduler is of that noise.
pub(super) fn is_one(scheduler: &Value) -> bool {
    let class = scheduler["_class_name"].as_str();
    class.is_some_and(|class| class.starts_with("EDM"))
}

/// What the scheduler of a folder implies of a model, given what is implied of others.
pub(super) fn derived(scheduler: &Value, derived: Manifest) -> Manifest {
    // CosXL's predict velocity.
    if is_one(scheduler) && scheduler["prediction_type"] != "v_prediction" {
        return Manifest {
            default_guidance_scale: GUIDANCE,
            ..derived
        };
    }
    derived
}

/// What a file tells of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum EdmFile {
    /// Mean and deviation of each channel of latents.
    Latents([Vec<f64>; 2]),
    /// The smallest and the largest noise level of a denoiser that predicts velocity.
    Levels([f64; 2]),
}

impl EdmFile {
    /// Reads what a file tells; `None` of one that was trained in steps.
    ///
    /// # Errors
    /// If its numbers cannot be read.
    pub fn of(source: &dyn WeightSource) -> Result<Option<Self>, ModelError> {
        let [mean, deviation] = STATISTICS;
        if let (Some(mean), Some(deviation)) = (numbers(source, mean)?, numbers(source, deviation)?)
        {
            return Ok(Some(Self::Latents([mean, deviation])));
        }
        let [smallest, largest] = LEVELS;
        let Some(largest) = numbers(source, largest)? else {
            return Ok(None);
        };
        let smallest = numbers(source, smallest)?;
        let first = |numbers: Vec<f64>| numbers.first().copied();
        Ok(Some(Self::Levels([
            smallest.and_then(first).unwrap_or(USUAL_LEVELS[0]),
            first(largest).unwrap_or(USUAL_LEVELS[1]),
        ])))
    }

    /// The noise as a folder of diffusers tells it.
    pub fn scheduler(&self) -> Value {
        match self {
            Self::Latents(_) => json!({
                "_class_name": "EDMDPMSolverMultistepScheduler",
                "num_train_timesteps": 1000,
                "prediction_type": "epsilon",
                "sigma_data": DEVIATION,
                "sigma_min": 0.002,
                "sigma_max": 80.0,
            }),
            Self::Levels([smallest, largest]) => json!({
                "_class_name": "EDMEulerScheduler",
                "num_train_timesteps": 1000,
                "prediction_type": "v_prediction",
                "sigma_data": 1.0,
                "sigma_schedule": "exponential",
                "sigma_min": smallest,
                "sigma_max": largest,
            }),
        }
    }

    /// Tells an autoencoder of its latents.
    ///
    /// # Errors
    /// If the numbers are not those of its channels.
    pub fn tell(&self, stage: &mut FirstStageConfig) -> Result<(), ModelError> {
        if let (Self::Latents([mean, deviation]), FirstStageConfig::Kl(config)) = (self, stage) {
            config.scaling_factor = DEVIATION;
            config.latents_mean = Some(mean.clone());
            config.latents_std = Some(deviation.clone());
            config.validate()?;
        }
        Ok(())
    }
}

/// The numbers of a tensor; `None` where there is none of the name.
fn numbers(source: &dyn WeightSource, name: &str) -> Result<Option<Vec<f64>>, ModelError> {
    let Some(shape) = source.shape(name) else {
        return Ok(None);
    };
    let data = source.read(name, shape, false, WeightDtype::F32)?;
    let numbers = data.iter::<f32>().map(f64::from);
    Ok(Some(numbers.collect()))
}
