//! What a denoiser is shown, and what it should answer.
//!
//! The noise schedule and what a denoiser predicts are those of `diffusion`;
//! choosing and weighing the steps are the training's own.

use serde_json::Value;

use super::TrainError;
use super::config::TimestepSampling;
use crate::diffusion::{NoiseSchedule, PredictionType, SchedulerConfig};

/// The forward process (Ho et al. 2020, <https://arxiv.org/abs/2006.11239>).
#[derive(Clone, Debug)]
pub(super) struct Noising {
    schedule: NoiseSchedule,
    prediction: PredictionType,
    /// For each step, the share of the training up to and with it.
    shares: Vec<f64>,
}

impl Noising {
    /// Reads diffusers' `scheduler_config.json`.
    pub fn from_config(config: &Value, sampling: TimestepSampling) -> Result<Self, TrainError> {
        let config = SchedulerConfig::from_json(config)?;
        if config.num_train_timesteps < 2 {
            return Err(TrainError::setting(
                "the scheduler must have at least 2 training steps",
            ));
        }
        if matches!(config.prediction_type, PredictionType::Edm { .. }) {
            return Err(TrainError::setting(
                "a model with the noise of EDM cannot be trained on; choose one that was trained in steps",
            ));
        }
        let schedule = NoiseSchedule::of_training(&config);
        Ok(Self {
            shares: shares(sampling, schedule.len()),
            schedule,
            prediction: config.prediction_type,
        })
    }

    /// The step up to which a share of the training goes.
    pub fn step_at(&self, share: f32) -> usize {
        self.shares
            .partition_point(|until| *until <= f64::from(share))
            .min(self.steps() - 1)
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.schedule.len()
    }

    /// √ᾱ and √(1 − ᾱ) of a step.
    fn parts(&self, step: usize) -> (f32, f32) {
        let alpha = self.schedule.alpha_cumprod(step);
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
        let say = |(z, e): (&f32, &f32)| self.prediction.target([signal, sigma], *z, *e);
        target.extend(pairs().map(say));
    }

    /// Adds to each channel's noise a number of its own, `strength` wide (Guttenberg 2023,
    /// <https://www.crosslabs.org/blog/diffusion-with-offset-noise>).
    pub fn offset(noise: &mut [f32], numbers: &[f32], strength: f32) {
        let channel = (noise.len() / numbers.len().max(1)).max(1);
        for (channel, number) in noise.chunks_mut(channel).zip(numbers) {
            channel
                .iter_mut()
                .for_each(|noise| *noise += strength * number);
        }
    }

    /// min-SNR-γ weight of a step's loss (Hang et al. 2023,
    /// <https://arxiv.org/abs/2303.09556>).
    pub fn min_snr_weight(&self, step: usize, gamma: f64) -> f32 {
        let alpha = self.schedule.alpha_cumprod(step);
        let snr = alpha / (1.0 - alpha).max(1e-12);
        let weight = match self.prediction {
            PredictionType::Epsilon => snr.min(gamma) / snr.max(1e-12),
            PredictionType::VPrediction => snr.min(gamma) / (snr + 1.0),
            PredictionType::Sample | PredictionType::Edm { .. } => snr.min(gamma),
        };
        weight as f32
    }
}

