//! Tiny autoencoders against diffusers' `AutoencoderTiny`, on random weights
//! (`tests/data/reference/make_tiny_autoencoder_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use reference_support::{Reference, difference};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use velatura::engine::library::{CardKind, ModelCard};
use velatura::model::inspect::{Task, inspect};
use velatura::model::tiny::KINDS;
use velatura::model::{
    AutoencoderTinyConfig, FirstStage, FirstStageConfig, ModelFolder, WeightDtype, load_first_stage,
};

/// Largest difference allowed between diffusers and us.
const TOLERANCE: f64 = 1e-5;

fn file(name: &str) -> PathBuf {
    Path::new("tests/data/reference/taesd").join(name)
}

fn load(path: &Path) -> Box<dyn FirstStage> {
    load_first_stage(path, WeightDtype::F32, &Device::flex()).unwrap()
}

fn tensor(reference: &Reference, key: &str, shape: [usize; 4]) -> Tensor<4> {
    let numbers = reference.numbers(key).into_iter().map(|value| value as f32);
    let numbers = TensorData::new(numbers.collect::<Vec<f32>>(), shape);
    Tensor::from_data(numbers, &Device::flex())
}

fn check(reference: &Reference, key: &str, got: Tensor<4>) {
    let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
    let (largest, deviation) = difference(&got, &reference.numbers(key));
    println!("{key}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.02, "{key} is nearly constant");
    assert!(largest <= TOLERANCE, "{key} differs by {largest}");
}

fn check_decoder(reference: &Reference, stage: &dyn FirstStage) {
    let latents = tensor(reference, "latents", [2, 4, 5, 7]);
    check(reference, "decoded", stage.to_pictures(latents));
}

fn check_both(path: &Path) {
    let reference = Reference::open("taesd/reference.safetensors");
    let stage = load(path);
    let FirstStageConfig::Tiny(config) = stage.configuration() else {
        panic!("{:?}", stage.configuration());
    };
    assert_eq!(config.num_encoder_blocks, [1, 2, 3, 1]);
    assert_eq!(config.num_decoder_blocks, [2, 1, 3, 1]);
    let scaling = (
        config.scaling_factor,
        config.latent_magnitude,
        config.latent_shift,
    );
    assert_eq!(scaling, (1.0, 3.0, 0.5));
    assert_eq!((stage.info().channels, stage.info().factor), (4, 8));
    let pictures = tensor(&reference, "pictures", [2, 3, 32, 48]);
    check(&reference, "encoded", stage.likeliest_latents(pictures));
    check_decoder(&reference, stage.as_ref());
}

#[test]
fn folders_of_diffusers_give_what_diffusers_gives() {
    check_both(&file("folder"));
    check_both(&file("folder/diffusion_pytorch_model.safetensors"));
}

#[test]
fn files_of_halves_find_each_other() {
    check_both(&file("taesd_decoder.safetensors"));
    check_both(&file("taesd_encoder.safetensors"));
}

/// The names alone tell the sizes, whatever the file is called.
#[test]
fn a_file_in_diffusers_names_needs_no_configuration() {
    let scratch = tempfile::tempdir().unwrap();
    let lone = scratch.path().join("tiny.safetensors");
    std::fs::copy(file("folder/diffusion_pytorch_model.safetensors"), &lone).unwrap();
    check_both(&lone);
    let encoder = scratch.path().join("half.safetensors");
    std::fs::copy(file("taesd_encoder.safetensors"), &encoder).unwrap();
    let error = load_first_stage(&encoder, WeightDtype::F32, &Device::flex()).unwrap_err();
    assert!(error.to_string().contains("without its decoder"), "{error}");
}

/// As the author's class stores itself, and as ComfyUI does with two lone numbers beside.
#[test]
fn both_halves_in_one_file_of_other_programs_open() {
    let halves = ["taesd_encoder.safetensors", "taesd_decoder.safetensors"];
    let halves = halves.map(|name| std::fs::read(file(name)).unwrap());
    let halves = halves
        .each_ref()
        .map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    let lone = 0.5_f32.to_le_bytes();
    let scratch = tempfile::tempdir().unwrap();
    for (prefixes, beside) in [
        (["encoder", "decoder"], &[][..]),
        (
            ["taesd_encoder", "taesd_decoder"],
            &["vae_scale", "vae_shift"],
        ),
    ] {
        let mut tensors = Vec::new();
        for (half, prefix) in halves.iter().zip(prefixes) {
            let named = half
                .iter()
                .map(|(name, it)| (format!("{prefix}.{name}"), it));
            tensors.extend(named);
        }
        for name in beside {
            let number = TensorView::new(Dtype::F32, Vec::new(), &lone).unwrap();
            tensors.push(((*name).to_owned(), number));
        }
        let path = scratch.path().join(format!("{}.safetensors", prefixes[0]));
        std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        check_both(&path);
    }
}

#[test]
fn a_decoder_alone_decodes_for_the_models_own_first_stage() {
    let reference = Reference::open("taesd/reference.safetensors");
    let path = file("pth/taesd_decoder.pth");
    let alone = load(&path);
    check_decoder(&reference, alone.as_ref());
    let scratch = tempfile::tempdir().unwrap();
    let kind = KINDS
        .iter()
        .find(|kind| kind.id == "stable-diffusion-1")
        .unwrap();
    let model = ModelFolder::open(kind.write(scratch.path()).unwrap()).unwrap();
    let device = Device::flex();
    let own = model.load_first_stage(&device).unwrap();
    let halves = model.load_first_stage_instead(&path, &device).unwrap();
    check_decoder(&reference, halves.as_ref());
    let pictures = tensor(&reference, "pictures", [2, 3, 32, 48]);
    let (one, other) = (
        own.likeliest_latents(pictures.clone()),
        halves.likeliest_latents(pictures),
    );
    let numbers = |tensor: Tensor<4>| tensor.into_data().try_into_vec_as::<f32>().unwrap();
    assert_eq!(numbers(one), numbers(other));
    assert!(halves.decoder_work() < 0.1 * own.decoder_work());
}

#[test]
fn a_decoder_alone_makes_no_latents() {
    let stage = load(&file("pth/taesd_decoder.pth"));
    let refused = stage.configuration().check_encoder().unwrap_err();
    assert!(refused.to_string().contains("only a decoder"), "{refused}");
    let whole = load(&file("folder"));
    assert!(whole.configuration().check_encoder().is_ok());
}

#[test]
fn lists_know_them_as_first_stages() {
    for name in [
        "folder",
        "taesd_decoder.safetensors",
        "pth/taesd_decoder.pth",
    ] {
        let path = file(name);
        assert_eq!(
            inspect(&path, None).unwrap().task,
            Task::Autoencoder,
            "{name}"
        );
        let card = ModelCard::of(&path);
        assert_eq!(
            (card.kind, card.goes_with_models),
            (CardKind::FirstStage, true),
            "{name}"
        );
    }
}

/// As the released ones have it (`madebyollin/taesd`): 1.22 million in each half.
#[test]
fn the_usual_size_is_the_released_one() {
    let count = AutoencoderTinyConfig::default().parameter_count().unwrap();
    assert_eq!(count, 2_445_063);
    let refused = AutoencoderTinyConfig {
        decoder_block_out_channels: vec![64, 64, 32, 64],
        ..AutoencoderTinyConfig::default()
    };
    let error = refused.parameter_count().unwrap_err().to_string();
    assert!(error.contains("decoder_block_out_channels"), "{error}");
}
