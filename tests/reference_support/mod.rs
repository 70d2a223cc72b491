//! Reads what `data/reference/make_trajectories.py` wrote.

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;

/// The folder of all references.
pub fn folder() -> PathBuf {
    PathBuf::from("tests/data/reference")
}

/// A safetensors file whose metadata tells what was run.
pub struct Reference(Vec<u8>);

impl Reference {
    pub fn open(name: &str) -> Self {
        Self(std::fs::read(folder().join(name)).unwrap())
    }

    #[allow(dead_code, reason = "not every reference has several cases")]
    pub fn cases<T: DeserializeOwned>(&self) -> T {
        let (_, metadata) = SafeTensors::read_metadata(&self.0).unwrap();
        let words = metadata.metadata().clone().unwrap();
        serde_json::from_str(&words["cases"]).unwrap()
    }

    /// Whether there is such a tensor.
    #[allow(dead_code, reason = "most references have all of theirs")]
    pub fn has(&self, key: &str) -> bool {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.tensor(key).is_ok()
    }

    /// The numbers of a tensor, all of which f64 holds exactly.
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(key).unwrap();
        let bytes = view.data();
        match view.dtype() {
            Dtype::U8 => bytes.iter().copied().map(f64::from).collect(),
            Dtype::I32 => from_words(bytes, |word| i32::from_le_bytes(word).into()),
            Dtype::F32 => from_words(bytes, |word| f32::from_le_bytes(word).into()),
            Dtype::F64 => from_words(bytes, f64::from_le_bytes),
            other => panic!("{key} is of type {other:?}"),
        }
    }
}

fn from_words<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let words = bytes.chunks_exact(N);
    words.map(|word| read(word.try_into().unwrap())).collect()
}

/// The largest difference, and the standard deviation of what was wanted.
///
/// NaN, should anything be, so that no comparison with it holds.
#[allow(dead_code, reason = "random numbers are compared bit by bit")]
pub fn difference(got: &[f32], wanted: &[f64]) -> (f64, f64) {
    assert_eq!(got.len(), wanted.len());
    let pairs = got.iter().zip(wanted);
    let largest = pairs
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(
            0.0,
            |max: f64, d| if d > max || d.is_nan() { d } else { max },
        );
    let count = wanted.len() as f64;
    let mean = wanted.iter().sum::<f64>() / count;
    let variance = wanted.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / count;
    (largest, variance.sqrt())
}
