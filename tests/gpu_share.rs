//! The window's device computes for burn, and what burn computed is drawn
//! without a copy through main memory.
//!
//! Ignored where there may be no adapter: run with `--ignored`. A software
//! adapter (Mesa 25 or newer) will do.

use burn::tensor::{Device, Tensor, TensorData};
use eframe::egui_wgpu::WgpuSetup;
use eframe::wgpu;
use velatura::gpu::preview_math::{LatentToRgb, color_from_planes};
use velatura::gpu::share::{self, SharedTensor};
use velatura::gpu::{PreviewPass, PreviewTexture, wgpu_configuration};

struct Shared {
    device: wgpu::Device,
    queue: wgpu::Queue,
    burn: Device,
}

/// A device made as the window makes it, known to burn.
fn shared() -> Shared {
    let WgpuSetup::CreateNew(create) = wgpu_configuration().wgpu_setup else {
        panic!("the window makes a device of its own");
    };
    let instance = wgpu::Instance::new(create.instance_descriptor);
    let adapter = ready(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))
        .expect("an adapter");
    println!("{:?}", adapter.get_info());
    let descriptor = (create.device_descriptor)(&adapter);
    let (device, queue) = ready(adapter.request_device(&descriptor)).expect("a device");
    let burn = share::register(&instance, &adapter, &device, &queue).expect("burn takes it");
    Shared {
        device,
        queue,
        burn,
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

fn read_back(shared: &Shared, picture: &PreviewTexture) -> Vec<[u8; 4]> {
    let [width, height] = picture.size_px();
    let row_bytes = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = shared.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(row_bytes * height),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = shared.device.create_command_encoder(&Default::default());
    encoder.copy_texture_to_buffer(
        picture.texture().as_image_copy(),
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
    shared.queue.submit([encoder.finish()]);
    buffer.map_async(wgpu::MapMode::Read, .., |result| result.expect("mapped"));
    shared
        .device
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("the device answers");
    let bytes = buffer.get_mapped_range(..).expect("mapped");
    let row = |y: u32| &bytes[(y * row_bytes) as usize..][..(width * 4) as usize];
    (0..height)
        .flat_map(|y| row(y).as_chunks::<4>().0.to_vec())
        .collect()
}

fn assert_close(found: &[[u8; 4]], expected: &[[u8; 4]]) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = found
            .iter()
            .zip(expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        // Exact halves may round either way on the way into the texture.
        assert!(
            off <= Some(1),
            "pixel {at}: {found:?}, expected {expected:?}"
        );
    }
}

#[test]
#[ignore = "needs a graphics adapter; Mesa 25's software one will do"]
fn tensors_are_drawn_where_they_lie() {
    let shared = shared();
    let pass = PreviewPass::new(&shared.device, &shared.queue).unwrap();
    let (width, height) = (13, 7);
    let plane = width * height;

    let value = |at: usize| ((at * 37) % 101) as f32 / 40.0 - 1.25;
    let planes: Vec<f32> = (0..3 * plane).map(value).collect();
    let expected: Vec<[u8; 4]> = (0..plane)
        .map(|at| color_from_planes([planes[at], planes[at + plane], planes[at + 2 * plane]]))
        .collect();
    let data = TensorData::new(planes, [1, 3, height, width]);
    let tensor = Tensor::<4>::from_data(data, &shared.burn);
    // Something computed, so that the queue has work in flight.
    let published = SharedTensor::publish(tensor * 2.0 / 2.0).unwrap();
    assert_eq!(published.dims(), [1, 3, height, width]);
    assert_close(
        &read_back(&shared, &pass.draw_planes(&published).unwrap()),
        &expected,
    );

    let map = LatentToRgb {
        weights: [
            [0.3, 0.2, -0.1, 0.4],
            [-0.2, 0.3, 0.1, 0.0],
            [0.1, -0.3, 0.25, 0.2],
        ],
        bias: [0.1, -0.05, 0.0],
    };
    let latents: Vec<f32> = (0..4 * plane).map(value).collect();
    let expected: Vec<[u8; 4]> = (0..plane)
        .map(|at| map.color(std::array::from_fn(|channel| latents[at + channel * plane])))
        .collect();
    // Channels last and permuted back: the published tensor must be row-major.
    let data = TensorData::new(latents, [1, 4, height, width]);
    let tensor = Tensor::<4>::from_data(data, &shared.burn);
    let turned = tensor.permute([0, 2, 3, 1]) + 0.0;
    let published = SharedTensor::publish(turned.permute([0, 3, 1, 2])).unwrap();
    let drawn = pass.draw_latents(&published, &map).unwrap();
    assert_close(&read_back(&shared, &drawn), &expected);

    let refused = pass.draw_planes(&published).unwrap_err().to_string();
    assert!(refused.contains("[1, 4, 7, 13]"), "{refused}");
}

#[test]
fn a_tensor_of_the_cpu_cannot_be_shared() {
    let tensor = Tensor::<4>::zeros([1, 3, 2, 2], &Device::flex());
    let error = SharedTensor::publish(tensor).unwrap_err().to_string();
    assert!(error.contains("--device cpu"), "{error}");
}
