//! The device that the window asks for.

use std::sync::Arc;

use egui_wgpu::{WgpuConfiguration, WgpuSetupCreateNew};

/// How the window is to make its device, so that burn can compute on it.
///
/// burn decides which kernels to compile by what the *adapter* offers, so the
/// device must have been made with all of that. The exceptions are mappable
/// primary buffers, which slow graphics cards of their own down, and
/// experimental features, which would need `unsafe`.
pub fn wgpu_configuration() -> WgpuConfiguration {
    let mut create = WgpuSetupCreateNew::without_display_handle();
    create.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("velatura"),
        required_features: adapter.features()
            - wgpu::Features::MAPPABLE_PRIMARY_BUFFERS
            - wgpu::Features::all_experimental_mask(),
        required_limits: adapter.limits(),
        // burn keeps pages of its own; large blocks of wgpu would double that.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        experimental_features: wgpu::ExperimentalFeatures::disabled(),
        trace: wgpu::Trace::Off,
    });
    WgpuConfiguration {
        wgpu_setup: create.into(),
        ..WgpuConfiguration::default()
    }
}
