//! Pseudo numerical methods (Liu et al. 2022, <https://arxiv.org/abs/2202.09778>):
//! Adams-Bashforth's multistep rule on predicted noise, started by Runge-Kutta
//! or, as in Stable Diffusion, by an averaged first step.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use super::{Sampler, SamplerOptions, SamplerStep, with_noise, x0_and_noise};
use crate::diffusion::DiffusionError;
use crate::diffusion::schedule::{NoiseSchedule, check_steps, spaced_timesteps};
use crate::diffusion::scheduler_config::{PredictionType, SchedulerConfig};
use crate::diffusion::torch_random::NoiseSource;
use crate::recipe::SamplerKind;

/// Steps that Runge-Kutta prepares, with four evaluations for each.
const ORDER: usize = 4;

pub(super) struct Pndm {
    schedule: NoiseSchedule,
    timesteps: Vec<f64>,
    /// How many evaluations belong to Runge-Kutta.
    runge_kutta: usize,
    stride: usize,
    final_alpha: f64,
    prediction: PredictionType,
    calls: usize,
    /// What the model said, newest last; four at most.
    said: VecDeque<Tensor<4>>,
    /// The sample at the beginning of a step of several evaluations.
    start: Option<Tensor<4>>,
    /// The weighted sum of a Runge-Kutta step so far.
    sum: Option<Tensor<4>>,
}

impl Pndm {
    pub fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let kind = SamplerKind::Pndm;
        let total = config.num_train_timesteps;
        let spaced = spaced_timesteps(config, kind, options.steps)?;
        let stride = total / options.steps;
        let mut timesteps = Vec::with_capacity(spaced.len() + 3 * ORDER);
        let mut runge_kutta = 0;
        if config.skip_prk_steps {
            // The second step is evaluated twice.
            timesteps.extend(spaced.iter().take(2));
            timesteps.extend(spaced.iter().skip(1));
        } else {
            check_steps(kind, options.steps, ORDER, total)?;
            // Each step is evaluated at its beginning, twice in its middle and at its end.
            let half = (stride / 2) as f64;
            for ends in spaced[..ORDER].windows(2) {
                let middle = ends[1] + half;
                timesteps.extend([ends[0], middle, middle, ends[1]]);
            }
            runge_kutta = timesteps.len();
            timesteps.extend(spaced.iter().skip(ORDER - 1));
        }
        let schedule = NoiseSchedule::new(config, kind);
        let ends_at_one = config.set_alpha_to_one.unwrap_or(false);
        Ok(Self {
            timesteps,
            runge_kutta,
            stride,
            final_alpha: if ends_at_one {
                1.0
            } else {
                schedule.alpha_cumprod(0)
            },
            prediction: config.prediction_type,
            schedule,
            calls: 0,
            said: VecDeque::with_capacity(4),
            start: None,
            sum: None,
        })
    }

    fn alpha(&self, step: i64) -> f64 {
        usize::try_from(step).map_or(self.final_alpha, |step| self.schedule.alpha_cumprod(step))
    }

    /// From one step to another along the predicted noise: equation 9 of the paper.
    fn transfer(&self, sample: Tensor<4>, from: i64, to: i64, said: Tensor<4>) -> SamplerStep {
        let (alpha, next) = (self.alpha(from), self.alpha(to));
        let (denoised, noise) = x0_and_noise(self.prediction, alpha, said, sample.clone());
        let down = alpha * (1.0 - next).sqrt() + (alpha * (1.0 - alpha) * next).sqrt();
        let sample = sample * (next / alpha).sqrt() - noise * ((next - alpha) / down);
        SamplerStep { sample, denoised }
    }

    fn runge_kutta_step(&mut self, t: i64, output: Tensor<4>, sample: Tensor<4>) -> SamplerStep {
        let is_half = self.calls.is_multiple_of(2);
        let to = if is_half {
            t - (self.stride / 2) as i64
        } else {
            t
        };
        let begin = self.timesteps[self.calls / 4 * 4] as i64;
        let weight = [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0][self.calls % 4];
        let part = output.clone() * weight;
        let sum = match self.sum.take() {
            Some(sum) => sum + part,
            None => part,
        };
        let said = match self.calls % 4 {
            0 => {
                self.said.push_back(output.clone());
                self.start = Some(sample.clone());
                self.sum = Some(sum);
                output
            }
            3 => sum,
            _ => {
                self.sum = Some(sum);
                output
            }
        };
        let start = self.start.clone().unwrap_or(sample);
        self.transfer(start, begin, to, said)
    }

    fn multistep(&mut self, t: i64, output: Tensor<4>, sample: Tensor<4>) -> SamplerStep {
        let stride = self.stride as i64;
        if self.calls == 1 {
            // The first step again, with the mean of what was said at both of its ends.
            let start = self.start.take().unwrap_or(sample);
            let said = match self.said.back() {
                Some(first) => (output + first.clone()) / 2.0,
                None => output,
            };
            return self.transfer(start, t + stride, t, said);
        }
        if self.said.len() == 4 {
            self.said.pop_front();
        }
        self.said.push_back(output);
        if self.calls == 0 {
            self.start = Some(sample.clone());
        }
        // Adams-Bashforth, as far as there is a past.
        let weights: &[f64] = match self.said.len() {
            1 => &[1.0],
            2 => &[-1.0 / 2.0, 3.0 / 2.0],
            3 => &[5.0 / 12.0, -16.0 / 12.0, 23.0 / 12.0],
            _ => &[-9.0 / 24.0, 37.0 / 24.0, -59.0 / 24.0, 55.0 / 24.0],
        };
        let terms = self.said.iter().zip(weights);
        let said = terms
            .map(|(said, weight)| said.clone() * *weight)
            .reduce(|sum, term| sum + term)
            .unwrap_or_else(|| sample.zeros_like());
        self.transfer(sample, t, t - stride, said)
    }
}

impl Sampler for Pndm {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn step(
        &mut self,
        index: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        _noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let t = self.timesteps[index] as i64;
        let step = if self.calls < self.runge_kutta {
            self.runge_kutta_step(t, output, sample)
        } else {
            self.multistep(t, output, sample)
        };
        self.calls += 1;
        step
    }

    fn add_noise(&self, clean: Tensor<4>, noise: Tensor<4>, index: usize) -> Tensor<4> {
        with_noise(
            self.schedule.alpha_cumprod(self.timesteps[index] as usize),
            clean,
            noise,
        )
    }
}
