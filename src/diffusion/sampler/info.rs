//! What is to be known of a sampler before it is made.

use super::super::DiffusionError;
use super::super::scheduler_config::{BetaSchedule, SchedulerConfig, TimestepSpacing};
use super::{Bound, SAMPLERS, Sampler};
use crate::recipe::{SamplerId, Schedule};

/// What the user decides about sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerOptions {
    /// Number of steps.
    pub steps: usize,
    /// How noise levels are spread; only where [`SamplerInfo::takes_schedules`].
    pub schedule: Schedule,
    /// 0 is deterministic, 1 as noisy as DDPM; only where [`SamplerInfo::takes_eta`].
    pub eta: f32,
}

/// What a sampler says of itself; each stands in the sampler's own file.
pub struct SamplerInfo {
    /// The name on the command line and in our JSON.
    pub id: &'static str,
    /// The name in menus and in A1111 infotext; [`SamplerId::from_label`] makes
    /// the id of it.
    pub label: &'static str,
    /// The classes of diffusers that are, or come closest to, this sampler.
    pub class_names: &'static [&'static str],
    /// The `algorithm_type` with which its class is this sampler, where others share it.
    pub algorithm_type: Option<&'static str>,
    /// Whether noise levels can be spread in other ways than that of the training, as
    /// diffusers offers it for some.
    pub takes_schedules: bool,
    /// Whether η changes anything.
    pub takes_eta: bool,
    /// Whether it asks the model at any noise level, and not only at those of steps of the
    /// training.
    pub takes_any_level: bool,
    pub(in crate::diffusion) reads: ConfigReading,
    pub(super) build: Build,
}

/// Makes a sampler for a configuration.
type Build = fn(&SchedulerConfig, SamplerOptions) -> Result<Box<dyn Sampler>, DiffusionError>;

impl SamplerInfo {
    /// Makes a sampler for a model's scheduler configuration.
    ///
    /// # Errors
    /// If the sampler cannot take so many steps, or a value of the configuration.
    pub fn build(
        &self,
        config: &SchedulerConfig,
        options: SamplerOptions,
    ) -> Result<Box<dyn Sampler>, DiffusionError> {
        if config.edm().is_some() && !self.takes_any_level {
            let others = SAMPLERS.iter().filter(|info| info.takes_any_level);
            return Err(DiffusionError::NoSteps {
                sampler: self.label,
                others: others.map(|info| info.id).collect(),
            });
        }
        (self.build)(config, options)
    }

    /// The name in recipes.
    pub fn sampler_id(&self) -> SamplerId {
        SamplerId::new(self.id)
    }
}

/// The sampler of a name.
///
/// # Errors
/// If there is none, with the names that there are.
pub fn sampler_info(id: &SamplerId) -> Result<&'static SamplerInfo, DiffusionError> {
    SAMPLERS
        .iter()
        .copied()
        .find(|info| info.id == id.as_str())
        .ok_or_else(|| DiffusionError::UnknownSampler {
            name: id.clone(),
            known: SAMPLERS.iter().map(|info| info.id).collect(),
        })
}

/// How a class of diffusers understands a `scheduler_config.json`: what it takes
/// for keys that are not there, and which it knows.
#[derive(Clone, Copy, Debug)]
pub(in crate::diffusion) struct ConfigReading {
    /// First and last β of files that do not tell.
    pub betas: (f64, f64),
    /// How β grows where the file does not tell.
    pub beta_schedule: BetaSchedule,
    /// Which steps are sampled where the file does not tell.
    pub spacing: TimestepSpacing,
    pub clip: Clip,
    /// Whether it knows of dynamic thresholds.
    pub thresholds: bool,
    pub zero_snr: ZeroSnr,
    /// Whether steps may lie between those of the training.
    pub takes_fractions: bool,
}

/// Whether predicted samples are clipped.
#[derive(Clone, Copy, Debug)]
pub(in crate::diffusion) enum Clip {
    /// The class does not know of it.
    Never,
    /// As the file says; else as this says.
    Unless(bool),
}

/// What becomes of schedules that end in pure noise (`rescale_betas_zero_snr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::diffusion) enum ZeroSnr {
    /// The class does not know of them.
    Ignored,
    /// ᾱ ends at 0.
    Reached,
    /// ᾱ ends so close to 0 that the noise level stays finite.
    AlmostReached,
}

impl ConfigReading {
    /// First and last β.
    pub fn betas(&self, config: &SchedulerConfig) -> (f64, f64) {
        (
            config.beta_start.unwrap_or(self.betas.0),
            config.beta_end.unwrap_or(self.betas.1),
        )
    }

    /// How β grows.
    pub fn beta_schedule(&self, config: &SchedulerConfig) -> BetaSchedule {
        config.beta_schedule.unwrap_or(self.beta_schedule)
    }

    /// Which steps are sampled.
    pub fn spacing(&self, config: &SchedulerConfig) -> TimestepSpacing {
        config.timestep_spacing.unwrap_or(self.spacing)
    }

    /// How predicted samples are bounded: by thresholds rather than by clipping, where a
    /// file asks for both.
    pub fn bound(&self, config: &SchedulerConfig) -> Bound {
        if self.thresholds && config.thresholding {
            return Bound::Dynamic {
                share: config.dynamic_thresholding_ratio,
                most: config.sample_max_value,
            };
        }
        match self.clip {
            Clip::Unless(usual) if config.clip_sample.unwrap_or(usual) => {
                Bound::Clipped(config.clip_sample_range)
            }
            _ => Bound::Free,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for info in SAMPLERS {
            let id = info.sampler_id();
            assert_eq!(SamplerId::from_label(info.label), id);
            assert_eq!(sampler_info(&id).map(|found| found.id).ok(), Some(info.id));
            let same = SAMPLERS.iter().filter(|other| other.id == info.id);
            assert_eq!(same.count(), 1, "{}", info.id);
        }
        let error = sampler_info(&SamplerId::new("unheard-of"))
            .err()
            .expect("not ours")
            .to_string();
        assert!(
            error.contains("unheard-of") && error.contains("euler-a, dpmpp-2m"),
            "{error}"
        );
    }
}
