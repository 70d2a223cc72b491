//! The range of every number of a run, in one place.
//!
//! What is no number lies in no range, and what lies in its range can be computed
//! with: a run that has begun does not end in numbers that are not finite for want
//! of a look at what it was asked.

use super::TrainError;
use super::config::{ConditionShares, TimestepSampling, TrainingConfig};
use crate::model::LatentInfo;
use crate::recipe::TrainSpec;

/// A number that `T` holds, and the range that makes sense.
struct Limit<T> {
    /// As it is called in a sentence, or in the file that it stands in.
    name: &'static str,
    least: f64,
    most: f64,
    get: fn(&T) -> f64,
}

/// More than anybody's steps.
const MANY: f64 = 1e15;

const RUN: &[Limit<TrainSpec>] = &[
    limit("the number of pictures of a batch", 1.0, 65_536.0, |s| {
        s.batch.into()
    }),
    limit(
        "the number of forward passes of a step",
        1.0,
        65_536.0,
        |s| s.accumulate.into(),
    ),
    limit("the side of the pictures in pixels", 8.0, 4096.0, |s| {
        s.size_px.into()
    }),
    limit("the number of steps", 1.0, MANY, |s| s.steps as f64),
    limit("the number of steps of the warm-up", 0.0, MANY, |s| {
        s.warmup_steps as f64
    }),
    limit("the learning rate", 1e-12, 10.0, |s| s.learning_rate),
    limit("the weight decay", 0.0, 10.0, |s| s.weight_decay),
    limit("the largest norm of gradients", 0.0, 1e9, |s| s.clip_norm),
    limit("the decay of the averaged weights", 0.0, 0.999_999_9, |s| {
        s.ema_decay
    }),
    limit("the share of dropped captions", 0.0, 1.0, |s| {
        s.caption_dropout.into()
    }),
    limit("the weight of the perceptual loss", 0.0, 1e4, |s| {
        s.perceptual_weight
    }),
    limit("the weight of the Kullback-Leibler loss", 0.0, 1e4, |s| {
        s.kl_weight
    }),
];

const TRAINING: &[Limit<TrainingConfig>] = &[
    limit("discriminator_weight", 0.0, 1e4, |c| {
        c.discriminator_weight.into()
    }),
    limit("codebook_beta", 0.0, 1e4, |c| c.codebook_beta),
    limit("codebook_restart_steps", 0.0, 1e9, |c| {
        c.codebook_restart_steps.into()
    }),
    limit("cached_pictures", 1.0, 1e9, |c| c.cached_pictures as f64),
    limit("cache_reuse", 1.0, 1e9, |c| c.cache_reuse.into()),
    limit("masks_per_picture", 1.0, 64.0, |c| {
        c.masks_per_picture as f64
    }),
    limit("full_mask_share", 0.0, 1.0, |c| c.full_mask_share.into()),
    limit("object_mask_share", 0.0, 1.0, |c| {
        c.object_mask_share.into()
    }),
    limit("object_weight", 1.0, 100.0, |c| c.object_weight.into()),
    limit("nothing", 0.0, 1.0, |c| shares(c).nothing.into()),
    limit("partial_caption", 0.0, 1.0, |c| {
        shares(c).partial_caption.into()
    }),
    limit("boxes", 0.0, 1.0, |c| shares(c).boxes.into()),
    limit("label_map", 0.0, 1.0, |c| shares(c).label_map.into()),
    limit("low_resolution", 0.0, 1.0, |c| {
        shares(c).low_resolution.into()
    }),
    limit("sticker_share", 0.0, 1.0, |c| {
        c.sticker_share.unwrap_or(0.0).into()
    }),
    limit("min_snr_gamma", 1e-3, 1e6, |c| {
        c.min_snr_gamma.unwrap_or(1.0)
    }),
    limit("offset_noise", 0.0, 1.0, |c| c.offset_noise.into()),
    limit("the mean of timestep_sampling", -5.0, 5.0, |c| {
        logit_normal(c).0
    }),
    limit("the std of timestep_sampling", 0.1, 10.0, |c| {
        logit_normal(c).1
    }),
];

