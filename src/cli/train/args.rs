//! What `velatura train` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::examples::TRAIN;
use crate::cli::{CliError, DeviceArg};
use crate::engine::protocol::{FoundRun, TrainConfig, is_run_file, is_sizes_file, read_run};
use crate::folders;
use crate::recipe::{Degradation, Fit, LatentKind, TrainSpec, TrainTarget, TrainTask};

/// Stands for no folder.
const NONE: &str = "none";

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
    #[command(flatten)]
    naming: NameOption,
}

/// What can be trained.
#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// Train the first stage: pictures to latents and back
    Autoencoder(AutoencoderArgs),
    /// Train the second stage: the network that paints
    Diffusion(DiffusionArgs),
    /// Train a classifier of noisy latents: it leads a model to the classes that the folders
    /// of the pictures are, `velatura generate --classifier`
    Classifier(ClassifierArgs),
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
    #[command(flatten)]
    naming: NameOption,
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
    #[command(flatten)]
    naming: NameOption,
}

/// What `velatura train classifier` takes.
#[derive(Debug, Args)]
pub struct ClassifierArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    common: CommonArgs,
    /// The model that is to be led: its autoencoder makes the latents, and its schedule the
    /// noise [default: the Storybook model]
    #[arg(long, value_name = "MODEL")]
    first_stage: Option<PathBuf>,
    #[command(flatten)]
    latents: LatentOptions,
}

/// What models take and classifiers do not, which are found by the names of their folders.
#[derive(Debug, Args)]
struct NameOption {
    /// What the model is called in lists and in the recipes of its pictures [default: like
    /// its folder, or the folder of pictures]
    #[arg(long)]
    name: Option<String>,
}

impl NameOption {
    fn over(&self, spec: TrainSpec) -> TrainSpec {
        TrainSpec {
            name: self.name.clone().or(spec.name),
            ..spec
        }
    }
}

/// What all take that learn from latents.
#[derive(Debug, Args)]
struct LatentOptions {
    /// Folder in which latents are kept, so that the next training with the same first
    /// stage need not make them again; `none` keeps none [default: in the folder for what
    /// can be made again]
    #[arg(long, value_name = "DIR")]
    latent_cache: Option<PathBuf>,
}

/// Where the pictures of a stage are.
#[derive(Debug, Args)]
struct DataArgs {
    /// Folder of pictures, searched recursively; `barn.txt` is the caption of
    /// `barn.png`, the folder that it lies in its class, `barn.label.png` its label map, and
    /// boxes are in a COCO JSON file or in `barn.json`
    #[arg(
        required_unless_present_any = ["scenes", "config", "resume"],
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
    /// Have the model refer to its first stage where that lies instead of keeping it in its
    /// own folder: saved once for any number of models. It is known again by the digest of
    /// its weights, also among the models of the studio; other programs do not follow
    #[arg(long)]
    share_first_stage: bool,
    #[command(flatten)]
    latents: LatentOptions,
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
    /// None of it: a classifier is trained that leads a model to the folders that pictures
    /// lie in, as `velatura train classifier` does
    Classifier,
}

impl TaskArg {
    /// What a denoiser learns to paint from; `None` where it is no denoiser that learns.
    fn task(self) -> Option<TrainTask> {
        Some(match self {
            Self::Unconditional => TrainTask::Unconditional,
            Self::Class => TrainTask::Class,
            Self::Text => TrainTask::Text,
            Self::Layout => TrainTask::Layout,
            Self::Semantic => TrainTask::Semantic,
            Self::Inpaint => TrainTask::Inpaint,
            Self::SuperResolution => TrainTask::SuperResolution,
            Self::Classifier => return None,
        })
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
    /// Go on from the newest checkpoint in the output folder, as the run began where no
    /// option says otherwise
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
            Some(TrainCommand::Classifier(args)) => &args.common,
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

    /// Where latents are kept for the next training.
    pub(super) fn latent_cache(&self) -> Option<PathBuf> {
        let options = match &self.stage {
            Some(TrainCommand::Autoencoder(_)) => return None,
            Some(TrainCommand::Diffusion(args)) => &args.own.latents,
            Some(TrainCommand::Classifier(args)) => &args.latents,
            None => &self.diffusion.latents,
        };
        match &options.latent_cache {
            Some(named) if named.as_os_str() == NONE => None,
            Some(named) => Some(named.clone()),
            None => folders::latents(),
        }
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
                Ok(args.naming.over(args.own.over(spec)?))
            }
            Some(TrainCommand::Diffusion(args)) => {
                let target = args.own.target().unwrap_or(TrainTarget::Diffusion);
                let spec = args.common.over(Some(target), args.data.data.as_ref())?;
                Ok(args.naming.over(args.own.over(spec)))
            }
            Some(TrainCommand::Classifier(args)) => {
                let target = Some(TrainTarget::Classifier);
                let spec = args.common.over(target, args.data.data.as_ref())?;
                Ok(TrainSpec {
                    first_stage: args.first_stage.clone().or(spec.first_stage),
                    ..spec
                })
            }
            None => {
                let target = self.diffusion.target();
                let spec = self.common.over(target, self.data.as_ref())?;
                let spec = self.diffusion.over(self.autoencoder.over(spec)?);
                Ok(self.naming.over(spec))
            }
        }
    }
}

