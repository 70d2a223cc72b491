//! Stable Diffusion XL against diffusers, on tiny random models in folders and in one file
//! (`tests/data/reference/make_sdxl_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use image::{GrayImage, Luma, Rgb, RgbImage};
use reference_support::{Reference, difference};
use safetensors::tensor::{Dtype, View};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use velatura::diffusion::{
    Conditions, GenerationRequest, GivenLatents, LatentDiffusion, Session, sampler_info,
};
use velatura::model::conditioner::{Asked, Bench, Conditioning, LearnedWord};
use velatura::model::inspect::{Family, Task, inspect};
use velatura::model::lora::{Changes, LoraFile};
use velatura::model::{Additions, ClipTokenizer, Conversion, ModelError, ModelFolder};
use velatura::recipe::prompt::TextReading;
use velatura::recipe::{Latents, LayoutBox, LayoutInput};

/// Largest difference allowed between diffusers and us.
const TOLERANCE: f64 = 1e-4;
const SIDE: u32 = 64;
const PROMPT: &str = "a red house on a hill, two boats";
const NEGATIVE: &str = "blurry, grey";
const MERGES: &str = include_str!("../assets/clip/merges.txt");

/// A model as the generator describes it.
#[derive(Deserialize)]
struct Kind {
    /// What diffusers wrote, but for the weights and the words.
    files: BTreeMap<String, Value>,
    /// Names and shapes of all weights, after their folders.
    weights: BTreeMap<String, Vec<usize>>,
    /// What the weights are called in one file: of which they are put together, and how.
    single: BTreeMap<String, (Vec<String>, String)>,
}

