//! `velatura models`: the models that can be found without being told where, what a file
//! or folder is, the same model in another form, and tiny ones to try.

mod convert;
mod inspect;
mod make_tiny;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::CliError;
use super::examples::MODELS;
use super::report::Reporter;
use crate::engine::library;
use crate::folders;
use crate::model::{ModelError, ModelFolder};
use crate::recipe::InputSpec;

/// What `velatura models` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = MODELS)]
pub struct ModelsArgs {
    /// What to do instead of listing models
    #[command(subcommand)]
    command: Option<ModelsCommand>,
    /// Further folder to look into, as deep as the window does; may be that of A1111, ComfyUI or
    /// InvokeAI
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print lines of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Tell what a file or folder is, and what it lacks
    Inspect(inspect::InspectArgs),
    /// Write a model anew, as one file or as a folder
    Convert(convert::ConvertArgs),
    /// Write a tiny model with random weights, to try what a kind of model is asked for
    MakeTiny(make_tiny::MakeTinyArgs),
}

impl ModelsArgs {
    /// Whether lines of JSON are asked for.
    pub(super) fn json(&self) -> bool {
        match &self.command {
            Some(ModelsCommand::Inspect(args)) => args.json,
            Some(ModelsCommand::Convert(args)) => args.json,
            Some(ModelsCommand::MakeTiny(args)) => args.json,
            None => self.json,
        }
    }
}

/// Prints a line for every model, or does what else is asked.
pub(super) fn run(args: &ModelsArgs, report: Reporter) -> Result<(), CliError> {
    match &args.command {
        Some(ModelsCommand::Inspect(args)) => return inspect::run(args, report),
        Some(ModelsCommand::Convert(args)) => return convert::run(args, report),
        Some(ModelsCommand::MakeTiny(args)) => return make_tiny::run(args, report),
        None => {}
    }
    for folder in &args.folders {
        if !folder.is_dir() {
            return Err(CliError::NoFolder(folder.clone()));
        }
    }
    let places = library::places().chain(args.folders.iter().cloned());
    let mut count = 0;
    // A folder that holds one checkpoint is that.
    let mut seen = HashSet::new();
    for folder in places.flat_map(|place| library::deep_candidates(&place)) {
        let model = match ModelFolder::open(&folder) {
            Ok(model) => model,
            // Beside models lies what is none.
            Err(
                ModelError::NotAModel(_)
                | ModelError::OtherKind { .. }
                | ModelError::LoraKind { .. }
                | ModelError::PaintsNothing(_)
                | ModelError::DenoiserAlone(_)
                | ModelError::UnknownWeights { .. },
            ) => continue,
            Err(error) => {
                report.warning(&error.to_string());
                continue;
            }
        };
        if !seen.insert(model.path().to_path_buf()) {
            continue;
        }
        count += 1;
        let kind = kind_of(&model);
        let manifest = model.manifest();
        let inputs: Vec<&str> = manifest.inputs.iter().map(InputSpec::label).collect();
        let takes = match inputs.is_empty() {
            true => String::new(),
            false => format!(", takes {}", inputs.join(" + ")),
        };
        let size_bytes = size_bytes(&folder);
        let megabytes = size_bytes as f64 / 1e6;
        let (name, side_px) = (&manifest.name, manifest.resolution_px);
        let memory = model.held_to_paint().painting_memory([side_px; 2], 1);
        let memory = memory.unwrap_or_default();
        let memory_bytes = memory.total_bytes();
        let memory_megabytes = memory_bytes as f64 / 1e6;
        report.result(
            "model",
            json!({
                "name": name,
                "kind": kind,
                "inputs": inputs,
                "resolution_px": side_px,
                "size_bytes": size_bytes,
                "painting_memory_bytes": memory_bytes,
                "folder": folder.display().to_string(),
            }),
            &format!(
                "{name}: {kind}{takes}, {side_px} px, {megabytes:.1} MB, paints with about \
                 {memory_megabytes:.0} MB of memory, in {}",
                folder.display()
            ),
        );
    }
    if count == 0 {
        let advice = folders::user_models().map_or_else(String::new, |folder| {
            format!(
                "; put a folder in diffusers layout, or a .safetensors or .ckpt file, into {}",
                folder.display()
            )
        });
        report.status(&format!("No models were found{advice}."));
    }
    Ok(())
}

fn kind_of(model: &ModelFolder) -> &'static str {
    let manifest = model.manifest();
    let takes = |is: fn(&InputSpec) -> bool| manifest.inputs.iter().any(is);
    match (model.unet_config().is_ok(), manifest.takes_text()) {
        (true, true) if manifest.takes_mask() => "text to image, inpainting",
        (true, true) => "text to image",
        (true, false) if manifest.takes_mask() => "inpainting without text",
        (true, false) if manifest.classes().is_some() => "class to image",
        (true, false) if takes(|it| matches!(it, InputSpec::Layout { .. })) => "boxes to image",
        (true, false) if takes(|it| matches!(it, InputSpec::Semantic { .. })) => {
            "label map to image"
        }
        (true, false) if manifest.low_resolution_factor().is_some() => "super-resolution",
        (true, false) => "unconditional",
        (false, _) if model.first_stage_config().is_ok() => "autoencoder",
        (false, _) => "incomplete",
    }
}

pub(super) fn size_bytes(folder: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}
