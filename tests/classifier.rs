//! Classifiers of noisy latents against OpenAI's guided-diffusion, and runs that they lead
//! against diffusers (`tests/data/reference/make_classifier_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use reference_support::{Reference, difference};
use serde::Deserialize;
use serde_json::{Value, json};
use velatura::diffusion::{
    ClassGuide, GenerationOutcome, GenerationRequest, LatentDiffusion, NoiseSchedule, RunPlan,
    SchedulerConfig, Session,
};
use velatura::engine::memory_in_turn;
use velatura::model::inspect::inspect;
use velatura::model::weights::save_tensors;
use velatura::model::{
    Classifier, ClassifierFile, ClassifierLatents, LatentInfo, ModelFolder, WeightDtype,
};
use velatura::recipe::{
    GenerateSpec, Latents, ModelSource, NamedFile, PaintedRecipe, SamplerId, read_infotext,
    read_recipe, write_infotext,
};

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

#[test]
fn names_that_are_typed_are_told_from_paths() {
    let typed = |text: &str| NamedFile::typed(Path::new(text));
    for (text, name) in [
        ("adaptive", "adaptive"),
        ("control-v1.1", "control-v1.1"),
        ("adaptive.safetensors", "adaptive"),
        ("adaptive.PTH", "adaptive"),
    ] {
        assert_eq!(typed(text), Some(NamedFile::named(name)));
    }
    // A path, and what lies in the folder in which the tests run.
    for text in ["classifiers/adaptive", "tests", "Cargo.toml"] {
        assert_eq!(typed(text), None);
    }
}

#[derive(Deserialize)]
struct Run {
    name: String,
    model: String,
    sampler: SamplerId,
    steps: u32,
    guidance: f32,
    seed: u64,
    scale: f32,
    class: u32,
    network: String,
}

/// The classifier of a case, for models of the reference.
fn classifier(name: &str) -> Classifier {
    let (_, cases) = Case::all();
    let case = cases.iter().find(|case| case.name == name).unwrap();
    let root = tempfile::tempdir().unwrap();
    let file = ClassifierFile::open(&case.folder(root.path())).unwrap();
    file.load(&Device::flex()).unwrap()
}

