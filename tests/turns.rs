//! Networks that are read when their turn comes: the first stage and ControlNets too, with
//! somebody who watches.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use burn::tensor::{Device, Tensor};
use image::{Rgba, RgbaImage};
use velatura::diffusion::{GenerationRequest, LatentDiffusion, Session};
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, JobOutcome, PaintedImage};
use velatura::engine::{EngineHandle, studio};
use velatura::model::weights::ReadWatch;
use velatura::model::{
    Additions, AutoencoderKlConfig, FirstStage as _, ModelFolder, TurnWatch, WeightDtype,
};
use velatura::recipe::{ControlSpec, GenerateSpec, ImageInput, ModelSource};

const PATIENCE: Duration = Duration::from_secs(300);

const FIRST_STAGE: &str = "vae/diffusion_pytorch_model.safetensors";

fn folder() -> PathBuf {
    PathBuf::from("tests/data/reference/sd1-tiny")
}

fn request() -> GenerationRequest {
    GenerationRequest {
        prompt: "a red house".to_owned(),
        negative_prompt: "fog".to_owned(),
        steps: 2,
        guidance_scale: 4.0,
        seed: 3,
        width_px: 48,
        height_px: 32,
        ..GenerationRequest::default()
    }
}

fn in_turn() -> LatentDiffusion {
    let opened = ModelFolder::open(folder()).unwrap().in_turn();
    assert!(opened.is_in_turn());
    LatentDiffusion::load(&opened, &Device::flex()).unwrap()
}

fn picture(model: &LatentDiffusion) -> image::RgbImage {
    let mut session = Session::new(model, &request()).unwrap();
    while session.step().unwrap().is_some() {}
    session.picture().unwrap()
}

#[test]
fn the_first_stage_has_its_turn_and_so_has_another_one() {
    let whole = LatentDiffusion::load(&ModelFolder::open(folder()).unwrap(), &Device::flex());
    let wanted = picture(&whole.unwrap());
    let model = in_turn();
    assert_eq!(picture(&model), wanted);
    let additions = Additions {
        first_stage_path: Some(folder().join("vae")),
        ..Additions::default()
    };
    let other = model.with(additions).unwrap();
    assert_eq!(picture(&other), wanted);
    // Steps are shown in small without a first stage beside the denoiser.
    model.prepare_previews().unwrap();
    let mut session = Session::new(&model, &request()).unwrap();
    let view = session.step().unwrap().unwrap();
    assert_eq!(view.preview().unwrap().dimensions(), (48, 32));
    let wrong = Additions {
        first_stage_path: Some(Path::new("tests/data/reference/taesd").into()),
        ..Additions::default()
    };
    assert!(model.with(wrong).is_err());
}

/// The model with another file for its first stage.
fn with_first_stage(root: &Path, weights: &[u8]) -> PathBuf {
    for entry in walkdir::WalkDir::new(folder()) {
        let entry = entry.unwrap();
        let place = root.join(entry.path().strip_prefix(folder()).unwrap());
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(place).unwrap(),
            false => drop(std::fs::copy(entry.path(), place).unwrap()),
        }
    }
    let file = root.join(FIRST_STAGE);
    std::fs::write(&file, weights).unwrap();
    file
}

/// No step waits for the first stage, and none asks for it twice.
#[test]
fn the_first_stage_is_read_when_it_is_first_asked() {
    let scratch = tempfile::tempdir().unwrap();
    let weights = std::fs::read(folder().join(FIRST_STAGE)).unwrap();
    let file = with_first_stage(scratch.path(), &weights);
    let load = || LatentDiffusion::load(&ModelFolder::open(&scratch).unwrap(), &Device::flex());
    let model = load().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let watch = TurnWatch::new(move |total_bytes| {
        heard.lock().unwrap().push(total_bytes);
        ReadWatch::new(|_| true)
    });
    model.model().watch_turns(Some(watch));
    let steps = || {
        let mut session = Session::new(&model, &request()).unwrap();
        while session.step().unwrap().is_some() {}
        session
    };
    let session = steps();
    assert!(told.lock().unwrap().is_empty());
    // What the disk does not give is told, no picture is made up, and nothing is kept of it.
    std::fs::write(&file, &weights[..weights.len() / 2]).unwrap();
    let error = session.picture().unwrap_err().to_string();
    assert!(error.contains(FIRST_STAGE), "{error}");
    std::fs::write(&file, &weights).unwrap();
    assert_eq!(session.picture().unwrap(), picture(&in_turn()));
    assert_eq!(steps().picture().unwrap(), session.picture().unwrap());
    let numbers = model.model().first_stage().parameter_count() as u64;
    assert_eq!(*told.lock().unwrap(), [4 * numbers; 2]);
    drop(session);
    // What can be known before anything is painted is.
    std::fs::write(&file, &weights[..weights.len() - 1]).unwrap();
    let error = load().err().unwrap().to_string();
    assert!(error.contains(FIRST_STAGE), "{error}");
    let other = std::fs::read(folder().join("text_encoder/model.safetensors")).unwrap();
    std::fs::write(&file, other).unwrap();
    let error = load().err().unwrap().to_string();
    assert!(error.contains("AutoencoderKL"), "{error}");
}

