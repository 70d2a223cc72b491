//! From a folder of pictures to a model: what is trained on, and what is told of it.

mod train_support;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use train_support::{make_data, spec, train};
use velatura::model::ModelFolder;
use velatura::random::Random;
use velatura::recipe::{Fit, TrainSpec, TrainTarget};
use velatura::scenes::{SceneSource, write_dataset};
use velatura::train::{FolderReport, ImageFolder, PictureSource as _, TrainEvent};

/// A run of two steps whose networks nobody described.
fn fresh(root: &Path, target: TrainTarget, output: &str) -> TrainSpec {
    TrainSpec {
        config: None,
        steps: 2,
        output: root.join(output),
        ..spec(root, target)
    }
}

#[test]
fn both_stages_begin_from_nothing_but_pictures() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let first = fresh(root.path(), TrainTarget::Autoencoder, "eyes");
    let first = train(&first, None).outcome.expect("a first stage");
    let second = TrainSpec {
        first_stage: Some(first.model),
        ..fresh(root.path(), TrainTarget::Diffusion, "hands")
    };
    let second = train(&second, None).outcome.expect("a model");
    let model = ModelFolder::open(&second.model).expect("a model folder");
    assert!(model.manifest().takes_mask());
    let device = burn::tensor::Device::flex();
    model.load_unet(&device).expect("a denoiser");
    model.load_text_encoder(&device).expect("a text encoder");
}

/// Warnings that a run told.
fn warnings(told: &train_support::Told) -> Vec<String> {
    let warnings = told.events.iter().filter_map(|event| match event {
        TrainEvent::Warning { message } => Some(message.clone()),
        _ => None,
    });
    warnings.collect()
}

/// What a run said that it is trained on.
fn pictures(told: &train_support::Told) -> &str {
    let started = told.events.iter().find_map(|event| match event {
        TrainEvent::Started { pictures, .. } => Some(pictures.as_str()),
        _ => None,
    });
    started.expect("a run that started")
}

/// Names of the figures that the model was judged by.
fn figures(told: &train_support::Told) -> BTreeSet<&'static str> {
    let named = told.events.iter().filter_map(|event| match event {
        TrainEvent::Evaluation { name, .. } => Some(*name),
        _ => None,
    });
    named.collect()
}

#[test]
fn written_scenes_are_trained_on_with_their_captions() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let scenes = root.path().join("scenes");
    write_dataset(&scenes, 6, 16, 3, |_| ControlFlow::Continue(())).expect("scenes");
    let (folder, report) =
        ImageFolder::open(&scenes, 16, Fit::Auto, &root.path().join("run")).expect("pictures");
    assert_eq!(report, FolderReport::default());
    assert_eq!(folder.len(), Some(6));
    let source = SceneSource::new(16).expect("a size");
    for (i, caption) in folder.captions().enumerate() {
        let scene = source.scene(3, i as u64);
        assert_eq!(caption, scene.caption);
        let mut random = Random::new(0, 0);
        let sample = folder.get(i as u64, &mut random).expect("a scene");
        assert_eq!(sample.rgb, scene.image);
        assert_eq!(sample.objects.len(), scene.objects.len());
        for (ours, theirs) in sample.objects.iter().zip(&scene.objects) {
            for (ours, theirs) in ours.iter().zip(theirs.bbox) {
                assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
            }
        }
    }
    let job = TrainSpec {
        data: Some(scenes),
        steps: 1,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let told = train(&job, None);
    told.outcome.as_ref().expect("a run");
    assert!(pictures(&told).starts_with("6 pictures of "));
    assert_eq!(warnings(&told), Vec::<String>::new());
}

#[test]
fn missing_captions_and_held_out_pictures_are_told() {
    let root = tempfile::tempdir().expect("a folder");
    let (folder, _) = make_data(root.path());
    std::fs::remove_file(folder.join("red.txt")).expect("a caption");
    let eyes = TrainSpec {
        steps: 2,
        output: root.path().join("eyes"),
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let first = train(&eyes, None);
    let model = first.outcome.as_ref().expect("a first stage").model.clone();
    // Pictures for a first stage need no captions, and four cannot spare one.
    assert_eq!(warnings(&first), Vec::<String>::new());
    assert_eq!(figures(&first), BTreeSet::from(["train_psnr_db"]));
    assert!(
        pictures(&first).ends_with("pictures"),
        "{}",
        pictures(&first)
    );

    let hands = TrainSpec {
        steps: 2,
        first_stage: Some(model),
        output: root.path().join("hands"),
        ..spec(root.path(), TrainTarget::Diffusion)
    };
    let second = train(&hands, None);
    second.outcome.as_ref().expect("a model");
    assert_eq!(warnings(&second), ["1 of the 4 pictures have no caption"]);
    assert_eq!(
        figures(&second),
        BTreeSet::from(["train_loss", "train_loss_misled"])
    );

    for i in 0..20 {
        let name = format!("more/{i}.png");
        std::fs::copy(folder.join("blue.png"), folder.join(name)).expect("a copy");
    }
    let many = TrainSpec {
        output: root.path().join("more"),
        ..hands
    };
    let third = train(&many, None);
    third.outcome.as_ref().expect("a model");
    assert_eq!(figures(&third), BTreeSet::from(["held_out_loss"]));
    let told = pictures(&third);
    assert!(told.starts_with("23 ") && told.contains("1 more"), "{told}");
}

#[test]
fn a_run_goes_on_with_other_pictures_and_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    let (folder, _) = make_data(root.path());
    // The run writes into its own data.
    let job = TrainSpec {
        steps: 2,
        output: folder.join("run"),
        sample_every: 1,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    train(&job, None).outcome.expect("a first part");
    let go_on = |steps: u64, data: &Path| {
        let told = train(
            &TrainSpec {
                steps,
                resume: true,
                data: Some(data.to_path_buf()),
                ..job.clone()
            },
            None,
        );
        told.outcome.as_ref().expect("a part");
        warnings(&told)
    };
    // The same folder by another path, with samples in it by now.
    let other_path = folder.join(".").join("more").join("..");
    assert_eq!(go_on(3, &other_path), Vec::<String>::new());

    std::fs::copy(folder.join("red.png"), folder.join("blue.png")).expect("an exchange");
    let told = go_on(4, &folder);
    assert!(
        told.len() == 1 && told[0].contains("not all the same"),
        "{told:?}"
    );
    // From now on they are those of the run.
    assert_eq!(go_on(5, &folder), Vec::<String>::new());

    let moved = root.path().join("elsewhere");
    std::fs::create_dir(&moved).expect("a folder");
    std::fs::copy(folder.join("red.png"), moved.join("red.png")).expect("a copy");
    let told = go_on(6, &moved);
    assert!(told.len() == 1 && told[0].contains("elsewhere"), "{told:?}");
}

#[test]
fn numbers_without_sense_write_nothing() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = spec(root.path(), TrainTarget::Autoencoder);
    for (name, spec) in [
        (
            "weight decay",
            TrainSpec {
                weight_decay: f64::INFINITY,
                ..job.clone()
            },
        ),
        (
            "Kullback-Leibler",
            TrainSpec {
                kl_weight: f64::NAN,
                ..job.clone()
            },
        ),
    ] {
        let error = train(&spec, None).outcome.expect_err("senseless");
        assert!(error.to_string().contains(name), "{error}");
        assert!(!spec.output.exists());
    }
}
