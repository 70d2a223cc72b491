//! What a denoiser predicts of a noisy sample, and what follows from it.
//!
//! A sample is √ᾱ x₀ + √(1 − ᾱ) ε, or, divided by √ᾱ, x₀ + σ ε. Whatever the
//! denoiser predicts, it tells both x₀ and ε.

use burn::tensor::Tensor;
use serde::Deserialize;

/// What the denoiser predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise ε.
    #[default]
    Epsilon,
    /// The velocity √ᾱ ε − √(1 − ᾱ) x₀ (Salimans and Ho 2022, <https://arxiv.org/abs/2202.00512>).
    VPrediction,
    /// The clean sample x₀.
    Sample,
    /// What of x₀ the sample itself does not tell (Karras et al. 2022,
    /// <https://arxiv.org/abs/2206.00364>, table 1, EDM): of x₀ + σ ε, brought to a deviation
    /// of 1, the part F in x₀ = c_skip (x₀ + σ ε) + c_out F.
    #[serde(skip)]
    Edm {
        /// Standard deviation of clean samples.
        deviation: f64,
        /// Whether the other sign is predicted, as that of a velocity is.
        is_velocity: bool,
    },
}

/// c_skip and c_out of EDM at a noise level.
fn parts(sigma: f64, deviation: f64, is_velocity: bool) -> [f64; 2] {
    let square = sigma * sigma + deviation * deviation;
    let out = sigma * deviation / square.sqrt();
    let skip = deviation * deviation / square;
    [skip, if is_velocity { -out } else { out }]
}

impl PredictionType {
    /// What a perfect denoiser says of √ᾱ x₀ + √(1 − ᾱ) ε, given those two roots.
    pub fn target(self, [signal, sigma]: [f32; 2], clean: f32, noise: f32) -> f32 {
        match self {
            Self::Epsilon => noise,
            Self::VPrediction => signal * noise - sigma * clean,
            Self::Sample => clean,
            Self::Edm {
                deviation,
                is_velocity,
            } => {
                let level = sigma / signal;
                let [skip, out] = parts(f64::from(level), deviation, is_velocity);
                (clean - skip as f32 * (clean + level * noise)) / out as f32
            }
        }
    }

    /// What was said of √ᾱ x₀ + √(1 − ᾱ) ε, as x₀ and ε.
    ///
    /// # Shapes
    /// `said` and `sample`: the same; the results too.
    pub(super) fn x0_and_noise(
        self,
        alpha_cumprod: f64,
        said: Tensor<4>,
        sample: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let (signal, sigma) = (alpha_cumprod.sqrt(), (1.0 - alpha_cumprod).sqrt());
        match self {
            Self::Epsilon => {
                let x0 = (sample - said.clone() * sigma) / signal;
                (x0, said)
            }
            Self::VPrediction => {
                let x0 = sample.clone() * signal - said.clone() * sigma;
                (x0, said * signal + sample * sigma)
            }
            Self::Sample => {
                let noise = (sample - said.clone() * signal) / sigma;
                (said, noise)
            }
            Self::Edm { .. } => {
                let x0 = self.clean([signal, sigma], &said, sample.clone());
                let noise = (sample - x0.clone() * signal) / sigma;
                (x0, noise)
            }
        }
    }

    /// What was said of √ᾱ x₀ + √(1 − ᾱ) ε, given those two roots, as x₀.
    ///
    /// # Shapes
    /// `said` and `sample`: the same; the result too.
    pub(super) fn clean(
        self,
        [signal, sigma]: [f64; 2],
        said: &Tensor<4>,
        sample: Tensor<4>,
    ) -> Tensor<4> {
        match self {
            Self::Epsilon => (sample - said.clone() * sigma) / signal,
            Self::VPrediction => sample * signal - said.clone() * sigma,
            Self::Sample => said.clone(),
            Self::Edm { .. } => self.x0_of_sigma(sigma / signal, said.clone(), sample / signal),
        }
    }

    /// What would have been said of the same sample had x₀ been further by so much.
    ///
    /// # Shapes
    /// `said` and `further`: the same; the result too.
    pub(super) fn moved(
        self,
        [signal, sigma]: [f64; 2],
        said: Tensor<4>,
        further: Tensor<4>,
    ) -> Tensor<4> {
        match self {
            Self::Epsilon => said - further * (signal / sigma),
            Self::VPrediction => said - further / sigma,
            Self::Sample => said + further,
            Self::Edm {
                deviation,
                is_velocity,
            } => {
                let [_, out] = parts(sigma / signal, deviation, is_velocity);
                said + further / out
            }
        }
    }

