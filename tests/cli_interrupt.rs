//! Ctrl+C and SIGTERM: the program keeps what is done. The program is run as a
//! user runs it; nothing here waits for a clock.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod train_support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn start(home: &Path, options: &[&str]) -> Child {
    start_with(home, &[options, &["--device", "cpu"]].concat())
}

fn start_with(home: &Path, options: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_velatura"))
        .args(options)
        .arg("--json")
        .current_dir(home)
        .env("VELATURA_PICTURES", home.join("pictures"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How a program that was interrupted ended.
struct Ended {
    code: Option<i32>,
    events: Vec<Value>,
    errors: String,
}

impl Ended {
    fn of_kind(&self, kind: &str) -> Vec<&Value> {
        let events = self.events.iter();
        events.filter(|event| event["event"] == kind).collect()
    }
}

/// Sends signals as soon as an event of a kind is told, and reads to the end.
fn interrupt(mut child: Child, at: &str, signals: &[&str]) -> Ended {
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut events: Vec<Value> = Vec::new();
    let mut is_sent = false;
    for line in out.lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["event"] == at && !is_sent {
            is_sent = true;
            for signal in signals {
                let id = child.id().to_string();
                let sent = Command::new("kill").args([*signal, &id]).status().unwrap();
                assert!(sent.success());
            }
        }
        events.push(event);
    }
    let mut errors = String::new();
    let mut from = child.stderr.take().unwrap();
    from.read_to_string(&mut errors).unwrap();
    Ended {
        code: child.wait().unwrap().code(),
        events,
        errors,
    }
}

#[test]
fn a_batch_keeps_the_pictures_that_are_finished() {
    let home = tempfile::tempdir().unwrap();
    let model = std::path::absolute("tests/data/reference/sd1-tiny").unwrap();
    let model = model.to_str().unwrap().to_owned();
    let options = [
        "generate", "--model", &model, "--steps", "20", "--width", "64", "--height", "64",
        "--batch", "64", "--output", "out.png",
    ];
    let ended = interrupt(start(home.path(), &options), "picture", &["-INT"]);
    assert_eq!(ended.code, Some(130), "{}", ended.errors);
    let told = ended.of_kind("picture").len();
    assert!((1..64).contains(&told), "{told} pictures");
    for index in 0..64 {
        let path = home.path().join(format!("out-{index}.png"));
        assert_eq!(path.is_file(), index < told, "{}", path.display());
    }
    assert!(ended.errors.contains("interrupted"), "{}", ended.errors);
}

#[test]
fn scenes_that_are_written_stay_and_nothing_half_written_does() {
    let home = tempfile::tempdir().unwrap();
    let options = ["scenes", "--count", "1000000", "--size", "16", "--out", "s"];
    let ended = interrupt(start_with(home.path(), &options), "progress", &["-INT"]);
    assert_eq!(ended.code, Some(130), "{}", ended.errors);
    let told = ended.of_kind("scenes")[0]["scenes"].as_u64().unwrap();
    assert!((1..1_000_000).contains(&told), "{told}");
    let names = std::fs::read_dir(home.path().join("s")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    // Four files each, and the palette.
    assert_eq!(names.len() as u64, 4 * told + 1);
    let is_hidden = |name: &std::ffi::OsString| name.as_encoded_bytes().starts_with(b".");
    assert!(!names.iter().any(is_hidden));
}

#[test]
fn a_training_run_ends_with_its_checkpoint_and_goes_on_from_there() {
    let home = tempfile::tempdir().unwrap();
    train_support::make_data(home.path());
    let train = |steps: &str, more: &[&str]| {
        let options = [
            "train",
            "autoencoder",
            "pictures",
            "--config",
            "tiny.json",
            "--size",
            "16",
            "--batch",
            "2",
            "--output",
            "run",
            "--checkpoint-every",
            "0",
            "--sample-every",
            "0",
            "--steps",
            steps,
        ];
        start(home.path(), &[&options[..], more].concat())
    };
    let ended = interrupt(train("1000000", &[]), "step", &["-TERM"]);
    assert_eq!(ended.code, Some(130), "{}", ended.errors);
    assert_eq!(ended.of_kind("checkpoint").len(), 1, "{}", ended.errors);
    assert!(home.path().join("run/model/vae").is_dir());
    let steps = ended.of_kind("step");
    let done = steps.last().unwrap()["step"].as_u64().unwrap();
    let advice = ended.of_kind("status");
    let advice = advice.last().unwrap()["message"].as_str().unwrap();
    assert!(advice.contains("--resume"), "{advice}");

    let more = (done + 2).to_string();
    let ended = interrupt(train(&more, &["--resume"]), "nothing", &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_eq!(ended.of_kind("model")[0]["step"].as_u64(), Some(done + 2));
    assert_eq!(ended.of_kind("step")[0]["step"].as_u64(), Some(done + 1));
}

#[test]
fn a_second_interruption_ends_the_program() {
    let home = tempfile::tempdir().unwrap();
    train_support::make_data(home.path());
    let options = [
        "train",
        "autoencoder",
        "pictures",
        "--config",
        "tiny.json",
        "--size",
        "16",
        "--output",
        "run",
        "--steps",
        "1000000",
    ];
    let child = start(home.path(), &options);
    let ended = interrupt(child, "step", &["-INT", "-INT"]);
    assert_eq!(ended.code, Some(130), "{}", ended.errors);
}

#[test]
fn an_enlargement_that_is_interrupted_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let picture = image::RgbImage::from_fn(900, 900, |x, y| image::Rgb([x as u8, y as u8, 7]));
    picture.save(home.path().join("small.png")).unwrap();
    let child = start(
        home.path(),
        &["upscale", "small.png", "--output", "large.png"],
    );
    let ended = interrupt(child, "progress", &["-INT"]);
    assert_eq!(ended.code, Some(130), "{}", ended.errors);
    assert!(ended.of_kind("picture").is_empty());
    assert!(!home.path().join("large.png").exists());
}
