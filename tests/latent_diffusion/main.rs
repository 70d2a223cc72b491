//! The paper's latent diffusion models in one file against the paper's own code, on tiny
//! models (`tests/data/reference/make_latent_diffusion_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod program;
#[path = "../reference_support/mod.rs"]
mod reference_support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use reference_support::{Reference, difference};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;
use velatura::diffusion::{Conditions, GenerationOutcome, GenerationRequest, LatentDiffusion};
use velatura::model::{ModelFolder, Told, WeightDtype};
use velatura::recipe::{InputSpec, SamplerId};

/// Largest difference allowed between the paper's code and us, of the deviation.
const TOLERANCE: f64 = 2e-4;

/// What latents of `unconditional-updown` are multiplied by.
const SCALE_FACTOR: f32 = 0.75;

/// A tiny model of `tests/data/originals`: its YAML file, and the names and shapes of its
/// weights.
#[derive(Clone, Deserialize)]
struct Tiny {
    yaml: String,
    keys: BTreeMap<String, Vec<usize>>,
}

impl Tiny {
    fn named(kind: &str) -> Self {
        let text = fs::read_to_string("tests/data/originals/tiny.json").unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        let base = match kind {
            "unconditional-new-order" | "class-added" => "unconditional",
            kind => kind,
        };
        let mut tiny: Self = serde_json::from_value(all[base].clone()).unwrap();
        let heads = "num_head_channels: 32";
        match kind {
            "unconditional-new-order" => {
                let told = "num_head_channels: 16\n        use_new_attention_order: true";
                tiny.yaml = tiny.yaml.replace(heads, told);
            }
            "class-added" => {
                let told = "num_head_channels: 16\n        num_classes: 7";
                let nothing = "concat_mode: false\n    cond_stage_config: __is_unconditional__";
                let added = "conditioning_key: adm\n    cond_stage_config:\n      target: torch.nn.Identity";
                tiny.yaml = tiny.yaml.replace(heads, told).replace(nothing, added);
                let table = "model.diffusion_model.label_emb.weight".to_owned();
                tiny.keys.insert(table, vec![7, 128]);
            }
            _ => {}
        }
        tiny
    }

    /// Writes weights and YAML file.
    fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.safetensors"));
        fs::write(path.with_extension("yaml"), &self.yaml).unwrap();
        let mut tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)> = BTreeMap::new();
        for (name, shape) in &self.keys {
            tensors.insert(name.clone(), (shape.clone(), numbers(name, shape)));
        }
        tensors.insert("scale_factor".into(), (Vec::new(), vec![SCALE_FACTOR]));
        write(&path, &tensors);
        path
    }
}

fn write(path: &Path, tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| (name, bytemuck::cast_slice(values).to_vec()))
        .collect();
    let views = tensors.iter().map(|(name, (shape, _))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).unwrap();
        (name.clone(), view)
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Weights of a name, as the script draws them.
fn numbers(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = name.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let place = name.rsplit('.').nth(1).unwrap();
    let is_table = place.ends_with("embedding") || place == "label_emb";
    let inputs: usize = shape.iter().skip(1).product();
    let scale = (2.0 / inputs as f64).sqrt();
    let count: usize = shape.iter().product();
    let number = |index: usize| {
        let mut h = (index as u32).wrapping_add(seed).wrapping_mul(0x9E37_79B1);
        h ^= h >> 15;
        h = h.wrapping_mul(0x85EB_CA77);
        h ^= h >> 13;
        h = h.wrapping_mul(0xC2B2_AE3D);
        h ^= h >> 16;
        let u = f64::from(h) / 2_147_483_648.0 - 1.0;
        let value = match shape.len() {
            1 if name.ends_with("weight") => 1.0 + 0.1 * u,
            1 => 0.05 * u,
            _ if is_table => u,
            _ => u * scale,
        };
        value as f32
    };
    (0..count).map(number).collect()
}

fn tensor(reference: &Reference, key: &str, shape: [usize; 4]) -> Tensor<4> {
    let numbers = reference.numbers(key).into_iter().map(|value| value as f32);
    Tensor::from_data(
        TensorData::new(numbers.collect::<Vec<f32>>(), shape),
        &Device::flex(),
    )
}

