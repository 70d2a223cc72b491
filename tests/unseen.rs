//! Files of kinds that were tried by somebody who did not write their readers
//! (`tests/data/reference/make_unseen_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use image::RgbImage;
use reference_support::{Reference, difference};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tempfile::TempDir;
use velatura::diffusion::{
    Conditions, GenerationOutcome, GenerationRequest, GivenLatents, LatentDiffusion,
};
use velatura::model::inspect::{Family, Predicts, Task, inspect};
use velatura::model::lora::{Changes, LoraFile};
use velatura::model::weights::{TorchFile, WeightSource};
use velatura::model::{Additions, ControlNetFile, ModelFolder, UNet2dConfig};
use velatura::recipe::{Latents, Prediction, SamplerId};

/// Largest difference from diffusers, in units of the numbers' deviation.
const TOLERANCE: f64 = 1e-4;
const REFERENCES: &str = "tests/data/reference";
/// Where a UNet of Stable Diffusion 1 has its first attention, in diffusers' words and
/// those of the paper's code.
const PLACE: &str = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
const PAPERS_PLACE: &str = "input_blocks.1.1.transformer_blocks.0.attn1.to_q";

fn reference(name: &str) -> PathBuf {
    Path::new(REFERENCES).join(name)
}

fn load(path: &Path) -> LatentDiffusion {
    let folder = ModelFolder::open(path).unwrap_or_else(|error| panic!("{error}"));
    LatentDiffusion::load(&folder, &Device::flex()).unwrap_or_else(|error| panic!("{error}"))
}

fn painted(model: &LatentDiffusion, request: &GenerationRequest) -> Vec<f32> {
    let outcome = model.generate(request, &mut |_| ControlFlow::Continue(()));
    let GenerationOutcome::Finished { latents, .. } = outcome.unwrap() else {
        panic!("it was not stopped");
    };
    latents.into_data().try_into_vec_as().unwrap()
}

/// What a model paints of a text in two steps.
fn usual(model: &LatentDiffusion) -> Vec<f32> {
    let side_px = 8 * model.size_multiple_px();
    let request = GenerationRequest {
        prompt: "a red house".into(),
        sampler: Some(SamplerId::new("ddim")),
        steps: 2,
        guidance_scale: 2.0,
        seed: 5,
        width_px: side_px,
        height_px: side_px,
        ..GenerationRequest::default()
    };
    painted(model, &request)
}

fn check(name: &str, reference: &Reference, got: &[f32]) {
    let (largest, deviation) = difference(got, &reference.numbers("latents"));
    println!("{name}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.02, "{name} is nearly constant");
    assert!(largest <= TOLERANCE, "{name} differs by {largest}");
}

fn given(reference: &Reference, shape: [usize; 4]) -> GivenLatents {
    let values = reference.numbers("noise").into_iter();
    let values = values.map(|value| value as f32).collect();
    GivenLatents {
        noise: Some(Arc::new(Latents { shape, values })),
        clean: None,
    }
}

#[test]
fn the_papers_text_model_paints_from_a_folder_of_diffusers() {
    let folder = reference("unseen/ldm-text");
    let known = Reference::open("unseen/ldm-text/reference.safetensors");
    let model = load(&folder);
    assert!(model.manifest().takes_text());
    let request = GenerationRequest {
        prompt: "A red fox in the snow, foxes!".into(),
        steps: 4,
        guidance_scale: 3.0,
        width_px: 16,
        height_px: 16,
        given: given(&known, [1, 4, 8, 8]),
        ..GenerationRequest::default()
    };
    check("ldm-text", &known, &painted(&model, &request));
    let found = inspect(&folder, None).unwrap();
    assert_eq!(
        (found.family, found.task),
        (Family::LatentDiffusion, Task::TextToImage)
    );
    assert_eq!((found.missing, found.surplus), (Vec::new(), Vec::new()));
}

#[test]
fn the_papers_super_resolution_paints_from_a_folder_of_diffusers() {
    let folder = reference("unseen/ldm-sr");
    let known = Reference::open("unseen/ldm-sr/reference.safetensors");
    let model = load(&folder);
    assert_eq!(model.manifest().default_guidance_scale, 1.0);
    let small = known.numbers("small").into_iter().map(|value| value as u8);
    let small = RgbImage::from_raw(8, 8, small.collect()).unwrap();
    let request = GenerationRequest {
        steps: 4,
        width_px: 16,
        height_px: 16,
        conditions: Conditions {
            low_resolution: Some(small),
            ..Conditions::default()
        },
        given: given(&known, [1, 3, 8, 8]),
        ..GenerationRequest::default()
    };
    check("ldm-sr", &known, &painted(&model, &request));
    let found = inspect(&folder, None).unwrap();
    assert_eq!(
        (found.family, found.task),
        (Family::LatentDiffusion, Task::SuperResolution)
    );
    assert_eq!((found.missing, found.surplus), (Vec::new(), Vec::new()));
}

/// Kind of number, shape and bytes.
type Stored = (Dtype, Vec<usize>, Vec<u8>);
/// Tensors by name.
type Tensors = BTreeMap<String, Stored>;

fn tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all = file.tensors().into_iter();
    all.map(|(name, view)| {
        let (dtype, shape) = (view.dtype(), view.shape().to_vec());
        (name, (dtype, shape, view.data().to_vec()))
    })
    .collect()
}

