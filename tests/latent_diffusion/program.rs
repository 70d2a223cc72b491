//! The program with such models, without a window.

#[path = "../support/program.rs"]
mod outside;

use std::fs;
use std::path::Path;

use outside::velatura;
use serde_json::Value;
use velatura::recipe::{ModelSource, read_recipe};

use super::Tiny;

/// The sentence of a command that is refused.
fn refused(home: &Path, options: &[&str]) -> String {
    let output = velatura(home, options);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(!sentence.contains("panicked"), "{sentence}");
    sentence
}

#[test]
fn classes_are_painted_by_name_and_number() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let path = Tiny::named("class-to-image").write(home, "m");
    let names: Vec<String> = (0..10).map(|n| format!("bird {n}")).collect();
    fs::write(home.join("classes.txt"), names.join("\n")).unwrap();
    fs::rename(path.with_extension("yaml"), home.join("told.yaml")).unwrap();
    let usual = "generate --model m.safetensors --config told.yaml --steps 2 --seed 3 --width 24 --height 16";
    let paint = |more: &[&str], out: &str| {
        let options: Vec<&str> = usual
            .split(' ')
            .chain(more.iter().copied())
            .chain(["--out", out])
            .collect();
        let output = velatura(home, &options);
        assert!(output.status.success(), "{output:?}");
        fs::read(home.join(out)).unwrap()
    };
    let named = paint(&["--class", "Bird 4", "--cfg-scale", "3"], "named.png");
    assert_eq!(
        named,
        paint(&["--class", "4", "--cfg-scale", "3"], "numbered.png")
    );
    assert_ne!(
        named,
        paint(&["--class", "5", "--cfg-scale", "3"], "other.png")
    );
    let recipe = read_recipe(&home.join("named.png")).unwrap().unwrap();
    assert_eq!(recipe.spec.class, Some(4));
    // The recipe does not say where the model lies on this computer.
    assert_eq!(recipe.spec.model, ModelSource::Storybook);
    let wrong = |told: &str| {
        let options: Vec<&str> = usual.split(' ').chain(["--class", told]).collect();
        refused(home, &options)
    };
    assert!(wrong("fish").contains("fish") && wrong("10").contains("0 to 9"));
    // Without names there is no class that stands for none.
    fs::remove_file(home.join("classes.txt")).unwrap();
    let told = |more: &str| {
        let options = usual.split(' ').chain(more.split(' '));
        let output = velatura(home, &options.collect::<Vec<_>>());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let warned = told("--class 4 --cfg-scale 3 --prompt bird --out a.png");
    assert!(
        warned.contains("no empty class") && warned.contains("reads no words"),
        "{warned}"
    );
    let plain = told("--class 4 --out b.png");
    assert!(
        !plain.contains("class") && !plain.contains("words"),
        "{plain}"
    );
    assert_eq!(
        read_recipe(&home.join("b.png"))
            .unwrap()
            .unwrap()
            .spec
            .guidance_scale,
        1.0
    );
    let needy = refused(
        home,
        &["generate", "--model", "m.safetensors", "--class", "1"],
    );
    assert!(
        needy.contains("m.yaml") && needy.contains("--config"),
        "{needy}"
    );
    let odd = refused(
        home,
        &[
            "generate",
            "--model",
            "m.safetensors",
            "--config",
            "no.yaml",
        ],
    );
    assert!(odd.contains("no.yaml"), "{odd}");
}

#[test]
fn models_without_a_task_paint_and_say_what_they_take() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let models = home.join("models/faces");
    fs::create_dir_all(&models).unwrap();
    Tiny::named("unconditional-updown").write(&models, "last");
    let paint =
        "generate --model faces --steps 2 --seed 3 --width 24 --height 16 --json --out a.png";
    let output = velatura(home, &paint.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{output:?}");
    assert!(home.join("a.png").is_file());
    let output = velatura(home, &["models", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let listed: Vec<Value> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert!(
        listed.iter().any(|line| line.to_string().contains("last")),
        "{lines}"
    );
    let told = refused(home, &["generate", "--model", "faces", "--class", "1"]);
    assert!(told.contains("takes no class"), "{told}");
}
