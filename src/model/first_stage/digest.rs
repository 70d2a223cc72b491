//! What tells a first stage from all others, wherever it lies and however it is named
//! there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::FirstStagePlace;
use crate::model::ModelError;
use crate::model::weights::{FileStamp, Fingerprint, WeightDtype, WeightSource as _, hexadecimal};

/// Under which it is remembered of large files.
const NAME: &str = "first stage";
/// What of a configuration changes neither latents nor their pictures: training measures
/// the factor, and programs add what they like.
const UNTOLD: [&str; 5] = [
    "force_upcast",
    "scaling_factor",
    "sample_size",
    "_diffusers_version",
    "_name_or_path",
];

/// Digests that are known already, by the stamps of their files and their configuration.
static KNOWN: Mutex<BTreeMap<(Vec<FileStamp>, String), String>> = Mutex::new(BTreeMap::new());

impl FirstStagePlace {
    /// SHA-256 of the configuration, but for what latents are multiplied by, and of all
    /// weights as numbers of 32 bits under diffusers' names, as hexadecimal digits. The
    /// same network has the same digest in any file that holds it without loss.
    ///
    /// # Errors
    /// If its weights are damaged or do not fit.
    pub fn digest(&self) -> Result<String, ModelError> {
        let mut told = serde_json::to_value(&self.config).unwrap_or_default();
        if let Some(told) = told.as_object_mut() {
            UNTOLD.iter().for_each(|key| drop(told.remove(*key)));
            told.retain(|_, value| *value != Value::Null);
        }
        let told = told.to_string();
        let Some(weights) = self.config.kind().placed(&|| self.weights())? else {
            return Ok(hexadecimal(&Sha256::digest(told)));
        };
        let files: Vec<PathBuf> = weights.files();
        let stamps =
            || -> Option<Vec<FileStamp>> { files.iter().map(|path| FileStamp::of(path)).collect() };
        let before = stamps();
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |stamps: &[FileStamp]| (stamps.to_vec(), told.clone());
        if let Some(digits) = before
            .as_ref()
            .and_then(|it| known().get(&key(it)).cloned())
        {
            return Ok(digits);
        }
        let looks = Fingerprint::of(&files);
        // One file may hold several first stages' configurations, one after the other.
        let name = format!("{NAME} {}", hexadecimal(&Sha256::digest(&told)));
        let remembered = looks
            .as_ref()
            .and_then(|looks| looks.recall::<String>(&name));
        if let Some(digits) = remembered {
            return Ok(digits);
        }
        let mut digest = Sha256::new();
        digest.update(&told);
        for weight in weights.names() {
            let shape = weights.shape(weight).unwrap_or_default();
            digest.update(format!("\n{weight} {shape:?}\n"));
            let numbers = weights.read(weight, shape, false, WeightDtype::F32)?;
            digest.update(&numbers.bytes()[..]);
        }
        let digits = hexadecimal(&digest.finalize());
        // Only what did not change while it was read.
        if let Some(stamps) = stamps().filter(|after| Some(after) == before.as_ref()) {
            known().insert(key(&stamps), digits.clone());
            if let Some(looks) = looks {
                looks.remember(&name, &digits);
            }
        }
        Ok(digits)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::Device;

    use super::*;
    use crate::model::ModelFolder;

    #[test]
    fn a_first_stage_is_known_wherever_it_lies() {
        let from = Path::new("tests/data/reference/inpaint-tiny");
        let digest = |path: &Path| {
            let place = FirstStagePlace::open(path).expect("a first stage");
            place.digest().expect("its weights")
        };
        let known = digest(from);
        assert_eq!(known.len(), 64);
        // Alone, in a file that we write.
        let folder = tempfile::tempdir().expect("a folder");
        let model = ModelFolder::open(from).expect("a model");
        let mut stage = model
            .load_first_stage(&Device::flex())
            .expect("its weights");
        stage.set_scaling_factor(0.5);
        let save = |stage: &dyn crate::model::FirstStage| {
            let parts = crate::model::ModelParts {
                first_stage: Some(stage),
                ..Default::default()
            };
            ModelFolder::save(folder.path().join("eyes"), &parts).expect("written");
        };
        save(stage.as_ref());
        assert_eq!(digest(&folder.path().join("eyes")), known);
        assert_eq!(digest(&folder.path().join("eyes/vae")), known);
        // Other weights are another one.
        let file = folder
            .path()
            .join("eyes/vae/diffusion_pytorch_model.safetensors");
        let mut bytes = std::fs::read(&file).expect("weights");
        *bytes.last_mut().expect("numbers") ^= 1;
        std::fs::write(&file, bytes).expect("written");
        assert_ne!(digest(&folder.path().join("eyes")), known);
        let pixels = digest(Path::new("pixels"));
        assert_ne!(pixels, known);
    }
}