fn write(path: &Path, tensors: &Tensors, notes: Option<HashMap<String, String>>) {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, notes, path).unwrap();
}

/// Zeros by the names of the paper's code and its successors.
fn hollow(kind: &str) -> Tensors {
    let text = fs::read_to_string("tests/data/originals/tiny.json").unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let keys: BTreeMap<String, Vec<usize>> =
        serde_json::from_value(told[kind]["keys"].clone()).unwrap();
    let zeros = |(name, shape): (String, Vec<usize>)| {
        let bytes = vec![0; 2 * shape.iter().product::<usize>()];
        (name, (Dtype::F16, shape, bytes))
    };
    keys.into_iter().map(zeros).collect()
}

fn matrix(rows: usize, columns: usize, scale: f32) -> Stored {
    let values = (0..rows * columns).map(|place| ((place * 37 % 19) as f32 - 9.0) * scale);
    let bytes = values.flat_map(f32::to_le_bytes).collect();
    (Dtype::F32, vec![rows, columns], bytes)
}

fn number(value: f32) -> Stored {
    (Dtype::F32, Vec::new(), value.to_le_bytes().to_vec())
}

/// What the denoiser of one file says of a fixed picture of noise and a fixed text.
fn one_said(path: &Path) -> Vec<f32> {
    let device = Device::flex();
    let model = ModelFolder::open(path).unwrap_or_else(|error| panic!("{error}"));
    let ids = TensorData::new(vec![1_i32, 7, 3, 9, 2, 0], [1, 6]);
    let ids = Tensor::<2, Int>::from_data(ids, &device);
    let states = model.load_text_encoder(&device);
    let states = states
        .unwrap_or_else(|error| panic!("{error}"))
        .forward(ids);
    let noise: Vec<f32> = (0..256)
        .map(|place| ((place * 37 % 101) as f32 - 50.0) / 40.0)
        .collect();
    let noise = Tensor::from_data(TensorData::new(noise, [1, 4, 8, 8]), &device);
    let unet = model.load_unet(&device).unwrap();
    let said = unet.forward(noise, Tensor::from_floats([500.0], &device), states);
    said.into_data().try_into_vec_as().unwrap()
}

