//! `velatura evaluate model`, and `velatura evaluate` alone: does a model do what it is
//! told?

use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use image::codecs::png::PngEncoder;
use serde_json::json;

use super::features::{FeatureArgs, Named};
use super::folders;
use super::sweep::{Common, SweepArgs};
use super::unwritable;
use crate::cli::generate::help;
use crate::cli::model_name::find_model;
use crate::cli::report::Reporter;
use crate::cli::{CliError, DeviceArg, devices, interrupt};
use crate::diffusion::LatentDiffusion;
use crate::evaluate::compare::{Gatherer, Side, compare};
use crate::evaluate::{
    Cost, EvaluationEvent, EvaluationPlan, Instruments, Judge, JudgeTraining, MOST_PICTURES,
    PictureKind, Task, evaluate, paint_captions,
};
use crate::files::write_whole;
use crate::folders as places;
use crate::model::{ModelFolder, Upscaler};
use crate::recipe;
use crate::recipe::param::{GUIDANCE, LAYOUT_BIAS, STEPS, Value};
use crate::scenes::FIRST_UNSEEN_SEED;

/// What `velatura evaluate model` takes.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Folder or name of a model trained on storybook scenes [default: the Storybook
    /// model]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// What the model is asked to do: text, layout, semantic, inpaint,
    /// super-resolution, held-out, numbers, sides, few-steps [default: all that it can be asked for]
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    tasks: Vec<Task>,
    /// Let boxes act by their words only, as regional prompts, as on a model that knows
    /// no boxes; pictures of captions alone are measured beside them
    #[arg(long)]
    boxes_as_regions: bool,
    #[arg(long, value_name = "BIAS", help = help(&LAYOUT_BIAS, "2"))]
    box_focus: Option<f32>,
    /// Whether a model that can places boxes for words, around the things on label maps, and for
    /// what is missing in pictures with a hole
    #[arg(long, value_name = "true|false", default_value_t = true, action = clap::ArgAction::Set)]
    place_boxes: bool,
    /// Unseen scenes to paint for each way of asking
    #[arg(long, visible_alias = "prompts", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=i64::from(MOST_PICTURES)))]
    count: u32,
    /// Seed of the scenes and of the noise; from 900000000 on no Storybook was
    /// trained on them
    #[arg(long, default_value_t = FIRST_UNSEEN_SEED)]
    seed: u64,
    /// Number of sampling steps [default: the model's]
    #[arg(long)]
    steps: Option<u32>,
    /// Scale of classifier-free guidance, up to 1 for none [default: the model's]
    #[arg(long, value_name = "SCALE")]
    cfg_scale: Option<f32>,
    /// The part of the steps that is over when guidance begins [default: the model's]
    #[arg(long, value_name = "PART")]
    guidance_start: Option<f32>,
    /// The part of the steps that is over when guidance ends
    #[arg(long, value_name = "PART", default_value_t = 1.0)]
    guidance_end: f32,
    /// Folder of the network that judges the pictures; if it is empty, one is
    /// trained into it, which takes some minutes [default: the one that comes
    /// with the program]
    #[arg(long, value_name = "DIR", conflicts_with = "inception")]
    judge: Option<PathBuf>,
    /// Folder that receives the pictures, named by number and kind; of a sweep, the
    /// tables and plots
    #[arg(long, visible_aliases = ["output", "out"], value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Compare the pictures with these, a folder or an .npz of statistics, instead of
    /// asking what they show
    #[arg(long, value_name = "FOLDER|NPZ", conflicts_with = "tasks")]
    fid_against: Option<PathBuf>,
    #[command(flatten)]
    sweep: SweepArgs,
    #[command(flatten)]
    features: FeatureArgs,
    /// Device that paints
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print lines of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// Paints unseen scenes and prints what came of it.
pub(super) fn run(args: &ModelArgs, report: Reporter) -> Result<(), CliError> {
    if let Some(steps) = args.steps {
        STEPS.check(steps.into())?;
    }
    if let Some(scale) = args.cfg_scale {
        GUIDANCE.check(Value::Real(scale))?;
    }
    let folder = match &args.model {
        Some(named) => find_model(named)?,
        None => places::storybook_model().ok_or(CliError::NoStorybook)?,
    };
    let model = ModelFolder::open(&folder)?;
    let studio = model.manifest();
    let plan = EvaluationPlan {
        tasks: args.tasks.clone(),
        count: args.count,
        seed: args.seed,
        sampler: None,
        steps: args.steps.unwrap_or(studio.default_steps),
        guidance_scale: args.cfg_scale.unwrap_or(studio.default_guidance_scale),
        guidance_interval: [
            args.guidance_start.unwrap_or(studio.default_guidance_start),
            args.guidance_end,
        ],
        boxes_are_regions: args.boxes_as_regions,
        layout_bias: args.box_focus.unwrap_or(recipe::LAYOUT_BIAS),
        places_boxes: args.place_boxes,
    };
    if args.sweep.is_asked() {
        return sweep(args, &plan, &model, report);
    }
    // What was asked and where it goes is looked at before minutes are spent on it.
    plan.validate()?;
    let tasks = plan.tasks_for(&studio)?;
    let pictures = args.pictures.as_deref();
    let album = pictures.map(|folder| Album::open(folder, args.count));
    let album = album.transpose()?;
    if args.features.needs_device() && args.fid_against.is_none() {
        return Err(CliError::InceptionAlone);
    }
    if let Some(against) = &args.fid_against {
        let album = album.as_ref();
        return compare_with(args, against, (&model, &folder), &plan, album, report);
    }
    let judge = judge(args.judge.as_deref(), report)?;
    let device = devices::open(args.device, report)?.device;
    let model = LatentDiffusion::load(&model, &device)?;
    let mut progress = report.progress(plan.pictures(&tasks), "pictures");
    let mut failure = None;
    let upscaler = places::upscaler().filter(|_| tasks.contains(&Task::SuperResolution));
    let upscaler = upscaler.map(|file| Upscaler::open(&file, &device));
    let upscaler = upscaler.transpose()?;
    let instruments = Instruments {
        judge: &judge,
        upscaler: upscaler.as_ref(),
    };
    let mut seconds = Vec::new();
    let result = evaluate(&model, &device, instruments, &plan, &mut |event| {
        if event.kind == PictureKind::TextToImage {
            seconds.push(event.seconds);
        }
        progress.show(u64::from(event.done), u64::from(event.total), event.caption);
        let saved = album.as_ref().map_or(Ok(()), |album| album.save(&event));
        go_on(saved, &mut failure)
    });
    progress.finish();
    if let Some(error) = failure {
        return Err(error);
    }
    let figures = result?;
    let cost = Cost::of(&folder, seconds);
    let fields = json!({
        "model": folder.display().to_string(),
        "figures": figures,
        "cost": cost,
    });
    let table = figures.table() + &cost.sentence();
    report.result("evaluation", fields, &table);
    Ok(())
}

