//! Targets that read the checkpoints of others.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use velatura::model::WeightDtype;
use velatura::model::weights::open;

use super::drive::{MOST_BYTES, Target};
use super::mutate;
use super::random::Random;

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
