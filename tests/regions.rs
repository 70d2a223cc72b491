//! Words that act in parts of the picture, against diffusers with an attention processor of
//! the same formula; and that models which read words can be told of boxes and label maps.
//!
//! `data/reference/make_region_reference.py` says what was run.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::GrayImage;
use reference_support::{Reference, difference, folder};
use serde::Deserialize;
use velatura::diffusion::{
    Canvas, Conditions, GenerationRequest, GivenLatents, LatentDiffusion, Retelling, Session,
};
use velatura::model::ModelFolder;
use velatura::model::conditioner::{Asked, Bench, Place, Region};
use velatura::recipe::prompt::TextReading;
use velatura::recipe::{
    Latents, LayoutBox, LayoutInput, Palette, PaletteClass, SamplerId, SemanticInput,
};

/// Largest difference allowed.
const TOLERANCE: f64 = 1e-4;
/// The time of the call of the denoiser.
const TIMESTEP: f32 = 701.0;

#[derive(Deserialize)]
struct Cases {
    width: u32,
    height: u32,
    steps: u32,
    prompt: String,
    negative_prompt: String,
    boxes: Vec<LayoutBox>,
    palette: Vec<PaletteClass>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    model: String,
    /// Number of boxes.
    boxes: usize,
    box_weight: f32,
    map: bool,
    map_weight: f32,
    guidance: f32,
}

struct Check {
    reference: Reference,
    all: Cases,
}

fn load(name: &str) -> LatentDiffusion {
    let folder = ModelFolder::open(folder().join(name)).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec_as().unwrap()
}

impl Check {
    fn open() -> Self {
        let reference = Reference::open("regions.safetensors");
        Self {
            all: reference.cases(),
            reference,
        }
    }

    fn compare<const D: usize>(&self, key: &str, got: Tensor<D>) {
        let (largest, deviation) = difference(&values(got), &self.reference.numbers(key));
        println!("{key}: largest difference {largest:.1e} of a deviation of {deviation:.2}");
        assert!(largest <= TOLERANCE, "{key} differs by {largest:.1e}");
    }

    fn map(&self) -> SemanticInput {
        let bytes = self.reference.numbers("label_map");
        let bytes = bytes.into_iter().map(|number| number as u8).collect();
        let map = GrayImage::from_raw(self.all.width, self.all.height, bytes).unwrap();
        SemanticInput {
            map: Arc::new(map),
            palette: Palette {
                name: String::new(),
                classes: self.all.palette.clone(),
            },
        }
    }

    fn noise(&self, index: usize) -> Latents {
        let values = self.reference.numbers(&format!("{index}.noise"));
        let pixels = (self.all.height * self.all.width) as usize;
        let factor = (4 * pixels / values.len()).isqrt();
        let (rows, columns) = (
            self.all.height as usize / factor,
            self.all.width as usize / factor,
        );
        Latents {
            shape: [1, 4, rows, columns],
            values: values.into_iter().map(|value| value as f32).collect(),
        }
    }

    fn request(&self, index: usize) -> GenerationRequest {
        let (all, case) = (&self.all, &self.all.cases[index]);
        GenerationRequest {
            prompt: all.prompt.clone(),
            negative_prompt: all.negative_prompt.clone(),
            sampler: Some(SamplerId::new("ddim")),
            steps: all.steps,
            guidance_scale: case.guidance,
            width_px: all.width,
            height_px: all.height,
            conditions: Conditions {
                layout: (case.boxes > 0).then(|| LayoutInput(all.boxes[..case.boxes].into())),
                layout_weight: case.box_weight,
                semantic: case.map.then(|| self.map()),
                semantic_weight: case.map_weight,
                ..Conditions::default()
            },
            given: GivenLatents {
                noise: Some(Arc::new(self.noise(index))),
                clean: None,
            },
            ..GenerationRequest::default()
        }
    }
}

