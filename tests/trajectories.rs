//! Whole pictures against diffusers: the same folder, words and seed must end
//! in the same latents, whatever the sampler.
//!
//! `data/reference/make_trajectories.py` says what was run and in which order
//! its pipelines draw random numbers; `make_solvers.py` and `make_bounds.py` what was run later. Not compared: strokes of masks that lie between
//! the pixels that diffusers looks at (it loses them, we do not), prompt weights, f16
//! arithmetic.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use image::{GrayImage, RgbImage};
use reference_support::{Reference, difference, folder};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use velatura::diffusion::{
    DiffusionError, GenerationOutcome, GenerationRequest, GivenLatents, LatentDiffusion, SAMPLERS,
};
use velatura::model::{ModelFolder, WeightDtype};
use velatura::recipe::{Latents, SamplerId, Schedule};

/// Largest difference allowed, as a part of the latents' standard deviation.
const TOLERANCE: f64 = 1e-4;
/// DDIM with dynamic thresholds and guidance. Thresholds shrink the clean sample, so that each
/// step hangs on the guided noise, and networks of random weights multiply last bits: diffusers
/// in f32 is off by 9.0e-4 from the reference, which is diffusers in f64 (by 7.6e-4 without
/// oneDNN, by 5.9e-5 without guidance); ours, seen, by 1.1e-3.
const THRESHOLDED_DDIM: f64 = 2e-3;
/// DDIM with eta: ours is off by 7.4e-5, diffusers in f32 by 7.6e-5, and other processors round
/// otherwise.
const DDIM_WITH_ETA: f64 = 2e-4;

#[derive(Deserialize)]
struct Cases {
    prompt: String,
    negative_prompt: String,
    steps: u32,
    seed: u64,
    width: u32,
    height: u32,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    kind: Kind,
    sampler: Option<SamplerId>,
    karras: Option<bool>,
    /// Instead of `karras`.
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default)]
    rescale: f32,
    /// The shares of the steps that are over when guidance begins and ends.
    #[serde(default)]
    interval: Option<[f32; 2]>,
    /// What is handed in: "noise" or "latents".
    #[serde(default)]
    given: Option<String>,
    eta: f32,
    guidance: f32,
    strength: f32,
    pictures: u64,
    /// Another scheduler_config.json than the folder's.
    scheduler: Option<Value>,
    decode: bool,
}

impl Case {
    /// Largest difference allowed.
    fn tolerance(&self) -> f64 {
        let thresholds =
            |file: &Value| file["_class_name"] == "DDIMScheduler" && file["thresholding"] == true;
        let is_ddim = self.sampler.is_none() && self.scheduler.as_ref().is_some_and(thresholds);
        if is_ddim && self.eta == 0.0 && self.guidance > 1.0 {
            THRESHOLDED_DDIM
        } else if self.eta > 0.0 {
            DDIM_WITH_ETA
        } else {
            TOLERANCE
        }
    }

    fn has_image(&self) -> bool {
        matches!(self.kind, Kind::Image | Kind::Inpaint)
    }

    fn schedule(&self) -> Option<Schedule> {
        let plain = self.karras.map(|karras| {
            if karras {
                Schedule::Karras
            } else {
                Schedule::Uniform
            }
        });
        let named = self
            .schedule
            .as_deref()
            .map(|id| Schedule::of_id(id).unwrap());
        named.or(plain)
    }
}

/// What is given besides words.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    Image,
    Inpaint,
    /// Inpainting without a picture.
    All,
}

