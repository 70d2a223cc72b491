//! `velatura scenes`: captioned, boxed, labelled pictures to train on.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::report::Reporter;
use super::{CliError, interrupt};
use crate::scenes;

/// What `velatura scenes` takes.
#[derive(Debug, Args)]
pub struct ScenesArgs {
    /// Number of scenes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Side of the pictures in pixels
    #[arg(long, value_name = "PX", default_value_t = 128)]
    size: u32,
    /// Seed: the same one makes the same scenes on every computer
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder to write into; it is made if it does not exist
    #[arg(long, visible_alias = "output", value_name = "DIR")]
    out: PathBuf,
    /// Print lines of JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Writes the scenes.
pub(super) fn run(args: &ScenesArgs, report: Reporter) -> Result<(), CliError> {
    interrupt::listen()?;
    let mut progress = report.progress(args.count, "scenes");
    let summary = scenes::write_dataset(&args.out, args.count, args.size, args.seed, |done| {
        progress.show(done, args.count, "");
        interrupt::go_on()
    })?;
    progress.finish();
    let (scenes, objects, folder) = (summary.scenes, summary.objects, summary.folder.display());
    report.result(
        "scenes",
        json!({ "scenes": scenes, "objects": objects, "folder": folder.to_string() }),
        &format!(
            "Wrote {scenes} scenes of {} px with {objects} objects into {folder}.",
            args.size
        ),
    );
    match summary.is_complete {
        true => Ok(()),
        false => Err(CliError::Interrupted),
    }
}
