//! `velatura generate`: from a description to picture files.

mod args;
mod latents;

use std::path::{Path, PathBuf};

use serde_json::json;

pub use args::GenerateArgs;

use super::follow::follow;
use super::report::Reporter;
use super::{CliError, devices};
use crate::engine::SamplerChoice;
use crate::engine::protocol::PaintedImage;
use crate::folders;
use crate::recipe::{
    PaintedRecipe, PictureFormat, RecipeFileError, SaveOptions, next_picture_path, save_picture,
};

/// Paints and saves.
pub(super) fn run(args: &GenerateArgs, report: Reporter) -> Result<(), CliError> {
    args.output.as_deref().map(check_output).transpose()?;
    args.save_latents.as_deref().map(check_folder).transpose()?;
    let spec = args.spec()?;
    let total = u64::from(spec.steps) * u64::from(spec.batch);
    let count = spec.batch as usize;
    let mut engine = devices::start_engine(args.device, args.precision)?;
    let job = engine.generate(spec);
    let mut kept = Vec::new();
    let ended = follow(&mut engine, job, total, report, &mut |painted| {
        let path = match &args.output {
            Some(path) => numbered(path, kept.len(), count),
            None => unnamed(painted.spec.seed)?,
        };
        save(args, &path, &painted, report)?;
        kept.push(painted.latents);
        Ok(())
    });
    if let Some(path) = args.save_latents.as_ref().filter(|_| !kept.is_empty()) {
        latents::save(path, &kept)?;
        let path = path.display().to_string();
        report.event("latents", json!({ "path": path }));
    }
    ended.map(|_| ())
}

/// Saves a picture as soon as it is painted.
fn save(
    args: &GenerateArgs,
    path: &Path,
    painted: &PaintedImage,
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
    save_picture(path, &painted.image, recipe, &SaveOptions::default())?;
    let path = path.display().to_string();
    let fields = json!({ "path": path, "seed": painted.spec.seed });
    report.result("picture", fields, &path);
    Ok(())
}

fn unnamed(seed: u64) -> Result<PathBuf, CliError> {
    let root = folders::pictures().ok_or(CliError::NoPicturesFolder)?;
    next_picture_path(&root, seed, "png").map_err(|error| CliError::Write {
        path: root,
        reason: error.to_string(),
    })
}

/// The name of picture `index` of a batch: `barn.png`, or `barn-0.png`,
/// `barn-1.png`, … when there are several.
fn numbered(path: &Path, index: usize, count: usize) -> PathBuf {
    if count == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{index}.{extension}"))
}

/// Refuses a file name before hours are spent on a picture that it cannot hold.
fn check_output(path: &Path) -> Result<(), CliError> {
    if PictureFormat::from_path(path).is_none() {
        let path = path.to_owned();
        return Err(RecipeFileError::UnknownFormat { path }.into());
    }
    check_folder(path)
}

fn check_folder(path: &Path) -> Result<(), CliError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(CliError::NoFolder(folder.to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_refused_before_anything_is_painted() {
        assert!(check_output(Path::new("a.gif")).is_err());
        assert!(check_output(Path::new("/no/such/folder/a.png")).is_err());
        assert!(check_output(Path::new("a.webp")).is_ok());
    }

    #[test]
    fn pictures_of_a_batch_are_numbered() {
        let path = Path::new("out/barn.v2.png");
        assert_eq!(numbered(path, 0, 1), path);
        assert_eq!(numbered(path, 1, 2), Path::new("out/barn.v2-1.png"));
    }
}