#[test]
fn what_the_denoiser_says_with_regions_equals_diffusers() {
    let check = Check::open();
    let device = &Device::flex();
    for (index, case) in check.all.cases.iter().enumerate() {
        let model = load(&case.model);
        let all = &check.all;
        let boxes = all.boxes[..case.boxes].iter().map(|it| Region {
            words: it.words(),
            place: Place::Box(it.rect),
            weight: case.box_weight,
        });
        let map = check.map();
        let classes = all.palette.iter().filter(|_| case.map).map(|class| Region {
            words: class.name.clone(),
            place: Place::Pixels(Arc::clone(&map.map), class.index),
            weight: case.map_weight,
        });
        let regions: Vec<Region> = boxes.chain(classes).collect();
        let reading = TextReading::default();
        let is_guided = case.guidance > 1.0;
        let asked = [
            Asked::Text {
                prompt: &all.prompt,
                negative: is_guided.then_some(&*all.negative_prompt),
                reading,
            },
            Asked::Regions {
                regions: &regions,
                reading,
            },
        ];
        let mut bench = Bench {
            first_stage: model.model().first_stage(),
            size_px: [all.width as usize, all.height as usize],
            noise: &mut |shape| Tensor::zeros(shape, device),
            device,
        };
        let told = model.model().told(&asked, &mut bench);
        assert_eq!(told.rows(), 1 + usize::from(is_guided));
        let Latents { shape, values } = check.noise(index);
        let noise = Tensor::from_data(TensorData::new(values, shape), device);
        let time = Tensor::<1>::from_floats([TIMESTEP], device);
        let said = model.model().said(&noise, time, &told);
        check.compare(&format!("{index}.said"), said);
    }
}

#[test]
fn whole_runs_with_regions_equal_diffusers() {
    let check = Check::open();
    for (index, case) in check.all.cases.iter().enumerate() {
        let model = load(&case.model);
        let mut session = Session::new(&model, &check.request(index)).unwrap();
        while session.step().unwrap().is_some() {}
        check.compare(&format!("{index}.run"), session.state().latents);
    }
}

/// Regions of weight 0 change nothing, and those that are taken away are gone.
#[test]
fn regions_end_where_nothing_is_left_of_them() {
    let check = Check::open();
    let model = load("sd1-tiny");
    let ended = |conditions: Conditions, later: Option<Conditions>| {
        let request = GenerationRequest {
            conditions,
            ..check.request(0)
        };
        let mut session = Session::new(&model, &request).unwrap();
        if let Some(conditions) = &later {
            let told = model.told_anew(&Retelling {
                prompt: &request.prompt,
                negative_prompt: &request.negative_prompt,
                reading: request.reading,
                steps: request.steps as usize,
                seed: 0,
                guidance_scale: request.guidance_scale,
                conditions,
                size_px: [request.width_px, request.height_px],
                canvas: request.canvas,
            });
            session.tell(told.unwrap());
        }
        while session.step().unwrap().is_some() {}
        values(session.state().latents)
    };
    let with = check.request(0).conditions;
    let plain = ended(Conditions::default(), None);
    let weightless = Conditions {
        layout_weight: 0.0,
        ..with.clone()
    };
    assert_eq!(ended(weightless, None), plain);
    assert_eq!(ended(with.clone(), Some(Conditions::default())), plain);
    let told = ended(with.clone(), None);
    assert_eq!(ended(Conditions::default(), Some(with)), told);
    assert_ne!(told, plain);
}

/// In windows, regions are cut as the latents are; sizes that are no multiple of a
/// latent's side, and odd ones of latents, are painted too.
#[test]
fn regions_act_in_windows_and_on_odd_sizes() {
    let check = Check::open();
    let model = load("sd1-tiny");
    let ended = |conditions: Conditions, canvas| {
        let request = GenerationRequest {
            width_px: 117,
            height_px: 66,
            steps: 2,
            conditions,
            canvas,
            given: GivenLatents::default(),
            ..check.request(0)
        };
        let mut session = Session::new(&model, &request).unwrap();
        while session.step().unwrap().is_some() {}
        values(session.state().latents)
    };
    let with = check.request(0).conditions;
    let windows = Canvas {
        window_px: Some(64),
        ..Canvas::default()
    };
    for canvas in [Canvas::default(), windows] {
        let (plain, told) = (
            ended(Conditions::default(), canvas),
            ended(with.clone(), canvas),
        );
        assert_ne!(plain, told);
        assert!(told.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn more_regions_than_can_be_are_refused() {
    let check = Check::open();
    let model = load("sd1-tiny");
    let mut request = check.request(1);
    request.conditions.layout = Some(LayoutInput(vec![check.all.boxes[0].clone(); 33].into()));
    let error = Session::new(&model, &request).err().unwrap().to_string();
    assert!(
        error.contains("33 boxes") && error.contains("at most 32"),
        "{error}"
    );
    request.conditions.layout = Some(LayoutInput(vec![check.all.boxes[0].clone(); 31].into()));
    let error = Session::new(&model, &request).err().unwrap().to_string();
    assert!(error.contains("33 regional prompts"), "{error}");
}