/// Whether to paint on; what failed is kept.
fn go_on(done: Result<(), CliError>, failure: &mut Option<CliError>) -> ControlFlow<()> {
    match done {
        Ok(()) => interrupt::go_on(),
        Err(error) => {
            *failure = Some(error);
            ControlFlow::Break(())
        }
    }
}

/// Draws the paper's analyses.
fn sweep(
    args: &ModelArgs,
    plan: &EvaluationPlan,
    model: &ModelFolder,
    report: Reporter,
) -> Result<(), CliError> {
    let common = Common {
        count: plan.count,
        seed: plan.seed,
        steps: plan.steps,
        guidance_scale: plan.guidance_scale,
        folder: args.pictures.as_deref().unwrap_or(Path::new(".")),
    };
    args.sweep.check(&common)?;
    let device = devices::open(args.device, report)?;
    let network = args
        .features
        .open(&[], args.judge.as_deref(), Some(&device), report)?;
    let models = args.sweep.models(model, &device)?;
    args.sweep.run(&common, &models, &network, &device, report)
}

/// Paints captions and compares the pictures with others. They are looked at as they
/// come, and none is kept.
fn compare_with(
    args: &ModelArgs,
    against: &Path,
    (model, folder): (&ModelFolder, &Path),
    plan: &EvaluationPlan,
    album: Option<&Album<'_>>,
    report: Reporter,
) -> Result<(), CliError> {
    let real = Named::open(against)?;
    let device = devices::open(args.device, report)?;
    let network = args
        .features
        .open(&[&real], args.judge.as_deref(), Some(&device), report)?;
    let total = real.pictures() + plan.count as usize;
    let mut progress = report.progress(total as u64, "pictures");
    let before = real.pictures();
    let model = LatentDiffusion::load(model, &device.device)?;
    let real = real.look(&network, &mut progress, (0, total))?;
    let mut gatherer = Gatherer::new(&network, plan.count as usize);
    let mut failure = None;
    let painted = paint_captions(&model, plan, &mut |event| {
        let done = before as u64 + u64::from(event.done);
        progress.show(done, total as u64, event.caption);
        let seen = gatherer.add(event.picture.clone()).map_err(CliError::from);
        let saved = seen.and_then(|()| album.map_or(Ok(()), |album| album.save(&event)));
        go_on(saved, &mut failure)
    });
    progress.finish();
    if let Some(error) = failure {
        return Err(error);
    }
    painted?;
    let made = Side::seen(gatherer.finish()?, network.kind());
    let fields = json!({
        "model": folder.display().to_string(),
        "against": against.display().to_string(),
        "steps": plan.steps,
        "guidance_scale": plan.guidance_scale,
        "guidance_interval": plan.guidance_interval,
        "seed": plan.seed,
    });
    folders::tell(&compare(&made, &real)?, fields, report);
    Ok(())
}

