//! What a run is asked for, as one JSON file. Every run keeps it in its folder: so that it
//! can go on, whoever finds it, with the settings that it was started with. Somebody may
//! also write one by hand, or save it from the window, and begin a run with it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::TrainError;
use super::checkpoint::Checkpoints;
use super::config::TrainConfig;
use super::metrics;
use crate::files::{open_file, write_atomically};
use crate::model::is_pixels;
use crate::recipe::TrainSpec;

const NAME: &str = "run.json";
/// Bytes of a file that are read.
const MOST_BYTES: u64 = 16 << 20;
/// The settings that name files and folders.
const PATHS: [&str; 6] = [
    "data",
    "from",
    "first_stage",
    "config",
    "output",
    "perceptual_weights",
];
/// Settings that every run has kept since there are any. One that says them and not how
/// pictures become squares is from before that could be chosen.
const KEPT: [&str; 3] = ["resume", "weight_decay", "caption_dropout"];
/// Settings that are left out where they say nothing.
const UNSAID: [&str; 4] = ["task", "sizes", "share_first_stage", "name"];

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
        let told = object_of(&output.join(NAME));
        let told = told.inspect_err(|error| log::warn!("{error}")).ok()?;
        let spec: TrainSpec = serde_json::from_value(Value::Object(told))
            .inspect_err(|error| log::warn!("{NAME} of a run cannot be read: {error}"))
            .ok()?;
        // The folder may have been renamed since.
        let output = output.to_path_buf();
        let spec = TrainSpec { output, ..spec };
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

/// Writes down what a run is asked for in its folder.
pub(super) fn write(spec: &TrainSpec) -> Result<(), TrainError> {
    save_run(spec, &spec.output.join(NAME))
}

/// Writes down what a run is asked for, with paths that mean the same from anywhere.
///
/// # Errors
/// If the file cannot be written.
pub fn save_run(spec: &TrainSpec, path: &Path) -> Result<(), TrainError> {
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
        .and_then(|text| write_atomically(path, |file| file.write_all(&text)));
    written.map_err(TrainError::io("write", path))
}

/// Whether a JSON file describes a run; else it may say the sizes of its networks. What
/// cannot be read describes none.
pub fn is_run_file(path: &Path) -> bool {
    let settings = settings();
    object_of(path).is_ok_and(|told| told.keys().any(|key| settings.contains(key)))
}

/// Whether a JSON file says the sizes of a run's networks, and nothing else.
pub fn is_sizes_file(path: &Path) -> bool {
    let spec = TrainSpec {
        config: Some(path.to_path_buf()),
        ..TrainSpec::default()
    };
    object_of(path).is_ok_and(|told| !told.is_empty()) && TrainConfig::of(&spec).is_ok()
}

