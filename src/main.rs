//! Reads the arguments; opens the window or runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use velatura::app::{EngineBuilder, StudioOptions, run_studio};
use velatura::cli::{self, Cli, Precision};
use velatura::engine::device::{ComputeDevice, DeviceChoice, open_device};
use velatura::engine::protocol::EngineError;
use velatura::engine::studio;
use velatura::{gpu, kernels};

fn main() -> ExitCode {
    kernels::keep_freed_memory();
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
    kernels::give_way_everywhere();
    let mut options = StudioOptions::new(engine(cli.device.into(), cli.precision));
    options.open.clone_from(&cli.picture);
    run_studio(options)
}

/// The engine computes on the window's own graphics device where there is a
/// real one, so that pictures need not leave it.
fn engine(choice: DeviceChoice, weights: Precision) -> EngineBuilder {
    Box::new(move |window| {
        let device = match window {
            Some(window) if choice != DeviceChoice::Cpu => shared(window, choice),
            None if choice == DeviceChoice::Gpu => open_device(choice),
            _ => Ok(ComputeDevice::cpu()),
        };
        Box::new(move || {
            // Runs on the engine's own thread.
            kernels::give_way();
            let device = device
                .clone()
                .and_then(|device| device.with_weights(weights.into()))?;
            studio::factory(device)()
        })
    })
}

fn shared(window: &gpu::WindowDevice, choice: DeviceChoice) -> Result<ComputeDevice, EngineError> {
    let must = choice == DeviceChoice::Gpu;
    match gpu::window_device(window, must) {
        Ok(Some((device, name))) => Ok(ComputeDevice::gpu(device, name).shared_with_window()),
        Ok(None) => Ok(ComputeDevice::cpu()),
        Err(error) if must => Err(EngineError::Device(format!(
            "The graphics card of the window cannot compute ({error}); update its driver, or start with `--device cpu`."
        ))),
        Err(error) => {
            log::warn!("The graphics card of the window cannot compute: {error}");
            Ok(ComputeDevice::cpu())
        }
    }
}
