//! Folders and single files: from one to the other, and what is told from each.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde::Deserialize;
use serde_json::{Value, json};
use velatura::diffusion::LatentDiffusion;
use velatura::model::inspect::{Family, Task, inspect};
use velatura::model::{Conversion, ModelError, ModelFolder};

use super::kind::{Halves, Kind, write};
use super::{load, request, run};

/// The names that diffusers' own script gives, and what lies under them
/// (`make_sdxl_single_reference.py`).
#[test]
fn a_folder_becomes_the_file_that_diffusers_script_makes() {
    #[derive(Deserialize)]
    struct Written {
        kind: Kind,
        /// Names, shapes and sums of the bytes of the script's file.
        file: BTreeMap<String, (Vec<usize>, u64)>,
    }
    let path = super::reference_support::folder().join("sdxl/script.json");
    let written: Written = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let [folder, target, again] =
        ["folder", "one.safetensors", "again"].map(|name| scratch.path().join(name));
    written.kind.write_folder(&folder, "");
    convert(&folder, &target).unwrap();
    let sum = |bytes: &[u8]| {
        let words = bytes.chunks_exact(2).zip(1_u64..);
        words.fold(0_u64, |sum, (word, place)| {
            let word = u64::from(u16::from_le_bytes([word[0], word[1]]));
            sum.wrapping_add(word * (place * 2_654_435_761 % 4_294_967_296))
        })
    };
    let bytes = std::fs::read(&target).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let found = file.tensors().into_iter();
    let found: BTreeMap<String, (Vec<usize>, u64)> = found
        .map(|(name, view)| (name, (view.shape().to_vec(), sum(view.data()))))
        .collect();
    let names =
        |file: &BTreeMap<String, (Vec<usize>, u64)>| file.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&written.file));
    for (name, tensor) in &written.file {
        assert_eq!(&found[name], tensor, "{name}");
    }
    // And back again, bit for bit.
    convert(&target, &again).unwrap();
    for part in ["unet", "vae", "text_encoder", "text_encoder_2"] {
        let stem = match part.starts_with("text") {
            true => "model",
            false => "diffusion_pytorch_model",
        };
        let [before, after] = [&folder, &again].map(|folder| {
            let path = folder.join(format!("{part}/{stem}.safetensors"));
            tensors_of(&path)
        });
        assert!(before == after, "{part}");
    }
}

/// First stages of XL as people have them: in a file of their own by the original names,
/// with and without what stands before them in whole models, and by diffusers' names.
#[test]
fn first_stages_in_one_file_take_the_place_of_the_models_own() {
    let kind = Kind::named("base");
    let (scratch, [folder, single]) = Kind::written("base");
    let device = Device::flex();
    let place = "first_stage_model.";
    let of_stage = |prefix: &str, path: &Path| {
        let tensors = tensors_of(&single).into_iter();
        let tensors = tensors.filter_map(|(name, (shape, bytes))| {
            let inner = name.strip_prefix(place)?;
            Some((format!("{prefix}{inner}"), Halves(shape, bytes)))
        });
        write(path, &tensors.collect());
    };
    let [bare, prefixed, diffusers] = ["sdxl_vae", "vae-fp16-fix", "own"]
        .map(|name| scratch.path().join(format!("stages/{name}.safetensors")));
    of_stage("", &bare);
    of_stage(place, &prefixed);
    let file = folder.join("vae/diffusion_pytorch_model.safetensors");
    std::fs::copy(file, &diffusers).unwrap();
    assert!(kind.weights.keys().any(|name| name.starts_with("vae/")));
    let latents = Tensor::<4>::ones([1, 4, 2, 2], &device) * 0.25;
    for model in [&folder, &single] {
        let opened = ModelFolder::open(model).unwrap();
        let own = opened.load_first_stage(&device).unwrap();
        let own = own.to_pictures(latents.clone()).into_data();
        for path in [&bare, &prefixed, &diffusers, &single] {
            let other = opened.load_first_stage_instead(path, &device).unwrap();
            // What latents are multiplied by is XL's.
            assert!((other.scaling().factor - 0.13025).abs() < 1e-9);
            let other = other.to_pictures(latents.clone());
            other.into_data().assert_eq(&own, true);
        }
    }
}

/// From folder to file and back, and what files cannot tell.
#[test]
fn all_kinds_go_from_folder_to_file_and_back() {
    for (name, title) in [
        ("base", "base"),
        ("inpaint", "inpaint"),
        ("refiner", "refiner"),
    ] {
        let (scratch, [folder, single]) = Kind::written(name);
        let made = scratch.path().join(format!("{title}.safetensors"));
        convert(&folder, &made).unwrap();
        assert!(tensors_of(&made) == tensors_of(&single), "{name}");
        let [one, other] = [&made, &folder].map(|path| inspect(path, None).unwrap());
        assert_eq!(one.task, other.task);
        assert_eq!(one.family, Family::StableDiffusionXl);
        assert!(one.missing.is_empty() && one.surplus.is_empty(), "{one:?}");
    }
    let (scratch, [folder, _]) = Kind::written("base");
    let target = scratch.path().join("x.safetensors");
    let refused = |file: &str, change: &dyn Fn(&mut Value)| {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut told: Value = serde_json::from_str(&text).unwrap();
        change(&mut told);
        std::fs::write(&path, told.to_string()).unwrap();
        let sentence = convert(&folder, &target).unwrap_err().to_string();
        assert!(!target.exists());
        std::fs::write(path, text).unwrap();
        sentence
    };
    let sentence = refused("model_index.json", &|told| {
        told["force_zeros_for_empty_prompt"] = json!(false);
    });
    assert!(sentence.contains("force_zeros"), "{sentence}");
    let sentence = refused("text_encoder_2/config.json", &|told| {
        told["hidden_act"] = json!("quick_gelu");
    });
    assert!(sentence.contains("text encoder is unlike"), "{sentence}");
    let sentence = refused("scheduler/scheduler_config.json", &|told| {
        told["_class_name"] = json!("LCMScheduler");
    });
    assert!(sentence.contains("lcm"), "{sentence}");
    convert(&folder, &target).unwrap();
}

