//! Models of the paper's own code learn on as they are: words by BERT's tokens, boxes as
//! tokens with the part of the picture that is shown, label maps made small, words beside a
//! hole. What comes of it is one file with the original names again.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod train_support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use image::{GrayImage, Luma, Rgb, RgbImage};
use train_support::train;
use velatura::diffusion::LatentDiffusion;
use velatura::model::conditioner::OriginalEncoder;
use velatura::model::inspect::inspect;
use velatura::model::weights::{TorchFile, WeightSource as _};
use velatura::model::{ModelFolder, OriginalNetwork, WeightDtype, tiny};
use velatura::recipe::{TrainSpec, TrainTarget, TrainTask};
use velatura::train::TrainEvent;

/// Wide pictures with captions, label maps and a COCO list of boxes.
fn make_pictures(root: &Path) {
    let folder = root.join("pictures");
    fs::create_dir_all(&folder).unwrap();
    let (mut images, mut boxes) = (Vec::new(), Vec::new());
    for i in 0..4_u32 {
        let path = folder.join(format!("{i}.png"));
        let left = 10 + 20 * i;
        let is_thing = |x: u32, y: u32| (left..left + 30).contains(&x) && (20..60).contains(&y);
        let colour = |x, y| match is_thing(x, y) {
            true => Rgb([220, 40 + 20 * i as u8, 30]),
            false => Rgb([30, 60, 120 + 10 * i as u8]),
        };
        RgbImage::from_fn(120, 80, colour).save(&path).unwrap();
        let label = |x, y| Luma([if is_thing(x, y) { 3 } else { 0 }]);
        let map = GrayImage::from_fn(120, 80, label);
        map.save(path.with_extension("label.png")).unwrap();
        fs::write(path.with_extension("txt"), format!("house number {i}")).unwrap();
        images.push(format!(
            r#"{{ "id": {i}, "file_name": "{i}.png", "width": 120, "height": 80 }}"#
        ));
        boxes.push(format!(
            r#"{{ "image_id": {i}, "category_id": 3, "bbox": [{left}, 20, 30, 40] }}"#
        ));
    }
    let coco = format!(
        r#"{{ "images": [{}], "annotations": [{}], "categories": [{{ "id": 3, "name": "house" }}] }}"#,
        images.join(","),
        boxes.join(",")
    );
    fs::write(folder.join("instances.json"), coco).unwrap();
}

fn numbers(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let file = TorchFile::open(path).unwrap();
    let names = file.names().map(str::to_owned);
    let read = |name: String| {
        let shape = file.shape(&name).unwrap().to_vec();
        let read = file.read(&name, &shape, false, WeightDtype::F32).unwrap();
        (name, read.try_into_vec().unwrap())
    };
    names.map(read).collect()
}

fn job(root: &Path, from: &Path, task: Option<TrainTask>, output: &str) -> TrainSpec {
    TrainSpec {
        target: TrainTarget::Diffusion,
        task,
        data: Some(root.join("pictures")),
        from: Some(from.to_path_buf()),
        output: root.join(output),
        size_px: 32,
        steps: 4,
        batch: 2,
        learning_rate: 1e-3,
        warmup_steps: 1,
        ema_decay: 0.5,
        seed: 7,
        checkpoint_every: 0,
        sample_every: 0,
        ..TrainSpec::default()
    }
}

fn learns_on(root: &Path, kind: &str, task: Option<TrainTask>, learns: &str) {
    let id = format!("latent-diffusion-{kind}");
    let found = tiny::KINDS.iter().find(|it| it.id == id).unwrap();
    let source = found.write(&root.join(kind)).unwrap();
    let whole = job(root, &source, task, &format!("{kind}-whole"));
    let told = train(&whole, None);
    let outcome = told.outcome.as_ref().expect("a run to the end");
    assert_eq!(told.losses().len(), 4, "{kind}");
    // Its random first stage and the factor of Stable Diffusion make very faint latents.
    let is_remark = |event: &TrainEvent| matches!(event, TrainEvent::Warning { message } if message.contains("deviation of 0."));
    let is_faint = kind == "text-to-image";
    assert!(told.events.iter().any(is_remark) || !is_faint, "{kind}");

    // One file of the old name, and what belongs beside it.
    let file = outcome.model.join(format!("{id}.ckpt"));
    let names: Vec<PathBuf> = fs::read_dir(&outcome.model)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let has_classes = kind.starts_with("layout") || kind.starts_with("semantic");
    assert_eq!(names.len(), 2 + usize::from(has_classes), "{names:?}");
    let (before, after) = (
        inspect(&source, None).unwrap(),
        inspect(&file, None).unwrap(),
    );
    assert_eq!((before.task, before.family), (after.task, after.family));
    assert!(after.missing.is_empty() && after.surplus.is_empty() && after.mismatched.is_empty());
    let (before, after) = (numbers(&source), numbers(&file));
    assert!(before.keys().eq(after.keys()), "{kind}");
    let changed = |start: &str| {
        let mut of = before.iter().filter(|(name, _)| name.starts_with(start));
        of.any(|(name, values)| *values != after[name])
    };
    assert!(changed("model.diffusion_model."), "{kind}");
    assert!(changed(learns), "{kind}: {learns}");
    assert!(!changed("first_stage_model."), "{kind}");
    let folder = ModelFolder::open(&outcome.model).unwrap();
    let own = ModelFolder::open(&source).unwrap();
    assert_eq!(folder.manifest().inputs, own.manifest().inputs);
    LatentDiffusion::load(&folder, &Device::flex()).expect("a model that paints");

    // A run that was broken off comes to the same, and its model is replaced.
    let parts = TrainSpec {
        output: root.join(format!("{kind}-parts")),
        checkpoint_every: 2,
        ..whole.clone()
    };
    let first = train(&parts, Some(2));
    first.outcome.as_ref().expect("a part");
    let resumed = TrainSpec {
        resume: true,
        ..parts.clone()
    };
    let second = train(&resumed, None);
    second.outcome.as_ref().expect("the rest");
    let losses = [first.losses(), second.losses()].concat();
    assert_eq!(losses, told.losses(), "{kind}");
    let again = numbers(&parts.output.join(format!("model/{id}.ckpt")));
    assert!(again == after, "{kind}");

    // It learns on again; and what is not ours is not replaced.
    let more = job(root, &outcome.model, None, &format!("{kind}-more"));
    let more = TrainSpec { steps: 1, ..more };
    train(&more, None).outcome.as_ref().expect("another run");
    let letter = outcome.model.join("letter.txt");
    fs::write(&letter, "dear").unwrap();
    let longer = TrainSpec {
        resume: true,
        steps: 5,
        ..whole
    };
    let refused = train(&longer, None).outcome.expect_err("a letter is there");
    let sentence = refused.to_string();
    assert!(sentence.contains("model"), "{sentence}");
    assert!(letter.exists());
}

