//! Training runs.

use std::path::{Path, PathBuf};

use super::Core;

use crate::app::notices::NoticeAction;
use crate::app::training::{
    OpenedSettings, OutputPlace, StartFrom, TrainChange, TrainPreview, TrainSurvey,
};
use crate::app::{Command, Dialog, PickPurpose, Severity};
use crate::folders;
use crate::recipe::TrainSpec;

impl Core {
    pub(super) fn change_training(&mut self, change: TrainChange) {
        self.state.train_form.change(change);
        self.look_at_training();
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

    /// Takes the pictures of a folder that was opened where it is asked for some; else they
    /// are offered. `count` says in words how many they are.
    pub(in crate::app) fn offer_pictures(&mut self, folder: PathBuf, count: &str) {
        let state = &mut self.state;
        if matches!(state.dialog, Some(Dialog::Train)) && state.jobs.training().is_none() {
            self.change_training(TrainChange::Folder(Some(folder)));
            return;
        }
        let text = format!("{} holds {count}", folder.display());
        let action = NoticeAction {
            label: "Train on them\u{2026}".to_owned(),
            command: Command::TakePath {
                purpose: PickPurpose::TrainFolder,
                path: folder,
            },
        };
        state.notices.ask(text, action);
    }

    /// Has the pictures of the folder and what lies beside them counted, one count after the
    /// other.
    pub(in crate::app) fn survey_pictures(&mut self) {
        let state = &mut self.state;
        let wanted = state.train_form.folder.clone();
        let known = state.train_survey.as_ref();
        let is_counting = known.is_some_and(|survey| survey.found.is_none());
        if is_counting || known.map(|survey| &survey.folder) == wanted.as_ref() {
            return;
        }
        state.train_survey = wanted.map(|folder| {
            self.background.survey_pictures(folder.clone());
            TrainSurvey {
                folder,
                found: None,
            }
        });
    }

    /// Notes what a folder holds.
    pub(in crate::app) fn take_survey(&mut self, survey: TrainSurvey) {
        self.state.train_survey = Some(survey);
        self.survey_pictures();
    }

    /// Asks for the file that the settings are written to, or those of another run are read
    /// from.
    pub(super) fn pick_train_settings(&self, purpose: PickPurpose) {
        let form = &self.state.train_form;
        let opened = form.opened.as_ref().map(|opened| opened.path.as_path());
        let name = opened
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy());
        let folder = opened.and_then(Path::parent);
        let name = name.as_deref().unwrap_or("run.json");
        self.background.pick(purpose, folder, name);
    }

    /// Writes the settings of the form to a file.
    pub(in crate::app) fn write_train_settings(&mut self, path: PathBuf) {
        self.state.dialog = Some(Dialog::Train);
        let state = &self.state;
        let model = state.model_folder().map(PathBuf::from);
        let spec = state.train_form.spec(model, state.train_place.as_ref());
        match spec {
            Some(spec) => self.background.write_run(spec, path),
            None => {
                let text = "The settings are not written: choose where the model goes first";
                self.state.notices.push(Severity::Warning, text.to_owned());
            }
        }
    }

    /// Reads the settings of a run from a file.
    pub(in crate::app) fn read_train_settings(&mut self, path: PathBuf) {
        self.state.dialog = Some(Dialog::Train);
        self.background.read_run(path);
    }

    /// Notes settings that were read.
    pub(in crate::app) fn take_train_settings(&mut self, opened: OpenedSettings) {
        self.state.train_form.open(opened);
        self.look_at_training();
    }

    /// Tells that the settings were written.
    pub(in crate::app) fn take_written_settings(&mut self, path: &Path) {
        let text = format!("The settings are in {}", path.display());
        self.state.notices.push(Severity::Info, text);
    }

    /// Looks at everything that the form names.
    pub(in crate::app) fn look_at_training(&mut self) {
        let native_px = self.state.model_summary().map(|it| it.native_size_px);
        self.state.train_form.settle_size(native_px);
        self.look_at_output();
        self.look_at_pictures();
        self.survey_pictures();
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
            let latent_cache = folders::latents();
            let spec = TrainSpec {
                latent_cache,
                ..spec
            };
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
        // Another run is of another model.
        self.state.train_form.name = None;
        self.look_at_output();
    }
}
