//! Classifiers of noisy latents against OpenAI's guided-diffusion, and runs that they lead
//! against diffusers (`tests/data/reference/make_classifier_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod led;
mod program;
#[path = "../reference_support/mod.rs"]
mod reference_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use reference_support::{Reference, difference};
use serde::Deserialize;
use serde_json::{Value, json};
use velatura::model::inspect::inspect;
use velatura::model::weights::save_tensors;
use velatura::model::{Classifier, ClassifierFile, LatentInfo, WeightDtype};

/// Largest difference allowed, in units of the numbers' deviation.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Case {
    name: String,
    config: Value,
    shapes: BTreeMap<String, Vec<usize>>,
    steps: Vec<f32>,
    classes: Vec<usize>,
}

impl Case {
    fn all() -> (Reference, Vec<Self>) {
        let reference = Reference::open("classifier/networks.safetensors");
        let cases = reference.cases();
        (reference, cases)
    }

    /// Its weights as the reference makes them.
    fn weights(&self, prefix: &str) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let shapes = self.shapes.iter().enumerate();
        let weights = shapes.map(|(seed, (name, shape))| {
            let inputs: usize = shape[1..].iter().product();
            let scale = (3.0 / inputs as f64).sqrt();
            let is_vector = shape.len() == 1;
            let is_weight = name.ends_with("weight");
            let weight = |x: f64| match (is_vector, is_weight) {
                (true, true) => 1.0 + 0.4 * (x - 0.5),
                (true, false) => 0.4 * (x - 0.5),
                (false, _) => (x - 0.5) * 2.0 * scale,
            };
            let numbers = numbers(shape.iter().product(), seed as u32);
            let values = numbers.map(|x| weight(x) as f32).collect();
            (format!("{prefix}{name}"), shape.clone(), values)
        });
        weights.collect()
    }

    /// A folder with its weights by the names of the public code.
    fn folder(&self, root: &Path) -> PathBuf {
        let folder = root.join(&self.name);
        std::fs::create_dir_all(&folder).unwrap();
        let weights = folder.join("diffusion_pytorch_model.safetensors");
        save_tensors(&weights, self.weights(""), WeightDtype::F32).unwrap();
        let mut config = self.config.clone();
        config["_class_name"] = json!("EncoderUNetModel");
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        folder
    }
}

/// Numbers in [0, 1), as the reference makes them.
fn numbers(count: usize, seed: u32) -> impl Iterator<Item = f64> {
    (0..count as u32).map(move |at| {
        let mut x = at.wrapping_add(seed.wrapping_mul(0x9E37_79B9));
        x ^= x >> 16;
        x = x.wrapping_mul(0x7FEB_352D);
        x ^= x >> 15;
        x = x.wrapping_mul(0x846C_A68B);
        x ^= x >> 16;
        f64::from(x) / 2f64.powi(32)
    })
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[track_caller]
fn close(what: &str, found: &[f32], wanted: &[f64]) {
    let (largest, deviation) = difference(found, wanted);
    assert!(
        largest <= TOLERANCE * deviation,
        "{what}: {largest} of {deviation}"
    );
}

fn check(case: &Case, reference: &Reference, network: &Classifier) {
    let device = Device::flex();
    let tensor = |key: &str, shape: [usize; 4]| {
        let numbers = reference.numbers(&format!("{}.{key}", case.name));
        let numbers: Vec<f32> = numbers.into_iter().map(|x| x as f32).collect();
        Tensor::<4>::from_data(TensorData::new(numbers, shape), &device)
    };
    let channels = network.config().in_channels;
    let numbers = reference.numbers(&format!("{}.x", case.name)).len();
    let height = network.config().image_size;
    let width = numbers / (2 * channels * height);
    let x = tensor("x", [2, channels, height, width]);
    let steps = Tensor::<1>::from_floats(case.steps.as_slice(), &device);
    let logits = network.forward(x.clone(), steps.clone());
    let wanted = reference.numbers(&format!("{}.logits", case.name));
    close(&format!("{} logits", case.name), &values(logits), &wanted);

    let differentiable = network.differentiable();
    let rows = case.classes.iter().enumerate().map(|(row, class)| {
        let (x, step) = (x.clone().narrow(0, row, 1), steps.clone().narrow(0, row, 1));
        differentiable.gradient(x, step, *class)
    });
    let gradient = values(Tensor::cat(rows.collect(), 0));
    let wanted = reference.numbers(&format!("{}.gradient", case.name));
    close(&format!("{} gradient", case.name), &gradient, &wanted);
}

#[test]
fn classes_and_gradients_are_those_of_guided_diffusion() {
    let (reference, cases) = Case::all();
    assert_eq!(cases.len(), 5);
    let root = tempfile::tempdir().unwrap();
    for case in &cases {
        let file = ClassifierFile::open(&case.folder(root.path())).unwrap();
        let network = file.load(&Device::flex()).unwrap();
        check(case, &reference, &network);

        // What is written here is read here.
        let again = root.path().join(format!("{} again", case.name));
        network.save(&again).unwrap();
        let file = ClassifierFile::open(&again).unwrap();
        assert_eq!(file.config(), network.config());
        check(case, &reference, &file.load(&Device::flex()).unwrap());
    }
}

/// As `NoisyLatentImageClassifier` of the paper's code keeps it, among other weights, with
/// the YAML file of the model whose latents it sees.
#[test]
fn checkpoints_of_the_paper_open_with_the_yaml_of_their_model() {
    let (reference, cases) = Case::all();
    let case = cases.iter().find(|case| case.name == "attention").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let mut weights = case.weights("model.");
    weights.push((
        "diffusion_model.model.diffusion_model.input_blocks.0.0.weight".to_owned(),
        vec![1],
        vec![0.0],
    ));
    save_tensors(&path, weights, WeightDtype::F32).unwrap();
    let error = ClassifierFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("YAML"), "{error}");
    let yaml = "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    \
                unet_config:\n      target: ldm.modules.diffusionmodules.openaimodel.UNetModel\n      \
                params:\n        image_size: 64\n        in_channels: 6\n        out_channels: 3\n        \
                model_channels: 32\n        attention_resolutions: [1, 2]\n        num_res_blocks: 1\n        \
                channel_mult: [1, 2]\n        num_head_channels: 16\n        \
                use_scale_shift_norm: true\n        resblock_updown: true\n";
    std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
    std::fs::write(folder.path().join("classes.txt"), "a\nb\nc\nd\ne\n").unwrap();
    let file = ClassifierFile::open(&path).unwrap();
    assert_eq!(file.config().class_names(), ["a", "b", "c", "d", "e"]);
    assert_eq!(file.config().image_size, 8);
    check(case, &reference, &file.load(&Device::flex()).unwrap());
}

