//! `velatura evaluate`: does a model do what it is told, and how far are its pictures
//! from others?

mod features;
mod folders;
mod model;
mod sweep;

use std::path::Path;

use clap::{Args, Subcommand};

use super::CliError;
use super::examples::EVALUATE;
use super::interrupt;
use super::report::Reporter;
use crate::evaluate::EvaluateError;
use crate::files::reason_of;

/// What `velatura evaluate` takes; without a command, what `model` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = EVALUATE)]
pub struct EvaluateArgs {
    #[command(flatten)]
    model: model::ModelArgs,
    #[command(subcommand)]
    command: Option<EvaluateCommand>,
}

/// What is evaluated.
#[derive(Debug, Subcommand)]
pub enum EvaluateCommand {
    /// Compare two folders of pictures, or statistics of such: Fréchet distance (FID
    /// with Inception's weights), kernel distance, precision, recall, PSNR, SSIM
    Folders(folders::FoldersArgs),
    /// Paint with a storybook model and judge the pictures (what `evaluate` alone does)
    Model(Box<model::ModelArgs>),
}

impl EvaluateArgs {
    /// Whether lines of JSON were asked for.
    pub(super) fn json(&self) -> bool {
        match &self.command {
            None => self.model.json,
            Some(EvaluateCommand::Folders(args)) => args.json,
            Some(EvaluateCommand::Model(args)) => args.json,
        }
    }
}

/// Evaluates, until it is done or interrupted.
pub(super) fn run(args: &EvaluateArgs, report: Reporter) -> Result<(), CliError> {
    interrupt::listen()?;
    let ended = match &args.command {
        None => model::run(&args.model, report),
        Some(EvaluateCommand::Folders(args)) => folders::run(args, report),
        Some(EvaluateCommand::Model(args)) => model::run(args, report),
    };
    match ended {
        Err(CliError::Evaluate(EvaluateError::Stopped)) if interrupt::is_asked() => {
            Err(CliError::Interrupted)
        }
        ended => ended,
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::Write {
        path: path.to_owned(),
        reason: reason_of(error),
    }
}
