//! A first stage that lies outside of a model's folder: saved once, and referred to by
//! any number of models.

use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FirstStageConfig, FirstStagePlace};
use crate::files::write_atomically;
use crate::folders;
use crate::model::ModelError;
use crate::model::json::read_json;

/// The file that refers to it, beside its configuration.
pub(super) const FILE: &str = "first_stage.json";
/// Folders of the user's models that are looked through for one that was moved.
const MOST_SEARCHED: usize = 1000;

/// Where a model's first stage lies, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstStageReference {
    /// Places where it may lie: from the folder of the model, and from anywhere.
    paths: Vec<PathBuf>,
    /// What tells it from all others.
    digest: String,
}

impl FirstStageReference {
    /// Refers to the first stage of a model, or one that lies alone; `None` for one
    /// without weights.
    ///
    /// # Errors
    /// If there is none, or its weights are damaged.
    pub fn to(path: &Path) -> Result<Option<Self>, ModelError> {
        let place = FirstStagePlace::open(path)?;
        if let Some((_, reference)) = place.elsewhere() {
            return Ok(Some(reference.clone()));
        }
        if place.has_no_weights() {
            return Ok(None);
        }
        let whole = std::path::absolute(path).map_err(ModelError::io("find", path))?;
        Ok(Some(Self {
            paths: vec![whole],
            digest: place.digest()?,
        }))
    }

    /// What tells it from all others, as hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What is written into a model's folder that will lie at `model`; `part` is that of
    /// its first stage while it is written.
    pub(in crate::model) fn write(&self, model: &Path, part: &Path) -> Result<(), ModelError> {
        let from_model = self.paths.iter().filter(|path| path.is_absolute());
        let from_model = from_model.filter_map(|path| relative(model, path)).next();
        let whole = self.paths.iter().filter(|path| path.is_absolute());
        let told = Self {
            paths: from_model.into_iter().chain(whole.cloned()).collect(),
            digest: self.digest.clone(),
        };
        let path = part.join(FILE);
        let text = serde_json::to_vec_pretty(&told).map_err(std::io::Error::other);
        text.and_then(|text| write_atomically(&path, |file| file.write_all(&text)))
            .map_err(ModelError::io("write", &path))
    }

    /// What the folder of a first stage says, if it refers to another place; `model` is
    /// that of the model.
    pub(super) fn read(part: &Path, model: &Path) -> Result<Option<Self>, ModelError> {
        let told: Option<Self> = read_json(&part.join(FILE))?;
        let Some(mut told) = told else {
            return Ok(None);
        };
        // Only from a whole path another model's way can be told.
        let model = std::path::absolute(model).map_err(ModelError::io("find", model))?;
        // A path that is whole replaces what it is joined to.
        let paths = told.paths.iter().take(2);
        told.paths = paths.map(|path| model.join(path)).collect();
        Ok(Some(told))
    }

    /// Finds it: where it is said to lie, or among the user's models. `config` is that
    /// of the model that refers to it.
    ///
    /// # Errors
    /// If none of those that are there is the one.
    pub(super) fn find(
        &self,
        model: &Path,
        config: &FirstStageConfig,
    ) -> Result<FirstStagePlace, ModelError> {
        let mut other = None;
        let places = self.paths.iter().cloned();
        for path in places.chain(models_of_user()) {
            // Nothing is known of most of them.
            let Ok(place) = FirstStagePlace::open(&path) else {
                continue;
            };
            if place.elsewhere().is_some() || place.config.info() != config.info() {
                continue;
            }
            if place.digest().is_ok_and(|digest| digest == self.digest) {
                return Ok(place);
            }
            if self.paths.contains(&path) {
                other = Some(path);
            }
        }
        Err(ModelError::FirstStageGone {
            model: model.to_owned(),
            path: self.paths.last().cloned().unwrap_or_default(),
            is_other: other.is_some(),
        })
    }
}

/// The folders of the user's models, in the order of their names.
fn models_of_user() -> Vec<PathBuf> {
    let entries = folders::user_models().and_then(|folder| std::fs::read_dir(folder).ok());
    let entries = entries.into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .take(MOST_SEARCHED)
        .collect();
    found.sort();
    found
}

/// The way from a folder to a place; `None` where they have nothing in common.
fn relative(from: &Path, to: &Path) -> Option<PathBuf> {
    let whole = |path: &Path| -> Option<PathBuf> {
        // What is not there yet is known by the folder that it will lie in.
        let parent = path.parent().map(std::fs::canonicalize);
        match (std::fs::canonicalize(path), parent, path.file_name()) {
            (Ok(path), ..) => Some(path),
            (_, Some(Ok(parent)), Some(name)) => Some(parent.join(name)),
            _ => None,
        }
    };
    let (from, to) = (whole(&std::path::absolute(from).ok()?)?, whole(to)?);
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b);
    let common = common.filter(|(part, _)| matches!(part, Component::Normal(_)));
    let shared = common.count();
    if shared == 0 {
        return None;
    }
    let named = |path: &Path| {
        let parts = path.components();
        parts
            .filter(|part| matches!(part, Component::Normal(_)))
            .count()
    };
    let up = std::iter::repeat_n(Component::ParentDir, named(&from) - shared);
    let down = to
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .skip(shared);
    Some(up.chain(down).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_between_folders_go_up_and_down() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a/b", "a/c/d"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("made");
        }
        let way = |from: &str, to: &str| {
            relative(&folder.path().join(from), &folder.path().join(to)).expect("a way")
        };
        assert_eq!(way("a/b", "a/c/d"), Path::new("../c/d"));
        assert_eq!(way("a/c/d", "a/b"), Path::new("../../b"));
        // A folder that will be made.
        assert_eq!(way("a/new", "a/b"), Path::new("../b"));
        assert_eq!(way("a", "a/b"), Path::new("b"));
    }
}