fn model(name: &str) -> LatentDiffusion {
    let folder = ModelFolder::open(Path::new("tests/data/reference").join(name)).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

fn painted(model: &LatentDiffusion, request: &GenerationRequest) -> Result<Vec<f32>, String> {
    let outcome = model.generate(request, &mut |_| ControlFlow::Continue(()));
    match outcome.map_err(|error| error.to_string())? {
        GenerationOutcome::Finished { latents, .. } => Ok(values(latents)),
        GenerationOutcome::Cancelled => panic!("nobody stopped it"),
    }
}

fn request(run: &Run, classifier: Classifier) -> GenerationRequest {
    GenerationRequest {
        prompt: "a small red house".to_owned(),
        negative_prompt: "dark".to_owned(),
        sampler: Some(run.sampler.clone()),
        steps: run.steps,
        guidance_scale: run.guidance,
        seed: run.seed,
        width_px: 32,
        height_px: 24,
        class_guide: Some(ClassGuide {
            classifier: Arc::new(classifier),
            class: run.class,
            scale: run.scale,
        }),
        ..GenerationRequest::default()
    }
}

#[test]
fn led_runs_are_those_of_an_independent_script() {
    let reference = Reference::open("classifier/runs.safetensors");
    let runs: Vec<Run> = reference.cases();
    assert_eq!(runs.len(), 4);
    for run in &runs {
        let model = model(&run.model);
        let asked = request(run, classifier(&run.network));
        let found = painted(&model, &asked).unwrap();
        close(&run.name, &found, &reference.numbers(&run.name));
        // It is not led where the scale is nothing.
        let mut free = asked.clone();
        free.class_guide = None;
        let mut still = asked;
        still.class_guide.iter_mut().for_each(|it| it.scale = 0.0);
        let free = painted(&model, &free).unwrap();
        assert_eq!(painted(&model, &still).unwrap(), free);
        assert_ne!(free, found);
    }
}

/// What one step of Euler makes of what it begins with.
fn first_step(model: &LatentDiffusion, asked: &GenerationRequest) -> [Vec<f32>; 2] {
    let mut session = Session::new(model, asked).unwrap();
    let before = values(session.state().latents);
    session.step().unwrap();
    [before, values(session.state().latents)]
}

/// The noise level σ of a step.
fn level(model: &str, step: usize) -> f64 {
    let path = Path::new("tests/data/reference").join(model);
    let path = path.join("scheduler/scheduler_config.json");
    let told: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schedule = NoiseSchedule::of_training(&SchedulerConfig::from_json(&told).unwrap());
    let signal = schedule.alpha_cumprod(step);
    ((1.0 - signal) / signal).sqrt()
}

/// A run of three steps, which are 667, 334 and 1.
fn euler(run: &Run, network: &str) -> GenerationRequest {
    let mut asked = request(run, classifier(network));
    asked.sampler = Some(SamplerId::new("euler"));
    asked.steps = 3;
    asked.class_guide.iter_mut().for_each(|it| it.scale = 40.0);
    asked
}

/// What leading changes in the first step of a run: what begins it, and the change.
fn lead(model: &LatentDiffusion, asked: &GenerationRequest) -> (Vec<f32>, Vec<f32>) {
    let [seen, led] = first_step(model, asked);
    let free = GenerationRequest {
        class_guide: None,
        ..asked.clone()
    };
    let [_, free] = first_step(model, &free);
    let moved = led.iter().zip(&free).map(|(led, free)| led - free);
    (seen, moved.collect())
}

/// From a picture, and where the denoiser sees windows: the classifier sees all of it, with
/// the noise that there is.
#[test]
fn pictures_are_led_that_begin_with_one_or_are_painted_in_windows() {
    let reference = Reference::open("classifier/runs.safetensors");
    let runs: Vec<Run> = reference.cases();
    let model = model("sd1-tiny");
    let mut begun = euler(&runs[0], "adaptive");
    begun.strength = 0.67;
    let picture = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 9) as u8, 120]);
    begun.init = Some(image::RgbImage::from_fn(32, 24, picture));
    let mut wide = euler(&runs[0], "adaptive");
    wide.width_px = 96;
    wide.canvas.window_px = Some(64);
    // With a picture the first one is left out.
    for (name, asked, [step, next]) in [("picture", begun, [334, 1]), ("windows", wide, [667, 334])]
    {
        let (begun, moved) = lead(&model, &asked);
        let [sigma, after] = [step, next].map(|step| level("sd1-tiny", step));
        let scale = (sigma * sigma + 1.0).sqrt();
        let shape = [1, 4, 6, asked.width_px as usize / 4];
        let guide = asked.class_guide.as_ref().unwrap();
        let begun = Tensor::<4>::from_data(TensorData::new(begun, shape), &Device::flex());
        let time = Tensor::<1>::from_floats([step as f32], &Device::flex());
        let network = guide.classifier.differentiable();
        let gradient = values(network.gradient(begun / scale, time, guide.class as usize));
        // From ε is taken s √(1 − ᾱ) ∇, and ε is what the step goes along.
        let factor = f64::from(guide.scale) * sigma / scale * (sigma - after);
        let wanted: Vec<f64> = gradient.iter().map(|it| f64::from(*it) * factor).collect();
        let (largest, deviation) = difference(&moved, &wanted);
        // Of a difference between two runs the last digits are lost.
        assert!(deviation > 0.01, "{name}: {deviation}");
        assert!(
            largest < 1e-3 * deviation,
            "{name}: {largest} of {deviation}"
        );
    }
}

/// Where a picture goes on over its edges, the classifier sees no edges: what begins
/// elsewhere is led alike.
#[test]
fn the_edges_of_tiles_are_led_as_their_middles_are() {
    let reference = Reference::open("classifier/runs.safetensors");
    let runs: Vec<Run> = reference.cases();
    let model = model("sd1-tiny");
    let rolled = |numbers: &[f32]| -> Vec<f32> {
        let rows = numbers.chunks_exact(8);
        rows.flat_map(|row| [&row[4..], &row[..4]].concat())
            .collect()
    };
    let noise: Vec<f32> = numbers(4 * 8 * 8, 77)
        .map(|x| (x * 3.4 - 1.7) as f32)
        .collect();
    for network in ["adaptive", "spatial-v2"] {
        let lead_from = |values: Vec<f32>, wraps| {
            let mut asked = euler(&runs[0], network);
            (asked.width_px, asked.height_px) = (32, 32);
            asked.canvas.wraps = wraps;
            let shape = [1, 4, 8, 8];
            asked.given.noise = Some(Arc::new(Latents { shape, values }));
            lead(&model, &asked).1
        };
        let differs = |wraps| {
            let wanted = rolled(&lead_from(noise.clone(), wraps));
            let wanted: Vec<f64> = wanted.into_iter().map(f64::from).collect();
            let (largest, deviation) = difference(&lead_from(rolled(&noise), wraps), &wanted);
            largest / deviation
        };
        assert!(differs([true, false]) < 1e-3, "{network}");
        assert!(differs([true, true]) < 1e-3, "{network}");
        assert!(differs([false, false]) > 0.05, "{network}");
    }
}

