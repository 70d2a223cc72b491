//! `scheduler_config.json`: how a model was noised and is best sampled.

use serde::Deserialize;
use serde_json::Value;

use super::DiffusionError;
use super::prediction::PredictionType;
use super::sampler::{Edm, RHO, SamplerInfo};
use super::scheduler_wishes::{sampler_of_class, unfulfilled, without_file};
use crate::recipe::{Prediction, Schedule};

/// How β grows over the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// β itself is evenly spaced.
    #[default]
    Linear,
    /// √β is evenly spaced ("linear" in the latent diffusion code).
    ScaledLinear,
    /// ᾱ follows a squared cosine (Nichol and Dhariwal 2021, <https://arxiv.org/abs/2102.09672>).
    SquaredcosCapV2,
}

/// Which of the training steps are sampled (Lin et al. 2023,
/// <https://arxiv.org/abs/2305.08891>, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// Evenly, with both the first and the last.
    Linspace,
    /// Evenly, from the first on.
    Leading,
    /// Evenly, back from the last.
    Trailing,
}

/// The noise level after the last step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalSigmas {
    /// None.
    #[default]
    Zero,
    /// The smallest of the training.
    SigmaMin,
}

/// Where the noise levels of steps come from, unless they are spread in another way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// From the levels of the training steps beside them.
    #[default]
    Linear,
    /// Evenly in their logarithm between the largest and the smallest of the training, which is
    /// that after the last step; steps themselves stay where they are.
    LogLinear,
}

/// How solvers of higher order correct a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SolverType {
    /// DPM-Solver++: as in the middle of the step. As in diffusers, each solver takes its
    /// own first one for the names of others, which a folder may have for another class.
    #[default]
    #[serde(alias = "logrho")]
    Midpoint,
    /// DPM-Solver++: as at its end.
    Heun,
    /// UniPC: in parts of the step's length.
    Bh1,
    /// UniPC: in parts of the exponential of it.
    Bh2,
}

/// How schedulers of EDM spread noise levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigmaSchedule {
    /// As Karras et al. 2022 do.
    Karras,
    /// Evenly in their logarithm.
    Exponential,
}

/// How the names of such schedulers begin.
pub(super) const EDM: &str = "EDM";
/// The smallest and the largest level of theirs that do not tell.
const EDM_LIMITS: [f64; 2] = [0.002, 80.0];

