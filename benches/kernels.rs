//! Single kernels beside the limits of the machine: the rate of a large matrix
//! product and of a copy. Arithmetic is counted as the plain formula has it, so
//! that a convolution with fewer multiplications shows a higher rate; criterion
//! says "elem/s" where it means operations. Traffic is what must be read and
//! written at least.

use std::hint::black_box;
use std::time::Duration;

use burn::tensor::{Device, Tensor, TensorData};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use velatura::kernels::{self, Activation};

fn ramp<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// One piece of work, run on the kernels' own threads as a network does it.
fn measure<const D: usize>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    throughput: Throughput,
    work: impl Fn() -> Tensor<D> + Sync,
) {
    group.throughput(throughput);
    group.bench_function(name, |b| b.iter(|| black_box(kernels::on_workers(&work))));
}

/// Additions and multiplications of a product.
fn product(rows: usize, inner: usize, columns: usize) -> Throughput {
    Throughput::Elements((2 * rows * inner * columns) as u64)
}

/// Bytes of so many numbers.
fn traffic(values: usize) -> Throughput {
    Throughput::Bytes((4 * values) as u64)
}

fn limits(c: &mut Criterion) {
    let mut group = c.benchmark_group("limit");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(3));
    let (a, b) = (ramp([2048, 2048]), ramp([2048, 2048]));
    let name = "product_of_2048_square";
    measure(&mut group, name, product(2048, 2048, 2048), || {
        a.clone().matmul(b.clone())
    });
    let source = vec![1.0_f32; 16 << 20];
    let mut target = vec![0.0_f32; 16 << 20];
    group.throughput(traffic(2 * source.len()));
    group.bench_function("copy_of_64_mib", |b| {
        b.iter(|| {
            let parts = target
                .par_chunks_mut(1 << 18)
                .zip(source.par_chunks(1 << 18));
            parts.for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&mut target);
        });
    });
}

fn arithmetic(c: &mut Criterion) {
    let mut group = c.benchmark_group("arithmetic");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    for (batch, input, output, side, kernel, stride) in [
        (2, 320, 320, 64, 3, 1),
        (2, 640, 640, 32, 3, 1),
        (2, 1280, 1280, 16, 3, 1),
        (2, 1280, 1280, 8, 3, 1),
        (2, 320, 320, 64, 3, 2),
        (2, 640, 640, 32, 1, 1),
        (1, 128, 128, 512, 3, 1),
        (32, 64, 64, 16, 3, 1),
    ] {
        let (x, weight) = (
            ramp([batch, input, side, side]),
            ramp([output, input, kernel, kernel]),
        );
        let bias = ramp([output]);
        let places = batch * (side / stride) * (side / stride);
        let name = format!(
            "conv_{input}_to_{output}_{kernel}x{kernel}_by_{stride}_{side}px_batch_{batch}"
        );
        let padding = [(kernel / 2, kernel / 2); 2];
        measure(
            &mut group,
            &name,
            product(places, input * kernel * kernel, output),
            || {
                kernels::conv2d(
                    x.clone(),
                    weight.clone(),
                    Some(bias.clone()),
                    stride,
                    padding,
                )
            },
        );
    }
    for (rows, input, output) in [
        (8192, 320, 2560),
        (2048, 640, 640),
        (512, 1280, 10240),
        (154, 768, 3072),
    ] {
        let (x, weight, bias) = (
            ramp([1, rows, input]),
            ramp([input, output]),
            ramp([output]),
        );
        let name = format!("linear_{rows}x{input}_to_{output}");
        measure(&mut group, &name, product(rows, input, output), || {
            kernels::linear(x.clone(), weight.clone(), Some(bias.clone()))
        });
    }
    for (batch, heads, queries, keys, width) in [
        (2, 8, 4096, 4096, 40),
        (2, 8, 4096, 77, 40),
        (1, 1, 4096, 4096, 512),
    ] {
        let q = ramp([batch, queries, heads * width]);
        let k = ramp([batch, keys, heads * width]);
        let name = format!("attention_{batch}x{heads}x{queries}x{keys}x{width}");
        measure(
            &mut group,
            &name,
            product(2 * batch * heads * queries, width, keys),
            || kernels::attention(q.clone(), k.clone(), k.clone(), heads, false),
        );
    }
}

fn memory(c: &mut Criterion) {
    let mut group = c.benchmark_group("traffic");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2));
    let (gamma, beta) = (ramp([320]), ramp([320]));
    let x = ramp([2, 320, 64, 64]);
    let count = 2 * 320 * 64 * 64;
    measure(&mut group, "group_norm_silu", traffic(2 * count), || {
        kernels::group_norm(x.clone(), gamma.clone(), beta.clone(), 32, 1e-5, true)
    });
    let x = ramp([2, 4096, 320]);
    measure(&mut group, "layer_norm", traffic(2 * count), || {
        kernels::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5)
    });
    for activation in [Activation::Silu, Activation::Gelu, Activation::QuickGelu] {
        measure(
            &mut group,
            &format!("{activation:?}"),
            traffic(2 * count),
            || kernels::activation(x.clone(), activation),
        );
    }
    let x = ramp([2, 4096, 2560]);
    measure(&mut group, "geglu", traffic(3 * count * 4), || {
        kernels::geglu(x.clone())
    });
}

criterion_group!(benches, limits, arithmetic, memory);
criterion_main!(benches);
