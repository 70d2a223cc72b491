//! `velatura upscale`: a picture four times as large.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::follow::follow;
use super::place::{check_output, try_place};
use super::report::Reporter;
use super::{CliError, DeviceArg, Precision, devices};
use crate::engine::protocol::{EngineEvent, JobOutcome};
use crate::recipe::{
    Finish, ImageInput, PictureFormat, SaveOptions, UpscaleSpec, open_picture, save_picture,
};

/// What `velatura upscale` takes.
#[derive(Debug, Args)]
pub struct UpscaleArgs {
    /// Picture to make four times as large
    #[arg(value_name = "IN")]
    picture: PathBuf,
    /// File to write, ending in .png, .jpg or .webp
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    output: PathBuf,
    /// Device that computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print lines of JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Enlarges and saves. A picture of ours keeps its recipe.
pub(super) fn run(args: &UpscaleArgs, report: Reporter) -> Result<(), CliError> {
    check_output(&args.output)?;
    let opened = open_picture(&args.picture)?;
    for warning in &opened.warnings {
        report.warning(&warning.to_string());
    }
    let (width_px, height_px) = opened.image.dimensions();
    let size_px = [width_px, height_px].map(|side| side * Finish::X4.factor());
    check_size(&args.output, size_px)?;
    try_place(&args.output)?;
    let recipe = opened.recipe.and_then(|recipe| recipe.finished(Finish::X4));
    let picture = ImageInput(Arc::new(opened.image));
    let mut engine = devices::start_engine(args.device, Precision::F32)?;
    let job = engine.upscale(UpscaleSpec {
        pictures: vec![picture],
    });
    let mut progress = report.progress(1, "tiles");
    let ended = follow(&mut engine, job, &mut progress, &mut |event, progress| {
        if let EngineEvent::Progress { step, total, .. } = event {
            progress.show(u64::from(step), u64::from(total), "");
        }
        Ok(())
    });
    engine.close();
    let JobOutcome::Enlarged(pictures) = ended? else {
        return Ok(());
    };
    for picture in pictures {
        let left_out = save_picture(
            &args.output,
            &picture,
            recipe.as_ref(),
            &SaveOptions::default(),
        )?;
        if let Some(left_out) = left_out {
            report.warning(&left_out.to_string());
        }
        let path = args.output.display().to_string();
        let fields = json!({ "path": path, "width_px": size_px[0], "height_px": size_px[1] });
        report.result("picture", fields, &path);
    }
    Ok(())
}

/// Refuses a format before minutes are spent on a picture that it cannot hold.
fn check_size(path: &Path, size_px: [u32; 2]) -> Result<(), CliError> {
    if let Some(format) = PictureFormat::from_path(path) {
        format.check_size(size_px)?;
    }
    Ok(())
}
