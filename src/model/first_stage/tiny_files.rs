//! Files of tiny autoencoders as their author and other programs keep them: encoder and
//! decoder apart, in plain numbers (`taesd_decoder.safetensors`, `.pth`), or one file with
//! both: in their names, in ComfyUI's or in diffusers' without its configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::FirstStageConfig;
use crate::model::inspect::{Family, Inspection, Task, precision};
use crate::model::weights::{self, Arranged, Gathered, WeightSource};
use crate::model::{AutoencoderTinyConfig, ModelError};

/// The halves, by their names in files and in names of files.
const HALVES: [&str; 2] = ["encoder", "decoder"];
/// What stands before the numbers of each half in one file: diffusers' names, those of the
/// author's class, and those of ComfyUI.
const PREFIXES: [[&str; 3]; 2] = [
    ["encoder.layers.", "encoder.", "taesd_encoder."],
    ["decoder.layers.", "decoder.", "taesd_decoder."],
];
/// Lone numbers that ComfyUI stores beside, as they are in all such files.
const BESIDE: [&str; 2] = ["vae_scale", "vae_shift"];
/// Layers of a decoder before its first convolution, in its author's numbers: latents are
/// bounded there.
const BOUND: usize = 1;
/// Most layers that are looked at.
const MOST_LAYERS: usize = 512;

/// A half as it lies in a file: the layers by their numbers in diffusers, each by what
/// comes after the number, with its name in the file.
type Layers = BTreeMap<usize, BTreeMap<String, String>>;

/// The tiny autoencoder that a file is, with the other half from beside it; `None` if it
/// is none.
///
/// # Errors
/// If the other half cannot be read, or there is only an encoder.
pub(super) fn found(
    path: &Path,
    source: &Arc<dyn WeightSource>,
) -> Result<Option<(AutoencoderTinyConfig, Arranged)>, ModelError> {
    let mut sources = vec![Arc::clone(source)];
    let mut halves = halves(source.as_ref()).map(|half| half.map(|layers| (0, layers)));
    let Some(has) = halves.iter().position(Option::is_some) else {
        return Ok(None);
    };
    let wanted = 1 - has;
    if halves[wanted].is_none()
        && let Some(other) = other_half(path, has)
    {
        let other: Arc<dyn WeightSource> = weights::open(&other)?.into();
        let [encoder, decoder] = self::halves(other.as_ref());
        let layers = if wanted == 0 { encoder } else { decoder };
        halves[wanted] = layers.map(|layers| (1, layers));
        sources.push(other);
    }
    let [encoder, decoder] = halves;
    let Some(decoder) = decoder else {
        return Err(ModelError::OnlyEncoder(path.to_path_buf()));
    };
    let Some(config) = config(&sources, encoder.as_ref(), &decoder) else {
        return Ok(None);
    };
    let mut tensors = BTreeMap::new();
    let ours = [encoder.as_ref(), Some(&decoder)];
    for (half, layers) in HALVES.iter().zip(ours) {
        let Some((source, layers)) = layers else {
            continue;
        };
        for (number, parts) in layers {
            for (part, name) in parts {
                let tensor = Gathered {
                    shape: sources[*source].shape(name).unwrap_or_default().to_vec(),
                    rows: vec![(*source, name.clone())],
                    is_turned: false,
                };
                tensors.insert(format!("{half}.layers.{number}.{part}"), tensor);
            }
        }
    }
    let arranged = Arranged::new(path, sources, tensors)?;
    let is_whole = FirstStageConfig::from(config.clone())
        .kind()
        .fits(&arranged);
    Ok(is_whole.then_some((config, arranged)))
}

/// What a file of a tiny autoencoder is, in the words for all files; `None` if it is none.
///
/// # Errors
/// As [`found`].
pub(in crate::model) fn inspected(path: &Path) -> Result<Option<Inspection>, ModelError> {
    let source: Arc<dyn WeightSource> = weights::open(path)?.into();
    let Some((config, weights)) = found(path, &source)? else {
        return Ok(None);
    };
    let notices = match config.has_encoder() {
        true => Vec::new(),
        false => vec!["it is a decoder alone: a model's own first stage encodes".to_owned()],
    };
    Ok(Some(Inspection {
        path: path.to_path_buf(),
        family: Family::LatentDiffusion,
        task: Task::Autoencoder,
        prediction: None,
        precision: precision(&weights, weights.names()),
        parameters: config.parameter_count().unwrap_or_default() as u64,
        missing: Vec::new(),
        surplus: Vec::new(),
        mismatched: Vec::new(),
        has_averages: false,
        config: None,
        notices,
    }))
}

