//! `velatura models convert`: a model as one file, or as a folder of diffusers.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::size_bytes;
use crate::cli::model_name::find_model;
use crate::cli::report::Reporter;
use crate::cli::{CliError, Precision, interrupt};
use crate::model::{Conversion, ModelError, is_single_target};

/// Bytes in the unit in which is told how far it is.
const MEGABYTE: u64 = 1_000_000;

/// What `velatura models convert` takes.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// File, folder or name of the model
    #[arg(value_name = "SRC")]
    source: PathBuf,
    /// Where to: a name that ends in .safetensors is one file in the original naming, any
    /// other a diffusers folder; .ckpt and other files of PyTorch are not written. Models of
    /// the paper's code that read words, boxes or label maps go from file to file only
    #[arg(short, long, visible_alias = "output", value_name = "PATH")]
    out: PathBuf,
    /// How weights are stored [default: each as it is]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// YAML file of an original checkpoint, if it is not the one beside it
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,
    /// Replace the model that lies there
    #[arg(long)]
    overwrite: bool,
    /// Print lines of JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Writes the model anew and says where it is.
pub(super) fn run(args: &ConvertArgs, report: Reporter) -> Result<(), CliError> {
    let source = find_model(&args.source)?;
    let conversion = Conversion {
        dtype: args.precision.map(Into::into),
        replaces: args.overwrite,
        config: args.config.as_deref(),
    };
    interrupt::listen()?;
    let mut progress = report.progress(0, "MB");
    let written = conversion.run(&source, &args.out, &mut |done, total| {
        progress.show(done / MEGABYTE, total.div_ceil(MEGABYTE), "");
        !interrupt::is_asked()
    });
    progress.finish();
    match written {
        Err(ModelError::WritingEnded(_)) if interrupt::is_asked() => {
            return Err(CliError::Interrupted);
        }
        written => written?,
    }
    let shown = args.out.display().to_string();
    let bytes = size_bytes(&args.out);
    let form = match is_single_target(&args.out) {
        true => "file",
        false => "folder",
    };
    report.result(
        "converted",
        json!({ "path": shown, "form": form, "size_bytes": bytes }),
        &format!("Wrote {:.1} MB as {shown}.", bytes as f64 / 1e6),
    );
    Ok(())
}
