//! The gradient of the loss by every weight of a model that is told everything,
//! against PyTorch; see `tests/data/reference/make_joint_training_reference.py`.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Gradients;
use image::GrayImage;
use safetensors::SafeTensors;
use serde::Deserialize;

use super::*;
use crate::model::WeightDtype;
use crate::model::conditioner::inpaint::{MASK, MASKED_IMAGE};
use crate::model::conditioner::layout::{BoxNames, NumberedBox};
use crate::model::conditioner::semantic::class_number;
use crate::model::weights::{self, names};
use crate::recipe::palette::NOTHING;
use crate::recipe::{InputSpec, LayoutBox, Palette, TrainSpec};
use crate::train::holdings::Holdings;
use crate::train::paper_form::WHOLE;
use crate::train::pictures::Split;
use crate::train::scene_pictures::ScenePictures;

const FOLDER: &str = "tests/data/reference/joint-tiny";
const FILE: &str = "tests/data/reference/joint_training.safetensors";
const SIDE_PX: u32 = 64;
/// Of the largest number of a gradient.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Told {
    steps: Vec<usize>,
    boxes: Vec<LayoutBox>,
    seen: Vec<usize>,
    small: Vec<bool>,
}

type Tensors = BTreeMap<String, Vec<f32>>;

fn read(path: &std::path::Path) -> (Tensors, Option<Told>) {
    let bytes = std::fs::read(path).expect("a file");
    let (_, about) = SafeTensors::read_metadata(&bytes).expect("a header");
    let told = about.metadata().as_ref().and_then(|told| told.get("batch"));
    let told = told.map(|json| serde_json::from_str(json).expect("JSON"));
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let numbers = |data: &[u8]| -> Vec<f32> {
        let words = data.chunks_exact(4);
        words
            .map(|word| f32::from_le_bytes(word.try_into().expect("4 bytes")))
            .collect()
    };
    let tensors = file.tensors().into_iter();
    let tensors = tensors.map(|(name, view)| (name, numbers(view.data())));
    (tensors.collect(), told)
}

fn stage(device: &Device) -> DiffusionStage {
    let spec = TrainSpec {
        target: crate::recipe::TrainTarget::Diffusion,
        from: Some(FOLDER.into()),
        size_px: SIDE_PX,
        ema_decay: 0.9,
        ..TrainSpec::default()
    };
    let pictures = Pictures {
        source: Arc::new(ScenePictures::new(SIDE_PX, 1).expect("scenes")),
        split: Split::None,
        judged: Vec::new(),
        captions: Vec::new(),
        holdings: Holdings::default(),
    };
    DiffusionStage::new(&spec, &TrainConfig::default(), device, pictures).expect("a stage")
}

/// The batch of the reference.
fn batch(tensors: &Tensors, told: &Told, stage: &DiffusionStage) -> Batch {
    let inputs = &stage.studio.inputs;
    let names = inputs.iter().find_map(|input| match input {
        InputSpec::Layout {
            classes, colours, ..
        } => Some(BoxNames::new(classes.clone(), colours.clone())),
        _ => None,
    });
    let names = names.expect("boxes");
    let palette = inputs.iter().find_map(|input| match input {
        InputSpec::Semantic { classes } => Some(Palette {
            name: String::new(),
            classes: classes.clone(),
        }),
        _ => None,
    });
    let palette = palette.expect("a palette");
    let side = SIDE_PX as f32;
    let numbered = |it| names.numbered(it, [side; 2]).expect("a known class");
    let boxes: Vec<NumberedBox> = told.boxes.iter().map(numbered).collect();
    let map = |k: usize| {
        let values = tensors.get(&format!("labels.{k}"))?;
        let number = |value: &f32| {
            let class = class_number(&palette.classes, &palette, *value as u8);
            class.map_or(NOTHING, |class| class as u8)
        };
        GrayImage::from_raw(SIDE_PX, SIDE_PX, values.iter().map(number).collect())
    };
    let pictures = &tensors["pictures"];
    let pictures = pictures.chunks(pictures.len() / told.small.len());
    let small = pictures.zip(&told.small).map(|(picture, is_told)| {
        if *is_told {
            picture.to_vec()
        } else {
            Vec::new()
        }
    });
    Batch {
        noisy: tensors["noisy"].clone(),
        target: tensors["target"].clone(),
        steps: told.steps.clone(),
        tokens: tensors["tokens"]
            .iter()
            .map(|token| *token as i32)
            .collect(),
        masks: vec![
            (MASK, tensors["mask"].clone()),
            (MASKED_IMAGE, tensors["masked"].clone()),
        ],
        boxes: told
            .seen
            .iter()
            .map(|seen| boxes[..*seen].to_vec())
            .collect(),
        parts: vec![WHOLE; told.steps.len()],
        label_maps: (0..told.steps.len()).map(map).collect(),
        small: small.collect(),
        classes: Vec::new(),
        weights: tensors["weights"].clone(),
    }
}

