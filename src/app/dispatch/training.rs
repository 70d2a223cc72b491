//! Training runs.

use std::path::PathBuf;

use super::Core;
use crate::app::training::{OutputPlace, StartFrom, TrainChange, TrainPreview};
use crate::folders;
use crate::recipe::TrainSpec;

impl Core {
    pub(super) fn change_training(&mut self, change: TrainChange) {
        self.state.train_form.change(change);
        self.look_at_output();
        self.look_at_pictures();
    }

    /// Has some pictures of the folder shown as they will be trained on, one look after
    /// the other: a path that is being typed changes with every letter.
    pub(in crate::app) fn look_at_pictures(&mut self) {
        let state = &mut self.state;
        let wanted = state.train_form.wanted_preview();
        let known = state.train_preview.as_ref();
        let is_looking = known.is_some_and(|preview| preview.row.is_none());
        if is_looking || known.map(|preview| &preview.of) == wanted.as_ref() {
            return;
        }
        state.train_preview = wanted.map(|of| {
            self.background.preview_pictures(of.clone());
            TrainPreview { of, row: None }
        });
    }

    /// Notes what pictures of a folder look like.
    pub(in crate::app) fn take_preview(&mut self, preview: TrainPreview) {
        self.state.train_preview = Some(preview);
        self.look_at_pictures();
    }

    /// Looks at what lies where the model is to go, unless that is known.
    pub(in crate::app) fn look_at_output(&mut self) {
        let wanted = self.state.train_form.wanted_output();
        let place = self.state.train_place.as_ref();
        if place.map(|place| &place.wanted) == wanted.as_ref() {
            return;
        }
        self.state.train_place = None;
        if let Some(wanted) = wanted {
            self.background.look_at_output(wanted);
        }
    }

    /// Notes what lies in a folder, if it is still the one that is asked for.
    pub(in crate::app) fn take_output_place(&mut self, place: OutputPlace) {
        let state = &mut self.state;
        if state.train_form.wanted_output().as_ref() != Some(&place.wanted) {
            return;
        }
        if place.run.is_none() && state.train_form.start == StartFrom::Run {
            state.train_form.start = StartFrom::CurrentModel;
        }
        state.train_place = Some(place);
    }

    /// Lists the user's models anew.
    pub fn list_models(&self) {
        let further = self.state.settings.recent_models.clone();
        self.background.list_models(folders::user_models(), further);
    }

    pub(super) fn start_training(&mut self) {
        let state = &self.state;
        let folder = state.model_folder().map(PathBuf::from);
        let place = state.train_place.as_ref();
        if state.train_problem().is_some() {
            return;
        }
        if let Some(spec) = state.train_form.spec(folder, place) {
            let job = self.engine.train(spec.clone());
            self.state.jobs.add_training(job, spec);
        }
    }

    /// Goes on with the run that ended early.
    pub(super) fn resume_training(&mut self) {
        let training = self.state.jobs.training();
        let Some(ended) = training.filter(|training| training.can_go_on()).cloned() else {
            return;
        };
        let spec = TrainSpec {
            resume: true,
            ..ended.spec.clone()
        };
        let job = self.engine.train(spec.clone());
        let training = ended.going_on(job, spec);
        self.state.jobs.forget_training();
        self.state.jobs.resume_training(training);
    }

    /// Leaves a finished run for the next one, whose folder is another.
    pub(super) fn forget_training(&mut self) {
        self.state.jobs.forget_training();
        self.state.train_place = None;
        self.look_at_output();
    }
}