/// Numbers that are none are the decoder's, not the last step's; and what the steps led to is
/// handed over all the same.
#[test]
fn a_first_stage_that_does_not_decode_is_told_and_loses_no_steps() {
    let scratch = tempfile::tempdir().unwrap();
    let mut weights = std::fs::read(folder().join(FIRST_STAGE)).unwrap();
    let header = u64::from_le_bytes(weights[..8].try_into().unwrap());
    weights[8 + usize::try_from(header).unwrap()..].fill(0xff);
    with_first_stage(scratch.path(), &weights);
    let spec = GenerateSpec {
        model: ModelSource::Folder(scratch.path().into()),
        prompt: "a red house".to_owned(),
        steps: 2,
        width_px: 48,
        height_px: 32,
        ..GenerateSpec::default()
    };
    let factory = studio::factory(ComputeDevice::cpu());
    let mut engine = EngineHandle::spawn(factory, Arc::new(|| {})).unwrap();
    engine.generate(spec);
    let mut latents = None;
    let reason = loop {
        match engine.wait(PATIENCE).unwrap() {
            EngineEvent::Undecoded { latents: kept, .. } => latents = Some(kept),
            EngineEvent::Stopped { reason, .. } => break format!("{reason:?}"),
            EngineEvent::Finished { outcome, .. } => panic!("{outcome:?}"),
            _ => {}
        }
    };
    assert!(reason.contains("the autoencoder returned"), "{reason}");
    let latents = latents.unwrap();
    assert_eq!(
        latents.shape.iter().product::<usize>(),
        latents.values.len()
    );
    assert!(latents.values.iter().all(|value| value.is_finite()));
    engine.close();
}

/// Text encoder, denoiser and first stage are read one after the other; each may be given up.
#[test]
fn every_turn_is_watched_and_can_be_given_up() {
    let model = in_turn();
    let told = Arc::new(Mutex::new(Vec::new()));
    // How many parts may still be read.
    let patience = Arc::new(AtomicU64::new(u64::MAX));
    let (heard, left) = (Arc::clone(&told), Arc::clone(&patience));
    let watch = TurnWatch::new(move |total_bytes| {
        let place = heard.lock().unwrap().len();
        heard.lock().unwrap().push((total_bytes, 0));
        let (heard, left) = (Arc::clone(&heard), Arc::clone(&left));
        ReadWatch::new(move |bytes| {
            heard.lock().unwrap()[place].1 += bytes;
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
        })
    });
    model.model().watch_turns(Some(watch));
    let wanted = picture(&model);
    let turns = told.lock().unwrap().clone();
    assert_eq!(turns.len(), 3, "{turns:?}");
    for (total, read) in &turns {
        // Nothing but what is there is read, and vectors stay wide.
        assert!(*read > total / 2 && *read <= total * 2, "{turns:?}");
    }
    let give_up = |after: u64| {
        patience.store(after, Ordering::Relaxed);
        let run = || {
            let mut session = Session::new(&model, &request())?;
            while session.step()?.is_some() {}
            // The decoder is given up at once.
            patience.store(after.min(1), Ordering::Relaxed);
            session.picture()
        };
        let error = run().unwrap_err().to_string();
        patience.store(u64::MAX, Ordering::Relaxed);
        error
    };
    for after in [0, 60, 1_000_000] {
        let error = give_up(after);
        assert!(error.contains("was ended"), "{after}: {error}");
    }
    // It was not the model's fault.
    assert_eq!(picture(&model), wanted);
}

