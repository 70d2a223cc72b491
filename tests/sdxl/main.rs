//! Stable Diffusion XL against diffusers, on tiny random models in folders and in one file
//! (`tests/data/reference/make_sdxl_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod additions;
mod distilled;
mod edm;
mod files;
mod kind;
#[path = "../reference_support/mod.rs"]
mod reference_support;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, Luma, Rgb, RgbImage};
use kind::Kind;
use reference_support::{Reference, difference};
use serde_json::json;
use velatura::diffusion::{
    Conditions, GenerationRequest, GivenLatents, LatentDiffusion, Session, sampler_info,
};
use velatura::model::ModelFolder;
use velatura::model::conditioner::{Asked, Bench, Conditioning};
use velatura::recipe::prompt::TextReading;
use velatura::recipe::{Latents, LayoutBox, LayoutInput};

/// Largest difference allowed between diffusers and us.
const TOLERANCE: f64 = 1e-4;

const SIDE: u32 = 64;

const PROMPT: &str = "a red house on a hill, two boats";

const NEGATIVE: &str = "blurry, grey";

fn tensor<const D: usize>(reference: &Reference, key: &str, shape: [usize; D]) -> Tensor<D> {
    let numbers = reference.numbers(key).into_iter().map(|value| value as f32);
    let numbers = TensorData::new(numbers.collect::<Vec<f32>>(), shape);
    Tensor::from_data(numbers, &Device::flex())
}

fn check<const D: usize>(what: &str, got: Tensor<D>, reference: &Reference, key: &str) {
    let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
    let (largest, deviation) = difference(&got, &reference.numbers(key));
    println!("{what}, {key}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.02, "{key} is nearly constant");
    // Guidance makes large latents.
    let most = TOLERANCE * deviation.max(1.0);
    assert!(largest <= most, "{what}: {key} differs by {largest}");
}

fn load(path: &Path) -> LatentDiffusion {
    let folder = ModelFolder::open(path).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

fn request(negative: &str) -> GenerationRequest {
    GenerationRequest {
        prompt: PROMPT.to_owned(),
        negative_prompt: negative.to_owned(),
        sampler: Some("euler".to_owned().into()),
        steps: 4,
        guidance_scale: 5.0,
        seed: 7,
        width_px: SIDE,
        height_px: SIDE,
        canvas: velatura::diffusion::Canvas::default(),
        inpainting: velatura::diffusion::Inpainting::default(),
        ..GenerationRequest::default()
    }
}

fn told(
    model: &LatentDiffusion,
    prompt: &str,
    negative: &str,
    reading: TextReading,
) -> Conditioning {
    let asked = Asked::Text {
        prompt,
        negative: Some(negative),
        reading,
    };
    let device = Device::flex();
    let mut bench = Bench {
        first_stage: model.model().first_stage(),
        size_px: [SIDE as usize; 2],
        noise: &mut |shape| Tensor::zeros(shape, &Device::flex()),
        device: &device,
    };
    model.model().told_of(&asked, &mut bench)
}

/// The first or the second row, as if there were no guidance.
fn row(told: &Conditioning, row: usize) -> Conditioning {
    Conditioning {
        context: told
            .context
            .iter()
            .map(|(name, states)| (*name, states.clone().narrow(0, row, 1)))
            .collect(),
        added: told.added.clone().map(|added| added.narrow(0, row, 1)),
        ..Conditioning::default()
    }
}

fn run(model: &LatentDiffusion, request: &GenerationRequest) -> Tensor<4> {
    let mut session = Session::new(model, request).unwrap();
    while session.step().unwrap().is_some() {}
    session.state().latents
}

fn picture() -> RgbImage {
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        Rgb([0, 1, 2].map(|channel| ((x * 3 + y * channel) % 256) as u8))
    })
}

