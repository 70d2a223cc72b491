//! Looking into folders of models, and at files that may be one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use image::RgbaImage;

use super::converting::ConversionNews;
use super::events::BackgroundEvent;
use super::{Background, failing, within};
use crate::app::notices::Subject;
use crate::engine::library::{
    Catalog, Listing, ModelCard, PictureFile, PlaceSeen, Places, RenameWish, Renamed,
    is_named_as_weights, is_no_model, keep_painted, look_into,
};
use crate::engine::protocol::survey_of_folder;
use crate::folders;
use crate::recipe::{ModelSource, PictureFormat, RecipeFileError};

/// What was found out of models.
#[derive(Debug)]
pub enum LibraryEvent {
    /// The models of the folders, as far as they are known.
    Listed(Listing),
    /// The folders were looked into.
    Looked,
    /// The folders could not be looked into, and why.
    LookFailed(String),
    /// What a file or folder is that was to be opened.
    Opened(Box<ModelCard>),
    /// A folder that was to be opened is no model and holds some.
    OpenedPlace(PlaceSeen),
    /// A picture of a model was read; `None` if it is none.
    Picture(PictureFile, Option<Arc<RgbaImage>>),
    /// A painted picture stands for its model from now on.
    PictureKept,
    /// Of a model that is being written anew.
    Conversion(ConversionNews),
    /// A model has another name.
    Renamed(Renamed),
}

impl From<LibraryEvent> for BackgroundEvent {
    fn from(event: LibraryEvent) -> Self {
        Self::Library(Box::new(event))
    }
}

impl Background {
    /// Lists the models of our own folders, of those that were `added`, and `single` ones
    /// that lie elsewhere. A listing that was asked for before ends.
    pub fn look_for_models(&mut self, added: Vec<PathBuf>, single: Vec<PathBuf>) {
        let folder = self.library_folder.clone();
        let newest = Arc::clone(&self.newest_look);
        let look = newest.fetch_add(1, Ordering::Relaxed) + 1;
        let reports = self.reports.clone();
        let failed = Box::new(|text| LibraryEvent::LookFailed(text).into());
        self.library.send(failed, move |catalog| {
            let catalog = catalog.get_or_insert_with(|| match &folder {
                Some(folder) => Catalog::in_folder(folder),
                None => Catalog::default(),
            });
            let own = [folders::bundled_models(), folders::user_models()];
            let places = Places {
                own: own.into_iter().flatten().collect(),
                added,
                single,
            };
            let is_wanted = || newest.load(Ordering::Relaxed) == look;
            catalog.scan(&places, &is_wanted, &mut |listing| {
                reports.send(LibraryEvent::Listed(listing).into());
            });
            Ok(LibraryEvent::Looked.into())
        });
    }

    /// Reads a picture of a model, after those that were asked for before.
    pub fn read_model_picture(&mut self, file: PictureFile) {
        let failed = {
            let file = file.clone();
            Box::new(move |_| LibraryEvent::Picture(file, None).into())
        };
        self.pictures.send(failed, move |()| {
            let picture = file.read().map(Arc::new);
            Ok(LibraryEvent::Picture(file, picture).into())
        });
    }

    /// Gives a model another name, with the picture that stands for it.
    pub fn rename_model(&mut self, wish: RenameWish) {
        let kept = self.library_folder.clone();
        let errand = self.writing.begin();
        // After the pictures that are being kept for it.
        self.pictures.send(failing(Subject::Renaming), move |()| {
            let renamed = within(errand, || wish.fulfil(kept.as_deref()));
            let renamed = renamed.map_err(|error| error.to_string())?;
            Ok(LibraryEvent::Renamed(renamed).into())
        });
    }

    /// Keeps a painted picture as the one of its model.
    pub fn keep_model_picture(&mut self, model: ModelSource, picture: Arc<RgbaImage>) {
        let Some(folder) = self.library_folder.clone() else {
            return;
        };
        let errand = self.writing.begin();
        self.pictures.send(failing(Subject::Models), move |()| {
            let kept = within(errand, || keep_painted(&folder, &model, &picture));
            if let Err(error) = kept {
                // The picture itself lies in its document.
                log::warn!("A picture could not be kept for its model: {error}");
            }
            Ok(LibraryEvent::PictureKept.into())
        });
    }
}

/// What a file or folder of weights is; `None` if it is neither.
pub(super) fn opened_weights(path: &Path) -> Option<BackgroundEvent> {
    if path.is_dir() {
        return Some(opened_folder(path));
    }
    let is_weights = is_named_as_weights(path) && path.is_file();
    is_weights.then(|| LibraryEvent::Opened(Box::new(ModelCard::of(path))).into())
}

/// What a folder is: a model, a place of models, or pictures. Else it is told what it lacks
/// to be a model.
fn opened_folder(path: &Path) -> BackgroundEvent {
    let card = ModelCard::of(path);
    if !card.opens() {
        let inside = look_into(path);
        // A model that lacks something is found in itself, and may have pictures beside what
        // is left of it.
        let is_broken = !is_no_model(path);
        if inside.count > usize::from(is_broken) {
            return LibraryEvent::OpenedPlace(inside).into();
        }
        if let Some(Ok(holdings)) = (!is_broken).then(|| survey_of_folder(path)) {
            return BackgroundEvent::OpenedPictures {
                folder: path.to_path_buf(),
                count: holdings.counted(),
            };
        }
    }
    LibraryEvent::Opened(Box::new(card)).into()
}

/// Why something that is no picture does not open.
pub(super) fn no_picture(path: &Path, error: &RecipeFileError) -> String {
    match error {
        RecipeFileError::NotAPicture { .. } => format!(
            "\u{201c}{}\u{201d} is neither a picture ({}) nor a Photoshop file, a project, boxes or a model",
            path.display(),
            PictureFormat::NAMES
        ),
        error => error.to_string(),
    }
}
