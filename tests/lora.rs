//! LoRA files of every form, other first stages and learned words against diffusers and the
//! formulas of their trainers (`tests/data/reference/make_lora_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use reference_support::{Reference, difference};
use serde::Deserialize;
use velatura::diffusion::{GenerationOutcome, GenerationRequest, LatentDiffusion};
use velatura::model::conditioner::{Asked, Bench, LearnedWord};
use velatura::model::lora::{Changes, LoraFile, trigger_words};
use velatura::model::{Additions, ModelFolder, WeightDtype};
use velatura::recipe::SamplerId;
use velatura::recipe::prompt::TextReading;

/// Largest difference allowed, in units of the numbers' deviation.
const TOLERANCE: f64 = 1e-4;
const PROMPT: &str = "a red house on a hill";

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    files: Vec<(String, f32)>,
    prompt: Option<String>,
}

fn folder() -> PathBuf {
    Path::new("tests/data/reference/lora").to_path_buf()
}

fn open(model: &str) -> LatentDiffusion {
    let folder = ModelFolder::open(Path::new("tests/data/reference").join(model)).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

fn changes(model: &LatentDiffusion, files: &[(PathBuf, f32)]) -> Changes {
    let targets = model.model().lora_targets();
    let mut changes = Changes::default();
    for (path, weight) in files {
        let file = LoraFile::open(path).unwrap();
        file.add_to(&mut changes, &targets, [*weight; 2]).unwrap();
    }
    changes
}

fn with_loras(model: &LatentDiffusion, files: &[(PathBuf, f32)]) -> LatentDiffusion {
    let additions = Additions {
        changes: changes(model, files),
        ..Additions::default()
    };
    model.with(additions).unwrap()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec_as().unwrap()
}

fn check(reference: &Reference, key: &str, got: &[f32]) {
    let (largest, deviation) = difference(got, &reference.numbers(key));
    println!("{key}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.02, "{key} is nearly constant");
    assert!(largest <= TOLERANCE, "{key} differs by {largest}");
}

/// One answer of the denoiser, to a prompt alone.
fn said(model: &LatentDiffusion, reference: &Reference, name: &str) -> Vec<f32> {
    let noise = reference.numbers(&format!("{name}.noise"));
    let side = ((noise.len() / 4) as f64).sqrt() as usize;
    let noise: Vec<f32> = noise.into_iter().map(|value| value as f32).collect();
    let device = Device::flex();
    let noise = Tensor::<4>::from_data(TensorData::new(noise, [1, 4, side, side]), &device);
    let told = model.told_of(PROMPT, "", 1.0);
    numbers(model.model().said(
        &noise,
        Tensor::from_floats([500.0], &device),
        told.conditioning(),
    ))
}

fn painted(model: &LatentDiffusion) -> Vec<f32> {
    let side_px = model.manifest().resolution_px;
    let request = GenerationRequest {
        prompt: PROMPT.into(),
        negative_prompt: "dark".into(),
        reading: TextReading::PLAIN,
        sampler: Some(SamplerId::new("ddim")),
        schedule: Some(velatura::recipe::Schedule::Uniform),
        steps: 4,
        guidance_scale: 5.0,
        seed: 7,
        width_px: side_px,
        height_px: side_px,
        inpainting: Default::default(),
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
fn every_form_of_lora_paints_what_it_paints_in_python() {
    let reference = Reference::open("lora/reference.safetensors");
    let cases: Vec<Case> = reference.cases();
    let mut seen = 0;
    for name in ["sd1-tiny", "sd2-tiny"] {
        let base = open(name);
        let before = (said(&base, &reference, name), painted(&base));
        for case in cases.iter().filter(|case| case.model == name) {
            if case.prompt.is_some() {
                continue;
            }
            let files = case.files.iter();
            let files: Vec<_> = files
                .map(|(file, weight)| (folder().join(file), *weight))
                .collect();
            let model = with_loras(&base, &files);
            check(
                &reference,
                &format!("{}.one", case.name),
                &said(&model, &reference, name),
            );
            check(
                &reference,
                &format!("{}.latents", case.name),
                &painted(&model),
            );
            seen += 1;
        }
        // The model itself stays what it was, bit for bit.
        assert_eq!(before, (said(&base, &reference, name), painted(&base)));
        let plain = with_loras(
            &base,
            &[(folder().join(format!("{name}-kohya.safetensors")), 0.0)],
        );
        assert_eq!(before, (said(&plain, &reference, name), painted(&plain)));
    }
    assert_eq!(seen, 14);
}

/// Half of the weights in memory are the model's own, and the others so many as it says.
#[test]
fn weights_that_are_held_in_half_precision_are_changed_too() {
    let path = Path::new("tests/data/reference/sd1-tiny");
    let folder_of = ModelFolder::open(path).unwrap();
    let half = folder_of.held_as(WeightDtype::F16);
    let base = LatentDiffusion::load(&half, &Device::flex()).unwrap();
    let files = [(folder().join("locon.safetensors"), 0.4)];
    let reference = Reference::open("lora/reference.safetensors");
    let got = said(&with_loras(&base, &files), &reference, "sd1-tiny");
    let (largest, deviation) = difference(&got, &reference.numbers("locon.one"));
    assert!(largest < 0.02 * deviation, "{largest} of {deviation}");
    assert!(changes(&base, &files).touched() > 0);
}

/// A safetensors file with some names, shapes and numbers.
fn write(path: &Path, tensors: &[(&str, &[usize])], metadata: &[(&str, &str)]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape)| {
            let count = shape.iter().product::<usize>();
            (0..count)
                .flat_map(|i| (i as f32 * 0.01).to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape), bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes);
        (*name, view.unwrap())
    });
    let metadata = metadata.iter();
    let metadata = metadata.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    safetensors::serialize_to_file(views, Some(metadata.collect()), path).unwrap();
}

const TO_Q: &str = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";

fn refusal(tensors: &[(&str, &[usize])]) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.safetensors");
    write(&path, tensors, &[]);
    let model = open("sd1-tiny");
    let file = LoraFile::open(&path);
    let added = file.and_then(|file| {
        let mut changes = Changes::default();
        file.add_to(&mut changes, &model.model().lora_targets(), [0.0; 2])
    });
    let sentence = added.unwrap_err().to_string();
    assert!(
        !sentence.contains('\n') && sentence.contains("x.safetensors"),
        "{sentence}"
    );
    sentence
}

