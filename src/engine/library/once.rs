//! What is reached on several ways, and is listed once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Files and folders by where they really lie: links lead into the same folder from elsewhere, or
/// round in a circle. A link with a name of its own is another model.
#[derive(Debug, Default)]
pub(super) struct Once {
    seen: HashSet<PathBuf>,
    /// Where folders really lie.
    folders: HashMap<PathBuf, PathBuf>,
}

impl Once {
    /// Whether it was not asked about before.
    pub fn is_new(&mut self, path: &Path) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.seen.insert(path.to_path_buf());
        };
        let real = self.folders.entry(parent.to_path_buf()).or_insert_with(|| {
            let real = parent.canonicalize();
            real.unwrap_or_else(|_| parent.to_path_buf())
        });
        let place = real.join(name);
        self.seen.insert(place)
    }
}
