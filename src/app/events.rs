//! Takes in what the engine and the errands report.

use std::path::PathBuf;

use super::background::{BackgroundEvent, PickPurpose};
use super::boxes::BoxCommand;
use super::classes::ClassCommand;
use super::classifier::ClassifierCommand;
use super::command::{Command, Dialog};
use super::controls::ControlCommand;
use super::dispatch::{Core, sentence};
use super::jobs::{JobKind, JobRecord};
use super::library::LibraryCommand;
use super::loras::LoraCommand;
use super::notices::{NoticeAction, Severity, Subject, Topic};
use super::state::ModelState;
use crate::engine::protocol::{
    EngineError, EngineEvent, JobId, JobOutcome, ModelSummary, StopReason, TrainEvent, TrainOutcome,
};
use crate::recipe::ModelSource;

impl Core {
    /// Takes in everything that was reported since the last call.
    pub fn take_reports(&mut self) {
        while let Some(event) = self.engine.poll() {
            self.take_engine_event(event);
        }
        // After the events: a job that has ended has no more frames to come.
        self.state.jobs.add_frames(self.engine.drain_frames());
        while let Some(event) = self.background.poll() {
            self.take_background_event(event);
        }
        self.place_arrivals();
        self.place_growths();
        self.place_drawings();
        self.place_layers();
        self.go_on_live();
        self.follow_changes();
        self.count_classes();
        self.count_prompt();
        self.look_at_loras();
        self.look_at_controls();
        self.look_at_classifiers();
        self.state.jobs.forget_old();
        self.state.suit_tools();
    }

    fn take_engine_event(&mut self, event: EngineEvent) {
        self.state.jobs.apply(&event);
        self.note_live(&event);
        match event {
            EngineEvent::Ready { adapter } => self.state.device = Some(adapter),
            EngineEvent::Memory(memory) => self.state.memory = Some(memory),
            EngineEvent::Warning { job, message } => {
                let state = &mut self.state;
                // With every stroke the same would be said anew.
                if !state.jobs.is_live(job) || state.live.is_new_warning(&message) {
                    state.notices.push(Severity::Warning, sentence(&message));
                }
            }
            EngineEvent::Painted { job, image } => self.take_painted(job, image),
            EngineEvent::Training { job, news } => self.take_training_news(job, &news),
            EngineEvent::Finished { job, outcome } => self.take_outcome(job, outcome),
            EngineEvent::Stopped {
                job,
                reason: StopReason::Failed(error),
            } => self.take_failure(job, &error),
            EngineEvent::Stopped {
                job,
                reason: StopReason::Cancelled,
            } => self.take_cancelled(job),
            EngineEvent::Started { .. }
            | EngineEvent::Undecoded { .. }
            | EngineEvent::Reading { .. }
            | EngineEvent::GaveWay { .. }
            | EngineEvent::WentOn { .. }
            | EngineEvent::Progress { .. } => {}
        }
        self.quit_after_training();
    }

    fn take_training_news(&mut self, job: JobId, news: &TrainEvent) {
        let notices = &mut self.state.notices;
        match news {
            TrainEvent::Warning { message } => notices.push(Severity::Warning, sentence(message)),
            TrainEvent::Skipped(picture) => {
                let text = |count| {
                    let path = picture.path.display();
                    let others = match count {
                        1 => String::new(),
                        2 => " and another picture".to_owned(),
                        _ => format!(" and {} other pictures", count - 1),
                    };
                    sentence(&format!("Left out {path}{others}: {}", picture.reason))
                };
                notices.count(Topic::LeftOut(job), Severity::Warning, text, None);
            }
            _ => {}
        }
    }

    fn take_outcome(&mut self, job: JobId, outcome: JobOutcome) {
        let record = self.state.jobs.get(job);
        if let Some(about) = record.map(|record| Subject::from(&record.kind)) {
            self.state.notices.succeed(about);
        }
        match outcome {
            // The pictures came one by one.
            JobOutcome::Painted => {}
            JobOutcome::Enlarged(pictures) => self.take_enlarged(job, pictures),
            JobOutcome::Segmented(read) => self.take_segmented(job, read),
            JobOutcome::Composed(boxes) => self.take_composed(job, boxes),
            JobOutcome::ModelLoaded(summary) => self.take_model(summary),
            JobOutcome::Trained(outcome) => self.take_trained(job, &outcome),
        }
    }

