//! Whole runs of the models that `velatura models make-tiny` writes against the paper's
//! own code (`tests/data/reference/make_tiny_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, Luma, Rgb, RgbImage};
use reference_support::{Reference, difference};
use velatura::diffusion::{Conditions, GenerationRequest, LatentDiffusion, Session, sampler_info};
use velatura::model::{Manifest, ModelFolder, tiny};
use velatura::recipe::{InputSpec, LayoutBox, LayoutInput, Palette, SemanticInput};

/// Largest difference allowed, as a part of the deviation.
const TOLERANCE: f64 = 2e-4;
const HOUSE: &str = "a red house on a hill";

fn shaded(side: u32) -> RgbImage {
    let step = |at: u32| (at * 255 / side) as u8;
    RgbImage::from_fn(side, side, |x, y| Rgb([step(x), step(y), 90]))
}

fn request() -> GenerationRequest {
    GenerationRequest {
        reading: velatura::recipe::prompt::TextReading::default(),
        steps: 4,
        seed: 7,
        width_px: 64,
        height_px: 64,
        canvas: velatura::diffusion::Canvas::default(),
        given: velatura::diffusion::GivenLatents::default(),
        inpainting: velatura::diffusion::Inpainting::default(),
        ..GenerationRequest::default()
    }
}

/// The same conditions as in Python.
fn asked(kind: &str, manifest: &Manifest) -> GenerationRequest {
    let conditions = |conditions| GenerationRequest {
        conditions,
        ..request()
    };
    match kind {
        "text-to-image" => GenerationRequest {
            prompt: HOUSE.to_owned(),
            guidance_scale: 3.0,
            ..request()
        },
        "layout-to-image" => {
            let InputSpec::Layout { classes, .. } = &manifest.inputs[0] else {
                panic!("{:?}", manifest.inputs);
            };
            let it = |class: usize, rect: [f32; 4]| LayoutBox {
                class: classes[class].clone(),
                colour: None,
                rect: rect.map(|share| share * 64.0),
            };
            let boxes = vec![
                it(3, [0.125, 0.25, 0.5, 0.375]),
                it(5, [0.5, 0.0625, 0.75, 0.25]),
            ];
            conditions(Conditions {
                layout: Some(LayoutInput(boxes.into())),
                ..Conditions::default()
            })
        }
        "semantic-to-image" => {
            let InputSpec::Semantic { classes } = &manifest.inputs[0] else {
                panic!("{:?}", manifest.inputs);
            };
            let map = GrayImage::from_fn(64, 64, |x, y| Luma([(x / 16 + y / 24) as u8]));
            let palette = Palette {
                name: String::new(),
                classes: classes.clone(),
            };
            conditions(Conditions {
                semantic: Some(SemanticInput {
                    map: Arc::new(map),
                    palette,
                }),
                ..Conditions::default()
            })
        }
        "super-resolution" => conditions(Conditions {
            low_resolution: Some(shaded(16)),
            ..Conditions::default()
        }),
        _ => {
            // A hybrid is told words besides.
            let is_hybrid = kind == "hybrid";
            let is_inside = |x: u32, y: u32| (8..40).contains(&y) && (20..52).contains(&x);
            let mask = |x, y| Luma([if is_inside(x, y) { 255 } else { 0 }]);
            GenerationRequest {
                init: Some(shaded(64)),
                mask: Some(GrayImage::from_fn(64, 64, mask)),
                prompt: if is_hybrid { HOUSE } else { "" }.to_owned(),
                guidance_scale: if is_hybrid { 3.0 } else { 1.0 },
                ..request()
            }
        }
    }
}

fn check(key: &str, got: Tensor<4>, reference: &Reference) {
    let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
    let (largest, deviation) = difference(&got, &reference.numbers(key));
    let part = largest / deviation;
    println!("{key}: largest difference {part:.2e} of the deviation {deviation:.2}");
    assert!(deviation > 0.1, "{key} is nearly constant");
    assert!(
        part <= TOLERANCE,
        "{key} differs by {part} of its deviation"
    );
}

#[test]
fn tiny_models_of_the_paper_paint_what_its_code_paints() {
    let reference = Reference::open("tiny.safetensors");
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    for short in [
        "text-to-image",
        "layout-to-image",
        "semantic-to-image",
        "super-resolution",
        "inpainting",
        "hybrid",
    ] {
        let id = format!("latent-diffusion-{short}");
        let kind = tiny::KINDS.iter().find(|kind| kind.id == id).unwrap();
        let path = kind.write(&scratch.path().join(short)).unwrap();
        let folder = ModelFolder::open(path).unwrap();
        let model = LatentDiffusion::load(&folder, &device).unwrap();
        let noise = reference.numbers(&format!("{short}.noise"));
        let noise: Vec<f32> = noise.into_iter().map(|value| value as f32).collect();
        let shape = [1, noise.len() / 256, 16, 16];
        let noise = Tensor::<4>::from_data(TensorData::new(noise, shape), &device);
        for sampler in ["ddim", "plms"] {
            let Ok(info) = sampler_info(&sampler.to_owned().into()) else {
                continue;
            };
            let request = GenerationRequest {
                sampler: Some(info.id.to_owned().into()),
                ..asked(short, &folder.manifest())
            };
            let mut session = Session::new(&model, &request).unwrap();
            let mut state = session.state();
            state.latents = noise.clone();
            session.go_to(state).unwrap();
            while session.step().unwrap().is_some() {}
            let latents = session.state().latents;
            check(&format!("{short}.{sampler}"), latents.clone(), &reference);
            if sampler == "ddim" {
                let picture = model.model().first_stage().to_pictures(latents);
                check(&format!("{short}.picture"), picture, &reference);
            }
        }
    }
}
