//! Models that take words, masks, boxes, label maps and small pictures are trained
//! further and made from nothing, on scenes and on a folder of pictures.

mod train_support;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use image::GenericImageView as _;
use train_support::{Told, make_data, train};
use velatura::diffusion::LatentDiffusion;
use velatura::model::ModelFolder;
use velatura::recipe::{TrainSpec, TrainTarget};

const MODEL: &str = "tests/data/reference/joint-tiny";

fn further(root: &Path) -> TrainSpec {
    TrainSpec {
        target: TrainTarget::Diffusion,
        from: Some(MODEL.into()),
        output: root.join("run"),
        size_px: 32,
        steps: 6,
        batch: 4,
        learning_rate: 2e-3,
        warmup_steps: 2,
        ema_decay: 0.9,
        seed: 7,
        checkpoint_every: 0,
        sample_every: 0,
        ..TrainSpec::default()
    }
}

fn model_of(told: &Told) -> PathBuf {
    let outcome = told.outcome.as_ref().expect("a run to the end");
    outcome.model.clone()
}

fn weights(model: &Path, part: &str) -> Vec<u8> {
    let name = match part {
        "text_encoder" => "model",
        _ => "diffusion_pytorch_model",
    };
    let file = model.join(part).join(format!("{name}.safetensors"));
    std::fs::read(file).expect("weights")
}

#[test]
fn a_joint_model_learns_on_from_scenes_and_goes_on_as_if_it_had_never_stopped() {
    let root = tempfile::tempdir().expect("a folder");
    let whole = further(root.path());
    let told = train(&whole, None);
    let wanted = told.losses();
    assert_eq!(wanted.len(), 6);
    let model = model_of(&told);
    // What is trained and what is not; unread, half-precision weights are other bytes.
    let copy = root.path().join("copy");
    let before = ModelFolder::open(MODEL).expect("a model");
    let manifest = before.manifest();
    let dtype = velatura::model::WeightDtype::F32;
    before.copy_to(&copy, dtype, &manifest).expect("a copy");
    for part in ["unet", "layout_encoder", "semantic_encoder"] {
        assert!(weights(&model, part) != weights(&copy, part), "{part}");
    }
    assert!(weights(&model, "text_encoder") == weights(&copy, "text_encoder"));
    let after = ModelFolder::open(&model).expect("a model");
    assert_eq!(after.manifest().inputs, manifest.inputs);
    assert_eq!(after.manifest().channels, manifest.channels);
    LatentDiffusion::load(&after, &Device::flex()).expect("a model that paints");
    // Prompts, two rows of inpainting, scenes and what is painted of their boxes.
    let sheet = image::open(whole.output.join("samples/step-00000006.png")).expect("a sheet");
    assert_eq!(sheet.dimensions(), (8 * 34 + 2, 5 * 34 + 2));

    let parts = TrainSpec {
        output: root.path().join("parts"),
        ..whole.clone()
    };
    let first = train(&parts, Some(3));
    let resumed = TrainSpec {
        resume: true,
        ..parts.clone()
    };
    let second = train(&resumed, None);
    assert_eq!([first.losses(), second.losses()].concat(), wanted);
    let model = model_of(&second);
    for part in ["unet", "layout_encoder", "semantic_encoder"] {
        let same = model_of(&told);
        assert!(weights(&model, part) == weights(&same, part), "{part}");
    }
}

#[test]
fn a_joint_model_learns_on_from_pictures_without_boxes() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = TrainSpec {
        data: Some(root.path().join("pictures")),
        size_px: 16,
        ..further(root.path())
    };
    let told = train(&job, None);
    let model = model_of(&told);
    LatentDiffusion::load(
        &ModelFolder::open(&model).expect("a model"),
        &Device::flex(),
    )
    .expect("a model that paints");
    // No boxes and maps are known: there are no rows of them.
    let sheet = image::open(job.output.join("samples/step-00000006.png")).expect("a sheet");
    assert_eq!(sheet.dimensions(), (8 * 18 + 2, 3 * 18 + 2));
}

#[test]
fn a_joint_model_is_made_from_nothing_by_a_recipe() {
    let root = tempfile::tempdir().expect("a folder");
    let read = |part: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(Path::new(MODEL).join(part)).expect("a file");
        serde_json::from_str(&text).expect("JSON")
    };
    let mut text = read("text_encoder/config.json");
    text["vocab_size"] = 700.into();
    let recipe = serde_json::json!({
        "unet": read("unet/config.json"),
        "text_encoder": text,
        "layout_encoder": read("layout_encoder/config.json"),
        "semantic_encoder": read("semantic_encoder/config.json"),
        "tokenizer": { "vocab_size": 700 },
        "scheduler": read("scheduler/scheduler_config.json"),
        "studio": read("studio.json"),
    });
    let config = root.path().join("joint.json");
    std::fs::write(&config, recipe.to_string()).expect("written");
    let job = TrainSpec {
        from: None,
        first_stage: Some(MODEL.into()),
        config: Some(config.clone()),
        ..further(root.path())
    };
    let model = model_of(&train(&job, None));
    let folder = ModelFolder::open(&model).expect("a model");
    let manifest = folder.manifest();
    assert!(manifest.takes_mask() && manifest.low_resolution_factor() == Some(4));
    folder.layout_encoder_config().expect("boxes");
    folder.semantic_encoder_config().expect("label maps");
    LatentDiffusion::load(&folder, &Device::flex()).expect("a model that paints");

    // What does not fit is told before anything is trained.
    let refused = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut recipe = recipe.clone();
        change(&mut recipe);
        std::fs::write(&config, recipe.to_string()).expect("written");
        let job = TrainSpec {
            output: root.path().join(name),
            ..job.clone()
        };
        let told = train(&job, None);
        told.outcome.expect_err("impossible").to_string()
    };
    let told = refused("boxes", &|recipe| {
        recipe["layout_encoder"] = serde_json::Value::Null
    });
    assert!(told.contains("layout_encoder"), "{told}");
    let told = refused("width", &|recipe| {
        recipe["layout_encoder"]["hidden_size"] = 8.into()
    });
    assert!(told.contains("those of boxes are 8"), "{told}");
    let told = refused("maps", &|recipe| {
        recipe["semantic_encoder"]["classes"] = 4.into()
    });
    assert!(told.contains("studio.json says 3"), "{told}");
}
