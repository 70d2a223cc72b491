//! Takes in what the engine and the errands report.

use std::path::PathBuf;

use super::background::{BackgroundEvent, PickPurpose};
use super::command::{Command, Dialog};
use super::dispatch::{Core, sentence};
use super::jobs::{Job, JobKind};
use super::notices::{NoticeAction, Severity};
use super::state::{ModelState, layer_name};
use crate::document::Document;
use crate::engine::SamplerChoice;
use crate::engine::protocol::{
    EngineEvent, JobOutcome, ModelSummary, PaintedImage, StopReason, TrainEvent, TrainOutcome,
};
use crate::recipe::{FoundRecipe, ModelSource, PaintedRecipe};

impl Core {
    /// Takes in everything that was reported since the last call.
    pub fn take_reports(&mut self) {
        let frames = self.engine.drain_frames();
        if !frames.is_empty() {
            self.state.jobs.add_frames(frames);
        }
        if let Some(frame) = self.engine.latest_frame() {
            self.state.live_frame = Some(frame);
        }
        while let Some(event) = self.engine.poll() {
            self.take_engine_event(event);
        }
        while let Some(event) = self.background.poll() {
            self.take_background_event(event);
        }
        self.place_arrivals();
    }

    fn take_engine_event(&mut self, event: EngineEvent) {
        let ended = self.state.jobs.apply(&event);
        match event {
            EngineEvent::Ready { adapter } => self.state.device = Some(adapter),
            EngineEvent::Memory(memory) => self.state.memory = Some(memory),
            EngineEvent::Warning { message, .. } => {
                self.state
                    .notices
                    .push(Severity::Warning, sentence(&message));
            }
            EngineEvent::Painted { image, .. } => self.state.arrivals.push_back(image),
            EngineEvent::Training { news, .. } => self.take_training_news(&news),
            EngineEvent::Finished { outcome, .. } => self.take_outcome(outcome),
            EngineEvent::Stopped {
                reason: StopReason::Failed(error),
                ..
            } => {
                self.take_failure(ended.as_ref(), &error.to_string());
            }
            EngineEvent::Stopped {
                reason: StopReason::Cancelled,
                ..
            }
            | EngineEvent::Started { .. }
            | EngineEvent::GaveWay { .. }
            | EngineEvent::WentOn { .. }
            | EngineEvent::Progress { .. } => {}
        }
    }

    fn take_training_news(&mut self, news: &TrainEvent) {
        let training = self.state.jobs.training.as_ref();
        let text = match news {
            TrainEvent::Warning { message } => sentence(message),
            // One notice for all of them; the run counts the rest.
            TrainEvent::Skipped(picture) if training.is_some_and(|run| run.skipped == 1) => {
                let path = picture.path.display();
                sentence(&format!("Left out {path}: {}", picture.reason))
            }
            _ => return,
        };
        self.state.notices.push(Severity::Warning, text);
    }

    fn take_outcome(&mut self, outcome: JobOutcome) {
        match outcome {
            // The pictures came one by one.
            JobOutcome::Painted => {}
            JobOutcome::ModelLoaded(summary) => self.take_model(summary),
            // The dialog itself offers the model.
            JobOutcome::Trained(_) if matches!(self.state.dialog, Some(Dialog::Train)) => {}
            JobOutcome::Trained(TrainOutcome { model: folder, .. }) => {
                let text = format!("Training is done: {}", folder.display());
                let command = Command::ChooseModel(ModelSource::Folder(folder));
                let label = "Use this model".to_owned();
                self.state
                    .notices
                    .ask(text, NoticeAction { label, command });
            }
        }
    }

    fn take_model(&mut self, summary: ModelSummary) {
        let state = &mut self.state;
        if summary.source != state.settings.form.model {
            // Another model was chosen meanwhile; its own job follows.
            return;
        }
        if let ModelSource::Folder(folder) = &summary.source {
            state.settings.remember_model(folder);
        }
        if state.adopt_defaults {
            state.settings.form.adopt(&summary);
        }
        state.model = ModelState::Ready(summary);
        self.fit_empty_canvas();
    }

    fn take_failure(&mut self, job: Option<&Job>, text: &str) {
        let text = sentence(text);
        if let Some(JobKind::LoadModel(source)) = job.map(|job| &job.kind) {
            if *source != self.state.settings.form.model {
                return;
            }
            self.state.model = ModelState::Failed(text.clone());
        }
        self.state.notices.push(Severity::Error, text);
    }

    /// Puts finished pictures into the document, unless a stroke is being drawn.
    fn place_arrivals(&mut self) {
        while !self.state.editor.is_busy() {
            let Some(painted) = self.state.arrivals.pop_front() else {
                return;
            };
            self.place(painted);
        }
    }

