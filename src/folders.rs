//! Where things lie on this computer: what came with the program, and what is
//! the user's.
//!
//! Every place is looked up when it is asked for, so that a test or a user can
//! move one by setting its environment variable.

use std::path::{Path, PathBuf};

use directories::{ProjectDirs, UserDirs};

/// Environment variable that names the folder of what came with the program.
pub const ASSETS_VARIABLE: &str = "VELATURA_ASSETS";

/// Environment variable that names the folder of the user's models.
pub const MODELS_VARIABLE: &str = "VELATURA_MODELS";

/// Environment variable that names the folder for painted pictures.
pub const PICTURES_VARIABLE: &str = "VELATURA_PICTURES";

/// The folder of what came with the program: the first that is there of the
/// environment variable's, those beside the program (as the packages for Linux,
/// macOS and Windows lay them out), and the source tree: the one that cargo starts
/// the program from, or else the one in whose target folder it lies. The path of
/// the machine that built the program is none of them: on another one, anything
/// may lie there.
pub fn assets() -> Option<PathBuf> {
    if let Some(named) = from_environment(ASSETS_VARIABLE) {
        return Some(named);
    }
    let program = std::env::current_exe().and_then(std::fs::canonicalize).ok();
    let folder = program.as_deref().and_then(Path::parent);
    let beside = folder.map(|folder| {
        ["assets", "../share/velatura", "../Resources/assets"].map(|inner| folder.join(inner))
    });
    let is_ours = std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == env!("CARGO_PKG_NAME"));
    let started_from = from_environment("CARGO_MANIFEST_DIR").filter(|_| is_ours);
    beside
        .into_iter()
        .flatten()
        .chain(started_from.map(|tree| tree.join("assets")))
        .chain(
            folder
                .and_then(source_tree_of)
                .map(|tree| tree.join("assets")),
        )
        .find(|folder| folder.is_dir())
}

/// The source tree that a folder lies in.
fn source_tree_of(folder: &Path) -> Option<PathBuf> {
    let mut trees = folder.ancestors();
    let tree = trees.find(|tree| tree.join("Cargo.toml").is_file())?;
    Some(tree.to_path_buf())
}

/// The models that came with the program.
pub fn bundled_models() -> Option<PathBuf> {
    assets().map(|folder| folder.join("models"))
}

/// The folder of the Storybook model, if it is there.
pub fn storybook_model() -> Option<PathBuf> {
    let folder = bundled_models()?.join("storybook");
    folder.is_dir().then_some(folder)
}

/// The weights of the network that enlarges pictures, if they are there.
pub fn upscaler() -> Option<PathBuf> {
    let weights = assets()?.join("upscaler/realesrgan-x4.safetensors");
    weights.is_file().then_some(weights)
}

/// The folder of the network that reads scenes, if it is there.
pub fn judge() -> Option<PathBuf> {
    let folder = assets()?.join("judge");
    folder.is_dir().then_some(folder)
}

/// The folder in which the user keeps models, one folder each. It may not exist.
pub fn user_models() -> Option<PathBuf> {
    from_environment(MODELS_VARIABLE).or_else(|| Some(project()?.data_dir().join("models")))
}

/// The folder for pictures that are saved without being asked for a name.
pub fn pictures() -> Option<PathBuf> {
    from_environment(PICTURES_VARIABLE).or_else(|| {
        let user = UserDirs::new()?;
        let folder = user.picture_dir().unwrap_or_else(|| user.home_dir());
        Some(folder.join("Velatura"))
    })
}

/// The folder in which the window remembers its settings.
pub fn settings() -> Option<PathBuf> {
    Some(project()?.data_dir().to_owned())
}

/// The folder in which it is remembered what models are, and pictures painted with
/// them. All of it can be made again.
pub fn library() -> Option<PathBuf> {
    Some(project()?.cache_dir().join("library"))
}

/// The folder in which latents of pictures are kept from one training to the next. All of
/// it can be made again.
pub fn latents() -> Option<PathBuf> {
    Some(project()?.cache_dir().join("latents"))
}

/// The file of the user's styles, prompts with a name. It may not exist.
pub fn styles() -> Option<PathBuf> {
    Some(project()?.data_dir().join("styles.json"))
}

/// The folder for copies of unsaved work, from which it comes back after a crash.
pub fn recovery() -> Option<PathBuf> {
    Some(project()?.data_dir().join("recovery"))
}

fn project() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "Velatura")
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_tree_is_found_when_nothing_is_installed() {
        let found = assets().unwrap();
        assert!(found.join("fonts").is_dir(), "{}", found.display());
        // Of the checkout that is tested, in which cargo starts the tests.
        let tested = std::env::current_dir().unwrap();
        assert_eq!(found, tested.join("assets"));
    }

    #[test]
    fn the_building_machine_is_no_place_for_assets() {
        let tree = tempfile::tempdir().unwrap();
        let target = tree.path().join("target/release");
        std::fs::create_dir_all(&target).unwrap();
        std::fs::create_dir_all(tree.path().join("assets")).unwrap();
        assert_eq!(source_tree_of(&target), None);
        std::fs::write(tree.path().join("Cargo.toml"), "").unwrap();
        assert_eq!(source_tree_of(&target).as_deref(), Some(tree.path()));
        let baked_in = ["env!(\"CARGO_", "MANIFEST_DIR\")"].concat();
        assert!(!include_str!("folders.rs").contains(&baked_in));
    }

    #[test]
    fn the_users_models_lie_in_a_folder_of_ours() {
        let folder = user_models().unwrap();
        assert!(folder.ends_with("models"));
        assert!(folder.to_string_lossy().to_lowercase().contains("velatura"));
    }
}
