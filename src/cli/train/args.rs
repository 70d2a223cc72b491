//! What `velatura train` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::examples::TRAIN;
use crate::cli::{CliError, DeviceArg};
use crate::engine::protocol::{TrainConfig, is_run_file, is_sizes_file, read_run};
use crate::recipe::{Degradation, Fit, LatentKind, TrainSpec, TrainTarget, TrainTask};

/// What `velatura train` takes: a stage, or the file that describes a run.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_long_help = TRAIN
)]
pub struct TrainArgs {
    #[command(subcommand)]
    stage: Option<TrainCommand>,
    /// Folder of pictures, in the place of that in the file
    #[arg(long, conflicts_with = "scenes", value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    autoencoder: AutoencoderOptions,
    #[command(flatten)]
    diffusion: DiffusionOptions,
}

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
    data: DataArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    own: AutoencoderOptions,
}

/// What `velatura train diffusion` takes.
#[derive(Debug, Args)]
pub struct DiffusionArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    own: DiffusionOptions,
}

/// Where the pictures of a stage are.
#[derive(Debug, Args)]
struct DataArgs {
    /// Folder of pictures, searched recursively; `barn.txt` is the caption of
    /// `barn.png`, the folder that it lies in its class, `barn.label.png` its label map, and
    /// boxes are in a COCO JSON file or in `barn.json`
    #[arg(
        required_unless_present_any = ["scenes", "config"],
        conflicts_with = "scenes",
        value_name = "DIR"
    )]
    data: Option<PathBuf>,
}

/// What only first stages take.
#[derive(Debug, Args)]
struct AutoencoderOptions {
    /// First step at which the discriminator acts [default: never]
    #[arg(long, value_name = "STEP")]
    discriminator_start: Option<u64>,
    /// Weight of the perceptual loss [default: 1]
    #[arg(long, value_name = "WEIGHT")]
    perceptual_weight: Option<f64>,
    /// Weights of LPIPS for it: a file, or a folder with vgg16-397923af.pth and vgg.pth
    /// [default: a perceptual loss that needs no weights]
    #[arg(long, value_name = "PATH", alias = "lpips")]
    perceptual_weights: Option<PathBuf>,
    /// Weight of the Kullback-Leibler loss [default: 0.000001]
    #[arg(long, value_name = "WEIGHT")]
    kl_weight: Option<f64>,
    /// What keeps the latents of a run from random weights in bounds [default: kl]
    #[arg(long, value_enum, conflicts_with = "from")]
    latents: Option<LatentsArg>,
    /// Pixels per side of a latent of such a run: 2, 4, 8, 16 or 32 [default: what
    /// suits the pictures]
    #[arg(long, value_name = "F", conflicts_with = "from")]
    factor: Option<u32>,
}

/// What only denoisers take.
#[derive(Debug, Args)]
struct DiffusionOptions {
    /// What a model from random weights learns to paint from [default: what the network
    /// sizes say, or words and holes]
    #[arg(long, value_enum)]
    task: Option<TaskArg>,
    /// What encodes the pictures of a run from random weights: a model folder, an
    /// autoencoder alone, or `pixels` for none [default: the Storybook model]
    #[arg(long, value_name = "MODEL")]
    first_stage: Option<PathBuf>,
    /// Probability that a caption, or a class, boxes or a label map alone, is left out, for
    /// guidance [default: 0.1]
    #[arg(long, value_name = "P")]
    caption_dropout: Option<f32>,
    /// How the small pictures are made that a model learns to enlarge: `bicubic`, or
    /// `bsrgan-light` with blur, noise and JPEG blocks besides [default: bicubic]
    #[arg(long, value_enum, value_name = "HOW")]
    degradation: Option<DegradationArg>,
}

/// How small pictures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DegradationArg {
    /// Small, and as good as can be
    Bicubic,
    /// Blurred, noisy and compressed a little, at random
    BsrganLight,
}

impl From<DegradationArg> for Degradation {
    fn from(arg: DegradationArg) -> Self {
        match arg {
            DegradationArg::Bicubic => Self::Bicubic,
            DegradationArg::BsrganLight => Self::BsrganLight,
        }
    }
}

