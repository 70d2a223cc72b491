//! Stable Diffusion 1 and 2 in one file against diffusers, on tiny random models
//! (`tests/data/reference/make_single_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use reference_support::{Reference, difference};
use serde_json::Value;
use velatura::model::ModelFolder;

/// Largest difference allowed between diffusers and us.
const TOLERANCE: f64 = 1e-4;

fn file(kind: &str) -> PathBuf {
    Path::new("tests/data/reference").join(format!("{kind}-single/model.safetensors"))
}

fn tensor<const D: usize>(reference: &Reference, key: &str, shape: [usize; D]) -> Tensor<D> {
    let numbers = reference.numbers(key).into_iter().map(|value| value as f32);
    Tensor::from_data(
        TensorData::new(numbers.collect::<Vec<f32>>(), shape),
        &Device::flex(),
    )
}

fn check<const D: usize>(reference: &Reference, key: &str, got: Tensor<D>) {
    let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
    let (largest, deviation) = difference(&got, &reference.numbers(key));
    println!("{key}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.02, "{key} is nearly constant");
    assert!(largest <= TOLERANCE, "{key} differs by {largest}");
}

#[test]
fn a_single_file_of_stable_diffusion_1_gives_what_diffusers_gives() {
    check_kind("sd1", "epsilon");
}

#[test]
fn a_single_file_of_stable_diffusion_2_gives_what_diffusers_gives() {
    check_kind("sd2", "v_prediction");
}

fn check_kind(kind: &str, prediction: &str) {
    let reference = Reference::open(&format!("{kind}-single/reference.safetensors"));
    let device = Device::flex();
    let model = ModelFolder::open(file(kind)).unwrap();
    assert!(model.manifest().takes_text() && !model.manifest().takes_mask());
    assert_eq!(model.manifest().name, "model");
    let ids: Vec<i32> = reference
        .numbers("ids")
        .into_iter()
        .map(|id| id as i32)
        .collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, 77]), &device);
    let states = model.load_text_encoder(&device).unwrap().forward(ids);
    check(&reference, "states", states.clone());
    let unet = model.load_unet(&device).unwrap();
    let latents = tensor(&reference, "latents", [1, 4, 8, 8]);
    let said = unet.forward(
        latents.clone(),
        Tensor::from_floats([500.0], &device),
        states.clone(),
    );
    check(&reference, "one", said);
    let autoencoder = model.load_autoencoder(&device).unwrap();
    check(&reference, "decoded", autoencoder.decode(latents.clone()));
    let pixels = tensor(&reference, "pixels", [1, 3, 16, 16]);
    check(&reference, "mean", autoencoder.encode(pixels).mean);

    // DDIM by hand, with the schedule that a single file has.
    let config = model.scheduler_config();
    assert_eq!(
        (&config["beta_start"], &config["steps_offset"]),
        (&Value::from(0.00085), &Value::from(1))
    );
    let betas = (0..1000).map(|step| {
        let root =
            0.00085_f64.sqrt() + (0.012_f64.sqrt() - 0.00085_f64.sqrt()) * f64::from(step) / 999.0;
        root * root
    });
    let kept: Vec<f64> = betas
        .scan(1.0, |kept, beta| {
            *kept *= 1.0 - beta;
            Some(*kept)
        })
        .collect();
    assert_eq!(config["prediction_type"], prediction);
    let mut run = latents;
    for step in [751_usize, 501, 251, 1] {
        let said = unet.forward(
            run.clone(),
            Tensor::from_floats([step as f32], &device),
            states.clone(),
        );
        let now = kept[step];
        let next = step.checked_sub(250).map_or(kept[0], |next| kept[next]);
        let (signal, noise) = (now.sqrt(), (1.0 - now).sqrt());
        let (clean, said) = match prediction {
            "epsilon" => ((run - said.clone() * noise) / signal, said),
            _ => (
                run.clone() * signal - said.clone() * noise,
                said * signal + run * noise,
            ),
        };
        run = clean * next.sqrt() + said * (1.0 - next).sqrt();
    }
    check(&reference, "run", run);
}

#[test]
fn a_file_that_lacks_a_weight_does_not_paint() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("m.safetensors");
    let bytes = std::fs::read(file("sd1")).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let head = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    // The same place in the file, and another name of the same length.
    let changed = head.replace(
        "model.diffusion_model.out.2.bias",
        "model.diffusion_model.out.2.bios",
    );
    assert_ne!(head, changed);
    std::fs::write(
        &path,
        [&bytes[..8], changed.as_bytes(), &bytes[8 + length..]].concat(),
    )
    .unwrap();
    let sentence = ModelFolder::open(&path).unwrap_err().to_string();
    assert!(sentence.contains("Stable Diffusion 1"), "{sentence}");
    assert!(
        sentence.contains("model.diffusion_model.out.2.bias"),
        "{sentence}"
    );
}
