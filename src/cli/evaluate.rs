//! `velatura evaluate`: does a model do what it is told?

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::model_name::find_model;
use super::report::Reporter;
use super::{CliError, DeviceArg, devices};
use crate::diffusion::LatentDiffusion;
use crate::evaluate::{EvaluationEvent, EvaluationPlan, Judge, JudgeTraining, evaluate};
use crate::folders;
use crate::model::ModelFolder;

/// What `velatura evaluate` takes.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Folder or name of a model trained on storybook scenes [default: the Storybook
    /// model]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Captions of unseen scenes to paint
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    prompts: u32,
    /// Seed of the scenes and of the noise; not one that the model was trained on
    #[arg(long, default_value_t = 20_260)]
    seed: u64,
    /// Number of sampling steps [default: the model's]
    #[arg(long)]
    steps: Option<u32>,
    /// Scale of classifier-free guidance, 1 for none [default: the model's]
    #[arg(long, value_name = "SCALE")]
    cfg_scale: Option<f32>,
    /// Folder of the network that judges the pictures; if it is empty, one is
    /// trained into it, which takes some minutes [default: the one that comes
    /// with the program]
    #[arg(long, value_name = "DIR")]
    judge: Option<PathBuf>,
    /// Folder that receives the pictures, named by number and kind
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Device that paints
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print lines of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// Paints unseen captions and prints what came of it.
pub(super) fn run(args: &EvaluateArgs, report: Reporter) -> Result<(), CliError> {
    let folder = match &args.model {
        Some(named) => find_model(named)?,
        None => folders::storybook_model().ok_or(CliError::NoStorybook)?,
    };
    let judge = judge(args.judge.as_deref(), report)?;
    let device = devices::open(args.device, report)?.device;
    let model = LatentDiffusion::load(&ModelFolder::open(&folder)?, &device)?;
    if let Some(pictures) = &args.pictures {
        std::fs::create_dir_all(pictures).map_err(|error| unwritable(pictures, &error))?;
    }
    let plan = EvaluationPlan {
        prompts: args.prompts,
        seed: args.seed,
        sampler: None,
        steps: args.steps.unwrap_or(model.studio().default_steps),
        guidance_scale: args
            .cfg_scale
            .unwrap_or(model.studio().default_guidance_scale),
    };
    let mut progress = report.progress(u64::from(2 * args.prompts), "pictures");
    let mut failure = None;
    let result = evaluate(&model, &device, &judge, &plan, &mut |event| {
        progress.show(u64::from(event.done), u64::from(event.total), event.caption);
        match args.pictures.as_deref().map(|folder| save(folder, &event)) {
            Some(Err(error)) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    });
    progress.finish();
    if let Some(error) = failure {
        return Err(error);
    }
    let figures = result?;
    let fields = json!({ "model": folder.display().to_string(), "figures": figures });
    report.result("evaluation", fields, &figures.table());
    Ok(())
}

/// Reads the judge, or trains one.
fn judge(named: Option<&Path>, report: Reporter) -> Result<Judge, CliError> {
    let bundled = folders::assets().map(|assets| assets.join("judge"));
    let folder = named.map(Path::to_owned).or(bundled);
    if let Some(folder) = folder.as_deref().filter(|folder| Judge::is_in(folder)) {
        return Ok(Judge::open(folder)?);
    }
    let training = JudgeTraining::default();
    report.status("Training a network that judges pictures.");
    let total = u64::from(training.steps);
    let mut progress = report.progress(total, "steps");
    let judge = Judge::train(training, &mut |step, loss| {
        progress.show(u64::from(step), total, &format!("loss {loss:.3}"));
        ControlFlow::Continue(())
    })?;
    progress.finish();
    // Only where the user asked for it: the program's own folder may be read-only.
    if let Some(folder) = named {
        judge.save(folder)?;
    }
    Ok(judge)
}

fn save(folder: &Path, event: &EvaluationEvent<'_>) -> Result<(), CliError> {
    let name = format!("{:04}-{}", event.index, event.kind.slug());
    let picture = folder.join(format!("{name}.png"));
    event
        .picture
        .save(&picture)
        .map_err(|error| CliError::Write {
            path: picture.clone(),
            reason: error.to_string(),
        })?;
    let caption = folder.join(format!("{name}.txt"));
    std::fs::write(&caption, event.caption).map_err(|error| unwritable(&caption, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
