//! Our noise against `torch.randn`, bit for bit.
//!
//! The reference was made on a processor with AVX2; torch rounds the last bit
//! otherwise on processors without it, where the same seed gives a picture that
//! differs invisibly.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use burn::tensor::Device;
use reference_support::Reference;
use velatura::diffusion::{BatchGenerators, NoiseSource, TorchGenerator};

const SEEDS: [u64; 5] = [0, 1, 1234, (1 << 32) + 5, (1 << 63) - 1];

/// The numbers that the reference has of a long tensor.
fn is_kept(index: usize, count: usize) -> bool {
    count <= 200 || index < 64 || index + 64 >= count || index.is_multiple_of(37)
}

#[test]
fn noise_equals_that_of_torch() {
    let reference = Reference::open("randn.safetensors");
    let counts: Vec<usize> = reference.cases();
    for seed in SEEDS {
        let wanted = reference.numbers(&format!("seed.{seed}"));
        let mut wanted = wanted.into_iter().map(|value| value as f32);
        let mut generator = TorchGenerator::new(seed);
        for (call, count) in counts.iter().copied().enumerate() {
            let got = generator.normals(count);
            assert_eq!(got.len(), count);
            for (index, got) in got.into_iter().enumerate() {
                if is_kept(index, count) {
                    let wanted = wanted.next().unwrap();
                    assert_eq!(
                        got.to_bits(),
                        wanted.to_bits(),
                        "number {index} of call {call} for {count} with seed {seed}: {got:e}, not {wanted:e}"
                    );
                }
            }
        }
        assert_eq!(wanted.next(), None);
    }
}

#[test]
fn each_picture_of_a_batch_has_its_own_seed() {
    let device = Device::flex();
    let mut batch = BatchGenerators::new(u64::MAX, 3);
    assert_eq!(batch.pictures(), 3);
    let mut single = [u64::MAX, 0, 1].map(TorchGenerator::new);
    for shape in [[3, 4, 3, 5], [3, 1, 3, 2]] {
        let got: Vec<f32> = batch
            .noise(shape, &device)
            .into_data()
            .try_into_vec_as()
            .unwrap();
        let count = shape[1..].iter().product();
        let wanted: Vec<f32> = single.iter_mut().flat_map(|g| g.normals(count)).collect();
        assert_eq!(got, wanted);
    }
}
