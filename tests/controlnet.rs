//! ControlNets in every form of their files against diffusers, and the edges that they are
//! shown against OpenCV (`tests/data/reference/make_control_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "support/program.rs"]
mod program;
mod reference_support;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, RgbImage};
use program::velatura;
use reference_support::{Reference, difference};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;
use velatura::diffusion::{
    Conditions, ControlInput, GenerationOutcome, GenerationRequest, LatentDiffusion,
};
use velatura::model::conditioner::Conditioning;
use velatura::model::{
    Control, ControlNet, ControlNetFile, LatentInfo, ModelFolder, UNet2dConfig, WeightDtype,
};
use velatura::recipe::prompt::TextReading;
use velatura::recipe::{ControlKind, SamplerId, Schedule, read_recipe};

/// Largest difference allowed, in units of the numbers' deviation.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    controls: Vec<Controlled>,
    sampler: SamplerId,
    kind: String,
    steps: u32,
    strength: f32,
}

#[derive(Deserialize)]
struct Controlled {
    file: String,
    weight: f32,
    start: f32,
    end: f32,
    picture: usize,
}

fn file(name: &str) -> PathBuf {
    Path::new("tests/data/reference/control").join(name)
}

fn reference() -> Reference {
    Reference::open("control/reference.safetensors")
}

