//! `velatura evaluate folders` and `--fid-against` as a user runs them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use image::RgbImage;
use serde_json::Value;
use velatura::scenes::SceneSource;

pub fn velatura(folder: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_velatura"))
        .arg("evaluate")
        .args(options)
        .current_dir(folder)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn result(output: &Output, event: &str) -> Value {
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let mut lines = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["event"] == event).unwrap()
}

pub fn fails(folder: &Path, options: &[&str], words: &[&str]) {
    let output = velatura(folder, options);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{options:?}: {message}");
    let last = message.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{message}");
    for word in words {
        assert!(last.contains(word), "{word:?} is not in {last:?}");
    }
}

fn scenes(folder: &Path, seed: u64, count: usize) {
    std::fs::create_dir(folder).unwrap();
    let source = SceneSource::new(64).unwrap();
    for (index, scene) in source.endless(seed, 0).take(count).enumerate() {
        scene
            .image
            .save(folder.join(format!("{index:04}.png")))
            .unwrap();
    }
    // What lies beside pictures is none.
    std::fs::write(folder.join("0000.txt"), "a barn").unwrap();
    std::fs::write(folder.join("0000.label.png"), "a label map").unwrap();
}

#[test]
fn folders_are_compared_and_statistics_kept() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    scenes(&at.join("a"), 1, 14);
    scenes(&at.join("b"), 2, 12);
    let against = |b: &str| {
        let output = velatura(at, &["folders", "a", b, "--json"]);
        result(&output, "comparison")
    };
    let figures = against("b");
    assert_eq!(figures["features"]["network"], "scenes");
    // Never called so without Inception.
    assert!(figures["fid"].is_null() && figures["inception_score"].is_null());
    assert_eq!(figures["pictures"], serde_json::json!([14, 12]));
    assert_eq!(figures["pairs"]["count"], 12);
    assert!(figures["precision_recall"]["recall"].as_f64().unwrap() > 0.0);
    let text = velatura(at, &["folders", "a", "b"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("Fréchet distance (no FID)"), "{text}");
    assert!(text.contains("14 against 12 pictures"), "{text}");

    let own = against("a");
    assert!(own["frechet_distance"].as_f64().unwrap().abs() < 1e-6);
    assert_eq!(own["pairs"]["ssim"]["mean"], 1.0);
    assert_eq!(own["precision_recall"]["precision"], 1.0);

    // The same from a file, and from two.
    let saved = velatura(at, &["folders", "b", "--save-statistics", "b.npz"]);
    assert!(saved.status.success(), "{saved:?}");
    let distance = |figures: &Value| figures["frechet_distance"].as_f64().unwrap();
    let from_file = against("b.npz");
    assert!((distance(&from_file) - distance(&figures)).abs() < 1e-6);
    assert_eq!(from_file["pictures"], figures["pictures"]);
    assert!(from_file["kernel_distance"].is_null());
    velatura(at, &["folders", "a", "--save-statistics", "a.npz"]);
    let output = velatura(at, &["folders", "a.npz", "b.npz", "--json"]);
    let from_files = result(&output, "comparison");
    assert!((distance(&from_files) - distance(&figures)).abs() < 1e-6);
}

#[test]
fn wrong_input_is_told_in_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    scenes(&at.join("a"), 1, 3);
    let theirs = std::path::absolute("tests/data/reference/evaluation/pytorch-fid.npz").unwrap();
    std::fs::copy(theirs, at.join("theirs.npz")).unwrap();
    std::fs::create_dir(at.join("empty")).unwrap();
    std::fs::create_dir(at.join("one")).unwrap();
    RgbImage::new(8, 8).save(at.join("one/a.png")).unwrap();
    std::fs::create_dir(at.join("broken")).unwrap();
    for name in ["a.png", "b.png"] {
        std::fs::write(at.join("broken").join(name), "<html>").unwrap();
    }
    std::fs::write(at.join("words.txt"), "words").unwrap();
    std::fs::write(at.join("words.npz"), "words").unwrap();
    let mut cut = std::fs::File::create(at.join("cut.npz")).unwrap();
    cut.write_all(&std::fs::read(at.join("theirs.npz")).unwrap()[..2000])
        .unwrap();
    for (b, words) in [
        ("gone", &["gone", "no such"][..]),
        ("empty", &["empty", "no pictures"]),
        ("one", &["one picture"]),
        ("broken", &["a.png"]),
        ("words.txt", &["words.txt", "neither"]),
        ("words.npz", &["words.npz", "no statistics"]),
        ("cut.npz", &["cut.npz", "no statistics"]),
        // Of a network that it does not name, and other than ours.
        ("theirs.npz", &["theirs.npz", "one network"]),
    ] {
        fails(at, &["folders", "a", b], words);
    }
    fails(
        at,
        &["folders", "a", "a", "--save-statistics", "a.png"],
        &["a.png", ".npz"],
    );
    fails(
        at,
        &[
            "folders",
            "a",
            "a",
            "--device",
            "cpu",
            "--inception",
            "words.txt",
        ],
        &["words.txt"],
    );
    let judge = std::path::absolute("assets/judge/judge.safetensors").unwrap();
    let judge = judge.to_str().unwrap();
    fails(
        at,
        &["folders", "a", "a", "--device", "cpu", "--inception", judge],
        &["judge.safetensors", "Inception", "Conv2d_1a_3x3"],
    );
    // A slip of the pen trains no judge for an hour.
    fails(
        at,
        &["folders", "a", "a", "--judge", "nothere"],
        &["nothere"],
    );
    assert!(!at.join("nothere").exists());
    fails(
        at,
        &["model", "--tasks", "text", "--inception", "words.txt"],
        &["--inception", "--fid-against"],
    );
    // A question is not understood.
    for question in [
        &["folders", "a"][..],
        &["model", "--count", "4294967295"],
        &["model", "--sweep-steps", "10"],
        &["model", "--training-steps", "10"],
        &["model", "--judge", "a", "--inception", "words.txt"],
    ] {
        assert_eq!(
            velatura(at, question).status.code(),
            Some(2),
            "{question:?}"
        );
    }
    fails(
        at,
        &[
            "model",
            "--sweep",
            "compression",
            "--training-steps",
            "0",
            "--out",
            "sweep",
        ],
        &["0 steps"],
    );
}

#[test]
fn a_model_is_compared_with_pictures() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    scenes(&at.join("real"), 3, 6);
    let model = std::path::absolute("tests/data/reference/inpaint-tiny").unwrap();
    let model = model.to_str().unwrap();
    let options = [
        "--model",
        model,
        "--device",
        "cpu",
        "--steps",
        "1",
        "--count",
        "5",
        "--pictures",
        "made",
        "--fid-against",
        "real",
        "--json",
    ];
    let figures = result(&velatura(at, &options), "comparison");
    assert_eq!(figures["pictures"], serde_json::json!([5, 6]));
    assert!(figures["frechet_distance"].as_f64().unwrap() > 0.0);
    assert!(at.join("made/0004-text.png").is_file());
    // The same with the word, and from the pictures that it kept.
    let named = [&["model"][..], &options].concat();
    let again = result(&velatura(at, &named), "comparison");
    assert_eq!(again["frechet_distance"], figures["frechet_distance"]);
    let kept = velatura(at, &["folders", "made", "real", "--json"]);
    let kept = result(&kept, "comparison");
    let difference = |of: &Value| of["frechet_distance"].as_f64().unwrap();
    assert!((difference(&kept) - difference(&figures)).abs() < 1e-6);
}
