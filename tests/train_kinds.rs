//! Models of every kind of the paper are made from nothing, of a folder of pictures and of
//! scenes, trained further, and gone on with.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod train_support;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use image::{GrayImage, Luma, Rgb, RgbImage};
use train_support::{CONFIG, Told, train};
use velatura::diffusion::LatentDiffusion;
use velatura::model::ModelFolder;
use velatura::model::conditioner::layout::{LayoutEncoderConfig, NumberedBox};
use velatura::model::inspect::inspect;
use velatura::nn;
use velatura::recipe::{Degradation, InputSpec, TrainSpec, TrainTarget, TrainTask};
use velatura::train::{TrainEvent, survey_of_folder};

/// Eight pictures of two kinds, with captions, label maps and a COCO list of boxes.
fn make_pictures(root: &Path) -> PathBuf {
    let folder = root.join("pictures");
    let (mut images, mut boxes) = (Vec::new(), Vec::new());
    for i in 0..8_u32 {
        let class = ["discs", "bars"][i as usize % 2];
        let centre = [6.0 + i as f32, 14.0 - i as f32];
        let is_thing = |x: u32, y: u32| {
            let away = [x as f32 - centre[0], y as f32 - centre[1]].map(f32::abs);
            match class {
                "discs" => away[0].hypot(away[1]) < 4.0,
                _ => away[0] < 2.0 && away[1] < 5.0,
            }
        };
        let name = format!("{class}/{i}.png");
        let path = folder.join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let colour = |x, y| match is_thing(x, y) {
            true => Rgb([220, 40 + 20 * i as u8, 30]),
            false => Rgb([30, 60, 120 + 10 * i as u8]),
        };
        RgbImage::from_fn(20, 20, colour).save(&path).unwrap();
        let label = |x, y| Luma([if is_thing(x, y) { 7 } else { 2 }]);
        let map = GrayImage::from_fn(20, 20, label);
        map.save(path.with_extension("label.png")).unwrap();
        std::fs::write(path.with_extension("txt"), format!("one of the {class}")).unwrap();
        images.push(format!(
            r#"{{ "id": {i}, "file_name": "{name}", "width": 40, "height": 40 }}"#
        ));
        let corner = centre.map(|at| 2.0 * at - 8.0);
        boxes.push(format!(
            r#"{{ "image_id": {i}, "category_id": {}, "bbox": [{}, {}, 16, 16] }}"#,
            i % 2,
            corner[0],
            corner[1]
        ));
    }
    let coco = format!(
        r#"{{ "images": [{}], "annotations": [{}],
            "categories": [{{ "id": 0, "name": "disc" }}, {{ "id": 1, "name": "bar" }}] }}"#,
        images.join(","),
        boxes.join(",")
    );
    std::fs::write(folder.join("instances.json"), coco).unwrap();
    std::fs::write(root.join("tiny.json"), CONFIG).unwrap();
    folder
}

fn first_stage(root: &Path) -> PathBuf {
    let spec = TrainSpec {
        target: TrainTarget::Autoencoder,
        output: root.join("eyes"),
        steps: 2,
        ..job(root, TrainTask::Text)
    };
    model_of(&train(
        &TrainSpec {
            task: None,
            first_stage: None,
            ..spec
        },
        None,
    ))
}

