//! New, open, quit: what happens to a document as a whole.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbaImage;

use super::{Core, sentence};
use crate::app::background::{OpenedFile, OpenedProjectFile, PickPurpose};
use crate::app::command::{Command, Dialog};
use crate::app::documents::OpenDocument;
use crate::app::losses::{Loss, Question};
use crate::app::notices::{NoticeAction, Severity, Topic};
use crate::app::training::{TrainPhase, Training};
use crate::document::{Document, DocumentError};
use crate::folders;
use crate::project::Home;
use crate::recipe::{FoundRecipe, PaintedRecipe};

impl Core {
    pub(super) fn start_blank(&mut self, size_px: [u32; 2]) -> Result<(), DocumentError> {
        let document = Document::blank(size_px)?;
        let losses = self.state.losses_of_document();
        if !self.must_ask(Command::New { size_px }, losses) {
            self.bring_to_front(OpenDocument::new(document, None));
            let form = &mut self.state.settings.form.spec;
            [form.width_px, form.height_px] = size_px;
        }
        Ok(())
    }

    pub(super) fn pick_picture(&mut self) {
        let folder = self.state.settings.last_folder.clone();
        self.background
            .pick(PickPurpose::OpenPicture, folder.as_deref(), "");
    }

    /// Shows a picture that was read from a file. Only now that it is there, work
    /// that it would replace is worth a question.
    pub(in crate::app) fn show_opened(&mut self, opened: OpenedFile) -> Result<(), DocumentError> {
        let losses = self.state.losses_of_document();
        if self.must_ask(Command::Replace(Box::new(opened.clone())), losses) {
            return Ok(());
        }
        let OpenedFile {
            path,
            picture,
            recipe,
            warnings,
        } = opened;
        for warning in warnings {
            let text = sentence(&warning);
            self.state.notices.push(Severity::Warning, text);
        }
        let name = path.file_stem().map_or_else(
            || "Picture".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        let document = Document::from_picture(&name, picture)?;
        self.state.settings.remember_file(&path);
        let opened = OpenDocument::new(document, Some(path));
        self.bring_to_front(opened.painted_as(recipe.clone()));
        if let Some(recipe) = recipe {
            self.offer_settings(&recipe);
        }
        Ok(())
    }

    /// Shows a project that was read from a file, or a copy that was left behind.
    /// Only now that it is there, work that it would replace is worth a question.
    pub(in crate::app) fn show_project(&mut self, opened: &OpenedProjectFile) {
        let losses = self.state.losses_of_document();
        if self.must_ask(Command::ReplaceByProject(Box::new(opened.clone())), losses) {
            return;
        }
        for warning in &opened.warnings {
            let text = sentence(warning);
            self.state.notices.push(Severity::Warning, text);
        }
        let mut project = opened.project.clone();
        if !opened.is_left_behind {
            self.state.settings.remember_file(&opened.path);
            // Layers of another program say that they are no project.
            project.home.get_or_insert_with(|| Home {
                path: opened.path.clone(),
                is_project: true,
            });
        }
        if let Some(conditions) = project.choices.conditions {
            self.state.settings.form.use_conditions(conditions);
        }
        self.bring_to_front(OpenDocument::of_project(project));
        if opened.is_left_behind {
            self.adopt(opened);
        }
        if let Some(recipe) = self.state.front().recipe() {
            self.offer_settings(&FoundRecipe::of(recipe));
        }
    }

    /// Puts a document in front, which closes the one that was there.
    fn bring_to_front(&mut self, document: OpenDocument) {
        let state = &mut self.state;
        let front = state.documents.front_mut();
        state.toolbox.cancel(&mut front.editor, &mut front.view);
        state.jobs.show(None);
        state.notices.forget_offer();
        state.documents.replace_front(document);
    }

    /// Whether work would be lost; asks first if so.
    fn must_ask(&mut self, command: Command, losses: Vec<Loss>) -> bool {
        let revision = self.state.document().revision();
        let agreed = self.agreed.take();
        if losses.is_empty() || agreed == Some(revision) {
            return false;
        }
        self.state.dialog = Some(Dialog::Discard(Question {
            command: Box::new(command),
            losses,
            is_repeated: agreed.is_some(),
            revision,
        }));
        true
    }

    /// Closes the window; after the files that are being written, because the
    /// last one may be the very work that would otherwise be lost. So may the checkpoint of a
    /// training run; but who asks once more does not want to see that.
    pub(super) fn quit(&mut self) {
        self.quits_when_written = self.writing > 0;
        if self.quits_when_written {
            return;
        }
        if let Some(agreed) = self.quits_when_trained {
            // What was changed since is not agreed to.
            self.agreed.get_or_insert(agreed);
            let losses = self.state.losses_of_program();
            if !self.must_ask(Command::Quit, losses) {
                self.close();
            }
            return;
        }
        let losses = self.state.losses_of_program();
        if self.must_ask(Command::Quit, losses) {
            return;
        }
        let training = self.state.jobs.training();
        match training.filter(|training| training.is_active()) {
            Some(training) => {
                let job = training.job;
                self.engine.cancel(job);
                let state = &mut self.state;
                state.jobs.mark_cancelling(job);
                self.quits_when_trained = Some(state.document().revision());
                state.dialog = Some(Dialog::Train);
                let text = "The training run writes its checkpoint; Velatura closes after it";
                state.notices.push(Severity::Info, text);
            }
            None => self.close(),
        }
    }

    /// Closes the window if that waited for a training run, which has ended. What was
    /// changed meanwhile is asked for.
    pub(in crate::app) fn quit_after_training(&mut self) {
        let training = self.state.jobs.training();
        if training.is_some_and(Training::is_active) {
            return;
        }
        let Some(revision) = self.quits_when_trained.take() else {
            return;
        };
        // Why there is no checkpoint is to be read.
        if !matches!(training.map(|it| &it.phase), Some(TrainPhase::Failed(_))) {
            self.agreed = Some(revision);
            self.quit();
            self.agreed = None;
        }
    }

    /// A painted picture whose document was closed goes to the folder for pictures.
    pub(in crate::app) fn keep(&mut self, image: Arc<RgbaImage>, recipe: PaintedRecipe) {
        let Some(folder) = self.state.pictures_folder.clone() else {
            let text = format!(
                "A picture whose document was closed is lost: there is no folder for pictures; name one in {}",
                folders::PICTURES_VARIABLE
            );
            self.state.notices.push(Severity::Error, text);
            return;
        };
        self.writing += 1;
        self.background.keep(folder, image, recipe);
    }

    /// Offers to open a picture that was kept.
    pub(in crate::app) fn take_kept(&mut self, path: PathBuf) {
        let folder = path.parent().unwrap_or(&path).display().to_string();
        let text = move |count: usize| match count {
            1 => format!("The document of a finished picture was closed; it lies in {folder}"),
            _ => format!(
                "The documents of {count} finished pictures were closed; they lie in {folder}"
            ),
        };
        let action = NoticeAction {
            label: "Open it".to_owned(),
            command: Command::OpenFile(path),
        };
        let notices = &mut self.state.notices;
        notices.count(Topic::Kept, Severity::Info, text, Some(action));
        self.note_written();
    }

    pub(super) fn copy(&mut self) {
        if self.state.document().has_picture() {
            let snapshot = self.state.front().editor.snapshot();
            self.background.copy(Box::new(move || snapshot.composite()));
        }
    }

    fn offer_settings(&mut self, recipe: &FoundRecipe) {
        let text = match &recipe.program {
            Some(program) => {
                format!("This picture carries the settings it was made with ({program})")
            }
            None => "This picture carries the settings it was made with".to_owned(),
        };
        let command = Command::RestoreSettings(Box::new(recipe.clone()));
        let label = "Restore settings".to_owned();
        self.state
            .notices
            .ask(text, NoticeAction { label, command });
    }
}