    /// What was said of x₀ + σ ε, as x₀.
    ///
    /// # Shapes
    /// `said` and `sample`: the same; the result too.
    pub(super) fn x0_of_sigma(self, sigma: f64, said: Tensor<4>, sample: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Epsilon => sample - said * sigma,
            Self::VPrediction => {
                let square = sigma * sigma + 1.0;
                sample / square - said * (sigma / square.sqrt())
            }
            Self::Sample => said,
            Self::Edm {
                deviation,
                is_velocity,
            } => {
                let [skip, out] = parts(sigma, deviation, is_velocity);
                sample * skip + said * out
            }
        }
    }

    /// What a denoiser gets to see of x₀ + σ ε: it, brought to the deviation of clean samples
    /// that it was trained with, which is 1 of EDM.
    ///
    /// # Shapes
    /// As given.
    pub(super) fn seen_of_sigma(self, sigma: f64, sample: Tensor<4>) -> Tensor<4> {
        let square = match self {
            Self::Edm { deviation, .. } => deviation * deviation,
            _ => 1.0,
        };
        sample / (sigma * sigma + square).sqrt()
    }
}

/// √ᾱ x₀ + √(1 − ᾱ) ε.
///
/// # Shapes
/// `clean` and `noise`: the same; the result too.
pub(super) fn with_noise(alpha_cumprod: f64, clean: Tensor<4>, noise: Tensor<4>) -> Tensor<4> {
    clean * alpha_cumprod.sqrt() + noise * (1.0 - alpha_cumprod).sqrt()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// What a perfect denoiser says leads back to where the sample came from.
    #[test]
    fn all_predictions_tell_the_same() {
        let (clean, noise) = ([0.5_f32, -1.25, 2.0, 0.0], [1.0_f32, -0.5, 0.25, 2.0]);
        let tensor = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [1, 1, 2, 2]);
            Tensor::<4>::from_data(data, &Device::flex())
        };
        let close = |found: Tensor<4>, wanted: &[f32]| {
            let found: Vec<f32> = found.into_data().try_into_vec_as().unwrap();
            found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-4)
        };
        for alpha in [0.9991, 0.5, 0.0047] {
            let roots = [f64::sqrt(alpha), f64::sqrt(1.0 - alpha)].map(|root| root as f32);
            let sample = with_noise(alpha, tensor(&clean), tensor(&noise));
            for kind in [
                PredictionType::Epsilon,
                PredictionType::VPrediction,
                PredictionType::Sample,
                PredictionType::Edm {
                    deviation: 0.5,
                    is_velocity: false,
                },
                PredictionType::Edm {
                    deviation: 1.0,
                    is_velocity: true,
                },
            ] {
                let said: Vec<f32> = clean
                    .iter()
                    .zip(&noise)
                    .map(|(x, e)| kind.target(roots, *x, *e))
                    .collect();
                let (x0, epsilon) = kind.x0_and_noise(alpha, tensor(&said), sample.clone());
                assert!(close(x0, &clean), "{kind:?} {alpha}");
                // The last steps hold next to no noise to find again.
                assert!(alpha > 0.99 || close(epsilon, &noise), "{kind:?} {alpha}");
                let levels = [alpha.sqrt(), (1.0 - alpha).sqrt()];
                let found = kind.clean(levels, &tensor(&said), sample.clone());
                assert!(close(found, &clean), "{kind:?} {alpha}");
                let further = tensor(&[0.5, -0.25, 1.0, 2.0]);
                let moved = kind.moved(levels, tensor(&said), further);
                let found = kind.clean(levels, &moved, sample.clone());
                assert!(close(found, &[1.0, -1.5, 3.0, 2.0]), "{kind:?} {alpha}");
                let sigma = ((1.0 - alpha) / alpha).sqrt();
                let scaled = sample.clone() / alpha.sqrt();
                assert!(
                    close(kind.x0_of_sigma(sigma, tensor(&said), scaled), &clean),
                    "{kind:?} {alpha}"
                );
            }
        }
    }
}
