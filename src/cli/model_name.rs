//! Models by their names, as `velatura models` prints them.

use std::path::{Path, PathBuf};

use super::CliError;
use crate::engine::library::candidates;
use crate::folders;
use crate::model::{ModelFolder, is_pixels};

/// A folder or file if there is one of that path, else the model of that name among
/// those that are listed: of its folder, or its own. Case does not matter
/// unless two differ by nothing else.
pub(super) fn find_model(named: &Path) -> Result<PathBuf, CliError> {
    let places = [folders::user_models(), folders::bundled_models()];
    find_among(named, places.into_iter().flatten())
}

/// What may be a first stage: no network at all, a file, or else as [`find_model`].
pub(super) fn find_first_stage(named: &Path) -> Result<PathBuf, CliError> {
    match named.is_file() || is_pixels(named) {
        true => Ok(named.to_owned()),
        false => find_model(named),
    }
}

/// Whether a file of that path is there that may be a model; a plain name may be that
/// of a listed one.
fn is_file_of_weights(named: &Path) -> bool {
    named.is_file() && (named.extension().is_some() || named.components().count() > 1)
}

fn find_among(named: &Path, places: impl Iterator<Item = PathBuf>) -> Result<PathBuf, CliError> {
    if named.is_dir() || is_file_of_weights(named) {
        return Ok(named.to_owned());
    }
    let missing = || CliError::NoModel(named.to_owned());
    // A path leads to what it says, or nowhere.
    let Some(name) = named.to_str().filter(|_| named.components().count() == 1) else {
        return Err(missing());
    };
    let listed: Vec<PathBuf> = places
        .flat_map(|place| {
            let inner = candidates(&place).into_iter();
            inner.filter(move |folder| *folder != place)
        })
        .collect();
    let folder_name = |folder: &Path| {
        let name = folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let own_name = |folder: &Path| ModelFolder::open(folder).ok().map(|it| it.manifest().name);
    let is_alike = |other: &str| other.to_lowercase() == name.to_lowercase();
    let found = listed
        .iter()
        .find(|folder| folder_name(folder) == name)
        .or_else(|| listed.iter().find(|folder| is_alike(&folder_name(folder))))
        .or_else(|| {
            let mut listed = listed.iter();
            listed.find(|folder| own_name(folder).is_some_and(|own| is_alike(&own)))
        });
    found.cloned().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_are_those_that_are_printed() {
        let place = tempfile::tempdir().unwrap();
        for name in ["meadow", "Meadow", "hills-2"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        let index = place.path().join("hills-2/model_index.json");
        std::fs::write(index, "{}").unwrap();
        let studio = place.path().join("hills-2/studio.json");
        std::fs::write(studio, r#"{"name": "Green Hills"}"#).unwrap();
        let find = |name: &str| find_among(Path::new(name), [place.path().to_owned()].into_iter());
        for (name, folder) in [
            ("meadow", "meadow"),
            ("Meadow", "Meadow"),
            ("HILLS-2", "hills-2"),
            ("green hills", "hills-2"),
        ] {
            // On file systems that ignore case themselves the first two are one.
            let found = find(name).unwrap();
            let found = found.file_name().unwrap().to_string_lossy();
            assert_eq!(found.to_lowercase(), folder.to_lowercase());
        }
        assert!(find("valley").is_err());
        assert!(find("no/such/meadow").is_err());
    }
}