/// The gradients in the places of the weights.
struct ByWeights<'a>(&'a mut Gradients);

impl ModuleMapper for ByWeights<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| {
            let gradient = weights.grad_remove(self.0).expect("a gradient");
            Tensor::from_inner(gradient)
        })
    }
}

/// Compares the gradients by a network's weights with those of PyTorch, under the
/// names that they have in files.
fn compare<M: Module>(
    network: &M,
    part: &str,
    table: &names::Names,
    gradients: &mut Gradients,
    torch: &Tensors,
) {
    let by_weights = network.clone().map(&mut ByWeights(gradients));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gradients.safetensors");
    weights::save(&by_weights, &path, table, WeightDtype::F32).expect("written");
    let (ours, _) = read(&path);
    let mut compared = 0;
    for (name, all) in &ours {
        let wanted = &torch[&format!("{part}/{name}")];
        let largest = wanted.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let ours: Vec<f32> = if wanted.len() == all.len() {
            all.clone()
        } else {
            let rows = rows_of(&path, name);
            let every_seventh = all.chunks(all.len() / rows).step_by(7);
            every_seventh.flatten().copied().collect()
        };
        assert_eq!(ours.len(), wanted.len(), "{name}");
        for (i, (ours, wanted)) in ours.iter().zip(wanted).enumerate() {
            let error = (ours - wanted).abs();
            assert!(
                error <= TOLERANCE * largest.max(1e-3),
                "{part}/{name}[{i}]: {ours} for {wanted}, of {largest}"
            );
        }
        compared += 1;
    }
    let prefix = format!("{part}/");
    let there = torch.keys().filter(|name| name.starts_with(&prefix));
    assert_eq!(compared, there.count(), "{part}");
}

/// Rows of a tensor in a file.
fn rows_of(path: &std::path::Path, name: &str) -> usize {
    let bytes = std::fs::read(path).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    file.tensor(name).expect("a tensor").shape()[0]
}

#[test]
fn gradients_of_the_joint_loss_equal_torchs_and_two_steps_lower_it() {
    let device = Device::flex();
    let (torch, told) = read(FILE.as_ref());
    let mut stage = stage(&device);
    let batch = batch(&torch, &told.expect("a batch"), &stage);
    let folder = ModelFolder::open(FOLDER).expect("a model");
    let text = folder
        .load_text_encoder(&stage.device)
        .expect("a text encoder");
    let denoiser = Denoiser {
        text_encoder: Some(text),
        ..stage.learner.module().clone()
    };
    let errors = stage.errors(&denoiser, &batch, &stage.device);
    let numbers = host(errors.clone().inner()).expect("numbers");
    for (ours, wanted) in numbers.iter().zip(&torch["errors"]) {
        assert!((ours - wanted).abs() < 1e-4, "{numbers:?}");
    }
    let mean = errors.mean();
    let mut gradients = nn::ops::on_workers(&mean, || mean.backward());
    compare(
        &denoiser.unet,
        "unet",
        &names::DIFFUSERS,
        &mut gradients,
        &torch,
    );
    let text = denoiser.text_encoder.as_ref().expect("a text encoder");
    compare(text, "text", &names::CLIP_TEXT, &mut gradients, &torch);
    let layout = denoiser.layout_encoder.as_ref().expect("an encoder");
    compare(layout, "layout", &names::DIFFUSERS, &mut gradients, &torch);
    let semantic = denoiser.semantic_encoder.as_ref().expect("an encoder");
    compare(
        semantic,
        "semantic",
        &names::DIFFUSERS,
        &mut gradients,
        &torch,
    );

    // Two real steps of the optimiser.
    let mut losses = Vec::new();
    for _ in 0..3 {
        let mean = stage
            .errors(stage.learner.module(), &batch, &stage.device)
            .mean();
        losses.push(scalar(mean.clone()).expect("a number"));
        let gradients = nn::ops::on_workers(&mean, || mean.backward());
        stage.learner.accumulate(gradients);
        let update = stage.learner.apply(2e-3, 1).expect("a step");
        assert!(update.is_applied);
    }
    assert!(losses[1] < losses[0] && losses[2] < losses[1], "{losses:?}");
}