/// The file's keys, named as in diffusers.
///
/// A key that is not there means the default of the sampler's class in
/// diffusers, which differs between classes; hence the options.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct SchedulerConfig {
    /// The class of diffusers that wrote the file.
    #[serde(rename = "_class_name")]
    pub class_name: Option<String>,
    /// Steps of the training.
    pub num_train_timesteps: usize,
    /// First β.
    pub beta_start: Option<f64>,
    /// Last β.
    pub beta_end: Option<f64>,
    /// How β grows.
    pub beta_schedule: Option<BetaSchedule>,
    /// The βs themselves, instead of a schedule.
    pub trained_betas: Option<Vec<f64>>,
    /// What the denoiser predicts.
    pub prediction_type: PredictionType,
    /// Which steps are sampled.
    pub timestep_spacing: Option<TimestepSpacing>,
    /// Added to every step of [`TimestepSpacing::Leading`]; nothing if not told.
    pub steps_offset: Option<usize>,
    /// Whether ᾱ is 1 after the last step, and not that of step 0.
    pub set_alpha_to_one: Option<bool>,
    /// Whether predicted samples are clipped.
    pub clip_sample: Option<bool>,
    /// To which magnitude.
    pub clip_sample_range: f64,
    /// Whether predicted samples get dynamic thresholds instead.
    pub thresholding: bool,
    /// The share of a sample's numbers that lie below its threshold.
    pub dynamic_thresholding_ratio: f64,
    /// The largest threshold.
    pub sample_max_value: f64,
    /// Whether PNDM begins with multistep updates, without Runge-Kutta.
    pub skip_prk_steps: bool,
    /// Whether noise levels follow Karras et al. 2022, <https://arxiv.org/abs/2206.00364>.
    pub use_karras_sigmas: bool,
    /// Whether they are evenly spread in their logarithm.
    pub use_exponential_sigmas: bool,
    /// Whether they are spread as a beta distribution is.
    pub use_beta_sigmas: bool,
    /// Smallest Karras noise level, if not that of the steps.
    pub sigma_min: Option<f64>,
    /// Largest Karras noise level, if not that of the steps.
    pub sigma_max: Option<f64>,
    /// Standard deviation of clean latents, of schedulers of EDM.
    pub sigma_data: f64,
    /// How these spread noise levels.
    pub sigma_schedule: SigmaSchedule,
    /// The exponent by which they do.
    pub rho: f64,
    /// Whether the last training step is pure noise (Lin et al. 2023, algorithm 1).
    pub rescale_betas_zero_snr: bool,
    /// How Euler's method finds the noise levels of steps.
    pub interpolation_type: Interpolation,
    /// The noise level after the last step.
    pub final_sigmas_type: FinalSigmas,
    /// Order of DPM-Solver++ and UniPC.
    pub solver_order: usize,
    /// Their correction of higher order.
    pub solver_type: SolverType,
    /// The form of DPM-Solver: `dpmsolver++` if not told.
    pub algorithm_type: Option<String>,
    /// Steps that UniPC does not correct.
    pub disable_corrector: Vec<usize>,
    /// Whether runs of them, of DPM-Solver++ short ones, end with lower order.
    pub lower_order_final: bool,
    /// Whether all do.
    pub euler_at_final: bool,
    /// Steps with a smaller log signal-to-noise ratio are left out by it.
    pub lambda_min_clipped: Option<f64>,
    /// Steps that a latent consistency model was distilled on.
    pub original_inference_steps: usize,
    /// What its timesteps are multiplied by where it is told how much the model counts.
    pub timestep_scaling: f64,
    /// DDPM's noise: `fixed_small`, `fixed_small_log` or `fixed_large`.
    pub variance_type: Option<String>,
    /// What the file asks for and is done otherwise, as sentences.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            class_name: None,
            num_train_timesteps: 1000,
            beta_start: None,
            beta_end: None,
            beta_schedule: None,
            trained_betas: None,
            prediction_type: PredictionType::Epsilon,
            timestep_spacing: None,
            steps_offset: None,
            set_alpha_to_one: None,
            clip_sample: None,
            clip_sample_range: 1.0,
            thresholding: false,
            dynamic_thresholding_ratio: 0.995,
            sample_max_value: 1.0,
            skip_prk_steps: false,
            use_karras_sigmas: false,
            use_exponential_sigmas: false,
            use_beta_sigmas: false,
            sigma_min: None,
            sigma_max: None,
            sigma_data: 0.5,
            sigma_schedule: SigmaSchedule::Karras,
            rho: RHO,
            rescale_betas_zero_snr: false,
            interpolation_type: Interpolation::Linear,
            final_sigmas_type: FinalSigmas::Zero,
            solver_order: 2,
            solver_type: SolverType::Midpoint,
            algorithm_type: None,
            disable_corrector: Vec::new(),
            lower_order_final: true,
            euler_at_final: false,
            lambda_min_clipped: None,
            original_inference_steps: 50,
            timestep_scaling: 10.0,
            variance_type: None,
            warnings: Vec::new(),
        }
    }
}

impl SchedulerConfig {
    /// Reads the JSON of a `scheduler_config.json`; null, where a model has
    /// none, means Stable Diffusion's.
    ///
    /// # Errors
    /// If a value is not one that this program knows.
    pub fn from_json(json: &Value) -> Result<Self, DiffusionError> {
        let Value::Object(keys) = json else {
            return Ok(Self {
                warnings: vec![without_file()],
                ..Self::stable_diffusion()
            });
        };
        // A null means the same as no key at all.
        let keys = keys.iter().filter(|(_, value)| !value.is_null());
        let keys: serde_json::Map<_, _> = keys.map(|(k, v)| (k.clone(), v.clone())).collect();
        let text = |key| keys.get(key).and_then(Value::as_str);
        let sampler = sampler_of_class(text("_class_name"), text("algorithm_type"));
        let warnings = unfulfilled(&keys, sampler)?;
        let config: Self = serde_json::from_value(Value::Object(keys))
            .map_err(|error| DiffusionError::Scheduler(error.to_string()))?;
        let config = Self { warnings, ..config }.understood()?;
        config.check()?;
        Ok(config)
    }