/// The numbers of a weight: eight bits of a hash of its name and of their places.
fn numbers(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = name.bytes().fold(2_166_136_261_u32, |seed, byte| {
        (seed ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    let is_table = name.contains("embedding")
        && !name.contains("time_embedding")
        && !name.contains("add_embedding");
    let fan: usize = shape.iter().skip(1).product();
    let halvings = (usize::BITS - fan.leading_zeros()).saturating_sub(1) / 2;
    let (mean, scale) = match shape {
        [_] if name.ends_with("weight") => (1.0, 0.25),
        [_] => (0.0, 0.25),
        _ if is_table => (0.0, 1.0),
        _ => (0.0, 0.5_f32.powi(halvings as i32)),
    };
    let count: usize = shape.iter().product();
    let number = |place: u32| {
        let mut hashed = place.wrapping_mul(2_654_435_761).wrapping_add(seed);
        for _ in 0..2 {
            hashed = (hashed ^ (hashed >> 16)).wrapping_mul(73_244_475);
        }
        hashed ^= hashed >> 16;
        mean + scale * (((hashed >> 24) as f32 - 128.0) / 128.0)
    };
    (0..count as u32).map(number).collect()
}

/// A tensor that is written in half precision, which holds all these numbers.
struct Halves(Vec<usize>, Vec<u8>);

impl Halves {
    fn new(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes());
        Self(shape, bytes.collect())
    }
}

impl View for &Halves {
    fn dtype(&self) -> Dtype {
        Dtype::F16
    }

    fn shape(&self) -> &[usize] {
        &self.0
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.1.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.1.len()
    }
}

fn write(path: &Path, tensors: &HashMap<String, Halves>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    safetensors::serialize_to_file(tensors, None, path).unwrap();
}

impl Kind {
    fn named(name: &str) -> Self {
        let path = reference_support::folder().join(format!("sdxl/{name}.json"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// A folder as diffusers writes it, with files of a variant.
    fn write_folder(&self, root: &Path, variant: &str) {
        for (name, value) in &self.files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value.to_string()).unwrap();
        }
        for part in ["unet", "vae", "text_encoder", "text_encoder_2"] {
            let inside = format!("{part}/");
            let own = self
                .weights
                .iter()
                .filter(|(name, _)| name.starts_with(&inside));
            let tensors: HashMap<String, Halves> = own
                .map(|(name, shape)| {
                    let values = Halves::new(shape.clone(), &numbers(name, shape));
                    (name[inside.len()..].to_owned(), values)
                })
                .collect();
            if tensors.is_empty() {
                continue;
            }
            let stem = match part.starts_with("text") {
                true => "model",
                false => "diffusion_pytorch_model",
            };
            write(
                &root.join(format!("{part}/{stem}{variant}.safetensors")),
                &tensors,
            );
        }
        let tokenizer = ClipTokenizer::from_merges(MERGES).unwrap();
        if self
            .weights
            .keys()
            .any(|name| name.starts_with("text_encoder/"))
        {
            tokenizer.save(&root.join("tokenizer")).unwrap();
        }
        let second = root.join("tokenizer_2");
        tokenizer.save(&second).unwrap();
        std::fs::remove_file(second.join("tokenizer.json")).unwrap();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let text = std::fs::read_to_string(second.join(name)).unwrap();
            let mut told: Value = serde_json::from_str(&text).unwrap();
            told["pad_token"] = json!("!");
            std::fs::write(second.join(name), told.to_string()).unwrap();
        }
    }

    /// One file with the original names.
    fn write_single(&self, path: &Path) {
        let tensors = self.single.iter().map(|(name, (sources, how))| {
            let shapes = sources.iter().map(|source| &self.weights[source]);
            let mut shape = self.weights[&sources[0]].clone();
            shape[0] = shapes.map(|shape| shape[0]).sum();
            let values = sources
                .iter()
                .flat_map(|source| numbers(source, &self.weights[source]));
            let mut values: Vec<f32> = values.collect();
            match how.as_str() {
                "turned" => {
                    let [rows, columns] = shape[..] else {
                        panic!("{name} is {shape:?}")
                    };
                    let places = (0..columns)
                        .flat_map(|column| (0..rows).map(move |row| row * columns + column));
                    values = places.map(|place| values[place]).collect();
                    shape.reverse();
                }
                "map" => shape.extend([1, 1]),
                _ => {}
            }
            (name.clone(), Halves::new(shape, &values))
        });
        write(path, &tensors.collect());
    }

    /// Both forms; the folder is deleted when the first is dropped.
    fn written(name: &str) -> (TempDir, [PathBuf; 2]) {
        let scratch = tempfile::tempdir().unwrap();
        let kind = Self::named(name);
        let folder = scratch.path().join("folder");
        kind.write_folder(&folder, "");
        let single = scratch.path().join("single.safetensors");
        kind.write_single(&single);
        (scratch, [folder, single])
    }
}

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

/// The names that diffusers' own script gives, and what lies under them
/// (`make_sdxl_single_reference.py`).
#[test]
fn a_folder_becomes_the_file_that_diffusers_script_makes() {
    #[derive(Deserialize)]
    struct Written {
        kind: Kind,
        /// Names, shapes and sums of the bytes of the script's file.
        file: BTreeMap<String, (Vec<usize>, u64)>,
    }
    let path = reference_support::folder().join("sdxl/script.json");
    let written: Written = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let [folder, target, again] =
        ["folder", "one.safetensors", "again"].map(|name| scratch.path().join(name));
    written.kind.write_folder(&folder, "");
    convert(&folder, &target).unwrap();
    let sum = |bytes: &[u8]| {
        let words = bytes.chunks_exact(2).zip(1_u64..);
        words.fold(0_u64, |sum, (word, place)| {
            let word = u64::from(u16::from_le_bytes([word[0], word[1]]));
            sum.wrapping_add(word * (place * 2_654_435_761 % 4_294_967_296))
        })
    };
    let bytes = std::fs::read(&target).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let found = file.tensors().into_iter();
    let found: BTreeMap<String, (Vec<usize>, u64)> = found
        .map(|(name, view)| (name, (view.shape().to_vec(), sum(view.data()))))
        .collect();
    let names =
        |file: &BTreeMap<String, (Vec<usize>, u64)>| file.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&written.file));
    for (name, tensor) in &written.file {
        assert_eq!(&found[name], tensor, "{name}");
    }
    // And back again, bit for bit.
    convert(&target, &again).unwrap();
    for part in ["unet", "vae", "text_encoder", "text_encoder_2"] {
        let stem = match part.starts_with("text") {
            true => "model",
            false => "diffusion_pytorch_model",
        };
        let [before, after] = [&folder, &again].map(|folder| {
            let path = folder.join(format!("{part}/{stem}.safetensors"));
            tensors_of(&path)
        });
        assert!(before == after, "{part}");
    }
}

