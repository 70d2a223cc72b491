//! `velatura upscale`: a picture made larger, by a network or by a model of super-resolution.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::examples::UPSCALE;
use super::follow::follow;
use super::generate::help;
use super::model_name::find_model;
use super::place::{check_output, try_place};
use super::report::Reporter;
use super::{CliError, DeviceArg, Precision, devices};
use crate::engine::protocol::{EngineEvent, EnlargedImage, JobOutcome};
use crate::model::ModelFolder;
use crate::random;
use crate::recipe::param::{SEED, STEPS};
use crate::recipe::{
    Enlarger, Finish, FoundRecipe, ImageInput, ModelSource, PictureFormat, SaveOptions,
    SuperResolution, UpscaleSpec, open_picture, save_picture,
};

/// What `velatura upscale` takes.
#[derive(Debug, Args)]
#[command(after_long_help = UPSCALE)]
pub struct UpscaleArgs {
    /// Picture to make larger: four times, or as many as a model does
    #[arg(value_name = "IN")]
    picture: PathBuf,
    /// File to write, ending in .png, .jpg or .webp
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    output: PathBuf,
    /// Model of super-resolution that paints the picture anew, larger, instead of the
    /// network that came with the program: a folder, a file, or a name that `velatura models`
    /// prints
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// YAML file that describes a model in one file
    #[arg(long, value_name = "YAML", requires = "model")]
    config: Option<PathBuf>,
    #[arg(long, requires = "model", help = help(&STEPS, "the model's own"))]
    steps: Option<u32>,
    #[arg(long, requires = "model", help = help(&SEED, "a new one"))]
    seed: Option<u64>,
    /// Device that computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// How weights are held in memory; half precision halves it, on the processor
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
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
    let by = args.enlarger()?;
    let (width_px, height_px) = opened.image.dimensions();
    let size_px = [width_px, height_px].map(|side| side.saturating_mul(by.factor()));
    check_size(&args.output, size_px)?;
    try_place(&args.output)?;
    let source = opened.recipe;
    let unit = match &by {
        Enlarger::Network => "tiles",
        Enlarger::Model(_) => "steps",
    };
    let spec = UpscaleSpec {
        pictures: vec![ImageInput(Arc::new(opened.image))],
        by,
    };
    spec.validate()?;
    let mut engine = devices::start_engine(args.device, args.precision)?;
    let job = engine.upscale(spec);
    let mut progress = report.progress(1, unit);
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
    for EnlargedImage { image, by } in pictures {
        let source = source.clone();
        let recipe = match by {
            None => source.and_then(|source| source.finished(Finish::X4)),
            Some(by) => Some(
                by.into_recipe()
                    .made_from(source.and_then(FoundRecipe::into_painted)),
            ),
        };
        let options = SaveOptions::default();
        let left_out = save_picture(&args.output, &image, recipe.as_ref(), &options)?;
        if let Some(left_out) = left_out {
            report.warning(&left_out.to_string());
        }
        let path = args.output.display().to_string();
        let fields = json!({ "path": path, "width_px": size_px[0], "height_px": size_px[1] });
        report.result("picture", fields, &path);
    }
    Ok(())
}

impl UpscaleArgs {
    /// What makes the picture larger.
    fn enlarger(&self) -> Result<Enlarger, CliError> {
        let Some(named) = &self.model else {
            return Ok(Enlarger::Network);
        };
        let file = find_model(named)?;
        let folder = ModelFolder::open_with(&file, self.config.as_deref())?;
        let factor = folder.manifest().low_resolution_factor();
        let factor = factor.ok_or_else(|| CliError::NoSuperResolution(named.clone()))?;
        let model = match &self.config {
            Some(yaml) => ModelSource::Described {
                file,
                yaml: yaml.clone(),
            },
            None => ModelSource::Folder(file),
        };
        Ok(Enlarger::Model(SuperResolution {
            model,
            factor,
            steps: self.steps,
            seed: self.seed.unwrap_or_else(random::fresh_seed),
        }))
    }
}

/// Refuses a format before minutes are spent on a picture that it cannot hold.
fn check_size(path: &Path, size_px: [u32; 2]) -> Result<(), CliError> {
    if let Some(format) = PictureFormat::from_path(path) {
        format.check_size(size_px)?;
    }
    Ok(())
}
