//! Pictures that a model of super-resolution paints larger: in windows and bands, with what
//! is transparent, told of and ended.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "support/lockstep.rs"]
mod lockstep;
#[path = "support/real_engine.rs"]
mod real_engine;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use image::{Rgba, RgbaImage};
use lockstep::Lockstep;
use real_engine::{end, engine};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, EnlargedImage, JobOutcome, StopReason};
use velatura::engine::{EngineHandle, studio};
use velatura::model::tiny::KINDS;
use velatura::model::{ModelFolder, WeightDtype};
use velatura::recipe::{
    Enlarger, GenerateSpec, ImageInput, ModelSource, SuperResolution, UpscaleSpec, WindowChoice,
    read_recipe,
};

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

fn enlarged(engine: &mut EngineHandle, spec: UpscaleSpec) -> Vec<Arc<RgbaImage>> {
    let pictures = with_recipes(engine, spec).into_iter();
    pictures.map(|it| it.image).collect()
}

fn with_recipes(engine: &mut EngineHandle, spec: UpscaleSpec) -> Vec<EnlargedImage> {
    let job = engine.upscale(spec);
    match end(engine, job).ended {
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
    let job = engine.generate(GenerateSpec {
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
    let painted = end(&mut engine, job).pictures().unwrap();
    assert_eq!(*ours[0], *painted[0].image);
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
    let job = engine.upscale(spec(&model, &pictures, 1));
    let told = end(&mut engine, job);
    let Ok(JobOutcome::Enlarged(large)) = told.ended else {
        panic!("{:?}", told.ended);
    };
    for (large, small) in large.iter().zip(&pictures) {
        let (width, height) = small.dimensions();
        let large = &large.image;
        assert_eq!(large.dimensions(), (4 * width, 4 * height));
        assert!(large.pixels().all(|pixel| pixel[3] == 255));
    }
    let steps = told.progress;
    let (last, total) = *steps.last().unwrap();
    // Three steps each, one band, and three bands of 130 rows of latents.
    assert_eq!((last, total), (10, 10));
    assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    engine.close();
}

/// What a larger picture says of itself paints it again, in windows too.
#[test]
fn a_larger_picture_knows_how_it_was_painted() {
    let folder = tempfile::tempdir().unwrap();
    let model = larger(folder.path());
    let mut engine = engine();
    let mut clear = slopes(20, 16);
    clear.put_pixel(3, 3, Rgba([0; 4]));
    let large = with_recipes(&mut engine, spec(&model, &[slopes(40, 15), clear], 8));
    for (index, EnlargedImage { image, by }) in large.into_iter().enumerate() {
        let by = by.unwrap();
        assert_eq!(by.model_hash.len(), 10);
        assert_eq!((by.spec.seed, by.spec.steps), (8 + index as u64, 3));
        assert!(by.spec.sampler.is_some());
        let job = engine.generate(*by.spec);
        let again = end(&mut engine, job).pictures().unwrap().remove(0).image;
        let pairs = image.pixels().zip(again.pixels());
        for (ours, again) in pairs.filter(|(ours, _)| ours[3] == 255) {
            assert_eq!(ours, again);
        }
    }
    engine.close();
}

/// From picture to picture on the command line: how the small one was painted is kept
/// inside, and what was painted of it is painted again by its recipe.
#[test]
fn the_file_of_a_larger_picture_keeps_both_recipes() {
    let home = tempfile::tempdir().unwrap();
    let path = |model: ModelSource| match model {
        ModelSource::Folder(path) => path.to_string_lossy().into_owned(),
        other => panic!("{other:?}"),
    };
    let large_model = path(larger(home.path()));
    let small_model = path(tiny(home.path(), "latent-diffusion-unconditional"));
    let velatura = |options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_velatura"))
            .args(options)
            .current_dir(home.path())
            .env("VELATURA_MODELS", home.path().join("models"))
            .env("VELATURA_PICTURES", home.path().join("pictures"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
    };
    let small = ["--model", &small_model, "--steps", "2", "--seed", "11"];
    let size = ["--width", "16", "--height", "16", "--output", "small.png"];
    velatura(&[&["generate"][..], &small[..], &size[..]].concat());
    let by = ["--model", &large_model, "--steps", "3", "--seed", "4"];
    let files = ["upscale", "small.png", "--output", "large.png"];
    velatura(&[&files[..], &by[..]].concat());
    let recipe = read_recipe(&home.path().join("large.png"))
        .unwrap()
        .unwrap();
    assert_eq!((recipe.spec.seed, recipe.spec.steps), (4, 3));
    assert_eq!([recipe.spec.width_px, recipe.spec.height_px], [64, 64]);
    assert!(recipe.spec.low_resolution.is_some());
    assert_eq!(recipe.unread, [] as [&str; 0]);
    let source = recipe.source.unwrap();
    assert_eq!((source.spec.seed, source.spec.steps), (11, 2));
    assert_ne!(source.model_hash, recipe.model_hash);

    let again = ["generate", "--recipe", "large.png", "--output", "again.png"];
    velatura(&[&again[..], &["--model", &large_model]].concat());
    let pixels = |name: &str| image::open(home.path().join(name)).unwrap().to_rgb8();
    assert_eq!(pixels("again.png"), pixels("large.png"));
}

/// A decoder that answers with no numbers is told as one, at no step.
#[test]
fn latents_that_decode_to_no_numbers_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = larger(folder.path());
    let ModelSource::Folder(path) = &model else {
        panic!("{model:?}");
    };
    let opened = ModelFolder::open(path).unwrap();
    let copy = folder.path().join("copy");
    let manifest = opened.manifest();
    opened.copy_to(&copy, WeightDtype::F32, &manifest).unwrap();
    spoil_decoder(&copy);
    let mut engine = engine();
    let job = engine.upscale(spec(&ModelSource::Folder(copy), &[slopes(12, 12)], 1));
    let error = end(&mut engine, job).complaint();
    assert!(error.contains("decode to numbers"), "{error}");
    engine.close();
}

/// Has the decoder of a folder end in numbers that are none.
fn spoil_decoder(folder: &Path) {
    let files = walkdir::WalkDir::new(folder).into_iter();
    let files = files.map(|entry| entry.unwrap().into_path());
    let mut spoilt = 0;
    for path in files.filter(|path| path.extension().is_some_and(|it| it == "safetensors")) {
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter();
        let tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
            .map(|(name, view)| {
                let mut data = view.data().to_vec();
                if name.ends_with("decoder.conv_out.bias") {
                    spoilt += 1;
                    data[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
                }
                (name, view.dtype(), view.shape().to_vec(), data)
            })
            .collect();
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            let view = TensorView::new(*dtype, shape.clone(), data).unwrap();
            (name.as_str(), view)
        });
        safetensors::serialize_to_file(views, None, &path).unwrap();
    }
    assert_eq!(spoilt, 1);
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
