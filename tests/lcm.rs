//! A latent consistency model to which guidance was taught, against diffusers.
//!
//! `data/reference/make_lcm_reference.py` says what was run; Stable Diffusion XL is in `sdxl.rs`.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::Device;
use reference_support::{Reference, difference, folder};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use velatura::diffusion::{
    Canvas, GenerationRequest, GivenLatents, LatentDiffusion, Retelling, Session,
};
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::EngineEvent;
use velatura::engine::{EngineHandle, studio};
use velatura::model::{Conversion, ModelFolder};
use velatura::recipe::{GenerateSpec, Latents, ModelSource};

/// Largest difference allowed, of a deviation.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Cases {
    scheduler: Value,
    prompt: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    guidance: f32,
    steps: u32,
    width: u32,
    height: u32,
}

/// The folder of the tiny model with one weight more; deleted when it is dropped.
fn written(reference: &Reference) -> (TempDir, PathBuf) {
    let all: Cases = reference.cases();
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("consistent");
    let from = folder().join("sd1-tiny");
    for entry in walkdir::WalkDir::new(&from) {
        let entry = entry.unwrap();
        let to = root.join(entry.path().strip_prefix(&from).unwrap());
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(to).unwrap(),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
    let path = root.join("unet/config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["time_cond_proj_dim"] = json!(20);
    std::fs::write(&path, config.to_string()).unwrap();
    let scheduler = root.join("scheduler/scheduler_config.json");
    std::fs::write(scheduler, all.scheduler.to_string()).unwrap();
    add_weight(
        &root.join("unet/diffusion_pytorch_model.safetensors"),
        reference,
    );
    (scratch, root)
}

fn add_weight(path: &Path, reference: &Reference) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: HashMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let values = reference.numbers("cond_proj");
    let values = values.into_iter().map(|value| value as f32);
    let values: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    let shape = vec![values.len() / 4 / 20, 20];
    let view = TensorView::new(Dtype::F32, shape, &values).unwrap();
    tensors.insert("time_embedding.cond_proj.weight".to_owned(), view);
    safetensors::serialize_to_file(tensors, None, path).unwrap();
}

fn request(reference: &Reference, all: &Cases, index: usize) -> GenerationRequest {
    let case = &all.cases[index];
    let noise = reference.numbers(&format!("{index}.noise")).into_iter();
    GenerationRequest {
        prompt: all.prompt.clone(),
        negative_prompt: "nobody hears of it".to_owned(),
        steps: case.steps,
        guidance_scale: case.guidance,
        seed: 9 + index as u64,
        width_px: case.width,
        height_px: case.height,
        given: GivenLatents {
            noise: Some(Arc::new(Latents {
                shape: [1, 4, case.height as usize / 4, case.width as usize / 4],
                values: noise.map(|value| value as f32).collect(),
            })),
            clean: None,
        },
        ..GenerationRequest::default()
    }
}

fn run(model: &LatentDiffusion, request: &GenerationRequest) -> Vec<f32> {
    finished(Session::new(model, request).unwrap())
}

fn finished(mut session: Session<'_>) -> Vec<f32> {
    while session.step().unwrap().is_some() {}
    let latents = session.state().latents.into_data();
    latents.try_into_vec_as().unwrap()
}

#[test]
fn whole_runs_equal_diffusers() {
    let reference = Reference::open("lcm/first.safetensors");
    let all: Cases = reference.cases();
    let (_scratch, root) = written(&reference);
    let model = ModelFolder::open(&root).unwrap();
    let model = LatentDiffusion::load(&model, &Device::flex()).unwrap();
    assert_eq!(model.default_sampler().id, "lcm");
    let manifest = model.manifest();
    assert_eq!(manifest.default_steps, 4);
    assert!((manifest.default_guidance_scale - 8.5).abs() < 1e-6);
    assert!(!model.is_guided(8.5) && model.model().embeds_guidance());
    for (index, case) in all.cases.iter().enumerate() {
        let got = run(&model, &request(&reference, &all, index));
        let wanted = reference.numbers(&format!("{index}.run"));
        let (largest, deviation) = difference(&got, &wanted);
        println!(
            "guidance {}: largest difference {largest:.1e} of a deviation of {deviation:.2}",
            case.guidance
        );
        assert!(largest <= TOLERANCE * deviation.max(1.0));
    }
}

/// In windows and told anew it hears the same of guidance.
#[test]
fn guidance_is_heard_in_every_window_and_when_it_is_told_anew() {
    let reference = Reference::open("lcm/first.safetensors");
    let all: Cases = reference.cases();
    let (_scratch, root) = written(&reference);
    let model = ModelFolder::open(&root).unwrap();
    let model = LatentDiffusion::load(&model, &Device::flex()).unwrap();
    let mut asked = request(&reference, &all, 1);
    asked.given = GivenLatents::default();
    for (width_px, window_px) in [(96, Some(64)), (64, None)] {
        asked.width_px = width_px;
        asked.canvas = Canvas {
            window_px,
            ..Canvas::default()
        };
        let with = |scale: f32, anew: Option<f32>| {
            let asked = GenerationRequest {
                guidance_scale: scale,
                ..asked.clone()
            };
            let mut session = Session::new(&model, &asked).unwrap();
            if let Some(guidance_scale) = anew {
                let told = model.told_anew(&Retelling {
                    prompt: &asked.prompt,
                    negative_prompt: &asked.negative_prompt,
                    reading: asked.reading,
                    steps: asked.steps as usize,
                    seed: 0,
                    guidance_scale,
                    conditions: &asked.conditions,
                    size_px: [asked.width_px, asked.height_px],
                    canvas: asked.canvas,
                });
                session.tell(told.unwrap());
            }
            finished(session)
        };
        let strong = with(8.5, None);
        let weak = with(1.0, None);
        assert!(strong.iter().all(|value| value.is_finite()));
        // In all windows, so on both sides of the picture.
        let row = width_px as usize / 4;
        let differs = |column: usize| {
            let mut pairs = strong.iter().zip(&weak).skip(column).step_by(row);
            pairs.any(|(strong, weak)| strong != weak)
        };
        assert!((0..row).all(differs), "{width_px}");
        assert_eq!(with(1.0, Some(8.5)), strong, "{width_px}");
        assert_eq!(with(8.5, Some(1.0)), weak, "{width_px}");
    }
}

/// It has guidance, and nothing to rescale.
#[test]
fn who_rescales_guidance_that_was_taught_is_told_why_nothing_changes() {
    let reference = Reference::open("lcm/first.safetensors");
    let (_scratch, root) = written(&reference);
    let factory = studio::factory(ComputeDevice::cpu());
    let mut engine = EngineHandle::spawn(factory, Arc::new(|| {})).unwrap();
    engine.generate(GenerateSpec {
        model: ModelSource::Folder(root),
        steps: 1,
        guidance_scale: 8.5,
        guidance_rescale: 0.5,
        width_px: 32,
        height_px: 32,
        ..GenerateSpec::default()
    });
    let mut warnings = Vec::new();
    loop {
        match engine.wait(Duration::from_secs(300)).unwrap() {
            EngineEvent::Warning { message, .. } => warnings.push(message),
            EngineEvent::Finished { .. } => break,
            EngineEvent::Stopped { reason, .. } => panic!("{reason:?}"),
            _ => {}
        }
    }
    engine.close();
    let rescale = warnings.iter().find(|it| it.contains("rescale")).unwrap();
    assert!(
        rescale.contains("taught") && !rescale.contains("without"),
        "{rescale}"
    );
}

#[test]
fn a_folder_is_written_anew_and_no_file_has_a_place_for_it() {
    let reference = Reference::open("lcm/first.safetensors");
    let (scratch, root) = written(&reference);
    let convert = |name: &str| {
        let target = scratch.path().join(name);
        Conversion::default()
            .run(&root, &target, &mut |_, _| true)
            .map(|()| target)
    };
    let copy = ModelFolder::open(convert("lcm").unwrap()).unwrap();
    let model = LatentDiffusion::load(&copy, &Device::flex()).unwrap();
    let all: Cases = reference.cases();
    let got = run(&model, &request(&reference, &all, 0));
    let (largest, deviation) = difference(&got, &reference.numbers("0.run"));
    assert!(largest <= TOLERANCE * deviation.max(1.0));
    let sentence = convert("lcm.safetensors").unwrap_err().to_string();
    assert!(sentence.contains("taught"), "{sentence}");
}
