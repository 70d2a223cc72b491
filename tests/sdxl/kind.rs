//! Tiny models as the generator of the references describes them, in both forms.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::{Dtype, View};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use velatura::model::ClipTokenizer;

const MERGES: &str = include_str!("../../assets/clip/merges.txt");

/// A model as the generator describes it.
#[derive(Deserialize)]
pub struct Kind {
    /// What diffusers wrote, but for the weights and the words.
    pub files: BTreeMap<String, Value>,
    /// Names and shapes of all weights, after their folders.
    pub weights: BTreeMap<String, Vec<usize>>,
    /// What the weights are called in one file: of which they are put together, and how.
    single: BTreeMap<String, (Vec<String>, String)>,
}

/// The numbers of a weight: eight bits of a hash of its name and of their places.
pub fn numbers(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = name.bytes().fold(2_166_136_261_u32, |seed, byte| {
        (seed ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    let is_table = name.contains("embedding")
        && !name.contains("time_embedding")
        && !name.contains("add_embedding");
    let fan: usize = shape.iter().skip(1).product();
    let halvings = (usize::BITS - fan.leading_zeros()).saturating_sub(1) / 2;
    let (mean, scale) = match shape {
        [_] if name.ends_with("weight") => (1.0, 0.25),
        [_] => (0.0, 0.25),
        _ if is_table => (0.0, 1.0),
        _ => (0.0, 0.5_f32.powi(halvings as i32)),
    };
    let count: usize = shape.iter().product();
    let number = |place: u32| {
        let mut hashed = place.wrapping_mul(2_654_435_761).wrapping_add(seed);
        for _ in 0..2 {
            hashed = (hashed ^ (hashed >> 16)).wrapping_mul(73_244_475);
        }
        hashed ^= hashed >> 16;
        mean + scale * (((hashed >> 24) as f32 - 128.0) / 128.0)
    };
    (0..count as u32).map(number).collect()
}

/// A tensor that is written in half precision, which holds all these numbers.
pub struct Halves(pub Vec<usize>, pub Vec<u8>);

impl Halves {
    pub fn new(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes());
        Self(shape, bytes.collect())
    }
}

impl View for &Halves {
    fn dtype(&self) -> Dtype {
        Dtype::F16
    }

    fn shape(&self) -> &[usize] {
        &self.0
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.1.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.1.len()
    }
}

pub fn write(path: &Path, tensors: &HashMap<String, Halves>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    safetensors::serialize_to_file(tensors, None, path).unwrap();
}

impl Kind {
    pub fn named(name: &str) -> Self {
        let path = super::reference_support::folder().join(format!("sdxl/{name}.json"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// A folder as diffusers writes it, with files of a variant.
    pub fn write_folder(&self, root: &Path, variant: &str) {
        for (name, value) in &self.files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value.to_string()).unwrap();
        }
        for part in ["unet", "vae", "text_encoder", "text_encoder_2"] {
            let inside = format!("{part}/");
            let own = self
                .weights
                .iter()
                .filter(|(name, _)| name.starts_with(&inside));
            let tensors: HashMap<String, Halves> = own
                .map(|(name, shape)| {
                    let values = Halves::new(shape.clone(), &numbers(name, shape));
                    (name[inside.len()..].to_owned(), values)
                })
                .collect();
            if tensors.is_empty() {
                continue;
            }
            let stem = match part.starts_with("text") {
                true => "model",
                false => "diffusion_pytorch_model",
            };
            write(
                &root.join(format!("{part}/{stem}{variant}.safetensors")),
                &tensors,
            );
        }
        let tokenizer = ClipTokenizer::from_merges(MERGES).unwrap();
        if self
            .weights
            .keys()
            .any(|name| name.starts_with("text_encoder/"))
        {
            tokenizer.save(&root.join("tokenizer")).unwrap();
        }
        let second = root.join("tokenizer_2");
        tokenizer.save(&second).unwrap();
        std::fs::remove_file(second.join("tokenizer.json")).unwrap();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let text = std::fs::read_to_string(second.join(name)).unwrap();
            let mut told: Value = serde_json::from_str(&text).unwrap();
            told["pad_token"] = json!("!");
            std::fs::write(second.join(name), told.to_string()).unwrap();
        }
    }

    /// One file with the original names.
    pub fn write_single(&self, path: &Path) {
        let tensors = self.single.iter().map(|(name, (sources, how))| {
            let shapes = sources.iter().map(|source| &self.weights[source]);
            let mut shape = self.weights[&sources[0]].clone();
            shape[0] = shapes.map(|shape| shape[0]).sum();
            let values = sources
                .iter()
                .flat_map(|source| numbers(source, &self.weights[source]));
            let mut values: Vec<f32> = values.collect();
            match how.as_str() {
                "turned" => {
                    let [rows, columns] = shape[..] else {
                        panic!("{name} is {shape:?}")
                    };
                    let places = (0..columns)
                        .flat_map(|column| (0..rows).map(move |row| row * columns + column));
                    values = places.map(|place| values[place]).collect();
                    shape.reverse();
                }
                "map" => shape.extend([1, 1]),
                _ => {}
            }
            (name.clone(), Halves::new(shape, &values))
        });
        write(path, &tensors.collect());
    }

    /// Both forms; the folder is deleted when the first is dropped.
    pub fn written(name: &str) -> (TempDir, [PathBuf; 2]) {
        let scratch = tempfile::tempdir().unwrap();
        let kind = Self::named(name);
        let folder = scratch.path().join("folder");
        kind.write_folder(&folder, "");
        let single = scratch.path().join("single.safetensors");
        kind.write_single(&single);
        (scratch, [folder, single])
    }
}
