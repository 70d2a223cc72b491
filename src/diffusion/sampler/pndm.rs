//! Pseudo numerical methods (Liu et al. 2022, <https://arxiv.org/abs/2202.09778>):
//! Adams-Bashforth's multistep rule on predicted noise, started by Runge-Kutta
//! or, as in Stable Diffusion, by an averaged first step.

use burn::tensor::Tensor;

use super::{
    Clip, ConfigReading, Grid, OpenStep, Sampler, SamplerInfo, SamplerMemory, SamplerOptions,
    SamplerStep, TrainedSteps, ZeroSnr, adams_bashforth,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::prediction::PredictionType;
use crate::diffusion::schedule::{check_steps, spaced_timesteps};
use crate::diffusion::scheduler_config::{BetaSchedule, SchedulerConfig, TimestepSpacing};
use crate::diffusion::torch_random::NoiseSource;

/// Predictions that a step looks back on; Runge-Kutta makes the first ones, with
/// four evaluations for each.
const ORDER: usize = 4;

/// diffusers' `PNDMScheduler`, with Runge-Kutta or without it, as the model's
/// configuration says.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "pndm",
    label: "PNDM",
    class_names: &["PNDMScheduler"],
    algorithm_type: None,
    takes_schedules: false,
    takes_eta: false,
    takes_any_level: false,
    reads: READS,
    build: |config, options| Ok(Box::new(Pndm::new(config, options)?)),
};

const READS: ConfigReading = ConfigReading {
    betas: (1e-4, 0.02),
    beta_schedule: BetaSchedule::Linear,
    spacing: TimestepSpacing::Leading,
    clip: Clip::Never,
    thresholds: false,
    zero_snr: ZeroSnr::Ignored,
    takes_fractions: false,
};

struct Pndm {
    steps: TrainedSteps,
    /// How many evaluations belong to Runge-Kutta.
    runge_kutta: usize,
    stride: usize,
    final_alpha: f64,
    prediction: PredictionType,
}

impl Pndm {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        let total = config.num_train_timesteps;
        let spaced = spaced_timesteps(&INFO, config, options.steps)?;
        let stride = total / options.steps;
        let mut timesteps = Vec::with_capacity(spaced.len() + 3 * ORDER);
        let mut runge_kutta = 0;
        if config.skip_prk_steps {
            // The second step is evaluated twice.
            timesteps.extend(spaced.iter().take(2));
            timesteps.extend(spaced.iter().skip(1));
        } else {
            check_steps(INFO.label, options.steps, ORDER, total)?;
            // Each step is evaluated at its beginning, twice in its middle and at its end.
            let half = (stride / 2) as f64;
            for ends in spaced[..ORDER].windows(2) {
                let middle = ends[1] + half;
                timesteps.extend([ends[0], middle, middle, ends[1]]);
            }
            runge_kutta = timesteps.len();
            timesteps.extend(spaced.iter().skip(ORDER - 1));
        }
        let steps = TrainedSteps::new(config, &READS, timesteps);
        let ends_at_one = config.set_alpha_to_one.unwrap_or(false);
        Ok(Self {
            runge_kutta,
            stride,
            final_alpha: if ends_at_one {
                1.0
            } else {
                steps.schedule.alpha_cumprod(0)
            },
            prediction: config.prediction_type,
            steps,
        })
    }

    fn alpha(&self, step: i64) -> f64 {
        usize::try_from(step).map_or(self.final_alpha, |step| {
            self.steps.schedule.alpha_cumprod(step)
        })
    }

    /// From one step to another along the predicted noise: equation 9 of the paper.
    fn transfer(&self, sample: Tensor<4>, from: i64, to: i64, said: Tensor<4>) -> SamplerStep {
        let (alpha, next) = (self.alpha(from), self.alpha(to));
        let (denoised, noise) = self.prediction.x0_and_noise(alpha, said, sample.clone());
        let down = alpha * (1.0 - next).sqrt() + (alpha * (1.0 - alpha) * next).sqrt();
        let sample = sample * (next / alpha).sqrt() - noise * ((next - alpha) / down);
        SamplerStep { sample, denoised }
    }

    fn runge_kutta_step(
        &self,
        t: i64,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
    ) -> SamplerStep {
        let is_half = memory.calls.is_multiple_of(2);
        let to = if is_half {
            t - (self.stride / 2) as i64
        } else {
            t
        };
        let begin = self.steps.timesteps[memory.calls / 4 * 4] as i64;
        let weight = [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0][memory.calls % 4];
        let part = output.clone() * weight;
        let is_first = memory.calls.is_multiple_of(4);
        let open = match memory.open.take() {
            Some(open) if !is_first => OpenStep {
                sum: open.sum + part,
                ..open
            },
            _ => OpenStep { sample, sum: part },
        };
        if is_first {
            memory.past.push(output.clone());
        }
        if memory.calls % 4 == 3 {
            return self.transfer(open.sample, begin, to, open.sum);
        }
        let start = open.sample.clone();
        memory.open = Some(open);
        self.transfer(start, begin, to, output)
    }

    fn multistep(
        &self,
        t: i64,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
    ) -> SamplerStep {
        let stride = self.stride as i64;
        if memory.calls == 1 {
            // The first step again, with the mean of what was said at both of its ends.
            let (start, said) = match memory.open.take() {
                Some(open) => (open.sample, (output + open.sum) / 2.0),
                None => (sample, output),
            };
            return self.transfer(start, t + stride, t, said);
        }
        if memory.past.len() == ORDER {
            memory.past.remove(0);
        }
        memory.past.push(output.clone());
        if memory.calls == 0 {
            memory.open = Some(OpenStep {
                sample: sample.clone(),
                sum: output,
            });
        }
        let said = adams_bashforth(&memory.past).unwrap_or_else(|| sample.zeros_like());
        self.transfer(sample, t, t - stride, said)
    }
}

impl Sampler for Pndm {
    fn grid(&self) -> &dyn Grid {
        &self.steps
    }

    fn step(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        _noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let t = self.steps.timesteps[index] as i64;
        let step = if memory.calls < self.runge_kutta {
            self.runge_kutta_step(t, memory, output, sample)
        } else {
            self.multistep(t, memory, output, sample)
        };
        memory.calls += 1;
        step
    }

    /// It prepares itself at the beginning of a run only.
    fn restarted(&self, memory: &SamplerMemory) -> SamplerMemory {
        SamplerMemory {
            calls: memory.calls,
            ..SamplerMemory::default()
        }
    }
}
