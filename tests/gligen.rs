//! Boxes with phrases on a model of GLIGEN, against diffusers.
//!
//! `data/reference/make_gligen_reference.py` makes the model and says what was run.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use reference_support::{Reference, difference, folder};
use serde::Deserialize;
use velatura::diffusion::{
    Canvas, Conditions, GenerationRequest, GivenLatents, LatentDiffusion, Session,
};
use velatura::model::conditioner::{Asked, Bench};
use velatura::model::{ModelFolder, WeightDtype};
use velatura::recipe::prompt::TextReading;
use velatura::recipe::{InputSpec, Latents, LayoutBox, LayoutInput, SamplerId};

/// Largest difference allowed.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Cases {
    width: u32,
    height: u32,
    steps: u32,
    prompt: String,
    negative_prompt: String,
    timestep: u32,
    boxes: Vec<LayoutBox>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    /// Number of boxes.
    boxes: usize,
    share: f32,
    guidance: f32,
}

struct Check {
    reference: Reference,
    all: Cases,
    model: LatentDiffusion,
}

impl Check {
    fn open() -> Self {
        let reference = Reference::open("gligen-tiny/gligen.safetensors");
        let model = ModelFolder::open(folder().join("gligen-tiny")).unwrap();
        Self {
            all: reference.cases(),
            reference,
            model: LatentDiffusion::load(&model, &Device::flex()).unwrap(),
        }
    }

    fn compare<const D: usize>(&self, key: &str, got: Tensor<D>) {
        let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
        let (largest, deviation) = difference(&got, &self.reference.numbers(key));
        println!("{key}: largest difference {largest:.1e} of a deviation of {deviation:.2}");
        assert!(largest <= TOLERANCE, "{key} differs by {largest:.1e}");
    }

    fn noise(&self, index: usize) -> Latents {
        let values = self.reference.numbers(&format!("{index}.noise"));
        let (rows, columns) = (self.all.height as usize / 4, self.all.width as usize / 4);
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
                grounding_share: case.share,
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
fn what_the_denoiser_says_of_boxes_equals_diffusers() {
    let check = Check::open();
    let device = &Device::flex();
    let (all, model) = (&check.all, check.model.model());
    for (index, case) in all.cases.iter().enumerate() {
        let is_guided = case.guidance > 1.0;
        let asked = [
            Asked::Text {
                prompt: &all.prompt,
                negative: is_guided.then_some(&*all.negative_prompt),
                reading: TextReading::default(),
            },
            Asked::Phrases {
                boxes: &all.boxes[..case.boxes],
                weight: 1.0,
                is_guided,
            },
        ];
        let mut bench = Bench {
            first_stage: model.first_stage(),
            size_px: [all.width as usize, all.height as usize],
            noise: &mut |shape| Tensor::zeros(shape, device),
            device,
        };
        let told = model.told(&asked, &mut bench);
        let Latents { shape, values } = check.noise(index);
        let noise = Tensor::from_data(TensorData::new(values, shape), device);
        let time = Tensor::<1>::from_floats([all.timestep as f32], device);
        check.compare(&format!("{index}.said"), model.said(&noise, time, &told));
    }
}

#[test]
fn whole_runs_with_boxes_equal_diffusers() {
    let check = Check::open();
    for index in 0..check.all.cases.len() {
        let mut session = Session::new(&check.model, &check.request(index)).unwrap();
        while session.step().unwrap().is_some() {}
        check.compare(&format!("{index}.run"), session.state().latents);
    }
}

/// Not at all, that is as if there were none: the network would hear boxes that are nowhere.
#[test]
fn boxes_without_weight_are_no_boxes() {
    let check = Check::open();
    let run = |layout_weight, has_boxes| {
        let mut request = check.request(1);
        request.conditions.layout_weight = layout_weight;
        request.conditions.layout = request.conditions.layout.filter(|_| has_boxes);
        let mut session = Session::new(&check.model, &request).unwrap();
        while session.step().unwrap().is_some() {}
        let values: Vec<f32> = session
            .state()
            .latents
            .into_data()
            .try_into_vec_as()
            .unwrap();
        values
    };
    assert_eq!(run(0.0, true), run(1.0, false));
    assert_ne!(run(1.0, true), run(1.0, false));
}

#[test]
fn a_folder_says_that_it_takes_phrases_and_how_many() {
    let check = Check::open();
    let inputs = &check.model.manifest().inputs;
    assert!(inputs.contains(&InputSpec::Phrases { max_boxes: 30 }));
    let mut request = check.request(1);
    request.conditions.layout = Some(LayoutInput(vec![check.all.boxes[0].clone(); 31].into()));
    let error = Session::new(&check.model, &request)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("31 boxes") && error.contains("at most 30"),
        "{error}"
    );
}

/// Windows see the boxes that lie in them, and none where none does.
#[test]
fn boxes_with_phrases_are_cut_to_windows() {
    let check = Check::open();
    let request = GenerationRequest {
        width_px: 160,
        given: GivenLatents::default(),
        canvas: Canvas {
            window_px: Some(64),
            ..Canvas::default()
        },
        ..check.request(2)
    };
    let mut session = Session::new(&check.model, &request).unwrap();
    while session.step().unwrap().is_some() {}
    let latents: Vec<f32> = session.state().latents.into_data().try_to_vec().unwrap();
    assert!(latents.iter().all(|value| value.is_finite()));
}

/// A folder that is written says the same as the one it was read from.
#[test]
fn a_written_folder_has_the_same_numbers() {
    let folder = folder().join("gligen-tiny");
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("copy");
    let model = ModelFolder::open(&folder).unwrap();
    let manifest = model.manifest();
    model.copy_to(&path, WeightDtype::F16, &manifest).unwrap();
    let file = "unet/diffusion_pytorch_model.safetensors";
    let (read, written) = (
        std::fs::read(folder.join(file)).unwrap(),
        std::fs::read(path.join(file)).unwrap(),
    );
    let tensors = |bytes: &[u8]| {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let mut all: Vec<_> = file
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec()))
            .collect();
        all.sort();
        all
    };
    assert!(tensors(&read) == tensors(&written));
}