    /// The same where the class of a scheduler says what its words for predictions mean.
    fn understood(self) -> Result<Self, DiffusionError> {
        if self.edm().is_none() {
            return Ok(self);
        }
        let is_velocity = match self.prediction_type {
            PredictionType::VPrediction => true,
            PredictionType::Sample => {
                return Err(DiffusionError::Scheduler(
                    "prediction_type sample is not supported with the noise of EDM; epsilon and v_prediction are"
                        .to_owned(),
                ));
            }
            _ => false,
        };
        Ok(Self {
            prediction_type: PredictionType::Edm {
                deviation: self.sigma_data,
                is_velocity,
            },
            ..self
        })
    }

    /// The noise of a training without steps, if it was one.
    pub(super) fn edm(&self) -> Option<Edm> {
        let class = self.class_name.as_deref()?;
        let [smallest, largest] = EDM_LIMITS;
        class.starts_with(EDM).then(|| Edm {
            limits: [
                self.sigma_min.unwrap_or(smallest),
                self.sigma_max.unwrap_or(largest),
            ],
            schedule: match self.sigma_schedule {
                SigmaSchedule::Karras => Schedule::Karras,
                SigmaSchedule::Exponential => Schedule::Exponential,
            },
        })
    }

    fn check(&self) -> Result<(), DiffusionError> {
        let wrong = |text: String| Err(DiffusionError::Scheduler(text));
        if !(1..=1_000_000).contains(&self.num_train_timesteps) {
            return wrong(format!(
                "num_train_timesteps is {}",
                self.num_train_timesteps
            ));
        }
        let (start, end) = (
            self.beta_start.unwrap_or(1e-4),
            self.beta_end.unwrap_or(0.02),
        );
        if !(start > 0.0 && start <= end && end < 1.0) {
            return wrong(format!(
                "beta_start {start} and beta_end {end} make no noise schedule"
            ));
        }
        if let Some(betas) = &self.trained_betas
            && (betas.len() != self.num_train_timesteps
                || betas.iter().any(|beta| !(0.0..1.0).contains(beta)))
        {
            return wrong("trained_betas do not make a noise schedule".to_owned());
        }
        if let Some(edm) = self.edm() {
            let [min, max] = edm.limits;
            let data = self.sigma_data;
            let are_levels = 0.0 < min && min < max && max.is_finite();
            if !(are_levels && data > 0.0 && data.is_finite()) {
                return wrong(format!(
                    "sigma_min {min}, sigma_max {max} and sigma_data {data} make no noise levels"
                ));
            }
            if self.rho != RHO {
                return wrong(format!("rho is {}, and only {RHO} is supported", self.rho));
            }
        }
        let (share, most) = (self.dynamic_thresholding_ratio, self.sample_max_value);
        if self.thresholding && !((0.0..=1.0).contains(&share) && most > 0.0) {
            return wrong(format!(
                "dynamic_thresholding_ratio {share} and sample_max_value {most} make no thresholds"
            ));
        }
        if self.rescale_betas_zero_snr && self.prediction_type == PredictionType::Epsilon {
            return wrong(
                "rescale_betas_zero_snr leaves nothing to predict noise from; it needs v_prediction".to_owned(),
            );
        }
        Ok(())
    }

    /// The same for a denoiser that predicts something else.
    ///
    /// # Errors
    /// If nothing can be predicted so by this schedule.
    pub(super) fn predicting(self, prediction: Prediction) -> Result<Self, DiffusionError> {
        let prediction_type = match (self.prediction_type, prediction) {
            (PredictionType::Edm { deviation, .. }, prediction) => PredictionType::Edm {
                deviation,
                is_velocity: prediction == Prediction::Velocity,
            },
            (_, Prediction::Epsilon) => PredictionType::Epsilon,
            (_, Prediction::Velocity) => PredictionType::VPrediction,
        };
        let config = Self {
            prediction_type,
            ..self
        };
        config.check()?;
        Ok(config)
    }

