//! How noise grows over the steps, and which steps are sampled.
//!
//! Rounded like diffusers, whose tables are in f32: the noise levels of the
//! first steps are so small that the last bits are seen in the result.

use super::DiffusionError;
use super::sampler::{ConfigReading, SamplerInfo, TRAINING, ZeroSnr};
use super::scheduler_config::{BetaSchedule, SchedulerConfig, TimestepSpacing};

/// ᾱ of the very last step of a schedule that ends in pure noise, where a noise
/// level must stay finite: the smallest positive number of f16.
const ALMOST_NOTHING: f32 = 1.0 / 16_777_216.0;
/// Its noise level. The root lies in the middle between two numbers of f32, of which torch
/// takes this one; the other one is seen in the result, where so much noise is taken off in
/// one step.
const ALMOST_ALL_NOISE: f64 = 4096.0;

/// The cumulative products of a noise schedule (Ho et al. 2020,
/// <https://arxiv.org/abs/2006.11239>).
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f32>,
}

impl NoiseSchedule {
    /// The schedule that a sampler uses of a configuration.
    ///
    /// Samplers matter: in diffusers some have other defaults, and some do not
    /// know of schedules that end in pure noise.
    pub(super) fn new(config: &SchedulerConfig, reads: &ConfigReading) -> Self {
        let mut betas = betas(config, reads);
        let ends_in_noise = config.rescale_betas_zero_snr && reads.zero_snr != ZeroSnr::Ignored;
        if ends_in_noise {
            betas = rescaled(&betas);
        }
        let mut alphas_cumprod = cumulative(&betas);
        if ends_in_noise
            && reads.zero_snr == ZeroSnr::AlmostReached
            && let Some(last) = alphas_cumprod.last_mut()
        {
            *last = ALMOST_NOTHING;
        }
        Self { alphas_cumprod }
    }

    /// The schedule of the training, which no sampler bends.
    pub fn of_training(config: &SchedulerConfig) -> Self {
        Self::new(config, &TRAINING)
    }

    /// Number of training steps.
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// Whether there are no steps, which [`SchedulerConfig`] does not allow.
    pub fn is_empty(&self) -> bool {
        self.alphas_cumprod.is_empty()
    }

    /// ᾱ of a step; of the last one for later steps.
    pub fn alpha_cumprod(&self, step: usize) -> f64 {
        f64::from(self.alphas_cumprod[step.min(self.len() - 1)])
    }

    /// Whether another schedule has as many steps and nowhere differs by more in √ᾱ.
    pub(super) fn is_like(&self, other: &Self, most: f64) -> bool {
        let mut pairs = self.alphas_cumprod.iter().zip(&other.alphas_cumprod);
        self.len() == other.len()
            && pairs.all(|(a, b)| f64::from(a.sqrt() - b.sqrt()).abs() <= most)
    }

    /// The noise levels √((1 − ᾱ) / ᾱ) of all steps.
    pub(super) fn sigmas(&self) -> Vec<f64> {
        let sigma = |alpha: &f32| match *alpha == ALMOST_NOTHING {
            true => ALMOST_ALL_NOISE,
            false => f64::from(((1.0 - alpha) / alpha).sqrt()),
        };
        self.alphas_cumprod.iter().map(sigma).collect()
    }
}

/// `torch.linspace` in f32: from both ends to the middle.
pub(super) fn linspace_f32(start: f64, end: f64, count: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    let step = (end - start) / (count.max(2) - 1) as f32;
    (0..count)
        .map(|i| {
            if i < count / 2 {
                step.mul_add(i as f32, start)
            } else {
                (-step).mul_add((count - 1 - i) as f32, end)
            }
        })
        .collect()
}

