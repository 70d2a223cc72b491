//! One denoising step, one decode, one training step: what the engine spends
//! its time on. `benches/peer.py` does the same in diffusers; run both with
//! the same number of threads and compare. With `--test` each is done once and
//! the peak memory is printed, so `cargo bench --bench networks -- --test NAME`
//! tells that of one piece of work.

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::{Device, Int, Tensor, TensorData};
use criterion::{Criterion, criterion_group};
use image::{Rgba, RgbaImage};
use velatura::diffusion::Enlargement;
use velatura::model::{AutoencoderKlConfig, ClipTextConfig, Told, UNet2d, UNet2dConfig, Upscaler};
use velatura::nn::ops::on_workers;

/// Reproducible values without a random generator: their size is all that matters here.
fn ramp<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn storybook(part: &str) -> serde_json::Value {
    let recipe = include_str!("../assets/recipes/storybook.json");
    let mut recipe: serde_json::Value = serde_json::from_str(recipe).expect("the recipe is JSON");
    recipe[part].take()
}

fn stable_diffusion_unet() -> UNet2dConfig {
    UNet2dConfig {
        cross_attention_dim: 768,
        ..UNet2dConfig::default()
    }
}

fn stable_diffusion_xl_unet() -> UNet2dConfig {
    serde_json::from_value(serde_json::json!({
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "projection_class_embeddings_input_dim": 2816,
        "transformer_layers_per_block": [1, 2, 10],
        "use_linear_projection": true,
    }))
    .expect("a valid configuration")
}

fn stable_diffusion_autoencoder() -> AutoencoderKlConfig {
    let levels = |kind: &'static str| vec![kind; 4];
    serde_json::from_value(serde_json::json!({
        "_class_name": "AutoencoderKL",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": levels("DownEncoderBlock2D"),
        "up_block_types": levels("UpDecoderBlock2D"),
        "layers_per_block": 2,
        "latent_channels": 4,
    }))
    .expect("a valid configuration")
}

fn step(unet: &UNet2d, latents: &Tensor<4>, context: &Tensor<3>) -> f32 {
    let timesteps = Tensor::full([latents.dims()[0]], 500.0, &latents.device());
    unet.forward(latents.clone(), timesteps, context.clone())
        .max()
        .into_scalar::<f32>()
}

fn unet_steps(c: &mut Criterion) {
    let device = Device::flex();
    let mut group = c.benchmark_group("unet_step");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));

    let config: UNet2dConfig =
        serde_json::from_value(storybook("unet")).expect("a valid configuration");
    let unet = config.init(&device).expect("a valid configuration");
    let (channels, width) = (unet.config().in_channels, unet.config().cross_attention_dim);
    let (latents, context) = (
        ramp([2, channels, 16, 16], &device),
        ramp([2, 40, width], &device),
    );
    group.bench_function("storybook_128px_batch_2", |b| {
        b.iter(|| black_box(step(&unet, &latents, &context)))
    });
    drop(unet);

    let unet = stable_diffusion_unet()
        .init(&device)
        .expect("a valid configuration");
    let context = ramp([2, 77, 768], &device);
    for side in [32, 64] {
        let latents = ramp([2, 4, side, side], &device);
        group.bench_function(format!("sd15_{}px_batch_2", side * 8), |b| {
            b.iter(|| black_box(step(&unet, &latents, &context)));
        });
    }
    drop(unet);

    // 10.3 GB of weights: only where they are asked for by name.
    if !std::env::args().any(|arg| arg.contains("sdxl")) {
        return;
    }
    let unet = stable_diffusion_xl_unet()
        .init(&device)
        .expect("a valid configuration");
    let told = Told {
        added: Some(ramp([2, 2816], &device)),
        ..Told::from(ramp([2, 77, 2048], &device))
    };
    let latents = ramp([2, 4, 64, 64], &device);
    group.bench_function("sdxl_512px_batch_2", |b| {
        b.iter(|| {
            let timesteps = Tensor::full([2], 500.0, &device);
            let said = unet.forward_told(latents.clone(), timesteps, &told);
            black_box(said.max().into_scalar::<f32>())
        });
    });
}

