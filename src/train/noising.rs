//! How pictures turn to noise, and what a denoiser is asked for.
//!
//! The training needs three lines of a noise schedule; the samplers of
//! `diffusion` need much more and do not need these.

use serde::Deserialize;
use serde_json::Value;

use super::TrainError;

/// What the denoiser predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Prediction {
    #[default]
    Epsilon,
    VPrediction,
    Sample,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BetaSchedule {
    #[default]
    Linear,
    ScaledLinear,
    SquaredcosCapV2,
}

/// The keys of `scheduler_config.json` that matter to the training.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
struct Keys {
    num_train_timesteps: usize,
    beta_start: f64,
    beta_end: f64,
    beta_schedule: BetaSchedule,
    prediction_type: Prediction,
    rescale_betas_zero_snr: bool,
    trained_betas: Option<Vec<f64>>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            beta_schedule: BetaSchedule::Linear,
            prediction_type: Prediction::Epsilon,
            rescale_betas_zero_snr: false,
            trained_betas: None,
        }
    }
}

/// The forward process (Ho et al. 2020, <https://arxiv.org/abs/2006.11239>).
#[derive(Clone, Debug)]
pub(super) struct Noising {
    /// ᾱ of each step.
    alphas: Vec<f64>,
    prediction: Prediction,
}

