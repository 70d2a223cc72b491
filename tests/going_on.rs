//! Pictures that go on from one of their steps, with the real engine on tiny models.

#[path = "support/real_engine.rs"]
mod real_engine;

use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, Luma, Rgba, RgbaImage};
use real_engine::{end, engine};
use velatura::engine::protocol::{Ending, JobId, PaintedImage, StepId};
use velatura::engine::{EngineHandle, SamplerChoice};
use velatura::recipe::{GenerateSpec, ImageInput, MaskInput, ModelSource, SamplerId};

fn spec(sampler: &'static str) -> GenerateSpec {
    GenerateSpec {
        model: ModelSource::Folder(Path::new("tests/data/reference/sd1-tiny").into()),
        prompt: "a small red house".to_owned(),
        steps: 6,
        guidance_scale: 5.0,
        seed: 7,
        width_px: 40,
        height_px: 32,
        sampler: Some(SamplerId::new(sampler)),
        ..GenerateSpec::default()
    }
}

/// The pictures of a job, or what is said where there are none.
fn pictures(engine: &mut EngineHandle, job: JobId) -> Result<Vec<PaintedImage>, String> {
    end(engine, job).pictures()
}

fn paint(engine: &mut EngineHandle, spec: GenerateSpec) -> (JobId, Vec<PaintedImage>) {
    let job = engine.generate(spec);
    let images = pictures(engine, job).expect("pictures");
    (job, images)
}

fn step_of(job: JobId, picture: u32, step: u32) -> StepId {
    StepId { job, picture, step }
}

fn gone_on(
    engine: &mut EngineHandle,
    step: StepId,
    ending: Ending,
    told: Option<GenerateSpec>,
) -> (JobId, PaintedImage) {
    engine.drain_frames();
    let job = engine.go_on(step, ending, told);
    let mut images = pictures(engine, job).expect("a picture");
    assert_eq!(images.len(), 1);
    (job, images.remove(0))
}

#[test]
fn told_the_same_a_picture_ends_as_before_bit_for_bit() {
    let mut engine = engine();
    // One with a history, one that draws noise on its way, one with two evaluations a step.
    for sampler in ["dpmpp-2m", "euler-a", "heun"] {
        let batch = GenerateSpec {
            batch: 2,
            ..spec(sampler)
        };
        let (job, images) = paint(&mut engine, batch);
        for (picture, wanted) in (0..).zip(&images) {
            let (_, same) = gone_on(&mut engine, step_of(job, picture, 3), Ending::Same, None);
            assert_eq!(same.latents, wanted.latents, "{sampler}");
            assert_eq!(same.image, wanted.image);
            assert_eq!(same.spec, wanted.spec);
            assert!(!same.spec.was_retold);
            let frames = engine.drain_frames();
            let steps: Vec<u32> = frames.iter().map(|frame| frame.step).collect();
            assert_eq!(steps, [4, 5, 6], "what was painted is not painted again");
        }
    }
}

#[test]
fn other_words_and_other_noise_lead_elsewhere() {
    let mut engine = engine();
    let (job, images) = paint(&mut engine, spec("euler"));
    let before = &images[0];
    let words = GenerateSpec {
        prompt: "two boats".to_owned(),
        // Only what is told is heeded.
        steps: 50,
        seed: 99,
        ..spec("ddim")
    };
    let step = step_of(job, 0, 3);
    let (retold, told) = gone_on(&mut engine, step, Ending::Same, Some(words));
    assert_ne!(told.latents, before.latents);
    assert_eq!(told.spec.prompt, "two boats");
    assert_eq!((told.spec.steps, told.spec.seed), (6, 7));
    assert!(told.spec.was_retold);
    // Its steps are kept too, those that it has of the first one as well.
    for step in [2, 5] {
        let step = step_of(retold, 0, step);
        let (_, again) = gone_on(&mut engine, step, Ending::Same, None);
        assert_eq!(again.latents == told.latents, step.step == 5);
        assert_eq!(again.spec.was_retold, step.step == 5);
    }

    let mut other = |seed: u64| gone_on(&mut engine, step, Ending::Other { seed }, None).1;
    let (one, two) = (other(1), other(2));
    assert_ne!(one.latents, before.latents);
    assert_ne!(one.latents, two.latents);
    assert_eq!(one.latents, other(1).latents);
    assert!(one.spec.was_retold && one.spec.prompt == before.spec.prompt);
}