#[test]
fn one_file_opens_by_other_names_of_its_weights() {
    let scratch = tempfile::tempdir().unwrap();
    let plain = reference("sd1-single/model.safetensors");
    let renamed = |name: &str, to: &dyn Fn(&str) -> String, more: &[(&str, Stored)]| {
        let path = scratch.path().join(name);
        let own = tensors(&plain).into_iter();
        // Averages beside would be painted with.
        let own = own.filter(|(name, _)| !name.starts_with("model_ema."));
        let mut all: Tensors = own.map(|(name, tensor)| (to(&name), tensor)).collect();
        all.extend(
            more.iter()
                .map(|(name, tensor)| ((*name).to_owned(), tensor.clone())),
        );
        write(&path, &all, None);
        path
    };
    let same = |name: &str| name.to_owned();
    let wanted = one_said(&renamed("plain.safetensors", &same, &[]));
    let averaged = |name: &str| match name.strip_prefix("model.diffusion_model.") {
        Some(inner) => format!("model_ema.diffusion_model{}", inner.replace('.', "")),
        None => name.to_owned(),
    };
    let short = |name: &str| name.replace(".transformer.text_model.", ".transformer.");
    let junk = [
        (
            "embedding_manager.string_to_param_dict.*",
            matrix(1, 4, 1.0),
        ),
        ("lora_te_text_model_x.lora_down.weight", matrix(2, 4, 1.0)),
        (
            "cond_stage_model.transformer.vision_model.x",
            matrix(2, 2, 1.0),
        ),
    ];
    let compiled = |name: &str| name.replace("diffusion_model.", "diffusion_model._orig_mod.");
    for path in [
        renamed("module.safetensors", &|name| format!("module.{name}"), &[]),
        renamed("compiled.safetensors", &compiled, &[]),
        renamed(
            "averages.safetensors",
            &averaged,
            &[("model_ema.decay", number(0.9))],
        ),
        renamed("short.safetensors", &short, &[]),
        renamed("junk.safetensors", &same, &junk),
    ] {
        let found = inspect(&path, None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.family, Family::StableDiffusion1, "{}", path.display());
        assert_eq!(found.missing, Vec::<String>::new(), "{}", path.display());
        assert_eq!(one_said(&path), wanted, "{}", path.display());
    }
}

#[test]
fn networks_that_are_not_in_a_file_are_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("part.safetensors");
    let own = tensors(&reference("sd1-single/model.safetensors"));
    let keep = |kept: &[&str]| {
        let mut part = own.clone();
        part.retain(|name, _| kept.iter().any(|start| name.starts_with(start)));
        write(&path, &part, None);
    };
    keep(&["model."]);
    let error = ModelFolder::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("is the denoiser of a model alone"),
        "{error}"
    );
    // One without its first stage takes that of another file.
    keep(&["model.", "cond_stage_model."]);
    let folder = ModelFolder::open(&path).unwrap();
    assert!(folder.lacks_first_stage());
    let error = folder.first_stage_config().unwrap_err().to_string();
    assert!(
        error.contains("has no autoencoder") && error.contains("--vae"),
        "{error}"
    );
    let told = inspect(&path, None).unwrap();
    let has_notice = told.notices.iter().any(|it| it.contains("no autoencoder"));
    assert!(told.missing.is_empty() && has_notice, "{told:?}");
    let whole = reference("sd1-single/model.safetensors");
    let completed = folder.completed_by(&whole).unwrap();
    let own = ModelFolder::open(&whole).unwrap();
    assert_eq!(
        completed.first_stage_config().unwrap(),
        own.first_stage_config().unwrap()
    );
    assert_eq!(
        completed.manifest().resolution_px,
        own.manifest().resolution_px
    );
    assert!(completed.load_first_stage(&Device::flex()).is_ok());
}