#[test]
fn words_learn_on() {
    let root = tempfile::tempdir().unwrap();
    make_pictures(root.path());
    let learns = "cond_stage_model.transformer.";
    learns_on(root.path(), "text-to-image", Some(TrainTask::Text), learns);
}

#[test]
fn boxes_learn_on() {
    let root = tempfile::tempdir().unwrap();
    make_pictures(root.path());
    let learns = "cond_stage_model.transformer.";
    learns_on(
        root.path(),
        "layout-to-image",
        Some(TrainTask::Layout),
        learns,
    );
}

#[test]
fn label_maps_learn_on() {
    let root = tempfile::tempdir().unwrap();
    make_pictures(root.path());
    let learns = "cond_stage_model.channel_mapper.";
    learns_on(
        root.path(),
        "semantic-to-image",
        Some(TrainTask::Semantic),
        learns,
    );
}

#[test]
fn words_beside_a_hole_learn_on() {
    let root = tempfile::tempdir().unwrap();
    make_pictures(root.path());
    learns_on(root.path(), "hybrid", None, "cond_stage_model.transformer.");
}

/// Boxes of what a model has no name for would else be passed over without a word.
#[test]
fn what_new_boxes_hold_gets_a_token_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    make_pictures(root.path());
    let list = root.path().join("pictures/instances.json");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace("house", "unicorn")).unwrap();
    let id = "latent-diffusion-layout-to-image";
    let kind = tiny::KINDS.iter().find(|it| it.id == id).unwrap();
    let source = kind.write(&root.path().join("tiny")).unwrap();
    let spec = job(root.path(), &source, None, "learnt");
    let told = train(&spec, None);
    let model = &told.outcome.as_ref().expect("a run to the end").model;
    let is_said = |event: &TrainEvent| matches!(event, TrainEvent::Warning { message } if message.contains("unicorn"));
    assert!(told.events.iter().any(is_said));
    let before = fs::read_to_string(source.with_file_name("classes.txt")).unwrap();
    let after = fs::read_to_string(model.join("classes.txt")).unwrap();
    assert_eq!(after, format!("{before}unicorn\n"));
    let resumed = TrainSpec {
        resume: true,
        steps: 5,
        ..spec
    };
    train(&resumed, None).outcome.expect("the rest");
    // In what was learnt it has a name.
    let again = train(&job(root.path(), model, None, "again"), None);
    again.outcome.expect("another run");
    assert!(!again.events.iter().any(is_said));
}

/// Whatever its file was called, what is written opens and is replaced by the next part of
/// the run.
#[test]
fn models_are_kept_in_a_form_that_opens_again() {
    let root = tempfile::tempdir().unwrap();
    let id = "latent-diffusion-text-to-image";
    let kind = tiny::KINDS.iter().find(|it| it.id == id).unwrap();
    let source = kind.write(&root.path().join("tiny")).unwrap();
    let device = Device::flex();
    for (name, written) in [
        ("m.pth", "m.ckpt"),
        ("m.bin", "m.ckpt"),
        ("m.CKPT", "m.ckpt"),
        ("m.safetensors", "m.safetensors"),
        ("m.SAFETENSORS", "m.safetensors"),
    ] {
        let folder = root.path().join(format!("from {name}"));
        fs::create_dir(&folder).unwrap();
        let own = folder.join(name);
        fs::copy(&source, &own).unwrap();
        fs::copy(source.with_extension("yaml"), own.with_extension("yaml")).unwrap();
        fs::copy(source.with_file_name("vocab.txt"), folder.join("vocab.txt")).ok();
        let model = ModelFolder::open(&own).unwrap();
        let unet = model.load_unet(&device).unwrap();
        let Some(OriginalEncoder::Words(_, words)) = model.load_original_encoder(&device).unwrap()
        else {
            panic!("it reads words");
        };
        let place = root.path().join(format!("{name} learnt"));
        let save = || {
            let network = OriginalNetwork::Tokens(&words);
            let saved = model.save_further(&place, &unet, network, None);
            saved.unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        save();
        assert!(place.join(written).is_file(), "{name}");
        // What a desktop leaves is nothing that somebody would miss.
        fs::write(place.join(".DS_Store"), "x").unwrap();
        save();
        // So it was called by older editions.
        if written == "m.ckpt" {
            fs::rename(place.join(written), place.join("m.PTH")).unwrap();
            save();
        }
        LatentDiffusion::load(&ModelFolder::open(&place).unwrap(), &device).unwrap();
    }
}