    fn take_trained(&mut self, job: JobId, outcome: &TrainOutcome) {
        // What is new is one more to choose from.
        self.list_models();
        self.state.known_classifiers.look_again();
        // The dialog itself offers it.
        if matches!(self.state.dialog, Some(Dialog::Train)) {
            return;
        }
        let text = format!("Training is done: {}", outcome.model.display());
        let record = self.state.jobs.get(job);
        let Some(training) = record.and_then(JobRecord::training) else {
            return;
        };
        let (label, command) = training.use_of(&outcome.model);
        let label = label.to_owned();
        let action = NoticeAction { label, command };
        self.state.notices.ask(text, action);
    }

    fn take_model(&mut self, summary: ModelSummary) {
        let state = &mut self.state;
        let is_other = |met: &ModelSummary| met.source != summary.source;
        state.met_models.retain(is_other);
        state.met_models.push(summary.clone());
        if summary.source != state.settings.form.spec.model {
            // Another model was chosen meanwhile; its own job follows.
            return;
        }
        if let ModelSource::Folder(folder) = &summary.source {
            state.settings.remember_model(folder);
        }
        if state.adopt_defaults {
            state.settings.form.adopt(&summary);
        }
        state.settings.form.settle_class(&summary);
        state.model = ModelState::Ready(summary);
        state.model_before = None;
        self.fit_empty_canvas();
        if matches!(self.state.dialog, Some(Dialog::Train)) {
            self.look_at_training();
        }
    }

    /// A model that was given up leaves its place to the one before.
    fn take_cancelled(&mut self, job: JobId) {
        let state = &mut self.state;
        let kind = state.jobs.get(job).map(|record| &record.kind);
        let chosen = &state.settings.form.spec.model;
        if !matches!(kind, Some(JobKind::LoadModel(source)) if source == chosen) {
            return;
        }
        match state.model_before.take() {
            Some((before, vae)) if before != *chosen => self.load_model(before, vae, false),
            _ => {
                let text = "Its loading was cancelled; choose it again, or another model";
                state.model = ModelState::Failed(text.to_owned());
            }
        }
    }

    fn take_failure(&mut self, job: JobId, error: &EngineError) {
        let text = sentence(&error.to_string());
        let kind = self.state.jobs.get(job).map(|record| &record.kind);
        if let Some(JobKind::LoadModel(source)) = kind {
            if *source != self.state.settings.form.spec.model {
                return;
            }
            self.state.model = ModelState::Failed(text.clone());
        }
        let about = kind.map(Subject::from);
        let remedy = matches!(error, EngineError::NoFirstStage(_)).then(|| NoticeAction {
            label: "Choose an autoencoder\u{2026}".to_owned(),
            command: LibraryCommand::PickFirstStage.into(),
        });
        self.state.notices.fail(about, text, remedy);
    }

