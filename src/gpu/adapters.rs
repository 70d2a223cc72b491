//! The graphics adapters of this computer, without a window.

/// One graphics adapter, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// The graphics interface that it is reached by.
    pub backend: String,
    /// What it is, in words.
    pub kind: &'static str,
    /// Name and version of its driver.
    pub driver: String,
    /// Whether it is a graphics card and not a program that plays one.
    pub is_real: bool,
}

/// Every adapter that wgpu finds.
pub fn adapters() -> Vec<Adapter> {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found
        .iter()
        .map(|adapter| {
            let info = adapter.get_info();
            Adapter {
                kind: match info.device_type {
                    wgpu::DeviceType::DiscreteGpu => "graphics card",
                    wgpu::DeviceType::IntegratedGpu => "integrated graphics",
                    wgpu::DeviceType::VirtualGpu => "virtual graphics",
                    wgpu::DeviceType::Cpu => "software",
                    wgpu::DeviceType::Other => "unknown kind",
                },
                is_real: super::share::is_real_gpu(adapter),
                name: info.name,
                backend: info.backend.to_string(),
                driver: format!("{} {}", info.driver, info.driver_info)
                    .trim()
                    .to_owned(),
            }
        })
        .collect()
}