#[test]
fn a_file_that_does_not_fit_in_full_is_refused_by_its_first_name() {
    let down = format!("{TO_Q}.lora_down.weight");
    let up = format!("{TO_Q}.lora_up.weight");
    let alpha = format!("{TO_Q}.alpha");
    let good: [(&str, &[usize]); 3] = [(&down, &[2, 8]), (&up, &[8, 2]), (&alpha, &[])];
    let told = |key: &str, extra: &[(&str, &[usize])]| {
        let mut tensors = good.to_vec();
        tensors.retain(|(name, _)| extra.iter().all(|(other, _)| other != name));
        tensors.extend(extra);
        let sentence = refusal(&tensors);
        assert!(sentence.contains(key), "{key} is not in {sentence}");
        sentence
    };
    let far = "lora_unet_down_blocks_9_attentions_0_proj_in.lora_down.weight";
    told(far, &[(far, &[2, 8]), ("lora_unet_zz.alpha", &[])]);
    told(
        "lora_te2_text_model_x.alpha",
        &[("lora_te2_text_model_x.alpha", &[])],
    );
    let sentence = told(&down, &[(&down, &[2, 9])]);
    assert!(
        sentence.contains("[2, 9]") && sentence.contains("[2, 8]"),
        "{sentence}"
    );
    told(&up, &[(&up, &[8, 3])]);
    told(&down, &[(&down, &[0, 8])]);
    told(&alpha, &[(&alpha, &[2])]);
    // Down without up; and the same place under another name.
    let sentence = refusal(&[(&down, &[2, 8])]);
    assert!(sentence.contains(&down), "{sentence}");
    let other = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight";
    told(other, &[(other, &[2, 8])]);
    for (end, kind) in [
        ("dora_scale", "DoRA"),
        ("hada_w1_a", "LoHa"),
        ("lokr_w1", "LoKr"),
        ("diff", "whole differences"),
        ("a1.weight", "GLoRA"),
    ] {
        let key = format!("{TO_Q}.{end}");
        let sentence = told(&key, &[(&key, &[2, 2])]);
        assert!(sentence.contains(kind), "{sentence}");
        // Who looks at the file hears the same of it.
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("other.safetensors");
        write_hollow(&path, &[(&key, &[2, 2])]);
        let [inspected, opened] = [
            velatura::model::inspect::inspect(&path, None).unwrap_err(),
            LoraFile::open(&path).unwrap_err(),
        ];
        assert_eq!(inspected.to_string(), opened.to_string());
    }
    let sentence = refusal(&[("model.diffusion_model.out.2.bias", &[4])]);
    assert!(sentence.contains("no LoRA"), "{sentence}");
}

