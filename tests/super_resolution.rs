//! Pictures that a model of super-resolution paints larger: in windows and bands, with what
//! is transparent, told of and ended.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "support/lockstep.rs"]
mod lockstep;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use image::{Rgba, RgbaImage};
use lockstep::Lockstep;
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, JobOutcome, PaintedImage, StopReason};
use velatura::engine::{EngineHandle, studio};
use velatura::model::tiny::KINDS;
use velatura::recipe::{
    Enlarger, GenerateSpec, ImageInput, ModelSource, SuperResolution, UpscaleSpec, WindowChoice,
};

const PATIENCE: Duration = Duration::from_secs(600);

fn tiny(folder: &Path, id: &str) -> ModelSource {
    let kind = KINDS.iter().find(|kind| kind.id == id).unwrap();
    ModelSource::Folder(kind.write(&folder.join(id)).unwrap())
}

fn larger(folder: &Path) -> ModelSource {
    tiny(folder, "latent-diffusion-super-resolution")
}

fn slopes(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        Rgba([
            (x * 255 / width) as u8,
            (y * 255 / height) as u8,
            if (x / 5 + y / 7) % 2 == 0 { 90 } else { 160 },
            255,
        ])
    })
}

fn spec(model: &ModelSource, pictures: &[RgbaImage], seed: u64) -> UpscaleSpec {
    UpscaleSpec {
        pictures: pictures
            .iter()
            .map(|picture| ImageInput(Arc::new(picture.clone())))
            .collect(),
        by: Enlarger::Model(SuperResolution {
            model: model.clone(),
            factor: 4,
            steps: Some(3),
            seed,
        }),
    }
}

fn engine() -> EngineHandle {
    let factory = studio::factory(ComputeDevice::cpu());
    EngineHandle::spawn(factory, Arc::new(|| {})).unwrap()
}

/// What a job told until it ended.
struct Told {
    steps: Vec<(u32, u32)>,
    painted: Option<PaintedImage>,
    ended: Result<JobOutcome, StopReason>,
}

fn end(engine: &mut EngineHandle) -> Told {
    let (mut steps, mut painted) = (Vec::new(), None);
    let ended = loop {
        match engine.wait(PATIENCE).unwrap() {
            EngineEvent::Progress { step, total, .. } => steps.push((step, total)),
            EngineEvent::Painted { image, .. } => painted = Some(image),
            EngineEvent::Finished { outcome, .. } => break Ok(outcome),
            EngineEvent::Stopped { reason, .. } => break Err(reason),
            _ => {}
        }
    };
    Told {
        steps,
        painted,
        ended,
    }
}

fn enlarged(engine: &mut EngineHandle, spec: UpscaleSpec) -> Vec<Arc<RgbaImage>> {
    engine.upscale(spec);
    match end(engine).ended {
        Ok(JobOutcome::Enlarged(pictures)) => pictures,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_small_picture_becomes_what_generate_paints_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = larger(folder.path());
    let mut engine = engine();
    let small = slopes(15, 12);
    let ours = enlarged(&mut engine, spec(&model, std::slice::from_ref(&small), 5));
    assert_eq!(ours[0].dimensions(), (60, 48));
    engine.generate(GenerateSpec {
        model: model.clone(),
        steps: 3,
        guidance_scale: 1.0,
        seed: 5,
        width_px: 60,
        height_px: 48,
        windows: WindowChoice::Off,
        low_resolution: Some(ImageInput(Arc::new(small.clone()))),
        ..GenerateSpec::default()
    });
    let told = end(&mut engine);
    told.ended.unwrap();
    assert_eq!(*ours[0], *told.painted.unwrap().image);
    // The noise is the seed's, and what comes of it too.
    let again = enlarged(&mut engine, spec(&model, std::slice::from_ref(&small), 5));
    assert_eq!(ours, again);
    assert_ne!(ours, enlarged(&mut engine, spec(&model, &[small], 6)));
    engine.close();
}

#[test]
fn pictures_of_any_size_are_told_of_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let model = larger(folder.path());
    let mut engine = engine();
    let pictures = [slopes(1, 1), slopes(90, 130)];
    engine.upscale(spec(&model, &pictures, 1));
    let Told { steps, ended, .. } = end(&mut engine);
    let Ok(JobOutcome::Enlarged(large)) = ended else {
        panic!("{ended:?}");
    };
    for (large, small) in large.iter().zip(&pictures) {
        let (width, height) = small.dimensions();
        assert_eq!(large.dimensions(), (4 * width, 4 * height));
        assert!(large.pixels().all(|pixel| pixel[3] == 255));
    }
    let (last, total) = *steps.last().unwrap();
    // Three steps each, one band, and three bands of 130 rows of latents.
    assert_eq!((last, total), (10, 10));
    assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    engine.close();
}

#[test]
fn what_is_transparent_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let model = larger(folder.path());
    let mut engine = engine();
    let mut small = slopes(24, 16);
    for (x, _, pixel) in small.enumerate_pixels_mut() {
        if x >= 12 {
            *pixel = Rgba([0; 4]);
        }
    }
    let large = enlarged(&mut engine, spec(&model, &[small], 2));
    assert_eq!(large[0].get_pixel(10, 30)[3], 255);
    assert_eq!(large[0].get_pixel(90, 30), &Rgba([0; 4]));
    let edge: Vec<u8> = (44..52).map(|x| large[0].get_pixel(x, 30)[3]).collect();
    assert!(edge.windows(2).all(|pair| pair[0] >= pair[1]), "{edge:?}");
    engine.close();
}

#[test]
fn a_model_that_makes_nothing_larger_is_refused_and_a_job_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let other = tiny(folder.path(), "latent-diffusion-unconditional");
    let mut lockstep = Lockstep::start(studio::factory(ComputeDevice::cpu()));
    lockstep.engine.upscale(spec(&other, &[slopes(8, 8)], 1));
    let reason = loop {
        match lockstep.wait() {
            EngineEvent::Stopped { reason, .. } => break reason,
            EngineEvent::Finished { outcome, .. } => panic!("{outcome:?}"),
            _ => {}
        }
    };
    let StopReason::Failed(error) = reason else {
        panic!("{reason:?}");
    };
    assert!(error.to_string().contains("super-resolution"), "{error}");

    let model = larger(folder.path());
    let job = lockstep.engine.upscale(spec(&model, &[slopes(64, 64)], 1));
    let mut steps = 0;
    let reason = loop {
        match lockstep.wait() {
            EngineEvent::Progress { .. } => {
                steps += 1;
                lockstep.engine.cancel(job);
            }
            EngineEvent::Stopped { reason, .. } => break reason,
            EngineEvent::Finished { outcome, .. } => panic!("it ran to its end: {outcome:?}"),
            _ => {}
        }
    };
    assert_eq!((reason, steps), (StopReason::Cancelled, 1));
}