    fn place(&mut self, painted: PaintedImage) {
        let PaintedImage {
            image,
            spec,
            model_hash,
            model_name,
            latents: _,
        } = painted;
        let name = layer_name(&spec.prompt);
        let state = &mut self.state;
        match state.editor.place_result(&name, &image) {
            Ok(layer) => {
                let label = spec.sampler.as_ref().map(SamplerChoice::label_of);
                let label = label.unwrap_or_default().to_owned();
                let recipe =
                    PaintedRecipe::new(*spec, model_name, model_hash).with_sampler_label(label);
                state.recipes.insert(layer, recipe);
                state.result_revision = Some(state.editor.revision());
            }
            Err(error) => state
                .notices
                .push(Severity::Error, sentence(&error.to_string())),
        }
    }

    fn take_background_event(&mut self, event: BackgroundEvent) {
        match event {
            BackgroundEvent::Picked { path: None, .. } => {}
            BackgroundEvent::Picked {
                purpose,
                path: Some(path),
            } => self.take_path(purpose, path),
            BackgroundEvent::NoDialog { purpose } => {
                // A dialog that asked for a path has a field for it.
                if self.state.dialog.is_some() {
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
            BackgroundEvent::Opened {
                path: Some(path),
                image,
                recipe,
            } => {
                let name = path.file_stem().map_or_else(
                    || "Picture".to_owned(),
                    |stem| stem.to_string_lossy().into_owned(),
                );
                match Document::from_image(&name, &image) {
                    Ok(document) => {
                        self.state.settings.remember_file(&path);
                        self.start_document(document, Some(path));
                    }
                    Err(error) => {
                        self.state
                            .notices
                            .push(Severity::Error, sentence(&error.to_string()));
                    }
                }
                if let Some(recipe) = recipe {
                    self.offer_settings(&recipe);
                }
            }
            BackgroundEvent::Opened {
                path: None, image, ..
            } => {
                self.dispatch(Command::Insert(image));
            }
            BackgroundEvent::Saved { path } => {
                let state = &mut self.state;
                let name = path
                    .file_name()
                    .unwrap_or(path.as_os_str())
                    .to_string_lossy();
                state
                    .notices
                    .push(Severity::Success, format!("Saved {name}"));
                state.settings.remember_file(&path);
                // Changes made while the file was written are not in it.
                if self.saving.take() == Some(state.editor.revision()) {
                    state.editor.mark_saved();
                }
                state.file = Some(path);
            }
            BackgroundEvent::Prepared(spec) => self.submit(*spec),
            BackgroundEvent::Copied => {
                self.state.notices.push(Severity::Success, "Picture copied");
            }
            BackgroundEvent::Failed(text) => {
                self.state.notices.push(Severity::Error, sentence(&text));
            }
        }
    }

    fn offer_settings(&mut self, recipe: &FoundRecipe) {
        let mut offered = recipe.clone();
        if recipe.model_name.is_none() {
            // A file that does not say which model it was painted with.
            offered.spec.model = self.state.form().model.clone();
        }
        let text = match &recipe.program {
            Some(program) => {
                format!("This picture carries the settings it was made with ({program})")
            }
            None => "This picture carries the settings it was made with".to_owned(),
        };
        let command = Command::RestoreSettings(Box::new(offered));
        let label = "Restore settings".to_owned();
        self.state
            .notices
            .ask(text, NoticeAction { label, command });
    }

    /// What a typed path starts with.
    fn suggestion(&self, purpose: PickPurpose) -> String {
        let mut path = self.state.settings.last_folder.clone().unwrap_or_default();
        match purpose {
            PickPurpose::SavePicture => path.push(self.save_name()),
            // A separator at the end, ready for the name.
            PickPurpose::OpenPicture => path.push(""),
            PickPurpose::ModelFolder | PickPurpose::TrainFolder | PickPurpose::TrainOutput => {
                return String::new();
            }
        }
        path.to_string_lossy().into_owned()
    }

    pub(super) fn take_path(&mut self, purpose: PickPurpose, path: PathBuf) {
        match purpose {
            PickPurpose::OpenPicture => self.dispatch(Command::OpenFile(path)),
            PickPurpose::SavePicture => self.dispatch(Command::SaveTo(path)),
            PickPurpose::ModelFolder => {
                self.dispatch(Command::ChooseModel(ModelSource::Folder(path)));
            }
            PickPurpose::TrainFolder => self.state.train_form.folder = Some(path),
            PickPurpose::TrainOutput => self.state.train_form.output = Some(path),
        }
    }
}
