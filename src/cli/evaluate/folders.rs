//! `velatura evaluate folders`: two sets of pictures.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::features::{FeatureArgs, Named};
use crate::cli::place::{check_folder, try_place};
use crate::cli::report::Reporter;
use crate::cli::{CliError, DeviceArg, devices, interrupt};
use crate::evaluate::compare::{Comparison, Eyes, Side, compare, compare_pairs};

/// What `velatura evaluate folders` takes.
#[derive(Debug, Args)]
pub struct FoldersArgs {
    /// Pictures that are judged: a folder, or an .npz of statistics
    #[arg(value_name = "A")]
    made: PathBuf,
    /// Pictures that they are compared with: a folder, or an .npz of statistics
    #[arg(value_name = "B", required_unless_present = "save_statistics")]
    real: Option<PathBuf>,
    #[command(flatten)]
    features: FeatureArgs,
    /// File that receives the statistics of A, ending in .npz, as pytorch-fid has them
    #[arg(long, value_name = "FILE")]
    save_statistics: Option<PathBuf>,
    /// Folder of another network that judges scenes, in place of the one that comes with
    /// the program
    #[arg(long, value_name = "DIR", conflicts_with = "inception")]
    judge: Option<PathBuf>,
    /// Weights of LPIPS, to say how different pictures with one name look: a file, or a
    /// folder with vgg16-397923af.pth and vgg.pth
    #[arg(long, value_name = "PATH", requires = "real")]
    lpips: Option<PathBuf>,
    /// Device that Inception and LPIPS run on
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print lines of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// Looks at two sets and prints how far they are apart.
pub(super) fn run(args: &FoldersArgs, report: Reporter) -> Result<(), CliError> {
    // What was named is opened before minutes are spent on it.
    let made = Named::open(&args.made)?;
    let real = args.real.as_deref().map(Named::open).transpose()?;
    if let Some(path) = &args.save_statistics {
        check_statistics(path)?;
    }
    let eyes = args.lpips.as_deref().map(|path| {
        let device = devices::open(args.device, report)?;
        Ok::<_, CliError>(Eyes::open(path, &device.device)?)
    });
    let eyes = eyes.transpose()?;
    let folders = (
        made.folder().cloned(),
        real.as_ref().and_then(Named::folder).cloned(),
    );
    let (made, real) = match (made, real) {
        // Nothing is looked at: the files say enough.
        (Named::File(_, made), None) => (Side::of_file(*made), None),
        (Named::File(_, made), Some(Named::File(_, real)))
            if !args.features.needs_device() && args.judge.is_none() =>
        {
            (Side::of_file(*made), Some(Side::of_file(*real)))
        }
        (made, real) => looked(args, made, real, report)?,
    };
    if let Some(path) = &args.save_statistics {
        made.statistics.write(path)?;
        let saved = path.display().to_string();
        report.result("statistics", json!({ "path": saved }), &saved);
    }
    let Some(real) = real else { return Ok(()) };
    let mut comparison = compare(&made, &real)?;
    if let (Some(a), Some(b)) = folders {
        comparison.pairs = compare_pairs(&a, &b, eyes.as_ref(), &mut interrupt::go_on)?;
    }
    let named = json!({
        "a": args.made.display().to_string(),
        "b": args.real.as_ref().map(|path| path.display().to_string()),
    });
    tell(&comparison, named, report);
    Ok(())
}

/// What the network sees in both sets.
fn looked(
    args: &FoldersArgs,
    made: Named,
    real: Option<Named>,
    report: Reporter,
) -> Result<(Side, Option<Side>), CliError> {
    let needs_device = args.features.needs_device();
    let device = needs_device.then(|| devices::open(args.device, report));
    let device = device.transpose()?;
    let named: Vec<&Named> = [Some(&made), real.as_ref()].into_iter().flatten().collect();
    let network = args
        .features
        .open(&named, args.judge.as_deref(), device.as_ref(), report)?;
    let before = made.pictures();
    let total = before + real.as_ref().map_or(0, Named::pictures);
    let mut progress = report.progress(total as u64, "pictures");
    let made = made.look(&network, &mut progress, (0, total))?;
    let real = real.map(|real| real.look(&network, &mut progress, (before, total)));
    progress.finish();
    Ok((made, real.transpose()?))
}

/// Prints a comparison, `fields` with it for a program.
pub(super) fn tell(comparison: &Comparison, fields: Value, report: Reporter) {
    let mut fields = fields;
    if let (Value::Object(fields), Ok(Value::Object(figures))) =
        (&mut fields, serde_json::to_value(comparison))
    {
        fields.extend(figures);
    }
    report.result("comparison", fields, &comparison.table());
}

/// Refuses a place for statistics before anything is looked at.
fn check_statistics(path: &std::path::Path) -> Result<(), CliError> {
    if !path
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("npz"))
    {
        return Err(CliError::Write {
            path: path.to_owned(),
            reason: "statistics need a name that ends in .npz".to_owned(),
        });
    }
    check_folder(path)?;
    try_place(path)
}