fn open(model: &str) -> LatentDiffusion {
    let folder = ModelFolder::open(Path::new("tests/data/reference").join(model)).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

fn network(model: &LatentDiffusion, name: &str) -> ControlNet {
    let file = ControlNetFile::open(&file(name)).unwrap();
    let device = Device::flex();
    let network = model.model().load_control(&file, &device, WeightDtype::F32);
    network.unwrap()
}

/// A picture of the reference, square.
fn picture(reference: &Reference, name: &str) -> RgbImage {
    let bytes: Vec<u8> = reference.numbers(name).iter().map(|it| *it as u8).collect();
    let side = ((bytes.len() / 3) as f64).sqrt() as u32;
    RgbImage::from_raw(side, side, bytes).unwrap()
}

fn plane(reference: &Reference, name: &str) -> GrayImage {
    let bytes: Vec<u8> = reference.numbers(name).iter().map(|it| *it as u8).collect();
    let side = (bytes.len() as f64).sqrt() as u32;
    GrayImage::from_raw(side, side, bytes).unwrap()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec_as().unwrap()
}

fn check(reference: &Reference, key: &str, got: &[f32]) {
    let (largest, deviation) = difference(got, &reference.numbers(key));
    println!("{key}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.02, "{key} is nearly constant");
    assert!(
        largest <= TOLERANCE * deviation.max(1.0),
        "{key} differs by {largest}"
    );
}

fn tensor<const D: usize>(reference: &Reference, key: &str, shape: [usize; D]) -> Tensor<D> {
    let values = reference.numbers(key).into_iter().map(|it| it as f32);
    let data = TensorData::new(values.collect::<Vec<f32>>(), shape);
    Tensor::from_data(data, &Device::flex())
}

/// What is added to each skip connection and to the lowest level.
#[test]
fn networks_add_what_they_add_in_diffusers() {
    let reference = reference();
    let model = open("sd1-tiny");
    for (name, files) in [
        (
            "canny",
            vec![
                "control_canny",
                "control_canny/diffusion_pytorch_model.safetensors",
                "control_canny_original.safetensors",
                "control_canny_half.pth",
            ],
        ),
        ("shuffle", vec!["control_shuffle"]),
    ] {
        let shown = picture(&reference, "picture.0");
        let size = [1, 3, shown.height() as usize, shown.width() as usize];
        let planes = (0..3).flat_map(|channel| {
            let pixels = shown.pixels();
            pixels.map(move |pixel| f32::from(pixel[channel]) / 255.0)
        });
        let shown = TensorData::new(planes.collect::<Vec<f32>>(), size);
        let context = reference.numbers(&format!("{name}.context")).len() / 7;
        for file in files {
            let network = Arc::new(network(&model, file));
            let control = Control::new(
                network,
                Tensor::from_data(shown.clone(), &Device::flex()),
                1.0,
            );
            let told = Conditioning {
                context: vec![(
                    "text",
                    tensor(&reference, &format!("{name}.context"), [1, 7, context]),
                )],
                controls: vec![control],
                ..Conditioning::default()
            };
            let noise = tensor(&reference, &format!("{name}.noise"), [1, 4, 16, 16]);
            let time = Tensor::from_floats([500.0], &Device::flex());
            let added = told.residuals(&noise, &time).unwrap();
            for (index, skip) in added.skips.into_iter().enumerate() {
                check(&reference, &format!("{name}.down.{index}"), &numbers(skip));
            }
            check(&reference, &format!("{name}.mid"), &numbers(added.lowest));
        }
    }
}

/// Networks for Stable Diffusion XL are told of whole texts and of sizes too. A file tells
/// its sizes beside the denoiser that it is for.
#[test]
fn networks_are_told_of_sizes_where_their_models_are() {
    let reference = reference();
    let folder = tempfile::tempdir().unwrap();
    let lone = folder.path().join("xl.safetensors");
    std::fs::copy(
        file("control_xl/diffusion_pytorch_model.safetensors"),
        &lone,
    )
    .unwrap();
    let config = std::fs::read_to_string(file("control_xl/config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["_class_name"] = "UNet2DConditionModel".into();
    config["up_block_types"] = serde_json::json!(["CrossAttnUpBlock2D", "UpBlock2D"]);
    let unet: UNet2dConfig = serde_json::from_value(config.clone()).unwrap();
    let latents = LatentInfo {
        channels: 4,
        factor: 2,
    };
    let device = Device::flex();
    let shown = picture(&reference, "picture.small");
    let planes = (0..3).flat_map(|channel| {
        let pixels = shown.pixels();
        pixels.map(move |pixel| f32::from(pixel[channel]) / 255.0)
    });
    let shown = TensorData::new(planes.collect::<Vec<f32>>(), [1, 3, 32, 32]);
    for path in [file("control_xl"), lone.clone()] {
        let opened = ControlNetFile::open(&path).unwrap();
        let network = opened
            .load(&unet, latents, &device, WeightDtype::F32)
            .unwrap();
        let picture = Tensor::from_data(shown.clone(), &device);
        let told = Conditioning {
            context: vec![("text", tensor(&reference, "xl.context", [1, 7, 16]))],
            added: Some(tensor(&reference, "xl.added", [1, 64])),
            controls: vec![Control::new(Arc::new(network), picture, 1.0)],
            ..Conditioning::default()
        };
        let noise = tensor(&reference, "xl.noise", [1, 4, 16, 16]);
        let added = told.residuals(&noise, &Tensor::from_floats([500.0], &device));
        let added = added.unwrap();
        for (index, skip) in added.skips.into_iter().enumerate() {
            check(&reference, &format!("xl.down.{index}"), &numbers(skip));
        }
        check(&reference, "xl.mid", &numbers(added.lowest));
    }
    config["addition_embed_type"] = Value::Null;
    let other: UNet2dConfig = serde_json::from_value(config).unwrap();
    let refused = ControlNetFile::open(&file("control_xl")).unwrap();
    let told = refused.config_for(&other, latents).unwrap_err().to_string();
    assert!(told.contains("told of sizes"), "{told}");
}

fn painted(model: &LatentDiffusion, reference: &Reference, case: &Case) -> Vec<f32> {
    let side_px = model.manifest().resolution_px;
    let controls = case.controls.iter().map(|it| ControlInput {
        network: Arc::new(network(model, &it.file)),
        picture: match side_px {
            64 => picture(reference, &format!("picture.{}", it.picture)),
            _ => picture(reference, "picture.small"),
        },
        hidden: None,
        weight: it.weight,
        start: it.start,
        end: it.end,
    });
    let request = GenerationRequest {
        prompt: "a red house on a hill".into(),
        negative_prompt: "dark".into(),
        reading: TextReading::PLAIN,
        sampler: Some(case.sampler.clone()),
        schedule: Some(Schedule::Uniform),
        steps: case.steps,
        guidance_scale: 4.0,
        seed: 7,
        width_px: side_px,
        height_px: side_px,
        strength: case.strength,
        init: (case.kind != "text").then(|| picture(reference, "init")),
        mask: (case.kind == "inpaint").then(|| plane(reference, "mask")),
        inpainting: Default::default(),
        conditions: Conditions {
            controls: controls.collect(),
            ..Conditions::default()
        },
        canvas: Default::default(),
        given: Default::default(),
        ..GenerationRequest::default()
    };
    let outcome = model.generate(&request, &mut |_| ControlFlow::Continue(()));
    let GenerationOutcome::Finished { latents, .. } = outcome.unwrap() else {
        panic!("it was not stopped");
    };
    numbers(latents)
}

#[test]
fn whole_runs_are_those_of_diffusers() {
    let reference = reference();
    let cases: Vec<Case> = reference.cases();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let model = open(&case.model);
        let latents = painted(&model, &reference, &case);
        check(&reference, &format!("{}.latents", case.name), &latents);
    }
}

/// Nothing is painted with a network that was made for something else.
#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let (first, second) = (open("sd1-tiny"), open("sd2-tiny"));
    let refused = |model: &LatentDiffusion, path: &Path| {
        let file = ControlNetFile::open(path);
        let read = file.and_then(|file| {
            model
                .model()
                .load_control(&file, &Device::flex(), WeightDtype::F32)
        });
        read.unwrap_err().to_string()
    };
    for name in ["control_canny", "control_canny_half.pth"] {
        let told = refused(&second, &file(name));
        assert!(told.contains("does not fit the model"), "{told}");
        assert!(told.contains(name), "{told}");
    }
    let told = refused(&first, &file("control_sd2_depth.safetensors"));
    assert!(told.contains("does not fit the model"), "{told}");
    let lora = Path::new("tests/data/reference/lora/sd1-tiny-kohya.safetensors");
    let told = refused(&first, lora);
    assert!(told.contains("is no ControlNet"), "{told}");
    let told = refused(&first, Path::new("tests/data/reference/sd1-tiny"));
    assert!(told.contains("is no ControlNet"), "{told}");
}

/// Trainers put words of their own before the names of the whole.
#[test]
fn names_with_more_before_them_open() {
    let model = open("sd1-tiny");
    let scratch = tempfile::tempdir().unwrap();
    let bytes = fs::read(file("control_canny_original.safetensors")).unwrap();
    let original = SafeTensors::deserialize(&bytes).unwrap();
    for prefix in ["module.control_model.", "model.control_model.", ""] {
        let named = original.iter().map(|(name, tensor)| {
            let plain = name.strip_prefix("control_model.").unwrap_or(name);
            (format!("{prefix}{plain}"), tensor)
        });
        let path = scratch.path().join("net.safetensors");
        fs::write(&path, safetensors::serialize(named, None).unwrap()).unwrap();
        let file = ControlNetFile::open(&path).unwrap_or_else(|error| panic!("{error}"));
        let read = model
            .model()
            .load_control(&file, &Device::flex(), WeightDtype::F32);
        assert!(read.is_ok(), "{prefix}: {:?}", read.err());
    }
}

/// Networks were trained on the edges that OpenCV finds.
#[test]
fn edges_are_those_of_opencv() {
    let reference = reference();
    for index in 0..3 {
        let found =
            velatura::control::canny(&picture(&reference, &format!("edges.{index}.picture")));
        let wanted = plane(&reference, &format!("edges.{index}"));
        let white = wanted.pixels().filter(|pixel| pixel[0] == 255).count();
        assert!(white > 50, "{index} has hardly any edges");
        let differ = found.pixels().zip(wanted.pixels());
        let differ = differ.filter(|(one, other)| one[0] != other[0]).count();
        assert_eq!(differ, 0, "of {index}, which has {white} pixels of edges");
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// From the command line into a file, and from its recipe to the same picture.
#[test]
fn a_recipe_holds_networks_and_their_pictures() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        home.path()
            .join(name)
            .into_os_string()
            .into_string()
            .unwrap()
    };
    let absolute = |path: &str| {
        let path = std::path::absolute(Path::new("tests/data/reference").join(path)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    picture(&reference(), "picture.0")
        .save(at("shown.png"))
        .unwrap();
    let folder = home.path().join("models/controlnet/control_canny");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["config.json", "diffusion_pytorch_model.safetensors"] {
        std::fs::copy(file("control_canny").join(name), folder.join(name)).unwrap();
    }
    let model = absolute("sd1-tiny");
    let plain = [
        "generate", "--model", &model, "--prompt", "a house", "--steps", "3", "--seed", "5",
    ];
    let paint = |name: &str, options: &[&str]| {
        let output = at(name);
        let options = [&plain[..], options, &["--output", &output]].concat();
        let ended = velatura(home.path(), &options);
        assert!(ended.status.success(), "{}", told(&ended));
        std::fs::read(&output)
            .map(|_| image::open(&output).unwrap().to_rgb8())
            .unwrap()
    };
    let free = paint("free.png", &[]);
    // Without a picture of its own it sees the one that is repainted.
    let repainted = paint("repainted.png", &["--init", "shown.png"]);
    let of_init = ["--control", "control_canny", "--init", "shown.png"];
    assert_ne!(paint("of_init.png", &of_init), repainted);
    let found = read_recipe(Path::new(&at("of_init.png"))).unwrap().unwrap();
    assert_eq!(found.spec.controls.len(), 1);
    assert_eq!(found.spec.controls[0].picture, None);
    // By its name, and another by its file.
    let file = absolute("control/control_canny_half.pth");
    let controls = [
        "--control",
        "control_canny=shown.png:0.8:0:0.7",
        "--control",
        &format!("{file}=shown.png:0.5"),
        "--control-kind",
        "auto",
        "--control-kind",
        "as-is",
    ];
    let controlled = paint("controlled.png", &controls);
    assert_ne!(free, controlled);
    let found = read_recipe(Path::new(&at("controlled.png")))
        .unwrap()
        .unwrap();
    assert_eq!(found.spec.controls.len(), 2);
    let first = &found.spec.controls[0];
    assert_eq!(
        (first.file.name.as_str(), first.kind),
        ("control_canny", ControlKind::Canny)
    );
    assert_eq!([first.weight, first.start, first.end], [0.8, 0.0, 0.7]);
    assert_eq!((first.hash.len(), first.file.path.as_ref()), (12, None));
    assert_eq!(found.spec.controls[1].kind, ControlKind::AsIs);
    let text = String::from_utf8_lossy(&std::fs::read(at("controlled.png")).unwrap()).into_owned();
    assert!(
        text.contains("ControlNet 0: \"Module: canny, Model: control_canny ["),
        "infotext"
    );
    // Both networks are found by their names now.
    std::fs::copy(
        &file,
        home.path().join("models/controlnet/control_canny_half.pth"),
    )
    .unwrap();
    let recipe = at("controlled.png");
    let output = at("again.png");
    let again = velatura(
        home.path(),
        &[
            "generate", "--model", &model, "--recipe", &recipe, "--output", &output,
        ],
    );
    assert!(again.status.success(), "{}", told(&again));
    assert_eq!(image::open(&output).unwrap().to_rgb8(), controlled);

    // A label map in the colours of its classes is what its numbers are with their palette.
    let class = |x: u32| u8::from(x >= 30) + 1;
    let numbers = image::GrayImage::from_fn(64, 64, |x, _| image::Luma([class(x)]));
    numbers.save(at("labels.png")).unwrap();
    let colours = [[120, 120, 120], [180, 120, 120]];
    let coloured = image::RgbImage::from_fn(64, 64, |x, _| {
        image::Rgb(colours[usize::from(class(x)) - 1])
    });
    coloured.save(at("coloured.png")).unwrap();
    let by_kind = |picture: &str, more: &[&str]| {
        let control = format!("control_canny={picture}");
        let options = ["--control", &control, "--control-kind", "segmentation"];
        paint("seen.png", &[&options[..], more].concat())
    };
    let wanted = by_kind("coloured.png", &[]);
    let palette = ["--control-palette", "ade20k"];
    assert_eq!(by_kind("labels.png", &palette), wanted);
    assert_eq!(by_kind("coloured.png", &palette), wanted);
    assert_ne!(by_kind("labels.png", &[]), wanted);
    for (options, words) in [
        (["--control", "nowhere=shown.png"], "there is no ControlNet"),
        (
            ["--control", "control_canny=shown.png:1:0.9:0.2"],
            "would begin when it has ended",
        ),
        (
            ["--control", "control_canny"],
            "no picture for the ControlNet",
        ),
        (["--control", "control_canny=none.png"], "none.png"),
    ] {
        let ended = velatura(home.path(), &[&plain[..], &options].concat());
        assert!(
            !ended.status.success() && told(&ended).contains(words),
            "{}",
            told(&ended)
        );
    }
    let later = absolute("sd2-tiny");
    let ended = velatura(
        home.path(),
        &[
            "generate",
            "--model",
            &later,
            "--control",
            "control_canny=shown.png",
        ],
    );
    assert!(
        told(&ended).contains("does not fit the model"),
        "{}",
        told(&ended)
    );
}
