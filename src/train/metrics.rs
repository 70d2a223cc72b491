//! `metrics.jsonl`: one JSON object a line, which any plotting program reads.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::TrainError;
use crate::files::write_atomically;

/// Its name in the folder of a run.
pub(super) const NAME: &str = "metrics.jsonl";

/// The growing file of figures.
pub(super) struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Opens the file for a run that goes on after `step`: lines of later steps,
    /// written before the run was broken off, are removed, so that a curve has
    /// every step once. Before a run from the start a file that is there gets
    /// another name, which is returned: it is not this run's.
    pub fn open(path: &Path, step: u64) -> Result<(Self, Option<PathBuf>), TrainError> {
        let mut put_aside = None;
        if path.exists() {
            if step > 0 {
                forget_after(path, step)?;
            } else if fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
                let free = free_name(path);
                fs::rename(path, &free).map_err(TrainError::io("rename", path))?;
                put_aside = Some(free);
            }
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(TrainError::io("write", path))?;
        let metrics = Self {
            path: path.to_path_buf(),
            file,
        };
        Ok((metrics, put_aside))
    }

    /// Adds a line.
    pub fn write(&mut self, line: &Value) -> Result<(), TrainError> {
        // One write per line: a reader never sees half of one.
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(TrainError::io("write", &self.path))
    }
}

/// Removes the lines of steps after `step`, and a last line that was cut off. What
/// else somebody wrote there stays.
fn forget_after(path: &Path, step: u64) -> Result<(), TrainError> {
    let text = fs::read(path).map_err(TrainError::io("read", path))?;
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let is_kept = |line: &&[u8]| match serde_json::from_slice::<Value>(line) {
        Ok(value) => value["step"].as_u64().is_none_or(|found| found <= step),
        Err(_) => line.ends_with(b"\n"),
    };
    let kept: Vec<u8> = lines.filter(is_kept).flatten().copied().collect();
    if kept.len() == text.len() {
        return Ok(());
    }
    write_atomically(path, |file| file.write_all(&kept)).map_err(TrainError::io("write", path))
}

/// `metrics-1.jsonl`, or the next number that is free.
fn free_name(path: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let free = path.with_file_name(format!("metrics-{number}.jsonl"));
        if !free.exists() {
            return free;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_that_goes_on_forgets_later_steps_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let old = "{\"step\":1}\n# mine\n{\"step\":2}\n{\"step\":3}\n{\"st";
        fs::write(&path, old).unwrap();
        let (mut metrics, aside) = Metrics::open(&path, 2).unwrap();
        metrics.write(&json!({ "step": 3 })).unwrap();
        assert_eq!(aside, None);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"step\":1}\n# mine\n{\"step\":2}\n{\"step\":3}\n");
    }

    #[test]
    fn a_file_of_somebody_else_is_kept_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        for (old, name) in [("mine", "metrics-1.jsonl"), ("yours", "metrics-2.jsonl")] {
            fs::write(&path, old).unwrap();
            let (_, aside) = Metrics::open(&path, 0).unwrap();
            assert_eq!(aside, Some(folder.path().join(name)));
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), old);
            assert_eq!(fs::read_to_string(&path).unwrap(), "");
        }
    }
}
