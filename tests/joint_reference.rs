//! Words, boxes, label maps, masks and small pictures, alone and together, against
//! plain PyTorch and diffusers: what the denoiser is told, what it says with
//! guidance, and where the run ends.
//!
//! `data/reference/make_joint_reference.py` makes the model and says what was run.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, RgbImage};
use reference_support::{Reference, difference, folder};
use serde::Deserialize;
use velatura::diffusion::{
    Conditions, DiffusionError, GenerationRequest, LatentDiffusion, Session, TorchGenerator,
};
use velatura::model::conditioner::{Asked, Bench, MaskPlanes};
use velatura::model::{ModelFolder, WeightDtype};
use velatura::pixels;
use velatura::recipe::{LayoutBox, LayoutInput, Palette, PaletteClass, SemanticInput};

/// Largest difference allowed.
const TOLERANCE: f64 = 1e-4;
const FACTOR: usize = 8;

#[derive(Deserialize)]
struct Cases {
    negative_prompt: String,
    steps: u32,
    seed: u64,
    width: u32,
    height: u32,
    boxes: Vec<LayoutBox>,
    palette: Vec<PaletteClass>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    prompt: String,
    /// Number of boxes.
    layout: usize,
    layout_weight: f32,
    layout_bias: f32,
    semantic: bool,
    semantic_weight: f32,
    inpaint: bool,
    low: bool,
    guidance: f32,
    decode: bool,
}

struct Check {
    reference: Reference,
    all: Cases,
    device: Device,
    model: LatentDiffusion,
}

impl Check {
    fn open() -> Self {
        let reference = Reference::open("joint-tiny/joint.safetensors");
        let device = Device::flex();
        let model = ModelFolder::open(folder().join("joint-tiny")).unwrap();
        Self {
            all: reference.cases(),
            reference,
            model: LatentDiffusion::load(&model, &device).unwrap(),
            device,
        }
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        let numbers = self.reference.numbers(key);
        numbers.into_iter().map(|number| number as u8).collect()
    }

    fn rgb(&self, key: &str, part: u32) -> RgbImage {
        let (width, height) = (self.all.width / part, self.all.height / part);
        RgbImage::from_raw(width, height, self.bytes(key)).unwrap()
    }

    fn grey(&self, key: &str) -> GrayImage {
        GrayImage::from_raw(self.all.width, self.all.height, self.bytes(key)).unwrap()
    }

    fn request(&self, case: &Case) -> GenerationRequest {
        let layout = LayoutInput(self.all.boxes[..case.layout].into());
        let semantic = SemanticInput {
            map: Arc::new(self.grey("label_map")),
            palette: Palette {
                name: String::new(),
                classes: self.all.palette.clone(),
            },
        };
        GenerationRequest {
            prompt: case.prompt.clone(),
            negative_prompt: self.all.negative_prompt.clone(),
            reading: velatura::recipe::prompt::TextReading::default(),
            steps: self.all.steps,
            guidance_scale: case.guidance,
            seed: self.all.seed,
            width_px: self.all.width,
            height_px: self.all.height,
            init: case.inpaint.then(|| self.rgb("image", 1)),
            mask: case.inpaint.then(|| self.grey("mask")),
            canvas: velatura::diffusion::Canvas::default(),
            given: velatura::diffusion::GivenLatents::default(),
            inpainting: velatura::diffusion::Inpainting::default(),
            conditions: Conditions {
                layout: (case.layout > 0).then_some(layout),
                layout_weight: case.layout_weight,
                layout_bias: case.layout_bias,
                semantic: case.semantic.then_some(semantic),
                semantic_weight: case.semantic_weight,
                low_resolution: case.low.then(|| self.rgb("small", 4)),
                ..Conditions::default()
            },
            ..GenerationRequest::default()
        }
    }

    fn compare<const D: usize>(&self, key: &str, got: Tensor<D>) {
        let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
        let (largest, deviation) = difference(&got, &self.reference.numbers(key));
        println!("{key}: largest difference {largest:.1e} of a deviation of {deviation:.2}");
        assert!(largest <= TOLERANCE, "{key} differs by {largest:.1e}");
        assert!(deviation > 0.05, "{key} is nearly constant");
    }
}

fn planes(picture: &RgbImage, device: &Device) -> Tensor<4> {
    let shape = [1, 3, picture.height() as usize, picture.width() as usize];
    Tensor::from_data(TensorData::new(pixels::planes(picture), shape), device)
}

