//! `velatura info`: what this computer has and what the studio would use.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::report::Reporter;
use super::{CliError, DeviceArg};
use crate::engine::device::open_device;
use crate::engine::memory::Memory;
use crate::model::ModelFolder;
use crate::recipe::InputSpec;
use crate::{folders, gpu};

/// What `velatura info` takes.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Device to choose
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Print a line of JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints the report.
pub(super) fn run(args: &InfoArgs, report: Reporter) -> Result<(), CliError> {
    let adapters = gpu::adapters();
    let chosen = open_device(args.device.into())
        .map(|device| device.summary.name)
        .map_err(|error| error.to_string());
    let features = cpu_features();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = Memory::now();
    let folders = folders_used();
    let storybook = folders::storybook_model().and_then(|folder| ModelFolder::open(folder).ok());
    let storybook_bytes = storybook.as_ref().and_then(painting_memory_bytes);
    let storybook_inputs = storybook.map(|model| model.manifest().inputs);
    let storybook_inputs = storybook_inputs.unwrap_or_default();
    let storybook_inputs: Vec<&str> = storybook_inputs.iter().map(InputSpec::label).collect();

    let fields = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "device": chosen.as_ref().ok(),
        "device_error": chosen.as_ref().err(),
        "adapters": adapters.iter().map(|adapter| json!({
            "name": adapter.name,
            "backend": adapter.backend,
            "kind": adapter.kind,
            "driver": adapter.driver,
            "is_gpu": adapter.is_real,
        })).collect::<Vec<_>>(),
        "cpu_features": features,
        "threads": threads,
        "memory_bytes": memory.map(|memory| memory.total_bytes),
        "available_memory_bytes": memory.map(|memory| memory.available_bytes),
        "storybook_memory_bytes": storybook_bytes,
        "storybook_inputs": storybook_inputs,
        "folders": folders.iter().cloned().collect::<serde_json::Map<_, _>>(),
    });

    let mut text = format!("Velatura {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |label: &str, value: &str| {
        // Writing to a string cannot fail.
        writeln!(text, "{label:<18}{value}").ok();
    };
    line(
        "Computes on",
        chosen.as_deref().unwrap_or_else(|error| error),
    );
    if adapters.is_empty() {
        line("Adapters", "none found");
    }
    for (index, adapter) in adapters.iter().enumerate() {
        let label = if index == 0 { "Adapters" } else { "" };
        let gpu::Adapter {
            name,
            backend,
            kind,
            driver,
            ..
        } = adapter;
        line(label, &format!("{name} ({kind}, {backend}, {driver})"));
    }
    let features = if features.is_empty() {
        "no vector units known".to_owned()
    } else {
        features.join(" ")
    };
    line(
        "Processor",
        &format!("{} {features}", std::env::consts::ARCH),
    );
    line("Threads", &threads.to_string());
    if let Some(memory) = memory {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let (total, available) = (gib(memory.total_bytes), gib(memory.available_bytes));
        line(
            "Memory",
            &format!("{total:.1} GiB, {available:.1} GiB free"),
        );
    }
    if let Some(bytes) = storybook_bytes {
        line(
            "Storybook",
            &format!("paints with about {:.0} MB of memory", bytes as f64 / 1e6),
        );
        line("", &format!("takes {}", storybook_inputs.join(" + ")));
    }
    for (label, folder) in &folders {
        line(label, folder.as_str().unwrap_or("unknown"));
    }
    report.result("info", fields, text.trim_end());
    Ok(())
}

/// What a model needs to paint a picture of its size.
fn painting_memory_bytes(model: &ModelFolder) -> Option<u64> {
    let model = model.clone().held_to_paint();
    let side_px = model.manifest().resolution_px;
    let estimate = model.painting_memory([side_px; 2], 1).ok()?;
    Some(estimate.total_bytes())
}

fn folders_used() -> Vec<(String, serde_json::Value)> {
    let path = |folder: Option<PathBuf>| {
        folder.map_or(serde_json::Value::Null, |folder| {
            folder.display().to_string().into()
        })
    };
    vec![
        ("Bundled models".to_owned(), path(folders::bundled_models())),
        ("Your models".to_owned(), path(folders::user_models())),
        ("Pictures".to_owned(), path(folders::pictures())),
        ("Settings".to_owned(), path(folders::settings())),
    ]
}

/// The vector units that our arithmetic can use, as the processor names them.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn cpu_features() -> Vec<&'static str> {
    let found = [
        ("sse4.2", std::is_x86_feature_detected!("sse4.2")),
        ("avx", std::is_x86_feature_detected!("avx")),
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("f16c", std::is_x86_feature_detected!("f16c")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512bw", std::is_x86_feature_detected!("avx512bw")),
        ("avx512vnni", std::is_x86_feature_detected!("avx512vnni")),
    ];
    found
        .into_iter()
        .filter(|feature| feature.1)
        .map(|feature| feature.0)
        .collect()
}

/// The vector units that our arithmetic can use, as the processor names them.
#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    let found = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("fp16", std::arch::is_aarch64_feature_detected!("fp16")),
        (
            "dotprod",
            std::arch::is_aarch64_feature_detected!("dotprod"),
        ),
        ("sve", std::arch::is_aarch64_feature_detected!("sve")),
    ];
    found
        .into_iter()
        .filter(|feature| feature.1)
        .map(|feature| feature.0)
        .collect()
}

/// Nothing is known of other processors.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}
