//! Whether a run that goes on is asked for what it began with. Sizes of networks, pictures
//! and seeds stand in its checkpoints and are compared with those; here is what a checkpoint
//! would pass over without a word.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::TrainError;
use super::config::TrainConfig;
use super::run_file::FoundRun;
use crate::model::FirstStageConfig;
use crate::recipe::{LatentKind, TrainSpec, TrainTarget, TrainTask};

/// What to do instead.
const INSTEAD: &str = "or begin another run in another folder";

/// Compares a job with the run in its output folder, whose newest checkpoint has these
/// `networks`, and takes from them the sizes that are not said. What makes no difference
/// comes back as a sentence for the user.
///
/// # Errors
/// If the job contradicts what the run began with.
pub(super) fn go_on(
    spec: &TrainSpec,
    config: &mut TrainConfig,
    networks: &Value,
) -> Result<Option<String>, TrainError> {
    let begun = FoundRun::in_folder(&spec.output).map(|found| found.spec);
    let mut remark = None;
    if let Some(begun) = begun.filter(|begun| begun.target == spec.target) {
        remark = check_beginning(spec, &begun)?;
        check_task(spec, &begun)?;
    }
    if spec.from.is_none() {
        let is_said = config.autoencoder.is_some();
        // What is usual for a size may have become another one meanwhile.
        config.go_on(spec.target, networks);
        if let Some(sizes) = config.autoencoder.as_ref().filter(|_| !is_said) {
            check_latents(spec, sizes)?;
        }
    }
    Ok(remark)
}

/// Checks that the weights with which the run began, and which its checkpoint has changed,
/// are no others.
fn check_beginning(spec: &TrainSpec, begun: &TrainSpec) -> Result<Option<String>, TrainError> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (&begun.from, &spec.from) {
        (None, Some(from)) => Err(TrainError::setting(format!(
            "the run began with random weights and not with \u{201c}{}\u{201d}; leave --from out, {INSTEAD}",
            from.display()
        ))),
        (Some(from), None) => Err(TrainError::setting(format!(
            "the run began with the weights of \u{201c}{0}\u{201d}; go on with --from {0}, {INSTEAD}",
            from.display()
        ))),
        (Some(from), Some(other)) if absolute(from) != absolute(other) => Ok(Some(format!(
            "the run began with \u{201c}{}\u{201d}, and its weights are those of its checkpoint: none of \u{201c}{}\u{201d} is taken",
            from.display(),
            other.display()
        ))),
        _ => Ok(None),
    }
}

fn check_task(spec: &TrainSpec, begun: &TrainSpec) -> Result<(), TrainError> {
    if spec.task == begun.task || spec.target != TrainTarget::Diffusion {
        return Ok(());
    }
    let named = |task: Option<TrainTask>| match task {
        Some(task) => format!("the task {}", word(task)),
        None => "no task".to_owned(),
    };
    let (before, now) = (named(begun.task), named(spec.task));
    Err(TrainError::setting(format!(
        "the run began with {before} and is to go on with {now}; ask for what it began with, {INSTEAD}"
    )))
}

/// Checks that an autoencoder of the usual sizes has the latents that are asked for.
fn check_latents(spec: &TrainSpec, sizes: &FirstStageConfig) -> Result<(), TrainError> {
    let kind = match sizes {
        FirstStageConfig::Kl(_) => LatentKind::Kl,
        FirstStageConfig::Vq(_) => LatentKind::Vq,
        FirstStageConfig::Tiny(_) | FirstStageConfig::Pixels(_) => return Ok(()),
    };
    let factor = sizes.info().factor;
    let wanted = spec.latent_factor.map(|wanted| wanted as usize);
    if kind == spec.latents && wanted.is_none_or(|wanted| wanted == factor) {
        return Ok(());
    }
    Err(TrainError::setting(format!(
        "the run began with latents of the kind {0}, {factor} pixels a side; go on with --latents {0} \
         --factor {factor}, {INSTEAD}",
        word(kind)
    )))
}

/// The word for a choice in settings and options.
fn word(choice: impl Serialize) -> String {
    let word = serde_json::to_value(choice).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}
