//! Pictures that are made larger and painted over once more, with the real engine.

#[path = "support/real_engine.rs"]
mod real_engine;

use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, Luma, Rgba, RgbaImage};
use real_engine::{PATIENCE, Told, end, engine};
use velatura::engine::EngineHandle;
use velatura::engine::protocol::{Ending, EngineEvent, JobId, JobOutcome, PaintedImage, StepId};
use velatura::geometry::CanvasRect;
use velatura::recipe::param::{SECOND_STEPS, SECOND_STRENGTH};
use velatura::recipe::{
    Enlarger, Finish, FoundRecipe, FrameSpec, Framing, GenerateSpec, ImageInput, MaskInput,
    ModelSource, PaintedRecipe, SamplerId, UpscaleSpec, read_infotext, scale_picture,
    write_infotext,
};

fn spec() -> GenerateSpec {
    GenerateSpec {
        model: ModelSource::Folder(Path::new("tests/data/reference/sd1-tiny").into()),
        prompt: "a small red house".to_owned(),
        steps: 6,
        guidance_scale: 5.0,
        seed: 7,
        width_px: 40,
        height_px: 32,
        sampler: Some(SamplerId::new("euler-a")),
        finish: Some(Finish::X2),
        second_strength: 0.5,
        ..GenerateSpec::default()
    }
}

fn paint(engine: &mut EngineHandle, spec: GenerateSpec) -> (JobId, Told) {
    let job = engine.generate(spec);
    let told = end(engine, job);
    assert_eq!(told.warnings, [] as [&str; 0]);
    assert!(told.ended.is_ok(), "{:?}", told.ended);
    (job, told)
}

fn painted(engine: &mut EngineHandle, spec: GenerateSpec) -> PaintedImage {
    paint(engine, spec).1.images.remove(0)
}