/// The file beside one half that holds the other.
fn other_half(path: &Path, has: usize) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let other = name.replace(HALVES[has], HALVES[1 - has]);
    let other = path.with_file_name(&other);
    (other != path && other.is_file()).then_some(other)
}

/// Encoder and decoder in a source, as far as their layers are there.
fn halves(source: &dyn WeightSource) -> [Option<Layers>; 2] {
    let mut halves = [Layers::new(), Layers::new()];
    for name in source.names() {
        if BESIDE.contains(&name) {
            continue;
        }
        let prefixed = PREFIXES.iter().enumerate().find_map(|(half, prefixes)| {
            let mut prefixes = prefixes.iter().enumerate();
            prefixes.find_map(|(kind, prefix)| Some((half, kind, name.strip_prefix(prefix)?)))
        });
        let (half, is_diffusers, rest) = match prefixed {
            Some((half, kind, rest)) => (Some(half), kind == 0, rest),
            None => (None, false, name),
        };
        let numbered = rest.split_once('.');
        let numbered = numbered.and_then(|(number, part)| Some((number.parse().ok()?, part)));
        let Some((number, part)) = numbered.filter(|(number, _)| *number < MOST_LAYERS) else {
            return [None, None];
        };
        // In plain numbers it is the first that tells: that of a decoder bounds latents.
        let half = half.unwrap_or(usize::from(source.shape("0.weight").is_none()));
        let shift = if half == 1 && !is_diffusers { BOUND } else { 0 };
        let Some(number) = usize::checked_sub(number, shift) else {
            return [None, None];
        };
        let parts = halves[half].entry(number).or_default();
        parts.insert(part.to_owned(), name.to_owned());
    }
    // Numbers alone are the names of any network.
    let has_blocks = |layers: &Layers| {
        let mut layers = layers.values();
        layers.any(|parts| parts.contains_key("conv.0.weight"))
    };
    halves.map(|layers| has_blocks(&layers).then_some(layers))
}

/// The sizes that names and shapes show.
fn config(
    sources: &[Arc<dyn WeightSource>],
    encoder: Option<&(usize, Layers)>,
    decoder: &(usize, Layers),
) -> Option<AutoencoderTinyConfig> {
    let shape = |(source, layers): &(usize, Layers), number: &usize| {
        let name = layers.get(number)?.get("weight")?;
        let shape = <[usize; 4]>::try_from(sources[*source].shape(name)?).ok()?;
        (shape[2..] == [3, 3]).then_some([shape[0], shape[1]])
    };
    let ends = |half: &(usize, Layers)| {
        let (first, last) = (half.1.keys().next()?, half.1.keys().next_back()?);
        Some([shape(half, first)?, shape(half, last)?])
    };
    let [[width, latent_channels], [out_channels, _]] = ends(decoder)?;
    let num_decoder_blocks = blocks(&decoder.1);
    let (mut in_channels, mut num_encoder_blocks) = (out_channels, Vec::new());
    if let Some(encoder) = encoder {
        let [[_, inputs], _] = ends(encoder)?;
        in_channels = inputs;
        num_encoder_blocks = blocks(&encoder.1);
    }
    let config = AutoencoderTinyConfig {
        in_channels,
        out_channels,
        encoder_block_out_channels: vec![width; num_encoder_blocks.len()],
        decoder_block_out_channels: vec![width; num_decoder_blocks.len()],
        latent_channels,
        num_encoder_blocks,
        num_decoder_blocks,
        ..AutoencoderTinyConfig::default()
    };
    config.validate().is_ok().then_some(config)
}

/// How many blocks lie between two lone convolutions.
fn blocks(layers: &Layers) -> Vec<usize> {
    let mut counts = vec![0];
    for parts in layers.values() {
        let names: BTreeSet<&str> = parts.keys().map(String::as_str).collect();
        match names.contains("weight") {
            true => counts.push(0),
            false => *counts.last_mut().unwrap_or(&mut 0) += 1,
        }
    }
    // Nothing lies before the first and after the last.
    counts.pop();
    counts.drain(..counts.len().min(1));
    counts
}
