//! Runs that classifiers lead.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;
use serde_json::{Value, json};
use velatura::diffusion::{
    ClassGuide, GenerationOutcome, GenerationRequest, LatentDiffusion, NoiseSchedule, RunPlan,
    SchedulerConfig, Session,
};
use velatura::engine::memory_in_turn;
use velatura::model::{Classifier, ClassifierFile, ClassifierLatents, ModelFolder, WeightDtype};
use velatura::recipe::{GenerateSpec, Latents, ModelSource, NamedFile, SamplerId};

use super::reference_support::{Reference, difference};
use super::{Case, close, numbers, values};

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
pub fn classifier(name: &str) -> Classifier {
    let (_, cases) = Case::all();
    let case = cases.iter().find(|case| case.name == name).unwrap();
    let root = tempfile::tempdir().unwrap();
    let file = ClassifierFile::open(&case.folder(root.path())).unwrap();
    file.load(&Device::flex()).unwrap()
}

pub fn model(name: &str) -> LatentDiffusion {
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
