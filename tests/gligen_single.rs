//! GLIGEN in one file with the original names, and its inpainting, against diffusers.
//!
//! `data/reference/make_gligen_single_reference.py` makes the models and says what was run.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use image::{GrayImage, Luma, Rgb, RgbImage};
use reference_support::{Reference, difference, folder};
use safetensors::SafeTensors;
use serde::Deserialize;
use velatura::diffusion::{Conditions, GenerationRequest, GivenLatents, LatentDiffusion, Session};
use velatura::model::inspect::{Family, Task, inspect};
use velatura::model::{Conversion, ModelFolder};
use velatura::recipe::{InputSpec, Latents, LayoutBox, LayoutInput, MaskConvention, SamplerId};

/// Largest difference allowed, of a deviation.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Cases {
    side: u32,
    steps: u32,
    seed: u64,
    prompt: String,
    negative_prompt: String,
    boxes: Vec<LayoutBox>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    kind: String,
    /// Number of boxes.
    boxes: usize,
    share: f32,
    guidance: f32,
}

fn file(kind: &str) -> PathBuf {
    folder().join(format!("gligen-single/{kind}.bin"))
}

struct Check {
    reference: Reference,
    all: Cases,
}

impl Check {
    fn new() -> Self {
        let reference = Reference::open("gligen-single/reference.safetensors");
        Self {
            all: reference.cases(),
            reference,
        }
    }

    fn latents(&self, key: &str) -> Arc<Latents> {
        let values = self.reference.numbers(key).into_iter();
        let side = self.all.side as usize / 2;
        Arc::new(Latents {
            shape: [1, 4, side, side],
            values: values.map(|value| value as f32).collect(),
        })
    }

    /// The picture, and what of it is painted.
    fn pictures(&self, index: usize) -> (RgbImage, GrayImage) {
        let side = self.all.side;
        let pixels = self.reference.numbers("picture");
        let pixels: Vec<u8> = pixels.into_iter().map(|value| value as u8).collect();
        let picture = RgbImage::from_raw(side, side, pixels).unwrap();
        let kept = self.reference.numbers(&format!("{index}.mask"));
        let mask = GrayImage::from_fn(side, side, |x, y| {
            let place = (y / 2 * (side / 2) + x / 2) as usize;
            Luma([if kept[place] > 0.5 { 0 } else { 255 }])
        });
        (picture, mask)
    }

    fn request(&self, index: usize) -> GenerationRequest {
        let (all, case) = (&self.all, &self.all.cases[index]);
        let inpaints = case.kind == "inpaint";
        let (init, mask) = match inpaints {
            true => {
                let (picture, mask) = self.pictures(index);
                (Some(picture), Some(mask))
            }
            false => (None, None),
        };
        GenerationRequest {
            prompt: all.prompt.clone(),
            negative_prompt: all.negative_prompt.clone(),
            sampler: Some(SamplerId::new("ddim")),
            steps: all.steps,
            guidance_scale: case.guidance,
            seed: all.seed,
            width_px: all.side,
            height_px: all.side,
            init,
            mask,
            conditions: Conditions {
                layout: Some(LayoutInput(all.boxes[..case.boxes].into())),
                grounding_share: case.share,
                ..Conditions::default()
            },
            given: GivenLatents {
                noise: Some(self.latents(&format!("{index}.noise"))),
                clean: inpaints.then(|| self.latents(&format!("{index}.clean"))),
            },
            ..GenerationRequest::default()
        }
    }

    fn run(&self, path: &Path, index: usize) -> Tensor<4> {
        let folder = ModelFolder::open(path).unwrap();
        let model = LatentDiffusion::load(&folder, &Device::flex()).unwrap();
        let mut session = Session::new(&model, &self.request(index)).unwrap();
        while session.step().unwrap().is_some() {}
        session.state().latents
    }

    fn compare(&self, path: &Path, index: usize) {
        let key = format!("{index}.run");
        let got: Vec<f32> = self.run(path, index).into_data().try_into_vec_as().unwrap();
        let (largest, deviation) = difference(&got, &self.reference.numbers(&key));
        println!("{key}: largest difference {largest:.1e} of a deviation of {deviation:.2}");
        assert!(deviation > 0.1, "{key} is nearly constant");
        let most = TOLERANCE * deviation.max(1.0);
        assert!(largest <= most, "{key} differs by {largest:.1e}");
    }

    fn indices(&self, kind: &str) -> Vec<usize> {
        let cases = self.all.cases.iter().enumerate();
        let of_kind = cases.filter(|(_, case)| case.kind == kind);
        of_kind.map(|(index, _)| index).collect()
    }
}

