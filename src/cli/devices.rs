//! The device that a command computes on.

use std::sync::Arc;

use clap::ValueEnum;

use super::CliError;
use super::report::Reporter;
use crate::engine::device::{ComputeDevice, DeviceChoice, open_device};
use crate::engine::{EngineHandle, studio};

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

/// The device to compute on, told to the user.
///
/// # Errors
/// When there is no such device.
pub(super) fn open(arg: DeviceArg, report: Reporter) -> Result<ComputeDevice, CliError> {
    let device = open_device(arg.into())?;
    report.status(&format!("Computing on {}.", device.summary.name));
    Ok(device)
}

/// An engine on the device asked for.
///
/// # Errors
/// When there is no such device, or no thread to be had.
pub(super) fn start_engine(arg: DeviceArg) -> Result<EngineHandle, CliError> {
    let factory = studio::factory(open_device(arg.into())?);
    EngineHandle::spawn(factory, Arc::new(|| {})).map_err(CliError::NoEngine)
}
