//! Targets that read what is added to models: LoRA files and words of textual inversion.

use std::path::Path;
use std::sync::LazyLock;

use burn::tensor::Device;
use velatura::model::conditioner::LearnedWord;
use velatura::model::lora::{Changes, LoraFile, Targets, trigger_words};
use velatura::model::{Model, ModelFolder};

use super::drive::{MOST_BYTES, Target};
use super::random::Random;
use super::{models, mutate};

/// Widths of the words of the models that they are for: of one text encoder, of two.
const WIDTHS: [[Option<usize>; 2]; 2] = [[Some(16), None], [Some(16), Some(32)]];

fn files(names: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new("tests/data/reference/lora");
    let read = |name: &&str| std::fs::read(folder.join(name)).unwrap();
    names.iter().map(read).collect()
}

/// Loads a LoRA as a job does.
fn add_lora(path: &Path, targets: &Targets, input: &[u8]) {
    std::fs::write(path, input).unwrap();
    drop(trigger_words(path));
    let Ok(file) = LoraFile::open(path) else {
        return;
    };
    // Nothing is read that there is no room for.
    const MOST_NUMBERS: u64 = 1 << 22;
    if file
        .numbers_needed(targets)
        .is_ok_and(|it| it < MOST_NUMBERS)
    {
        let mut changes = Changes::default();
        drop(file.add_to(&mut changes, targets, [0.8, 0.8]));
    }
}

fn fuzz_lora(
    name: &'static str,
    ending: &str,
    corpus: Vec<Vec<u8>>,
    mutate: fn(&mut Random, &[Vec<u8>]) -> Vec<u8>,
) {
    static TARGETS: LazyLock<Targets> = LazyLock::new(|| {
        let folder = ModelFolder::open("tests/data/reference/sd1-tiny").unwrap();
        let model = Model::load(&folder, &Device::flex()).unwrap();
        model.lora_targets()
    });
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join(format!("ink.{ending}"));
    Target {
        name,
        corpus,
        mutate,
        most_bytes: MOST_BYTES,
        read: &|input| add_lora(&path, &TARGETS, input),
    }
    .fuzz();
}

#[test]
fn lora() {
    let corpus = files(&[
        "sd1-tiny-kohya.safetensors",
        "sd1-tiny-peft.safetensors",
        "kohya-header.safetensors",
        "locon.safetensors",
        "locon-mid.safetensors",
        "old.safetensors",
    ]);
    fuzz_lora("lora", "safetensors", corpus, models::head);
}

#[test]
fn lora_of_pytorch() {
    fuzz_lora(
        "lora_of_pytorch",
        "bin",
        files(&["oldest.bin"]),
        mutate::bytes,
    );
}

fn fuzz_words(
    name: &'static str,
    ending: &str,
    corpus: Vec<Vec<u8>>,
    mutate: fn(&mut Random, &[Vec<u8>]) -> Vec<u8>,
) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join(format!("glow.{ending}"));
    Target {
        name,
        corpus,
        mutate,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&path, input).unwrap();
            for widths in WIDTHS {
                drop(LearnedWord::open(&path, widths));
            }
        },
    }
    .fuzz();
}

#[test]
fn words() {
    fuzz_words(
        "words",
        "safetensors",
        files(&["glow.safetensors"]),
        models::head,
    );
}

#[test]
fn words_of_pytorch() {
    fuzz_words(
        "words_of_pytorch",
        "pt",
        files(&["gleam.pt"]),
        mutate::bytes,
    );
}