/// Reads the judge, or trains one.
pub(super) fn judge(named: Option<&Path>, report: Reporter) -> Result<Judge, CliError> {
    let folder = named.map(Path::to_owned).or_else(places::judge);
    if let Some(folder) = folder.as_deref().filter(|folder| Judge::is_in(folder)) {
        return Ok(Judge::open(folder)?);
    }
    if let Some(folder) = named {
        Judge::make_room(folder)?;
    }
    let training = JudgeTraining::default();
    report.status("Training a network that judges pictures.");
    let total = u64::from(training.steps);
    let mut progress = report.progress(total, "steps");
    let judge = Judge::train(training, &mut |step, loss| {
        progress.show(u64::from(step), total, &format!("loss {loss:.3}"));
        interrupt::go_on()
    })?;
    progress.finish();
    // Only where the user asked for it: the program's own folder may be read-only.
    if let Some(folder) = named {
        judge.save(folder)?;
    }
    Ok(judge)
}

/// The folder that receives the pictures.
struct Album<'a>(&'a Path);

impl<'a> Album<'a> {
    /// Makes the folder, if need be; of one that is there only the pictures of an
    /// earlier evaluation will be replaced, which have captions beside them.
    fn open(folder: &'a Path, count: u32) -> Result<Self, CliError> {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        let album = Self(folder);
        for index in 0..count {
            for kind in PictureKind::ALL {
                let [picture, caption] = album.files(index, kind);
                if picture.exists() != caption.exists() {
                    let path = if picture.exists() { picture } else { caption };
                    return Err(CliError::Write {
                        path,
                        reason: "it is not of an earlier evaluation and would be replaced; \
                                 choose another folder"
                            .into(),
                    });
                }
            }
        }
        Ok(album)
    }

    fn files(&self, index: u32, kind: PictureKind) -> [PathBuf; 2] {
        let name = |ending: &str| format!("{index:04}-{}.{ending}", kind.slug());
        ["png", "txt"].map(|ending| self.0.join(name(ending)))
    }

    fn save(&self, event: &EvaluationEvent<'_>) -> Result<(), CliError> {
        let [picture, caption] = self.files(event.index, event.kind);
        write_whole(&picture, |file| {
            let mut bytes = BufWriter::new(file);
            event
                .picture
                .write_with_encoder(PngEncoder::new(&mut bytes))
                .map_err(std::io::Error::other)?;
            bytes.flush()
        })
        .map_err(|error| unwritable(&picture, &error))?;
        write_whole(&caption, |file| file.write_all(event.caption.as_bytes()))
            .map_err(|error| unwritable(&caption, &error))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use image::RgbImage;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn sweeps_have_no_boxes() {
        let line = "velatura evaluate model --sweep speed --pictures out";
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse(line).is_ok());
        assert!(parse(&format!("{line} --boxes-as-regions")).is_err());
    }

    #[test]
    fn pictures_of_others_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("pictures");
        let picture = RgbImage::new(4, 4);
        let album = Album::open(&inner, 2).unwrap();
        let event = EvaluationEvent {
            done: 1,
            total: 2,
            index: 1,
            kind: PictureKind::Inpainting,
            caption: "a barn",
            picture: &picture,
            seconds: 0.0,
        };
        album.save(&event).unwrap();
        // Our own may be.
        Album::open(&inner, 2).unwrap().save(&event).unwrap();
        let theirs = inner.join("0000-text.png");
        std::fs::write(&theirs, b"a photograph").unwrap();
        let error = Album::open(&inner, 2).err().unwrap().to_string();
        assert!(error.contains("0000-text.png"), "{error}");
        // Further on nothing is written.
        std::fs::rename(&theirs, inner.join("0002-text.png")).unwrap();
        Album::open(&inner, 2).unwrap();
    }
}
