//! `--sweep` as a user runs it: what was found is kept, and a sweep that was broken off
//! goes on.

use std::path::Path;

use super::program::{fails, velatura};

/// The lines of a table, told apart into their cells.
fn table(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn column(table: &[Vec<String>], name: &str) -> Vec<String> {
    let at = table[0].iter().position(|it| it == name).unwrap();
    table[1..].iter().map(|row| row[at].clone()).collect()
}

#[test]
fn speed_is_compared_over_models_and_rows_are_kept() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    let model = std::path::absolute("tests/data/reference/inpaint-tiny").unwrap();
    let joint = std::path::absolute("tests/data/reference/joint-tiny").unwrap();
    let [model, joint] = [model, joint].map(|path| path.to_str().unwrap().to_owned());
    let line = format!(
        "model --model {model} --sweep speed --sweep-models {joint} --sweep-steps 1,2 \
         --sweep-samplers ddim --sweep-seeds 2 --sweep-clock processor --count 3 --cfg-scale 1 \
         --device cpu --out sweep"
    );
    let options: Vec<&str> = line.split_whitespace().collect();
    let output = velatura(at, &options);
    assert!(output.status.success(), "{output:?}");
    let found = std::fs::read(at.join("sweep/speed.csv")).unwrap();
    let rows = table(&at.join("sweep/speed.csv"));
    assert_eq!(rows.len(), 1 + 2 * 2 * 2);
    let models = column(&rows, "model");
    assert_eq!(models.iter().filter(|it| it.contains("joint")).count(), 4);
    let distances = column(&rows, "frechet_distance");
    assert!(distances.iter().all(|it| it.parse::<f64>().unwrap() > 0.0));
    for ending in ["svg", "png"] {
        assert!(at.join(format!("sweep/speed.{ending}")).is_file());
    }
    // Times and all, from what was kept.
    assert!(velatura(at, &options).status.success());
    assert_eq!(std::fs::read(at.join("sweep/speed.csv")).unwrap(), found);
    fails(
        at,
        &[
            "model",
            "--sweep",
            "speed",
            "--sweep-seeds",
            "0",
            "--out",
            "sweep",
        ],
        &["0 seeds"],
    );
}

#[test]
fn factors_are_trained_once_and_tried_after_several_steps() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    let asked = |steps: &str, count: &str| -> Vec<String> {
        let line = format!(
            "model --sweep compression --sweep-factors 1,32 --training-steps {steps} \
             --first-stage-steps 1 --count {count} --steps 1 --device cpu --out sweep"
        );
        line.split_whitespace().map(str::to_owned).collect()
    };
    let run = |steps: &str, count: &str| {
        let options = asked(steps, count);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let output = velatura(at, &options);
        assert!(output.status.success(), "{output:?}");
        table(&at.join("sweep/compression.csv"))
    };
    let first = run("1", "2");
    assert_eq!(column(&first, "factor"), ["1", "32"]);
    let both = run("1,2", "2");
    assert_eq!(column(&both, "training_steps"), ["1", "2", "1", "2"]);
    // The rows of the first time, and those that were missing.
    assert_eq!((&both[1], &both[3]), (&first[1], &first[2]));
    assert_eq!(column(&both, "first_stage_steps"), ["0", "0", "1", "1"]);
    assert!(at.join("sweep/compression-training.svg").is_file());
    assert_eq!(run("1,2", "2"), both);
    // What has learnt further cannot be asked anything else.
    let other = asked("1", "3");
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    fails(at, &other, &["2 steps already", "another folder"]);
}
