//! Pictures that pull a run towards themselves, against PyTorch (see
//! `tests/data/reference/make_guided_reference.py`), and what they do to Storybook.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage, Rgba, RgbaImage};
use safetensors::SafeTensors;
use serde::Deserialize;
use velatura::diffusion::{GenerationOutcome, GenerationRequest, Guide, LatentDiffusion};
use velatura::model::ModelFolder;
use velatura::recipe::{GuideKind, SamplerId};

const FOLDER: &str = "tests/data/reference";
/// Of the largest latent.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    kind: GuideKind,
    steps: u32,
    seed: u64,
    scale: f32,
}

fn load(folder: &str) -> LatentDiffusion {
    let folder = ModelFolder::open(folder).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

fn request(size_px: [u32; 2], prompt: &str, seed: u64) -> GenerationRequest {
    GenerationRequest {
        prompt: prompt.to_owned(),
        reading: velatura::recipe::prompt::TextReading::default(),
        steps: 12,
        guidance_scale: 4.0,
        seed,
        width_px: size_px[0],
        height_px: size_px[1],
        given: velatura::diffusion::GivenLatents::default(),
        ..GenerationRequest::default()
    }
}

fn finished(model: &LatentDiffusion, request: &GenerationRequest) -> (Tensor<4>, RgbImage) {
    let outcome = model.generate(request, &mut |_| ControlFlow::Continue(()));
    match outcome.unwrap() {
        GenerationOutcome::Finished { latents, image } => (latents, image),
        GenerationOutcome::Cancelled => panic!("nobody stopped it"),
    }
}

/// As the reference makes it.
fn reference_picture(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let alpha = if x * 4 < width * 3 {
            255
        } else if y * 2 < height {
            128
        } else {
            0
        };
        let byte = |value: u32| (value % 256) as u8;
        Rgba([
            byte(x * 37 + y * 11),
            byte(y * 29 + 40),
            byte(x * 5 + y * 53 + 90),
            alpha,
        ])
    })
}

#[test]
fn guided_runs_are_those_of_pytorch() {
    let bytes = std::fs::read(format!("{FOLDER}/guided.safetensors")).unwrap();
    let (_, head) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases = &head.metadata().as_ref().unwrap()["cases"];
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let wanted = |name: &str| -> Vec<f32> {
        let view = file.tensor(name).unwrap();
        let words = view.data().chunks_exact(4);
        words
            .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    };
    assert_eq!(cases.len(), 12);
    for case in cases {
        let model = load(&format!("{FOLDER}/{}", case.model));
        let (width, height) = match case.kind {
            GuideKind::LowResolution => (5, 3),
            GuideKind::Strokes | GuideKind::Edges => (32, 24),
        };
        let asked = GenerationRequest {
            sampler: Some(SamplerId::new("euler")),
            steps: case.steps,
            guidance_scale: 1.0,
            guide: Some(Guide {
                picture: reference_picture(width, height),
                kind: case.kind,
                scale: case.scale,
            }),
            ..request([32, 24], "a small red house", case.seed)
        };
        let (latents, _) = finished(&model, &asked);
        let found: Vec<f32> = latents.into_data().try_to_vec().unwrap();
        let wanted = wanted(&case.name);
        let largest = wanted.iter().fold(0.0_f32, |most, it| most.max(it.abs()));
        let worst = found.iter().zip(&wanted);
        let worst = worst.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(
            worst <= TOLERANCE * largest,
            "{}: {worst} of {largest}",
            case.name
        );
    }
}

/// Root of the mean squared difference of colours, of 255, where something is opaque.
fn distance(picture: &RgbImage, guide: &RgbaImage) -> f64 {
    let (width, height) = guide.dimensions();
    let small = match (width, height) == picture.dimensions() {
        true => picture.clone(),
        false => imageops::resize(picture, width, height, FilterType::Triangle),
    };
    let (mut sum, mut count) = (0.0, 0.0);
    for (Rgb(found), Rgba(wanted)) in small.pixels().zip(guide.pixels()) {
        if wanted[3] == 255 {
            let channels = (0..3).map(|it| f64::from(found[it].abs_diff(wanted[it])).powi(2));
            sum += channels.sum::<f64>();
            count += 3.0;
        }
    }
    f64::sqrt(sum / count)
}

/// A thumbnail of another picture, and strokes of colour, of which the rest is free.
#[test]
fn storybook_comes_near_to_a_guide() {
    let model = load("assets/models/storybook");
    let other = finished(
        &model,
        &request([128, 128], "a red bus in the snow at night", 3),
    )
    .1;
    let thumbnail = imageops::resize(&other, 16, 16, FilterType::Triangle);
    let thumbnail = RgbaImage::from_fn(16, 16, |x, y| {
        let Rgb([r, g, b]) = *thumbnail.get_pixel(x, y);
        Rgba([r, g, b, 255])
    });
    let strokes = RgbaImage::from_fn(128, 128, |x, y| match (x, y) {
        (10..50, 20..40) => Rgba([240, 120, 40, 255]),
        (70..120, 90..110) => Rgba([40, 60, 160, 255]),
        _ => Rgba([0; 4]),
    });
    let plain = request([128, 128], "a tree in the hills in summer", 7);
    let (_, without) = finished(&model, &plain);
    for (picture, kind) in [
        (thumbnail, GuideKind::LowResolution),
        (strokes, GuideKind::Strokes),
    ] {
        let guide = Guide {
            picture: picture.clone(),
            kind,
            scale: 3.0,
        };
        let asked = GenerationRequest {
            guide: Some(guide),
            ..plain.clone()
        };
        let (_, with) = finished(&model, &asked);
        let (far, near) = (distance(&without, &picture), distance(&with, &picture));
        assert!(near < 0.4 * far, "{kind:?}: {near} with it, {far} without");
    }
}

/// A guide that does not pull changes no bit, and large pictures are guided in parts.
#[test]
fn guides_of_no_strength_change_nothing() {
    let model = load(&format!("{FOLDER}/sd1-tiny"));
    let guide = |scale| Guide {
        picture: reference_picture(5, 3),
        kind: GuideKind::LowResolution,
        scale,
    };
    let plain = GenerationRequest {
        steps: 2,
        ..request([32, 24], "a small red house", 1)
    };
    let with = |scale| GenerationRequest {
        guide: Some(guide(scale)),
        ..plain.clone()
    };
    let picture = |asked: &GenerationRequest| finished(&model, asked).1;
    assert!(picture(&plain) == picture(&with(0.0)));
    assert!(picture(&plain) != picture(&with(1.0)));
}
