//! The real engine on tiny models: every way of painting, live frames, cancel,
//! batches, training, and what it says of models that cannot be used.

#[path = "support/lockstep.rs"]
mod lockstep;
#[path = "support/real_engine.rs"]
mod real_engine;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{GrayImage, Luma, Rgba, RgbaImage};
use lockstep::Lockstep;
use real_engine::{PATIENCE, end, engine};
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineError, EngineEvent, JobOutcome, PaintedImage, StopReason};
use velatura::engine::{EngineHandle, SamplerChoice, studio};
use velatura::recipe::{
    GenerateSpec, ImageInput, LayoutBox, LayoutInput, MaskInput, ModelSource, NamedFile, Palette,
    PaletteClass, SamplerId, Schedule, SemanticInput,
};

fn model(name: &str) -> PathBuf {
    Path::new("tests/data/reference").join(name)
}

fn spec(name: &str) -> GenerateSpec {
    GenerateSpec {
        model: ModelSource::Folder(model(name)),
        prompt: "a small red house".to_owned(),
        steps: 4,
        guidance_scale: 5.0,
        seed: 7,
        width_px: 40,
        height_px: 32,
        ..GenerateSpec::default()
    }
}

fn paint(engine: &mut EngineHandle, spec: GenerateSpec) -> Vec<PaintedImage> {
    let job = engine.generate(spec);
    let told = end(engine, job);
    match told.ended {
        Ok(JobOutcome::Painted) => told.images,
        other => panic!("no pictures: {other:?}"),
    }
}

fn complaint(engine: &mut EngineHandle, spec: GenerateSpec) -> String {
    let job = engine.generate(spec);
    end(engine, job).complaint()
}

fn picture(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        Rgba([(6 * x) as u8, (8 * y) as u8, (x * y) as u8, 255])
    })
}

#[test]
fn every_sampler_shows_every_step() {
    let mut engine = engine();
    for choice in SamplerChoice::all() {
        let sampler = SamplerId::new(choice.id);
        let asked = GenerateSpec {
            sampler: Some(sampler.clone()),
            ..spec("sd1-tiny")
        };
        let images = paint(&mut engine, asked);
        let steps: Vec<u32> = engine
            .drain_frames()
            .iter()
            .map(|frame| frame.step)
            .collect();
        assert_eq!(steps, [1, 2, 3, 4], "{sampler:?}");
        assert_eq!(images[0].image.dimensions(), (40, 32));
        assert_eq!(images[0].spec.sampler, Some(sampler));
    }
}

#[test]
fn an_unknown_sampler_is_told_with_those_that_there_are() {
    let mut engine = engine();
    let text = complaint(
        &mut engine,
        GenerateSpec {
            sampler: Some(SamplerId::new("unheard-of")),
            ..spec("sd1-tiny")
        },
    );
    assert!(
        text.contains("unheard-of") && text.contains("euler-a"),
        "{text}"
    );
}

#[test]
fn the_same_seed_paints_the_same_and_a_batch_counts_on() {
    let mut engine = engine();
    let batch = paint(
        &mut engine,
        GenerateSpec {
            batch: 3,
            ..spec("sd2-tiny")
        },
    );
    let seeds: Vec<u64> = batch.iter().map(|painted| painted.spec.seed).collect();
    assert_eq!(seeds, [7, 8, 9]);
    let single = paint(
        &mut engine,
        GenerateSpec {
            seed: 8,
            ..spec("sd2-tiny")
        },
    );
    assert_eq!(single[0].image, batch[1].image);
    assert_eq!(single[0].latents, batch[1].latents);
    assert_ne!(batch[0].image, batch[1].image);
    let other = paint(
        &mut engine,
        GenerateSpec {
            prompt: "two boats".into(),
            ..spec("sd2-tiny")
        },
    );
    assert_ne!(other[0].image, batch[0].image, "the prompt is listened to");
}

#[test]
fn inpainting_leaves_the_rest_bit_identical() {
    let mut engine = engine();
    // 41 × 30 is no multiple of the autoencoder's factor.
    let original = picture(41, 30);
    let mask = GrayImage::from_fn(41, 30, |x, y| {
        Luma([if (10..25).contains(&x) && (8..20).contains(&y) {
            255
        } else {
            0
        }])
    });
    for name in ["inpaint-tiny", "sd1-tiny"] {
        let asked = GenerateSpec {
            width_px: 41,
            height_px: 30,
            init: Some(ImageInput(Arc::new(original.clone()))),
            mask: Some(MaskInput(Arc::new(mask.clone()))),
            feather_px: 2.0,
            ..spec(name)
        };
        let painted = paint(&mut engine, asked).remove(0);
        let mut changed = 0;
        for (x, y, pixel) in painted.image.enumerate_pixels() {
            if mask.get_pixel(x, y).0[0] == 0 {
                assert_eq!(pixel, original.get_pixel(x, y), "{name} at {x}, {y}");
            } else {
                changed += usize::from(pixel != original.get_pixel(x, y));
            }
        }
        assert!(changed > 100, "{name} changed {changed} pixels");
    }
}

