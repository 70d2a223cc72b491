//! The command line: one file per command, none of which needs a display.
//!
//! Results go to stdout, everything else to stderr, so that commands can be
//! piped; `--json` turns stdout into lines of JSON for programs. A command ends
//! with 0 when it did what was asked, 1 when it could not (with one sentence
//! that says why), 2 when it was not understood, 130 when it was interrupted
//! (Ctrl+C, SIGTERM): a generation with the pictures that were finished, a
//! training run with its checkpoint.

mod autoencoder;
mod devices;
mod error;
mod evaluate;
mod examples;
mod export;
mod follow;
mod generate;
mod info;
mod interrupt;
mod latents;
mod model_name;
mod models;
mod place;
mod report;
mod scenes;
mod train;
mod upscale;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use devices::{DeviceArg, Precision};
pub use error::CliError;

use report::Reporter;

/// What can be said on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "velatura",
    version,
    about = "An image studio for latent diffusion models",
    long_about = "An image studio for latent diffusion models.\n\n\
        Without a command the studio's window opens, with PICTURE (a picture or a project) on the canvas if one is given.",
    after_long_help = examples::ALL,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// Picture or project to open in the studio
    pub picture: Option<PathBuf>,

    /// Device that computes in the studio
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceArg,

    /// How the studio holds weights in memory; half precision halves it, on the processor
    #[arg(long, value_enum, default_value_t)]
    pub precision: Precision,

    /// What to do without a window
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Reads the command line; ends the program with what is wrong with it.
    pub fn told() -> Self {
        let matches = with_negative_numbers(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The same where values may be negative numbers: which are allowed says the option that is given
/// one.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let takes_values = arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_values)
    });
    command.mut_subcommands(with_negative_numbers)
}

/// A command that needs no window.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Paint pictures from text, or repaint parts of one
    Generate(Box<generate::GenerateArgs>),
    /// Make a picture larger: four times, or as a model of super-resolution does
    Upscale(upscale::UpscaleArgs),
    /// Turn pictures into latents and back, without a denoiser
    #[command(subcommand, after_long_help = examples::AUTOENCODER)]
    Autoencoder(autoencoder::AutoencoderCommand),
    /// Train a model on a folder of pictures, or as a file says
    Train(Box<train::TrainArgs>),
    /// Paint unseen captions with a storybook model and judge the pictures, or compare
    /// folders of pictures
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// Copy a model, with smaller weights and a model card
    Export(export::ExportArgs),
    /// Make captioned, labelled scenes to train on
    Scenes(scenes::ScenesArgs),
    /// List the models that can be found, or tell what a file is
    Models(models::ModelsArgs),
    /// Tell what this computer has and what the studio would use
    Info(info::InfoArgs),
}

/// What a command does, told where to report.
type Work<'a> = Box<dyn Fn(Reporter) -> Result<(), CliError> + 'a>;

/// Runs one command to its end.
pub fn run(command: &Command) -> ExitCode {
    let (json, run): (bool, Work<'_>) = match command {
        Command::Generate(args) => (args.json, Box::new(|report| generate::run(args, report))),
        Command::Upscale(args) => (args.json, Box::new(|report| upscale::run(args, report))),
        Command::Autoencoder(args) => (
            args.json(),
            Box::new(|report| autoencoder::run(args, report)),
        ),
        Command::Train(args) => (args.json(), Box::new(|report| train::run(args, report))),
        Command::Evaluate(args) => (args.json(), Box::new(|report| evaluate::run(args, report))),
        Command::Export(args) => (args.json, Box::new(|report| export::run(args, report))),
        Command::Scenes(args) => (args.json, Box::new(|report| scenes::run(args, report))),
        Command::Models(args) => (args.json(), Box::new(|report| models::run(args, report))),
        Command::Info(args) => (args.json, Box::new(|report| info::run(args, report))),
    };
    let report = Reporter::new(json);
    match run(report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error.to_string());
            match error {
                CliError::Interrupted => ExitCode::from(interrupt::EXIT_CODE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        with_negative_numbers(Cli::command()).debug_assert();
    }

    #[test]
    fn negative_numbers_are_refused_by_the_option_that_is_given_one() {
        for option in ["--cfg-scale", "--seed", "--strength", "--steps"] {
            let words = ["velatura", "generate", option, "-1"];
            let command = with_negative_numbers(Cli::command());
            // Some ranges are known to the model only, and are told with it.
            if let Err(error) = command.try_get_matches_from(words) {
                let error = error.to_string();
                assert!(error.contains(&format!("'-1' for '{option}")), "{error}");
            }
        }
    }

    #[test]
    fn a_picture_opens_in_the_studio_and_a_command_does_not() {
        let cli = Cli::try_parse_from(["velatura", "barn.png"]).unwrap();
        assert_eq!(cli.picture, Some(PathBuf::from("barn.png")));
        assert!(cli.command.is_none());
        let cli = Cli::try_parse_from(["velatura", "info"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Info(_))));
    }

    /// Splits a line as a shell does, as far as the readme needs it.
    fn words(line: &str) -> Vec<String> {
        let quoted = line.split('"').enumerate();
        quoted
            .flat_map(|(index, part)| match index % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            })
            .collect()
    }

    #[test]
    fn every_command_of_the_readme_is_understood() {
        let readme = include_str!("../../README.md");
        let lines = readme
            .lines()
            .filter(|line| line.starts_with("    velatura "));
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() > 5);
        for line in lines {
            if let Err(error) = Cli::try_parse_from(words(line)) {
                panic!("{line}\n{error}");
            }
        }
    }
}
