//! Targets that read what a training run is told and what it left.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::{Value, json};
use velatura::recipe::{TrainSpec, TrainTarget};
use velatura::train::{FoundRun, TrainConfig, memory_needed, run};

use super::drive::{MOST_BYTES, Target};
use super::json;
use super::train_support::{CONFIG, make_data, spec};

/// A run that is told to take more than this is not begun: it says so beforehand,
/// and whether the machine has it is the engine's question.
const MOST_OF_A_RUN: u64 = 32 << 20;

/// A model that takes words, boxes, label maps and small pictures.
const JOINT: &str = "tests/data/reference/joint-tiny";

/// Pictures, and the beginnings of runs on them.
struct Runs {
    root: tempfile::TempDir,
    config: PathBuf,
}

impl Runs {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (_, config) = make_data(root.path());
        Self { root, config }
    }

    fn spec(&self, target: TrainTarget) -> TrainSpec {
        TrainSpec {
            steps: 1,
            batch: 2,
            ..spec(self.root.path(), target)
        }
    }

    /// Does a job to its end, unless it says that it is a large one.
    fn work(&self, job: &TrainSpec) {
        let needed = memory_needed(job);
        if needed.is_ok_and(|needed| needed.total_bytes() <= MOST_OF_A_RUN) {
            run(job, &Device::flex(), &mut |_| ControlFlow::Continue(())).ok();
        }
    }
}

/// The sizes of the model of the joint reference, and every fine point.
fn joint() -> Vec<u8> {
    let read = |part: &str| -> Value {
        let text = std::fs::read(Path::new(JOINT).join(part)).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let training = serde_json::to_value(TrainConfig::default()).unwrap();
    let recipe = json!({
        "unet": read("unet/config.json"),
        "text_encoder": read("text_encoder/config.json"),
        "layout_encoder": read("layout_encoder/config.json"),
        "semantic_encoder": read("semantic_encoder/config.json"),
        "tokenizer": { "vocab_size": 700 },
        "scheduler": read("scheduler/scheduler_config.json"),
        "studio": read("studio.json"),
        "training": training["training"],
    });
    recipe.to_string().into_bytes()
}

#[test]
fn train_config() {
    let runs = Runs::new();
    let autoencoder = runs.spec(TrainTarget::Autoencoder);
    let diffusion = TrainSpec {
        first_stage: Some(JOINT.into()),
        ..runs.spec(TrainTarget::Diffusion)
    };
    Target {
        name: "train_config",
        corpus: vec![CONFIG.into(), joint()],
        mutate: json::values,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&runs.config, input).unwrap();
            if TrainConfig::of(&autoencoder).is_err() {
                return;
            }
            for job in [&autoencoder, &diffusion] {
                runs.work(job);
                std::fs::remove_dir_all(&job.output).ok();
            }
        },
    }
    .fuzz();
}

#[test]
fn run_json() {
    let runs = Runs::new();
    let job = runs.spec(TrainTarget::Autoencoder);
    runs.work(&job);
    let file = job.output.join("run.json");
    let written = std::fs::read(&file).unwrap();
    let mut every = serde_json::to_value(TrainSpec::default()).unwrap();
    every["discriminator_start"] = 3.into();
    Target {
        name: "run_json",
        corpus: vec![written, every.to_string().into_bytes()],
        mutate: json::values,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&file, input).unwrap();
            let Some(found) = FoundRun::in_folder(&job.output) else {
                return;
            };
            // The paths are the test's own: none of a stranger's is written to.
            let again = TrainSpec {
                data: job.data.clone(),
                config: job.config.clone(),
                from: None,
                first_stage: None,
                output: runs.root.path().join("again"),
                // Of many it says the truth: they take long.
                steps: found.spec.steps.min(2),
                accumulate: found.spec.accumulate.min(2),
                resume: false,
                ..found.spec
            };
            runs.work(&again);
            std::fs::remove_dir_all(&again.output).ok();
        },
    }
    .fuzz();
}

#[test]
fn state_json() {
    let runs = Runs::new();
    let job = runs.spec(TrainTarget::Autoencoder);
    runs.work(&job);
    let checkpoint = job.output.join("checkpoints/step-00000001");
    let state = checkpoint.join("state.json");
    let written = std::fs::read(&state).unwrap();
    let resumed = TrainSpec {
        resume: true,
        steps: 2,
        ..job.clone()
    };
    Target {
        name: "state_json",
        corpus: vec![written],
        mutate: json::values,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&state, input).unwrap();
            runs.work(&resumed);
            // What the run wrote is no part of the next one's beginning.
            for step in std::fs::read_dir(job.output.join("checkpoints")).unwrap() {
                let step = step.unwrap().path();
                if step != checkpoint {
                    std::fs::remove_dir_all(step).unwrap();
                }
            }
            std::fs::remove_file(job.output.join("metrics.jsonl")).ok();
        },
    }
    .fuzz();
}
