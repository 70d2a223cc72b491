//! The program with a classifier, without a window.

#[path = "../support/program.rs"]
mod outside;

use std::path::Path;
use std::process::Output;

use outside::velatura;
use serde_json::{Value, json};
use velatura::recipe::{NamedFile, PaintedRecipe, read_infotext, read_recipe, write_infotext};

use super::Case;

#[test]
fn names_that_are_typed_are_told_from_paths() {
    let typed = |text: &str| NamedFile::typed(Path::new(text));
    for (text, name) in [
        ("adaptive", "adaptive"),
        ("control-v1.1", "control-v1.1"),
        ("adaptive.safetensors", "adaptive"),
        ("adaptive.PTH", "adaptive"),
    ] {
        assert_eq!(typed(text), Some(NamedFile::named(name)));
    }
    // A path, and what lies in the folder in which the tests run.
    for text in ["classifiers/adaptive", "tests", "Cargo.toml"] {
        assert_eq!(typed(text), None);
    }
}

/// From the command line into a file, and from its recipe to the same picture.
#[test]
fn a_recipe_names_the_classifier_and_the_class() {
    let (_, cases) = Case::all();
    let case = cases.iter().find(|case| case.name == "adaptive").unwrap();
    let home = tempfile::tempdir().unwrap();
    let folder = case.folder(&home.path().join("models/classifiers"));
    let names = ["dawn", "day", "dusk", "night", "fog"];
    std::fs::write(folder.join("classes.txt"), names.join("\n")).unwrap();
    let model = std::path::absolute("tests/data/reference/sd1-tiny").unwrap();
    let model = model.to_string_lossy().into_owned();
    let paint = |options: &[&str]| {
        let usual = ["generate", "--model", &model, "--steps", "3", "--seed", "3"];
        let size = ["--width", "32", "--height", "24"];
        velatura(home.path(), &[&usual[..], &size[..], options].concat())
    };
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let at = |name: &str| home.path().join(name);
    let folder = folder.to_string_lossy().into_owned();
    let led = [
        "--classifier",
        &folder,
        "--classifier-scale",
        "30",
        "--class",
        "dusk",
        "--output",
        "led.png",
    ];
    let output = paint(&led);
    assert!(output.status.success(), "{}", told(&output));
    let recipe = read_recipe(&at("led.png")).unwrap().unwrap();
    let spec = &recipe.spec;
    let named = spec.classifier.as_ref().unwrap();
    assert_eq!(
        (named.name.as_str(), named.path.as_ref()),
        ("adaptive", None)
    );
    assert_eq!((spec.class, spec.classifier_scale), (Some(2), 30.0));
    assert_eq!(spec.classifier_hash.as_deref().map(str::len), Some(12));

    let text = write_infotext(&PaintedRecipe::new(spec.clone(), "m", "01"));
    let found = read_infotext(&text).unwrap();
    assert_eq!(found.spec.classifier, spec.classifier);
    assert_eq!(found.spec.classifier_hash, spec.classifier_hash);
    assert_eq!(
        (found.spec.class, found.spec.classifier_scale),
        (Some(2), 30.0)
    );
    assert!(found.unread.is_empty(), "{:?}", found.unread);

    // Looked for by its name among the user's, as a stranger would have to.
    let again = paint(&["--recipe", "led.png", "--output", "again.png"]);
    assert!(again.status.success(), "{}", told(&again));
    let pixels = |name: &str| image::open(at(name)).unwrap().to_rgb8();
    assert_eq!(pixels("led.png"), pixels("again.png"));
    let free = paint(&["--output", "free.png"]);
    assert!(free.status.success(), "{}", told(&free));
    assert_ne!(pixels("led.png"), pixels("free.png"));

    let refused = |options: &[&str]| {
        let output = paint(options);
        assert!(!output.status.success());
        told(&output)
    };
    let unknown = refused(&["--classifier", "adaptive", "--class", "noon"]);
    assert!(unknown.contains("there is no class"), "{unknown}");
    assert!(unknown.contains("noon"), "{unknown}");
    let picture = refused(&["--classifier", "led.png", "--class", "2"]);
    assert!(picture.contains("choose a file of weights"), "{picture}");
    assert!(refused(&["--class", "2"]).contains("takes no class"));
    let nowhere = refused(&["--classifier", "nowhere", "--class", "2"]);
    assert!(nowhere.contains("classifiers"), "{nowhere}");
    let idle = paint(&["--classifier", "adaptive", "--output", "idle.png"]);
    assert!(told(&idle).contains("--class"), "{}", told(&idle));

    let inspected = velatura(home.path(), &["models", "inspect", &folder, "--json"]);
    let lines = String::from_utf8(inspected.stdout).unwrap();
    let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["task"], &line["missing"]),
        (&json!("classifier"), &json!([]))
    );
    let painter = velatura(home.path(), &["generate", "--model", &folder]);
    let painter = told(&painter);
    assert!(painter.contains("--classifier"), "{painter}");
}
