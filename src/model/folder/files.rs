//! The files of a model, and by what they are known to be the same.

use std::path::Path;
use std::sync::Arc;

use super::original::VOCABULARY;
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

    /// Sizes and times of all files of the model: another value means that it was
    /// exchanged on disk, and has to be read again.
    pub fn stamp(&self) -> Vec<FileStamp> {
        Self::stamp_of(&self.path)
    }

    /// As [`Self::stamp`], without opening the folder; empty where there is none.
    pub fn stamp_of(path: &Path) -> Vec<FileStamp> {
        if path.is_file() {
            // What tells its sizes, the names of its classes and its words.
            let beside = ["config.yaml", CLASS_NAMES, VOCABULARY];
            let beside = beside.map(|name| path.with_file_name(name));
            let own = ["yaml", CLASS_NAMES].map(|ending| path.with_extension(ending));
            let beside = beside.into_iter().chain(own);
            let files = [path.to_path_buf()].into_iter().chain(beside);
            return files.filter_map(|path| FileStamp::of(&path)).collect();
        }
        let folders = PARTS.iter().map(|part| path.join(part));
        let folders = [path.to_path_buf()].into_iter().chain(folders);
        let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
        let files = files.flatten().filter_map(Result::ok);
        let files = files.map(|entry| entry.path());
        let files = files.filter(|path| path.is_file());
        let mut stamps: Vec<FileStamp> = files.filter_map(|path| FileStamp::of(&path)).collect();
        stamps.sort();
        stamps
    }
}