fn betas(config: &SchedulerConfig, reads: &ConfigReading) -> Vec<f32> {
    let count = config.num_train_timesteps;
    let (start, end) = reads.betas(config);
    if let Some(betas) = &config.trained_betas {
        return betas.iter().map(|beta| *beta as f32).collect();
    }
    match reads.beta_schedule(config) {
        BetaSchedule::Linear => linspace_f32(start, end, count),
        BetaSchedule::ScaledLinear => {
            let roots = linspace_f32(start.sqrt(), end.sqrt(), count);
            roots.into_iter().map(|root| root * root).collect()
        }
        BetaSchedule::SquaredcosCapV2 => {
            let bar = |t: f64| {
                ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2)
                    .cos()
                    .powi(2)
            };
            let at = |i: usize| i as f64 / count as f64;
            let beta = |i: usize| (1.0 - bar(at(i + 1)) / bar(at(i))).min(0.999);
            (0..count).map(|i| beta(i) as f32).collect()
        }
    }
}

fn cumulative(betas: &[f32]) -> Vec<f32> {
    let mut product = 1.0_f64;
    let step = |beta: &f32| {
        product *= f64::from(1.0 - beta);
        product as f32
    };
    betas.iter().map(step).collect()
}

/// Algorithm 1 of Lin et al. 2023: shifted so that the last step has no signal,
/// and stretched so that the first keeps its own.
fn rescaled(betas: &[f32]) -> Vec<f32> {
    let mut roots: Vec<f32> = cumulative(betas).into_iter().map(f32::sqrt).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    for root in &mut roots {
        *root = (*root - last) * (first / (first - last));
    }
    let mut before = 1.0_f32;
    roots
        .into_iter()
        .map(|root| {
            let bar = root * root;
            let beta = 1.0 - bar / before;
            before = bar;
            beta
        })
        .collect()
}