fn shares(sampling: TimestepSampling, steps: usize) -> Vec<f64> {
    let weight = |step: usize| match sampling {
        TimestepSampling::Uniform => 1.0,
        TimestepSampling::LogitNormal { mean, std } => {
            let t = (step as f64 + 0.5) / steps as f64;
            let z = ((t / (1.0 - t)).ln() - mean) / std;
            (-0.5 * z * z).exp() / (t * (1.0 - t))
        }
    };
    let total: f64 = (0..steps).map(weight).sum();
    let mut until = 0.0;
    (0..steps)
        .map(|step| {
            until += weight(step) / total;
            until
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use serde_json::json;

    use super::*;
    use crate::train::reference::Reference;

    fn stable_diffusion(prediction: &str) -> Noising {
        let config = json!({
            "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "prediction_type": prediction, "num_train_timesteps": 1000,
        });
        Noising::from_config(&config, TimestepSampling::Uniform).expect("a known schedule")
    }

    #[test]
    fn noise_targets_and_weights_are_those_of_diffusers() {
        let reference = Reference::open(&Device::flex());
        let steps = reference.values("noise.steps");
        let latents = reference.values("noise.latents");
        let noises = reference.values("noise.given");
        for (schedule, beta_start, beta_end) in [
            ("scaled_linear", 0.00085, 0.012),
            ("linear", 0.0001, 0.02),
            ("squaredcos_cap_v2", 0.0001, 0.02),
        ] {
            for prediction in ["epsilon", "v_prediction", "sample"] {
                let config = json!({
                    "beta_start": beta_start, "beta_end": beta_end, "beta_schedule": schedule,
                    "prediction_type": prediction, "num_train_timesteps": 1000,
                });
                let noising = Noising::from_config(&config, TimestepSampling::Uniform)
                    .expect("a known schedule");
                let (mut noisy, mut target) = (Vec::new(), Vec::new());
                let pairs = latents.chunks(12).zip(noises.chunks(12));
                for (step, (latent, noise)) in steps.iter().zip(pairs) {
                    let step = *step as usize;
                    noising.corrupt(step, latent, noise, &mut noisy, &mut target);
                }
                let compare = |name: &str, values: Vec<f32>| {
                    let data = TensorData::new(values, [8, 12]);
                    reference.compare(name, Tensor::<2>::from_data(data, &Device::flex()), 1e-6);
                };
                compare(&format!("noise.{schedule}.noisy"), noisy);
                let wanted = match prediction {
                    "epsilon" => "noise.given".to_owned(),
                    "sample" => "noise.latents".to_owned(),
                    _ => format!("noise.{schedule}.velocity"),
                };
                compare(&wanted, target);
                for gamma in [1, 5] {
                    let name = format!("noise.{schedule}.{gamma}.{prediction}");
                    for (step, torch) in steps.iter().zip(reference.values(&name)) {
                        let ours = noising.min_snr_weight(*step as usize, f64::from(gamma));
                        // torch has the schedule in f32, which at both ends is not exact.
                        let error = (ours - torch).abs();
                        assert!(error < 1e-4 * torch + 1e-6, "{name} {step}: {ours} {torch}");
                    }
                }
            }
        }
    }

    #[test]
    fn steps_are_drawn_as_asked() {
        let uniform = stable_diffusion("epsilon");
        assert_eq!((uniform.step_at(0.0), uniform.step_at(1.0)), (0, 999));
        assert!((0..1000).all(|i| uniform.step_at((i as f32 + 0.5) / 1000.0) == i));
        let config = json!({ "prediction_type": "epsilon", "num_train_timesteps": 1000 });
        let sampling = TimestepSampling::LogitNormal {
            mean: -0.5,
            std: 0.8,
        };
        let normal = Noising::from_config(&config, sampling).expect("a known schedule");
        // Quantiles of the normal distribution: 15.87 %, 50 %, 84.13 %.
        for (share, z) in [(0.1587f32, -1.0), (0.5, 0.0), (0.8413, 1.0)] {
            let t = 1000.0 / (1.0 + f64::exp(0.5 - 0.8 * z));
            let step = normal.step_at(share) as f64;
            assert!((step - t).abs() < 2.0, "{share}: {step} for {t}");
        }
    }

    #[test]
    fn foreign_schedulers_are_named() {
        let error = Noising::from_config(
            &json!({ "prediction_type": "flow" }),
            TimestepSampling::Uniform,
        )
        .expect_err("not supported")
        .to_string();
        assert!(error.contains("flow"), "{error}");
    }
}