fn job(root: &Path, task: TrainTask) -> TrainSpec {
    TrainSpec {
        target: TrainTarget::Diffusion,
        task: Some(task),
        data: Some(root.join("pictures")),
        config: Some(root.join("tiny.json")),
        first_stage: Some(root.join("eyes/model")),
        output: root.join(format!("{task:?}")),
        size_px: 16,
        steps: 4,
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

#[test]
fn every_kind_is_made_from_nothing_gone_on_with_and_trained_further() {
    let root = tempfile::tempdir().expect("a folder");
    make_pictures(root.path());
    first_stage(root.path());
    for task in TrainTask::ALL {
        let whole = job(root.path(), task);
        let told = train(&whole, None);
        let wanted = told.losses();
        assert_eq!(wanted.len(), 4, "{task:?}");
        let model = model_of(&told);
        let folder = ModelFolder::open(&model).expect("a model");
        let manifest = folder.manifest();
        LatentDiffusion::load(&folder, &Device::flex()).expect("a model that paints");
        let sheet = image::image_dimensions(whole.output.join("samples/step-00000004.png"));
        let rows = match task {
            TrainTask::Layout | TrainTask::Semantic | TrainTask::Inpaint => 3,
            TrainTask::SuperResolution => 2,
            _ => 1,
        };
        assert_eq!(
            sheet.expect("a sheet"),
            (8 * 18 + 2, rows * 18 + 2),
            "{task:?}"
        );
        let is_right = match (&manifest.inputs[..], task) {
            ([], TrainTask::Unconditional) => true,
            ([InputSpec::Class { classes, empty }], TrainTask::Class) => {
                classes[..] == ["bars", "discs"] && *empty == Some(2)
            }
            ([InputSpec::Text { .. }], TrainTask::Text) => true,
            ([InputSpec::Layout { classes, .. }], TrainTask::Layout) => {
                classes[..] == ["bar", "disc"]
            }
            ([InputSpec::Semantic { classes }], TrainTask::Semantic) => {
                // Nothing says what the numbers mean.
                classes
                    .iter()
                    .map(|class| class.name.as_str())
                    .eq(["2", "7"])
            }
            ([InputSpec::Mask { .. }], TrainTask::Inpaint) => true,
            (
                [
                    InputSpec::LowResolution {
                        factor: 2,
                        is_needed: true,
                        degradation: Some(Degradation::Bicubic),
                    },
                ],
                _,
            ) => task == TrainTask::SuperResolution,
            _ => false,
        };
        assert!(is_right, "{task:?}: {:?}", manifest.inputs);

        // It is judged by what is true, and by what is true of another picture.
        let figures = told.events.iter().filter_map(|event| match event {
            TrainEvent::Evaluation { name, .. } => Some(*name),
            _ => None,
        });
        let figures: Vec<&str> = figures.collect();
        let listens = task != TrainTask::Unconditional;
        let wanted_figures = ["train_loss", "train_loss_misled"];
        assert_eq!(
            figures[..],
            wanted_figures[..1 + usize::from(listens)],
            "{task:?}"
        );

        // Broken off and gone on with, it is the same run.
        let parts = TrainSpec {
            output: root.path().join(format!("{task:?} in parts")),
            ..whole.clone()
        };
        let first = train(&parts, Some(2));
        let resumed = TrainSpec {
            resume: true,
            ..parts
        };
        let second = train(&resumed, None);
        assert_eq!(
            [first.losses(), second.losses()].concat(),
            wanted,
            "{task:?}"
        );

        let further = TrainSpec {
            from: Some(model),
            first_stage: None,
            output: root.path().join(format!("{task:?} further")),
            steps: 2,
            ..whole
        };
        let further = train(&further, None);
        let model = ModelFolder::open(model_of(&further)).expect("a model");
        assert_eq!(model.manifest().inputs, manifest.inputs, "{task:?}");
    }
}

#[test]
fn every_kind_is_made_of_scenes() {
    let root = tempfile::tempdir().expect("a folder");
    make_pictures(root.path());
    first_stage(root.path());
    for task in TrainTask::ALL {
        let spec = TrainSpec {
            data: None,
            size_px: 32,
            steps: 1,
            ..job(root.path(), task)
        };
        let model = model_of(&train(&spec, None));
        let folder = ModelFolder::open(&model).expect("a model");
        LatentDiffusion::load(&folder, &Device::flex()).expect("a model that paints");
        inspect(&model, None).expect("what it is");
        // Small pictures of a factor need latents that are as small.
        if task == TrainTask::SuperResolution {
            continue;
        }
        // What is trained on pixels has no network there.
        let stage = model.join("vae");
        std::fs::remove_dir_all(&stage).expect("removed");
        std::fs::create_dir(&stage).expect("a folder");
        let pixels = r#"{"_class_name": "IdentityFirstStage"}"#;
        std::fs::write(stage.join("config.json"), pixels).expect("a file");
        let told = inspect(&model, None).expect("what it is");
        assert!(told.missing.is_empty(), "{:?}", told.missing);
    }
}

#[test]
fn what_the_pictures_lack_is_told_before_anything_is_trained() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = make_pictures(root.path());
    first_stage(root.path());
    let holdings = survey_of_folder(&folder).expect("pictures");
    assert_eq!(holdings.pictures, Some(8));
    let found = |task| holdings.found_for(task).expect("found");
    assert_eq!(
        found(TrainTask::Class),
        "2 class folders found: bars, discs"
    );
    assert_eq!(
        found(TrainTask::Layout),
        "boxes of 2 classes in all 8 pictures"
    );
    assert_eq!(
        found(TrainTask::Semantic),
        "label maps of 2 classes beside all 8 pictures"
    );

    for (class, name) in [("discs", "0"), ("bars", "1")] {
        let path = folder.join(format!("{class}/{name}.label.png"));
        std::fs::remove_file(path).expect("a map");
    }
    std::fs::remove_file(folder.join("discs/0.txt")).expect("a caption");
    let told = train(&job(root.path(), TrainTask::Semantic), None);
    let is_told = told.events.iter().any(|event| {
        matches!(event, TrainEvent::Warning { message }
            if message == "2 of the 8 pictures have no label map")
    });
    assert!(is_told && told.outcome.is_ok());

    // A model of classes learns on only from those that it has.
    let classes = model_of(&train(&job(root.path(), TrainTask::Class), None));
    std::fs::rename(folder.join("bars"), folder.join("stars")).expect("renamed");
    let further = |task, name: &str| {
        let told = train(
            &TrainSpec {
                task,
                from: Some(classes.clone()),
                first_stage: None,
                output: root.path().join(name),
                ..job(root.path(), TrainTask::Class)
            },
            None,
        );
        let warnings = told.events.iter().filter_map(|event| match event {
            TrainEvent::Warning { message } => Some(message.clone()),
            _ => None,
        });
        let warnings: Vec<String> = warnings.collect();
        (told.outcome.map_err(|error| error.to_string()), warnings)
    };
    let (outcome, warnings) = further(None, "some");
    outcome.expect("one of them is known");
    // It reads no captions, so that none is missed.
    assert!(
        !warnings.iter().any(|it| it.contains("caption")),
        "{warnings:?}"
    );
    assert!(
        warnings.iter().any(|it| it.contains("stars")),
        "{warnings:?}"
    );
    let (outcome, _) = further(Some(TrainTask::Layout), "boxes");
    let error = outcome.expect_err("it takes no boxes");
    assert!(error.contains("takes class"), "{error}");
    std::fs::rename(folder.join("discs"), folder.join("suns")).expect("renamed");
    let (outcome, _) = further(None, "none");
    assert!(outcome.expect_err("none is known").contains("stars, suns"));

    std::fs::remove_dir_all(folder.join("suns")).expect("removed");
    let alone = TrainSpec {
        output: root.path().join("alone"),
        ..job(root.path(), TrainTask::Class)
    };
    let told = train(&alone, None)
        .outcome
        .expect_err("one class")
        .to_string();
    assert!(told.contains("a folder of its own"), "{told}");
}

/// What is near zero is not heard beside latents and the features of corners, and each class
/// is too rare to become louder in minutes of training.
#[test]
fn boxes_of_any_class_show_in_new_planes() {
    let device = Device::flex();
    let _seeded = nn::seeded(&device, 5);
    let config = LayoutEncoderConfig {
        classes: 100,
        plane_channels: 256,
        ..LayoutEncoderConfig::default()
    };
    let network = config.init(&device).expect("a network");
    let of = |class| NumberedBox {
        class,
        colour: 0,
        corners: [0.0, 0.0, 0.5, 1.0],
    };
    let boxes = [[of(0)], [of(99)]];
    let pictures = boxes.each_ref().map(<[NumberedBox; 1]>::as_slice);
    let (tokens, planes) = network.tell(&pictures, 1.0, [2, 1], &device);
    let planes: Vec<f32> = planes.into_data().try_to_vec().expect("numbers");
    let inside: Vec<f32> = planes.iter().step_by(2).copied().collect();
    let (one, other) = inside.split_at(256);
    let product = |one: &[f32], other: &[f32]| {
        let products = one.iter().zip(other).map(|(one, other)| one * other);
        products.sum::<f32>()
    };
    // As loud as latents, much the same for two classes, and yet not the same.
    let size = [one, other].map(|it| product(it, it).sqrt());
    assert!(size.iter().all(|size| *size > 16.0), "{size:?}");
    let likeness = product(one, other) / (size[0] * size[1]);
    assert!((0.25..0.75).contains(&likeness), "{likeness}");
    assert!(planes.iter().skip(1).step_by(2).all(|it| *it == 0.0));
    let tokens: Vec<f32> = tokens.into_data().try_to_vec().expect("numbers");
    let [one, other] = [0, 1].map(|at| &tokens[at * tokens.len() / 2..][..192]);
    let differences = one
        .iter()
        .zip(other)
        .map(|(one, other)| (one - other).abs());
    let difference = differences.sum::<f32>() / 192.0;
    assert!(difference > 0.05, "{difference}");
}