#[test]
fn models_of_other_noise_and_other_tasks_are_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("other.safetensors");
    let label = "model.diffusion_model.label_emb.0";
    for (single, more, said) in [
        (
            "sd1-single",
            vec![("edm_mean".to_owned(), number(0.0))],
            "EDM",
        ),
        (
            "sd2-single",
            vec![
                (format!("{label}.0.weight"), matrix(128, 64, 0.1)),
                (format!("{label}.2.weight"), matrix(128, 128, 0.1)),
            ],
            "unCLIP",
        ),
    ] {
        let mut all = tensors(&reference(single).join("model.safetensors"));
        all.extend(more);
        write(&path, &all, None);
        let error = inspect(&path, None).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_a_model_predicts_is_told_by_its_header_and_by_later_yaml() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("model.safetensors");
    let second = tensors(&reference("sd2-single/model.safetensors"));
    for (noted, predicts) in [
        ("stable-diffusion-v2-512", Predicts::Epsilon),
        ("stable-diffusion-v2-768-v", Predicts::Velocity),
    ] {
        let note = ("modelspec.architecture".to_owned(), noted.to_owned());
        write(&path, &second, Some(HashMap::from([note])));
        let found = inspect(&path, None).unwrap();
        assert_eq!(found.prediction, Some(predicts));
        assert_eq!(found.notices, [""; 0]);
    }
    // Turbo's own file says nothing but its name.
    let turbo = scratch.path().join("sd_turbo.safetensors");
    write(&turbo, &second, None);
    let found = inspect(&turbo, None).unwrap();
    assert_eq!(found.prediction, Some(Predicts::Epsilon));
    let [notice] = found.notices.as_slice() else {
        panic!("{:?}", found.notices);
    };
    assert!(notice.contains("Turbo"), "{notice}");
    let manifest = ModelFolder::open(&turbo).unwrap().manifest().clone();
    assert_eq!(
        (manifest.default_steps, manifest.default_guidance_scale),
        (4, 0.0)
    );
    write(&path, &hollow("sdxl"), None);
    let yaml = scratch.path().join("model.yaml");
    for (class, predicts) in [
        ("EpsScaling", Some(Predicts::Epsilon)),
        ("VScaling", Some(Predicts::Velocity)),
        ("EDMScaling", None),
    ] {
        let scaling = format!("sgm.modules.diffusionmodules.denoiser_scaling.{class}");
        let told = json!({"model": {
            "target": "sgm.models.diffusion.DiffusionEngine",
            "params": {"denoiser_config": {"params": {"scaling_config": {"target": scaling}}}},
        }});
        fs::write(&yaml, told.to_string()).unwrap();
        for named in [None, Some(yaml.as_path())] {
            let found = inspect(&path, named);
            assert_eq!(found.is_ok(), predicts.is_some(), "{class}");
            assert_eq!(found.ok().and_then(|it| it.prediction), predicts, "{class}");
        }
    }
}

#[test]
fn levels_without_attention_may_have_no_depth_and_blocks_none_of_their_own() {
    let config = |depths: Value| -> UNet2dConfig {
        let told = json!({
            "attention_head_dim": [2, 4],
            "block_out_channels": [32, 64],
            "cross_attention_dim": 24,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "transformer_layers_per_block": depths,
        });
        serde_json::from_value(told).unwrap()
    };
    let count = |depths| config(depths).parameter_count();
    assert_eq!(count(json!([0, 2])).unwrap(), count(json!([1, 2])).unwrap());
    assert!(count(json!([1, 0])).is_err());
    let folder = copied();
    let path = folder.path().join("unet/config.json");
    let mut told: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    told["transformer_layers_per_block"] = json!([[1, 2], 1]);
    fs::write(&path, told.to_string()).unwrap();
    let error = ModelFolder::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("transformer_layers_per_block"), "{error}");
}

/// A copy of the tiny model.
fn copied() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = reference("sd1-tiny");
    for entry in walkdir::WalkDir::new(&from) {
        let entry = entry.unwrap();
        let inner = entry.path().strip_prefix(&from).unwrap();
        let to = folder.path().join(inner);
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    folder
}

#[test]
fn weights_in_a_variant_of_any_name_are_found_where_there_is_one() {
    let folder = copied();
    let wanted = usual(&load(folder.path()));
    for (part, stem) in [
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ] {
        let of = |variant: &str| {
            folder
                .path()
                .join(part)
                .join(format!("{stem}{variant}.safetensors"))
        };
        fs::rename(of(""), of(".pruned")).unwrap();
    }
    let found = inspect(folder.path(), None).unwrap();
    assert_eq!(found.missing, Vec::<String>::new());
    assert_eq!(usual(&load(folder.path())), wanted);
    // Nobody knows which of two is meant.
    let of = |variant: &str| {
        let name = format!("unet/diffusion_pytorch_model.{variant}.safetensors");
        folder.path().join(name)
    };
    fs::copy(of("pruned"), of("other")).unwrap();
    let model = ModelFolder::open(folder.path()).unwrap();
    assert!(LatentDiffusion::load(&model, &Device::flex()).is_err());
}

