//! All models of some places, with what is known of each. What a file is is told from
//! its headers once and remembered by path, size and time, also for the next start.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::card::{ModelCard, display_name};
use super::once::Once;
use super::pictures;
use super::places::{Found, Program, find, layout};
use crate::files::write_whole;
use crate::folders;
use crate::recipe::ModelSource;

/// Name of the file in which it is remembered what files are.
const FILE: &str = "models.json";
/// Time between two reports while headers are read.
const PATIENCE: Duration = Duration::from_millis(200);

/// A model of a list, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Where it is.
    pub source: ModelSource,
    /// What the system says of it.
    pub found: Found,
    /// What it is; `None` until its headers are read.
    pub card: Option<Arc<ModelCard>>,
    /// Its name as people put names in order: 2 before 10, whatever the case.
    pub order: Vec<(u64, String)>,
    /// In what words are looked for: its name, path, family and task, in small letters.
    pub searched: String,
    /// The picture that stands for it, and when that was changed.
    pub picture: Option<pictures::PictureFile>,
}

impl Listed {
    /// What it is called.
    pub fn name(&self) -> String {
        match &self.card {
            Some(card) => card.name.clone(),
            None => display_name(&self.found.path),
        }
    }
}

/// A place of models, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceSeen {
    /// The folder.
    pub path: PathBuf,
    /// The program whose folder it is, if it is known.
    pub program: Option<Program>,
    /// How many files and folders of weights are in it.
    pub count: usize,
    /// Whether it is there.
    pub is_there: bool,
}

/// Where models are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Folders of ours.
    pub own: Vec<PathBuf>,
    /// Folders that were added, which may be those of other programs.
    pub added: Vec<PathBuf>,
    /// Models that lie elsewhere.
    pub single: Vec<PathBuf>,
}

/// All models of some places, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The models, by their names, then by place and path.
    pub models: Vec<Arc<Listed>>,
    /// The folders that were added.
    pub places: Vec<PlaceSeen>,
    /// How many are still to be read.
    pub unread: usize,
}

/// Finds and remembers.
#[derive(Debug, Default)]
pub struct Catalog {
    folder: Option<PathBuf>,
    known: HashMap<PathBuf, Known>,
    /// What was listed last: those that did not change stay the same.
    listed: HashMap<PathBuf, Arc<Listed>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    stamp: u64,
    card: Arc<ModelCard>,
}

/// What is written: cards of another program may say what is no longer so.
#[derive(Serialize, Deserialize)]
struct Remembered {
    program: u64,
    cards: Vec<Known>,
}

impl Catalog {
    /// A catalogue that remembers in a folder, and takes up what is remembered there.
    pub fn in_folder(folder: &Path) -> Self {
        let read = || {
            let text = std::fs::read(folder.join(FILE)).ok()?;
            let read: Remembered = serde_json::from_slice(&text).ok()?;
            (read.program == program_stamp()).then_some(read.cards)
        };
        let cards = read().unwrap_or_default().into_iter();
        Self {
            folder: Some(folder.to_path_buf()),
            known: cards
                .map(|known| (known.card.path.clone(), known))
                .collect(),
            listed: HashMap::new(),
        }
    }

    /// Lists the models of some places: at once what is known, then, as their headers
    /// are read, the others. It ends early when it is not wanted any more.
    pub fn scan(
        &mut self,
        places: &Places,
        is_wanted: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(Listing),
    ) {
        let (found, seen) = find_all(places, is_wanted);
        if !is_wanted() {
            return;
        }
        let mut unread: Vec<usize> = Vec::new();
        let mut models: Vec<Arc<Listed>> = Vec::with_capacity(found.len());
        for found in found {
            let known = self.known.get(&found.path);
            let known = known.filter(|known| known.stamp == found.stamp);
            if known.is_none() {
                unread.push(models.len());
            }
            let card = known.map(|known| Arc::clone(&known.card));
            models.push(self.listed(found, card));
        }
        let listing = |models: &[Arc<Listed>], unread: usize| {
            let mut models = models.to_vec();
            // Here, so that the window need not do it between two frames.
            models.sort_by(|one, other| one.order.cmp(&other.order));
            Listing {
                models,
                places: seen.clone(),
                unread,
            }
        };
        tell(listing(&models, unread.len()));
        let mut told = Instant::now();
        for (done, place) in unread.iter().enumerate() {
            if !is_wanted() {
                break;
            }
            let found = models[*place].found.clone();
            let card = Arc::new(ModelCard::of(&found.path));
            let known = Known {
                stamp: found.stamp,
                card: Arc::clone(&card),
            };
            self.known.insert(found.path.clone(), known);
            models[*place] = self.listed(found, Some(card));
            let left = unread.len() - done - 1;
            if left == 0 || told.elapsed() >= PATIENCE {
                tell(listing(&models, left));
                told = Instant::now();
            }
        }
        let there: HashSet<&Path> = models.iter().map(|it| it.found.path.as_path()).collect();
        let count = self.known.len();
        self.known.retain(|path, _| there.contains(path.as_path()));
        self.listed.retain(|path, _| there.contains(path.as_path()));
        if !unread.is_empty() || self.known.len() < count {
            self.remember();
        }
    }

