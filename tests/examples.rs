//! Every example of the readme and of the help runs as it stands: those of one text one
//! after the other, in a folder that is empty at first. Only numbers are made smaller that
//! say how long something takes.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "support/program.rs"]
mod program;

use program::velatura;

/// Hours, even of two pictures a point.
const LONG: &str = "--sweep";

/// Splits a line as a shell does, as far as examples need it.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// The options of the examples in a text.
fn examples(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines();
    let lines = lines.filter_map(|line| line.strip_prefix("    velatura "));
    lines.map(words).collect()
}

/// The same, with smaller numbers.
fn quick(example: &[String]) -> Vec<String> {
    let mut quick = example.to_vec();
    let at = |option: &str| example.iter().position(|word| word == option);
    let mut set = |option: &str, value: &str| match at(option) {
        Some(place) => quick[place + 1] = value.to_owned(),
        None => quick.extend([option.to_owned(), value.to_owned()]),
    };
    let is = |command: &str| example[0] == command;
    let has = |option: &str| at(option).is_some();
    if is("generate") || (is("upscale") && has("--model")) {
        set("--steps", "2");
    }
    if is("train") {
        set("--steps", if has("--resume") { "3" } else { "2" });
        set("--size", "32");
        set("--batch", "2");
    }
    if has("--width") {
        // As much larger than what the model knows, and no more.
        let is_wide = example[at("--width").unwrap() + 1] == "1024";
        set("--width", if is_wide { "512" } else { "128" });
        set("--height", "128");
    }
    if is("scenes") {
        set("--count", "8");
    }
    if is("evaluate") && has("--count") {
        set("--count", "2");
    }
    quick
}

/// Runs the examples of a text, but for those that another text has.
fn all_run(text: &str, least: usize, others: &str) {
    let others: Vec<_> = self::examples(others).iter().map(|it| quick(it)).collect();
    let home = tempfile::tempdir().unwrap();
    let examples = examples(text);
    assert!(examples.len() >= least, "{} examples", examples.len());
    for example in examples {
        let quick: Vec<String> = quick(&example);
        let mut as_text = quick.clone();
        as_text.retain(|word| word != "--json");
        if example.iter().any(|word| word == LONG) || others.contains(&as_text) {
            continue;
        }
        let output = velatura(home.path(), &quick);
        assert!(
            output.status.success(),
            "velatura {}\n{}",
            example.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        if let Some(place) = example.iter().position(|word| word == "--output") {
            assert!(home.path().join(&example[place + 1]).exists());
        }
    }
}

/// What the help of a command shows.
fn help(command: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = velatura(home.path(), &[command.to_owned(), "--help".to_owned()]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn those_of_the_readme() {
    // Evaluations take longest.
    all_run(include_str!("../README.md"), 50, &help("evaluate"));
}

#[test]
fn those_of_generate() {
    let text = help("generate");
    all_run(&text, 28, "");
    // Each task is there.
    for task in [
        "--prompt",
        "--init",
        "--mask",
        "--frame",
        "--layout",
        "--semantic",
        "--class",
        "--lowres",
        "--guide",
        "--tile",
        "--lora",
        "--control",
        "--recipe",
    ] {
        let examples = examples(&text);
        let mut words = examples.iter().flatten();
        assert!(words.any(|word| word == task), "{task} has no example");
    }
}

#[test]
fn those_of_train() {
    let text = help("train");
    all_run(&text, 15, "");
    for task in [
        "unconditional",
        "class",
        "text",
        "layout",
        "semantic",
        "inpaint",
        "super-resolution",
    ] {
        assert!(text.contains(&format!("--task {task}")), "{task}");
    }
}

#[test]
fn those_of_the_other_commands() {
    for (command, least) in [
        ("upscale", 4),
        ("evaluate", 7),
        ("autoencoder", 3),
        ("export", 1),
        ("models", 5),
    ] {
        all_run(&help(command), least, "");
    }
}