pub fn convert(source: &Path, target: &Path) -> Result<(), ModelError> {
    Conversion::default().run(source, target, &mut |_, _| true)
}

/// Names, shapes and bytes.
pub fn tensors_of(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let all = file.tensors().into_iter();
    all.map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec())))
        .collect()
}

#[test]
fn what_a_model_is_stands_in_its_headers() {
    for (name, task) in [
        ("base", Task::TextToImage),
        ("inpaint", Task::Inpainting),
        ("refiner", Task::TextToImage),
    ] {
        let (_scratch, forms) = Kind::written(name);
        for path in forms {
            let told = inspect(&path, None).unwrap();
            assert_eq!((told.family, told.task), (Family::StableDiffusionXl, task));
            assert!(
                told.missing.is_empty() && told.surplus.is_empty(),
                "{told:?}"
            );
            assert!(told.mismatched.is_empty(), "{told:?}");
        }
    }
}

#[test]
fn variants_are_read_and_copies_are_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let kind = Kind::named("base");
    let folder = scratch.path().join("half");
    kind.write_folder(&folder, ".fp16");
    let opened = ModelFolder::open(&folder).unwrap();
    let copy = scratch.path().join("copy");
    let manifest = opened.manifest();
    let copied = opened.copy_to(&copy, velatura::model::WeightDtype::F16, &manifest);
    let copied = copied.unwrap();
    let index = std::fs::read_to_string(copy.join("model_index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["_class_name"], "StableDiffusionXLPipeline");
    assert_eq!(index["force_zeros_for_empty_prompt"], true);
    let runs = [opened, copied].map(|folder| {
        let model = LatentDiffusion::load(&folder, &Device::flex()).unwrap();
        run(&model, &request(""))
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    });
    assert!(runs[0] == runs[1]);
}

/// Older scripts wrote the projection of the second text encoder as a layer.
#[test]
fn a_projection_that_is_stored_as_a_layer_opens_as_the_usual_one() {
    let (scratch, [_, single]) = Kind::written("base");
    let usual = "conditioner.embedders.1.model.text_projection";
    let tensors = tensors_of(&single).into_iter();
    let tensors = tensors.map(|(name, (shape, bytes))| {
        if name != usual {
            return (name, Halves(shape, bytes));
        }
        let [rows, columns] = shape[..] else {
            panic!("a projection is a matrix: {shape:?}");
        };
        let places =
            (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
        let turned = places.flat_map(|at| [bytes[2 * at], bytes[2 * at + 1]]);
        let turned = Halves(vec![columns, rows], turned.collect());
        (format!("{usual}.weight"), turned)
    });
    let [older, again] =
        ["older", "again"].map(|name| scratch.path().join(format!("{name}.safetensors")));
    write(&older, &tensors.collect());
    let [one, other] = [&single, &older].map(|path| {
        let pictures = run(&load(path), &request("a red barn"));
        pictures.into_data().try_to_vec::<f32>().unwrap()
    });
    assert!(one == other, "another picture");
    let told = inspect(&older, None).unwrap();
    assert!(
        told.missing.is_empty() && told.surplus.is_empty(),
        "{told:?}"
    );
    convert(&older, &again).unwrap();
    assert!(tensors_of(&again) == tensors_of(&single));
}

#[test]
fn names_tell_models_that_paint_in_few_steps() {
    let scratch = tempfile::tempdir().unwrap();
    let kind = Kind::named("base");
    for (name, sampler, steps, guidance) in [
        ("sd_xl_turbo_1.0_fp16", "euler-a", 4, 0.0),
        ("sdxl_lightning_8step", "euler", 8, 1.0),
        ("xl-lcm", "lcm", 4, 1.0),
        ("Hyper-SDXL-8steps", "ddim", 8, 1.0),
        ("dmd2_sdxl_4step_unet", "lcm", 4, 1.0),
    ] {
        let path = scratch.path().join(format!("{name}.safetensors"));
        kind.write_single(&path);
        let model = load(&path);
        assert_eq!(model.default_sampler().id, sampler, "{name}");
        let manifest = model.manifest();
        assert_eq!(manifest.default_steps, steps, "{name}");
        assert!((manifest.default_guidance_scale - guidance).abs() < 1e-6);
        assert_eq!(inspect(&path, None).unwrap().notices.len(), 1, "{name}");
    }
}