/// Texts and one call of the denoiser, of a model in either form.
fn check_parts(what: &str, model: &LatentDiffusion, reference: &Reference, pooled_width: usize) {
    let both = told(model, PROMPT, NEGATIVE, TextReading::default());
    for (place, key, pooled) in [(0, "away", "pooled_away"), (1, "embeds", "pooled")] {
        let own = row(&both, place);
        check(what, own.tokens().unwrap(), reference, key);
        let added = own.added.clone().unwrap();
        check(what, added.narrow(1, 0, pooled_width), reference, pooled);
    }
    let channels = reference.numbers("channels").len() / 64;
    let seen = tensor(reference, "channels", [1, channels, 8, 8]);
    let own = row(&both, 1);
    // As if all channels were latents.
    let whole = Conditioning {
        concat: vec![("all", seen.clone())],
        ..own
    };
    let time = Tensor::from_floats([500.0], &Device::flex());
    let unet = |folder: &ModelFolder| folder.load_unet(&Device::flex()).unwrap();
    let denoiser = unet(&ModelFolder::open(what).unwrap());
    let said = whole.ask(&denoiser, &seen, time, &["all".to_owned()]);
    check(what, said, reference, "one");
}

#[test]
fn base_models_paint_what_diffusers_paints() {
    let reference = Reference::open("sdxl/base.safetensors");
    let (_scratch, forms) = Kind::written("base");
    for path in &forms {
        let what = path.to_str().unwrap();
        let model = load(path);
        assert_eq!(model.manifest().resolution_px, 1024);
        assert_eq!(model.default_sampler().id, "euler");
        check_parts(what, &model, &reference, 64);
        let noise = reference.numbers("latents").into_iter();
        let noise = Latents {
            shape: [1, 4, 8, 8],
            values: noise.map(|value| value as f32).collect(),
        };
        let given = |request: GenerationRequest| GenerationRequest {
            given: GivenLatents {
                noise: Some(Arc::new(noise.clone())),
                clean: None,
            },
            ..request
        };
        let latents = tensor(&reference, "latents", [1, 4, 8, 8]);
        let stage = ModelFolder::open(path).unwrap();
        let stage = stage.load_autoencoder(&Device::flex()).unwrap();
        check(what, stage.decode(latents), &reference, "decoded");
        let emphasis = "a (red:1.3) house on a hill, two boats";
        let emphasis = told(&model, emphasis, "", TextReading::default());
        let emphasis = row(&emphasis, 1).tokens().unwrap();
        check(what, emphasis, &reference, "emphasis");
        let skipping = TextReading {
            clip_skip: 3,
            ..TextReading::default()
        };
        let skipped = row(&told(&model, PROMPT, "", skipping), 1);
        check(what, skipped.tokens().unwrap(), &reference, "skipped");
        // A single file leaves the spacing of steps to each sampler.
        if path.is_dir() {
            check(
                what,
                run(&model, &given(request(NEGATIVE))),
                &reference,
                "run",
            );
            check(what, run(&model, &given(request(""))), &reference, "zeros");
            let ddim = GenerationRequest {
                sampler: Some("ddim".to_owned().into()),
                ..request(NEGATIVE)
            };
            check(what, run(&model, &given(ddim)), &reference, "ddim");
        }
    }
    let runs = forms.map(|path| {
        run(
            &load(&path),
            &GenerationRequest {
                sampler: Some("ddim".to_owned().into()),
                ..request(NEGATIVE)
            },
        )
    });
    let [folder, single] = runs.map(|latents| latents.into_data().try_to_vec::<f32>().unwrap());
    assert!(folder == single, "one file paints the same");
    assert!(sampler_info(&"euler".to_owned().into()).is_ok());
}

/// What `make_lcm_reference.py` wrote: a guidance that was taught to the denoiser.
#[test]
fn consistency_models_are_told_of_guidance_as_in_diffusers() {
    let reference = Reference::open("lcm/xl.safetensors");
    let mut kind = Kind::named("base");
    let place = "unet/time_embedding.cond_proj.weight".to_owned();
    kind.weights.insert(place, vec![32, 24]);
    let config = kind.files.get_mut("unet/config.json").unwrap();
    config["time_cond_proj_dim"] = json!(24);
    let scheduler = kind
        .files
        .get_mut("scheduler/scheduler_config.json")
        .unwrap();
    *scheduler = reference.cases();
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("folder");
    kind.write_folder(&folder, "");
    let model = load(&folder);
    assert_eq!(model.default_sampler().id, "lcm");
    assert_eq!(model.manifest().default_guidance_scale, 8.5);
    let noise = reference.numbers("noise").into_iter();
    let request = GenerationRequest {
        sampler: Some("lcm".to_owned().into()),
        guidance_scale: 8.0,
        given: GivenLatents {
            noise: Some(Arc::new(Latents {
                shape: [1, 4, 8, 8],
                values: noise.map(|value| value as f32).collect(),
            })),
            clean: None,
        },
        ..request(NEGATIVE)
    };
    check("lcm", run(&model, &request), &reference, "run");
}

