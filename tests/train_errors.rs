//! What goes wrong is said clearly, and bad pictures do not stop a run.

mod train_support;

use train_support::{make_data, spec, train};
use velatura::recipe::{TrainSpec, TrainTarget};
use velatura::train::{TrainError, TrainEvent};

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
fn settings_without_sense_are_refused() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = spec(root.path(), TrainTarget::Autoencoder);
    let no_sizes = TrainSpec {
        config: None,
        ..job.clone()
    };
    assert!(message(&no_sizes).contains("configuration"));
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
