//! Files that are dropped on the window.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{DroppedFile, RawInput};

#[derive(Debug)]
struct Dropped(PathBuf);

impl DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("files are read by the studio".to_owned())
    }
}

/// Lets files fall in the next frame.
pub fn drop_files(input: &mut RawInput, paths: &[&Path]) {
    for path in paths {
        input
            .dropped_files
            .push(Arc::new(Dropped(path.to_path_buf())));
    }
}