/// A copy of a model with another scheduler.
fn changed_folder(name: &str, scheduler: &Value) -> TempDir {
    let changed = tempfile::tempdir().unwrap();
    copy(&folder().join(name), changed.path());
    let file = changed.path().join("scheduler/scheduler_config.json");
    std::fs::write(file, scheduler.to_string()).unwrap();
    changed
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

fn load(path: &Path) -> Result<LatentDiffusion, DiffusionError> {
    LatentDiffusion::load(&ModelFolder::open(path)?, &Device::flex())
}

struct Check {
    reference: Reference,
    all: Cases,
    image: RgbImage,
    mask: GrayImage,
}

impl Check {
    fn open(name: &str) -> Self {
        Self::open_file(name, "trajectories")
    }

    fn open_file(name: &str, file: &str) -> Self {
        let reference = Reference::open(&format!("{name}/{file}.safetensors"));
        let all: Cases = reference.cases();
        let bytes = |key| -> Vec<u8> {
            let numbers = reference.numbers(key);
            numbers.into_iter().map(|value| value as u8).collect()
        };
        Self {
            image: RgbImage::from_raw(all.width, all.height, bytes("image")).unwrap(),
            mask: GrayImage::from_raw(all.width, all.height, bytes("mask")).unwrap(),
            reference,
            all,
        }
    }

    fn given(&self, case: &Case) -> GivenLatents {
        let Some(kind) = &case.given else {
            return GivenLatents::default();
        };
        let factor = 4;
        let given = Some(Arc::new(Latents {
            shape: [1, 4, self.all.height / factor, self.all.width / factor]
                .map(|side| side as usize),
            values: self
                .reference
                .numbers("given")
                .into_iter()
                .map(|value| value as f32)
                .collect(),
        }));
        let (noise, clean) = match kind.as_str() {
            "noise" => (given, None),
            _ => (None, given),
        };
        GivenLatents { noise, clean }
    }

    fn request(&self, case: &Case, picture: u64) -> GenerationRequest {
        let all = &self.all;
        let has_image = case.has_image() && case.given.as_deref() != Some("latents");
        GenerationRequest {
            prompt: all.prompt.clone(),
            negative_prompt: all.negative_prompt.clone(),
            reading: velatura::recipe::prompt::TextReading::default(),
            sampler: case.sampler.clone(),
            schedule: case.schedule(),
            steps: all.steps,
            guidance_scale: case.guidance,
            guidance_rescale: case.rescale,
            guidance_interval: case.interval.unwrap_or([0.0, 1.0]),
            eta: case.eta,
            seed: all.seed + picture,
            width_px: all.width,
            height_px: all.height,
            strength: case.strength,
            init: has_image.then(|| self.image.clone()),
            mask: (case.kind == Kind::Inpaint).then(|| self.mask.clone()),
            canvas: velatura::diffusion::Canvas::default(),
            given: self.given(case),
            inpainting: velatura::diffusion::Inpainting::default(),
            ..GenerationRequest::default()
        }
    }

    /// What is wrong with a case, if anything.
    fn run(&self, model: &LatentDiffusion, index: usize) -> Result<f64, String> {
        let case = &self.all.cases[index];
        let wanted = self.reference.numbers(&format!("latents.{index}"));
        let one = wanted.len() / case.pictures as usize;
        let (mut latents, mut pixels) = (Vec::new(), Vec::new());
        for picture in 0..case.pictures {
            let mut seen = Vec::new();
            let outcome = model.generate(&self.request(case, picture), &mut |view| {
                seen.push((view.step, view.total));
                ControlFlow::Continue(())
            });
            let outcome = outcome.map_err(|error| error.to_string())?;
            let GenerationOutcome::Finished {
                latents: end,
                image,
            } = outcome
            else {
                return Err("was cancelled".to_owned());
            };
            let part = if case.has_image() { case.strength } else { 1.0 };
            let total = (self.all.steps as f32 * part) as usize;
            let steps: Vec<_> = (1..=total).map(|step| (step, total)).collect();
            if seen != steps {
                return Err(format!("the steps seen are {seen:?} of {total}"));
            }
            let end: Vec<f32> = end.into_data().try_into_vec_as().unwrap();
            if end.len() != one {
                return Err(format!("{} latents, not {one}", end.len()));
            }
            latents.extend(end);
            pixels.extend(image.into_raw());
        }
        let (largest, deviation) = difference(&latents, &wanted);
        let part = largest / deviation;
        if part.is_nan() || part > case.tolerance() {
            return Err(format!(
                "the latents differ by {part:.2e} of their deviation"
            ));
        }
        if case.decode {
            let wanted = self.reference.numbers(&format!("decoded.{index}"));
            let pixels: Vec<f32> = pixels.into_iter().map(f32::from).collect();
            let (largest, _) = difference(&pixels, &wanted);
            if largest > 1.0 {
                return Err(format!("the pixels differ by {largest}"));
            }
        }
        Ok(part)
    }
}

fn check_all(name: &str) {
    check_file(name, "trajectories");
}

fn check_file(name: &str, file: &str) {
    let check = Check::open_file(name, file);
    let model = load(&folder().join(name)).unwrap();
    let mut wrong = Vec::new();
    for (index, case) in check.all.cases.iter().enumerate() {
        let result = match &case.scheduler {
            None => check.run(&model, index),
            Some(scheduler) => match load(changed_folder(name, scheduler).path()) {
                Ok(changed) => check.run(&changed, index),
                Err(error) => Err(error.to_string()),
            },
        };
        match result {
            Ok(part) => println!("{name} {index}: {part:.1e}  {case:?}"),
            Err(error) => wrong.push(format!("{index} {case:?}: {error}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        check.all.cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn stable_diffusion_1_equals_diffusers() {
    check_all("sd1-tiny");
}

#[test]
fn stable_diffusion_2_equals_diffusers() {
    check_all("sd2-tiny");
}

#[test]
fn inpainting_equals_diffusers() {
    check_all("inpaint-tiny");
}

/// The samplers that came later, other spreads of noise levels, rescaled guidance, and
/// masks whose edges cross latents.
#[test]
fn later_samplers_and_crossing_masks_equal_diffusers() {
    for name in ["sd1-tiny", "sd2-tiny", "inpaint-tiny"] {
        check_file(name, "later_trajectories");
    }
}

/// Dynamic thresholds of clean samples, and levels that are even in their logarithm, as the
/// model's own scheduler asks for them.
#[test]
fn wishes_of_a_scheduler_equal_diffusers() {
    check_file("sd1-tiny", "bounds_trajectories");
}

#[test]
fn guidance_in_some_of_the_steps_equals_diffusers() {
    check_file("sd1-tiny", "interval_trajectories");
}

#[test]
fn noise_and_latents_that_are_handed_in_equal_diffusers() {
    check_file("sd1-tiny", "given_trajectories");
}

#[test]
fn what_is_handed_in_must_fit() {
    let check = Check::open("sd1-tiny");
    let model = load(&folder().join("sd1-tiny")).unwrap();
    let told = |shape: [usize; 4], value: f32| {
        let values = vec![value; shape.iter().product()];
        let noise = Some(Arc::new(Latents { shape, values }));
        let request = GenerationRequest {
            given: GivenLatents { noise, clean: None },
            ..check.request(&check.all.cases[0], 0)
        };
        let outcome = model.generate(&request, &mut |_| ControlFlow::Break(()));
        outcome.err().map(|error| error.to_string())
    };
    assert_eq!(told([1, 4, 14, 26], 0.5), None);
    let shape = told([1, 4, 14, 25], 0.5).unwrap();
    assert!(
        shape.contains("[1, 4, 14, 25]") && shape.contains("[1, 4, 14, 26]"),
        "{shape}"
    );
    assert!(
        told([1, 4, 14, 26], f32::NAN)
            .unwrap()
            .contains("not finite")
    );
}

/// Its scheduler clips samples and has no offset, which the pipelines correct.
#[test]
fn default_schedulers_equal_diffusers() {
    check_all("wgpu-tiny");
}

#[test]
fn the_observer_stops_within_a_step() {
    let check = Check::open("sd1-tiny");
    let model = load(&folder().join("sd1-tiny")).unwrap();
    for sampler in SAMPLERS {
        let request = GenerationRequest {
            sampler: Some(sampler.sampler_id()),
            ..check.request(&check.all.cases[0], 0)
        };
        let mut steps = 0;
        let outcome = model.generate(&request, &mut |view| {
            steps = view.step;
            if steps == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert!(matches!(outcome.unwrap(), GenerationOutcome::Cancelled));
        assert_eq!(steps, 3, "{}", sampler.id);
    }
}

/// The same pictures with weights in half precision: computed in f32, so only
/// the rounding of the weights is seen, which is 2^-11 or 2^-8 of each.
#[test]
fn half_weights_change_the_latents_little() {
    for name in ["sd1-tiny", "sd2-tiny", "inpaint-tiny"] {
        let check = Check::open(name);
        let case = &check.all.cases[0];
        let latents = |dtype| -> Vec<f32> {
            let folder = ModelFolder::open(folder().join(name)).unwrap();
            let model = LatentDiffusion::load(&folder.held_as(dtype), &Device::flex()).unwrap();
            let outcome =
                model.generate(&check.request(case, 0), &mut |_| ControlFlow::Continue(()));
            let GenerationOutcome::Finished { latents, .. } = outcome.unwrap() else {
                panic!("nobody cancelled");
            };
            latents.into_data().try_into_vec_as().unwrap()
        };
        let wanted: Vec<f64> = latents(WeightDtype::F32)
            .into_iter()
            .map(f64::from)
            .collect();
        for (dtype, allowed) in [(WeightDtype::F16, 0.01), (WeightDtype::Bf16, 0.08)] {
            let (largest, deviation) = difference(&latents(dtype), &wanted);
            println!("{name} {dtype:?}: {:.1e}", largest / deviation);
            assert!(
                largest < allowed * deviation,
                "{name} {dtype:?}: {largest} of {deviation}"
            );
        }
    }
}
