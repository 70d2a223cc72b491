//! Denoisers of distilled models against diffusers'
//! (`tests/data/reference/make_distilled_reference.py`).

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;
use velatura::model::conditioner::Conditioning;
use velatura::model::{ModelFolder, UNet2d};

use super::kind::{Halves, Kind, numbers, write};
use super::reference_support::{Reference, folder};
use super::{check, load, tensor};

/// A denoiser as the generator describes it.
#[derive(Deserialize)]
struct Distilled {
    config: Value,
    weights: BTreeMap<String, Vec<usize>>,
    /// What its weights are called in one file.
    original: BTreeMap<String, String>,
}

fn described() -> BTreeMap<String, Distilled> {
    let text = std::fs::read(folder().join("sdxl/distilled.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Its weights, by names that are made of those of diffusers.
fn weights(
    kind: &str,
    distilled: &Distilled,
    name: impl Fn(&str) -> String,
) -> HashMap<String, Halves> {
    let weights = distilled.weights.iter().map(|(own, shape)| {
        let values = numbers(&format!("{kind}/unet/{own}"), shape);
        (name(own), Halves::new(shape.clone(), &values))
    });
    weights.collect()
}

/// Compares what a denoiser says of one thing.
fn check_denoiser(what: &str, kind: &str, denoiser: &UNet2d, words: usize) {
    let reference = Reference::open("sdxl/distilled.safetensors");
    let key = |name: &str| format!("{kind}.{name}");
    let sample = tensor(&reference, &key("sample"), [1, 4, 12, 8]);
    let added = reference.numbers(&key("added")).len();
    let told = Conditioning {
        context: vec![("text", tensor(&reference, &key("words"), [1, 7, words]))],
        added: (added > 64).then(|| tensor(&reference, &key("added"), [1, added])),
        concat: vec![("all", sample.clone())],
        ..Conditioning::default()
    };
    let time = Tensor::from_floats([321.0], &Device::flex());
    let said = told.ask(denoiser, &sample, time, &["all".to_owned()]);
    check(what, said, &reference, &key("said"));
}

#[test]
fn denoisers_of_distilled_models_say_what_those_of_diffusers_say() {
    let scratch = tempfile::tempdir().unwrap();
    for (kind, words) in [("ssd", 96), ("tiny", 48)] {
        let distilled = &described()[kind];
        let place = scratch.path().join(kind);
        let file = place.join("unet/diffusion_pytorch_model.safetensors");
        write(&file, &weights(kind, distilled, str::to_owned));
        let config = place.join("unet/config.json");
        std::fs::write(config, distilled.config.to_string()).unwrap();
        let found = velatura::model::inspect::inspect(&place, None).unwrap();
        assert!(
            found.missing.is_empty() && found.mismatched.is_empty(),
            "{found:?}"
        );
        let model = ModelFolder::open(&place).unwrap();
        let denoiser = model.load_unet(&Device::flex()).unwrap();
        check_denoiser(kind, kind, &denoiser, words);
    }
}

#[test]
fn a_distilled_model_in_one_file_is_told_by_its_names() {
    let distilled = &described()["ssd"];
    let (scratch, [_, single]) = Kind::written("base");
    let bytes = std::fs::read(&single).unwrap();
    let base = SafeTensors::deserialize(&bytes).unwrap();
    let place = "model.diffusion_model.";
    let mut tensors = weights("ssd", distilled, |own| {
        format!("{place}{}", distilled.original[own])
    });
    for (name, view) in base.tensors() {
        if !name.starts_with(place) {
            tensors.insert(name, Halves(view.shape().to_vec(), view.data().to_vec()));
        }
    }
    let path = scratch.path().join("distilled.safetensors");
    write(&path, &tensors);
    let model = ModelFolder::open(&path).unwrap();
    let denoiser = model.load_unet(&Device::flex()).unwrap();
    check_denoiser("one file", "ssd", &denoiser, 96);
    assert_eq!(load(&path).manifest().resolution_px, 1024);
}
