//! `velatura train`: from a folder of pictures to a model.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::follow::follow;
use super::report::{Progress, Reporter};
use super::{CliError, DeviceArg, Precision, devices};
use crate::engine::protocol::{EngineEvent, JobOutcome, TrainEvent};
use crate::folders;
use crate::recipe::{Fit, LatentKind, TrainSpec, TrainTarget};

/// What can be trained.
#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// Train the first stage: pictures to latents and back
    Autoencoder(AutoencoderArgs),
    /// Train the second stage: the network that paints
    Diffusion(DiffusionArgs),
}

/// What `velatura train autoencoder` takes.
#[derive(Debug, Args)]
pub struct AutoencoderArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// First step at which the discriminator acts [default: never]
    #[arg(long, value_name = "STEP")]
    discriminator_start: Option<u64>,
    /// Weight of the perceptual loss
    #[arg(long, value_name = "WEIGHT", default_value_t = TrainSpec::default().perceptual_weight)]
    perceptual_weight: f64,
    /// Weights of LPIPS for it: a file, or a folder with vgg16-397923af.pth and vgg.pth
    /// [default: a perceptual loss that needs no weights]
    #[arg(long, value_name = "PATH", alias = "lpips")]
    perceptual_weights: Option<PathBuf>,
    /// Weight of the Kullback-Leibler loss
    #[arg(long, value_name = "WEIGHT", default_value_t = TrainSpec::default().kl_weight)]
    kl_weight: f64,
    /// What keeps the latents of a run from random weights in bounds
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["from", "config"])]
    latents: LatentsArg,
    /// Pixels per side of a latent of such a run: 2, 4, 8, 16 or 32 [default: what
    /// suits the pictures]
    #[arg(long, value_name = "F", conflicts_with_all = ["from", "config"])]
    factor: Option<u32>,
}

/// What keeps latents in bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LatentsArg {
    /// A distribution near the standard normal one
    #[default]
    Kl,
    /// A codebook
    Vq,
}

impl From<LatentsArg> for LatentKind {
    fn from(arg: LatentsArg) -> Self {
        match arg {
            LatentsArg::Kl => Self::Kl,
            LatentsArg::Vq => Self::Vq,
        }
    }
}

/// What `velatura train diffusion` takes.
#[derive(Debug, Args)]
pub struct DiffusionArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// What encodes the pictures of a run from random weights: a model folder, an
    /// autoencoder alone, or `pixels` for none [default: the Storybook model]
    #[arg(long, value_name = "MODEL")]
    first_stage: Option<PathBuf>,
    /// Probability that a caption is left out, for guidance
    #[arg(long, value_name = "P", default_value_t = TrainSpec::default().caption_dropout)]
    caption_dropout: f32,
}

/// What both stages take.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Folder of pictures, searched recursively; `barn.txt` is the caption of
    /// `barn.png`
    #[arg(
        required_unless_present = "scenes",
        conflicts_with = "scenes",
        value_name = "DIR"
    )]
    data: Option<PathBuf>,
    /// Train on endless storybook scenes instead of a folder
    #[arg(long)]
    scenes: bool,
    /// Model folder to start from [default: random weights]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// JSON file with the network sizes of a run from random weights [default:
    /// sizes that suit the pictures]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for checkpoints, metrics, sample sheets and the model
    #[arg(short, long, visible_alias = "out", value_name = "DIR", default_value_os_t = TrainSpec::default().output)]
    output: PathBuf,
    /// Go on from the newest checkpoint in the output folder
    #[arg(long)]
    resume: bool,
    /// Side in pixels of the squares trained on
    #[arg(long, value_name = "PX", default_value_t = TrainSpec::default().size_px)]
    size: u32,
    /// How pictures that are no squares become such: `auto` sees cut-outs, which are clear
    /// in parts, as a whole and cuts a square of others; `crop` cuts all; `pad` sees
    /// all as a whole, with the edge drawn out or white around cut-outs
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    fit: FitArg,
    /// Optimiser steps in all, those before a resume included
    #[arg(long, default_value_t = TrainSpec::default().steps)]
    steps: u64,
    /// Pictures per forward pass
    #[arg(long, default_value_t = TrainSpec::default().batch)]
    batch: u32,
    /// Forward passes per optimiser step
    #[arg(long, value_name = "N", default_value_t = TrainSpec::default().accumulate)]
    accumulate: u32,
    /// Peak learning rate
    #[arg(long, value_name = "RATE", default_value_t = TrainSpec::default().learning_rate)]
    learning_rate: f64,
    /// Steps over which the learning rate rises from 0
    #[arg(long, value_name = "STEPS", default_value_t = TrainSpec::default().warmup_steps)]
    warmup_steps: u64,
    /// Decoupled weight decay
    #[arg(long, value_name = "DECAY", default_value_t = TrainSpec::default().weight_decay)]
    weight_decay: f64,
    /// Largest norm of all gradients together
    #[arg(long, value_name = "NORM", default_value_t = TrainSpec::default().clip_norm)]
    clip_norm: f64,
    /// Upper bound of the decay of the averaged weights
    #[arg(long, value_name = "DECAY", default_value_t = TrainSpec::default().ema_decay)]
    ema_decay: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = TrainSpec::default().seed)]
    seed: u64,
    /// Steps between checkpoints
    #[arg(long, value_name = "STEPS", default_value_t = TrainSpec::default().checkpoint_every)]
    checkpoint_every: u64,
    /// Steps between sample sheets
    #[arg(long, value_name = "STEPS", default_value_t = TrainSpec::default().sample_every)]
    sample_every: u64,
    /// Device that computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print lines of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// How pictures that are no squares become such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum FitArg {
    /// Cut-outs whole, others cut
    #[default]
    Auto,
    /// All cut
    Crop,
    /// All whole
    Pad,
}

