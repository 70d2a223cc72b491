//! Folders that ComfyUI is told of in `extra_model_paths.yaml`: sections of programs, each
//! with a `base_path` and, for each kind of model, one or more folders in it.

use std::path::{Path, PathBuf};

use crate::model::paper::read_yaml;

/// The name of the file.
const FILE: &str = "extra_model_paths.yaml";
/// Where the folders of a section lie.
const BASE: &str = "base_path";
/// Most folders that are taken from it.
const MOST_FOLDERS: usize = 256;

/// The folders for some kinds of models that the file in a folder names and that are
/// there. A file that cannot be understood names none: its program says why.
pub(super) fn extra_paths(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let Ok(Some(told)) = read_yaml(&folder.join(FILE)) else {
        return Vec::new();
    };
    let sections = told.as_object().into_iter().flat_map(|told| told.values());
    let folders = sections.filter_map(|section| section.as_object());
    let folders = folders.flat_map(|section| {
        let base = section.get(BASE).and_then(|base| base.as_str());
        let base = folder.join(from_home(base.unwrap_or_default().trim()));
        let named = section.iter();
        let named = named.filter(|(kind, _)| kinds.contains(&kind.as_str()));
        let lines = named.filter_map(|(_, folders)| folders.as_str());
        let lines = lines.flat_map(str::lines).map(str::trim);
        let inner = lines.filter(|line| !line.is_empty()).map(from_home);
        inner.map(|inner| base.join(inner)).collect::<Vec<_>>()
    });
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders.take(MOST_FOLDERS) {
        if folder.is_dir() && !found.contains(&folder) {
            found.push(folder);
        }
    }
    found
}

/// A path, from the user's home where it begins so.
fn from_home(path: &str) -> PathBuf {
    match path
        .strip_prefix('~')
        .map(|rest| rest.trim_start_matches(['/', '\\']))
    {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
        None => PathBuf::from(path),
    }
}
