//! What a run was asked for, kept in its folder: so that it can go on, whoever
//! finds it, with the settings that it was started with.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::TrainError;
use super::checkpoint::Checkpoints;
use super::metrics;
use crate::files::write_atomically;
use crate::model::is_pixels;
use crate::recipe::TrainSpec;

const NAME: &str = "run.json";

/// A run that lies in a folder and can go on.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRun {
    /// What it was asked for.
    pub spec: TrainSpec,
    /// Steps behind its newest checkpoint.
    pub step: u64,
}

impl FoundRun {
    /// The run in an output folder, if it has a checkpoint and tells its settings.
    pub fn in_folder(output: &Path) -> Option<Self> {
        let step = Checkpoints::new(output).newest_step()?;
        let text = fs::read_to_string(output.join(NAME)).ok()?;
        let spec = serde_json::from_str(&text)
            .inspect_err(|error| log::warn!("{NAME} of a run cannot be read: {error}"))
            .ok()?;
        Some(Self { spec, step })
    }
}

/// Whether a run may begin in a folder without coming upon anything: it is not
/// there, is empty, or holds what a run left that never made a checkpoint.
pub fn is_free_for_run(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.all(|entry| {
            entry.is_ok_and(|entry| {
                let name = entry.file_name();
                // A run that was ended while it prepared itself has no figures yet.
                let is_empty = || entry.metadata().is_ok_and(|file| file.len() == 0);
                name == NAME
                    || name == super::run_folder::LOCK
                    || (name == metrics::NAME && is_empty())
            })
        }),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Writes down what a run is asked for, with paths that mean the same from
/// anywhere.
pub(super) fn write(spec: &TrainSpec) -> Result<(), TrainError> {
    let path = spec.output.join(NAME);
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let first_stage = |path: &PathBuf| match is_pixels(path) {
        true => path.clone(),
        false => absolute(path),
    };
    let spec = TrainSpec {
        data: spec.data.as_ref().map(absolute),
        from: spec.from.as_ref().map(absolute),
        first_stage: spec.first_stage.as_ref().map(first_stage),
        config: spec.config.as_ref().map(absolute),
        perceptual_weights: spec.perceptual_weights.as_ref().map(absolute),
        output: absolute(&spec.output),
        resume: false,
        ..spec.clone()
    };
    let written = serde_json::to_vec_pretty(&spec)
        .map_err(std::io::Error::other)
        .and_then(|text| write_atomically(&path, |file| file.write_all(&text)));
    written.map_err(TrainError::io("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_left_that_did_no_step_is_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(is_free_for_run(folder.path()));
        let metrics = folder.path().join(metrics::NAME);
        for name in [NAME, super::super::run_folder::LOCK, metrics::NAME] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        assert!(is_free_for_run(folder.path()));
        fs::write(&metrics, "{}").expect("a file");
        assert!(!is_free_for_run(folder.path()));
    }
}