#[test]
fn strength_decides_how_many_steps_are_left() {
    let mut engine = engine();
    let asked = |strength| GenerateSpec {
        strength,
        init: Some(ImageInput(Arc::new(picture(40, 32)))),
        steps: 10,
        ..spec("sd1-tiny")
    };
    for (strength, steps) in [(0.3, 3), (0.7, 7), (1.0, 10)] {
        paint(&mut engine, asked(strength));
        assert_eq!(engine.drain_frames().len(), steps, "at {strength}");
    }
    let text = complaint(&mut engine, asked(0.05));
    assert!(text.contains("strength"), "{text}");
}

#[test]
fn the_recipe_records_what_was_done_and_the_rest_is_told() {
    let mut engine = engine();
    let asked = GenerateSpec {
        sampler: Some(SamplerId::new("euler-a")),
        schedule: Some(Schedule::Karras),
        eta: 0.5,
        prompt: "a small red house ".repeat(400),
        ..spec("sd1-tiny")
    };
    let job = engine.generate(asked);
    let told = end(&mut engine, job);
    let (done, told) = (&told.images[0].spec, &told.warnings);
    assert_eq!((done.schedule, done.eta), (Some(Schedule::Uniform), 0.0));
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("Karras") && told[1].contains("eta"),
        "{told:?}"
    );
    assert!(
        told[2].contains("left out is \u{201c}") && told[2].contains("house"),
        "{told:?}"
    );
}