    /// The same entry as before where nothing changed.
    fn listed(&mut self, found: Found, card: Option<Arc<ModelCard>>) -> Arc<Listed> {
        let source = source_of(&found.path);
        let painted = self.folder.as_deref();
        let painted = painted.map(|folder| pictures::painted_place(folder, &source));
        let picture = found.picture.clone().into_iter().chain(painted);
        let picture = picture.into_iter().find_map(pictures::PictureFile::of);
        let mut fresh = Listed {
            source,
            found,
            card,
            order: Vec::new(),
            searched: String::new(),
            picture,
        };
        fresh.order = in_order(&fresh.name());
        fresh.searched = searched(&fresh);
        let path = fresh.found.path.clone();
        match self.listed.get(&path) {
            Some(before) if **before == fresh => Arc::clone(before),
            _ => {
                let fresh = Arc::new(fresh);
                self.listed.insert(path, Arc::clone(&fresh));
                fresh
            }
        }
    }

    fn remember(&self) {
        let Some(folder) = &self.folder else {
            return;
        };
        // JSON has no words for paths that are no Unicode; these are read each time.
        let known = self.known.values();
        let known = known.filter(|known| known.card.path.to_str().is_some());
        let remembered = Remembered {
            program: program_stamp(),
            cards: known.cloned().collect(),
        };
        let written = std::fs::create_dir_all(folder).and_then(|()| {
            let text = serde_json::to_vec(&remembered)?;
            write_whole(&folder.join(FILE), |file| file.write_all(&text))
        });
        if let Err(error) = written {
            log::warn!("What is known of models could not be remembered: {error}");
        }
    }
}

fn searched(listed: &Listed) -> String {
    let card = listed.card.as_deref();
    let family = card.and_then(|card| card.family);
    let task = card.and_then(|card| card.task);
    let text = [
        listed.name(),
        listed.found.path.display().to_string(),
        family.map_or_else(String::new, |family| family.label().to_owned()),
        task.map_or_else(String::new, |task| task.id().replace('-', " ")),
    ];
    text.join(" ").to_lowercase()
}

/// A name as people put them in order: 2 before 10, whatever the case.
fn in_order(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let name = name.to_lowercase();
    let mut rest = name.as_str();
    while !rest.is_empty() {
        let words = rest.find(|letter: char| letter.is_ascii_digit());
        let (word, numbers) = rest.split_at(words.unwrap_or(rest.len()));
        let digits = numbers.find(|letter: char| !letter.is_ascii_digit());
        let (number, after) = numbers.split_at(digits.unwrap_or(numbers.len()));
        if !word.is_empty() {
            parts.push((u64::MAX, word.to_owned()));
        }
        if !number.is_empty() {
            // Longer ones than fit are few, and alike.
            parts.push((number.parse().unwrap_or(u64::MAX - 1), String::new()));
        }
        rest = after;
    }
    parts
}

/// Everything in some places, each once.
fn find_all(places: &Places, is_wanted: &dyn Fn() -> bool) -> (Vec<Found>, Vec<PlaceSeen>) {
    let mut all: Vec<Found> = Vec::new();
    let mut once = Once::default();
    let mut add = |found: Vec<Found>| {
        let count = found.len();
        all.extend(found.into_iter().filter(|it| once.is_new(&it.path)));
        count
    };
    for place in &places.own {
        add(find(place, is_wanted));
    }
    let mut seen = Vec::new();
    for place in &places.added {
        let (program, found) = found_in(place, is_wanted);
        seen.push(PlaceSeen {
            path: place.clone(),
            program,
            count: add(found),
            is_there: place.is_dir(),
        });
    }
    for model in &places.single {
        add(find(model, is_wanted));
    }
    (all, seen)
}

fn found_in(place: &Path, is_wanted: &dyn Fn() -> bool) -> (Option<Program>, Vec<Found>) {
    let (program, folders) = layout(place);
    let found = folders.iter().flat_map(|folder| find(folder, is_wanted));
    let mut once = Once::default();
    (program, found.filter(|it| once.is_new(&it.path)).collect())
}

/// What may be a model in a place.
pub(super) fn paths_in(place: &Path) -> Vec<PathBuf> {
    let (_, found) = found_in(place, &|| true);
    found.into_iter().map(|found| found.path).collect()
}

/// What a folder holds that was not added.
pub fn look_into(place: &Path) -> PlaceSeen {
    let (program, found) = found_in(place, &|| true);
    PlaceSeen {
        path: place.to_path_buf(),
        program,
        count: found.len(),
        is_there: place.is_dir(),
    }
}

