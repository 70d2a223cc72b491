//! The names under which diffusers and transformers put the weights of a network.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::ModelError;
use super::sharded::Sharded;
use super::{WeightSource, open};

/// How a file begins that Git LFS left in place of a large one.
pub(in crate::model) const LFS_POINTER: &[u8; 34] = b"version https://git-lfs.github.com";

/// What may stand between the parts of a name, best first: the weights that one
/// paints with, then those that are only for training further.
const VARIANTS: [&str; 4] = ["fp16", "bf16", "ema", "non_ema"];

/// File names that would do, best first.
fn file_names(stem: &str) -> Vec<String> {
    let plain = [
        format!("{stem}.safetensors"),
        format!("{stem}.safetensors.index.json"),
    ];
    let variants = VARIANTS.iter().flat_map(|variant| {
        [
            format!("{stem}.{variant}.safetensors"),
            format!("{stem}.safetensors.index.{variant}.json"),
            // diffusers before version 0.31.
            format!("{stem}.safetensors.{variant}.index.json"),
        ]
    });
    // Before there were safetensors, PyTorch's own files, which other programs keep.
    let older = [stem.to_owned(), format!("pytorch_{stem}")].into_iter();
    let older = older.flat_map(|stem| {
        let plain = [format!("{stem}.bin"), format!("{stem}.bin.index.json")];
        let variants = VARIANTS.iter().flat_map(|variant| {
            [
                format!("{stem}.{variant}.bin"),
                format!("{stem}.bin.index.{variant}.json"),
                format!("{stem}.bin.{variant}.index.json"),
            ]
        });
        plain.into_iter().chain(variants).collect::<Vec<_>>()
    });
    plain.into_iter().chain(variants).chain(older).collect()
}

/// The file of a variant with a name of its own, where there is only one: diffusers
/// writes and reads any.
fn other_variant(folder: &Path, stem: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names: Vec<String> = names.collect();
    ["safetensors", "bin"].into_iter().find_map(|ending| {
        let stems = [stem.to_owned(), format!("pytorch_{stem}")];
        let is_variant = |name: &&String| {
            let mut rests = stems.iter().filter_map(|stem| name.strip_prefix(stem));
            rests.any(|rest| match *rest.split('.').collect::<Vec<_>>() {
                // Shards go by their index.
                ["", variant, end] => end == ending && !variant.contains("-of-"),
                ["", kind, "index", _, "json"] | ["", kind, _, "index", "json"] => kind == ending,
                _ => false,
            })
        };
        let mut fitting = names.iter().filter(is_variant);
        let only = fitting.next().filter(|_| fitting.next().is_none())?;
        Some(folder.join(only))
    })
}

/// Opens the weights in a network's folder.
///
/// # Errors
/// If there are none, or a file is damaged.
pub(in crate::model) fn find(
    folder: &Path,
    stem: &str,
) -> Result<Box<dyn WeightSource>, ModelError> {
    let mut paths = file_names(stem).into_iter().map(|name| folder.join(name));
    let found = paths.find(|path| path.is_file());
    let Some(path) = found.or_else(|| other_variant(folder, stem)) else {
        return Err(ModelError::MissingWeights {
            folder: folder.to_path_buf(),
            expected: file_names(stem).into_iter().take(3).collect(),
        });
    };
    let is_index = path
        .extension()
        .is_some_and(|extension| extension == "json");
    if is_index {
        return Ok(Box::new(Sharded::open(&path)?));
    }
    open(&path)
}