const fn limit<T>(name: &'static str, least: f64, most: f64, get: fn(&T) -> f64) -> Limit<T> {
    Limit {
        name,
        least,
        most,
        get,
    }
}

fn shares(config: &TrainingConfig) -> ConditionShares {
    config.conditions.unwrap_or_default()
}

fn logit_normal(config: &TrainingConfig) -> (f64, f64) {
    match config.timestep_sampling {
        TimestepSampling::Uniform => (0.0, 1.0),
        TimestepSampling::LogitNormal { mean, std } => (mean, std),
    }
}

/// Checks every number of a job.
///
/// # Errors
/// The first that is out of its range.
pub(super) fn check_run(spec: &TrainSpec) -> Result<(), TrainError> {
    check(RUN, spec).map_err(TrainError::Setting)
}

/// Checks every fine point of the training.
///
/// # Errors
/// The first that is out of its range, as half a sentence.
pub(super) fn check_training(config: &TrainingConfig) -> Result<(), String> {
    check(TRAINING, config).map_err(|message| format!("in `training`, {message}"))
}

/// Checks that latents cover pictures of this side.
///
/// # Errors
/// If pixels are left over.
pub(super) fn check_side(size_px: u32, latents: LatentInfo) -> Result<(), TrainError> {
    let factor = latents.factor as u32;
    if size_px.is_multiple_of(factor) {
        return Ok(());
    }
    Err(TrainError::setting(format!(
        "the autoencoder makes 1 latent of {factor} pixels; choose a picture size that {factor} divides"
    )))
}

fn check<T>(limits: &[Limit<T>], of: &T) -> Result<(), String> {
    // Written out in full where that is short.
    let text = |number: f64| match number {
        _ if number.fract() == 0.0 && number.abs() < 1e7 => format!("{number:.0}"),
        _ => format!("{number:?}"),
    };
    for limit in limits {
        let value = (limit.get)(of);
        if !(limit.least..=limit.most).contains(&value) {
            return Err(format!(
                "{} must be between {} and {}, not {}",
                limit.name,
                text(limit.least),
                text(limit.most),
                text(value)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        check_run(&TrainSpec::default()).expect("a run");
        check_training(&TrainingConfig::default()).expect("fine points");
    }

    /// What each number of a run is set by.
    type Set = (&'static str, fn(&mut TrainSpec, f64));

    #[test]
    fn what_is_no_number_is_in_no_range() {
        let fields: [Set; 7] = [
            ("learning rate", |s, x| s.learning_rate = x),
            ("weight decay", |s, x| s.weight_decay = x),
            ("norm of gradients", |s, x| s.clip_norm = x),
            ("averaged weights", |s, x| s.ema_decay = x),
            ("dropped captions", |s, x| s.caption_dropout = x as f32),
            ("perceptual", |s, x| s.perceptual_weight = x),
            ("Kullback-Leibler", |s, x| s.kl_weight = x),
        ];
        for (name, set) in fields {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
                let mut spec = TrainSpec::default();
                set(&mut spec, bad);
                let error = check_run(&spec).expect_err(name).to_string();
                assert!(error.contains(name), "{error}");
            }
        }
        let still = TrainSpec {
            learning_rate: 0.0,
            ..TrainSpec::default()
        };
        let error = check_run(&still).expect_err("nothing would be learnt");
        let told = "the learning rate must be between 1e-12 and 10, not 0";
        assert_eq!(error.to_string(), told);
    }

    #[test]
    fn fine_points_are_named_as_in_their_file() {
        for (name, text) in [
            ("cache_reuse", r#"{ "cache_reuse": 0.5 }"#),
            ("min_snr_gamma", r#"{ "min_snr_gamma": 0 }"#),
            (
                "discriminator_weight",
                r#"{ "discriminator_weight": 1e30 }"#,
            ),
            (
                "std of timestep_sampling",
                r#"{ "timestep_sampling": { "logit_normal": { "mean": 0, "std": 0 } } }"#,
            ),
        ] {
            let config = serde_json::from_str(text).expect("fine points");
            let error = check_training(&config).expect_err(name);
            assert!(error.contains(name), "{error}");
        }
    }
}