/// What keeps latents in bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LatentsArg {
    /// A distribution near the standard normal one
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

/// What a denoiser paints from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TaskArg {
    /// Nothing: more pictures like those in the folder
    Unconditional,
    /// The folder that a picture lies in
    Class,
    /// Captions
    Text,
    /// Boxes
    Layout,
    /// Label maps
    Semantic,
    /// The picture around a hole
    Inpaint,
    /// The picture in small
    SuperResolution,
}

impl From<TaskArg> for TrainTask {
    fn from(arg: TaskArg) -> Self {
        match arg {
            TaskArg::Unconditional => Self::Unconditional,
            TaskArg::Class => Self::Class,
            TaskArg::Text => Self::Text,
            TaskArg::Layout => Self::Layout,
            TaskArg::Semantic => Self::Semantic,
            TaskArg::Inpaint => Self::Inpaint,
            TaskArg::SuperResolution => Self::SuperResolution,
        }
    }
}

/// What both stages take. What is absent is as a file says that describes the run, or as
/// usual.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Train on endless storybook scenes instead of a folder
    #[arg(long)]
    scenes: bool,
    /// Model folder to start from [default: random weights]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// JSON file that describes the whole run, as a run keeps it in `run.json`, or only the
    /// network sizes of one from random weights [default: sizes that suit the pictures];
    /// other options overrule a run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for checkpoints, metrics, sample sheets and the model [default: out/train]
    #[arg(short, long, visible_alias = "out", value_name = "DIR")]
    output: Option<PathBuf>,
    /// Go on from the newest checkpoint in the output folder
    #[arg(long)]
    resume: bool,
    /// Side in pixels of the squares trained on [default: 64]
    #[arg(long, value_name = "PX")]
    size: Option<u32>,
    /// How pictures that are no squares become such: `auto` sees cut-outs, which are clear
    /// in parts, as a whole and cuts a square of others; `crop` cuts all; `pad` sees
    /// all as a whole, with the edge drawn out or white around cut-outs [default: auto]
    #[arg(long, value_enum, value_name = "HOW")]
    fit: Option<FitArg>,
    /// Optimiser steps in all, those before a resume included [default: 1000]
    #[arg(long)]
    steps: Option<u64>,
    /// Pictures per forward pass [default: 16]
    #[arg(long)]
    batch: Option<u32>,
    /// Forward passes per optimiser step [default: 1]
    #[arg(long, value_name = "N")]
    accumulate: Option<u32>,
    /// Peak learning rate [default: 0.0001]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Steps over which the learning rate rises from 0 [default: 200]
    #[arg(long, value_name = "STEPS")]
    warmup_steps: Option<u64>,
    /// Decoupled weight decay [default: 0.01]
    #[arg(long, value_name = "DECAY")]
    weight_decay: Option<f64>,
    /// Largest norm of all gradients together [default: 1]
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f64>,
    /// Upper bound of the decay of the averaged weights [default: 0.9999]
    #[arg(long, value_name = "DECAY")]
    ema_decay: Option<f64>,
    /// Seed of everything random [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Steps between checkpoints [default: 500]
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<u64>,
    /// Steps between sample sheets [default: 500]
    #[arg(long, value_name = "STEPS")]
    sample_every: Option<u64>,
    /// Device that computes
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print lines of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// How pictures that are no squares become such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FitArg {
    /// Cut-outs whole, others cut
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

impl TrainArgs {
    fn common(&self) -> &CommonArgs {
        match &self.stage {
            Some(TrainCommand::Autoencoder(args)) => &args.common,
            Some(TrainCommand::Diffusion(args)) => &args.common,
            None => &self.common,
        }
    }

    /// Whether lines of JSON were asked for.
    pub(in crate::cli) fn json(&self) -> bool {
        self.common().json
    }

    /// What computes.
    pub(super) fn device(&self) -> DeviceArg {
        self.common().device
    }