fn check(kind: &str, reference: &Reference, key: &str, got: Tensor<4>) {
    let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
    let (largest, deviation) = difference(&got, &reference.numbers(key));
    println!("{kind} {key}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.1, "{kind} {key} is nearly constant");
    assert!(
        largest <= TOLERANCE * deviation.max(1.0),
        "{kind} {key} differs by {largest} of {deviation}"
    );
}

/// Every part, and a whole run on the way that pictures are painted.
fn check_kind(kind: &str, path: &Path) {
    let factor = if kind == "unconditional-updown" {
        SCALE_FACTOR
    } else {
        1.0
    };
    check_folder(kind, path, kind.starts_with("class"), factor);
}

fn check_folder(kind: &str, path: &Path, has_class: bool, factor: f32) {
    let reference = Reference::open(&format!("latent-diffusion/{kind}.safetensors"));
    let device = Device::flex();
    let folder = ModelFolder::open(path).unwrap();
    let channels = folder.unet_config().unwrap().in_channels;
    let latents = tensor(&reference, "latents", [1, channels, 8, 12]);
    let unet = folder.load_unet(&device).unwrap();
    let class = Tensor::<1, Int>::from_data([3], &device);
    let context = match folder.class_encoder_config() {
        Ok(_) => {
            let encoder = folder.load_class_encoder(&device).unwrap().unwrap();
            encoder.tokens(class.clone())
        }
        Err(_) => Tensor::zeros([1, 1, 1], &device),
    };
    let said = unet.forward_told(
        latents.clone(),
        Tensor::from_floats([501.0], &device),
        &Told {
            classes: has_class.then_some(class),
            ..context.into()
        },
    );
    check(kind, &reference, "one", said);
    let stage = folder.load_first_stage(&device).unwrap();
    assert_eq!(stage.scaling().factor as f32, factor);
    check(kind, &reference, "decoded", stage.to_pictures(latents));
    let pixels = tensor(&reference, "pixels", [1, 3, 16, 24]);
    check(
        kind,
        &reference,
        "encoded",
        stage.likeliest_unscaled(pixels),
    );

    let model = LatentDiffusion::load(&folder, &device).unwrap();
    for (key, sampler, steps) in [("run", "ddim", 4), ("plms", "plms", 5)] {
        if !reference.has(key) {
            continue;
        }
        let request = GenerationRequest {
            reading: velatura::recipe::prompt::TextReading::default(),
            sampler: Some(SamplerId::new(sampler)),
            steps,
            guidance_scale: if has_class { 3.0 } else { 1.0 },
            seed: kind.bytes().map(u64::from).sum(),
            width_px: 24,
            height_px: 16,
            given: velatura::diffusion::GivenLatents::default(),
            inpainting: velatura::diffusion::Inpainting::default(),
            canvas: velatura::diffusion::Canvas::default(),
            conditions: Conditions {
                class: has_class.then_some(3),
                ..Conditions::default()
            },
            ..GenerationRequest::default()
        };
        let mut go_on = |_: velatura::diffusion::StepView<'_>| ControlFlow::Continue(());
        let GenerationOutcome::Finished { latents, image } =
            model.generate(&request, &mut go_on).unwrap()
        else {
            panic!("{kind} was stopped");
        };
        assert_eq!(image.dimensions(), (24, 16));
        check(kind, &reference, key, latents);
    }
}

/// Writes a folder of diffusers, as the metadata of a reference tell it.
fn write_folder(kind: &str, folder: &Path) {
    let path = format!("tests/data/reference/latent-diffusion/{kind}.safetensors");
    let bytes = fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let told = header.metadata().clone().unwrap();
    type Shapes = BTreeMap<String, Vec<usize>>;
    let keys: BTreeMap<String, Shapes> = serde_json::from_str(&told["keys"]).unwrap();
    for (part, shapes) in keys {
        fs::create_dir(folder.join(&part)).unwrap();
        fs::write(folder.join(&part).join("config.json"), &told[&part]).unwrap();
        let tensors = shapes.into_iter().map(|(name, shape)| {
            let values = numbers(&name, &shape);
            (name, (shape, values))
        });
        let file = folder
            .join(&part)
            .join("diffusion_pytorch_model.safetensors");
        write(&file, &tensors.collect());
    }
    fs::create_dir(folder.join("scheduler")).unwrap();
    fs::write(
        folder.join("scheduler/scheduler_config.json"),
        &told["scheduler"],
    )
    .unwrap();
    let index = r#"{"_class_name": "LDMPipeline", "unet": ["diffusers", "UNet2DModel"]}"#;
    fs::write(folder.join("model_index.json"), index).unwrap();
}

#[test]
fn folders_give_what_diffusers_gives() {
    for (kind, has_class) in [
        ("folder", false),
        ("folder-classes", true),
        ("folder-ddpm", false),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        write_folder(kind, scratch.path());
        let model = ModelFolder::open(scratch.path()).unwrap();
        let inputs = model.manifest().inputs;
        let classes = has_class.then(|| InputSpec::numbered_classes(7));
        assert_eq!(inputs, classes.into_iter().collect::<Vec<_>>());
        check_folder(kind, scratch.path(), has_class, 1.0);
        let copy = scratch.path().join("copy");
        model
            .copy_to(&copy, WeightDtype::F32, &model.manifest())
            .unwrap();
        check_folder(kind, &copy, has_class, 1.0);
    }
}

fn check_written(kind: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let path = Tiny::named(kind).write(scratch.path(), "m");
    check_kind(kind, &path);
}

#[test]
fn pictures_of_one_kind_are_those_of_the_papers_code() {
    check_written("unconditional");
    check_written("unconditional-new-order");
}

#[test]
fn blocks_that_resample_and_times_that_scale_are_those_of_the_papers_code() {
    check_written("unconditional-updown");
}

#[test]
fn classes_are_those_of_the_papers_code() {
    check_written("class-to-image");
    check_written("class-added");
}

/// What is painted with are the averages; the last weights are noise here.
#[test]
fn averaged_weights_come_first() {
    let scratch = tempfile::tempdir().unwrap();
    let tiny = Tiny::named("class-to-image");
    let path = scratch.path().join("m.safetensors");
    let mut tensors = BTreeMap::new();
    for (name, shape) in &tiny.keys {
        let values = numbers(name, shape);
        if let Some(inner) = name.strip_prefix("model.diffusion_model.") {
            let average = format!("model_ema.diffusion_model{}", inner.replace('.', ""));
            tensors.insert(average, (shape.clone(), values));
            let noise = numbers(&format!("x{name}"), shape);
            tensors.insert(name.clone(), (shape.clone(), noise));
        } else {
            tensors.insert(name.clone(), (shape.clone(), values));
        }
    }
    tensors.insert("model_ema.decay".into(), (Vec::new(), vec![0.9999]));
    write(&path, &tensors);
    // The other name that a YAML file may have, and the folder instead of the file.
    fs::write(scratch.path().join("config.yaml"), &tiny.yaml).unwrap();
    check_kind("class-to-image", &path);
    check_kind("class-to-image", scratch.path());
}

#[test]
fn classes_are_named_by_the_file_beside_them() {
    let scratch = tempfile::tempdir().unwrap();
    let path = Tiny::named("class-to-image").write(scratch.path(), "animals");
    let manifest = || ModelFolder::open(&path).unwrap().manifest();
    let classes = || manifest().inputs;
    let numbered = InputSpec::numbered_classes(11);
    assert_eq!(classes(), [numbered]);
    // It would lead away from one that can be asked for.
    assert_eq!(manifest().default_guidance_scale, 1.0);
    let names = [
        "tench",
        "goldfish",
        "great white shark, white shark",
        "hen",
        "cock",
    ];
    let names: Vec<String> = names
        .map(str::to_owned)
        .into_iter()
        .chain((5..10).map(|n| format!("bird {n}")))
        .collect();
    let file = scratch.path().join("classes.txt");
    fs::write(&file, names.join("\n")).unwrap();
    let input = InputSpec::Class {
        classes: names.clone(),
        empty: Some(10),
    };
    assert_eq!(classes(), [input]);
    assert!(manifest().default_guidance_scale > 1.0);
    for (told, wanted) in [
        ("Goldfish", Some(1)),
        ("white shark", Some(2)),
        ("3", Some(3)),
        ("10", None),
        ("dog", None),
    ] {
        assert_eq!(
            velatura::recipe::class_number(&names, told),
            wanted,
            "{told}"
        );
    }
    fs::write(&file, "one\ntwo\n").unwrap();
    let sentence = ModelFolder::open(&path).unwrap_err().to_string();
    assert!(
        sentence.contains("classes.txt") && sentence.contains("2 lines"),
        "{sentence}"
    );
    fs::write(&file, names.join("\n").replace("hen", "")).unwrap();
    let sentence = ModelFolder::open(&path).unwrap_err().to_string();
    assert!(
        sentence.contains("classes.txt") && sentence.contains("an empty line"),
        "{sentence}"
    );
}

/// Saved as a folder and opened again it paints the same.
#[test]
fn folders_of_diffusers_hold_such_models() {
    let scratch = tempfile::tempdir().unwrap();
    for kind in [
        "unconditional",
        "unconditional-updown",
        "class-to-image",
        "class-added",
    ] {
        let path = Tiny::named(kind).write(scratch.path(), kind);
        let model = ModelFolder::open(&path).unwrap();
        let copy = scratch.path().join(format!("{kind} copy"));
        model
            .copy_to(&copy, WeightDtype::F32, &model.manifest())
            .unwrap();
        check_kind(kind, &copy);
    }
}

#[test]
fn what_does_not_open_is_told_in_a_sentence() {
    let scratch = tempfile::tempdir().unwrap();
    let tiny = Tiny::named("unconditional");
    let path = tiny.write(scratch.path(), "m");
    let yaml = path.with_extension("yaml");
    let refused = |text: Option<&str>, named: &str| {
        match text {
            Some(text) => fs::write(&yaml, text).unwrap(),
            None => fs::remove_file(&yaml).unwrap(),
        }
        let sentence = ModelFolder::open(&path).unwrap_err().to_string();
        assert!(sentence.contains(named), "{sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    };
    refused(None, "m.yaml");
    refused(
        Some(
            &tiny
                .yaml
                .replace("- 2\n        image_size", "- 4\n        image_size"),
        ),
        "m.yaml is not the YAML file of",
    );
    refused(
        Some(
            &tiny
                .yaml
                .replace("num_head_channels: 32", "num_head_channels: 7"),
        ),
        "attention_head_dim",
    );
    refused(
        Some(&tiny.yaml.replace("num_head_channels: 32", "num_heads: 0")),
        "num_heads",
    );
    refused(
        Some(&tiny.yaml.replace("timesteps: 1000", "beta_schedule: odd")),
        "beta_schedule",
    );
    refused(
        Some(&tiny.yaml.replace("concat_mode: false", "scale_by_std: 7")),
        "scale_by_std",
    );
    refused(
        Some(&tiny.yaml.replace("UNetModel", "OtherModel")),
        "OtherModel",
    );
    refused(
        Some(
            &tiny
                .yaml
                .replace("model_channels: 32", "model_channels: 4000000"),
        ),
        "model_channels",
    );
    refused(Some("model: [1"), "cannot be understood");
    let attending = Tiny::named("class-to-image");
    let path = attending.write(scratch.path(), "attending");
    for heads in [
        "num_head_channels: 0",
        "num_head_channels: 7",
        "num_heads: 7",
    ] {
        let yaml = attending
            .yaml
            .replace("num_heads: 1\n", &format!("{heads}\n"));
        assert_ne!(yaml, attending.yaml);
        fs::write(path.with_extension("yaml"), yaml).unwrap();
        let sentence = ModelFolder::open(&path).unwrap_err().to_string();
        assert!(sentence.contains("not supported"), "{heads}: {sentence}");
    }
    let path = tiny.write(scratch.path(), "m");
    // Named, another file than that beside it is taken.
    let other = scratch.path().join("elsewhere.yaml");
    fs::write(&other, &tiny.yaml).unwrap();
    ModelFolder::open_with(&path, Some(&other)).unwrap();
    let missing = ModelFolder::open_with(&path, Some(Path::new("no.yaml"))).unwrap_err();
    assert!(missing.to_string().contains("no.yaml"), "{missing}");
}
