//! Reads the arguments; opens the window or runs one command.

use std::process::ExitCode;

use crossbeam_channel::{Sender, bounded};
use velatura::cli::{self, Cli, Precision};
use velatura::engine::device::{ComputeDevice, DeviceChoice, open_device};
use velatura::engine::protocol::EngineError;
use velatura::engine::studio;
use velatura::window::{EngineBuilder, StudioOptions, run_studio};
use velatura::{gpu, kernels};

fn main() -> ExitCode {
    kernels::keep_freed_memory();
    // Graphics drivers are talkative; their errors are enough.
    let quiet = env_logger::Env::default().default_filter_or("error,velatura=warn");
    env_logger::Builder::from_env(quiet).init();

    let cli = Cli::told();
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
    // Nothing is sent: the channel closes when the engine thread ends.
    let (alive, engine_end) = bounded(0);
    let mut options = StudioOptions::new(engine(cli.device.into(), cli.precision, alive));
    options.open.clone_from(&cli.picture);
    let done = run_studio(options);
    // The window is gone, so nobody sees that a training run still writes its
    // checkpoint: on a slow disk for minutes, after hours of work.
    engine_end.recv().ok();
    done
}

/// The engine computes on the window's own graphics device where there is a
/// real one, so that pictures need not leave it.
fn engine(choice: DeviceChoice, weights: Precision, alive: Sender<()>) -> EngineBuilder {
    Box::new(move |window| {
        let device = match window {
            Some(window) if choice != DeviceChoice::Cpu => shared(window, choice),
            None if choice == DeviceChoice::Gpu => open_device(choice),
            _ => Ok(ComputeDevice::cpu()),
        };
        Box::new(move || {
            // Runs on the engine's own thread, and is dropped with it.
            let _alive = &alive;
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
    match gpu::window_device(window, false) {
        Ok(Some((device, name))) => {
            let card = window.device.clone();
            Ok(ComputeDevice::gpu(device, name, card).shared_with_window())
        }
        Ok(None) if must => Err(EngineError::Device(
            "The window has no graphics card that computes; install its driver, or start without `--device gpu`."
                .to_owned(),
        )),
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
