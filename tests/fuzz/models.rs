//! Targets that read model folders.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::{Value, json};
use velatura::diffusion::{GenerationRequest, LatentDiffusion};
use velatura::model::ModelFolder;
use velatura::recipe::{SamplerId, Schedule};

use super::drive::{MOST_BYTES, Target};
use super::random::Random;
use super::{json as values, mutate};

/// A copy of a small reference model, one file of which is exchanged.
struct Folder {
    _scratch: tempfile::TempDir,
    path: PathBuf,
}

impl Folder {
    /// The smallest.
    fn new() -> Self {
        Self::of("sd1-tiny")
    }

    fn of(model: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("model");
        let from = &Path::new("tests/data/reference").join(model);
        for entry in walkdir::WalkDir::new(from) {
            let entry = entry.unwrap();
            let to = path.join(entry.path().strip_prefix(from).unwrap());
            let name = entry.file_name().to_string_lossy();
            if entry.file_type().is_dir() {
                std::fs::create_dir_all(to).unwrap();
            } else if !["reference", "trajectories", "joint"]
                .iter()
                .any(|part| name.contains(part))
            {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
        Self {
            _scratch: scratch,
            path,
        }
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path.join(file)).unwrap()
    }

    /// Opens the folder with another file in the place of one, or beside all.
    fn open_with(&self, file: &str, input: &[u8]) {
        std::fs::write(self.path.join(file), input).unwrap();
        let device = Device::flex();
        let Ok(folder) = ModelFolder::open(&self.path) else {
            return;
        };
        drop(folder.load_unet(&device));
        drop(folder.load_autoencoder(&device));
        drop(folder.load_text_encoder(&device));
        if let Ok(tokenizer) = folder.tokenizer() {
            for text in ["", "a red barn, 水車", "<|endoftext|> \u{0}\u{feff}"] {
                tokenizer.encode(text);
            }
        }
        drop(LatentDiffusion::load(&folder, &device));
    }

    /// Opens the folder with another scheduler, and paints a little.
    fn paint_with(&self, input: &[u8]) {
        let file = "scheduler/scheduler_config.json";
        std::fs::write(self.path.join(file), input).unwrap();
        let device = Device::flex();
        let folder = ModelFolder::open(&self.path);
        let Ok(Ok(model)) = folder.map(|folder| LatentDiffusion::load(&folder, &device)) else {
            return;
        };
        for sampler in [None, Some(SamplerId::new("dpmpp-2m"))] {
            let request = GenerationRequest {
                prompt: "a red barn".to_owned(),
                reading: velatura::recipe::prompt::TextReading::default(),
                schedule: sampler.as_ref().map(|_| Schedule::Karras),
                sampler,
                steps: 3,
                guidance_scale: 4.0,
                guidance_rescale: 0.5,
                eta: 0.5,
                seed: 1,
                width_px: 16,
                height_px: 16,
                canvas: velatura::diffusion::Canvas::default(),
                given: velatura::diffusion::GivenLatents::default(),
                inpainting: velatura::diffusion::Inpainting::default(),
                ..GenerationRequest::default()
            };
            drop(model.generate(&request, &mut |_| ControlFlow::Continue(())));
        }
    }
}

/// Fuzzes a file of JSON in a model folder.
fn fuzz_json(name: &'static str, file: &str, more: &[Value]) {
    fuzz_json_of(&Folder::new(), name, file, more);
}

fn fuzz_json_of(folder: &Folder, name: &'static str, file: &str, more: &[Value]) {
    let mut corpus: Vec<Vec<u8>> = more.iter().map(|json| json.to_string().into()).collect();
    if folder.path.join(file).is_file() {
        corpus.push(folder.read(file));
    }
    Target {
        name,
        corpus,
        mutate: values::values,
        most_bytes: MOST_BYTES,
        read: &|input| folder.open_with(file, input),
    }
    .fuzz();
}

#[test]
fn unet_config() {
    fuzz_json("unet_config", "unet/config.json", &[]);
}

#[test]
fn vae_config() {
    fuzz_json("vae_config", "vae/config.json", &[]);
}

#[test]
fn text_config() {
    fuzz_json("text_config", "text_encoder/config.json", &[]);
}

#[test]
fn model_index() {
    fuzz_json("model_index", "model_index.json", &[]);
}

#[test]
fn scheduler_config() {
    let ddim = json!({
        "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "steps_offset": 1,
        "timestep_spacing": "trailing", "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": true, "trained_betas": [0.1, 0.2, 0.3],
    });
    let folder = Folder::new();
    let usual = folder.read("scheduler/scheduler_config.json");
    Target {
        name: "scheduler_config",
        corpus: vec![usual, ddim.to_string().into_bytes()],
        mutate: values::values,
        most_bytes: MOST_BYTES,
        read: &|input| folder.paint_with(input),
    }
    .fuzz();
}

#[test]
fn studio_json() {
    let studio = json!({
        "name": "Storybook", "resolution_px": 64, "unet_input": ["latent"],
        "mask_convention": "one_is_repainted", "default_steps": 25,
        "default_guidance_scale": 4.0, "model_card": "# Data",
    });
    fuzz_json("studio_json", "studio.json", &[studio]);
}

/// What a model that takes boxes, label maps and small pictures says of them.
#[test]
fn joint_json() {
    let folder = Folder::of("joint-tiny");
    fuzz_json_of(&folder, "joint_json", "studio.json", &[]);
}

#[test]
fn layout_config() {
    let folder = Folder::of("joint-tiny");
    fuzz_json_of(&folder, "layout_config", "layout_encoder/config.json", &[]);
}

#[test]
fn semantic_config() {
    let folder = Folder::of("joint-tiny");
    let file = "semantic_encoder/config.json";
    fuzz_json_of(&folder, "semantic_config", file, &[]);
}

#[test]
fn tokenizer_json() {
    let given = |name: &str| {
        let path = Path::new("tests/data/tokenizer").join(name);
        let text = std::fs::read(path.join("tokenizer.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let corpus = [given("alone"), given("strings"), given("saved")];
    fuzz_json("tokenizer_json", "tokenizer/tokenizer.json", &corpus);
}

#[test]
fn tokenizer_config() {
    fuzz_json("tokenizer_config", "tokenizer/tokenizer_config.json", &[]);
}

#[test]
fn vocab_json() {
    fuzz_json("vocab_json", "tokenizer/vocab.json", &[]);
}

#[test]
fn merges_txt() {
    let folder = Folder::new();
    Target {
        name: "merges_txt",
        corpus: vec![folder.read("tokenizer/merges.txt")],
        mutate: mutate::bytes,
        most_bytes: MOST_BYTES,
        read: &|input| folder.open_with("tokenizer/merges.txt", input),
    }
    .fuzz();
}

/// Changes the head of a file, and mostly makes its length right again.
pub fn head(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let file = random.pick(corpus);
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let (head, data) = file[8..].split_at(length);
    if random.one_in(8) {
        return mutate::bytes(random, corpus);
    }
    let head = values::values(random, &[head.to_vec()]);
    let mut changed = (head.len() as u64).to_le_bytes().to_vec();
    changed.extend(head);
    changed.extend(data);
    if random.one_in(8) {
        changed.truncate(random.below(changed.len()));
    }
    changed
}

#[test]
fn safetensors() {
    let folder = Folder::new();
    let file = "vae/diffusion_pytorch_model.safetensors";
    Target {
        name: "safetensors",
        corpus: vec![folder.read(file)],
        mutate: head,
        most_bytes: MOST_BYTES,
        read: &|input| folder.open_with(file, input),
    }
    .fuzz();
}
