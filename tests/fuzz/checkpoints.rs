//! Targets that read the checkpoints of others.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use serde_json::{Map, Value, json};
use velatura::model::WeightDtype;
use velatura::model::inspect::inspect;
use velatura::model::paper::OriginalConfig;
use velatura::model::weights::open;

use super::drive::{MOST_BYTES, Target};
use super::random::Random;
use super::{models, mutate};

/// Files of `tests/data/checkpoints`.
fn files(names: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new("tests/data/checkpoints");
    let read = |name: &&str| std::fs::read(folder.join(name)).unwrap();
    names.iter().map(read).collect()
}

/// Opens a file and reads all that it promises.
fn read_all(path: &Path, input: &[u8]) {
    std::fs::write(path, input).unwrap();
    let Ok(source) = open(path) else {
        return;
    };
    for name in source.names() {
        let shape = source.shape(name).unwrap().to_vec();
        drop(source.read(name, &shape, false, WeightDtype::F32));
    }
}

/// An archive whose files are changed and packed again, so that its sums are right.
fn repacked(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let chosen = random.pick(corpus);
    let archive = zip::ZipArchive::new(Cursor::new(chosen.as_slice()));
    let Some(mut archive) = archive.ok().filter(|_| !random.one_in(6)) else {
        return mutate::bytes(random, corpus);
    };
    let mut changed = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let name = file.name().to_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        if name.ends_with("data.pkl") || random.one_in(12) {
            bytes = mutate::bytes(random, &[bytes]);
        }
        let method = match random.one_in(4) {
            true => zip::CompressionMethod::Deflated,
            false => zip::CompressionMethod::Stored,
        };
        let options = zip::write::FileOptions::default().compression_method(method);
        changed.start_file(name, options).unwrap();
        changed.write_all(&bytes).unwrap();
    }
    changed.finish().unwrap().into_inner()
}

fn fuzz(name: &'static str, corpus: Vec<Vec<u8>>, mutate: fn(&mut Random, &[Vec<u8>]) -> Vec<u8>) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("model.ckpt");
    Target {
        name,
        corpus,
        mutate,
        most_bytes: MOST_BYTES,
        read: &|input| read_all(&path, input),
    }
    .fuzz();
}

#[test]
fn torch_zip() {
    let corpus = files(&[
        "good.ckpt",
        "lightning.ckpt",
        "packed.ckpt",
        "protocol4.ckpt",
    ]);
    fuzz("torch_zip", corpus, repacked);
}

#[test]
fn torch_old() {
    let corpus = files(&["good-old.ckpt", "lightning-old.ckpt", "hostile-text.ckpt"]);
    fuzz("torch_old", corpus, mutate::bytes);
}

#[test]
fn original_yaml() {
    let files = std::fs::read_dir("tests/data/originals/yaml").unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut corpus: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    corpus.push(b"model: &m {target: a.VQModel, params: {b: *m, c: !!python/none x}}".to_vec());
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("model.yaml");
    Target {
        name: "original_yaml",
        corpus,
        mutate: mutate::bytes,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&path, input).unwrap();
            drop(OriginalConfig::open(&path));
        },
    }
    .fuzz();
}

/// Tiny models, full of zeros.
fn heads() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string("tests/data/originals/tiny.json").unwrap();
    let tiny: Value = serde_json::from_str(&text).unwrap();
    let kinds = [
        "autoencoder",
        "class-to-image",
        "unconditional-updown",
        "sdxl",
    ];
    let head = |kind: &&str| {
        let keys = tiny[kind]["keys"].as_object().unwrap();
        let mut header = Map::new();
        let mut offset = 0;
        for (name, shape) in keys {
            let sizes = shape
                .as_array()
                .unwrap()
                .iter()
                .map(|axis| axis.as_u64().unwrap());
            let end = offset + 2 * sizes.product::<u64>();
            header.insert(
                name.clone(),
                json!({"dtype": "F16", "shape": shape, "data_offsets": [offset, end]}),
            );
            offset = end;
        }
        let header = Value::Object(header).to_string().into_bytes();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.resize(bytes.len() + offset as usize, 0);
        bytes
    };
    kinds.iter().map(head).collect()
}

#[test]
fn inspected_heads() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("model.safetensors");
    Target {
        name: "inspected_heads",
        corpus: heads(),
        mutate: models::head,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&path, input).unwrap();
            drop(inspect(&path, None));
        },
    }
    .fuzz();
}
