//! `velatura train`: from a folder of pictures to a model.

mod args;

use serde_json::json;

pub use args::TrainArgs;

use super::follow::follow;
use super::model_name::{find_first_stage, find_model};
use super::report::{Progress, Reporter};
use super::{CliError, Precision, devices};
use crate::engine::protocol::{EngineEvent, JobOutcome, TrainEvent};
use crate::folders;
use crate::recipe::TrainTarget;

/// Trains, and tells how it goes.
pub(super) fn run(args: &TrainArgs, report: Reporter) -> Result<(), CliError> {
    let mut spec = args.spec()?;
    spec.latent_cache = args.latent_cache();
    // What goes on has what it needs of them already.
    if !spec.resume {
        spec.from = spec.from.as_deref().map(find_model).transpose()?;
        let stage = spec.first_stage.as_deref();
        spec.first_stage = stage.map(find_first_stage).transpose()?;
    }
    let needs_latents = match spec.target {
        TrainTarget::Autoencoder => false,
        TrainTarget::Diffusion => spec.from.is_none(),
        TrainTarget::Classifier => true,
    };
    if needs_latents && spec.first_stage.is_none() {
        spec.first_stage = folders::storybook_model();
    }
    let mut engine = devices::start_engine(args.device(), Precision::F32)?;
    let mut progress = report.progress(spec.steps, "steps");
    let output = spec.output.display().to_string();
    let mut is_saved = false;
    let job = engine.train(spec);
    let ended = follow(&mut engine, job, &mut progress, &mut |event, progress| {
        if let EngineEvent::Training { news, .. } = event {
            is_saved |= matches!(news, TrainEvent::Checkpoint { .. });
            tell(news, report, progress);
        }
        Ok(())
    });
    engine.close();
    if matches!(ended, Err(CliError::Interrupted)) && is_saved {
        report.status(&format!("`--resume` goes on with what is in {output}."));
    }
    let JobOutcome::Trained(outcome) = ended? else {
        // A training run ends in a model or not at all.
        return Ok(());
    };
    let folder = outcome.model.display().to_string();
    let skipped = outcome.skipped.len();
    if skipped > 0 {
        report.status(&format!("{skipped} pictures were left out."));
    }
    report.result(
        "model",
        json!({
            "folder": folder,
            "step": outcome.step,
            "loss": outcome.loss,
            "skipped": skipped,
        }),
        &folder,
    );
    Ok(())
}

fn tell(event: TrainEvent, report: Reporter, progress: &mut Progress) {
    match event {
        TrainEvent::Started {
            step,
            total,
            parameters,
            pictures,
        } => {
            progress.start_at(step, total);
            let millions = parameters as f64 / 1e6;
            let resumed = match step {
                0 => String::new(),
                step => format!(", going on after step {step}"),
            };
            progress.say(&format!(
                "Training {millions:.2} million weights on {pictures}{resumed}."
            ));
        }
        TrainEvent::Step(step) => {
            report.event(
                "step",
                json!({
                    "step": step.step,
                    "total": step.total,
                    "loss": step.loss,
                    "learning_rate": step.learning_rate,
                    "images_per_sec": step.images_per_sec,
                    "grad_norm": step.grad_norm,
                }),
            );
            let (loss, rate) = (step.loss, step.images_per_sec);
            let note = format!("loss {loss:.4}, {rate:.1} pictures/s");
            progress.show(step.step, step.total, &note);
        }
        TrainEvent::Evaluation { step, name, value } => {
            report.event(
                "evaluation",
                json!({ "step": step, "name": name, "value": value }),
            );
            progress.tell(&format!("Step {step}: {name} {value:.4}"));
        }
        TrainEvent::SampleSheet { step, path, .. } => {
            let path = path.display().to_string();
            report.event("sample_sheet", json!({ "step": step, "path": path }));
            progress.tell(&format!("Step {step}: samples in {path}"));
        }
        TrainEvent::Checkpoint { path, model } => {
            let (path, model) = (path.display().to_string(), model.display().to_string());
            report.event("checkpoint", json!({ "path": path, "model": model }));
            progress.tell(&format!("Checkpoint in {path}"));
        }
        TrainEvent::Skipped(picture) => {
            let path = picture.path.display();
            progress.warn(&format!("{path} is left out: {}", picture.reason));
        }
        TrainEvent::Warning { message } => progress.warn(&message),
    }
}
