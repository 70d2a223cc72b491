//! What is searched, filtered and sorted in the list of models.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::AppState;
use crate::engine::library::{CardKind, Family, Listed};
use crate::recipe::ModelSource;

/// What is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    /// Models to paint with, and what could be one.
    #[default]
    Models,
    /// What changes weights of a model.
    Loras,
    /// What controls models by pictures.
    Controls,
    /// First stages.
    FirstStages,
    /// Words for models.
    Embeddings,
    /// Everything else, and what nobody knows.
    Others,
}

impl Shown {
    pub const ALL: [Self; 6] = [
        Self::Models,
        Self::Loras,
        Self::Controls,
        Self::FirstStages,
        Self::Embeddings,
        Self::Others,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Models => "Models",
            Self::Loras => "LoRA",
            Self::Controls => "ControlNet",
            Self::FirstStages => "VAE",
            Self::Embeddings => "Embeddings",
            Self::Others => "Others",
        }
    }

    fn of(listed: &Listed) -> Self {
        match listed.card.as_ref().map(|card| card.kind) {
            // What is not read yet is most likely one.
            None | Some(CardKind::Model) => Self::Models,
            Some(CardKind::Lora) => Self::Loras,
            Some(CardKind::ControlNet) => Self::Controls,
            Some(CardKind::FirstStage) => Self::FirstStages,
            Some(CardKind::Embedding) => Self::Embeddings,
            Some(CardKind::Classifier | CardKind::Other) => Self::Others,
        }
    }
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Name,
    Newest,
    Largest,
    Family,
}

impl Sort {
    pub const ALL: [Self; 4] = [Self::Name, Self::Newest, Self::Largest, Self::Family];

    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "By name",
            Self::Newest => "Newest first",
            Self::Largest => "Largest first",
            Self::Family => "By family",
        }
    }
}

/// Which families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Families {
    #[default]
    All,
    Favourites,
    Only(Family),
}

/// What is asked of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub text: String,
    pub shown: Shown,
    pub families: Families,
    pub sort: Sort,
}

/// The list as it is asked for, worked out when something changes.
#[derive(Debug, Default)]
pub struct ModelBrowser {
    pub(super) query: Query,
    /// The one that is marked.
    pub(super) marked: Option<PathBuf>,
    /// Whether the marked one is to come into sight.
    pub(super) is_to_be_seen: bool,
    /// The field for searching.
    pub(super) search: Option<egui::Id>,
    /// How far the grid is scrolled, in points.
    pub(super) offset: f32,
    /// Whether the list was just opened.
    pub(super) is_new: bool,
    /// What is seen, in its order.
    pub(super) models: Vec<Arc<Listed>>,
    /// How many there are of each.
    pub(super) kinds: [usize; Shown::ALL.len()],
    /// The families of those that are shown, and how many there are of each.
    pub(super) families: Vec<(Family, usize)>,
    pub(super) favourites: usize,
    made_of: Option<(u64, Query, Vec<ModelSource>)>,
}

impl ModelBrowser {
    pub fn fresh() -> Self {
        Self {
            is_new: true,
            is_to_be_seen: true,
            ..Self::default()
        }
    }

    /// Has the mark follow a model that was renamed.
    pub(super) fn follow(&mut self, state: &AppState) {
        let renamed = state.library.renamed();
        let place = renamed.and_then(|it| it.place_of(self.marked.as_ref()?));
        // Until the list knows it there, it would be on nothing.
        let known = place.filter(|place| {
            let mut models = state.library.listing().models.iter();
            models.any(|it| it.found.path == *place)
        });
        if known.is_some() {
            self.marked = known;
            self.is_to_be_seen = true;
            // The words that it was found by may be those of its old name.
            self.query.text.clear();
        }
    }

    /// Works the list out anew if something else is known or asked.
    pub(super) fn update(&mut self, state: &AppState) {
        let library = &state.library;
        let favourites = &state.settings.favourite_models;
        let is_same = self
            .made_of
            .as_ref()
            .is_some_and(|(revision, query, known)| {
                *revision == library.revision() && *query == self.query && known == favourites
            });
        if is_same {
            return;
        }
        let all = &library.listing().models;
        self.kinds = [0; Shown::ALL.len()];
        let mut families: Vec<(Family, usize)> = Vec::new();
        let mut favourite_count = 0;
        let (mut models, mut others) = (Vec::new(), Vec::new());
        // There may be thousands of models and hundreds of favourites.
        let favoured: HashSet<&ModelSource> = favourites.iter().collect();
        let words = self.query.text.to_lowercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        for it in all {
            let shown = Shown::of(it);
            self.kinds[shown as usize] += 1;
            if shown != self.query.shown {
                continue;
            }
            let family = it.card.as_ref().and_then(|card| card.family);
            if let Some(family) = family {
                match families.iter_mut().find(|(known, _)| *known == family) {
                    Some((_, count)) => *count += 1,
                    None => families.push((family, 1)),
                }
            }
            let is_favourite = favoured.contains(&it.source);
            favourite_count += usize::from(is_favourite);
            let is_wanted = match self.query.families {
                Families::All => true,
                Families::Favourites => is_favourite,
                Families::Only(only) => family == Some(only),
            };
            if is_wanted && words.iter().all(|word| it.searched.contains(word)) {
                let part = if is_favourite {
                    &mut models
                } else {
                    &mut others
                };
                part.push(Arc::clone(it));
            }
        }
        families.sort();
        let sort = self.query.sort;
        // They are listed by name, and those that are alike stay so.
        for part in [&mut models, &mut others] {
            part.sort_by(|one, other| compared(sort, one, other));
        }
        models.append(&mut others);
        (self.models, self.families, self.favourites) = (models, families, favourite_count);
        if self.marked_place().is_none() {
            let chosen = &state.form().spec.model;
            let chosen = self.models.iter().find(|it| it.source == *chosen);
            let first = chosen.or_else(|| self.models.first());
            self.marked = first.map(|it| it.found.path.clone());
            self.is_to_be_seen = true;
        }
        self.made_of = Some((library.revision(), self.query.clone(), favourites.clone()));
    }

    /// Where the marked one stands.
    pub(super) fn marked_place(&self) -> Option<usize> {
        // As text: thousands of paths are compared in every frame, and this is quicker
        // than piece by piece.
        let marked = self.marked.as_ref()?.as_os_str();
        let mut models = self.models.iter();
        models.position(|it| it.found.path.as_os_str() == marked)
    }

    /// The marked one.
    pub(super) fn marked_model(&self) -> Option<&Arc<Listed>> {
        self.models.get(self.marked_place()?)
    }

    /// Marks the one that stands so many places further.
    pub(super) fn go(&mut self, places: isize) {
        let Some(last) = self.models.len().checked_sub(1) else {
            return;
        };
        let place = self.marked_place().unwrap_or(0);
        let place = place.saturating_add_signed(places).min(last);
        self.marked = Some(self.models[place].found.path.clone());
        self.is_to_be_seen = true;
    }
}

/// Those that are alike come in the order in which they are listed.
fn compared(sort: Sort, one: &Listed, other: &Listed) -> Ordering {
    let family = |it: &Listed| it.card.as_ref().and_then(|card| card.family);
    match sort {
        Sort::Name => Ordering::Equal,
        Sort::Newest => other.found.changed.cmp(&one.found.changed),
        Sort::Largest => other.found.size_bytes.cmp(&one.found.size_bytes),
        // Those of no family come last.
        Sort::Family => {
            let place = |it: &Listed| (family(it).is_none(), family(it));
            place(one).cmp(&place(other))
        }
    }
}
