//! The device that a command computes on.

use std::sync::Arc;

use clap::ValueEnum;

use super::CliError;
use super::report::Reporter;
use crate::engine::device::{ComputeDevice, DeviceChoice, open_device};
use crate::engine::{EngineHandle, studio};
use crate::model::WeightDtype;

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

/// How weights are stored, or held in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 16 bits, half the size
    F16,
    /// 16 bits with the range of 32
    Bf16,
    /// 32 bits; on the processor, what is stored in 16 stays so
    #[default]
    F32,
}

impl From<Precision> for WeightDtype {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F16 => Self::F16,
            Precision::Bf16 => Self::Bf16,
            Precision::F32 => Self::F32,
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

/// An engine on the device asked for, which holds weights as asked for.
///
/// # Errors
/// When there is no such device, it cannot hold them so, or there is no thread to be had.
pub(super) fn start_engine(arg: DeviceArg, precision: Precision) -> Result<EngineHandle, CliError> {
    let device = open_device(arg.into())?.with_weights(precision.into())?;
    let factory = studio::factory(device);
    let engine = EngineHandle::spawn(factory, Arc::new(|| {})).map_err(CliError::NoEngine)?;
    engine.look_away();
    Ok(engine)
}
