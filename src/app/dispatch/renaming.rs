//! Models that get another name, and what follows them.

use std::path::{Path, PathBuf};

use super::Core;
use crate::app::command::{Command, Dialog};
use crate::app::jobs::JobRecord;
use crate::app::notices::{Severity, Subject};
use crate::app::settings::Settings;
use crate::app::state::AppState;
use crate::engine::library::{RenameWish, Renamed};
use crate::folders;
use crate::recipe::{ModelSource, TrainSpec};

impl AppState {
    /// The user's own folder for models, if a model lies in it: others are left as they are.
    pub fn own_folder_of(&self, model: &Path) -> Option<PathBuf> {
        folders::user_models().filter(|own| model.starts_with(own) && model != own)
    }

    /// Why a model cannot be renamed now.
    pub fn rename_obstacle(&self, model: &Path) -> Option<&'static str> {
        let trains_there = |spec: &TrainSpec| {
            let places = [
                Some(&spec.output),
                spec.from.as_ref(),
                spec.first_stage.as_ref(),
            ];
            let mut places = places.into_iter().flatten();
            places.any(|place| model.starts_with(place) || place.starts_with(model))
        };
        let is_at_work = |record: &&JobRecord| {
            let training = record.training();
            training.is_none_or(|training| trains_there(&training.spec))
        };
        if self.jobs.active().iter().any(is_at_work) {
            return Some("It may be at work: wait until the jobs are done.");
        }
        let is_written = self.library.conversion().is_some();
        is_written.then_some("Wait until the model is written that is being converted.")
    }
}

impl Core {
    pub(super) fn rename_model(&mut self, wish: RenameWish) {
        match self.state.rename_obstacle(&wish.path) {
            Some(obstacle) => self.state.notices.push(Severity::Info, obstacle),
            None => self.background.rename_model(wish),
        }
    }

    /// Has everything follow a model that was renamed.
    pub(super) fn take_renamed(&mut self, renamed: Renamed) {
        let state = &mut self.state;
        let text = format!("Renamed to \u{201c}{}\u{201d}", renamed.name);
        state.notices.succeed(Subject::Renaming);
        state.notices.push(Severity::Success, text);
        let chosen = state.settings.form.spec.model.clone();
        state.settings.follow(&renamed);
        let is_moved = |source: &ModelSource| {
            let mut moved = source.clone();
            follow(&mut moved, &renamed);
            moved != *source
        };
        state.met_models.retain(|met| !is_moved(&met.source));
        if matches!(state.dialog, Some(Dialog::Rename { .. })) {
            state.dialog = Some(Dialog::Models);
        }
        let now = state.settings.form.spec.model.clone();
        if now != chosen {
            self.load_model(now, self.chosen_vae(), false);
        }
        let state = &mut self.state;
        if let Some((before, _)) = &mut state.model_before {
            follow(before, &renamed);
        }
        state.jobs.follow(&renamed);
        for command in state.notices.commands_mut() {
            if let Command::ChooseModel(source) = command {
                follow(source, &renamed);
            }
        }
        let output = &mut state.train_form.output;
        if let Some(place) = output.as_ref().and_then(|it| renamed.place_of(it)) {
            *output = Some(place);
        }
        // What lies where the next model would go is another thing now.
        state.train_place = None;
        self.state.library.renamed = Some(renamed);
        self.state.known_classifiers.look_again();
        self.list_models();
        self.look_for_models();
    }
}

impl Settings {
    /// Remembers a model where it lies since it was renamed.
    fn follow(&mut self, renamed: &Renamed) {
        for path in &mut self.recent_models {
            if let Some(place) = renamed.place_of(path) {
                *path = place;
            }
        }
        for model in &mut self.favourite_models {
            follow(model, renamed);
        }
        follow(&mut self.form.spec.model, renamed);
    }
}

fn follow(model: &mut ModelSource, renamed: &Renamed) {
    let paths = match model {
        ModelSource::Storybook => return,
        ModelSource::Folder(path) => vec![path],
        ModelSource::Described { file, yaml } => vec![file, yaml],
    };
    for path in paths {
        if let Some(place) = renamed.place_of(path) {
            *path = place;
        }
    }
}
