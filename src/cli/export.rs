//! `velatura export`: a model as others get it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::examples::EXPORT;
use super::model_name::find_model;
use super::models::size_bytes;
use super::report::Reporter;
use super::{CliError, Precision, interrupt};
use crate::files::reason_of;
use crate::model::{ModelError, ModelFolder};

/// What `velatura export` takes.
#[derive(Debug, Args)]
#[command(after_long_help = EXPORT)]
pub struct ExportArgs {
    /// Folder or name of the model
    model: PathBuf,
    /// Folder to write; a model that lies there is replaced
    #[arg(long, visible_alias = "output", value_name = "DIR")]
    out: PathBuf,
    /// How weights are stored
    #[arg(long, value_enum, default_value_t = Precision::F16)]
    precision: Precision,
    /// Model card: a Markdown file that tells of data, training and limits
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Name shown to the user [default: as it is]
    #[arg(long)]
    name: Option<String>,
    /// Print lines of JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Copies the model.
pub(super) fn run(args: &ExportArgs, report: Reporter) -> Result<(), CliError> {
    let model = ModelFolder::open(find_model(&args.model)?)?;
    let mut manifest = model.manifest();
    if let Some(name) = &args.name {
        manifest.name.clone_from(name);
    }
    if let Some(path) = &args.card {
        manifest.model_card = std::fs::read_to_string(path).map_err(|error| CliError::Read {
            path: path.clone(),
            reason: reason_of(&error),
        })?;
    }
    interrupt::listen()?;
    let goes_on = &mut |_, _| !interrupt::is_asked();
    let written = model.copy_while(&args.out, args.precision.into(), &manifest, goes_on);
    let written = match written {
        Err(ModelError::WritingEnded(_)) if interrupt::is_asked() => {
            return Err(CliError::Interrupted);
        }
        written => written?,
    };
    let folder = written.path().display().to_string();
    let bytes = size_bytes(written.path());
    report.result(
        "model",
        json!({ "folder": folder, "size_bytes": bytes }),
        &format!("Wrote {:.1} MB into {folder}.", bytes as f64 / 1e6),
    );
    Ok(())
}
