//! The files of a model, and by what they are known to be the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::original::VOCABULARY;
use super::place::{CARD, STUDIO};
use super::{CLASS_NAMES, ModelFolder, PARTS, UNET};
use crate::model::ModelError;
use crate::model::weights::{FileStamp, WeightDigest};

impl ModelFolder {
    /// SHA-256 of the denoiser's weights, of which other programs show the first
    /// ten digits. It is made when it is begun or asked for, and remembered.
    ///
    /// # Errors
    /// If there is no denoiser or its weights cannot be opened.
    pub fn unet_digest(&self) -> Result<Arc<WeightDigest>, ModelError> {
        let source = self.weights("unet", UNET)?;
        Ok(WeightDigest::new(source.files()))
    }

    /// SHA-256 of all files of the model but for those that say what it is called: the same
    /// one under another name is known again. Made as [`Self::unet_digest`].
    pub fn digest(&self) -> Arc<WeightDigest> {
        let mut files = files_of(&self.path);
        let is_name = |file: &PathBuf| {
            [STUDIO, CARD]
                .map(|name| self.path.join(name))
                .contains(file)
        };
        files.retain(|file| !is_name(file));
        WeightDigest::new(files)
    }

    /// Sizes and times of all files of the model: another value means that it was
    /// exchanged on disk, and has to be read again.
    pub fn stamp(&self) -> Vec<FileStamp> {
        Self::stamp_of(&self.path)
    }

    /// As [`Self::stamp`], without opening the folder; empty where there is none.
    pub fn stamp_of(path: &Path) -> Vec<FileStamp> {
        let files = files_of(path);
        files
            .iter()
            .filter_map(|file| FileStamp::of(file))
            .collect()
    }
}

/// The files of a model in the order of their names; none where there is none.
fn files_of(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        // What tells its sizes, the names of its classes and its words.
        let beside = ["config.yaml", CLASS_NAMES, VOCABULARY];
        let beside = beside.map(|name| path.with_file_name(name));
        let own = ["yaml", CLASS_NAMES].map(|ending| path.with_extension(ending));
        let beside = beside.into_iter().chain(own);
        let files = [path.to_path_buf()].into_iter().chain(beside);
        return files.filter(|path| path.is_file()).collect();
    }
    let folders = PARTS.iter().map(|part| path.join(part));
    let folders = [path.to_path_buf()].into_iter().chain(folders);
    let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
    let files = files.flatten().filter_map(Result::ok);
    let files = files.map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use std::fs;

    use walkdir::WalkDir;

    use super::*;

    #[test]
    fn another_scheduler_makes_another_model_and_another_card_does_not() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reference/sd2-tiny");
        let root = tempfile::tempdir().expect("a folder");
        for entry in WalkDir::new(&model) {
            let entry = entry.expect("an entry");
            let inner = entry.path().strip_prefix(&model).expect("inside");
            let place = root.path().join(inner);
            if entry.file_type().is_dir() {
                fs::create_dir_all(place).expect("made");
            } else {
                fs::copy(entry.path(), place).expect("copied");
            }
        }
        let digest = || {
            let folder = ModelFolder::open(root.path()).expect("a model");
            folder.digest().digits().expect("read")
        };
        let before = digest();
        fs::write(root.path().join(CARD), "# Tabby").expect("written");
        assert_eq!(digest(), before);
        let scheduler = root.path().join("scheduler/scheduler_config.json");
        let text = fs::read_to_string(&scheduler).expect("a scheduler");
        fs::write(&scheduler, text + "\n\n").expect("written");
        assert_ne!(digest(), before);
    }
}