#[test]
fn what_is_no_classifier_or_does_not_fit_is_told() {
    let (_, cases) = Case::all();
    let root = tempfile::tempdir().unwrap();
    let refused = |path: &Path| ClassifierFile::open(path).unwrap_err().to_string();
    assert!(refused(root.path()).contains("no config.json"));
    let model = Path::new("tests/data/reference/sd1-tiny/unet");
    assert!(refused(model).contains("no classifier"));

    let case = cases.iter().find(|case| case.name == "attention").unwrap();
    let file = ClassifierFile::open(&case.folder(root.path())).unwrap();
    let latents = |channels| LatentInfo {
        channels,
        factor: 4,
    };
    assert!(file.config().check(latents(3), [8, 8], Some(5)).is_ok());
    let told = |channels, size, classes| {
        let told = file.config().check(latents(channels), size, classes);
        told.unwrap_err().to_string()
    };
    assert!(told(4, [8, 8], None).contains("3 channels"));
    assert!(told(3, [16, 8], None).contains("64 × 32"));
    assert!(told(3, [8, 8], Some(7)).contains("7 classes"));
}

#[test]
fn a_classifier_whose_configuration_is_broken_says_what_is_wrong() {
    let (_, cases) = Case::all();
    let root = tempfile::tempdir().unwrap();
    let folder = cases[0].folder(root.path());
    for (key, value, part) in [
        ("channel_mult", json!("1,2"), "config.json"),
        ("pool", json!("mean"), "config.json"),
    ] {
        let mut config = cases[0].config.clone();
        config["_class_name"] = json!("EncoderUNetModel");
        config[key] = value;
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let opened = ClassifierFile::open(&folder).unwrap_err().to_string();
        let sentence = inspect(&folder, None).unwrap_err().to_string();
        assert_eq!(sentence, opened);
        assert!(sentence.contains(part), "{sentence}");
    }
}

/// Several of them may lie in one folder.
#[test]
fn files_of_classifiers_have_names_of_classes_of_their_own() {
    let (_, cases) = Case::all();
    let case = cases.iter().find(|case| case.name == "adaptive").unwrap();
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("first.safetensors");
    save_tensors(&path, case.weights(""), WeightDtype::F32).unwrap();
    let mut config = case.config.clone();
    config["_class_name"] = json!("EncoderUNetModel");
    std::fs::write(root.path().join("first.json"), config.to_string()).unwrap();
    let put = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
    let opened = || ClassifierFile::open(&path);
    put("classes.txt", "a\n b \nc\nd\ne\n");
    let names = opened().unwrap().config().class_names();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    for (text, part) in [
        ("a\nb\n", "it has 2 lines"),
        ("a\nb\n\nd\ne\n", "empty line"),
    ] {
        put("classes.txt", text);
        let sentence = opened().unwrap_err().to_string();
        assert!(
            sentence.contains(part) && sentence.contains("classes.txt"),
            "{sentence}"
        );
    }
    // Those of another one in the folder.
    put("first.classes.txt", "v\nw\nx\ny\nz");
    let names = opened().unwrap().config().class_names();
    assert_eq!(names, ["v", "w", "x", "y", "z"]);
    put("first.classes.txt", "v\n");
    let sentence = opened().unwrap_err().to_string();
    assert!(sentence.contains("first.classes.txt"), "{sentence}");
}