    /// The job that the options describe.
    ///
    /// # Errors
    /// If a file that describes it cannot be used, or something is missing.
    pub(super) fn spec(&self) -> Result<TrainSpec, CliError> {
        match &self.stage {
            Some(TrainCommand::Autoencoder(args)) => {
                let target = Some(TrainTarget::Autoencoder);
                let spec = args.common.over(target, args.data.data.as_ref())?;
                args.own.over(spec)
            }
            Some(TrainCommand::Diffusion(args)) => {
                let target = Some(TrainTarget::Diffusion);
                let spec = args.common.over(target, args.data.data.as_ref())?;
                Ok(args.own.over(spec))
            }
            None => {
                let spec = self.common.over(None, self.data.as_ref())?;
                Ok(self.diffusion.over(self.autoencoder.over(spec)?))
            }
        }
    }
}

impl CommonArgs {
    /// The run that a file describes, or without one the usual run of a stage, with what
    /// the options say instead.
    fn over(
        &self,
        target: Option<TrainTarget>,
        data: Option<&PathBuf>,
    ) -> Result<TrainSpec, CliError> {
        let described = self.config.as_ref().filter(|path| is_run_file(path));
        let mut spec = match (described, target) {
            (Some(path), _) => {
                let spec = read_run(path)?;
                if target.is_some_and(|target| target != spec.target) {
                    return Err(CliError::OtherStage(path.clone()));
                }
                spec
            }
            (None, None) => {
                return Err(match &self.config {
                    Some(path) if is_sizes_file(path) => CliError::OnlySizes(path.clone()),
                    Some(path) => match read_run(path) {
                        Err(error) => error.into(),
                        Ok(_) => CliError::NoRun,
                    },
                    None => CliError::NoRun,
                });
            }
            (None, Some(target)) => TrainSpec {
                target,
                config: self.config.clone(),
                ..TrainSpec::default()
            },
        };
        if self.scenes {
            spec.data = None;
        } else if let Some(data) = data {
            spec.data = Some(data.clone());
        } else if described.is_none() {
            return Err(CliError::NoTrainingData);
        }
        if let Some(output) = &self.output {
            spec.output.clone_from(output);
        }
        Ok(TrainSpec {
            from: self.from.clone().or(spec.from),
            resume: self.resume || spec.resume,
            size_px: self.size.unwrap_or(spec.size_px),
            fit: self.fit.map_or(spec.fit, Into::into),
            steps: self.steps.unwrap_or(spec.steps),
            batch: self.batch.unwrap_or(spec.batch),
            accumulate: self.accumulate.unwrap_or(spec.accumulate),
            learning_rate: self.learning_rate.unwrap_or(spec.learning_rate),
            warmup_steps: self.warmup_steps.unwrap_or(spec.warmup_steps),
            weight_decay: self.weight_decay.unwrap_or(spec.weight_decay),
            clip_norm: self.clip_norm.unwrap_or(spec.clip_norm),
            ema_decay: self.ema_decay.unwrap_or(spec.ema_decay),
            seed: self.seed.unwrap_or(spec.seed),
            checkpoint_every: self.checkpoint_every.unwrap_or(spec.checkpoint_every),
            sample_every: self.sample_every.unwrap_or(spec.sample_every),
            ..spec
        })
    }
}

impl AutoencoderOptions {
    /// # Errors
    /// If latents are chosen for an autoencoder that is given, or its sizes cannot be read.
    fn over(&self, spec: TrainSpec) -> Result<TrainSpec, CliError> {
        let is_chosen = self.latents.is_some() || self.factor.is_some();
        if is_chosen && (spec.from.is_some() || TrainConfig::of(&spec)?.autoencoder.is_some()) {
            return Err(CliError::GivenAutoencoder);
        }
        Ok(TrainSpec {
            discriminator_start: self.discriminator_start.or(spec.discriminator_start),
            perceptual_weight: self.perceptual_weight.unwrap_or(spec.perceptual_weight),
            perceptual_weights: self.perceptual_weights.clone().or(spec.perceptual_weights),
            kl_weight: self.kl_weight.unwrap_or(spec.kl_weight),
            latents: self.latents.map_or(spec.latents, Into::into),
            latent_factor: self.factor.or(spec.latent_factor),
            ..spec
        })
    }
}

