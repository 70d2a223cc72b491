//! Which device computes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;

use super::protocol::{AdapterSummary, EngineError};
use crate::gpu;
use crate::model::WeightDtype;

/// What the user wants to compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A graphics card if there is one, else the processor.
    #[default]
    Auto,
    /// A graphics card.
    Gpu,
    /// The processor.
    Cpu,
}

/// A device, ready to compute.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    /// The device, to be handed down by clone.
    pub device: Device,
    /// Its description.
    pub summary: AdapterSummary,
    /// Whether it is the window's own graphics card, so that pictures need not
    /// leave it to be seen.
    pub shares_window: bool,
    /// How models hold their weights that are loaded to paint with.
    pub weights: WeightDtype,
    /// The graphics card itself, where it is one.
    card: Option<wgpu::Device>,
}

impl ComputeDevice {
    /// The processor.
    pub fn cpu() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let plural = if threads == 1 { "" } else { "s" };
        Self {
            device: Device::flex(),
            summary: AdapterSummary {
                name: format!("CPU, {threads} thread{plural}"),
                is_gpu: false,
            },
            shares_window: false,
            weights: WeightDtype::F32,
            card: None,
        }
    }

    /// A device that computes on the graphics card `name`.
    pub fn gpu(device: Device, name: String, card: wgpu::Device) -> Self {
        Self {
            device,
            summary: AdapterSummary { name, is_gpu: true },
            shares_window: false,
            weights: WeightDtype::F32,
            card: Some(card),
        }
    }

    /// The same device, holding weights in another precision.
    ///
    /// # Errors
    /// On a graphics card, where half precision is not supported yet.
    pub fn with_weights(self, weights: WeightDtype) -> Result<Self, EngineError> {
        if self.summary.is_gpu && weights != WeightDtype::F32 {
            return Err(EngineError::Device(format!(
                "Weights in half precision are for the processor only, and this is {}; add `--device cpu`, or leave `--precision` out.",
                self.summary.name
            )));
        }
        Ok(Self { weights, ..self })
    }

    /// Why nothing can be computed on it any more, if that is so. Asked after a job
    /// went wrong: the driver tells of a lost device once, and never with the
    /// operation that suffers from it.
    pub fn lost(&self) -> Option<String> {
        let card = self.card.as_ref()?;
        match catch_unwind(AssertUnwindSafe(|| self.device.sync())) {
            Ok(Err(error)) if error.is_device_poisoned() => Some(error.reason().to_owned()),
            // burn may work on for a while, with numbers that are none.
            _ => (!gpu::answers(card)).then(|| "it gives no answer".to_owned()),
        }
    }

    /// The same device, known to be the window's own.
    pub fn shared_with_window(self) -> Self {
        Self {
            shares_window: true,
            ..self
        }
    }
}

/// Opens a device for a program without a window.
///
/// A graphics card that is only played by software is never taken: burn's
/// processor backend is faster.
///
/// # Errors
/// When a graphics card is asked for and there is none.
pub fn open_device(choice: DeviceChoice) -> Result<ComputeDevice, EngineError> {
    if choice == DeviceChoice::Cpu {
        return Ok(ComputeDevice::cpu());
    }
    let adapters = gpu::adapters();
    match adapters.iter().find(|adapter| adapter.is_real) {
        Some(adapter) => match Device::wgpu_options().init_with_setup() {
            Ok((device, setup)) => Ok(ComputeDevice::gpu(
                device,
                adapter.name.clone(),
                setup.device,
            )),
            Err(error) if choice == DeviceChoice::Gpu => Err(EngineError::Device(format!(
                "The graphics card {} cannot be used ({error}); update its driver, or start with `--device cpu`.",
                adapter.name
            ))),
            Err(error) => {
                log::warn!(
                    "The graphics card {} cannot be used ({error}).",
                    adapter.name
                );
                Ok(ComputeDevice::cpu())
            }
        },
        None if choice == DeviceChoice::Gpu => Err(no_card(&adapters)),
        None => Ok(ComputeDevice::cpu()),
    }
}

/// Why there is no graphics card to compute on.
fn no_card(adapters: &[gpu::Adapter]) -> EngineError {
    let instead = adapters.first().map_or_else(String::new, |adapter| {
        format!(", only {} ({})", adapter.name, adapter.kind)
    });
    EngineError::Device(format!(
        "No graphics card was found{instead}; install its driver, or start with `--device cpu`."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_plays_a_card_is_named_but_not_taken() {
        let software = gpu::Adapter {
            name: "llvmpipe".to_owned(),
            backend: "vulkan".to_owned(),
            kind: "software",
            driver: String::new(),
            is_real: false,
        };
        let text = no_card(&[software]).to_string();
        assert!(text.contains("only llvmpipe (software)"), "{text}");
        assert!(text.contains("--device cpu"), "{text}");
        assert!(!no_card(&[]).to_string().contains("only"));
    }
}
