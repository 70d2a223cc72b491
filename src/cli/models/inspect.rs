//! `velatura models inspect`: what a file or folder is, told from its headers.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::CliError;
use crate::cli::report::Reporter;
use crate::model::inspect::{inspect, precision_id};

/// What `velatura models inspect` takes.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// File or folder of a model
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// YAML file of an original checkpoint, if it is not the one beside it
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,
    /// Print a line of JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints what a model is.
pub(super) fn run(args: &InspectArgs, report: Reporter) -> Result<(), CliError> {
    let found = inspect(&args.path, args.config.as_deref())?;
    let mismatched: Vec<_> = found
        .mismatched
        .iter()
        .map(|(name, found, needed)| json!({"name": name, "shape": found, "needed": needed}))
        .collect();
    let fields = json!({
        "path": found.path.display().to_string(),
        "family": found.family.id(),
        "task": found.task.id(),
        "prediction": found.prediction.map(|prediction| prediction.id()),
        "precision": precision_id(found.precision),
        "parameters": found.parameters,
        "missing": found.missing,
        "surplus": found.surplus,
        "mismatched": mismatched,
        "averages": found.has_averages,
        "config": found.config.as_ref().map(|path| path.display().to_string()),
        "notices": found.notices,
        "message": found.sentence(),
    });
    report.result("model", fields, &found.sentence());
    // Of JSON there is one line, which has them.
    for notice in found.notices.iter().filter(|_| !args.json) {
        report.warning(notice);
    }
    Ok(())
}
