//! Loading needs little more memory than the weights themselves.
//!
//! Alone in its file, because the peak is that of the whole process. With
//! `VELATURA_FULL_SIZE=1` the denoiser of Stable Diffusion 1 is loaded (3.5 GB).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use velatura::model::weights::{layout, names};
use velatura::model::{ModelFolder, PerLevel, UNet2dConfig, WeightDtype};

/// A figure of `/proc/self/status` in bytes.
fn status(name: &str) -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

/// A folder with a denoiser whose weights are all 0: the file has holes instead of blocks.
fn write_model(folder: &Path, config: &UNet2dConfig, dtype: &str, bytes: usize) {
    fs::create_dir_all(folder.join("unet")).unwrap();
    fs::write(
        folder.join("unet/config.json"),
        serde_json::to_vec(config).unwrap(),
    )
    .unwrap();
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    for (key, shape) in layout(&config.init(&Device::flex()).unwrap(), &names::DIFFUSERS) {
        let end = offset + shape.iter().product::<usize>() * bytes;
        header.insert(
            key,
            serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [offset, end] }),
        );
        offset = end;
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file =
        fs::File::create(folder.join("unet/diffusion_pytorch_model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(&header).unwrap();
    file.set_len((8 + header.len() + offset) as u64).unwrap();
}

#[test]
fn loading_peaks_below_1_4_times_the_weights() {
    let device = Device::flex();
    // Whatever the runtime allocates once.
    drop(
        Tensor::<2>::ones([64, 64], &device)
            .matmul(Tensor::ones([64, 64], &device))
            .into_data(),
    );
    let full = std::env::var_os("VELATURA_FULL_SIZE").is_some();
    let config = UNet2dConfig {
        block_out_channels: if full {
            vec![320, 640, 1280, 1280]
        } else {
            vec![64, 128, 256, 512]
        },
        attention_head_dim: PerLevel::All(8),
        cross_attention_dim: 768,
        ..Default::default()
    };
    let weights = config.parameter_count().unwrap() * 4;
    // The small ones first: the allocator keeps what was freed, and the large
    // ones take it again.
    let ways = [
        ("F32", 4, WeightDtype::F16),
        ("F16", 2, WeightDtype::Bf16),
        ("F16", 2, WeightDtype::F32),
        ("F32", 4, WeightDtype::F32),
    ];
    let before = status("VmRSS");
    for (dtype, bytes, held_as) in ways {
        let weights = match held_as {
            WeightDtype::F32 => weights,
            _ => weights / 2,
        };
        let scratch = tempfile::tempdir().unwrap();
        write_model(scratch.path(), &config, dtype, bytes);
        // Forgets the peak of the round before (Linux, proc(5)).
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let start = Instant::now();
        let unet = ModelFolder::open(scratch.path())
            .unwrap()
            .held_as(held_as)
            .load_unet(&device)
            .unwrap();
        let elapsed = start.elapsed();
        let (peak, held) = (status("VmHWM") - before, status("VmRSS") - before);
        println!(
            "{dtype} held as {held_as:?}: weights {} MB, held {} MB, peak {} MB, {elapsed:.2?}",
            weights >> 20,
            held >> 20,
            peak >> 20
        );
        assert!(
            held as f64 > 0.9 * weights as f64,
            "the weights were not all read"
        );
        assert!((peak as f64) < 1.4 * weights as f64, "{peak} for {weights}");
        drop(unet);
    }
}