impl Noising {
    /// Reads diffusers' `scheduler_config.json`.
    pub fn from_config(config: &Value) -> Result<Self, TrainError> {
        let keys: Keys = serde_json::from_value(config.clone()).map_err(|error| {
            TrainError::setting(format!("this scheduler cannot be trained with: {error}"))
        })?;
        let count = keys.num_train_timesteps;
        if count < 2 {
            return Err(TrainError::setting(
                "the scheduler must have at least 2 training steps",
            ));
        }
        let between =
            |from: f64, to: f64, i: usize| from + (to - from) * i as f64 / (count - 1) as f64;
        let betas: Vec<f64> = match (&keys.trained_betas, keys.beta_schedule) {
            (Some(betas), _) => betas.clone(),
            (None, BetaSchedule::Linear) => (0..count)
                .map(|i| between(keys.beta_start, keys.beta_end, i))
                .collect(),
            (None, BetaSchedule::ScaledLinear) => (0..count)
                .map(|i| between(keys.beta_start.sqrt(), keys.beta_end.sqrt(), i).powi(2))
                .collect(),
            (None, BetaSchedule::SquaredcosCapV2) => {
                let bar = |t: f64| {
                    ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2)
                        .cos()
                        .powi(2)
                };
                let at = |i: usize| i as f64 / count as f64;
                (0..count)
                    .map(|i| (1.0 - bar(at(i + 1)) / bar(at(i))).min(0.999))
                    .collect()
            }
        };
        let mut product = 1.0;
        let mut alphas: Vec<f64> = betas
            .iter()
            .map(|beta| {
                product *= 1.0 - beta;
                product
            })
            .collect();
        if keys.rescale_betas_zero_snr {
            // Lin et al. 2023, <https://arxiv.org/abs/2305.08891>, algorithm 1.
            let first = alphas[0].sqrt();
            let last = alphas[alphas.len() - 1].sqrt();
            for alpha in &mut alphas {
                *alpha = ((alpha.sqrt() - last) * first / (first - last)).powi(2);
            }
        }
        if alphas.iter().any(|alpha| !(0.0..=1.0).contains(alpha)) {
            return Err(TrainError::setting("the scheduler's betas make no sense"));
        }
        if keys.rescale_betas_zero_snr && keys.prediction_type == Prediction::Epsilon {
            return Err(TrainError::setting(
                "a scheduler whose last step is pure noise needs v_prediction",
            ));
        }
        Ok(Self {
            alphas,
            prediction: keys.prediction_type,
        })
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.alphas.len()
    }

    /// √ᾱ and √(1 − ᾱ) of a step.
    fn parts(&self, step: usize) -> (f32, f32) {
        let alpha = self.alphas[step];
        (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32)
    }

    /// Writes the noisy latent √ᾱ z + √(1 − ᾱ) ε and what the denoiser should say
    /// of it: ε, √ᾱ ε − √(1 − ᾱ) z, or z.
    pub fn corrupt(
        &self,
        step: usize,
        latent: &[f32],
        noise: &[f32],
        noisy: &mut Vec<f32>,
        target: &mut Vec<f32>,
    ) {
        let (signal, sigma) = self.parts(step);
        let pairs = || latent.iter().zip(noise);
        noisy.extend(pairs().map(|(z, e)| signal * z + sigma * e));
        match self.prediction {
            Prediction::Epsilon => target.extend_from_slice(noise),
            Prediction::VPrediction => target.extend(pairs().map(|(z, e)| signal * e - sigma * z)),
            Prediction::Sample => target.extend_from_slice(latent),
        }
    }

    /// min-SNR-γ weight of a step's loss (Hang et al. 2023,
    /// <https://arxiv.org/abs/2303.09556>).
    pub fn min_snr_weight(&self, step: usize, gamma: f64) -> f32 {
        let alpha = self.alphas[step];
        let snr = alpha / (1.0 - alpha).max(1e-12);
        let weight = match self.prediction {
            Prediction::Epsilon => snr.min(gamma) / snr.max(1e-12),
            Prediction::VPrediction => snr.min(gamma) / (snr + 1.0),
            Prediction::Sample => snr.min(gamma),
        };
        weight as f32
    }

    /// Steps from noise to picture for a preview, evenly spread from the last.
    pub fn preview_steps(&self, count: usize) -> Vec<usize> {
        let total = self.steps() as f64;
        (0..count)
            .map(|i| (total * (count - i) as f64 / count as f64).round() as usize)
            .map(|step| step.saturating_sub(1))
            .collect()
    }

    /// One deterministic step of DDIM (Song et al. 2021,
    /// <https://arxiv.org/abs/2010.02502>) from `step` to `next`, or to the end.
    pub fn ddim(&self, step: usize, next: Option<usize>, x: &mut [f32], said: &[f32]) {
        let (signal, sigma) = self.parts(step);
        let (next_signal, next_sigma) = next.map_or((1.0, 0.0), |next| self.parts(next));
        // The very last step may have no signal at all.
        let guard = signal.max(1e-6);
        for (x, said) in x.iter_mut().zip(said) {
            let (z, e) = match self.prediction {
                Prediction::Epsilon => ((*x - sigma * said) / guard, *said),
                Prediction::VPrediction => (signal * *x - sigma * said, signal * said + sigma * *x),
                Prediction::Sample => (*said, (*x - signal * said) / sigma.max(1e-6)),
            };
            *x = next_signal * z + next_sigma * e;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stable_diffusion(prediction: &str) -> Noising {
        let config = json!({
            "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "prediction_type": prediction, "num_train_timesteps": 1000,
        });
        Noising::from_config(&config).expect("a known schedule")
    }

    #[test]
    fn alphas_are_the_published_ones() {
        let noising = stable_diffusion("epsilon");
        let golden = [
            (0, 0.999150),
            (1, 0.998296),
            (250, 0.673793),
            (500, 0.276333),
            (750, 0.056170),
            (999, 0.004660),
        ];
        for (step, alpha) in golden {
            assert!((noising.alphas[step] - alpha).abs() < 1e-6, "{step}");
        }
    }

    #[test]
    fn a_denoiser_that_is_right_leads_back_to_the_picture() {
        let latent = [0.3, -1.2, 2.0, 0.0];
        let noise = [1.0, -0.5, 0.25, 2.0];
        for prediction in ["epsilon", "v_prediction", "sample"] {
            let noising = stable_diffusion(prediction);
            let steps = noising.preview_steps(10);
            assert_eq!((steps[0], steps[9], steps.len()), (999, 99, 10));
            let (mut x, mut first) = (Vec::new(), Vec::new());
            noising.corrupt(steps[0], &latent, &noise, &mut x, &mut first);
            for (i, step) in steps.iter().enumerate() {
                // What a perfect denoiser says of exactly this noise.
                let (mut noisy, mut said) = (Vec::new(), Vec::new());
                noising.corrupt(*step, &latent, &noise, &mut noisy, &mut said);
                for (x, noisy) in x.iter().zip(&noisy) {
                    assert!((x - noisy).abs() < 1e-3, "{prediction} {i} {x} {noisy}");
                }
                noising.ddim(*step, steps.get(i + 1).copied(), &mut x, &said);
            }
            for (x, z) in x.iter().zip(latent) {
                assert!((x - z).abs() < 1e-3, "{prediction} {x} {z}");
            }
        }
    }

    #[test]
    fn weights_of_easy_steps_are_bounded() {
        let noising = stable_diffusion("epsilon");
        assert!(noising.min_snr_weight(0, 5.0) < 0.01);
        assert!((noising.min_snr_weight(999, 5.0) - 1.0).abs() < 1e-6);
        let v = stable_diffusion("v_prediction");
        assert!(v.min_snr_weight(0, 5.0) < 0.01);
    }

    #[test]
    fn foreign_schedulers_are_named() {
        let error = Noising::from_config(&json!({ "prediction_type": "flow" }))
            .expect_err("not supported")
            .to_string();
        assert!(error.contains("flow"), "{error}");
    }
}