/// First stages of XL as people have them: in a file of their own by the original names,
/// with and without what stands before them in whole models, and by diffusers' names.
#[test]
fn first_stages_in_one_file_take_the_place_of_the_models_own() {
    let kind = Kind::named("base");
    let (scratch, [folder, single]) = Kind::written("base");
    let device = Device::flex();
    let place = "first_stage_model.";
    let of_stage = |prefix: &str, path: &Path| {
        let tensors = tensors_of(&single).into_iter();
        let tensors = tensors.filter_map(|(name, (shape, bytes))| {
            let inner = name.strip_prefix(place)?;
            Some((format!("{prefix}{inner}"), Halves(shape, bytes)))
        });
        write(path, &tensors.collect());
    };
    let [bare, prefixed, diffusers] = ["sdxl_vae", "vae-fp16-fix", "own"]
        .map(|name| scratch.path().join(format!("stages/{name}.safetensors")));
    of_stage("", &bare);
    of_stage(place, &prefixed);
    let file = folder.join("vae/diffusion_pytorch_model.safetensors");
    std::fs::copy(file, &diffusers).unwrap();
    assert!(kind.weights.keys().any(|name| name.starts_with("vae/")));
    let latents = Tensor::<4>::ones([1, 4, 2, 2], &device) * 0.25;
    for model in [&folder, &single] {
        let opened = ModelFolder::open(model).unwrap();
        let own = opened.load_first_stage(&device).unwrap();
        let own = own.to_pictures(latents.clone()).into_data();
        for path in [&bare, &prefixed, &diffusers, &single] {
            let other = opened.load_first_stage_instead(path, &device).unwrap();
            // What latents are multiplied by is XL's.
            assert!((other.scaling().factor - 0.13025).abs() < 1e-9);
            let other = other.to_pictures(latents.clone());
            other.into_data().assert_eq(&own, true);
        }
    }
}

/// From folder to file and back, and what files cannot tell.
#[test]
fn all_kinds_go_from_folder_to_file_and_back() {
    for (name, title) in [
        ("base", "base"),
        ("inpaint", "inpaint"),
        ("refiner", "refiner"),
    ] {
        let (scratch, [folder, single]) = Kind::written(name);
        let made = scratch.path().join(format!("{title}.safetensors"));
        convert(&folder, &made).unwrap();
        assert!(tensors_of(&made) == tensors_of(&single), "{name}");
        let [one, other] = [&made, &folder].map(|path| inspect(path, None).unwrap());
        assert_eq!(one.task, other.task);
        assert_eq!(one.family, Family::StableDiffusionXl);
        assert!(one.missing.is_empty() && one.surplus.is_empty(), "{one:?}");
    }
    let (scratch, [folder, _]) = Kind::written("base");
    let target = scratch.path().join("x.safetensors");
    let refused = |file: &str, change: &dyn Fn(&mut Value)| {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut told: Value = serde_json::from_str(&text).unwrap();
        change(&mut told);
        std::fs::write(&path, told.to_string()).unwrap();
        let sentence = convert(&folder, &target).unwrap_err().to_string();
        assert!(!target.exists());
        std::fs::write(path, text).unwrap();
        sentence
    };
    let sentence = refused("model_index.json", &|told| {
        told["force_zeros_for_empty_prompt"] = json!(false);
    });
    assert!(sentence.contains("force_zeros"), "{sentence}");
    let sentence = refused("text_encoder_2/config.json", &|told| {
        told["hidden_act"] = json!("quick_gelu");
    });
    assert!(sentence.contains("text encoder is unlike"), "{sentence}");
    let sentence = refused("scheduler/scheduler_config.json", &|told| {
        told["_class_name"] = json!("LCMScheduler");
    });
    assert!(sentence.contains("lcm"), "{sentence}");
    convert(&folder, &target).unwrap();
}

fn convert(source: &Path, target: &Path) -> Result<(), ModelError> {
    Conversion::default().run(source, target, &mut |_, _| true)
}

/// Names, shapes and bytes.
fn tensors_of(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let all = file.tensors().into_iter();
    all.map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec())))
        .collect()
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