impl From<FitArg> for Fit {
    fn from(fit: FitArg) -> Self {
        match fit {
            FitArg::Auto => Self::Auto,
            FitArg::Crop => Self::Crop,
            FitArg::Pad => Self::Pad,
        }
    }
}

impl TrainCommand {
    fn common(&self) -> &CommonArgs {
        match self {
            Self::Autoencoder(args) => &args.common,
            Self::Diffusion(args) => &args.common,
        }
    }

    /// Whether lines of JSON were asked for.
    pub(super) fn json(&self) -> bool {
        self.common().json
    }

    /// The job that the options describe.
    fn spec(&self) -> TrainSpec {
        let common = self.common();
        let spec = TrainSpec {
            data: common.data.clone(),
            from: common.from.clone(),
            config: common.config.clone(),
            output: common.output.clone(),
            resume: common.resume,
            size_px: common.size,
            fit: common.fit.into(),
            steps: common.steps,
            batch: common.batch,
            accumulate: common.accumulate,
            learning_rate: common.learning_rate,
            warmup_steps: common.warmup_steps,
            weight_decay: common.weight_decay,
            clip_norm: common.clip_norm,
            ema_decay: common.ema_decay,
            seed: common.seed,
            checkpoint_every: common.checkpoint_every,
            sample_every: common.sample_every,
            ..TrainSpec::default()
        };
        match self {
            Self::Autoencoder(args) => TrainSpec {
                target: TrainTarget::Autoencoder,
                discriminator_start: args.discriminator_start,
                perceptual_weight: args.perceptual_weight,
                perceptual_weights: args.perceptual_weights.clone(),
                kl_weight: args.kl_weight,
                latents: args.latents.into(),
                latent_factor: args.factor,
                ..spec
            },
            Self::Diffusion(args) => TrainSpec {
                target: TrainTarget::Diffusion,
                first_stage: args.first_stage.clone(),
                caption_dropout: args.caption_dropout,
                ..spec
            },
        }
    }
}

/// Trains, and tells how it goes.
pub(super) fn run(command: &TrainCommand, report: Reporter) -> Result<(), CliError> {
    let mut spec = command.spec();
    if spec.target == TrainTarget::Diffusion && spec.from.is_none() && spec.first_stage.is_none() {
        spec.first_stage = folders::storybook_model();
    }
    let mut engine = devices::start_engine(command.common().device, Precision::F32)?;
    let mut progress = report.progress(spec.steps, "steps");
    let output = spec.output.display().to_string();
    let mut is_saved = false;
    let job = engine.train(spec);
    let ended = follow(&mut engine, job, &mut progress, &mut |event, progress| {
        if let EngineEvent::Training { news, .. } = event {
            is_saved |= matches!(news, TrainEvent::Checkpoint { .. });
            tell(news, report, progress);
        }
        Ok(())
    });
    engine.close();
    if matches!(ended, Err(CliError::Interrupted)) && is_saved {
        report.status(&format!("`--resume` goes on with what is in {output}."));
    }
    let JobOutcome::Trained(outcome) = ended? else {
        // A training run ends in a model or not at all.
        return Ok(());
    };
    let folder = outcome.model.display().to_string();
    let skipped = outcome.skipped.len();
    if skipped > 0 {
        report.status(&format!("{skipped} pictures were left out."));
    }
    report.result(
        "model",
        json!({
            "folder": folder,
            "step": outcome.step,
            "loss": outcome.loss,
            "skipped": skipped,
        }),
        &folder,
    );
    Ok(())
}