    fn take_background_event(&mut self, event: BackgroundEvent) {
        if let Some(about) = event.accomplishes() {
            self.state.notices.succeed(about);
        }
        match event {
            BackgroundEvent::Picked { path: None, .. } => self.forget_after_save(),
            BackgroundEvent::Picked {
                purpose,
                path: Some(path),
            } => self.take_path(purpose, path),
            BackgroundEvent::NoDialog { purpose } => {
                // A dialog that asked for a path has a field for it.
                let is_file = matches!(
                    purpose,
                    PickPurpose::TrainSettings | PickPurpose::SaveTrainSettings
                );
                let is_asked =
                    !is_file && !matches!(self.state.dialog, None | Some(Dialog::Models));
                if is_asked {
                    let text = "This system has no file dialog: type the path instead";
                    self.state.notices.push(Severity::Info, text);
                } else {
                    let suggestion = self.suggestion(purpose);
                    self.state.dialog = Some(Dialog::Path {
                        purpose,
                        suggestion,
                    });
                }
            }
            BackgroundEvent::Opened(opened) => {
                if let Err(error) = self.show_opened(*opened) {
                    self.take_error(Subject::Opening, &error.to_string());
                }
            }
            BackgroundEvent::OpenedPictures { folder, count } => {
                self.offer_pictures(folder, &count)
            }
            BackgroundEvent::OpenedProject(opened) => self.show_project(&opened),
            BackgroundEvent::LeftBehind { copies, are_held } => {
                self.take_left_behind(copies, are_held);
            }
            BackgroundEvent::CopyKept => self.take_copy_kept(),
            BackgroundEvent::CopyFailed(text) => self.take_copy_failed(&text),
            BackgroundEvent::CopyForgotten => {}
            BackgroundEvent::RecoveryEnded => self.wants_to_close = true,
            BackgroundEvent::Layer(layer) => self.state.layers.push_back(*layer),
            BackgroundEvent::Saved { ticket, left_out } => {
                if let Some(left_out) = left_out {
                    let text = sentence(&left_out);
                    self.state.notices.push(Severity::Warning, text);
                }
                self.take_saved(ticket);
            }
            BackgroundEvent::SaveFailed { ticket, text } => {
                self.take_unsaved(Some(ticket.subject()), &text);
            }
            BackgroundEvent::NotWritten { about, text } => self.take_unsaved(about, &text),
            BackgroundEvent::Kept { path } => self.take_kept(path),
            BackgroundEvent::LaidOut(arrival) => self.state.arrivals.push_back(*arrival),
            BackgroundEvent::LayOutFailed { job, text } => {
                // The picture is lost, whatever becomes of later ones.
                self.take_error(None, &text);
                if let Some(job) = job {
                    self.state.jobs.mark_placed(job);
                    self.state.live.not_placed(job);
                }
            }
            BackgroundEvent::ModelLookedFor { found, name } => {
                self.take_restored_model(found, name);
            }
            BackgroundEvent::Prepared { origin, spec } => self.submit(&origin, *spec),
            BackgroundEvent::ChangeDescribed { job, spec } => self.tell_change(job, *spec),
            BackgroundEvent::EndingDescribed { step, ending, spec } => {
                self.end_from(step, ending, Some(*spec));
            }
            BackgroundEvent::LiveDescribed {
                ticket,
                origin,
                spec,
            } => self.submit_live(ticket, &origin, *spec),
            BackgroundEvent::Classes(event) => {
                if let Err(error) = self.take_class_event(*event) {
                    self.take_error(Subject::Classes, &error.to_string());
                }
            }
            BackgroundEvent::Enlarge(event) => self.take_enlarge_event(*event),
            BackgroundEvent::Flattened { traced, picture } => self.read_picture(traced, picture),
            BackgroundEvent::Classifier(seen) => self.take_classifier_seen(*seen),
            BackgroundEvent::Control(event) => self.take_control_event(*event),
            BackgroundEvent::LoraSeen(seen) => self.take_lora_seen(*seen),
            BackgroundEvent::Copied => {
                self.state.notices.push(Severity::Success, "Picture copied");
            }
            BackgroundEvent::BoxesRead(file) => {
                if let Err(error) = self.take_boxes(*file) {
                    self.take_error(Subject::Importing, &error.to_string());
                }
            }
            BackgroundEvent::BoxesWritten(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                let text = format!("Exported {}", name.to_string_lossy());
                self.state.notices.push(Severity::Success, text);
                self.note_written();
            }
            BackgroundEvent::PicturesSeen(preview) => self.take_preview(*preview),
            BackgroundEvent::OutputSeen(place) => self.take_output_place(*place),
            BackgroundEvent::PicturesCounted(survey) => self.take_survey(*survey),
            BackgroundEvent::RunRead(opened) => self.take_train_settings(*opened),
            BackgroundEvent::RunWritten(path) => self.take_written_settings(&path),
            BackgroundEvent::Library(event) => self.take_library_event(*event),
            BackgroundEvent::PromptCounted(count) => self.state.prompt_length.end(count),
            BackgroundEvent::StylesRead(styles) => self.state.styles = styles,
            BackgroundEvent::StylesChanged { styles, lost } => self.take_styles(styles, lost),
            BackgroundEvent::ModelsListed { own, known } => {
                self.state.user_models = own;
                self.state.known_inputs = known;
            }
            BackgroundEvent::Failed { about, text } => self.take_error(about, &text),
        }
    }

