//! The models that can be chosen from, as the window knows them, and what can be done
//! with the list of them.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use image::RgbaImage;

use super::command::Command;
use super::state::AppState;
use crate::engine::kept_files::{Kept, is_kept};
use crate::engine::library::{
    CardKind, ConversionWish, Listed, Listing, ModelCard, PictureFile, RenameWish, Renamed, Task,
};
use crate::recipe::{InputSpec, ModelSource};

/// Pictures of models that are kept in memory.
const MOST_PICTURES: usize = 256;
/// Time between two looks into the folders while the list is open.
const INTERVAL_SECS: f64 = 3.0;

/// Something that is done with the list of models.
#[derive(Clone, Debug)]
pub enum LibraryCommand {
    /// Shows the list.
    Open,
    /// Shows what makes pictures larger.
    Enlarge,
    /// Looks into the folders.
    Look,
    /// Asks for a model in one file.
    PickFile,
    /// Asks for an autoencoder in one file.
    PickFirstStage,
    /// Asks for a folder of models, which may be that of another program.
    PickPlace,
    /// Adds a folder of models.
    AddPlace(PathBuf),
    /// Takes a folder of models off the list; nothing is deleted.
    RemovePlace(PathBuf),
    /// Makes a model a favourite, or no longer.
    Favour {
        /// The model.
        model: ModelSource,
        /// Whether it is one.
        is_favourite: bool,
    },
    /// Reads pictures of models that are seen.
    ReadPictures(Vec<PictureFile>),
    /// Does with a file or folder of the list what it is for: a model is loaded, a LoRA or
    /// a first stage goes with the next pictures, a word into the prompt.
    Use(Arc<Listed>),
    /// Shows in which forms a model can be written once more.
    ShowForms(Arc<Listed>),
    /// Writes a model anew.
    Convert(ConversionWish),
    /// Ends the writing that is in hand.
    EndConversion,
    /// Asks for another name of a model in the user's own folder.
    AskForName(Arc<Listed>),
    /// Gives a model another name.
    Rename(RenameWish),
}

impl From<LibraryCommand> for Command {
    fn from(command: LibraryCommand) -> Self {
        Self::Library(command)
    }
}

impl AppState {
    /// Whether there is something to be done with a file or folder of weights: to paint
    /// with it, or to use it with the model in hand.
    pub fn can_use(&self, card: &ModelCard) -> bool {
        let is_there = || card.kind != CardKind::Embedding || self.finds_word(card);
        card.opens() || (card.goes_with_models && is_there())
    }

    /// Whether a word lies where words for the chosen model are looked for.
    pub fn finds_word(&self, card: &ModelCard) -> bool {
        let model = self.model_folder();
        model.is_some_and(|model| is_kept(Kept::Embeddings, &card.path, model))
    }
}

/// A model that makes pictures larger.
#[derive(Clone, Debug, PartialEq)]
pub struct LargerModel {
    /// Where it is.
    pub source: ModelSource,
    /// Where that lies.
    pub path: PathBuf,
    /// What it is called.
    pub name: String,
    /// How often the old sides go into the new ones.
    pub factor: u32,
}

impl LargerModel {
    fn of(listed: &Listed) -> Option<Self> {
        let card = listed.card.as_deref().filter(|card| card.opens())?;
        if card.task != Some(Task::SuperResolution) {
            return None;
        }
        let factor = card.inputs.iter().find_map(|input| match input {
            InputSpec::LowResolution { factor, .. } => Some(*factor),
            _ => None,
        })?;
        Some(Self {
            source: listed.source.clone(),
            path: listed.found.path.clone(),
            name: listed.name(),
            factor,
        })
    }
}

/// The list of models.
#[derive(Debug, Default)]
pub struct Library {
    listing: Listing,
    revision: u64,
    /// Looks that were asked for and have not ended.
    pending: usize,
    /// When the last look ended, by the window's clock.
    looked_secs: f64,
    now_secs: f64,
    pictures: HashMap<PictureFile, Option<Arc<RgbaImage>>>,
    /// The pictures in the order in which they were asked for.
    asked: VecDeque<PictureFile>,
    pub(super) conversion: Option<RunningConversion>,
    pub(super) renamed: Option<Renamed>,
}

/// A model that is being written anew.
#[derive(Clone, Debug)]
pub struct RunningConversion {
    /// Where to.
    pub target: PathBuf,
    /// How many bytes of how many are written.
    pub written: (u64, u64),
    is_ended: Arc<AtomicBool>,
}