/// What is trained, in words.
fn trained(target: TrainTarget) -> &'static str {
    match target {
        TrainTarget::Autoencoder => "an autoencoder",
        TrainTarget::Diffusion => "a network that paints",
        TrainTarget::Classifier => "a classifier",
    }
}

impl CommonArgs {
    /// The run in the output folder that goes on; `None` where there is none, or a file
    /// describes what it goes on with.
    fn begun(&self, target: Option<TrainTarget>) -> Option<TrainSpec> {
        let usual = TrainSpec::default().output;
        let output = self.output.as_ref().unwrap_or(&usual);
        let found = self.resume.then(|| FoundRun::in_folder(output)).flatten()?;
        let is_asked = target.is_none_or(|target| target == found.spec.target);
        let mut spec = is_asked.then_some(found.spec)?;
        if let Some(sizes) = &self.config {
            spec.sizes = None;
            spec.config = Some(sizes.clone());
        }
        Some(spec)
    }

    /// The run that a file describes or that goes on, or without one the usual run of a
    /// stage, with what the options say instead.
    fn over(
        &self,
        target: Option<TrainTarget>,
        data: Option<&PathBuf>,
    ) -> Result<TrainSpec, CliError> {
        let described = self.config.as_ref().filter(|path| is_run_file(path));
        let begun = match described {
            Some(_) => None,
            None => self.begun(target),
        };
        let has_data = described.is_some() || begun.is_some();
        let mut spec = match (described, begun, target) {
            (Some(path), ..) => {
                let spec = read_run(path)?;
                if target.is_some_and(|target| target != spec.target) {
                    return Err(CliError::OtherStage {
                        path: path.clone(),
                        trained: trained(spec.target),
                    });
                }
                spec
            }
            (None, Some(begun), _) => begun,
            (None, None, None) => {
                return Err(match &self.config {
                    Some(path) if is_sizes_file(path) => CliError::OnlySizes(path.clone()),
                    Some(path) => match read_run(path) {
                        Err(error) => error.into(),
                        Ok(_) => CliError::NoRun,
                    },
                    None => CliError::NoRun,
                });
            }
            (None, None, Some(target)) => TrainSpec {
                target,
                config: self.config.clone(),
                ..TrainSpec::default()
            },
        };
        if self.scenes {
            spec.data = None;
        } else if let Some(data) = data {
            spec.data = Some(data.clone());
        } else if !has_data {
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
    /// What is trained, where the task says it.
    fn target(&self) -> Option<TrainTarget> {
        Some(match self.task? {
            TaskArg::Classifier => TrainTarget::Classifier,
            _ => TrainTarget::Diffusion,
        })
    }

    fn over(&self, spec: TrainSpec) -> TrainSpec {
        TrainSpec {
            task: match self.task {
                Some(task) => task.task(),
                None => spec.task,
            },
            first_stage: self.first_stage.clone().or(spec.first_stage),
            share_first_stage: self.share_first_stage || spec.share_first_stage,
            caption_dropout: self.caption_dropout.unwrap_or(spec.caption_dropout),
            degradation: self.degradation.map_or(spec.degradation, Into::into),
            ..spec
        }
    }
}

#[cfg(test)]
mod tests;