    pub(super) fn take_error(&mut self, about: impl Into<Option<Subject>>, text: &str) {
        self.state.notices.fail(about, sentence(text), None);
    }

    /// What a typed path starts with.
    fn suggestion(&self, purpose: PickPurpose) -> String {
        let mut path = self.state.settings.last_folder.clone().unwrap_or_default();
        match purpose {
            PickPurpose::SaveProject | PickPurpose::SavePicture => {
                path.push(self.save_name(purpose));
            }
            PickPurpose::ExportBoxes(_) => path.push(self.boxes_name()),
            // A separator at the end, ready for the name.
            PickPurpose::OpenPicture
            | PickPurpose::Lora
            | PickPurpose::ControlNet
            | PickPurpose::Classifier
            | PickPurpose::ControlPicture(_)
            | PickPurpose::ImportBoxes
            | PickPurpose::LabelMap
            | PickPurpose::Palette => {
                path.push("");
            }
            PickPurpose::SaveLabelMap(_) => {
                path.push(format!("{}.png", self.map_name("label")));
            }
            PickPurpose::SavePalette => {
                path.push(format!("{}.json", self.map_name("palette")));
            }
            PickPurpose::TrainSettings | PickPurpose::SaveTrainSettings => {
                let opened = self.state.train_form.opened.as_ref();
                match opened {
                    Some(opened) => path.clone_from(&opened.path),
                    None => path.push("run.json"),
                }
            }
            PickPurpose::ModelFolder
            | PickPurpose::ModelFile
            | PickPurpose::FirstStage
            | PickPurpose::ModelPlace
            | PickPurpose::TrainFolder
            | PickPurpose::TrainOutput => {
                return String::new();
            }
        }
        path.to_string_lossy().into_owned()
    }

    pub(super) fn take_path(&mut self, purpose: PickPurpose, path: PathBuf) {
        match purpose {
            PickPurpose::OpenPicture => self.dispatch(Command::OpenFile(path)),
            PickPurpose::SaveProject => self.save_project_to(path),
            PickPurpose::SavePicture => self.dispatch(Command::SaveTo(path)),
            PickPurpose::LabelMap => self.dispatch(ClassCommand::ReadMap(path).into()),
            PickPurpose::SaveLabelMap(coding) => {
                self.dispatch(ClassCommand::WriteMap(path, coding).into());
            }
            PickPurpose::Palette => self.dispatch(ClassCommand::ReadPalette(path).into()),
            PickPurpose::SavePalette => self.dispatch(ClassCommand::WritePalette(path).into()),
            PickPurpose::ModelFolder | PickPurpose::ModelFile | PickPurpose::FirstStage => {
                self.dispatch(Command::OpenFile(path));
            }
            PickPurpose::ModelPlace => self.dispatch(LibraryCommand::AddPlace(path).into()),
            PickPurpose::Lora => self.dispatch(LoraCommand::Add(path).into()),
            PickPurpose::ControlNet => self.dispatch(ControlCommand::Add(path).into()),
            PickPurpose::Classifier => self.dispatch(ClassifierCommand::Take(path).into()),
            PickPurpose::ControlPicture(place) => {
                self.dispatch(ControlCommand::Show(place, path).into());
            }
            PickPurpose::ImportBoxes => self.dispatch(BoxCommand::Read(path).into()),
            PickPurpose::ExportBoxes(form) => {
                self.dispatch(BoxCommand::Write { path, form }.into());
            }
            PickPurpose::TrainFolder => {
                self.state.train_form.folder = Some(path);
                self.dispatch(Command::Show(Dialog::Train));
            }
            PickPurpose::TrainSettings => self.read_train_settings(path),
            PickPurpose::SaveTrainSettings => self.write_train_settings(path),
            PickPurpose::TrainOutput => {
                self.state.train_form.output = Some(path);
                self.look_at_output();
            }
        }
    }
}