#[test]
fn inpainting_models_paint_what_diffusers_paints() {
    let reference = Reference::open("sdxl/inpaint.safetensors");
    let (_scratch, forms) = Kind::written("inpaint");
    for path in &forms {
        let what = path.to_str().unwrap();
        let model = load(path);
        assert!(model.manifest().takes_mask());
        check_parts(what, &model, &reference, 64);
        let is_inside = |x: u32, y: u32| (16..48).contains(&y) && x >= 16;
        let mask = |x, y| Luma([if is_inside(x, y) { 255 } else { 0 }]);
        let request = GenerationRequest {
            init: Some(picture()),
            mask: Some(GrayImage::from_fn(SIDE, SIDE, mask)),
            ..request(NEGATIVE)
        };
        if path.is_dir() {
            check(what, run(&model, &request), &reference, "run");
        }
    }
}

#[test]
fn refiners_paint_what_diffusers_paints() {
    let reference = Reference::open("sdxl/refiner.safetensors");
    let (_scratch, forms) = Kind::written("refiner");
    for path in &forms {
        let what = path.to_str().unwrap();
        let model = load(path);
        check_parts(what, &model, &reference, 64);
        let request = GenerationRequest {
            init: Some(picture()),
            strength: 0.5,
            ..request(NEGATIVE)
        };
        if path.is_dir() {
            check(what, run(&model, &request), &reference, "run");
        }
    }
}

/// Words of boxes act inside of them, as read by both text encoders
/// (`make_sdxl_region_reference.py`).
#[test]
fn regional_prompts_act_as_in_diffusers() {
    let reference = Reference::open("sdxl/regions.safetensors");
    let boxes: Vec<LayoutBox> = reference.cases();
    let (_scratch, [folder, _]) = Kind::written("base");
    let noise = reference.numbers("noise").into_iter();
    let with_regions = GenerationRequest {
        conditions: Conditions {
            layout: Some(LayoutInput(boxes.into())),
            ..Conditions::default()
        },
        given: GivenLatents {
            noise: Some(Arc::new(Latents {
                shape: [1, 4, 8, 8],
                values: noise.map(|value| value as f32).collect(),
            })),
            clean: None,
        },
        ..request(NEGATIVE)
    };
    let model = load(&folder);
    check("regions", run(&model, &with_regions), &reference, "run");
}

/// Each text has its own vector of the whole text, on the way too; and no words to steer away
/// from are told as zeros (`make_conjunction_reference.py`).
#[test]
fn joined_and_scheduled_texts_are_told_whole() {
    let reference = Reference::open("conjunctions.safetensors");
    let cases: serde_json::Value = reference.cases();
    let (_scratch, [folder, _]) = Kind::written("base");
    let model = load(&folder);
    for (index, case) in cases["xl"].as_array().unwrap().iter().enumerate() {
        let noise = reference.numbers(&format!("xl.{index}.noise"));
        let joined = GenerationRequest {
            prompt: case["prompt"].as_str().unwrap().to_owned(),
            given: GivenLatents {
                noise: Some(Arc::new(Latents {
                    shape: [1, 4, 8, 8],
                    values: noise.into_iter().map(|value| value as f32).collect(),
                })),
                clean: None,
            },
            ..request(case["negative_prompt"].as_str().unwrap())
        };
        let got = run(&model, &joined);
        check(&joined.prompt, got, &reference, &format!("xl.{index}.run"));
    }
}
