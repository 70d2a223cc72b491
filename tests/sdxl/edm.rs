//! Noise of EDM against diffusers (`tests/data/reference/make_edm_reference.py`), and what
//! single files tell of it.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::Tensor;
use serde::Deserialize;
use serde_json::{Value, json};
use velatura::diffusion::{GenerationRequest, LatentDiffusion, SAMPLERS};
use velatura::model::inspect::{Predicts, inspect};
use velatura::recipe::{SamplerId, Schedule};

use super::files::{convert, tensors_of};
use super::kind::{Halves, Kind, write};
use super::reference_support::Reference;
use super::{NEGATIVE, check, load, picture, request, run};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
    /// What an autoencoder says of the channels of its latents.
    channels: Value,
}

#[derive(Deserialize)]
struct Case {
    scheduler: Value,
    vae: Value,
    steps: u32,
    strength: Option<f32>,
}

impl Case {
    fn write(&self, folder: &Path) {
        let mut kind = Kind::named("base");
        let scheduler = kind.files.get_mut("scheduler/scheduler_config.json");
        *scheduler.unwrap() = self.scheduler.clone();
        let vae = kind.files.get_mut("vae/config.json").unwrap();
        for (key, value) in self.vae.as_object().unwrap() {
            vae[key] = value.clone();
        }
        kind.write_folder(folder, "");
    }

    fn request(&self) -> GenerationRequest {
        GenerationRequest {
            sampler: None,
            steps: self.steps,
            init: self.strength.map(|_| picture()),
            strength: self.strength.unwrap_or(1.0),
            ..request(NEGATIVE)
        }
    }
}

fn pictures(model: &LatentDiffusion, latents: Tensor<4>) -> Tensor<4> {
    model.model().first_stage().to_pictures(latents)
}

#[test]
fn folders_paint_what_diffusers_paints() {
    let reference = Reference::open("sdxl/edm.safetensors");
    let all: Cases = reference.cases();
    for (index, case) in all.cases.iter().enumerate() {
        let scratch = tempfile::tempdir().unwrap();
        case.write(scratch.path());
        let model = load(scratch.path());
        assert_eq!(model.warnings(), [""; 0]);
        let predicts_noise = case.scheduler["prediction_type"] != "v_prediction";
        let guidance = model.manifest().default_guidance_scale;
        assert_eq!(guidance == 3.0, predicts_noise, "{guidance}");
        let what = case.scheduler.to_string();
        let latents = run(&model, &case.request());
        check(&what, latents.clone(), &reference, &format!("{index}.run"));
        let key = format!("{index}.picture");
        if reference.has(&key) {
            check(&what, pictures(&model, latents), &reference, &key);
        }
    }
}

/// As Playground 2.5 and CosXL tell of themselves.
#[test]
fn single_files_paint_the_same() {
    let reference = Reference::open("sdxl/edm.safetensors");
    let all: Cases = reference.cases();
    let numbers = |value: &Value| -> Vec<f32> {
        let numbers = value.as_array().unwrap().iter();
        numbers.map(|it| it.as_f64().unwrap() as f32).collect()
    };
    let plane = |key: &str| Halves::new(vec![1, 4, 1, 1], &numbers(&all.channels[key]));
    let playground = vec![
        ("edm_mean", plane("latents_mean")),
        ("edm_std", plane("latents_std")),
    ];
    let scalar = |value: f32| Halves::new(Vec::new(), &[value]);
    let cosxl = vec![("edm_vpred.sigma_max", scalar(120.0))];
    let files = [
        (0, playground, "dpmpp-2m", Predicts::Epsilon),
        (2, cosxl, "euler", Predicts::Velocity),
    ];
    for (index, told, sampler, predicts) in files {
        let scratch = tempfile::tempdir().unwrap();
        let [path, folder, again] = ["lightning.safetensors", "folder", "again.safetensors"]
            .map(|it| scratch.path().join(it));
        Kind::named("base").write_single(&path);
        let all_tensors = tensors_of(&path).into_iter();
        let mut tensors: HashMap<String, Halves> = all_tensors
            .map(|(name, (shape, bytes))| (name, Halves(shape, bytes)))
            .collect();
        tensors.extend(
            told.into_iter()
                .map(|(name, values)| (name.to_owned(), values)),
        );
        write(&path, &tensors);
        let found = inspect(&path, None).unwrap();
        assert_eq!(found.prediction, Some(predicts));
        assert!(found.notices.iter().any(|it| it.contains("EDM")));
        let model = load(&path);
        assert_eq!(model.default_sampler().id, sampler);
        let case = &all.cases[index];
        let what = format!("{sampler} of a file");
        let latents = run(&model, &case.request());
        check(&what, latents, &reference, &format!("{index}.run"));
        // A folder tells the same, and a file that would not is not written.
        convert(&path, &folder).unwrap();
        let latents = run(&load(&folder), &case.request());
        check("converted", latents, &reference, &format!("{index}.run"));
        let error = convert(&folder, &again).unwrap_err().to_string();
        assert!(
            error.contains("EDM") || error.contains("latents"),
            "{error}"
        );
    }
}

#[test]
fn samplers_that_go_by_steps_of_a_training_are_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let case = Case {
        scheduler: json!({"_class_name": "EDMEulerScheduler"}),
        vae: json!({}),
        steps: 3,
        strength: None,
    };
    case.write(scratch.path());
    let model = load(scratch.path());
    for info in SAMPLERS {
        let request = GenerationRequest {
            sampler: Some(SamplerId::new(info.id)),
            schedule: Some(Schedule::Uniform),
            ..case.request()
        };
        let session = velatura::diffusion::Session::new(&model, &request);
        let refused = ["ddim", "plms", "pndm", "ddpm", "lcm", "tcd"].contains(&info.id);
        assert_eq!(session.is_err(), refused, "{}", info.id);
        if let Some(error) = session.err() {
            let error = error.to_string();
            assert!(
                error.contains(info.label) && error.contains("dpmpp-2m,"),
                "{error}"
            );
        }
    }
}
