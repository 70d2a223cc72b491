//! The devices of this computer and the choice among them.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use clap::ValueEnum;
use eframe::wgpu;

use super::CliError;
use super::report::Reporter;
use crate::engine::device::{ComputeDevice, DeviceChoice, open_device};

/// Which device computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// A graphics card if there is one, else the processor
    #[default]
    Auto,
    /// A graphics card
    Gpu,
    /// The processor
    Cpu,
}

impl From<DeviceArg> for DeviceChoice {
    fn from(arg: DeviceArg) -> Self {
        match arg {
            DeviceArg::Auto => Self::Auto,
            DeviceArg::Gpu => Self::Gpu,
            DeviceArg::Cpu => Self::Cpu,
        }
    }
}

/// One graphics adapter, as the driver describes it.
#[derive(Clone, Debug)]
pub(super) struct Adapter {
    pub(super) name: String,
    pub(super) backend: String,
    pub(super) kind: &'static str,
    pub(super) driver: String,
}

/// Every adapter that wgpu finds, without asking for a display.
pub(super) fn adapters() -> Vec<Adapter> {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    let instance = wgpu::Instance::new(descriptor);
    let found = finish(instance.enumerate_adapters(wgpu::Backends::all()));
    let infos = found.iter().map(wgpu::Adapter::get_info);
    infos
        .map(|info| Adapter {
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => "graphics card",
                wgpu::DeviceType::IntegratedGpu => "integrated graphics",
                wgpu::DeviceType::VirtualGpu => "virtual graphics",
                wgpu::DeviceType::Cpu => "software",
                wgpu::DeviceType::Other => "unknown kind",
            },
            name: info.name,
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_owned(),
        })
        .collect()
}

/// Runs a future that has no reason to wait: on a computer, unlike in a
/// browser, the list of adapters is ready at once.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

/// The device to compute on, told to the user.
///
/// # Errors
/// When there is no such device.
pub(super) fn open(arg: DeviceArg, report: Reporter) -> Result<ComputeDevice, CliError> {
    let device = open_device(arg.into())?;
    report.status(&format!("Computing on {}.", device.summary.name));
    Ok(device)
}