#[test]
fn whole_runs_of_a_released_file_equal_diffusers() {
    let check = Check::new();
    for kind in ["text", "inpaint"] {
        for index in check.indices(kind) {
            check.compare(&file(kind), index);
        }
    }
}

#[test]
fn such_files_say_what_they_are() {
    for (kind, task) in [("text", Task::TextToImage), ("inpaint", Task::Inpainting)] {
        let found = inspect(&file(kind), None).unwrap();
        assert_eq!(found.family, Family::StableDiffusion1);
        assert_eq!(found.task, task);
        assert!(found.missing.is_empty(), "{:?}", found.missing);
        assert!(found.surplus.is_empty(), "{:?}", found.surplus);
        assert!(found.notices[0].contains("GLIGEN"), "{:?}", found.notices);
        let manifest = ModelFolder::open(file(kind)).unwrap().manifest();
        let phrases = InputSpec::Phrases { max_boxes: 30 };
        assert!(manifest.inputs.contains(&phrases));
        let convention = (kind == "inpaint").then_some(MaskConvention::KeptLatents);
        assert_eq!(manifest.mask_convention(), convention);
    }
}

/// A folder of diffusers and a file of another container are the same model.
#[test]
fn written_anew_as_folder_or_file_it_paints_the_same() {
    let check = Check::new();
    let scratch = tempfile::tempdir().unwrap();
    let convert = |from: &Path, name: &str| {
        let to = scratch.path().join(name);
        let conversion = Conversion::default();
        conversion.run(from, &to, &mut |_, _| true).unwrap();
        to
    };
    let folder = convert(&file("inpaint"), "folder");
    let config = std::fs::read_to_string(folder.join("unet/config.json")).unwrap();
    assert!(config.contains("gated"), "{config}");
    assert_eq!(inspect(&folder, None).unwrap().task, Task::Inpainting);
    assert!(!folder.join("studio.json").exists());
    let back = convert(&folder, "back.safetensors");
    let direct = convert(&file("inpaint"), "direct.safetensors");
    let index = check.indices("inpaint")[1];
    check.compare(&folder, index);
    check.compare(&back, index);
    let tensors = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let all = file.tensors().into_iter();
        all.map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec()))
            .collect::<BTreeSet<_>>()
    };
    assert!(tensors(&back) == tensors(&direct));
    let bytes = std::fs::read(&back).unwrap();
    let names = SafeTensors::deserialize(&bytes).unwrap();
    for name in [
        "model.diffusion_model.position_net.linears.4.bias",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.fuser.alpha_attn",
    ] {
        names.tensor(name).unwrap();
    }
}

/// What is kept comes back as it was, and what is painted hears of words and boxes.
#[test]
fn a_mask_without_boxes_repaints_too() {
    let check = Check::new();
    let folder = ModelFolder::open(file("inpaint")).unwrap();
    let model = LatentDiffusion::load(&folder, &Device::flex()).unwrap();
    let index = check.indices("inpaint")[0];
    let mut request = check.request(index);
    request.conditions.layout = None;
    request.given = GivenLatents::default();
    request.init = Some(RgbImage::from_pixel(
        check.all.side,
        check.all.side,
        Rgb([90, 120, 60]),
    ));
    let mut session = Session::new(&model, &request).unwrap();
    while session.step().unwrap().is_some() {}
    let picture = session.picture().unwrap();
    assert_eq!(picture.dimensions(), (check.all.side, check.all.side));
}

/// Files of ComfyUI hold what GLIGEN adds and no model; other models of GLIGEN are told
/// pictures.
#[test]
fn what_is_no_whole_model_of_boxes_and_words_is_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let write = |names: &[&str]| {
        let path = scratch.path().join("some.safetensors");
        let bytes = [0_u8; 8];
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &bytes).unwrap();
        let tensors = names.iter().map(|name| (*name, &view));
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        path
    };
    let fuser = "input_blocks.1.1.transformer_blocks.0.fuser.norm1.weight";
    for (names, part) in [
        (
            vec![fuser, "position_net.linears.0.bias"],
            "what GLIGEN adds to a model",
        ),
        (
            vec![
                fuser,
                "time_embed.0.bias",
                "position_net.linears_image.0.bias",
            ],
            "something else than boxes and words",
        ),
    ] {
        let sentence = ModelFolder::open(write(&names)).unwrap_err().to_string();
        assert!(sentence.contains(part), "{sentence}");
    }
}
