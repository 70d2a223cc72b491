//! Runs that are held, copied, put back and told something else on the way.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use burn::tensor::{Device, Tensor};
use image::{GrayImage, Luma, Rgb, RgbImage};
use proptest::prelude::*;
use velatura::diffusion::{
    DiffusionError, GenerationRequest, GivenLatents, LatentDiffusion, SAMPLERS, Session,
    TorchGenerator,
};
use velatura::model::ModelFolder;
use velatura::recipe::Latents;

fn load(name: &str) -> LatentDiffusion {
    let folder = ModelFolder::open(Path::new("tests/data/reference").join(name)).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

static MODELS: LazyLock<[LatentDiffusion; 2]> =
    LazyLock::new(|| ["sd1-tiny", "inpaint-tiny"].map(load));

fn request() -> GenerationRequest {
    GenerationRequest {
        prompt: "a small red house".to_owned(),
        reading: velatura::recipe::prompt::TextReading::default(),
        steps: 4,
        guidance_scale: 3.0,
        eta: 0.5,
        seed: 7,
        width_px: 20,
        height_px: 16,
        canvas: velatura::diffusion::Canvas::default(),
        given: GivenLatents::default(),
        inpainting: velatura::diffusion::Inpainting::default(),
        ..GenerationRequest::default()
    }
}

/// With a picture of which the left half is repainted.
fn over_a_picture(request: GenerationRequest) -> GenerationRequest {
    let (width, height) = (request.width_px, request.height_px);
    let picture = RgbImage::from_fn(width, height, |x, y| Rgb([9 * x as u8, 7 * y as u8, 90]));
    let mask = GrayImage::from_fn(width, height, |x, _| {
        Luma([if x < width / 2 { 255 } else { 0 }])
    });
    GenerationRequest {
        init: Some(picture),
        mask: Some(mask),
        strength: 0.8,
        ..request
    }
}

fn bits(latents: Tensor<4>) -> Vec<u32> {
    let values: Vec<f32> = latents.into_data().try_into_vec_as().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

/// Goes on to the end.
fn end(session: &mut Session<'_>) -> Vec<u32> {
    while session.step().unwrap().is_some() {}
    bits(session.state().latents)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every sampler, from any step, with and without a picture.
    #[test]
    fn a_state_that_is_put_back_goes_on_the_same(
        kind in 0..SAMPLERS.len(),
        model in 0..2_usize,
        has_picture: bool,
        steps in 4..7_u32,
        held in 0..7_usize,
        seed: u64,
    ) {
        let model = &MODELS[model];
        let mut asked = GenerationRequest {
            sampler: Some(SAMPLERS[kind].sampler_id()),
            steps,
            seed,
            ..request()
        };
        if has_picture {
            asked = over_a_picture(asked);
        }
        let mut session = Session::new(model, &asked).unwrap();
        let held = held.min(session.total());
        for _ in 0..held {
            session.step().unwrap().unwrap();
        }
        prop_assert_eq!(session.done(), held);
        let state = session.state();
        let wanted = end(&mut session);
        prop_assert_eq!(session.done(), session.total());

        session.go_to(state.clone()).unwrap();
        prop_assert_eq!(session.done(), held);
        prop_assert_eq!(end(&mut session), wanted.clone());

        let mut fresh = Session::new(model, &asked).unwrap();
        fresh.go_to(state.clone()).unwrap();
        prop_assert_eq!(end(&mut fresh), wanted.clone());

        // Held without the model, and gone on with.
        fresh.go_to(state).unwrap();
        let (plan, state) = fresh.into_parts();
        prop_assert_eq!(end(&mut Session::resumed(model, plan, state)), wanted);
    }
}

#[test]
fn words_can_change_between_two_steps() {
    let model = &MODELS[0];
    let mut session = Session::new(model, &request()).unwrap();
    session.step().unwrap();
    let state = session.state();
    let wanted = end(&mut session);

    session.go_to(state.clone()).unwrap();
    session.tell(model.told_of("two boats", "", 3.0));
    assert_ne!(end(&mut session), wanted, "the new words are listened to");

    session.go_to(state.clone()).unwrap();
    session.tell(model.told_of("a small red house", "", 1.0));
    assert_ne!(end(&mut session), wanted, "guidance can be switched off");

    session.go_to(state).unwrap();
    session.tell(model.told_of("a small red house", "", 3.0));
    assert_eq!(end(&mut session), wanted);
}

#[test]
fn a_step_of_another_run_is_refused() {
    let model = &MODELS[0];
    let mut session = Session::new(model, &request()).unwrap();
    let larger = GenerationRequest {
        width_px: 40,
        ..request()
    };
    let other = Session::new(model, &larger).unwrap();
    let error = session.go_to(other.state()).unwrap_err();
    assert!(matches!(error, DiffusionError::State), "{error}");
    let mut later = session.state();
    later.index = 1000;
    assert!(session.go_to(later).is_err());
}

#[test]
fn numbers_that_are_none_end_the_run_where_they_appear() {
    let model = &MODELS[0];
    let mut session = Session::new(model, &request()).unwrap();
    session.step().unwrap();
    let mut broken = session.state();
    broken.latents = broken.latents * f32::NAN;
    session.go_to(broken).unwrap();
    let error = session.step().err().unwrap();
    assert!(
        matches!(error, DiffusionError::NotFinite { step: 2 }),
        "{error}"
    );
}

#[test]
fn nothing_is_left_after_the_last_step() {
    let mut session = Session::new(&MODELS[0], &request()).unwrap();
    end(&mut session);
    assert!(session.step().unwrap().is_none());
    assert_eq!(session.picture().unwrap().dimensions(), (20, 16));
}

#[test]
fn other_noise_on_a_step_is_as_an_input_picture_under_noise() {
    let model = &MODELS[0];
    for kind in SAMPLERS.iter().map(|it| it.sampler_id()) {
        let asked = GenerationRequest {
            sampler: Some(kind.clone()),
            steps: 8,
            ..request()
        };
        let mut session = Session::new(model, &asked).unwrap();
        let mut denoised = None;
        for _ in 0..4 {
            denoised = session.step().unwrap().map(|view| view.denoised);
        }
        let denoised = denoised.unwrap();
        session.go_on_under_noise(denoised.clone(), 11);
        let under_noise = session.state();

        // diffusers' way from a picture to latents under noise, which other tests hold us to.
        let shape = denoised.dims();
        let latents = |tensor: Tensor<4>| {
            let values: Vec<f32> = tensor.into_data().try_into_vec_as().unwrap();
            Some(Arc::new(Latents { shape, values }))
        };
        let noise = TorchGenerator::new(11).randn(shape, &Device::flex());
        let over = GenerationRequest {
            given: GivenLatents {
                clean: latents(denoised),
                noise: latents(noise),
            },
            strength: 0.5,
            ..asked
        };
        let begun = Session::new(model, &over).unwrap().state();
        if ["plms", "pndm"].contains(&kind.as_str()) {
            // They prepare themselves within their first step, which counts as one here.
            continue;
        }
        assert_eq!(begun.index, under_noise.index, "{kind:?}");
        assert_eq!(bits(begun.latents), bits(under_noise.latents), "{kind:?}");
    }
}
