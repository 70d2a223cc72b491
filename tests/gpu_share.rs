//! The window's device computes for burn, and what burn computed is drawn
//! without a copy through main memory.

mod gpu_support;

use burn::tensor::{Device, Tensor, TensorData};
use gpu_support::card;
use velatura::engine::device::ComputeDevice;
use velatura::gpu::PreviewPass;
use velatura::gpu::share::SharedTensor;

/// From [-1, 1] to 0…255, as diffusers does it: `round(255 · clamp(x / 2 + 1/2))`.
fn unit_from_signed(value: f32) -> u8 {
    // A NaN becomes 0, as `clamp` and the store of a shader make it.
    (((value * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0) + 0.5) as u8
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
fn tensors_are_drawn_where_they_lie() {
    let card = card();
    let device = card.register();
    let pass = PreviewPass::new(&card.device, &card.queue).unwrap();
    let (width, height) = (13, 7);
    let plane = width * height;

    let value = |at: usize| ((at * 37) % 101) as f32 / 40.0 - 1.25;
    let planes: Vec<f32> = (0..3 * plane).map(value).collect();
    let expected: Vec<[u8; 4]> = (0..plane)
        .map(|at| {
            let [r, g, b] = [0, 1, 2].map(|channel| planes[at + channel * plane]);
            let [r, g, b] = [r, g, b].map(unit_from_signed);
            [r, g, b, 255]
        })
        .collect();
    let shape = [1, 3, height, width];
    let tensor = Tensor::<4>::from_data(TensorData::new(planes, shape), &device);
    // Something computed, so that the queue has work in flight.
    let published = SharedTensor::publish(tensor.clone() * 2.0 / 2.0).unwrap();
    assert_eq!(published.dims(), shape);
    let drawn = pass.draw_planes(&published).unwrap();
    assert_close(&card.read_back(drawn.texture()), &expected);

    // Channels last and permuted back: the published tensor must be row-major.
    let turned = tensor.clone().permute([0, 2, 3, 1]) + 0.0;
    let published = SharedTensor::publish(turned.permute([0, 3, 1, 2])).unwrap();
    let drawn = pass.draw_planes(&published).unwrap();
    assert_close(&card.read_back(drawn.texture()), &expected);

    let four = Tensor::cat(vec![tensor.clone(), tensor], 1).narrow(1, 0, 4);
    let published = SharedTensor::publish(four).unwrap();
    let refused = pass.draw_planes(&published).unwrap_err().to_string();
    assert!(refused.contains("[1, 4, 7, 13]"), "{refused}");
}

#[test]
fn a_lost_device_is_told_after_a_job() {
    let card = card();
    let device = ComputeDevice::gpu(card.register(), "card".to_owned(), card.device.clone());
    let ones = Tensor::<1>::ones([8], &device.device);
    let sum = (ones.clone() + 1.0)
        .into_data()
        .try_to_vec::<f32>()
        .unwrap();
    assert_eq!(sum, [2.0; 8]);
    assert_eq!(device.lost(), None);

    card.device.destroy();
    // Whether a job that meets it fails, panics or goes on is burn's affair.
    let after = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        (ones + 1.0).try_into_data().is_ok()
    }));
    println!("the job after that: {after:?}");
    assert!(device.lost().is_some());
    // It stays so.
    assert!(device.lost().is_some());
}

#[test]
fn a_tensor_of_the_cpu_cannot_be_shared() {
    let tensor = Tensor::<4>::zeros([1, 3, 2, 2], &Device::flex());
    let error = SharedTensor::publish(tensor).unwrap_err().to_string();
    assert!(error.contains("--device cpu"), "{error}");
}