    /// The schedule of Stable Diffusion 1, from its `scheduler_config.json`.
    pub fn stable_diffusion() -> Self {
        Self {
            beta_start: Some(0.00085),
            beta_end: Some(0.012),
            beta_schedule: Some(BetaSchedule::ScaledLinear),
            timestep_spacing: Some(TimestepSpacing::Leading),
            steps_offset: Some(1),
            set_alpha_to_one: Some(false),
            clip_sample: Some(false),
            skip_prk_steps: true,
            ..Self::default()
        }
    }

    /// How noise levels are spread.
    pub fn schedule(&self) -> Schedule {
        if let Some(edm) = self.edm() {
            edm.schedule
        } else if self.use_karras_sigmas {
            Schedule::Karras
        } else if self.use_exponential_sigmas {
            Schedule::Exponential
        } else if self.use_beta_sigmas {
            Schedule::Beta
        } else {
            Schedule::Uniform
        }
    }

    /// The sampler that the file's class names, else the first one.
    pub fn default_sampler(&self) -> &'static SamplerInfo {
        sampler_of_class(self.class_name.as_deref(), self.algorithm_type.as_deref())
    }

    /// The configuration as Stable Diffusion's pipelines in diffusers use it,
    /// which correct files of before 2022: an offset of one, no clipping, and
    /// no Runge-Kutta when they inpaint.
    ///
    /// For another sampler than the file's own they correct only what the file names.
    pub fn corrected(&self, sampler: &SamplerInfo, inpaints: bool) -> Self {
        let is_own = sampler.id == self.default_sampler().id;
        let mut config = self.clone();
        if is_own || config.steps_offset.is_some() {
            config.steps_offset = Some(1);
        }
        if is_own || config.clip_sample.is_some() {
            config.clip_sample = Some(false);
        }
        if inpaints && self.class_name.as_deref() == Some("PNDMScheduler") {
            config.skip_prk_steps = true;
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn foreign_values_are_named() {
        for (json, word) in [
            (
                json!({"prediction_type": "flow_prediction"}),
                "flow_prediction",
            ),
            (json!({"beta_schedule": "laplace"}), "laplace"),
            (json!({"beta_start": 0.5, "beta_end": 0.1}), "beta_start"),
            (json!({"num_train_timesteps": 0}), "num_train_timesteps"),
            (json!({"trained_betas": [0.1]}), "trained_betas"),
            (json!({"interpolation_type": "cubic"}), "cubic"),
            (
                json!({"thresholding": true, "dynamic_thresholding_ratio": 1.5}),
                "dynamic_thresholding_ratio 1.5",
            ),
            (
                json!({"thresholding": true, "sample_max_value": 0}),
                "sample_max_value 0",
            ),
            (
                json!({"rescale_betas_zero_snr": true}),
                "rescale_betas_zero_snr",
            ),
            (
                json!({"_class_name": "EDMEulerScheduler", "sigma_min": 3, "sigma_max": 2}),
                "sigma_max 2",
            ),
            (
                json!({"_class_name": "EDMEulerScheduler", "rho": 3}),
                "rho is 3",
            ),
            (
                json!({"_class_name": "EDMDPMSolverMultistepScheduler", "prediction_type": "sample"}),
                "prediction_type sample",
            ),
        ] {
            let error = SchedulerConfig::from_json(&json)
                .expect_err("not ours")
                .to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn nulls_and_unknown_keys_do_not_matter() {
        let json = json!({"_class_name": "PNDMScheduler", "trained_betas": null, "news": 1, "sigma_min": null});
        let config = SchedulerConfig::from_json(&json).expect("fine");
        let own = config.default_sampler();
        assert_eq!(own.id, "pndm");
        assert_eq!(own.reads.spacing(&config), TimestepSpacing::Leading);
    }
}
