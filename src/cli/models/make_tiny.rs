//! `velatura models make-tiny`: a tiny model with random weights, of any kind, or a tiny
//! file that goes with one.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::json;

use crate::cli::CliError;
use crate::cli::report::Reporter;
use crate::model::inspect::{addition, inspect};
use crate::model::tiny::{KINDS, TinyKind};

/// What `velatura models make-tiny` takes.
#[derive(Debug, Args)]
pub struct MakeTinyArgs {
    /// Which kind
    #[arg(value_name = "KIND", value_parser = kind_parser())]
    kind: &'static TinyKind,
    /// Folder to write it into
    #[arg(short, long, visible_alias = "output", value_name = "DIR")]
    out: PathBuf,
    /// Print a line of JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

fn kind_parser() -> impl clap::builder::TypedValueParser<Value = &'static TinyKind> {
    let ids = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.id));
    ids.try_map(|id| {
        let mut kinds = KINDS.iter();
        kinds
            .find(|kind| kind.id == id)
            .ok_or("there is no such kind")
    })
}

/// Writes the model and says where its weights are.
pub(super) fn run(args: &MakeTinyArgs, report: Reporter) -> Result<(), CliError> {
    let path = args.kind.write(&args.out)?;
    let shown = path.display().to_string();
    let fields = match inspect(&path, None) {
        Ok(found) => json!({
            "kind": args.kind.id,
            "path": shown,
            "family": found.family.id(),
            "task": found.task.id(),
            "parameters": found.parameters,
        }),
        // It goes with models and is none.
        Err(error) if addition(&error).is_some() => {
            json!({ "kind": args.kind.id, "path": shown })
        }
        Err(error) => return Err(error.into()),
    };
    report.result("tiny-model", fields, &shown);
    Ok(())
}