fn tell(event: TrainEvent, report: Reporter, progress: &mut Progress) {
    match event {
        TrainEvent::Started {
            step,
            total,
            parameters,
            pictures,
        } => {
            progress.start_at(step, total);
            let millions = parameters as f64 / 1e6;
            let resumed = match step {
                0 => String::new(),
                step => format!(", going on after step {step}"),
            };
            progress.say(&format!(
                "Training {millions:.2} million weights on {pictures}{resumed}."
            ));
        }
        TrainEvent::Step(step) => {
            report.event(
                "step",
                json!({
                    "step": step.step,
                    "total": step.total,
                    "loss": step.loss,
                    "learning_rate": step.learning_rate,
                    "images_per_sec": step.images_per_sec,
                    "grad_norm": step.grad_norm,
                }),
            );
            let (loss, rate) = (step.loss, step.images_per_sec);
            let note = format!("loss {loss:.4}, {rate:.1} pictures/s");
            progress.show(step.step, step.total, &note);
        }
        TrainEvent::Evaluation { step, name, value } => {
            report.event(
                "evaluation",
                json!({ "step": step, "name": name, "value": value }),
            );
            progress.tell(&format!("Step {step}: {name} {value:.4}"));
        }
        TrainEvent::SampleSheet { step, path, .. } => {
            let path = path.display().to_string();
            report.event("sample_sheet", json!({ "step": step, "path": path }));
            progress.tell(&format!("Step {step}: samples in {path}"));
        }
        TrainEvent::Checkpoint { path, model } => {
            let (path, model) = (path.display().to_string(), model.display().to_string());
            report.event("checkpoint", json!({ "path": path, "model": model }));
            progress.tell(&format!("Checkpoint in {path}"));
        }
        TrainEvent::Skipped(picture) => {
            let path = picture.path.display();
            progress.warn(&format!("{path} is left out: {}", picture.reason));
        }
        TrainEvent::Warning { message } => progress.warn(&message),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn spec(line: &str) -> TrainSpec {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        match cli.command {
            Some(Command::Train(command)) => command.spec(),
            other => panic!("not a training command: {other:?}"),
        }
    }

    #[test]
    fn without_options_a_run_has_the_defaults_of_its_spec() {
        let expected = TrainSpec {
            data: Some("pictures".into()),
            ..Default::default()
        };
        assert_eq!(spec("velatura train diffusion pictures"), expected);
        let expected = TrainSpec {
            target: TrainTarget::Autoencoder,
            data: None,
            ..expected
        };
        assert_eq!(spec("velatura train autoencoder --scenes"), expected);
    }

    #[test]
    fn every_field_has_an_option() {
        let expected = TrainSpec {
            target: TrainTarget::Autoencoder,
            data: Some("in".into()),
            from: Some("old".into()),
            first_stage: None,
            config: Some("sizes.json".into()),
            output: "out/x".into(),
            resume: true,
            size_px: 128,
            fit: Fit::Pad,
            steps: 9,
            batch: 2,
            accumulate: 3,
            learning_rate: 1e-3,
            warmup_steps: 4,
            weight_decay: 0.5,
            clip_norm: 2.0,
            ema_decay: 0.9,
            seed: 8,
            checkpoint_every: 5,
            sample_every: 6,
            discriminator_start: Some(7),
            perceptual_weight: 0.25,
            kl_weight: 1e-4,
            ..Default::default()
        };
        let line = "velatura train autoencoder in --from old --config sizes.json --output out/x \
            --resume --size 128 --fit pad --steps 9 --batch 2 --accumulate 3 --learning-rate 1e-3 \
            --warmup-steps 4 --weight-decay 0.5 --clip-norm 2 --ema-decay 0.9 --seed 8 \
            --checkpoint-every 5 --sample-every 6 --discriminator-start 7 \
            --perceptual-weight 0.25 --kl-weight 1e-4";
        assert_eq!(spec(line), expected);

        let spec = spec("velatura train diffusion --scenes --first-stage eyes --caption-dropout 0");
        assert_eq!(spec.first_stage, Some("eyes".into()));
        assert_eq!(spec.caption_dropout, 0.0);
    }

    #[test]
    fn a_run_needs_pictures_or_scenes_but_not_both() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("velatura train diffusion").is_err());
        assert!(parse("velatura train diffusion pictures --scenes").is_err());
    }
}