/// All tokens, all channels, and the guided answer to the first noise.
#[test]
fn what_the_denoiser_is_told_and_says_equals_torch() {
    let check = Check::open();
    let device = &check.device;
    for (index, case) in check.all.cases.iter().enumerate() {
        let request = check.request(case);
        let size_px = [check.all.width as usize, check.all.height as usize];
        let mut random = TorchGenerator::new(check.all.seed);
        let noise = random.randn([1, 4, size_px[1] / FACTOR, size_px[0] / FACTOR], device);
        let is_guided = case.guidance > 1.0;
        let mut asked = vec![Asked::Text {
            prompt: &request.prompt,
            negative: is_guided.then_some(&*request.negative_prompt),
            reading: request.reading,
        }];
        let picture = planes(&check.rgb("image", 1), device);
        let mask = check.grey("mask");
        let mask = MaskPlanes::new(size_px, FACTOR, |x, y| {
            mask.get_pixel(x as u32, y as u32).0[0] > 127
        });
        if case.inpaint {
            asked.push(Asked::Mask {
                picture: &picture,
                mask: &mask,
            });
        }
        let conditions = &request.conditions;
        if let Some(layout) = &conditions.layout {
            asked.push(Asked::Layout {
                boxes: &layout.0,
                weight: case.layout_weight,
                bias: case.layout_bias,
                is_guided,
            });
        }
        if let Some(input) = &conditions.semantic {
            asked.push(Asked::Semantic {
                input,
                weight: case.semantic_weight,
                is_guided,
            });
        }
        let small = planes(&check.rgb("small", 4), device);
        if case.low {
            asked.push(Asked::LowResolution { picture: &small });
        }
        let model = check.model.model();
        let mut bench = Bench {
            first_stage: model.first_stage(),
            size_px,
            noise: &mut |shape| random.randn(shape, device),
            device,
        };
        let told = model.told(&asked, &mut bench);
        assert_eq!(told.rows(), if is_guided { 2 } else { 1 });
        check.compare(&format!("context.{index}"), told.tokens().unwrap());
        let seen = told.around(&noise, &model.manifest().channels);
        let beside = seen.dims()[1] - 4;
        check.compare(&format!("beside.{index}"), seen.narrow(1, 4, beside));
        // The first timestep of six, leading, with the offset of one.
        let time = Tensor::<1>::from_floats([831.0], device);
        let said = model.said(&noise, time, &told);
        let said = if is_guided {
            let (free, told) = (said.clone().narrow(0, 0, 1), said.narrow(0, 1, 1));
            free.clone() + (told - free) * case.guidance
        } else {
            said
        };
        check.compare(&format!("said.{index}"), said);
    }
}

#[test]
fn whole_runs_equal_torch() {
    let check = Check::open();
    for (index, case) in check.all.cases.iter().enumerate() {
        let mut session = Session::new(&check.model, &check.request(case)).unwrap();
        session.step().unwrap();
        check.compare(&format!("first.{index}"), session.state().latents);
        while session.step().unwrap().is_some() {}
        check.compare(&format!("latents.{index}"), session.state().latents);
        if case.decode {
            let pixels = session.picture().unwrap().into_raw();
            let pixels: Vec<f32> = pixels.into_iter().map(f32::from).collect();
            let wanted = check.reference.numbers(&format!("decoded.{index}"));
            let (largest, _) = difference(&pixels, &wanted);
            assert!(largest <= 1.0, "the pixels differ by {largest}");
        }
    }
}

/// Sizes that are no multiple of a latent's side are painted larger and cut.
#[test]
fn odd_sizes_are_painted_with_all_conditions() {
    let check = Check::open();
    let whole = check.request(&check.all.cases[8]);
    let semantic = whole.conditions.semantic.clone().unwrap();
    let request = GenerationRequest {
        width_px: 50,
        height_px: 33,
        init: None,
        mask: None,
        canvas: velatura::diffusion::Canvas::default(),
        guide: None,
        inpainting: velatura::diffusion::Inpainting::default(),
        conditions: Conditions {
            semantic: Some(semantic.resized([50, 33])),
            low_resolution: Some(RgbImage::new(13, 9)),
            ..whole.conditions.clone()
        },
        ..whole.clone()
    };
    let mut session = Session::new(&check.model, &request).unwrap();
    while session.step().unwrap().is_some() {}
    assert_eq!(session.picture().unwrap().dimensions(), (50, 33));
}

