//! Where a trained model goes, and what lies there already.

use std::path::{Path, PathBuf};

use crate::engine::protocol::{FoundRun, is_free_for_run};

/// A folder for a model, as it was found on the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputPlace {
    /// The folder that was looked at.
    pub wanted: PathBuf,
    /// The first of `wanted`, `wanted 2`, `wanted 3` and so on that holds nothing.
    pub free: PathBuf,
    /// The run that lies in `wanted` and can go on.
    pub run: Option<FoundRun>,
}

impl OutputPlace {
    /// Looks at the disk: not for the window's thread.
    pub fn look(wanted: PathBuf) -> Self {
        Self {
            free: first_free(&wanted),
            run: FoundRun::in_folder(&wanted),
            wanted,
        }
    }

    /// Whether the folder itself can be used for a new run.
    pub fn is_free(&self) -> bool {
        self.free == self.wanted
    }
}

fn first_free(wanted: &Path) -> PathBuf {
    if is_free_for_run(wanted) {
        return wanted.to_path_buf();
    }
    let name = wanted.file_name().unwrap_or_default();
    let mut numbered = (2..).map(|number| {
        let mut name = name.to_os_string();
        name.push(format!(" {number}"));
        wanted.with_file_name(name)
    });
    let free = numbered.find(|path| is_free_for_run(path));
    free.unwrap_or_else(|| wanted.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_never_written_over() {
        let root = tempfile::tempdir().expect("a folder");
        let wanted = root.path().join("cats");
        assert!(OutputPlace::look(wanted.clone()).is_free());
        std::fs::create_dir_all(&wanted).expect("a folder");
        assert!(OutputPlace::look(wanted.clone()).is_free(), "it is empty");
        std::fs::write(wanted.join("notes.txt"), "mine").expect("a file");
        std::fs::create_dir_all(root.path().join("cats 2/checkpoints")).expect("a folder");
        let place = OutputPlace::look(wanted.clone());
        assert!(!place.is_free());
        assert_eq!(place.free, root.path().join("cats 3"));
        assert_eq!(place.run, None);
    }
}