impl RunningConversion {
    pub(super) fn new(target: PathBuf) -> Self {
        Self {
            target,
            written: (0, 0),
            is_ended: Arc::default(),
        }
    }

    /// How much of it is written, 0 to 1.
    pub fn share(&self) -> f32 {
        let (done, total) = self.written;
        done as f32 / total.max(1) as f32
    }

    /// Whether it was told to end.
    pub fn is_ending(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed)
    }

    /// Tells it to end.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
    }

    /// What is asked whether it was told to end.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_ended)
    }
}

impl Library {
    /// What was found.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Another number whenever something else was found.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether nothing was looked at yet.
    pub fn is_unknown(&self) -> bool {
        self.revision == 0
    }

    /// A picture that was read.
    pub fn picture(&self, file: &PictureFile) -> Option<&Arc<RgbaImage>> {
        self.pictures.get(file)?.as_ref()
    }

    /// The models that are made for making pictures larger, by name.
    pub fn larger_models(&self) -> Vec<LargerModel> {
        let models = self.listing.models.iter();
        let mut found: Vec<LargerModel> = models
            .filter_map(|listed| LargerModel::of(listed))
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Whether models are being looked at for the first time.
    pub fn is_looking(&self) -> bool {
        self.is_unknown() || self.listing.unread > 0
    }

    /// The model that is being written anew.
    pub fn conversion(&self) -> Option<&RunningConversion> {
        self.conversion.as_ref()
    }

    /// The model that was renamed last.
    pub fn renamed(&self) -> Option<&Renamed> {
        self.renamed.as_ref()
    }

    /// Whether a picture was asked for.
    pub fn is_asked_for(&self, file: &PictureFile) -> bool {
        self.pictures.contains_key(file)
    }

    pub(super) fn take(&mut self, listing: Listing) {
        // Entries that did not change are the same: thousands need not be compared.
        let before = &self.listing;
        let pairs = before.models.iter().zip(&listing.models);
        let is_same = before.models.len() == listing.models.len()
            && pairs.into_iter().all(|(old, new)| Arc::ptr_eq(old, new))
            && (before.unread, &before.places) == (listing.unread, &listing.places);
        if !is_same || self.is_unknown() {
            self.listing = listing;
            self.revision += 1;
        }
    }

    pub(super) fn begin_look(&mut self) {
        self.pending += 1;
    }

    pub(super) fn end_look(&mut self) {
        self.pending = self.pending.saturating_sub(1);
        self.looked_secs = self.now_secs;
    }

    /// Seconds until the folders are to be looked into again; `None` while they are.
    pub(super) fn tick(&mut self, now_secs: f64) -> Option<f64> {
        self.now_secs = now_secs;
        (self.pending == 0).then_some(self.looked_secs + INTERVAL_SECS - now_secs)
    }

    /// Notes that a picture is being read; false if it was already.
    pub(super) fn ask_for(&mut self, file: &PictureFile) -> bool {
        if self.is_asked_for(file) {
            return false;
        }
        if self.asked.len() >= MOST_PICTURES
            && let Some(oldest) = self.asked.pop_front()
        {
            self.pictures.remove(&oldest);
        }
        self.pictures.insert(file.clone(), None);
        self.asked.push_back(file.clone());
        true
    }

    pub(super) fn take_picture(&mut self, file: &PictureFile, picture: Option<Arc<RgbaImage>>) {
        if let Some(slot) = self.pictures.get_mut(file) {
            *slot = picture;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pictures_are_kept() {
        let mut library = Library::default();
        let file = |index: usize| PictureFile {
            path: format!("/m/{index}.png").into(),
            changed: None,
        };
        assert!(library.ask_for(&file(0)) && !library.ask_for(&file(0)));
        let picture = Arc::new(RgbaImage::new(1, 1));
        library.take_picture(&file(0), Some(Arc::clone(&picture)));
        assert!(library.picture(&file(0)).is_some());
        for index in 1..=MOST_PICTURES {
            library.ask_for(&file(index));
        }
        assert!(library.picture(&file(0)).is_none() && !library.is_asked_for(&file(0)));
        // It comes too late.
        library.take_picture(&file(0), Some(picture));
        assert!(!library.is_asked_for(&file(0)));
        assert_eq!(library.pictures.len(), MOST_PICTURES);
    }
}