/// What names a model of that path.
fn source_of(path: &Path) -> ModelSource {
    if folders::storybook_model().is_some_and(|storybook| storybook == path) {
        ModelSource::Storybook
    } else {
        ModelSource::Folder(path.to_owned())
    }
}

/// Another program may open more.
fn program_stamp() -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    let program = std::env::current_exe().and_then(std::fs::metadata);
    if let Ok(program) = program {
        (program.len(), program.modified().ok()).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::library::CardKind;

    fn scanned(catalog: &mut Catalog, places: &Places) -> Vec<Listing> {
        let mut told = Vec::new();
        catalog.scan(places, &|| true, &mut |listing| told.push(listing));
        told
    }

    #[test]
    fn what_is_known_is_listed_at_once_and_remembered() {
        let root = tempfile::tempdir().unwrap();
        let kept = tempfile::tempdir().unwrap();
        super::super::single::write_single(&root.path().join("one.safetensors"));
        std::fs::write(root.path().join("two.safetensors"), "<html>").unwrap();
        let places = Places {
            own: vec![root.path().to_owned()],
            ..Places::default()
        };
        let mut catalog = Catalog::in_folder(kept.path());
        let told = scanned(&mut catalog, &places);
        assert_eq!((told[0].unread, told[0].models[0].card.clone()), (2, None));
        let last = told.last().unwrap();
        assert_eq!(last.unread, 0);
        let card = |listing: &Listing, index: usize| listing.models[index].card.clone().unwrap();
        assert!(card(last, 0).opens() && card(last, 0).name == "one");
        let page = card(last, 1);
        assert!(!page.opens() && page.kind == CardKind::Other);
        assert!(
            page.obstacle.as_ref().unwrap().contains("web page"),
            "{page:?}"
        );

        // Nothing is read again, and what did not change is the same.
        let again = scanned(&mut catalog, &places);
        assert_eq!((again.len(), again[0].unread), (1, 0));
        assert!(Arc::ptr_eq(&again[0].models[0], &last.models[0]));
        let mut next = Catalog::in_folder(kept.path());
        let remembered = scanned(&mut next, &places);
        assert_eq!((remembered.len(), remembered[0].unread), (1, 0));
        assert_eq!(remembered[0].models, last.models);

        // What was exchanged is read anew, what is gone is forgotten.
        std::fs::write(root.path().join("two.safetensors"), "GGUF and more").unwrap();
        std::fs::remove_file(root.path().join("one.safetensors")).unwrap();
        let told = scanned(&mut catalog, &places);
        let last = told.last().unwrap();
        assert_eq!((told[0].unread, last.models.len()), (1, 1));
        assert!(card(last, 0).sentence.contains("GGUF"));
    }

    #[test]
    fn who_no_longer_waits_is_not_made_to() {
        let root = tempfile::tempdir().unwrap();
        for index in 0..5 {
            let name = format!("{index}.safetensors");
            std::fs::write(root.path().join(name), "<html>").unwrap();
        }
        let places = Places {
            added: vec![root.path().to_owned(), root.path().join("missing")],
            ..Places::default()
        };
        let told = std::cell::RefCell::new(Vec::new());
        let is_wanted = || told.borrow().is_empty();
        Catalog::default().scan(&places, &is_wanted, &mut |listing| {
            told.borrow_mut().push(listing);
        });
        let told = told.into_inner();
        let [only] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((only.unread, only.places.len()), (5, 2));
        assert_eq!((only.places[0].count, only.places[0].is_there), (5, true));
        assert_eq!((only.places[1].count, only.places[1].is_there), (0, false));
    }

    /// Folders of one program are links into another's, and some lead round in a circle.
    #[cfg(unix)]
    #[test]
    fn what_is_reached_on_several_ways_is_listed_once() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("webui/models/Stable-diffusion");
        std::fs::create_dir_all(real.join("own")).unwrap();
        std::fs::write(real.join("own/one.safetensors"), "<html>").unwrap();
        symlink("..", real.join("round")).unwrap();
        symlink("own/one.safetensors", real.join("two.safetensors")).unwrap();
        symlink(&real, root.path().join("shared")).unwrap();
        let places = Places {
            own: vec![root.path().join("shared")],
            added: vec![root.path().join("webui")],
            ..Places::default()
        };
        let told = scanned(&mut Catalog::default(), &places);
        let last = told.last().unwrap();
        let names: Vec<String> = last.models.iter().map(|it| it.name()).collect();
        assert_eq!(names, ["one", "two"]);
        assert_eq!(last.places[0].count, 2);
    }

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = ["model-10", "Model-9", "model", "9 lives", "model-9b", "a"];
        names.sort_by_key(|name| in_order(name));
        assert_eq!(
            names,
            ["9 lives", "a", "model", "Model-9", "model-9b", "model-10"]
        );
    }
}