fn decode(c: &mut Criterion) {
    let device = Device::flex();
    let autoencoder = stable_diffusion_autoencoder()
        .init(&device)
        .expect("a valid configuration");
    let latents = ramp([1, 4, 64, 64], &device);
    let mut group = c.benchmark_group("decode");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.bench_function("sd15_512px", |b| {
        b.iter(|| {
            black_box(
                autoencoder
                    .decode(latents.clone())
                    .max()
                    .into_scalar::<f32>(),
            )
        });
    });
}

fn text(c: &mut Criterion) {
    let device = Device::flex();
    let config: ClipTextConfig = serde_json::from_value(serde_json::json!({
        "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
        "num_hidden_layers": 12, "vocab_size": 49408, "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
    }))
    .expect("a valid configuration");
    let model = config.init(&device).expect("a valid configuration");
    let tokens = Tensor::<2, Int>::full([2, 77], 320, &device);
    let mut group = c.benchmark_group("text");
    group.sample_size(10);
    group.bench_function("clip_l_batch_2", |b| {
        b.iter(|| black_box(model.forward(tokens.clone()).max().into_scalar::<f32>()));
    });
}

/// A picture of 128 px becomes one of 512 px, with the weights that are shipped.
fn upscale(c: &mut Criterion) {
    let device = Device::flex();
    let weights = velatura::folders::upscaler().expect("it lies in the source tree");
    let network = Upscaler::open(&weights, &device).expect("the weights are whole");
    let picture = RgbaImage::from_fn(128, 128, |x, y| Rgba([x as u8 * 2, y as u8 * 2, 90, 255]));
    let picture = Arc::new(picture);
    let mut group = c.benchmark_group("upscale");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.bench_function("128_to_512px", |b| {
        b.iter(|| {
            let mut enlargement = Enlargement::new(Arc::clone(&picture));
            while enlargement.step(&network, &device).expect("it computes") {}
            black_box(enlargement.into_picture())
        });
    });
}

fn training_steps(c: &mut Criterion) {
    let device = Device::flex().autodiff();
    let mut group = c.benchmark_group("training_step");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));

    let config: UNet2dConfig =
        serde_json::from_value(storybook("unet")).expect("a valid configuration");
    let unet = config.init(&device).expect("a valid configuration");
    let (channels, width) = (unet.config().in_channels, unet.config().cross_attention_dim);
    let (latents, context) = (
        ramp([32, channels, 16, 16], &device),
        ramp([32, 40, width], &device),
    );
    let timesteps = Tensor::full([32], 500.0, &device);
    group.bench_function("storybook_unet_batch_32", |b| {
        b.iter(|| {
            let y = unet.forward(latents.clone(), timesteps.clone(), context.clone());
            let loss = y.powi_scalar(2).mean();
            black_box(on_workers(&loss, || loss.backward()));
        });
    });

    let config: AutoencoderKlConfig =
        serde_json::from_value(storybook("autoencoder")).expect("a valid configuration");
    let autoencoder = config.init(&device).expect("a valid configuration");
    let images = ramp([8, 3, 64, 64], &device);
    group.bench_function("storybook_autoencoder_batch_8", |b| {
        b.iter(|| {
            let latents = autoencoder.encode(images.clone()).mode();
            let loss = (autoencoder.decode(latents) - images.clone()).abs().mean();
            black_box(on_workers(&loss, || loss.backward()));
        });
    });
}

/// From the start of the program to the file: the model is read, too.
fn whole_processes(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let picture = folder.path().join("picture.png");
    let mut group = c.benchmark_group("process");
    group.sample_size(10);
    group.bench_function("storybook_25_steps", |b| {
        b.iter(|| {
            let status = Command::new(env!("CARGO_BIN_EXE_velatura"))
                .args([
                    "generate",
                    "--prompt",
                    "a red car in a meadow by day, 3d style",
                ])
                .args(["--steps", "25", "--device", "cpu", "--json", "--output"])
                .arg(&picture)
                .stdout(Stdio::null())
                .status();
            assert!(status.expect("the program starts").success());
        });
    });
}

criterion_group!(
    benches,
    unet_steps,
    decode,
    text,
    upscale,
    training_steps,
    whole_processes
);

fn main() {
    // As the program does it.
    velatura::kernels::keep_freed_memory();
    benches();
    Criterion::default().configure_from_args().final_summary();
    // One pass of one piece of work: its peak can be told apart.
    if std::env::args().any(|arg| arg == "--test") {
        print_peak_memory();
    }
}

fn print_peak_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory {}", peak.trim_start_matches("VmHWM:").trim());
    }
}
