//! Networks of diffusers that lie alone in one file, without the configuration that their
//! folder has (names and shapes by `tests/data/originals/make_folders.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Value, json};
use velatura::model::WeightDtype;
use velatura::model::inspect::{Family, Task, inspect};
use velatura::model::{FirstStage, ModelFolder, load_first_stage};

type Shapes = BTreeMap<String, Vec<usize>>;

/// Names and shapes of a network of one of the folders.
fn shapes(folder: &str, part: &str) -> Shapes {
    let text = fs::read_to_string("tests/data/originals/folders.json").unwrap();
    let folders: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    serde_json::from_value(folders[folder]["keys"][part].clone()).unwrap()
}

/// A file with these names, full of zeros.
fn written(folder: &Path, shapes: &Shapes) -> PathBuf {
    let mut end = 0;
    let mut header = serde_json::Map::new();
    for (name, shape) in shapes {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let told = json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), told);
    }
    let header = Value::Object(header).to_string().into_bytes();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.resize(bytes.len() + end, 0);
    let path = folder.join("renamed.safetensors");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn networks_without_a_configuration_are_told_by_their_names() {
    let place = tempfile::tempdir().unwrap();
    let (latent, first) = (Family::LatentDiffusion, Task::Autoencoder);
    for (folder, part, family, task) in [
        ("first-stage", "", latent, first),
        ("sd2", "vae", latent, first),
        ("sdxl", "vae", latent, first),
        ("ldm-unconditional", "vqvae", latent, first),
        ("ldm-unconditional", "unet", latent, Task::Unconditional),
        (
            "ldm-super-resolution",
            "unet",
            latent,
            Task::SuperResolution,
        ),
        ("ldm-text", "unet", latent, Task::TextToImage),
        ("sd2", "unet", latent, Task::TextToImage),
        ("sdxl", "unet", Family::StableDiffusionXl, Task::TextToImage),
    ] {
        let what = format!("{folder}/{part}");
        let mut shapes = shapes(folder, part);
        let found = inspect(&written(place.path(), &shapes), None);
        let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((found.family, found.task), (family, task), "{what}");
        assert_eq!(found.precision, WeightDtype::F16, "{what}");
        assert_eq!(found.prediction.is_some(), task != first, "{what}");
        assert_eq!(found.missing, [""; 0], "{what}");
        assert_eq!(found.surplus, [""; 0], "{what}");
        assert_eq!(found.mismatched, [], "{what}");
        let error = ModelFolder::open(place.path().join("renamed.safetensors"));
        let said = if task == first {
            "is an autoencoder"
        } else {
            "is the denoiser"
        };
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{what}: {error}");
        let lost = shapes
            .keys()
            .find(|name| name.contains("resnets"))
            .unwrap()
            .clone();
        shapes.remove(&lost);
        shapes.insert("extra.weight".into(), vec![2]);
        let found = inspect(&written(place.path(), &shapes), None).unwrap();
        assert_eq!(found.missing, [lost], "{what}");
        assert_eq!(found.surplus, ["extra.weight"], "{what}");
    }
}

#[test]
fn names_are_as_in_the_file_also_where_they_are_old() {
    let place = tempfile::tempdir().unwrap();
    let old = |name: &str| {
        let pairs = [
            (".to_q.", ".query."),
            (".to_k.", ".key."),
            (".to_v.", ".value."),
        ];
        let pairs = pairs.into_iter().chain([(".to_out.0.", ".proj_attn.")]);
        pairs.fold(name.to_owned(), |name, (new, old)| name.replace(new, old))
    };
    let new = shapes("sd2", "vae").into_iter();
    let mut shapes: Shapes = new.map(|(name, shape)| (old(&name), shape)).collect();
    let found = inspect(&written(place.path(), &shapes), None).unwrap();
    assert_eq!((found.missing, found.surplus), (Vec::new(), Vec::new()));
    let lost = "encoder.mid_block.attentions.0.query.weight";
    assert!(shapes.remove(lost).is_some());
    let found = inspect(&written(place.path(), &shapes), None).unwrap();
    assert_eq!(found.missing, [lost]);
    // Later models do without these.
    shapes.retain(|name, _| !name.contains("quant_conv"));
    let found = inspect(&written(place.path(), &shapes), None).unwrap();
    assert_eq!(
        (found.missing, found.surplus),
        (vec![lost.to_owned()], Vec::new())
    );
}

#[test]
fn encoders_of_words_are_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    for part in ["text_encoder", "text_encoder_2"] {
        let path = written(place.path(), &shapes("sdxl", part));
        let sentence = inspect(&path, None).unwrap_err().to_string();
        assert!(sentence.contains("a text encoder"), "{sentence}");
    }
}

fn latents(stage: &dyn FirstStage) -> Vec<f32> {
    let values: Vec<f32> = (0..3 * 16 * 16)
        .map(|place| ((place * 37 % 101) as f32 - 50.0) / 50.0)
        .collect();
    let picture = TensorData::new(values, [1, 3, 16, 16]);
    let picture = Tensor::from_data(picture, &Device::flex());
    let latents = stage.likeliest_latents(picture);
    latents.into_data().try_into_vec_as().unwrap()
}

#[test]
fn an_autoencoder_by_the_papers_names_needs_no_configuration() {
    let text = fs::read_to_string("tests/data/originals/tiny.json").unwrap();
    let told: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let place = tempfile::tempdir().unwrap();
    let yaml = place.path().join("renamed.yaml");
    let load = |path: &Path| load_first_stage(path, WeightDtype::F32, &Device::flex());
    for kind in ["autoencoder", "autoencoder-kl"] {
        let keys: Shapes = serde_json::from_value(told[kind]["keys"].clone()).unwrap();
        let path = written(place.path(), &keys);
        fs::write(&yaml, told[kind]["yaml"].as_str().unwrap()).unwrap();
        let wanted = load(&path).unwrap_or_else(|error| panic!("{kind}: {error}"));
        fs::remove_file(&yaml).unwrap();
        for prefix in ["", "first_stage_model."] {
            let keys = keys.iter();
            let keys = keys.map(|(name, shape)| (format!("{prefix}{name}"), shape.clone()));
            let path = written(place.path(), &keys.collect());
            let found = load(&path).unwrap_or_else(|error| panic!("{prefix}{kind}: {error}"));
            let [found, wanted] = [found.info(), wanted.info()];
            assert_eq!(
                (found.channels, found.factor),
                (wanted.channels, wanted.factor),
                "{kind}"
            );
        }
    }
}

/// An autoencoder of other sizes than the model's own, whose latents are alike.
#[test]
fn an_autoencoder_alone_takes_the_place_of_a_models_own() {
    let reference = Path::new("tests/data/reference");
    let device = Device::flex();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("other.safetensors");
    let other = reference.join("inpaint-tiny");
    fs::copy(other.join("vae/diffusion_pytorch_model.safetensors"), &file).unwrap();
    let model = ModelFolder::open(reference.join("sd1-tiny")).unwrap();
    let found = model.load_first_stage_instead(&file, &device);
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    let wanted = load_first_stage(&other, WeightDtype::F32, &device).unwrap();
    assert_eq!(latents(found.as_ref()), latents(wanted.as_ref()));
}