/// What a sampler would leave of the noise shows as far larger latents.
#[test]
fn every_sampler_ends_other_noise_too() {
    let mut engine = engine();
    for choice in SamplerChoice::all() {
        let (job, images) = paint(&mut engine, spec(choice.id));
        let deviation = |image: &PaintedImage| {
            let values = &image.latents.as_ref().expect("latents").values;
            let squares: f32 = values.iter().map(|value| value * value).sum();
            (squares / values.len() as f32).sqrt()
        };
        let before = deviation(&images[0]);
        let ending = Ending::Other { seed: 3 };
        let (_, other) = gone_on(&mut engine, step_of(job, 0, 3), ending, None);
        assert_ne!(other.latents, images[0].latents, "{}", choice.id);
        let ratio = deviation(&other) / before;
        assert!((0.5..2.0).contains(&ratio), "{}: {ratio}", choice.id);
    }
}

#[test]
fn a_step_can_be_kept_as_it_is() {
    let mut engine = engine();
    let (job, images) = paint(&mut engine, spec("euler"));
    let (_, early) = gone_on(&mut engine, step_of(job, 0, 2), Ending::Here, None);
    assert_ne!(early.latents, images[0].latents);
    assert!(early.spec.was_retold);
    assert!(engine.drain_frames().is_empty(), "nothing is painted");
    // After the last step of Euler's method nothing is left of the noise.
    let (_, last) = gone_on(&mut engine, step_of(job, 0, 6), Ending::Here, None);
    assert_eq!(last.image, images[0].image);
}

#[test]
fn what_is_outside_of_a_mask_stays() {
    let mut engine = engine();
    let picture = RgbaImage::from_fn(40, 32, |x, y| Rgba([6 * x as u8, 8 * y as u8, 9, 255]));
    let mask = GrayImage::from_fn(40, 32, |x, _| Luma([if x < 16 { 255 } else { 0 }]));
    let asked = GenerateSpec {
        init: Some(ImageInput(Arc::new(picture.clone()))),
        mask: Some(MaskInput(Arc::new(mask))),
        strength: 0.8,
        ..spec("euler")
    };
    let (job, images) = paint(&mut engine, asked);
    for ending in [Ending::Same, Ending::Other { seed: 4 }, Ending::Here] {
        let (_, ended) = gone_on(&mut engine, step_of(job, 0, 2), ending, None);
        assert_eq!(ended.image == images[0].image, ending == Ending::Same);
        let outside = ended.image.enumerate_pixels().filter(|(x, ..)| *x >= 16);
        outside.for_each(|(x, y, pixel)| assert_eq!(pixel, picture.get_pixel(x, y), "{x}, {y}"));
    }
}

#[test]
fn a_step_that_is_not_kept_is_refused_in_a_sentence() {
    let mut engine = engine();
    let (job, _) = paint(&mut engine, spec("euler"));
    let gone = engine.go_on(step_of(job, 1, 3), Ending::Same, None);
    let complaint = pictures(&mut engine, gone).expect_err("no such picture");
    assert!(
        complaint.starts_with("Step 3 of that picture is not kept any more"),
        "{complaint}"
    );
    // The engine goes on.
    gone_on(&mut engine, step_of(job, 0, 3), Ending::Same, None);
    // Where nobody looks, nothing is kept.
    engine.look_away();
    let (unseen, _) = paint(&mut engine, spec("euler"));
    let gone = engine.go_on(step_of(unseen, 0, 3), Ending::Same, None);
    pictures(&mut engine, gone).expect_err("nothing is kept");
}
