//! The models in the user's folder for them.

use std::path::{Path, PathBuf};

use crate::engine::library::is_named_as_weights;

/// The models in a folder, by name: folders and files that lie there, and those that a
/// training run wrote into a folder of its own.
pub(super) fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut models: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        // What begins with a point is being written, or is not the user's.
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            !name.to_string_lossy().starts_with('.')
        })
        .flat_map(|path| [path.join("model"), path])
        .filter(|path| is_model(path))
        .collect();
    models.sort();
    models
}

fn is_model(folder: &Path) -> bool {
    if is_named_as_weights(folder) && folder.is_file() {
        return true;
    }
    let signs = ["model_index.json", "studio.json", "unet/config.json"];
    signs.iter().any(|sign| folder.join(sign).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_where_training_writes_them() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "{}").expect("a file");
        };
        write("cats/model/model_index.json");
        write("cats/checkpoints/step-00000002/state.json");
        write("bought/studio.json");
        write(".writing-1/model_index.json");
        write("notes.txt");
        write("one.safetensors");
        let found = in_folder(root.path());
        let expected =
            ["bought", "cats/model", "one.safetensors"].map(|name| root.path().join(name));
        assert_eq!(found, expected);
        assert!(in_folder(&root.path().join("missing")).is_empty());
    }
}
