//! The models that can be found without being told where: those that came with
//! the program and the user's own.
//!
//! Everything here reads files, so the window asks from another thread.

mod card;
mod catalog;
mod converting;
mod extra_paths;
mod once;
mod pictures;
mod places;
mod renaming;
#[cfg(test)]
#[path = "../../tests/support/single.rs"]
mod single;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::folders;
pub use crate::model::WeightDtype;
pub use crate::model::inspect::{Family, Task};
use crate::model::{ModelError, ModelFolder};
pub use card::{CardKind, ModelCard, WEIGHT_ENDINGS, display_name, is_named_as_weights};
pub use catalog::{Catalog, Listed, Listing, PlaceSeen, Places, look_into};
pub use converting::ConversionWish;
pub use pictures::{PICTURE_PX, PictureFile, keep_painted};
pub use places::{Found, Program};
pub use renaming::{RenameError, RenameWish, Renamed, plain_name};

use crate::recipe::{FoundRecipe, InputSpec, ModelSource, RecipeForm};

/// What was found for the model that a recipe names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaintedWith {
    /// The very same weights.
    Same(ModelSource),
    /// A model of that name. Its weights are others, or the recipe does not say.
    Namesake(ModelSource),
    /// The recipe names a model, and none that is known is it.
    Unknown,
    /// The recipe names no model.
    Unsaid,
}

impl PaintedWith {
    /// The model, if there is one.
    pub fn source(self) -> Option<ModelSource> {
        match self {
            Self::Same(source) | Self::Namesake(source) => Some(source),
            Self::Unknown | Self::Unsaid => None,
        }
    }
}

/// A model that could be loaded, as its folder describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownModel {
    /// Where it is.
    pub source: ModelSource,
    /// Its name.
    pub name: String,
    /// What it can be asked for.
    pub inputs: Vec<InputSpec>,
}

/// The model that came with the program and those of some folders, as far as they can
/// be read. Weights are not.
pub fn described(folders: &[PathBuf]) -> Vec<KnownModel> {
    let own = folders::storybook_model();
    let others = folders
        .iter()
        .filter(|folder| Some(*folder) != own.as_ref());
    let models = own.iter().chain(others);
    models
        .filter_map(|folder| ModelFolder::open(folder).ok())
        .map(|model| {
            let manifest = model.manifest();
            KnownModel {
                source: source_of(&model),
                name: card::name_of(model.path(), Some(&manifest)),
                inputs: manifest.inputs,
            }
        })
        .collect()
}

/// Whether a folder is no model at all, and not one that lacks something.
pub fn is_no_model(folder: &Path) -> bool {
    matches!(ModelFolder::open(folder), Err(ModelError::NotAModel(_)))
}

/// The folders in which models are looked for.
pub fn places() -> impl Iterator<Item = PathBuf> {
    [folders::bundled_models(), folders::user_models()]
        .into_iter()
        .flatten()
}

/// What may be a model in a place: the folder itself, and folders and files directly in
/// it, by name.
pub fn candidates(place: &Path) -> Vec<PathBuf> {
    let inner = WalkDir::new(place)
        .max_depth(1)
        .follow_links(true)
        .sort_by_file_name();
    inner
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_dir() || is_named_as_weights(entry.path()))
        // Hidden ones are models that are just being written.
        .filter(|entry| {
            entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
        })
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// All of [`candidates`], and what the list of the window shows of that place: as deep as it
/// looks, and of another program's folder what is known to hold models.
pub fn deep_candidates(place: &Path) -> Vec<PathBuf> {
    let mut all = candidates(place);
    let shallow: HashSet<PathBuf> = all.iter().cloned().collect();
    let deeper = catalog::paths_in(place).into_iter();
    all.extend(deeper.filter(|path| !shallow.contains(path)));
    all
}

/// The model that painted a picture, looked for among those in [`places`] and in
/// `further` folders by the hash of its weights and its name, never by a path:
/// a picture may come from anybody.
pub fn painted_with(recipe: &FoundRecipe, further: &[PathBuf]) -> PaintedWith {
    let hash = recipe.model_hash.as_deref().filter(|hash| !hash.is_empty());
    let name = recipe.model_name.as_deref().filter(|name| !name.is_empty());
    if hash.is_none() && name.is_none() {
        return PaintedWith::Unsaid;
    }
    let listed = places().flat_map(|place| candidates(&place));
    let models: Vec<ModelFolder> = listed
        .chain(further.iter().cloned())
        .filter_map(|folder| ModelFolder::open(folder).ok())
        .collect();
    let is_namesake =
        |model: &&ModelFolder| name.is_some_and(|name| same_name(&model.manifest().name, name));
    let has_hash = |model: &&ModelFolder| {
        // A digest reads all weights, so a namesake is asked first.
        hash.is_some_and(|hash| hash_of(model).as_deref() == Some(hash))
    };
    let (namesakes, others): (Vec<_>, Vec<_>) = models.iter().partition(is_namesake);
    if let Some(same) = namesakes.iter().find(|model| has_hash(model)) {
        return PaintedWith::Same(source_of(same));
    }
    // Other programs hash other files: theirs is nobody's here.
    let is_ours = recipe.form == RecipeForm::Velatura
        || recipe
            .program
            .as_deref()
            .is_some_and(|program| program.starts_with("Velatura"));
    if is_ours && let Some(same) = others.iter().find(|model| has_hash(model)) {
        return PaintedWith::Same(source_of(same));
    }
    match namesakes.first() {
        Some(namesake) => PaintedWith::Namesake(source_of(namesake)),
        None => PaintedWith::Unknown,
    }
}

fn same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// The digits that a recipe keeps of a model's weights.
fn hash_of(model: &ModelFolder) -> Option<String> {
    let digits = model.unet_digest().ok()?.digits().ok()?;
    Some(digits.chars().take(10).collect())
}

fn source_of(model: &ModelFolder) -> ModelSource {
    let folder = model.path();
    if folders::storybook_model().is_some_and(|storybook| storybook == folder) {
        ModelSource::Storybook
    } else {
        ModelSource::Folder(folder.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_described_without_being_loaded() {
        let tiny = PathBuf::from("tests/data/reference/sd1-tiny");
        let missing = PathBuf::from("tests/data/reference/nowhere");
        let known = described(&[missing, tiny.clone()]);
        let sources: Vec<&ModelSource> = known.iter().map(|model| &model.source).collect();
        assert_eq!(
            sources,
            [&ModelSource::Storybook, &ModelSource::Folder(tiny)]
        );
        let takes_boxes = |model: &KnownModel| {
            let mut inputs = model.inputs.iter();
            inputs.any(|input| matches!(input, InputSpec::Layout { .. }))
        };
        assert!(takes_boxes(&known[0]) && !takes_boxes(&known[1]));
    }
}
