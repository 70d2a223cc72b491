//! What goes wrong is said clearly, and bad pictures do not stop a run.

mod train_support;

use train_support::{make_data, spec, train};
use velatura::recipe::{LatentKind, TrainSpec, TrainTarget, TrainTask};
use velatura::train::{Run, TrainError, TrainEvent};

fn message(spec: &TrainSpec) -> String {
    train(spec, None)
        .outcome
        .expect_err("this cannot work")
        .to_string()
}

#[test]
fn folders_without_pictures_are_named() {
    let root = tempfile::tempdir().expect("a folder");
    let (folder, _) = make_data(root.path());
    let job = |data: &str| TrainSpec {
        data: Some(root.path().join(data)),
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    std::fs::create_dir(root.path().join("empty")).expect("a folder");
    std::fs::write(root.path().join("empty/notes.txt"), "no picture").expect("a file");
    let error = message(&job("empty"));
    assert!(!job("empty").output.exists(), "an empty folder is left");
    assert!(
        error.contains("no pictures") && error.contains("empty"),
        "{error}"
    );
    let error = message(&job("nowhere"));
    assert!(
        error.contains("nowhere") && error.contains("read"),
        "{error}"
    );

    let large = TrainSpec {
        data: Some(folder),
        size_px: 64,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let error = message(&large);
    assert!(
        error.contains("none of the 4") && error.contains("24 × 20") && error.contains("64 × 64"),
        "{error}"
    );
}

#[test]
fn bad_pictures_are_skipped_and_listed() {
    let root = tempfile::tempdir().expect("a folder");
    let (folder, _) = make_data(root.path());
    std::fs::write(folder.join("noise.png"), b"this is no picture").expect("a file");
    // A whole head and half a body: found out only when it is decoded.
    let whole = std::fs::read(folder.join("red.png")).expect("a picture");
    std::fs::write(folder.join("half.png"), &whole[..whole.len() / 2]).expect("a file");
    image::RgbImage::new(8, 30)
        .save(folder.join("small.webp"))
        .expect("a picture");
    let told = train(
        &TrainSpec {
            steps: 3,
            ..spec(root.path(), TrainTarget::Autoencoder)
        },
        None,
    );
    let outcome = told.outcome.as_ref().expect("the run goes on");
    let mut names: Vec<String> = outcome
        .skipped
        .iter()
        .map(|picture| {
            picture
                .path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names, ["half.png", "noise.png", "small.webp"]);
    let told_of = told
        .events
        .iter()
        .filter(|event| matches!(event, TrainEvent::Skipped(_)))
        .count();
    assert_eq!(told_of, 3);
}

#[test]
fn foreign_checkpoints_are_refused() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = TrainSpec {
        steps: 2,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let resume = TrainSpec {
        resume: true,
        steps: 4,
        ..job.clone()
    };
    assert!(matches!(
        train(&resume, None).outcome,
        Err(TrainError::NoCheckpoint(_))
    ));
    train(&job, None).outcome.expect("a first run");
    assert!(matches!(
        train(&job, None).outcome,
        Err(TrainError::OutputInUse(_))
    ));

    let other_seed = TrainSpec {
        seed: 8,
        ..resume.clone()
    };
    let error = message(&other_seed);
    assert!(
        error.contains("another run") && error.contains("seed"),
        "{error}"
    );

    let text = std::fs::read_to_string(root.path().join("tiny.json")).expect("the sizes");
    let wider = root.path().join("wider.json");
    std::fs::write(&wider, text.replace("[16, 32]", "[16, 48]")).expect("a file");
    let other_network = TrainSpec {
        config: Some(wider),
        ..resume.clone()
    };
    let error = message(&other_network);
    assert!(error.contains("networks"), "{error}");

    let state = job.output.join("checkpoints/step-00000002/state.json");
    std::fs::write(&state, "{\"format\": \"something else\"}").expect("a file");
    let error = message(&resume);
    assert!(error.contains("not written by Velatura"), "{error}");
    std::fs::write(&state, "{\"format\": \"velat").expect("a file");
    let error = message(&resume);
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn a_run_goes_on_with_nothing_but_what_it_began_with() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let eyes = TrainSpec {
        steps: 1,
        config: None,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let model = train(&eyes, None).outcome.expect("a first run").model;
    let on = |begun: &TrainSpec| TrainSpec {
        steps: 2,
        resume: true,
        ..begun.clone()
    };
    let refused = |spec: TrainSpec, parts: [&str; 2]| {
        let error = message(&spec);
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let codebook = TrainSpec {
        latents: LatentKind::Vq,
        ..on(&eyes)
    };
    refused(codebook, ["kind kl, 4 pixels", "--latents kl --factor 4"]);
    let coarser = TrainSpec {
        latent_factor: Some(8),
        ..on(&eyes)
    };
    refused(coarser, ["kind kl, 4 pixels", "another folder"]);
    let other = TrainSpec {
        from: Some(model.clone()),
        ..on(&eyes)
    };
    refused(other, ["random weights", "leave --from out"]);
    let same = TrainSpec {
        latent_factor: Some(4),
        ..on(&eyes)
    };
    train(&same, None).outcome.expect("it goes on");

    let further = TrainSpec {
        from: Some(model.clone()),
        output: root.path().join("further"),
        ..eyes.clone()
    };
    train(&further, None).outcome.expect("another run");
    let without = TrainSpec {
        from: None,
        ..on(&further)
    };
    refused(without, ["began with the weights of", "run/model"]);
    // The model may lie somewhere else by now.
    let moved = root.path().join("moved");
    std::fs::rename(&model, &moved).expect("renamed");
    let elsewhere = TrainSpec {
        from: Some(moved.clone()),
        ..on(&further)
    };
    let told = train(&elsewhere, None);
    told.outcome.as_ref().expect("it goes on");
    let is_told = told.events.iter().any(|event| {
        matches!(event, TrainEvent::Warning { message } if message.contains("those of its checkpoint"))
    });
    assert!(is_told);

    let painter = TrainSpec {
        task: Some(TrainTask::Unconditional),
        first_stage: Some(moved),
        output: root.path().join("painter"),
        target: TrainTarget::Diffusion,
        ..eyes
    };
    train(&painter, None).outcome.expect("a third run");
    for task in [None, Some(TrainTask::Inpaint)] {
        let other = TrainSpec {
            task,
            ..on(&painter)
        };
        refused(
            other,
            ["began with the task unconditional", "another folder"],
        );
    }
    train(&on(&painter), None).outcome.expect("it goes on");
}

#[test]
fn settings_without_sense_are_refused() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = spec(root.path(), TrainTarget::Autoencoder);
    let no_latents = TrainSpec {
        target: TrainTarget::Diffusion,
        ..job.clone()
    };
    assert!(message(&no_latents).contains("first stage"));
    let odd = TrainSpec {
        size_px: 17,
        ..job.clone()
    };
    assert!(message(&odd).contains("divides"));
    let nothing = TrainSpec {
        batch: 0,
        ..job.clone()
    };
    assert!(message(&nothing).contains("batch"));
    std::fs::write(root.path().join("typo.json"), r#"{"autoencode": {}}"#).expect("a file");
    let typo = TrainSpec {
        config: Some(root.path().join("typo.json")),
        ..job
    };
    assert!(message(&typo).contains("autoencode"));
}

#[test]
fn a_run_replaces_nothing_of_anybody_else() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = TrainSpec {
        steps: 1,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let model = job.output.join("model");
    std::fs::create_dir_all(&model).expect("a folder");
    std::fs::write(model.join("notes.txt"), "mine").expect("a file");
    let error = message(&job);
    assert!(error.contains("would be replaced"), "{error}");
    assert!(model.join("notes.txt").is_file());
    std::fs::remove_dir_all(&model).expect("removed");

    let figures = job.output.join("metrics.jsonl");
    std::fs::write(&figures, "mine").expect("a file");
    let told = train(&job, None);
    told.outcome.expect("a run");
    assert!(told.events.iter().any(|event| matches!(
        event,
        TrainEvent::Warning { message } if message.contains("metrics-1.jsonl")
    )));
    let kept = std::fs::read_to_string(job.output.join("metrics-1.jsonl"));
    assert_eq!(kept.expect("it is kept"), "mine");
}

#[test]
fn a_folder_belongs_to_one_run_at_a_time() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = spec(root.path(), TrainTarget::Autoencoder);
    let open = || Run::open(&job, &burn::tensor::Device::flex(), Box::new(|_| {}));
    let first = open().map_err(|error| error.to_string());
    assert!(first.is_ok(), "{:?}", first.err());
    let second = open().map(|_| ()).expect_err("the first is at work");
    assert!(matches!(second, TrainError::OutputBusy(_)), "{second}");
    drop(first);
    assert!(open().is_ok(), "the first is gone");
}

#[cfg(unix)]
#[test]
fn a_place_that_cannot_be_written_is_found_before_anything_is_read() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("file"), "no folder").expect("a file");
    let job = TrainSpec {
        output: root.path().join("file/run"),
        data: Some("/nowhere".into()),
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    make_data(root.path());
    let error = message(&job);
    assert!(error.contains("file/run"), "{error}");
}

#[test]
fn the_spare_checkpoint_is_used_when_the_newest_is_damaged() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = TrainSpec {
        steps: 4,
        checkpoint_every: 2,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    train(&job, None).outcome.expect("a first run");
    let checkpoint = |name: &str| job.output.join("checkpoints").join(name);
    let resumed = TrainSpec {
        resume: true,
        ..job.clone()
    };
    let weights = "step-00000004/autoencoder.weights.safetensors";
    for broken in ["step-00000004/state.json", weights] {
        std::fs::write(checkpoint(broken), "").expect("a file");
        let told = train(&resumed, None);
        let outcome = told.outcome.as_ref().expect("the spare one is read");
        assert!(outcome.is_complete && told.losses().len() == 2);
        let warning = told.events.iter().find_map(|event| match event {
            TrainEvent::Warning { message } => Some(message),
            _ => None,
        });
        let warning = warning.expect("a warning");
        assert!(
            warning.contains("step-00000004") && warning.contains("from step 2"),
            "{warning}"
        );
        assert!(checkpoint("damaged-step-00000004").is_dir());
        std::fs::remove_dir_all(checkpoint("damaged-step-00000004")).expect("removed");
    }
}
