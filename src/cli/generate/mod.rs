//! `velatura generate`: from a description to picture files.

mod args;
mod class;
mod conditions;
mod controls;
mod frame;
mod pictures;

use std::path::{Path, PathBuf};

use image::RgbaImage;
use serde_json::json;

pub use args::GenerateArgs;
pub(super) use args::help;

use super::follow::follow;
use super::place::{check_folder, check_output, try_place};
use super::report::Reporter;
use super::{CliError, devices, latents};
use crate::engine::protocol::{EngineEvent, PaintedImage};
use crate::engine::{SamplerChoice, memory_in_turn};
use crate::files::reason_of;
use crate::folders;
use crate::recipe::{PaintedRecipe, SaveOptions, next_picture_path, save_picture};

/// Paints and saves.
pub(super) fn run(args: &GenerateArgs, report: Reporter) -> Result<(), CliError> {
    args.output.as_deref().map(check_output).transpose()?;
    args.save_latents
        .as_deref()
        .map(latents::check_name)
        .transpose()?;
    args.save_latents.as_deref().map(check_folder).transpose()?;
    let (spec, framed) = args.job(&mut |text| report.warning(&text))?;
    let total = u64::from(spec.steps) * u64::from(spec.batch);
    let count = spec.batch as usize;
    match &args.output {
        Some(path) => (0..count).try_for_each(|index| try_place(&numbered(path, index, count)))?,
        None => try_place(&unnamed(spec.seed)?)?,
    }
    args.save_latents.as_deref().map(try_place).transpose()?;
    let mut engine = devices::start_engine(args.device, args.precision)?;
    if args.low_memory {
        engine.save_memory(true);
        match memory_in_turn(&spec, args.precision.into()) {
            Some(bytes) => {
                let gib = bytes as f64 / f64::from(1 << 30);
                report.status(&format!(
                    "Networks are read in turn: painting takes about {gib:.1} GiB of memory at most."
                ));
            }
            None => report.warning("this model is read as a whole; --low-memory changes nothing"),
        }
    }
    let job = engine.generate(spec);
    let mut kept = Vec::new();
    let mut progress = report.progress(total, "steps");
    let ended = follow(&mut engine, job, &mut progress, &mut |event, progress| {
        match event {
            EngineEvent::Progress { step, total, .. } => {
                progress.show(u64::from(step), u64::from(total), "");
            }
            EngineEvent::Painted { image, .. } => {
                let path = match &args.output {
                    Some(path) => numbered(path, kept.len(), count),
                    None => unnamed(image.spec.seed)?,
                };
                let whole = framed.as_ref().map(|framed| framed.with(&image.image));
                let whole = whole.as_ref().unwrap_or(&image.image);
                progress.above(|| save(args, path, &image, whole, report))?;
                kept.push(image.latents);
            }
            EngineEvent::Undecoded { latents, .. } => kept.push(Some(latents)),
            _ => {}
        }
        Ok(())
    });
    engine.close();
    if let Some(path) = args.save_latents.as_ref().filter(|_| !kept.is_empty()) {
        latents::save(path, &kept)?;
        let path = path.display().to_string();
        report.event("latents", json!({ "path": path }));
        if ended.is_err() {
            report.warning(&format!("what was painted until then is kept in {path}"));
        }
    }
    ended.map(|_| ())
}

/// Saves a picture as soon as it is painted, or the whole of which that is a part. Where that fails, it is saved without
/// its recipe, or into the folder for pictures: it took long to make.
fn save(
    args: &GenerateArgs,
    path: PathBuf,
    painted: &PaintedImage,
    whole: &RgbaImage,
    report: Reporter,
) -> Result<(), CliError> {
    let recipe = PaintedRecipe::new(
        painted.spec.as_ref().clone(),
        &painted.model_name,
        &painted.model_hash,
    );
    let recipe = match &painted.spec.sampler {
        Some(id) => recipe.with_sampler_label(SamplerChoice::label_of(id)),
        None => recipe,
    };
    let recipe = (!args.no_recipe).then_some(&recipe);
    let save_as = |path: &Path, recipe| save_picture(path, whole, recipe, &SaveOptions::default());
    let mut path = path;
    match save_as(&path, recipe) {
        Ok(None) => {}
        Ok(Some(left_out)) => report.warning(&left_out.to_string()),
        Err(error) => {
            if recipe.is_some() && save_as(&path, None).is_ok() {
                report.warning(&format!(
                    "{error}; the picture was saved without its recipe"
                ));
            } else {
                let spare = unnamed(painted.spec.seed)?;
                if save_as(&spare, recipe).is_err() {
                    return Err(error.into());
                }
                let place = spare.display();
                report.warning(&format!("{error}; the picture was saved as {place}"));
                path = spare;
            }
        }
    }
    let path = path.display().to_string();
    let mut fields = json!({ "path": path, "seed": painted.spec.seed });
    if painted.spec.variation_strength > 0.0 {
        fields["variation_seed"] = painted.spec.variation_seed.into();
    }
    report.result("picture", fields, &path);
    Ok(())
}

fn unnamed(seed: u64) -> Result<PathBuf, CliError> {
    let root = folders::pictures().ok_or(CliError::NoPicturesFolder)?;
    next_picture_path(&root, seed, "png").map_err(|error| CliError::Write {
        path: root,
        reason: reason_of(&error),
    })
}

/// The name of picture `index` of a batch: `barn.png`, or `barn-0.png`,
/// `barn-1.png`, … when there are several.
fn numbered(path: &Path, index: usize, count: usize) -> PathBuf {
    if count == 1 {
        return path.to_owned();
    }
    // Not every name is text.
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{index}."));
    name.push(path.extension().unwrap_or_default());
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_a_batch_are_numbered() {
        let path = Path::new("out/barn.v2.png");
        assert_eq!(numbered(path, 0, 1), path);
        assert_eq!(numbered(path, 1, 2), Path::new("out/barn.v2-1.png"));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_stays_what_it_is() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let name = |bytes| Path::new(OsStr::from_bytes(bytes));
        assert_eq!(numbered(name(b"b\xe4r.png"), 1, 2), name(b"b\xe4r-1.png"));
    }
}
