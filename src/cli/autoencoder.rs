//! `velatura autoencoder`: pictures to latents and back, without a denoiser.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::model_name::find_first_stage;
use super::place::{check_folder, check_output, try_place};
use super::report::Reporter;
use super::{CliError, DeviceArg, devices, latents};
use crate::diffusion::{LatentCoder, UnscaledLatents};
use crate::engine::protocol::Latents;
use crate::recipe::{SaveOptions, open_picture, save_picture};

/// What an autoencoder can do.
#[derive(Debug, Subcommand)]
pub enum AutoencoderCommand {
    /// Turn a picture into latents: the mean of a distribution, what comes before a
    /// codebook, not scaled for a denoiser
    Encode(EncodeArgs),
    /// Turn latents into a picture
    Decode(DecodeArgs),
}

/// What `velatura autoencoder encode` takes.
#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// Picture to encode
    #[arg(value_name = "IMG")]
    picture: PathBuf,
    /// File to write, ending in .safetensors: a tensor `latents`, F32 [1, c, h, w]
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    common: CommonArgs,
}

/// What `velatura autoencoder decode` takes.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Safetensors file with a tensor `latents`, [1, c, h, w], not scaled
    #[arg(value_name = "LATENTS")]
    latents: PathBuf,
    /// Picture to write, ending in .png, .jpg or .webp
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    common: CommonArgs,
}

/// What both take.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Autoencoder: its folder or file, a model's folder, or a model's name
    #[arg(long, value_name = "MODEL", default_value = "storybook")]
    model: PathBuf,
    /// Device that computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print lines of JSON instead of text
    #[arg(long)]
    json: bool,
}

impl AutoencoderCommand {
    /// Whether lines of JSON were asked for.
    pub(super) fn json(&self) -> bool {
        match self {
            Self::Encode(args) => args.common.json,
            Self::Decode(args) => args.common.json,
        }
    }
}

impl CommonArgs {
    fn load(&self, report: Reporter) -> Result<LatentCoder, CliError> {
        let model = find_first_stage(&self.model)?;
        let device = devices::open(self.device, report)?.device;
        Ok(LatentCoder::load(&model, &device)?)
    }
}

/// Encodes or decodes.
pub(super) fn run(command: &AutoencoderCommand, report: Reporter) -> Result<(), CliError> {
    match command {
        AutoencoderCommand::Encode(args) => encode(args, report),
        AutoencoderCommand::Decode(args) => decode(args, report),
    }
}

fn encode(args: &EncodeArgs, report: Reporter) -> Result<(), CliError> {
    latents::check_name(&args.output)?;
    check_place(&args.output)?;
    let opened = open_picture(&args.picture)?;
    for warning in &opened.warnings {
        report.warning(&warning.to_string());
    }
    let made = args.common.load(report)?.encode(&opened.image)?;
    let made = Latents {
        shape: made.shape,
        values: made.values,
    };
    let shape = made.shape;
    latents::save(&args.output, &[Some(Arc::new(made))])?;
    let path = args.output.display().to_string();
    report.result("latents", json!({ "path": path, "shape": shape }), &path);
    Ok(())
}

fn decode(args: &DecodeArgs, report: Reporter) -> Result<(), CliError> {
    check_output(&args.output)?;
    check_place(&args.output)?;
    let Latents { shape, values } = latents::read(&args.latents)?;
    let coder = args.common.load(report)?;
    let picture = coder.decode(UnscaledLatents { shape, values })?;
    save_picture(&args.output, &picture, None, &SaveOptions::default())?;
    let path = args.output.display().to_string();
    let (width_px, height_px) = picture.dimensions();
    let fields = json!({ "path": path, "width_px": width_px, "height_px": height_px });
    report.result("picture", fields, &path);
    Ok(())
}

/// Finds out whether the file can be written before anything is computed.
fn check_place(path: &Path) -> Result<(), CliError> {
    check_folder(path)?;
    try_place(path)
}
