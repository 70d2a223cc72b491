//! Reads the arguments; opens the window or runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use velatura::app::{StudioOptions, run_studio};
use velatura::cli::{self, Cli};
use velatura::{engine, folders, gpu};

fn main() -> ExitCode {
    // Graphics drivers are talkative; their errors are enough.
    let quiet = env_logger::Env::default().default_filter_or("error,velatura=warn");
    env_logger::Builder::from_env(quiet).init();

    let cli = Cli::parse();
    let Some(command) = &cli.command else {
        return match open_studio(&cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        };
    };
    cli::run(command)
}

fn open_studio(cli: &Cli) -> anyhow::Result<()> {
    let mut options = StudioOptions::new(engine::studio_engine(cli.device.into()));
    options.wgpu = gpu::wgpu_configuration();
    options.storybook_folder = folders::storybook_model();
    options.open.clone_from(&cli.picture);
    run_studio(options)
}