/// Reads what a run is asked for. Paths are relative to the folder of the file, and what
/// it does not say is as usual.
///
/// # Errors
/// If it cannot be read, or says something that is no setting of a run.
pub fn read_run(path: &Path) -> Result<TrainSpec, TrainError> {
    let unclear = |message: String| TrainError::Config {
        path: path.to_path_buf(),
        message,
    };
    let mut told = object_of(path)?;
    if told.is_empty() {
        return Err(unclear("it says nothing".to_owned()));
    }
    let settings = settings();
    if let Some(unknown) = told.keys().find(|key| !settings.contains(key)) {
        return Err(unclear(format!(
            "\u{201c}{unknown}\u{201d} is no setting of a run; there are {}",
            settings.join(", ")
        )));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    for key in PATHS {
        if let Some(Value::String(name)) = told.get_mut(key)
            && !(key == "first_stage" && is_pixels(name.as_ref()))
        {
            *name = folder.join(&name).to_string_lossy().into_owned();
        }
    }
    if !KEPT.iter().all(|key| told.contains_key(*key)) {
        let usual = || json!(TrainSpec::default().fit);
        told.entry("fit").or_insert_with(usual);
    }
    serde_json::from_value(Value::Object(told)).map_err(|error| unclear(error.to_string()))
}

/// The names of all settings.
fn settings() -> Vec<String> {
    let all = serde_json::to_value(TrainSpec::default()).unwrap_or_default();
    let all = all.as_object().map(|all| all.keys().cloned().collect());
    let mut all: Vec<String> = all.unwrap_or_default();
    all.extend(UNSAID.map(str::to_owned));
    all
}

/// The object that a JSON file holds.
///
/// # Errors
/// If it cannot be read, or holds something else.
pub(super) fn object_of(path: &Path) -> Result<Map<String, Value>, TrainError> {
    let mut text = String::new();
    let read = open_file(path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
    read.map_err(TrainError::io("read", path))?;
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|error| TrainError::Config {
        path: path.to_path_buf(),
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Fit;

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

    #[test]
    fn a_run_is_found_where_it_lies_since_its_folder_was_renamed() {
        let root = tempfile::tempdir().expect("a folder");
        let [old, new] = ["cats", "tabby"].map(|name| root.path().join(name));
        fs::create_dir_all(old.join("checkpoints/step-00000007")).expect("a folder");
        let spec = TrainSpec {
            output: old.clone(),
            ..TrainSpec::default()
        };
        write(&spec).expect("written");
        fs::rename(&old, &new).expect("renamed");
        let found = FoundRun::in_folder(&new).expect("a run");
        assert_eq!(
            (found.step, found.spec.model_name()),
            (7, "tabby".to_owned())
        );
        assert_eq!(found.spec.output, new);
    }

    #[test]
    fn a_run_is_told_from_sizes_and_its_paths_are_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a file");
            path
        };
        let sizes = write("sizes.json", r#"{ "training": { "min_snr_gamma": 5 } }"#);
        assert!(is_sizes_file(&sizes));
        assert!(!is_run_file(&sizes) && !is_run_file(&folder.path().join("none.json")));
        let run = write(
            "mine.json",
            r#"{ "task": "super-resolution", "data": "pictures", "first_stage": "pixels",
                "sizes": { "training": { "offset_noise": 0.1 } }, "steps": 7 }"#,
        );
        assert!(is_run_file(&run));
        let spec = read_run(&run).expect("a run");
        assert_eq!(spec.data, Some(folder.path().join("pictures")));
        assert_eq!(spec.first_stage, Some("pixels".into()));
        assert_eq!((spec.steps, spec.batch), (7, TrainSpec::default().batch));
        assert_eq!(spec.fit, Fit::Auto);
        assert_eq!(spec.task, Some(crate::recipe::TrainTask::SuperResolution));
        let config = super::super::TrainConfig::of(&spec).expect("sizes");
        assert_eq!(config.training.offset_noise, 0.1);

        let copy = folder.path().join("copy.json");
        save_run(&spec, &copy).expect("written");
        let again = read_run(&copy).expect("the same run");
        let output = std::path::absolute(&spec.output).expect("a path");
        assert_eq!(again, TrainSpec { output, ..spec });

        // A run that was kept before it could be chosen went on as it was.
        let text = fs::read_to_string(&copy).expect("a run");
        let mut kept: Map<String, Value> = serde_json::from_str(&text).expect("a run");
        kept.remove("fit");
        let kept = write("kept.json", &Value::Object(kept).to_string());
        assert_eq!(read_run(&kept).expect("a run").fit, Fit::Crop);

        let empty = write("empty.json", "{}");
        assert!(!is_sizes_file(&empty) && !is_run_file(&empty));
        let error = read_run(&empty).expect_err("no run").to_string();
        assert!(error.contains("says nothing"), "{error}");
        let marked = write("marked.json", "\u{feff}{ \"training\": {} }");
        assert!(is_sizes_file(&marked));

        let wrong = write("wrong.json", r#"{ "stepz": 7, "steps": 7 }"#);
        let error = read_run(&wrong).expect_err("no setting").to_string();
        assert!(
            error.contains("stepz") && error.contains("first_stage"),
            "{error}"
        );
        let wrong = write("kind.json", r#"{ "task": "poems" }"#);
        let error = read_run(&wrong).expect_err("no task").to_string();
        assert!(
            error.contains("poems") && error.contains("layout"),
            "{error}"
        );
    }
}