#[test]
fn what_a_model_predicts_can_be_overruled() {
    let folder = copied();
    let model = load(folder.path());
    let asked = |prediction| GenerationRequest {
        prompt: "a red house".into(),
        prediction,
        steps: 2,
        width_px: 64,
        height_px: 64,
        ..GenerationRequest::default()
    };
    let noise = painted(&model, &asked(None));
    assert_eq!(painted(&model, &asked(Some(Prediction::Epsilon))), noise);
    let velocity = painted(&model, &asked(Some(Prediction::Velocity)));
    assert_ne!(velocity, noise);
    let path = folder.path().join("scheduler/scheduler_config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["prediction_type"] = json!("v_prediction");
    fs::write(&path, config.to_string()).unwrap();
    let model = load(folder.path());
    assert_eq!(painted(&model, &asked(None)), velocity);
    assert_eq!(painted(&model, &asked(Some(Prediction::Epsilon))), noise);
    // Where nothing of the picture is left, its noise cannot be predicted.
    config["rescale_betas_zero_snr"] = json!(true);
    fs::write(&path, config.to_string()).unwrap();
    let model = load(folder.path());
    let wrong = asked(Some(Prediction::Epsilon));
    let error = model.generate(&wrong, &mut |_| ControlFlow::Continue(()));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("rescale_betas_zero_snr"), "{error}");
}

#[test]
fn loras_say_the_same_in_all_words() {
    let scratch = tempfile::tempdir().unwrap();
    let model = load(&reference("sd1-tiny"));
    let unet = tensors(&reference(
        "sd1-tiny/unet/diffusion_pytorch_model.safetensors",
    ));
    let width = unet[&format!("{PLACE}.weight")].1[0];
    let with = |name: &str, place: &str, ends: [&str; 2], alpha: Option<Stored>, notes| {
        let path = scratch.path().join(name);
        let mut all = Tensors::from([
            (format!("{place}{}", ends[0]), matrix(4, width, 0.1)),
            (format!("{place}{}", ends[1]), matrix(width, 4, 0.1)),
        ]);
        all.extend(alpha.map(|alpha| (format!("{place}.alpha"), alpha)));
        write(&path, &all, notes);
        let mut changes = Changes::default();
        let file = LoraFile::open(&path).unwrap();
        let targets = model.model().lora_targets();
        let added = file.add_to(&mut changes, &targets, [1.0; 2]);
        added.unwrap_or_else(|error| panic!("{error}"));
        let additions = Additions {
            changes,
            ..Additions::default()
        };
        usual(&model.with(additions).unwrap())
    };
    let kohya = [".lora_down.weight", ".lora_up.weight"];
    let peft = [".lora_A.weight", ".lora_B.weight"];
    let lines = format!("lora_unet_{}", PLACE.replace('.', "_"));
    let wanted = with("kohya.safetensors", &lines, kohya, Some(number(6.0)), None);
    assert_ne!(wanted, usual(&model));
    let whole = |value: i64| (Dtype::I64, Vec::new(), value.to_le_bytes().to_vec());
    let told = |json: Value| {
        let note = ("lora_adapter_metadata".to_owned(), json.to_string());
        Some(HashMap::from([note]))
    };
    let comfy = format!("diffusion_model.{PAPERS_PLACE}");
    for (name, got) in [
        (
            "a whole number",
            with("whole.safetensors", &lines, kohya, Some(whole(6)), None),
        ),
        (
            "ComfyUI",
            with("comfy.safetensors", &comfy, kohya, Some(number(6.0)), None),
        ),
        (
            "LyCORIS",
            with(
                "lycoris.safetensors",
                &lines.replace("lora_unet_", "lycoris_"),
                kohya,
                Some(number(6.0)),
                None,
            ),
        ),
        (
            "OneTrainer",
            with(
                "dots.safetensors",
                &format!("lora_unet.{PLACE}"),
                kohya,
                Some(number(6.0)),
                None,
            ),
        ),
        (
            "a compiled network",
            with(
                "compiled.safetensors",
                &lines.replace("lora_unet_", "lora_unet__orig_mod_"),
                kohya,
                Some(number(6.0)),
                None,
            ),
        ),
        (
            "an adapter with a name, in peft's wrapper",
            with(
                "adapter.safetensors",
                &format!("unet.base_model.model.{PLACE}"),
                [".lora_A.ink.weight", ".lora_B.ink.weight"],
                None,
                told(
                    json!({"unet.r": 4, "unet.lora_alpha": 1, "unet.alpha_pattern": {"attn\\d.to_(q|k)": 6}}),
                ),
            ),
        ),
        (
            "a network alone",
            with(
                "alone.safetensors",
                PLACE,
                peft,
                None,
                told(json!({"r": 4, "lora_alpha": 6})),
            ),
        ),
        (
            "a pipeline",
            with(
                "pipeline.safetensors",
                &format!("unet.{PLACE}"),
                peft,
                None,
                told(json!({"unet.r": 4, "unet.lora_alpha": 6})),
            ),
        ),
    ] {
        assert_eq!(got, wanted, "{name}");
    }
}