#[test]
fn what_a_model_is_stands_in_its_headers() {
    for (name, task) in [
        ("base", Task::TextToImage),
        ("inpaint", Task::Inpainting),
        ("refiner", Task::TextToImage),
    ] {
        let (_scratch, forms) = Kind::written(name);
        for path in forms {
            let told = inspect(&path, None).unwrap();
            assert_eq!((told.family, told.task), (Family::StableDiffusionXl, task));
            assert!(
                told.missing.is_empty() && told.surplus.is_empty(),
                "{told:?}"
            );
            assert!(told.mismatched.is_empty(), "{told:?}");
        }
    }
}

#[test]
fn variants_are_read_and_copies_are_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let kind = Kind::named("base");
    let folder = scratch.path().join("half");
    kind.write_folder(&folder, ".fp16");
    let opened = ModelFolder::open(&folder).unwrap();
    let copy = scratch.path().join("copy");
    let manifest = opened.manifest();
    let copied = opened.copy_to(&copy, velatura::model::WeightDtype::F16, &manifest);
    let copied = copied.unwrap();
    let index = std::fs::read_to_string(copy.join("model_index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["_class_name"], "StableDiffusionXLPipeline");
    assert_eq!(index["force_zeros_for_empty_prompt"], true);
    let runs = [opened, copied].map(|folder| {
        let model = LatentDiffusion::load(&folder, &Device::flex()).unwrap();
        run(&model, &request(""))
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    });
    assert!(runs[0] == runs[1]);
}

#[test]
fn names_tell_models_that_paint_in_few_steps() {
    let scratch = tempfile::tempdir().unwrap();
    let kind = Kind::named("base");
    for (name, sampler, steps, guidance) in [
        ("sd_xl_turbo_1.0_fp16", "euler-a", 4, 0.0),
        ("sdxl_lightning_8step", "euler", 8, 1.0),
        ("xl-lcm", "lcm", 4, 1.0),
    ] {
        let path = scratch.path().join(format!("{name}.safetensors"));
        kind.write_single(&path);
        let model = load(&path);
        assert_eq!(model.default_sampler().id, sampler, "{name}");
        let manifest = model.manifest();
        assert_eq!(manifest.default_steps, steps, "{name}");
        assert!((manifest.default_guidance_scale - guidance).abs() < 1e-6);
        assert_eq!(inspect(&path, None).unwrap().notices.len(), 1, "{name}");
    }
}

#[test]
fn changes_and_words_reach_both_text_encoders() {
    let (scratch, [folder, _]) = Kind::written("base");
    let model = load(&folder);
    let half = |name: &str, shape: [usize; 2]| Halves::new(shape.into(), &numbers(name, &shape));
    let place = "text_model_encoder_layers_0_self_attn_q_proj";
    let mut tensors = HashMap::new();
    for (place, outputs, inputs) in [
        (format!("lora_te1_{place}"), 32, 32),
        (format!("lora_te2_{place}"), 64, 64),
        (
            "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k".into(),
            64,
            96,
        ),
        (
            "lora_unet_up_blocks_0_attentions_0_transformer_blocks_1_attn1_to_q".into(),
            128,
            128,
        ),
        ("lora_unet_label_emb_0_0".into(), 128, 160),
    ] {
        tensors.insert(format!("{place}.lora_down.weight"), half("a", [2, inputs]));
        tensors.insert(format!("{place}.lora_up.weight"), half("b", [outputs, 2]));
    }
    let lora = scratch.path().join("lora.safetensors");
    write(&lora, &tensors);
    let mut changes = Changes::default();
    let file = LoraFile::open(&lora).unwrap();
    let targets = model.model().lora_targets();
    file.add_to(&mut changes, &targets, [1.0; 2]).unwrap();
    assert_eq!((changes.text.len(), changes.second_text.len()), (1, 1));
    assert_eq!(changes.denoiser.len(), 3);
    let words = HashMap::from([
        ("clip_l".to_owned(), half("l", [2, 32])),
        ("clip_g".to_owned(), half("g", [2, 64])),
    ]);
    let path = scratch.path().join("glow.safetensors");
    write(&path, &words);
    let widths = model.model().word_widths();
    assert_eq!(widths, [Some(32), Some(64)]);
    let word = LearnedWord::open(&path, widths).unwrap();
    let before = told(&model, "a glow", NEGATIVE, TextReading::default());
    let tokens = |told: &Conditioning| {
        told.tokens()
            .unwrap()
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    };
    let pooled = |told: &Conditioning| {
        told.added
            .clone()
            .unwrap()
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    };
    for additions in [
        Additions {
            changes,
            ..Additions::default()
        },
        Additions {
            words: vec![word],
            ..Additions::default()
        },
    ] {
        let other = model.with(additions).unwrap();
        let after = told(&other, "a glow", NEGATIVE, TextReading::default());
        assert_eq!(tokens(&after).len(), tokens(&before).len());
        assert!(pooled(&after) != pooled(&before));
        // The states of the first encoder and those of the second.
        let at = 77 * 96 + 5 * 96;
        let (now, then) = (tokens(&after), tokens(&before));
        assert!(now[at..at + 32] != then[at..at + 32]);
        assert!(now[at + 32..at + 96] != then[at + 32..at + 96]);
    }
    let one = HashMap::from([("emb_params".to_owned(), half("l", [2, 32]))]);
    write(&path, &one);
    let sentence = LearnedWord::open(&path, widths).unwrap_err().to_string();
    assert!(sentence.contains("clip_l and clip_g"), "{sentence}");
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

#[test]
fn networks_that_are_read_in_turn_paint_the_same() {
    for name in ["base", "inpaint"] {
        let (scratch, [folder, _]) = Kind::written(name);
        let device = Device::flex();
        let opened = ModelFolder::open(&folder).unwrap();
        let in_turn = opened.clone().held_as_stored().in_turn();
        assert!(in_turn.is_in_turn());
        let size_px = [SIDE; 2];
        let [whole, least] = [&opened, &in_turn]
            .map(|folder| folder.painting_memory(size_px, 1).unwrap().total_bytes());
        assert!(least < whole * 2 / 3, "{least} of {whole} bytes");
        let is_inside = |x: u32, _| Luma([if x < 32 { 255 } else { 0 }]);
        let request = GenerationRequest {
            init: (name == "inpaint").then(picture),
            mask: (name == "inpaint").then(|| GrayImage::from_fn(SIDE, SIDE, is_inside)),
            ..request(NEGATIVE)
        };
        let kept = opened.held_as_stored();
        let [all, turns] = [kept, in_turn].map(|it| LatentDiffusion::load(&it, &device).unwrap());
        assert!(turns.model().is_in_turn() && !all.model().is_in_turn());
        assert_eq!(all.parameter_count(), turns.parameter_count());
        let numbers = |latents: Tensor<4>| latents.into_data().try_to_vec::<f32>().unwrap();
        let wanted = numbers(run(&all, &request));
        assert!(numbers(run(&turns, &request)) == wanted);
        // With what a LoRA changes too.
        let place = "lora_te2_text_model_encoder_layers_0_self_attn_q_proj";
        let ends = [("lora_down", [2, 64]), ("lora_up", [64, 2])];
        let tensors = ends.map(|(end, shape)| {
            let values = Halves::new(shape.into(), &numbers_for(end, &shape));
            (format!("{place}.{end}.weight"), values)
        });
        let lora = scratch.path().join("lora.safetensors");
        write(&lora, &HashMap::from(tensors));
        let changed = [&all, &turns].map(|model| {
            let mut changes = Changes::default();
            let targets = model.model().lora_targets();
            let file = LoraFile::open(&lora).unwrap();
            file.add_to(&mut changes, &targets, [1.0; 2]).unwrap();
            let changed = model.with(Additions {
                changes,
                ..Additions::default()
            });
            numbers(run(&changed.unwrap(), &request))
        });
        assert!(changed[0] == changed[1] && changed[0] != wanted);
        // A network that is gone is told, and nothing is painted.
        turns.model().let_go();
        let lost = folder.join("text_encoder_2/model.safetensors");
        std::fs::remove_file(&lost).unwrap();
        let error = Session::new(&turns, &request).err().unwrap().to_string();
        assert!(error.contains("text_encoder_2"), "{error}");
    }
}

fn numbers_for(name: &str, shape: &[usize]) -> Vec<f32> {
    numbers(name, shape)
}