/// A safetensors file with some names and shapes, of which nothing but the header takes room.
fn write_hollow(path: &Path, tensors: &[(&str, &[usize])]) {
    let mut end = 0_u64;
    let mut header = serde_json::Map::new();
    for (name, shape) in tensors {
        let begin = end;
        end += 4 * shape.iter().product::<usize>() as u64;
        let entry =
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, end]});
        header.insert((*name).to_owned(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let start = [&(header.len() as u64).to_le_bytes(), header.as_slice()].concat();
    std::fs::write(path, &start).unwrap();
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_len(start.len() as u64 + end).unwrap();
}

#[test]
fn a_header_that_asks_for_more_memory_than_there_is_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.safetensors");
    let model = open("sd1-tiny");
    let targets = model.model().lora_targets();
    let (down, up) = (
        format!("{TO_Q}.lora_down.weight"),
        format!("{TO_Q}.lora_up.weight"),
    );
    let rank = 1 << 33;
    write_hollow(&path, &[(&down, &[rank, 8]), (&up, &[8, rank])]);
    let file = LoraFile::open(&path).unwrap();
    let added = file.add_to(&mut Changes::default(), &targets, [1.0; 2]);
    let sentence = added.unwrap_err().to_string();
    assert!(
        sentence.contains(&down) && sentence.contains("the rank 8589934592"),
        "{sentence}"
    );
    // Of a convolution in the middle, rank by rank, it is known before it is read.
    let conv = "lora_unet_down_blocks_0_resnets_0_conv1";
    let names = ["lora_down", "lora_up", "lora_mid"].map(|end| format!("{conv}.{end}.weight"));
    let rank = 1 << 16;
    let shapes: [&[usize]; 3] = [&[rank, 8, 1, 1], &[8, rank, 1, 1], &[rank, rank, 3, 3]];
    let tensors: Vec<(&str, &[usize])> = names.iter().map(String::as_str).zip(shapes).collect();
    write_hollow(&path, &tensors);
    let needed = LoraFile::open(&path)
        .unwrap()
        .numbers_needed(&targets)
        .unwrap();
    let rank = rank as u64;
    assert_eq!(needed, 2 * 8 * rank + 9 * rank * rank + 9 * 8 * rank);
}