/// The training steps that are sampled, latest first; fractions only where a
/// sampler can use them.
///
/// # Errors
/// If there are more steps than the training had.
pub(super) fn spaced_timesteps(
    sampler: &SamplerInfo,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<Vec<f64>, DiffusionError> {
    let total = config.num_train_timesteps;
    check_steps(sampler.label, steps, 1, total)?;
    let mut timesteps: Vec<f64> = match sampler.reads.spacing(config) {
        TimestepSpacing::Linspace => {
            let evenly = linspace(0.0, (total - 1) as f64, steps);
            let fit = |t: f64| {
                if sampler.reads.takes_fractions {
                    f64::from(t as f32)
                } else {
                    t.round_ties_even()
                }
            };
            evenly.into_iter().rev().map(fit).collect()
        }
        TimestepSpacing::Leading => (0..steps)
            .rev()
            .map(|i| (i * (total / steps) + config.steps_offset.unwrap_or(0)) as f64)
            .collect(),
        TimestepSpacing::Trailing => trailing(total, total, steps),
    };
    for t in &mut timesteps {
        *t = t.min((total - 1) as f64);
    }
    Ok(timesteps)
}

pub(super) fn check_steps(
    sampler: &'static str,
    steps: usize,
    least: usize,
    most: usize,
) -> Result<(), DiffusionError> {
    if (least..=most).contains(&steps) {
        return Ok(());
    }
    Err(DiffusionError::Steps {
        sampler,
        steps,
        least,
        most,
    })
}

/// Back from `from` in even steps, rounded, less one.
pub(super) fn trailing(from: usize, total: usize, steps: usize) -> Vec<f64> {
    let ratio = total as f64 / steps as f64;
    (0..steps)
        .map(|i| (from as f64 - i as f64 * ratio).round_ties_even() - 1.0)
        .filter(|t| *t >= 0.0)
        .collect()
}

/// `numpy.linspace`.
pub(super) fn linspace(start: f64, end: f64, count: usize) -> Vec<f64> {
    let step = (end - start) / (count.max(2) - 1) as f64;
    (0..count)
        .map(|i| {
            if i > 0 && i + 1 == count {
                end
            } else {
                start + i as f64 * step
            }
        })
        .collect()
}

/// Linear interpolation in a table, held at its ends.
pub(super) fn interpolate(table: &[f64], at: f64) -> f64 {
    let at = at.clamp(0.0, (table.len() - 1) as f64);
    let low = at.floor() as usize;
    let high = (low + 1).min(table.len() - 1);
    table[low] + (at - low as f64) * (table[high] - table[low])
}

/// The training step with a noise level, by linear interpolation of its logarithm.
pub(super) fn step_of_sigma(sigmas: &[f64], sigma: f64) -> f64 {
    // The table's logarithms are in f32, as in diffusers.
    let log = |sigma: f64| f64::from((sigma as f32).ln());
    let wanted = sigma.max(1e-10).ln();
    let reached = sigmas
        .iter()
        .rposition(|known| wanted >= log(*known))
        .unwrap_or(0);
    let low = reached.min(sigmas.len().saturating_sub(2));
    let high = (low + 1).min(sigmas.len() - 1);
    let (from, to) = (log(sigmas[low]), log(sigmas[high]));
    if from == to {
        return low as f64;
    }
    let part = ((from - wanted) / (from - to)).clamp(0.0, 1.0);
    (1.0 - part) * low as f64 + part * high as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::sampler::sampler_info;
    use crate::recipe::SamplerId;

    fn sampler(id: &'static str) -> &'static SamplerInfo {
        sampler_info(&SamplerId::new(id)).expect("a sampler of ours")
    }

    fn stable_diffusion() -> NoiseSchedule {
        NoiseSchedule::of_training(&SchedulerConfig::stable_diffusion())
    }

    #[test]
    fn alphas_are_the_published_ones() {
        let schedule = stable_diffusion();
        for (step, alpha) in [
            (0, 0.999150),
            (1, 0.998296),
            (250, 0.673793),
            (500, 0.276333),
            (750, 0.056170),
            (999, 0.004660),
        ] {
            assert!(
                (schedule.alpha_cumprod(step) - alpha).abs() < 1e-6,
                "{step}"
            );
        }
        let sigmas = schedule.sigmas();
        assert!((sigmas[999] - 14.6146).abs() < 1e-3 && (sigmas[0] - 0.02917).abs() < 1e-5);
    }

    #[test]
    fn a_rescaled_schedule_ends_in_noise_and_begins_as_before() {
        let config = SchedulerConfig {
            rescale_betas_zero_snr: true,
            ..SchedulerConfig::stable_diffusion()
        };
        let rescaled = NoiseSchedule::of_training(&config);
        assert_eq!(rescaled.alpha_cumprod(999), 0.0);
        let first = stable_diffusion().alpha_cumprod(0);
        assert!((rescaled.alpha_cumprod(0) - first).abs() < 1e-6);
        let euler = NoiseSchedule::new(&config, &sampler("euler").reads);
        assert_eq!(euler.alpha_cumprod(999), f64::from(ALMOST_NOTHING));
    }

    #[test]
    fn a_noise_level_is_found_again() {
        let sigmas = stable_diffusion().sigmas();
        for step in [0, 1, 17, 500, 998, 999] {
            assert!(
                (step_of_sigma(&sigmas, sigmas[step]) - step as f64).abs() < 1e-3,
                "{step}"
            );
        }
    }

    #[test]
    fn more_steps_than_the_training_had_are_refused() {
        let config = SchedulerConfig::stable_diffusion();
        for steps in [0, 1001] {
            let error = spaced_timesteps(sampler("ddim"), &config, steps).expect_err("too many");
            assert!(error.to_string().contains("between 1 and 1000"), "{error}");
        }
        // 3, 7, 30, 999: numbers that do not divide 1000.
        for steps in [1, 3, 7, 30, 999, 1000] {
            for spacing in [
                TimestepSpacing::Linspace,
                TimestepSpacing::Leading,
                TimestepSpacing::Trailing,
            ] {
                let config = SchedulerConfig {
                    timestep_spacing: Some(spacing),
                    ..config.clone()
                };
                let found = spaced_timesteps(sampler("ddim"), &config, steps).expect("fine");
                assert_eq!(found.len(), steps);
                assert!(found.iter().all(|t| (0.0..1000.0).contains(t)));
            }
        }
    }
}
