//! Noise without steps (Karras et al. 2022, <https://arxiv.org/abs/2206.00364>, table 1,
//! EDM): a denoiser that was trained at any level between two, and is told the level itself.

use super::spread::spread;
use crate::recipe::Schedule;

/// Levels of a table where somebody asks for one.
const TABLE: usize = 1000;

/// The levels that a denoiser was trained at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::diffusion) struct Edm {
    /// The smallest and the largest.
    pub limits: [f64; 2],
    /// How they are spread where nobody says; never [`Schedule::Uniform`].
    pub schedule: Schedule,
}

impl Edm {
    /// So many levels, largest first.
    pub fn levels(&self, schedule: Schedule, steps: usize) -> Vec<f64> {
        let spread_as = |schedule, table: &[f64], steps| {
            spread(schedule, table, self.limits, steps).unwrap_or_default()
        };
        match schedule {
            Schedule::Uniform => spread_as(self.schedule, &[], steps),
            Schedule::AlignYourSteps => {
                let mut table = spread_as(self.schedule, &[], TABLE);
                table.reverse();
                spread_as(schedule, &table, steps)
            }
            other => spread_as(other, &[], steps),
        }
    }

    /// The standard deviation of the noise to begin with, in which diffusers counts that of
    /// a picture too.
    pub fn init_noise_sigma(&self) -> f64 {
        let [_, largest] = self.limits;
        (largest * largest + 1.0).sqrt()
    }
}

/// What a denoiser is told of a level in place of a step.
pub(super) fn time(sigma: f64) -> f64 {
    sigma.ln() / 4.0
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use serde_json::json;

    use super::*;
    use crate::diffusion::sampler::{SAMPLERS, SamplerMemory, SamplerOptions};
    use crate::diffusion::{PredictionType, SchedulerConfig, TorchGenerator};

    /// Who always knows the clean sample is led to it by every sampler, which shows that each
    /// asks at the levels that it tells of.
    #[test]
    fn every_sampler_ends_where_the_denoiser_says() {
        let clean = [0.5_f32, -1.25, 2.0, 0.25];
        let tensor = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [1, 1, 2, 2]);
            Tensor::<4>::from_data(data, &Device::flex())
        };
        let numbers = |tensor: Tensor<4>| -> Vec<f32> {
            tensor.into_data().try_into_vec_as().expect("numbers")
        };
        for (kind, is_velocity) in [("epsilon", false), ("v_prediction", true)] {
            let config = SchedulerConfig::from_json(&json!({
                "_class_name": "EDMEulerScheduler", "prediction_type": kind,
            }));
            let config = config.expect("a scheduler");
            let prediction = PredictionType::Edm {
                deviation: 0.5,
                is_velocity,
            };
            assert_eq!(config.prediction_type, prediction);
            for info in SAMPLERS.iter().filter(|info| info.takes_any_level) {
                let options = SamplerOptions {
                    steps: 12,
                    schedule: Schedule::Karras,
                    eta: 0.0,
                };
                let sampler = info.build(&config, options).expect("a sampler");
                let (grid, mut memory) = (sampler.grid(), SamplerMemory::default());
                let mut random = TorchGenerator::new(7);
                let noise = [1.0, -0.5, 0.25, -2.0];
                let mut sample = tensor(&noise) * grid.init_noise_sigma();
                for (index, time) in grid.timesteps().iter().enumerate() {
                    let sigma = (4.0 * time).exp();
                    let seen = numbers(grid.scaled(sample.clone(), index));
                    let input = 1.0 / (sigma * sigma + 0.25).sqrt();
                    let said = seen.iter().zip(clean).map(|(seen, clean)| {
                        let noise = (f64::from(*seen) / input - f64::from(clean)) / sigma;
                        let roots = [input as f32, (input * sigma) as f32];
                        prediction.target(roots, clean, noise as f32)
                    });
                    let said: Vec<f32> = said.collect();
                    let step = sampler.step(index, &mut memory, tensor(&said), sample, &mut random);
                    let found = numbers(step.denoised);
                    let is_near =
                        |most: f32| found.iter().zip(clean).all(|(a, b)| (a - b).abs() < most);
                    // What is small beside so much noise is rounded.
                    assert!(is_near(1e-3), "{} {index}: {found:?}", info.id);
                    sample = step.sample;
                }
                let end = numbers(sample);
                let is_there = end.iter().zip(clean).all(|(a, b)| (a - b).abs() < 1e-3);
                assert!(is_there, "{}: {end:?}", info.id);
            }
        }
    }

    #[test]
    fn levels_lie_between_the_limits() {
        let edm = Edm {
            limits: [0.002, 80.0],
            schedule: Schedule::Karras,
        };
        for schedule in Schedule::ALL {
            for steps in [1, 2, 10, 30] {
                let levels = edm.levels(schedule, steps);
                assert_eq!(levels.len(), steps, "{schedule:?}");
                assert!((levels[0] - 80.0).abs() < 1e-9, "{schedule:?}: {levels:?}");
                let falls = levels.windows(2).all(|pair| pair[0] > pair[1]);
                assert!(falls && levels[steps - 1] > 0.0019, "{schedule:?}");
            }
        }
        assert!((time(0.002) + 1.553_652).abs() < 1e-6);
    }
}
