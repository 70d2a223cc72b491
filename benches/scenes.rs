//! Storybook scenes a second, on one core: at least 100 at 128 pixels.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use velatura::scenes::SceneSource;

fn scenes(c: &mut Criterion) {
    let mut group = c.benchmark_group("scenes");
    for side in [64, 128, 256] {
        let source = SceneSource::new(side).expect("a side that scenes can have");
        let mut number = 0;
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{side}px"), |b| {
            b.iter(|| {
                number += 1;
                black_box(source.scene(0, number))
            });
        });
    }
}

criterion_group!(benches, scenes);
criterion_main!(benches);