#[test]
fn what_the_model_cannot_be_told_is_refused_by_name() {
    let check = Check::open();
    let refused = |change: &dyn Fn(&mut Conditions)| {
        let mut request = check.request(&check.all.cases[8]);
        change(&mut request.conditions);
        let error = Session::new(&check.model, &request).err();
        error
            .map(|error: DiffusionError| error.to_string())
            .unwrap()
    };
    let boxes = |change: &dyn Fn(&mut Vec<LayoutBox>)| {
        refused(&|conditions: &mut Conditions| {
            let mut boxes = check.all.boxes.clone();
            change(&mut boxes);
            conditions.layout = Some(LayoutInput(boxes.into()));
        })
    };
    let text = boxes(&|boxes| boxes[1].class = "unicorn".to_owned());
    assert!(
        text.contains("unicorn") && text.contains("balloon"),
        "{text}"
    );
    let text = boxes(&|boxes| boxes[1].colour = Some("mauve".to_owned()));
    assert!(text.contains("mauve") && text.contains("green"), "{text}");
    let text = boxes(&|boxes| boxes.extend_from_within(..2));
    assert!(
        text.contains("6 boxes") && text.contains("at most 5"),
        "{text}"
    );
    let text = refused(&|conditions| {
        let semantic = conditions.semantic.as_mut().unwrap();
        semantic.palette.classes[1].name = "void".to_owned();
    });
    assert!(text.contains("void") && text.contains("hill"), "{text}");
    let text = refused(&|conditions| {
        let semantic = conditions.semantic.as_mut().unwrap();
        semantic.palette.classes.truncate(1);
    });
    assert!(text.contains("values 0, 9"), "{text}");
    let text = refused(&|conditions| conditions.low_resolution = Some(RgbImage::new(9, 9)));
    assert!(text.contains("must be 18 × 12"), "{text}");

    let plain = ModelFolder::open(folder().join("sd1-tiny")).unwrap();
    let plain = LatentDiffusion::load(&plain, &check.device).unwrap();
    let low = check.all.cases.iter().find(|case| case.low).unwrap();
    let error = Session::new(&plain, &check.request(low)).err().unwrap();
    assert!(matches!(error, DiffusionError::NotTaken(_)), "{error}");
    // Boxes and label maps act on all that reads words, and on nothing else.
    let wordless = velatura::model::Manifest::default();
    for case in [2, 4] {
        let conditions = check.request(&check.all.cases[case]).conditions;
        let size_px = [check.all.width, check.all.height];
        let error = conditions.check(&wordless, size_px, false).unwrap_err();
        assert!(matches!(error, DiffusionError::NotTaken(_)), "{error}");
        conditions.check(plain.manifest(), size_px, false).unwrap();
    }
}

/// Words change on the way; boxes and map stay.
#[test]
fn other_words_leave_boxes_and_map_alone() {
    let check = Check::open();
    let request = check.request(&check.all.cases[8]);
    let mut session = Session::new(&check.model, &request).unwrap();
    let told = |session: &mut Session<'_>, prompt: &str| {
        let told = check
            .model
            .told_of(prompt, &request.negative_prompt, request.guidance_scale);
        session.tell(told);
    };
    told(&mut session, "two boats");
    told(&mut session, &request.prompt);
    while session.step().unwrap().is_some() {}
    check.compare("latents.8", session.state().latents);
}

#[test]
fn a_copy_says_the_same_and_holds_the_encoders() {
    let check = Check::open();
    let place = tempfile::tempdir().unwrap();
    let original = ModelFolder::open(folder().join("joint-tiny")).unwrap();
    let path = place.path().join("copy");
    let manifest = original.manifest();
    let copy = original
        .copy_to(&path, WeightDtype::F16, &manifest)
        .unwrap();
    assert_eq!(copy.manifest(), original.manifest());
    // Once more into the same place: nothing in it is foreign.
    let copy = copy.copy_to(&path, WeightDtype::F32, &manifest).unwrap();
    let model = LatentDiffusion::load(&copy, &check.device).unwrap();
    let mut session = Session::new(&model, &check.request(&check.all.cases[8])).unwrap();
    while session.step().unwrap().is_some() {}
    check.compare("latents.8", session.state().latents);
    let memory = |folder: &ModelFolder| folder.painting_memory([64, 64], 1).unwrap();
    let encoders = original
        .layout_encoder_config()
        .unwrap()
        .parameter_count()
        .unwrap()
        + original
            .semantic_encoder_config()
            .unwrap()
            .parameter_count()
            .unwrap();
    assert_eq!(memory(&copy), memory(&original));
    assert!(memory(&copy).weights_bytes > 4 * encoders as u64);
}