/// Another first stage is announced by its own size, and is as uncertain as it is when all is
/// in memory.
#[test]
fn another_first_stage_in_its_turn_says_of_itself_what_it_says_in_memory() {
    let scratch = tempfile::tempdir().unwrap();
    let config = std::fs::read(folder().join("vae/config.json")).unwrap();
    let config: AutoencoderKlConfig = serde_json::from_slice(&config).unwrap();
    let wide = AutoencoderKlConfig {
        block_out_channels: vec![16, 32, 64],
        ..config.clone()
    };
    let device = Device::flex();
    let network = wide.init(&device).unwrap();
    assert!(network.parameter_count() > 4 * config.parameter_count().unwrap());
    let weights = scratch.path().join("diffusion_pytorch_model.safetensors");
    network.save_weights(&weights, WeightDtype::F32).unwrap();
    let config = serde_json::to_vec(&wide).unwrap();
    std::fs::write(scratch.path().join("config.json"), config).unwrap();

    let additions = Additions {
        first_stage_path: Some(scratch.path().into()),
        ..Additions::default()
    };
    let model = in_turn().with(additions).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let watch = TurnWatch::new(move |total_bytes| {
        heard.lock().unwrap().push(total_bytes);
        ReadWatch::new(|_| true)
    });
    model.model().watch_turns(Some(watch));
    let pictures = Tensor::zeros([1, 3, 16, 16], &device);
    let stage = model.model().first_stage();
    let (mean, deviation) = stage.distribution_unscaled(pictures.clone());
    let wanted = network.distribution_unscaled(pictures);
    let close = |found: Tensor<4>, wanted: Tensor<4>| {
        let largest = (found - wanted).abs().max().into_scalar::<f32>();
        assert!(largest < 1e-2, "{largest}");
    };
    close(mean, wanted.0);
    close(deviation.unwrap(), wanted.1.unwrap());
    let numbers = network.parameter_count() as u64;
    let [announced]: [u64; 1] = told.lock().unwrap().clone().try_into().unwrap();
    assert!(
        [2 * numbers, 4 * numbers].contains(&announced),
        "{announced} bytes for {numbers} weights"
    );
}

fn paint(engine: &mut EngineHandle, spec: &GenerateSpec) -> (PaintedImage, Vec<(bool, f32)>) {
    let job = engine.generate(spec.clone());
    let (mut painted, mut readings, mut has_begun) = (None, Vec::new(), false);
    loop {
        match engine.wait(PATIENCE).unwrap() {
            EngineEvent::Progress { step, .. } => has_begun |= step > 0,
            EngineEvent::Reading { share, .. } => readings.push((has_begun, share)),
            EngineEvent::Painted { image, .. } => painted = Some(image),
            EngineEvent::Finished {
                job: done,
                outcome: JobOutcome::Painted,
            } if done == job => return (painted.unwrap(), readings),
            EngineEvent::Stopped { reason, .. } => panic!("{reason:?}"),
            _ => {}
        }
    }
}

/// What controls a picture is gone while it is decoded, and read again for the next one.
#[test]
fn controls_are_read_for_each_picture_where_memory_is_saved() {
    let factory = studio::factory(ComputeDevice::cpu());
    let mut engine = EngineHandle::spawn(factory, Arc::new(|| {})).unwrap();
    let network = Path::new("tests/data/reference/control/control_canny");
    let shown = RgbaImage::from_fn(48, 32, |x, _| Rgba([if x < 20 { 0 } else { 255 }; 4]));
    let spec = GenerateSpec {
        model: ModelSource::Folder(folder()),
        prompt: "a red house".to_owned(),
        steps: 2,
        seed: 7,
        width_px: 48,
        height_px: 32,
        controls: vec![ControlSpec {
            picture: Some(ImageInput(Arc::new(shown))),
            ..ControlSpec::at(network)
        }],
        ..GenerateSpec::default()
    };
    let (wanted, _) = paint(&mut engine, &spec);
    engine.save_memory(true);
    let batch = GenerateSpec {
        seed: 6,
        batch: 2,
        ..spec
    };
    // The second of them.
    let (found, readings) = paint(&mut engine, &batch);
    assert!(found.image == wanted.image);
    assert_eq!(found.spec.controls[0].hash, wanted.spec.controls[0].hash);
    assert!(!found.spec.controls[0].hash.is_empty());
    // The decoder's turn is told of after steps are done.
    assert!(readings.iter().any(|(has_begun, _)| *has_begun));
    engine.close();
}