#[test]
fn a_run_is_led_to_another_class_from_where_it_is() {
    let reference = Reference::open("classifier/runs.safetensors");
    let runs: Vec<Run> = reference.cases();
    let model = model("sd1-tiny");
    let asked = euler(&runs[0], "adaptive");
    let to = |class: u32, scale: f32| {
        let mut asked = asked.clone();
        let guides = asked.class_guide.iter_mut();
        guides.for_each(|it| (it.class, it.scale) = (class, scale));
        asked
    };
    let mut session = Session::new(&model, &to(1, 40.0)).unwrap();
    session.step().unwrap();
    let (plan, state) = session.into_parts();
    let from_there = |plan: RunPlan| {
        let mut session = Session::resumed(&model, plan, state.clone());
        while session.step().unwrap().is_some() {}
        values(session.state().latents)
    };
    let begun = |class, scale| {
        Session::new(&model, &to(class, scale))
            .unwrap()
            .into_parts()
            .0
    };
    let mut retold = begun(1, 40.0);
    retold.lead_to(3, 90.0).unwrap();
    let retold = from_there(retold);
    assert_eq!(retold, from_there(begun(3, 90.0)));
    let stayed = from_there(plan);
    assert_eq!(stayed, from_there(begun(1, 40.0)));
    assert_ne!(retold, stayed);
    let error = begun(1, 40.0).lead_to(5, 1.0).unwrap_err().to_string();
    assert!(error.contains("from 0 to 4"), "{error}");
}

/// A gradient keeps more of a larger picture; the weights stay as many.
#[test]
fn the_memory_of_a_classifier_grows_with_the_picture() {
    let (_, cases) = Case::all();
    for case in &cases {
        let network = classifier(&case.name);
        let of = |side: usize| network.config().gradient_memory([side; 2]);
        let (small, large) = (of(32), of(64));
        assert_eq!(small.weights_bytes, large.weights_bytes);
        assert_eq!(4 * small.working_bytes, large.working_bytes);
        // Above four activations of each block's input, below thirty.
        let map = 4 * 32 * 64 * 64;
        assert!(
            (8 * map..120 * map).contains(&large.working_bytes),
            "{}",
            case.name
        );
    }
    let home = tempfile::tempdir().unwrap();
    let case = cases.iter().find(|case| case.name == "adaptive").unwrap();
    let spec = |classifier: Option<PathBuf>, side: u32| GenerateSpec {
        model: ModelSource::Folder("tests/data/reference/sd1-tiny".into()),
        classifier: classifier.map(|path| NamedFile::of_network(&path)),
        class: Some(1),
        width_px: side,
        height_px: side,
        ..GenerateSpec::default()
    };
    let folder = case.folder(home.path());
    let added = |side: u32| {
        let bytes = |classifier| memory_in_turn(&spec(classifier, side), WeightDtype::F32).unwrap();
        bytes(Some(folder.clone())) - bytes(None)
    };
    let weights = 4 * classifier("adaptive").parameter_count() as u64;
    assert!(added(64) > weights / 2, "{} beside {weights}", added(64));
    assert!(added(512) > added(64) + (added(256) - added(64)) * 3);
}

#[test]
fn runs_that_a_classifier_cannot_lead_are_refused() {
    let reference = Reference::open("classifier/runs.safetensors");
    let runs: Vec<Run> = reference.cases();
    let model = model("sd1-tiny");
    let refused = |change: &dyn Fn(&mut GenerationRequest)| {
        let mut asked = request(&runs[0], classifier("adaptive"));
        change(&mut asked);
        painted(&model, &asked).unwrap_err()
    };
    let class = refused(&|asked| asked.class_guide.iter_mut().for_each(|it| it.class = 5));
    assert!(class.contains("from 0 to 4"), "{class}");
    let other = |name: &str| {
        let network = Arc::new(classifier(name));
        refused(&move |asked| {
            let guides = asked.class_guide.iter_mut();
            guides.for_each(|it| it.classifier = Arc::clone(&network));
        })
    };
    let latents = ClassifierLatents {
        factor: 4,
        scaling_factor: 0.18215,
    };
    let told = json!({ "beta_schedule": "of tomorrow" });
    let odd = Arc::new(classifier("adaptive").trained_on(latents, told));
    let schedule = refused(&move |asked| {
        let guides = asked.class_guide.iter_mut();
        guides.for_each(|it| it.classifier = Arc::clone(&odd));
    });
    // It is not the model's.
    assert!(schedule.contains("of the classifier"), "{schedule}");
    let channels = other("attention");
    assert!(channels.contains("3 channels"), "{channels}");
    let size = other("new-order");
    assert!(size.contains("pixels apart"), "{size}");
}

