//! Weights that lie in half precision stay so on the processor, and nothing is another for
//! it: not a bit of what kernels and models answer.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use velatura::diffusion::{GenerationOutcome, GenerationRequest, LatentDiffusion};
use velatura::kernels;
use velatura::model::lora::{Changes, LoraFile};
use velatura::model::weights::{LowRank, names, patched};
use velatura::model::{Additions, ModelFolder, WeightDtype};
use velatura::recipe::SamplerId;

fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values = (0..shape.iter().product::<usize>()).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    });
    let values = TensorData::new(values.collect::<Vec<f32>>(), shape);
    Tensor::from_data(values, &Device::flex())
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    let values: Vec<f32> = tensor.into_data().try_into_vec_as().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(work)
}

/// Whether a kernel answers the same for weights in half precision and for the same widened.
fn is_same<const W: usize, const D: usize>(
    weight: &Tensor<W>,
    what: &str,
    kernel: impl Fn(Tensor<W>) -> Tensor<D> + Sync,
) {
    for kind in [DType::F16, DType::BF16] {
        let held = weight.clone().cast(kind);
        for threads in [1, 2, 3] {
            let [ours, plain] = [held.clone(), held.clone().cast(DType::F32)]
                .map(|weight| on_threads(threads, || bits(kernel(weight))));
            assert!(ours == plain, "{what}, {kind:?}, {threads} threads");
        }
    }
}

#[test]
fn linear_layers_answer_the_same_to_the_last_bit() {
    // Depths of one and of several parts, of even and of odd ones; sides of 64 and more.
    for (rows, inputs, outputs) in [
        (1, 1500, 70),
        (2, 1280, 5120),
        (40, 600, 48),
        (64, 1100, 64),
        (65, 1025, 130),
        (200, 2560, 64),
        (300, 768, 1200),
    ] {
        let (x, bias) = (numbers([rows, inputs], 1), numbers([outputs], 2));
        let what = format!("{rows} x {inputs} -> {outputs}");
        is_same(&numbers([inputs, outputs], 3), &what, |weight| {
            kernels::linear(x.clone(), weight, Some(bias.clone()))
        });
        is_same(&numbers([inputs, outputs], 4), &what, |weight| {
            kernels::linear(x.clone(), weight, None)
        });
        is_same(&numbers([inputs, outputs], 5), &what, |weight| {
            kernels::linear_geglu(x.clone(), weight, bias.clone())
        });
    }
}

#[test]
fn convolutions_answer_the_same_to_the_last_bit() {
    // By patches: of one place, of few, of several pictures together, with strides; and by
    // Winograd.
    for (batch, inputs, outputs, side, kernel, stride) in [
        (2, 320, 300, 1, 3, 1),
        (2, 700, 40, 1, 1, 1),
        (1, 130, 1200, 1, 3, 1),
        (2, 128, 160, 2, 3, 1),
        (2, 400, 96, 8, 3, 1),
        (1, 300, 64, 8, 3, 1),
        (5, 96, 70, 4, 3, 1),
        (2, 96, 80, 16, 3, 2),
        (3, 640, 66, 6, 1, 1),
        (2, 320, 100, 16, 3, 1),
    ] {
        let (x, bias) = (
            numbers([batch, inputs, side, side], 1),
            numbers([outputs], 2),
        );
        let what = format!("{batch} x {inputs} -> {outputs}, {side}, {kernel}, {stride}");
        let padding = [(kernel / 2, kernel / 2); 2];
        for bias in [None, Some(bias)] {
            let weight = numbers([outputs, inputs, kernel, kernel], 3);
            is_same(&weight, &what, |weight| {
                kernels::conv2d(x.clone(), weight, bias.clone(), stride, padding)
            });
        }
    }
}

/// How many numbers of matrices and kernels a module has of each kind, and others.
#[derive(Default)]
struct Kinds(BTreeMap<String, usize>);

impl ModuleVisitor for Kinds {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weight = param.val();
        let kind = match D {
            1 => "vector".to_owned(),
            _ => format!("{:?}", weight.dtype()),
        };
        *self.0.entry(kind).or_default() += weight.shape().num_elements();
    }
}

fn kinds<M: Module>(module: &M) -> Vec<String> {
    let mut kinds = Kinds::default();
    module.visit(&mut kinds);
    kinds.0.into_keys().collect()
}

fn painted(model: &LatentDiffusion) -> Vec<u32> {
    let side_px = model.manifest().resolution_px;
    let request = GenerationRequest {
        prompt: "a red house on a hill".into(),
        sampler: Some(SamplerId::new("euler")),
        steps: 3,
        guidance_scale: 5.0,
        seed: 7,
        width_px: side_px,
        height_px: side_px,
        ..GenerationRequest::default()
    };
    let outcome = model.generate(&request, &mut |_| ControlFlow::Continue(()));
    let GenerationOutcome::Finished { latents, image, .. } = outcome.unwrap() else {
        panic!("it was not stopped");
    };
    let pixels = image.into_raw().into_iter().map(u32::from);
    bits(latents).into_iter().chain(pixels).collect()
}

