//! What a model costs: the time of a picture, and its place on the disk.

use std::path::Path;

use serde::Serialize;

/// Bytes of a megabyte, as disks have them.
const MEGABYTE: f64 = 1e6;

/// What a model costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Median seconds of a picture from its caption, the model loaded; `None` where none
    /// was painted.
    pub picture_seconds: Option<f64>,
    /// Bytes of its folder, or of its file.
    pub folder_bytes: u64,
    /// Bytes of the largest file.
    pub largest_file_bytes: u64,
}

impl Cost {
    /// Of a model in a folder or a file, which painted pictures in so many seconds each.
    pub fn of(model: &Path, mut seconds: Vec<f64>) -> Self {
        let [folder_bytes, largest_file_bytes] = sizes(model);
        seconds.sort_by(f64::total_cmp);
        Self {
            picture_seconds: seconds.get(seconds.len() / 2).copied(),
            folder_bytes,
            largest_file_bytes,
        }
    }

    /// For people.
    pub fn sentence(&self) -> String {
        let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
        let seconds = match self.picture_seconds {
            Some(seconds) => format!("{seconds:.2} s a picture, the model loaded; "),
            None => String::new(),
        };
        format!(
            "\n{seconds}{:.1} MB on the disk, the largest file {:.1} MB.\n",
            megabytes(self.folder_bytes),
            megabytes(self.largest_file_bytes)
        )
    }
}

/// Of all files together, and of the largest; what cannot be read counts as nothing.
fn sizes(path: &Path) -> [u64; 2] {
    let Ok(about) = path.metadata() else {
        return [0; 2];
    };
    if !about.is_dir() {
        return [about.len(); 2];
    }
    let entries = path.read_dir().into_iter().flatten().flatten();
    // Links are followed in the named folder only: those inside may lead in circles.
    let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
    real.map(|entry| sizes(&entry.path()))
        .fold([0; 2], |[sum, most], [all, largest]| {
            [sum + all, most.max(largest)]
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_folders_in_a_folder_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("unet");
        std::fs::create_dir(&inner).expect("a folder");
        std::fs::write(folder.path().join("model_index.json"), [0; 100]).expect("written");
        std::fs::write(inner.join("weights"), [0; 2_000_000]).expect("written");
        let cost = Cost::of(folder.path(), vec![0.5, 9.0, 0.25]);
        assert_eq!(
            (cost.folder_bytes, cost.largest_file_bytes),
            (2_000_100, 2_000_000)
        );
        assert_eq!(cost.picture_seconds, Some(0.5));
        assert!(
            cost.sentence().contains("0.50 s a picture"),
            "{}",
            cost.sentence()
        );
        let nothing = Cost::of(&folder.path().join("none"), Vec::new());
        assert_eq!((nothing.folder_bytes, nothing.picture_seconds), (0, None));
    }
}