fn enlarged(engine: &mut EngineHandle, picture: Arc<RgbaImage>) -> Arc<RgbaImage> {
    let job = engine.upscale(UpscaleSpec {
        pictures: vec![ImageInput(picture)],
        by: Enlarger::Network,
    });
    match end(engine, job).outcome().expect("a picture") {
        JobOutcome::Enlarged(mut pictures) => pictures.remove(0).image,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_passes_are_painting_enlarging_and_painting_over_by_hand() {
    let mut engine = engine();
    for (finish, size_px) in [
        (Finish::X1_5, [56, 48]),
        (Finish::X2, [80, 64]),
        (Finish::X4, [160, 128]),
    ] {
        let spec = GenerateSpec {
            finish: Some(finish),
            ..spec()
        };
        let at_once = painted(&mut engine, spec.clone());
        assert_eq!(at_once.image.dimensions(), size_px.into());

        let first = painted(
            &mut engine,
            GenerateSpec {
                finish: None,
                ..spec.clone()
            },
        );
        assert_eq!(first.spec.second_strength, 0.0, "it has no second pass");
        let large = enlarged(&mut engine, first.image);
        let larger = scale_picture(&large, size_px[0], size_px[1]);
        let by_hand = painted(
            &mut engine,
            GenerateSpec {
                width_px: size_px[0],
                height_px: size_px[1],
                init: Some(ImageInput(Arc::new(larger))),
                strength: 0.5,
                finish: None,
                second_strength: 0.0,
                ..spec.clone()
            },
        );
        assert_eq!(at_once.latents, by_hand.latents, "{finish:?}");
        assert_eq!(at_once.image, by_hand.image);
        let recipe = &at_once.spec;
        assert_eq!([recipe.width_px, recipe.height_px], [40, 32]);
        assert_eq!((recipe.finish, recipe.second_strength), (Some(finish), 0.5));
        assert!(recipe.init.is_none() && !recipe.was_retold);
    }
}

#[test]
fn steps_are_counted_through_both_passes() {
    let mut engine = engine();
    let batch = GenerateSpec {
        batch: 2,
        second_steps: 4,
        ..spec()
    };
    let (_, told) = paint(&mut engine, batch);
    assert_eq!(told.images.len(), 2);
    let frames = engine.drain_frames();
    let steps = |index| {
        let frames = frames.iter().filter(move |frame| frame.index == index);
        frames
            .map(|frame| (frame.step, frame.total))
            .collect::<Vec<_>>()
    };
    let wanted: Vec<(u32, u32)> = (1..=10).map(|step| (step, 10)).collect();
    assert_eq!((steps(0), steps(1)), (wanted.clone(), wanted));
    let sizes = frames.iter().map(|frame| frame.image.width());
    let sizes: Vec<u32> = sizes.take(10).collect();
    assert_eq!(sizes, [[40; 6].as_slice(), &[80; 4]].concat());
    // A tile between them.
    let wanted: Vec<(u32, u32)> = (1..=22).map(|step| (step, 22)).collect();
    assert_eq!(told.progress, wanted);
}

#[test]
fn recipes_paint_it_again() {
    let mut engine = engine();
    let wanted = painted(
        &mut engine,
        GenerateSpec {
            second_steps: 4,
            ..spec()
        },
    );
    let recipe = PaintedRecipe::new(*wanted.spec.clone(), "tiny", "0123456789");
    let json = FoundRecipe::from_json(&recipe.to_json().unwrap()).unwrap();
    let text = write_infotext(&recipe);
    assert!(
        text.contains("Hires upscale: 2, Hires upscaler: realesr-animevideov3"),
        "{text}"
    );
    assert!(
        text.contains("Denoising strength: 0.5, Hires steps: 4"),
        "{text}"
    );
    let infotext = read_infotext(&text).unwrap();
    assert!(infotext.unread.is_empty() && !infotext.used_picture);
    for found in [json, infotext] {
        assert!(found.tells(&SECOND_STRENGTH) && found.tells(&SECOND_STEPS));
        let mut again = GenerateSpec {
            model: spec().model,
            ..GenerateSpec::default()
        };
        found.restore_into(&mut again);
        assert_eq!(again.strength, 1.0);
        assert_eq!(painted(&mut engine, again).image, wanted.image);
    }
}

#[test]
fn it_goes_on_from_steps_of_either_pass() {
    let mut engine = engine();
    let (job, mut told) = paint(&mut engine, spec());
    let wanted = told.images.remove(0);
    engine.drain_frames();
    for step in [3, 7] {
        let from = StepId {
            job,
            picture: 0,
            step,
        };
        let other = engine.go_on(from, Ending::Same, None);
        let same = end(&mut engine, other)
            .pictures()
            .expect("a picture")
            .remove(0);
        assert_eq!(same.image, wanted.image, "from step {step}");
        // The recipe of the second pass alone lacks the picture that it paints over.
        assert_eq!(same.spec.was_retold, step == 7);
        let frames = engine.drain_frames();
        let steps: Vec<(u32, u32)> = frames.iter().map(|it| (it.step, it.total)).collect();
        let wanted: Vec<(u32, u32)> = (step + 1..=9).map(|step| (step, 9)).collect();
        assert_eq!(steps, wanted);
    }
}

#[test]
fn a_frame_is_painted_over_and_goes_back_into_its_place() {
    let mut engine = engine();
    let part = RgbaImage::from_fn(60, 48, |x, y| Rgba([x as u8 * 4, y as u8 * 5, 90, 255]));
    let mask = GrayImage::from_fn(60, 48, |x, _| Luma([255 * u8::from(x >= 30)]));
    let framed = GenerateSpec {
        frame: Some(FrameSpec::new(
            CanvasRect::from_min_size([4, 4], [60, 48]),
            Framing::default(),
        )),
        init: Some(ImageInput(Arc::new(part.clone()))),
        mask: Some(MaskInput(Arc::new(mask))),
        strength: 1.0,
        ..spec()
    };
    let once = painted(
        &mut engine,
        GenerateSpec {
            second_strength: 0.0,
            ..framed.clone()
        },
    );
    let twice = painted(&mut engine, framed);
    assert_eq!(twice.image.dimensions(), (60, 48));
    assert_ne!(once.image, twice.image);
    let kept =
        (0..48).all(|y| (0..30).all(|x| twice.image.get_pixel(x, y) == part.get_pixel(x, y)));
    assert!(kept, "what the mask does not cover stays");
}

#[test]
fn it_follows_what_it_is_told_in_its_second_pass() {
    let mut engine = engine();
    let slow = GenerateSpec {
        second_steps: 12,
        ..spec()
    };
    let before = painted(&mut engine, slow.clone());
    let job = engine.generate(slow.clone());
    let mut is_told = false;
    let image = loop {
        match engine.wait(PATIENCE).expect("an event in time") {
            EngineEvent::Progress { step, .. } if step > 8 && !is_told => {
                is_told = true;
                let words = GenerateSpec {
                    prompt: "two boats".to_owned(),
                    ..slow.clone()
                };
                engine.tell(job, words);
            }
            EngineEvent::Painted { image, .. } => break image,
            EngineEvent::Warning { message, .. } => panic!("{message}"),
            EngineEvent::Stopped { reason, .. } => panic!("{reason:?}"),
            _ => {}
        }
    };
    assert_ne!(image.image, before.image);
    assert_eq!(image.spec.prompt, "two boats");
    assert!(image.spec.was_retold);
    assert_eq!([image.spec.width_px, image.spec.height_px], [40, 32]);
    assert_eq!(image.image.dimensions(), (80, 64));
}

#[test]
fn boxes_that_were_placed_for_the_words_lie_where_they_did() {
    let mut engine = engine();
    let words = GenerateSpec {
        prompt: "a red balloon over the hills by day".to_owned(),
        width_px: 64,
        height_px: 64,
        steps: 2,
        places_boxes: true,
        finish: Some(Finish::X2),
        second_strength: 0.5,
        ..GenerateSpec::default()
    };
    let composed = engine.compose(words.clone());
    let placed = match end(&mut engine, composed).outcome().expect("boxes") {
        JobOutcome::Composed(Some(boxes)) => boxes,
        other => panic!("{other:?}"),
    };
    let by_words = painted(&mut engine, words.clone());
    assert!(by_words.spec.places_boxes);
    let by_boxes = painted(
        &mut engine,
        GenerateSpec {
            places_boxes: false,
            layout: Some(placed),
            ..words
        },
    );
    assert_eq!(by_words.latents, by_boxes.latents);
}