fn with_lora(model: &LatentDiffusion) -> Vec<u32> {
    let path = Path::new("tests/data/reference/lora/locon.safetensors");
    let mut changes = Changes::default();
    let targets = model.model().lora_targets();
    let file = LoraFile::open(path).unwrap();
    file.add_to(&mut changes, &targets, [0.4; 2]).unwrap();
    let additions = Additions {
        changes,
        ..Additions::default()
    };
    painted(&model.with(additions).unwrap())
}

fn tiny() -> ModelFolder {
    ModelFolder::open("tests/data/reference/sd1-tiny").unwrap()
}

#[test]
fn models_paint_the_same_with_weights_as_they_lie() {
    let scratch = tempfile::tempdir().unwrap();
    let stored = [
        (WeightDtype::F16, "F16"),
        (WeightDtype::Bf16, "BF16"),
        (WeightDtype::F32, "F32"),
    ];
    for (dtype, kind) in stored {
        let path: PathBuf = scratch.path().join(kind);
        let folder = tiny().copy_to(&path, dtype, &tiny().manifest()).unwrap();
        let device = Device::flex();
        let [wide, kept] = [folder.clone(), folder.clone().held_as_stored()];
        let unet = kept.load_unet(&device).unwrap();
        assert_eq!(kinds(&unet), [kind, "vector"]);
        assert_eq!(kinds(&wide.load_unet(&device).unwrap()), ["F32", "vector"]);
        let text = kept.load_text_encoder(&device).unwrap();
        assert_eq!(kinds(&text), [kind, "vector"]);
        // Estimates know it.
        let [all, half] = [&wide, &kept].map(|folder| folder.painting_memory([64, 64], 1).unwrap());
        let share = if dtype == WeightDtype::F32 { 1 } else { 2 };
        assert_eq!(all.weights_bytes, share * half.weights_bytes);
        assert_eq!(all.working_bytes, half.working_bytes);
        let [wide, kept] = [wide, kept].map(|it| LatentDiffusion::load(&it, &device).unwrap());
        let plain = painted(&wide);
        assert!(painted(&kept) == plain, "{kind}");
        let changed = with_lora(&wide);
        assert!(with_lora(&kept) == changed && changed != plain, "{kind}");
        // In turn, too.
        let turns = folder.held_as_stored().in_turn();
        let turns = LatentDiffusion::load(&turns, &device).unwrap();
        assert!(
            painted(&turns) == plain && with_lora(&turns) == changed,
            "{kind}"
        );
    }
}

#[test]
fn each_part_is_held_as_it_lies_itself() {
    let scratch = tempfile::tempdir().unwrap();
    let paths = ["half", "wide"].map(|name| scratch.path().join(name));
    for (path, dtype) in paths.iter().zip([WeightDtype::F16, WeightDtype::F32]) {
        tiny().copy_to(path, dtype, &tiny().manifest()).unwrap();
    }
    let weights = "text_encoder/model.safetensors";
    std::fs::copy(paths[1].join(weights), paths[0].join(weights)).unwrap();
    let mixed = ModelFolder::open(&paths[0]).unwrap().held_as_stored();
    let device = Device::flex();
    let unet = mixed.load_unet(&device).unwrap();
    assert_eq!(kinds(&unet), ["F16", "vector"]);
    let text = mixed.load_text_encoder(&device).unwrap();
    assert_eq!(kinds(&text), ["F32", "vector"]);
    // So small a model is painted with in f32.
    let painted = ModelFolder::open(&paths[0]).unwrap().held_to_paint();
    assert_eq!(
        kinds(&painted.load_unet(&device).unwrap()),
        ["F32", "vector"]
    );
    // What is changed becomes f32, unless weights were to be rounded.
    let change = LowRank {
        rank: 1,
        up: vec![0.5; unet.config().block_out_channels[0] * 4],
        down: vec![0.25; unet.config().block_out_channels[0]],
    };
    let changes = BTreeMap::from([("time_embedding.linear_1.weight".to_owned(), vec![change])]);
    for (held, expected) in [
        (WeightDtype::F32, vec!["F16", "F32", "vector"]),
        (WeightDtype::F16, vec!["F16", "vector"]),
    ] {
        let changed = patched(unet.clone(), &names::DIFFUSERS, &changes, held);
        assert_eq!(kinds(&changed), expected);
    }
    // Not before it is asked for: training starts from f32.
    let plain = ModelFolder::open(&paths[0]).unwrap();
    assert_eq!(kinds(&plain.load_unet(&device).unwrap()), ["F32", "vector"]);
}