#[test]
fn alphas_of_a_header_are_numbers() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.safetensors");
    let (down, up) = (
        format!("{TO_Q}.lora_down.weight"),
        format!("{TO_Q}.lora_up.weight"),
    );
    let tensors: [(&str, &[usize]); 2] = [(&down, &[2, 8]), (&up, &[8, 2])];
    let refused = |header: &[(&str, &str)], words: &[&str]| {
        write(&path, &tensors, header);
        let sentence = LoraFile::open(&path).unwrap_err().to_string();
        for word in words {
            assert!(sentence.contains(word), "{word} is not in {sentence}");
        }
    };
    for value in ["nan", "inf", "-inf", "1e400", "1e40"] {
        refused(&[("ss_network_alpha", value)], &["ss_network_alpha", value]);
    }
    let conv = [
        ("ss_network_alpha", "4"),
        ("ss_network_args", r#"{"conv_alpha": "inf"}"#),
    ];
    refused(&conv, &["conv_alpha", "inf"]);
    let note = "lora_adapter_metadata";
    refused(&[(note, r#"{"unet.lora_alpha": 1e400}"#)], &[note]);
    // Trainers write so where none was given.
    write(&path, &tensors, &[("ss_network_alpha", "None")]);
    LoraFile::open(&path).unwrap();
}

#[test]
fn files_that_are_something_else_are_called_what_they_are() {
    let scratch = tempfile::tempdir().unwrap();
    let model = ModelFolder::open("tests/data/reference/sd1-tiny").unwrap();
    let at = |name: &str| scratch.path().join(name);
    let told = |path: &Path| {
        let stage = model.load_first_stage_instead(path, &Device::flex());
        [
            LoraFile::open(path).map(drop).unwrap_err().to_string(),
            LearnedWord::open(path, [Some(8), None])
                .unwrap_err()
                .to_string(),
            stage.map(drop).unwrap_err().to_string(),
        ]
    };
    image::RgbImage::new(4, 4).save(at("p.png")).unwrap();
    for sentence in told(&at("p.png")) {
        assert!(sentence.contains("p.png is a picture"), "{sentence}");
    }
    write_hollow(&at("none.safetensors"), &[]);
    let [_, words, stage] = told(&at("none.safetensors"));
    for sentence in [words, stage] {
        assert!(sentence.contains("holds no tensors"), "{sentence}");
    }
    let bytes = [0; 64];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![1, 8], &bytes);
    let path = at("whole.safetensors");
    safetensors::serialize_to_file([("emb_params", view.unwrap())], None, &path).unwrap();
    let sentence = LearnedWord::open(&path, [Some(8), None])
        .unwrap_err()
        .to_string();
    assert!(
        sentence.contains("emb_params as I64") && !sentence.contains("whole safetensors file"),
        "{sentence}"
    );
}

#[test]
fn words_of_a_lora_are_read_from_its_header() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.safetensors");
    let alpha = format!("{TO_Q}.alpha");
    let header = [
        ("modelspec.trigger_phrase", "inkwash, ink"),
        (
            "ss_tag_frequency",
            r#"{"10_a": {"ink": 9, "tree": 3, " house": 5}, "b": {"tree": 4}}"#,
        ),
        ("modelspec.title", "Ink Wash"),
    ];
    write(&path, &[(&alpha, &[])], &header);
    let told = trigger_words(&path).unwrap();
    assert_eq!(told.title.as_deref(), Some("Ink Wash"));
    assert_eq!(told.words, ["inkwash", "ink", "tree", "house"]);
    // A header says what it likes.
    for odd in ["[]", "3", r#"{"a": 3}"#, r#"{"a": {"b": "c"}}"#, "{"] {
        write(&path, &[(&alpha, &[])], &[("ss_tag_frequency", odd)]);
        assert!(trigger_words(&path).unwrap().words.len() <= 1, "{odd}");
    }
}

#[test]
fn another_first_stage_decodes_as_in_diffusers() {
    let reference = Reference::open("lora/reference.safetensors");
    let device = Device::flex();
    let model = ModelFolder::open("tests/data/reference/sd1-tiny").unwrap();
    let path = folder().join("vae.safetensors");
    let stage = model.load_first_stage_instead(&path, &device).unwrap();
    let latents: Vec<f32> = reference
        .numbers("sd1-tiny.noise")
        .into_iter()
        .map(|value| value as f32)
        .collect();
    let side = ((latents.len() / 4) as f64).sqrt() as usize;
    let latents = Tensor::<4>::from_data(TensorData::new(latents, [1, 4, side, side]), &device);
    check(
        &reference,
        "vae.decoded",
        &numbers(stage.to_pictures(latents)),
    );
    // A whole folder of a model will do, and a LoRA will not.
    let folder_of = Path::new("tests/data/reference/sd2-tiny");
    assert!(model.load_first_stage_instead(folder_of, &device).is_ok());
    let other = folder().join("old.safetensors");
    assert!(model.load_first_stage_instead(&other, &device).is_err());
}

#[test]
fn learned_words_say_what_they_say_in_diffusers() {
    let reference = Reference::open("lora/reference.safetensors");
    let base = open("sd1-tiny");
    let width = base.model().word_widths();
    let states = |prompt: &str, files: &[&str]| {
        let words = files
            .iter()
            .map(|file| LearnedWord::open(&folder().join(file), width));
        let additions = Additions {
            words: words.collect::<Result<_, _>>().unwrap(),
            ..Additions::default()
        };
        let model = base.with(additions).unwrap();
        let mut noise = |shape: [usize; 4]| Tensor::zeros(shape, &Device::flex());
        let mut bench = Bench {
            first_stage: model.model().first_stage(),
            size_px: [8, 8],
            noise: &mut noise,
            device: &Device::flex(),
        };
        let asked = Asked::Text {
            prompt,
            negative: None,
            reading: TextReading::PLAIN,
        };
        let told = model.model().told_of(&asked, &mut bench);
        numbers(told.context.into_iter().next().unwrap().1)
    };
    let files = ["glow.safetensors", "blob.safetensors"];
    check(
        &reference,
        "words.states",
        &states("a glow house, <blob> on a hill", &files),
    );
    // The same word by the name of its file, in capitals, and out of a pickle.
    check(
        &reference,
        "words.states",
        &states("A GLOW house, blob on a hill", &files),
    );
    let files = ["gleam.pt", "blob.safetensors"];
    check(
        &reference,
        "words.states",
        &states("a gleam house, <blob> on a hill", &files),
    );
    // A part of a word is none.
    assert_eq!(
        states("a glowing house", &files),
        states("a glowing house", &[])
    );

    let error = LearnedWord::open(&folder().join("glow.safetensors"), [Some(768), None]);
    let sentence = error.unwrap_err().to_string();
    assert!(
        sentence.contains("768") && sentence.contains("glow"),
        "{sentence}"
    );
    assert!(LearnedWord::open(&folder().join("locon.safetensors"), width).is_err());
}

/// How long new weights take on a denoiser of the size of Stable Diffusion 1.5:
/// `cargo test --release --test lora -- --ignored --nocapture`. It takes 6 GB of memory.
#[test]
#[ignore = "measures, and takes memory"]
fn new_weights_of_a_large_model_take_less_than_a_second() {
    use velatura::model::lora::Targets;
    use velatura::model::weights::{layout, names, patched};
    let config = velatura::model::UNet2dConfig {
        cross_attention_dim: 768,
        ..Default::default()
    };
    let unet = config.init(&Device::flex()).unwrap();
    velatura::nn::draw_weights(&unet);
    let weights = layout(&unet, &names::DIFFUSERS);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.safetensors");
    let mut tensors: Vec<(String, Vec<usize>)> = Vec::new();
    for (name, shape) in &weights {
        let place = name.strip_suffix(".weight").unwrap_or_default();
        if !name.contains("attentions") || shape.len() < 2 {
            continue;
        }
        let place = format!("lora_unet_{}", place.replace('.', "_"));
        let tail = &shape[2..];
        tensors.push((
            format!("{place}.lora_down.weight"),
            [&[16, shape[1]], tail].concat(),
        ));
        tensors.push((
            format!("{place}.lora_up.weight"),
            [&[shape[0], 16], tail].concat(),
        ));
    }
    let views: Vec<(&str, &[usize])> = tensors
        .iter()
        .map(|(name, shape)| (name.as_str(), shape.as_slice()))
        .collect();
    write(&path, &views, &[]);
    for weight in [0.8, 0.5, -1.0] {
        let begun = std::time::Instant::now();
        let mut changes = Changes::default();
        let file = LoraFile::open(&path).unwrap();
        let targets = Targets::new(weights.clone(), Vec::new());
        file.add_to(&mut changes, &targets, [weight; 2]).unwrap();
        let read = begun.elapsed();
        let changed = patched(
            unet.clone(),
            &names::DIFFUSERS,
            &changes.denoiser,
            WeightDtype::F32,
        );
        let all = begun.elapsed();
        println!(
            "{} weights are changed in {all:?}, of which {read:?} to read",
            changes.touched()
        );
        drop(changed);
    }
}