#[test]
fn schedulers_that_are_not_here_are_told() {
    let scratch = tempfile::tempdir().expect("a folder");
    let changed = scratch.path().join("model");
    copy(&model("sd2-tiny"), &changed);
    let file = changed.join("scheduler/scheduler_config.json");
    let write = |class: &str| {
        let json = format!(r#"{{"_class_name": "{class}", "prediction_type": "v_prediction"}}"#);
        std::fs::write(&file, json).expect("a file");
    };
    let asked = GenerateSpec {
        model: ModelSource::Folder(changed.clone()),
        ..spec("")
    };
    write("SASolverScheduler");
    let mut first = engine();
    let job = first.generate(asked.clone());
    let told = end(&mut first, job);
    let warning = &told.warnings[0];
    assert!(warning.contains("SASolverScheduler"), "{warning}");
    assert_eq!(told.images[0].spec.sampler, Some(SamplerId::new("euler")));
    // Told once for a model, not for each picture of it.
    let job = first.generate(asked.clone());
    assert_eq!(end(&mut first, job).warnings, [] as [&str; 0]);

    write("FlowMatchEulerDiscreteScheduler");
    let text = complaint(&mut engine(), asked.clone());
    assert!(text.contains("flow matching"), "{text}");

    std::fs::remove_file(&file).expect("it was there");
    let mut third = engine();
    let job = third.generate(asked);
    let warning = &end(&mut third, job).warnings[0];
    assert!(warning.contains("no scheduler_config.json"), "{warning}");
}

#[test]
fn cancel_is_heard_within_a_step() {
    let mut lockstep = Lockstep::start(studio::factory(ComputeDevice::cpu()));
    let job = lockstep.engine.generate(GenerateSpec {
        steps: 1000,
        ..spec("sd1-tiny")
    });
    while !matches!(lockstep.wait(), EngineEvent::Progress { .. }) {}
    lockstep.engine.cancel(job);
    let mut steps = 0;
    let reason = loop {
        match lockstep.wait() {
            EngineEvent::Progress { .. } => steps += 1,
            EngineEvent::Stopped { reason, .. } => break reason,
            EngineEvent::Finished { outcome, .. } => panic!("it ran to its end: {outcome:?}"),
            _ => {}
        }
    };
    assert_eq!((reason, steps), (StopReason::Cancelled, 0));
    // The engine is as good as new.
    lockstep.engine.generate(spec("sd1-tiny"));
    let mut painted = 0;
    loop {
        match lockstep.wait() {
            EngineEvent::Painted { .. } => painted += 1,
            EngineEvent::Finished { .. } => break,
            EngineEvent::Stopped { reason, .. } => panic!("{reason:?}"),
            _ => {}
        }
    }
    assert_eq!(painted, 1);
}

#[test]
fn a_batch_that_is_cancelled_keeps_what_is_finished() {
    let mut lockstep = Lockstep::start(studio::factory(ComputeDevice::cpu()));
    let job = lockstep.engine.generate(GenerateSpec {
        batch: 64,
        ..spec("sd1-tiny")
    });
    let mut seeds = Vec::new();
    let reason = loop {
        match lockstep.wait() {
            EngineEvent::Painted { image, .. } => {
                seeds.push(image.spec.seed);
                if seeds.len() == 2 {
                    lockstep.engine.cancel(job);
                }
            }
            EngineEvent::Stopped { reason, .. } => break reason,
            EngineEvent::Finished { outcome, .. } => panic!("it ran to its end: {outcome:?}"),
            _ => {}
        }
    };
    assert_eq!((reason, seeds), (StopReason::Cancelled, vec![7, 8]));
}

#[test]
fn models_that_cannot_be_used_are_told_in_a_sentence() {
    let mut engine = engine();
    let scratch = tempfile::tempdir().expect("a folder");
    let broken = scratch.path().join("broken");
    copy(&model("sd1-tiny"), &broken);
    let weights = broken.join("unet/diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(&weights).expect("weights");
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).expect("a file");

    let at = |path: &Path| GenerateSpec {
        model: ModelSource::Folder(path.to_path_buf()),
        ..spec("")
    };
    for (path, word) in [
        (scratch.path().join("nowhere"), "nowhere"),
        (scratch.path().to_path_buf(), "model"),
        (broken, "diffusion_pytorch_model.safetensors"),
    ] {
        let text = complaint(&mut engine, at(&path));
        assert!(text.contains(word) && !text.contains('\n'), "{text}");
    }
    let text = complaint(
        &mut engine,
        GenerateSpec {
            width_px: 100_000,
            ..spec("sd1-tiny")
        },
    );
    assert!(text.contains("100000"), "{text}");
    let text = complaint(
        &mut engine,
        GenerateSpec {
            mask: Some(MaskInput(Arc::new(GrayImage::new(40, 32)))),
            ..spec("sd1-tiny")
        },
    );
    assert!(text.contains("mask"), "{text}");
}

#[test]
fn a_loaded_model_tells_what_it_is() {
    let mut engine = engine();
    let job = engine.load_model(ModelSource::Folder(model("inpaint-tiny")), None);
    let Ok(JobOutcome::ModelLoaded(summary)) = end(&mut engine, job).ended else {
        panic!("the model does not load");
    };
    assert!(summary.takes_mask() && summary.takes_text());
    assert_eq!(summary.default_sampler, SamplerId::new("euler"));
    assert!(summary.parameters > 10_000);
    let job = engine.load_model(ModelSource::Folder("/nowhere".into()), None);
    assert!(matches!(
        end(&mut engine, job).ended,
        Err(StopReason::Failed(EngineError::Model(_)))
    ));
}

/// A model without its first stage waits for one, and paints with that.
#[test]
fn a_model_without_a_first_stage_takes_the_one_that_is_chosen() {
    let mut engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let bare = folder.path().join("bare");
    copy(&model("sd1-tiny"), &bare);
    std::fs::remove_dir_all(bare.join("vae")).expect("a part");
    let source = ModelSource::Folder(bare);
    let job = engine.load_model(source.clone(), None);
    let Err(StopReason::Failed(EngineError::NoFirstStage(text))) = end(&mut engine, job).ended
    else {
        panic!("it opens without a first stage");
    };
    assert!(
        text.contains("no autoencoder") && text.contains("--vae"),
        "{text}"
    );
    let vae = Some(NamedFile::at(model("sd1-tiny").join("vae")));
    let job = engine.load_model(source.clone(), vae.clone());
    assert!(end(&mut engine, job).ended.is_ok());
    let whole = paint(&mut engine, spec("sd1-tiny"));
    let completed = GenerateSpec {
        model: source,
        vae,
        ..spec("sd1-tiny")
    };
    let painted = paint(&mut engine, completed.clone());
    assert!(painted[0].image == whole[0].image, "another picture");
    // What was chosen once is not kept for those who choose none.
    let text = complaint(
        &mut engine,
        GenerateSpec {
            vae: None,
            ..completed
        },
    );
    assert!(text.contains("no autoencoder"), "{text}");
}

/// Once the folder was looked up by its name only, and the first model painted.
#[test]
fn a_model_that_was_exchanged_on_disk_is_read_again() {
    let mut engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("model");
    copy(&model("sd1-tiny"), &place);
    let loaded = |engine: &mut EngineHandle| {
        let job = engine.load_model(ModelSource::Folder(place.clone()), None);
        match end(engine, job).ended {
            Ok(JobOutcome::ModelLoaded(summary)) => summary,
            other => panic!("the model does not load: {other:?}"),
        }
    };
    assert!(!loaded(&mut engine).takes_mask());
    std::fs::remove_dir_all(folder.path().join("model")).expect("removed");
    copy(&model("inpaint-tiny"), &folder.path().join("model"));
    assert!(loaded(&mut engine).takes_mask());
}

/// `sha256sum tests/data/reference/sd1-tiny/unet/diffusion_pytorch_model.safetensors`
#[test]
fn pictures_name_the_weights_that_painted_them() {
    let mut engine = engine();
    let painted = paint(&mut engine, spec("sd1-tiny"));
    assert_eq!(painted[0].model_hash, "97c0f29cd3");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Paints Storybook's picture of a box and tells the run something after its first
/// step.
fn retold(
    engine: &mut EngineHandle,
    told: Option<&GenerateSpec>,
    spec: &GenerateSpec,
) -> PaintedImage {
    let job = engine.generate(spec.clone());
    loop {
        match engine.wait(PATIENCE).expect("an event in time") {
            EngineEvent::Progress { step: 1, .. } => {
                if let Some(told) = told {
                    engine.tell(job, told.clone());
                }
            }
            EngineEvent::Warning { message, .. } => panic!("{message}"),
            EngineEvent::Painted { image, .. } => {
                end(engine, job).ended.expect("it ends well");
                return image;
            }
            EngineEvent::Stopped { reason, .. } => panic!("{reason:?}"),
            _ => {}
        }
    }
}

#[test]
fn a_run_follows_what_it_is_told_and_goes_on_unmoved_when_told_the_same() {
    let mut engine = engine();
    let spec = |left: f32| GenerateSpec {
        prompt: "at sunset, 3d style".to_owned(),
        steps: 12,
        guidance_scale: 4.0,
        seed: 5,
        width_px: 128,
        height_px: 128,
        layout: Some(LayoutInput(Arc::new([LayoutBox {
            class: "bus".to_owned(),
            rect: [left, 60.0, 50.0, 40.0],
            colour: Some("yellow".to_owned()),
        }]))),
        semantic: Some(SemanticInput {
            map: Arc::new(GrayImage::from_fn(128, 128, |_, y| {
                Luma([if y < 64 { 1 } else { 7 }])
            })),
            palette: Palette {
                name: "Two".to_owned(),
                classes: [(1, "sky"), (7, "grass")]
                    .map(|(index, name)| PaletteClass {
                        index,
                        name: name.to_owned(),
                        color: [index; 3],
                    })
                    .to_vec(),
            },
        }),
        ..GenerateSpec::default()
    };
    let alone = retold(&mut engine, None, &spec(4.0));
    let same = retold(&mut engine, Some(&spec(4.0)), &spec(4.0));
    assert_eq!(alone.latents, same.latents);
    assert_eq!(alone.image, same.image);
    assert!(!same.spec.was_retold);

    let followed = retold(&mut engine, Some(&spec(70.0)), &spec(4.0));
    assert_ne!(alone.latents, followed.latents);
    assert!(followed.spec.was_retold);
    assert_eq!(followed.spec.layout, spec(70.0).layout);
    // Nothing to be told of is heeded too.
    let words = GenerateSpec {
        layout: None,
        semantic: None,
        ..spec(4.0)
    };
    let freed = retold(&mut engine, Some(&words), &spec(4.0));
    assert_ne!(alone.latents, freed.latents);
    assert_ne!(followed.latents, freed.latents);
    assert!(freed.spec.layout.is_none() && freed.spec.semantic.is_none());
}

/// How far two pictures are from each other, in mean steps of 255.
fn apart(one: &RgbaImage, other: &RgbaImage) -> f64 {
    let pairs = one.as_raw().iter().zip(other.as_raw());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.as_raw().len() as f64
}

#[test]
fn a_batch_of_variations_stays_beside_the_picture_of_the_seed() {
    let mut engine = engine();
    let plain = GenerateSpec {
        // Where nothing is varied it says nothing.
        variation_seed: 5,
        ..spec("sd1-tiny")
    };
    let base = paint(&mut engine, plain.clone()).remove(0);
    assert_eq!(base.spec.variation_seed, 0);
    let other = GenerateSpec {
        seed: 8,
        ..plain.clone()
    };
    let other = paint(&mut engine, other).remove(0);
    let varied = GenerateSpec {
        variation_strength: 0.2,
        variation_seed: 70,
        batch: 2,
        ..plain.clone()
    };
    let varied = paint(&mut engine, varied);
    let far = apart(&base.image, &other.image);
    for (image, towards) in varied.iter().zip([70, 71]) {
        let told = (image.spec.seed, image.spec.variation_seed);
        assert_eq!(told, (7, towards));
        let near = apart(&base.image, &image.image);
        assert!(near > 0.0 && near < far / 2.0, "{near}, {far}");
    }
    assert_ne!(varied[0].image, varied[1].image);
    // All the way it is the picture of the other seed.
    let whole = GenerateSpec {
        variation_strength: 1.0,
        variation_seed: 8,
        ..plain
    };
    let whole = paint(&mut engine, whole).remove(0);
    assert!(apart(&whole.image, &other.image) < 0.01);
}