/// The program, with folders of the user that are empty.
fn velatura(home: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_velatura"))
        .args(options)
        .current_dir(home)
        .env("VELATURA_MODELS", home.join("models"))
        .env("VELATURA_PICTURES", home.join("pictures"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap()
}

/// From the command line into a file, and from its recipe to the same picture.
#[test]
fn a_recipe_names_the_classifier_and_the_class() {
    let (_, cases) = Case::all();
    let case = cases.iter().find(|case| case.name == "adaptive").unwrap();
    let home = tempfile::tempdir().unwrap();
    let folder = case.folder(&home.path().join("models/classifiers"));
    let names = ["dawn", "day", "dusk", "night", "fog"];
    std::fs::write(folder.join("classes.txt"), names.join("\n")).unwrap();
    let model = std::path::absolute("tests/data/reference/sd1-tiny").unwrap();
    let model = model.to_string_lossy().into_owned();
    let paint = |options: &[&str]| {
        let usual = ["generate", "--model", &model, "--steps", "3", "--seed", "3"];
        let size = ["--width", "32", "--height", "24"];
        velatura(home.path(), &[&usual[..], &size[..], options].concat())
    };
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let at = |name: &str| home.path().join(name);
    let folder = folder.to_string_lossy().into_owned();
    let led = [
        "--classifier",
        &folder,
        "--classifier-scale",
        "30",
        "--class",
        "dusk",
        "--output",
        "led.png",
    ];
    let output = paint(&led);
    assert!(output.status.success(), "{}", told(&output));
    let recipe = read_recipe(&at("led.png")).unwrap().unwrap();
    let spec = &recipe.spec;
    let named = spec.classifier.as_ref().unwrap();
    assert_eq!(
        (named.name.as_str(), named.path.as_ref()),
        ("adaptive", None)
    );
    assert_eq!((spec.class, spec.classifier_scale), (Some(2), 30.0));
    assert_eq!(spec.classifier_hash.as_deref().map(str::len), Some(12));

    let text = write_infotext(&PaintedRecipe::new(spec.clone(), "m", "01"));
    let found = read_infotext(&text).unwrap();
    assert_eq!(found.spec.classifier, spec.classifier);
    assert_eq!(found.spec.classifier_hash, spec.classifier_hash);
    assert_eq!(
        (found.spec.class, found.spec.classifier_scale),
        (Some(2), 30.0)
    );
    assert!(found.unread.is_empty(), "{:?}", found.unread);

    // Looked for by its name among the user's, as a stranger would have to.
    let again = paint(&["--recipe", "led.png", "--output", "again.png"]);
    assert!(again.status.success(), "{}", told(&again));
    let pixels = |name: &str| image::open(at(name)).unwrap().to_rgb8();
    assert_eq!(pixels("led.png"), pixels("again.png"));
    let free = paint(&["--output", "free.png"]);
    assert!(free.status.success(), "{}", told(&free));
    assert_ne!(pixels("led.png"), pixels("free.png"));

    let refused = |options: &[&str]| {
        let output = paint(options);
        assert!(!output.status.success());
        told(&output)
    };
    let unknown = refused(&["--classifier", "adaptive", "--class", "noon"]);
    assert!(unknown.contains("there is no class"), "{unknown}");
    assert!(unknown.contains("noon"), "{unknown}");
    let picture = refused(&["--classifier", "led.png", "--class", "2"]);
    assert!(picture.contains("choose a file of weights"), "{picture}");
    assert!(refused(&["--class", "2"]).contains("takes no class"));
    let nowhere = refused(&["--classifier", "nowhere", "--class", "2"]);
    assert!(nowhere.contains("classifiers"), "{nowhere}");
    let idle = paint(&["--classifier", "adaptive", "--output", "idle.png"]);
    assert!(told(&idle).contains("--class"), "{}", told(&idle));

    let inspected = velatura(home.path(), &["models", "inspect", &folder, "--json"]);
    let lines = String::from_utf8(inspected.stdout).unwrap();
    let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["task"], &line["missing"]),
        (&json!("classifier"), &json!([]))
    );
    let painter = velatura(home.path(), &["generate", "--model", &folder]);
    let painter = told(&painter);
    assert!(painter.contains("--classifier"), "{painter}");
}