#[test]
fn loras_call_text_encoders_in_all_words() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("text.safetensors");
    let model = load(&reference("sd1-tiny"));
    let targets = model.model().lora_targets();
    let text = tensors(&reference("sd1-tiny/text_encoder/model.safetensors"));
    let place = "text_model.encoder.layers.0.self_attn.q_proj";
    let width = text[&format!("{place}.weight")].1[0];
    for start in [
        "lora_te.",
        "lora_te1.",
        "clip_l.",
        "text_encoder.base_model.model.",
    ] {
        let all = Tensors::from([
            (
                format!("{start}{place}.lora_down.weight"),
                matrix(4, width, 0.1),
            ),
            (
                format!("{start}{place}.lora_up.weight"),
                matrix(width, 4, 0.1),
            ),
        ]);
        write(&path, &all, None);
        let mut changes = Changes::default();
        let added = LoraFile::open(&path).unwrap();
        let added = added.add_to(&mut changes, &targets, [1.0; 2]);
        added.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(changes.text.len(), 1, "{start}");
    }
}

#[test]
fn a_controlnet_of_diffusers_opens_without_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let error = ControlNetFile::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("config.json"), "{error}");
    let file = folder.path().join("diffusion_pytorch_model.safetensors");
    fs::copy(reference("control/control_inpaint.safetensors"), &file).unwrap();
    ControlNetFile::open(folder.path()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn checkpoints_open_in_all_wrappers() {
    for file in ["parameters.pt", "parameters-old.pt"] {
        let path = reference("unseen").join(file);
        let words = TorchFile::open(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(words.names().collect::<Vec<_>>(), ["*"], "{file}");
        assert_eq!(words.shape("*"), Some([2, 32].as_slice()), "{file}");
    }
    for file in ["module.pt", "nested.pt"] {
        let path = reference("unseen").join(file);
        let weights = TorchFile::open(&path).unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<&str> = weights.names().collect();
        assert_eq!(names, ["first.weight", "second.bias"], "{file}");
    }
}

#[test]
fn what_is_like_a_controlnet_and_is_none_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let own = tensors(&reference("control/control_canny_original.safetensors"));
    for (mark, word) in [
        ("lora_controlnet", "Control-LoRA"),
        ("difference", "differs"),
    ] {
        let path = scratch.path().join("control.safetensors");
        let mut marked = own.clone();
        marked.insert(mark.to_owned(), number(0.0));
        write(&path, &marked, None);
        let error = ControlNetFile::open(&path).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn headers_of_many_names_are_refused_before_they_are_read() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("names.safetensors");
    let empty = (Dtype::F32, vec![0], Vec::new());
    let all: Tensors = (0..70_000)
        .map(|number| (format!("n{number}"), empty.clone()))
        .collect();
    write(&path, &all, None);
    let error = inspect(&path, None).unwrap_err().to_string();
    assert!(error.contains("tensors"), "{error}");
}