impl DiffusionOptions {
    fn over(&self, spec: TrainSpec) -> TrainSpec {
        TrainSpec {
            task: self.task.map(Into::into).or(spec.task),
            first_stage: self.first_stage.clone().or(spec.first_stage),
            caption_dropout: self.caption_dropout.unwrap_or(spec.caption_dropout),
            degradation: self.degradation.map_or(spec.degradation, Into::into),
            ..spec
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn asked(line: &str) -> Result<TrainSpec, CliError> {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        match cli.command {
            Some(Command::Train(args)) => args.spec(),
            other => panic!("not a training command: {other:?}"),
        }
    }

    fn spec(line: &str) -> TrainSpec {
        asked(line).unwrap()
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

        let spec = spec(
            "velatura train diffusion --scenes --first-stage eyes --caption-dropout 0 --task class",
        );
        assert_eq!(spec.first_stage, Some("eyes".into()));
        assert_eq!(spec.caption_dropout, 0.0);
        assert_eq!(spec.task, Some(TrainTask::Class));
    }

    #[test]
    fn a_run_needs_pictures_or_scenes_but_not_both() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("velatura train diffusion").is_err());
        assert!(parse("velatura train diffusion pictures --scenes").is_err());
    }

    #[test]
    fn a_file_describes_a_run_and_options_overrule_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let run = write(
            "run.json",
            r#"{ "task": "layout", "data": "in", "steps": 7, "batch": 2, "output": "out" }"#,
        );
        let told = spec(&format!("velatura train --config {run}"));
        assert_eq!(told.data, Some(folder.path().join("in")));
        assert_eq!(
            (told.task, told.config.clone()),
            (Some(TrainTask::Layout), None)
        );
        let line = format!(
            "velatura train --config {run} --steps 9 --task text --output here --resume --data there"
        );
        let expected = TrainSpec {
            steps: 9,
            task: Some(TrainTask::Text),
            output: "here".into(),
            resume: true,
            data: Some("there".into()),
            ..told.clone()
        };
        assert_eq!(spec(&line), expected);
        let scenes = spec(&format!("velatura train --config {run} --scenes"));
        assert_eq!((scenes.data, scenes.steps), (None, 7));
        assert_eq!(
            spec(&format!("velatura train diffusion --config {run}")),
            told
        );
        let refused = |line: String| asked(&line).unwrap_err().to_string();
        let eyes = write("eyes.json", r#"{ "target": "autoencoder", "data": "in" }"#);
        let coarse = spec(&format!(
            "velatura train --config {eyes} --latents vq --factor 8"
        ));
        assert_eq!(
            (coarse.latents, coarse.latent_factor),
            (LatentKind::Vq, Some(8))
        );
        let given = write(
            "given.json",
            r#"{ "target": "autoencoder", "data": "in",
                "sizes": { "autoencoder": { "latent_channels": 4 } } }"#,
        );
        let given = refused(format!("velatura train --config {given} --factor 8"));
        assert!(given.contains("--factor"), "{given}");
        let empty = write("empty.json", "{}");
        let empty = refused(format!("velatura train --config {empty}"));
        assert!(empty.contains("says nothing"), "{empty}");
        let other = refused(format!("velatura train autoencoder --config {run}"));
        assert!(other.contains("other stage"), "{other}");
        let sizes = write("sizes.json", r#"{ "training": {} }"#);
        let only = refused(format!("velatura train --config {sizes}"));
        assert!(only.contains("sizes of networks"), "{only}");
        let bare = refused(format!("velatura train diffusion --config {sizes}"));
        assert!(bare.contains("--scenes"), "{bare}");
        assert!(refused("velatura train --steps 3".to_owned()).contains("--config"));
        let missing = refused("velatura train --config nowhere.json".to_owned());
        assert!(missing.contains("cannot read"), "{missing}");
        let mistyped = write("mistyped.json", r#"{ "taks": "class" }"#);
        let mistyped = refused(format!("velatura train --config {mistyped}"));
        assert!(mistyped.contains("taks"), "{mistyped}");
    }
}
