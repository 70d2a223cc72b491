//! `metrics.jsonl`: one JSON object a line, which any plotting program reads.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::TrainError;

/// The growing file of figures.
pub(super) struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Opens the file for a run that goes on after `step`: lines of later steps,
    /// written before the run was broken off, are removed, so that a curve has
    /// every step once.
    pub fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let mut kept = String::new();
        if step > 0
            && let Ok(old) = File::open(path)
        {
            for line in BufReader::new(old).lines() {
                let line = line.map_err(TrainError::io("read", path))?;
                let earlier = serde_json::from_str::<Value>(&line)
                    .ok()
                    .and_then(|value| value["step"].as_u64())
                    .is_some_and(|found| found <= step);
                if earlier {
                    kept.push_str(&line);
                    kept.push('\n');
                }
            }
        }
        fs::write(path, kept).map_err(TrainError::io("write", path))?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(TrainError::io("write", path))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
        })
    }

    /// Adds a line.
    pub fn write(&mut self, line: &Value) -> Result<(), TrainError> {
        // One write per line: a reader never sees half of one.
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(TrainError::io("write", &self.path))
    }
}
