//! What can go wrong with the graphics card.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why something cannot be drawn or shared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GpuError {
    /// The window has no device.
    #[error(
        "No graphics device was found, so the canvas cannot be drawn; install a Vulkan driver."
    )]
    NoDevice,
    /// The driver refused something of ours.
    #[error("The graphics driver refused the {what} ({reason}); update the driver.")]
    Refused {
        /// What was to be made.
        what: &'static str,
        /// What the driver says.
        reason: String,
    },
    /// There is no room for something of ours.
    #[error(
        "The memory of the graphics card is too small for the {what}; close other programs or work on a smaller picture."
    )]
    OutOfMemory {
        /// What was to be made.
        what: &'static str,
    },
}

/// Runs `make` and turns what the driver says against it into an error.
///
/// Without this, the handler of burn (or of wgpu, where burn has none) on the
/// shared device would end the program for a rejected pipeline of ours, or for a
/// texture that does not fit.
pub(super) fn in_error_scope<T>(
    device: &wgpu::Device,
    what: &'static str,
    make: impl FnOnce() -> T,
) -> Result<T, GpuError> {
    let filters = [
        wgpu::ErrorFilter::Internal,
        wgpu::ErrorFilter::Validation,
        wgpu::ErrorFilter::OutOfMemory,
    ];
    let mut scopes = filters.map(|filter| Some(device.push_error_scope(filter)));
    let made = make();
    // Out of memory first: what is said about a texture that could not be made
    // is only its consequence.
    let mut error = None;
    for scope in scopes.iter_mut().rev().filter_map(Option::take) {
        let found = pollster::block_on(scope.pop());
        error = error.or(found);
    }
    match error {
        None => Ok(made),
        Some(wgpu::Error::OutOfMemory { .. }) => Err(GpuError::OutOfMemory { what }),
        Some(error) => Err(GpuError::Refused {
            what,
            reason: error.to_string(),
        }),
    }
}

/// Whether a device still does what it is asked. Asked with a buffer that is mapped:
/// wgpu says nothing against other work on a device that was lost, and a handler
/// for the loss itself there can be only one of, which is burn's.
pub fn answers(device: &wgpu::Device) -> bool {
    let mapped = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&mapped);
    let asked = in_error_scope(device, "question whether it answers", || {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            told.store(result.is_ok(), Ordering::Release);
        });
        device.poll(wgpu::PollType::wait_indefinitely()).is_ok()
    });
    asked == Ok(true) && mapped.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> wgpu::Device {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.memory_budget_thresholds.for_resource_creation = Some(100);
        let instance = wgpu::Instance::new(descriptor);
        let options = wgpu::RequestAdapterOptions::default();
        let adapter = pollster::block_on(instance.request_adapter(&options))
            .expect("a Vulkan driver: install mesa-vulkan-drivers, version 24 or newer");
        let descriptor = wgpu::DeviceDescriptor {
            required_limits: adapter.limits(),
            ..wgpu::DeviceDescriptor::default()
        };
        pollster::block_on(adapter.request_device(&descriptor))
            .expect("a device")
            .0
    }

    fn texture(device: &wgpu::Device, side: u32, layers: u32) -> wgpu::TextureView {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d {
                width: side,
                height: side,
                depth_or_array_layers: layers,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            usage: wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        texture.create_view(&wgpu::TextureViewDescriptor::default())
    }

    #[test]
    fn what_the_card_has_no_room_for_is_an_error_and_no_end() {
        let device = device();
        let limits = device.limits();
        assert!(in_error_scope(&device, "dot", || texture(&device, 1, 1)).is_ok());
        // Terabytes, within what the driver says it can address.
        let (side, layers) = (
            limits.max_texture_dimension_2d,
            limits.max_texture_array_layers,
        );
        let error = in_error_scope(&device, "sky", || texture(&device, side, layers)).unwrap_err();
        assert_eq!(error, GpuError::OutOfMemory { what: "sky" });
        // And beyond.
        let error = in_error_scope(&device, "sea", || texture(&device, side + 1, 1)).unwrap_err();
        assert!(
            matches!(error, GpuError::Refused { what: "sea", .. }),
            "{error}"
        );
        assert!(in_error_scope(&device, "dot", || texture(&device, 1, 1)).is_ok());
    }

    #[test]
    fn a_lost_device_gives_no_answer() {
        let device = device();
        assert!(answers(&device));
        assert!(answers(&device));
        device.destroy();
        assert!(!answers(&device));
        assert!(!answers(&device));
    }
}
