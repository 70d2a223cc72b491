//! A graphics device as the window makes it, for tests.
//!
//! There is always one: Mesa's software driver where there is no card. A machine
//! without any fails these tests, because the road over the card would otherwise
//! be unproved without anybody's noticing.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "every test file takes what it needs; in tests an unwrap is an assertion"
)]

use std::time::Duration;

use burn::tensor::{Device, Tensor};
use burn_cubecl::CubeBackend;
use burn_wgpu::Wgpu;
use cubecl::ir::{ElemType, FloatKind};
use cubecl_runtime::config::autotune::AutotuneLevel;
use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig as _};
use cubecl_runtime::throughput::{
    MemoryAccess, MemorySpec, ThroughputCache, ThroughputKey, ThroughputMode, ThroughputValue,
    working_set_sweep,
};
use egui_wgpu::WgpuSetup;
use velatura::gpu::share;
use velatura::gpu::wgpu_configuration;

/// What to do where there is no adapter.
const NO_ADAPTER: &str = "No graphics adapter was found. These tests need a Vulkan driver: \
    install the package mesa-vulkan-drivers, version 24 or newer (on Debian 12 from \
    bookworm-backports; `.ci/run` does it), and libvulkan1.";

/// A device without a window.
pub struct Card {
    pub instance: wgpu::Instance,
    pub adapter: wgpu::Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
}

/// A device made as the window makes it.
pub fn card() -> Card {
    let WgpuSetup::CreateNew(create) = wgpu_configuration().wgpu_setup else {
        panic!("the window makes a device of its own");
    };
    let instance = wgpu::Instance::new(create.instance_descriptor);
    let options = wgpu::RequestAdapterOptions::default();
    let adapter = pollster::block_on(instance.request_adapter(&options))
        .unwrap_or_else(|error| panic!("{NO_ADAPTER} ({error})"));
    let descriptor = (create.device_descriptor)(&adapter);
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Card {
        instance,
        adapter,
        device,
        queue,
    }
}

impl Card {
    /// Makes the device known to burn.
    pub fn register(&self) -> Device {
        expect_little_of_kernels();
        let card = (&self.instance, &self.adapter, &self.device, &self.queue);
        let device = share::register(card.0, card.1, card.2, card.3).expect("burn takes it");
        take_the_first_kernel(&device);
        device
    }

    /// The pixels of a texture of four bytes a texel.
    pub fn read_back(&self, texture: &wgpu::Texture) -> Vec<[u8; 4]> {
        let (width, height) = (texture.width(), texture.height());
        let row_bytes = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(row_bytes * height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(row_bytes),
                    rows_per_image: None,
                },
            },
            wgpu::Extent3d {
                width,
                height,
                depth_or_array_layers: 1,
            },
        );
        self.queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |result| result.expect("mapped"));
        self.device
            .poll(wgpu::PollType::wait_indefinitely())
            .expect("the device answers");
        let bytes = buffer.get_mapped_range(..).expect("mapped");
        let row = |y: u32| &bytes[(y * row_bytes) as usize..][..(width * 4) as usize];
        (0..height)
            .flat_map(|y| row(y).as_chunks::<4>().0.to_vec())
            .collect()
    }
}

/// Lets burn take the first kernel of each kind that works on a device, where it
/// would compile and time dozens of them: a software adapter is busy for minutes
/// with that, and which is the fastest differs from run to run.
///
/// burn stops trying when a kernel comes close to what the device can do at most.
/// Here it is told that the device can do next to nothing.
pub fn take_the_first_kernel(device: &Device) {
    let tensor = Tensor::<1>::zeros([1], device);
    let fused = tensor.try_into_primitive::<Wgpu>().unwrap();
    let client = fused.client.clone();
    let client = client.resolve_tensor_float::<CubeBackend>(fused).client;
    let cache = ThroughputCache::get_for_device(client.name(), client.properties());
    let mut cache = cache.lock();
    let mut slow = |mode| {
        let value = ThroughputValue {
            ops_count: 1,
            duration: Duration::from_secs(1),
        };
        cache.insert(ThroughputKey { mode }, value);
    };
    slow(ThroughputMode::Launch);
    let dtype = ElemType::Float(FloatKind::F32);
    slow(ThroughputMode::ComputeDirect { dtype });
    for access in [MemoryAccess::Copy, MemoryAccess::Read, MemoryAccess::Write] {
        for bytes in working_set_sweep(1 << 40) {
            slow(ThroughputMode::Memory(MemorySpec::new(access, bytes)));
        }
    }
}

/// What [`take_the_first_kernel`] needs of burn; in effect only before burn is
/// used for the first time in a process.
fn expect_little_of_kernels() {
    let mut config = CubeClRuntimeConfig::default();
    config.autotune.level = AutotuneLevel::Minimal;
    config.autotune.disable_cache = true;
    config.autotune.bench.min_samples = 1;
    config.autotune.bench.max_samples = 1;
    config.autotune.bench.short_circuit_samples = 1;
    CubeClRuntimeConfig::try_set(config);
}
