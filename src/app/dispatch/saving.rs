//! Saving projects and exporting pictures.

use std::path::{Path, PathBuf};

use super::{Core, sentence};
use crate::app::actions;
use crate::app::background::{PickPurpose, SaveForm, SaveTicket};
use crate::app::command::Dialog;
use crate::app::notices::{Severity, Subject};
use crate::document::{Document, LayerKind};
use crate::project::{EXTENSION, is_project_name, is_psd_name};
use crate::recipe::PictureFormat;

impl Core {
    /// Saves the project to where it came from, or asks where.
    pub(super) fn save(&mut self) {
        match self.state.front().project_file().map(Path::to_path_buf) {
            Some(path) => self.save_to(path),
            None => self.save_as(),
        }
    }

    pub(super) fn save_as(&mut self) {
        self.pick_place(&actions::file::SAVE_AS, PickPurpose::SaveProject);
    }

    pub(super) fn export(&mut self) {
        self.pick_place(&actions::file::EXPORT, PickPurpose::SavePicture);
    }

    fn pick_place(&mut self, action: &actions::Action, purpose: PickPurpose) {
        if let Some(obstacle) = action.obstacle(&self.state) {
            let text = obstacle.to_owned();
            self.state.notices.push(Severity::Info, text);
            return;
        }
        let name = self.save_name(purpose);
        let folder = self.state.settings.last_folder.clone();
        self.background.pick(purpose, folder.as_deref(), &name);
    }

    /// Saves the project; when it is saved, does what the open question is about.
    pub(super) fn save_and_go_on(&mut self) {
        if let Some(Dialog::Discard(question)) = self.state.dialog.take() {
            let document = self.state.front().id();
            self.after_save = Some((document, question.command));
            self.save();
        }
    }

    /// Leaves what waited for a save that does not come: the question for a place was
    /// left, or somebody saves of their own accord.
    pub(in crate::app) fn forget_after_save(&mut self) {
        self.after_save = None;
    }

    /// The file name that a dialog for saving offers.
    pub(in crate::app) fn save_name(&self, purpose: PickPurpose) -> String {
        let front = self.state.front();
        let Some(file) = &front.file else {
            return match purpose {
                PickPurpose::SaveProject => format!("picture.{EXTENSION}"),
                _ => "picture.png".to_owned(),
            };
        };
        let ending = match purpose {
            PickPurpose::SaveProject => EXTENSION,
            // Another program's layers may be blended in ways that are lost here: its file
            // is not the one to replace.
            _ if front.is_project || is_psd_name(file) => "png",
            _ => return self.state.title(),
        };
        let name = file.with_extension(ending);
        let name = name.file_name().unwrap_or(file.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Saves a project where the dialog for projects was answered. Who types the
    /// name of a picture there wants a picture.
    pub(in crate::app) fn save_project_to(&mut self, mut path: PathBuf) {
        let is_for_others = is_psd_name(&path) || PictureFormat::from_path(&path).is_some();
        if !is_project_name(&path) && !is_for_others {
            // Added, not put in place of one: a name may have points.
            path.as_mut_os_string().push(format!(".{EXTENSION}"));
        }
        self.save_to(path);
    }

    /// Writes the project, its layers or the picture; the extension decides.
    pub(super) fn save_to(&mut self, mut path: PathBuf) {
        if path.extension().is_none() {
            path.set_extension("png");
        }
        let front = self.state.documents.front_mut();
        let snapshot = front.editor.snapshot();
        let form = if is_project_name(&path) || front.project_file() == Some(&path) {
            SaveForm::Project
        } else if is_psd_name(&path) {
            SaveForm::Layers {
                lacks_boxes: painted(&snapshot, LayerKind::Layout) > 0,
            }
        } else {
            SaveForm::Picture {
                is_flattened: holds_more_than_a_picture(&snapshot),
            }
        };
        let ticket = SaveTicket {
            document: snapshot.id(),
            revision: snapshot.revision(),
            point: front.editor.save_point(),
            path,
            form,
        };
        self.writing += 1;
        match form {
            SaveForm::Project => {
                let project = front.to_project(self.state.settings.form.conditions());
                self.background.save_project(ticket, project);
            }
            SaveForm::Layers { .. } => self.background.save_layers(ticket, snapshot),
            SaveForm::Picture { .. } => {
                let recipe = front.recipe();
                self.background
                    .save(ticket, Box::new(move || snapshot.composite()), recipe);
            }
        }
    }

    /// Notes that a file was written.
    pub(in crate::app) fn take_saved(&mut self, ticket: SaveTicket) {
        let state = &mut self.state;
        let name = ticket.path.file_name().unwrap_or(ticket.path.as_os_str());
        let mut text = format!("Saved {}", name.to_string_lossy());
        text.push_str(match ticket.form {
            SaveForm::Picture { is_flattened: true } => {
                "; a picture file keeps no layers, masks or boxes: a project does"
            }
            SaveForm::Layers { lacks_boxes: true } => {
                " with its layers, but without boxes: a project keeps them"
            }
            SaveForm::Layers { .. } => " with its layers",
            _ => "",
        });
        state.notices.push(Severity::Success, text);
        state.settings.remember_file(&ticket.path);
        // Changes made while the file was written are not in it, and neither are
        // those of another document.
        let mut is_saved = false;
        if let Some(open) = state.documents.get_mut(ticket.document) {
            let is_project = ticket.form == SaveForm::Project;
            // A picture beside a project is a copy. One that lacks something of the
            // document does not make up for it.
            let is_whole = ticket.form
                == (SaveForm::Picture {
                    is_flattened: false,
                });
            if is_project || (is_whole && !open.is_project) {
                if let Some(point) = ticket.point {
                    open.editor.mark_saved(point);
                }
                open.file = Some(ticket.path);
                open.is_project = is_project;
            }
            is_saved = !open.has_unsaved_work();
        }
        self.note_written();
        let waits = |(document, _): &mut (_, _)| *document == ticket.document;
        if let Some((_, command)) = self.after_save.take_if(waits).filter(|_| is_saved) {
            self.dispatch(*command);
        }
    }

    /// Notes that a file could not be written.
    pub(in crate::app) fn take_unsaved(&mut self, about: Option<Subject>, text: &str) {
        self.state.notices.fail(about, sentence(text), None);
        // The window stays open, with the work that has no file.
        self.quits_when_written = false;
        self.forget_after_save();
        self.writing = self.writing.saturating_sub(1);
    }

    /// Notes that one file less is being written.
    pub(in crate::app) fn note_written(&mut self) {
        self.writing = self.writing.saturating_sub(1);
        if self.writing == 0 && self.quits_when_written {
            self.quit();
        }
    }
}

/// Whether a file with one picture would lose something of the document.
fn holds_more_than_a_picture(document: &Document) -> bool {
    let mut layers = document.layers().iter();
    let is_unseen = layers.any(|layer| {
        let is_seen = layer.visible && layer.opacity > 0.0;
        !is_seen && !layer.content.is_blank()
    });
    let others = [LayerKind::Mask, LayerKind::Layout, LayerKind::Semantic];
    let has = |kind| painted(document, kind) > 0;
    is_unseen || painted(document, LayerKind::Raster) > 1 || others.into_iter().any(has)
}

/// How many layers of a kind have something on them.
fn painted(document: &Document, kind: LayerKind) -> usize {
    let layers = document.layers().iter();
    layers
        .filter(|layer| layer.kind() == kind && !layer.content.is_blank())
        .count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crossbeam_channel::unbounded;

    use super::*;
    use crate::app::command::Command;
    use crate::app::settings::Settings;
    use crate::app::{AppState, Background};
    use crate::engine::protocol::EngineError;
    use crate::engine::{EngineHandle, Waker};

    /// Whoever is asked for a place to save to may leave it.
    #[test]
    fn a_later_save_does_not_go_on_with_a_question_that_was_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let (woken, wakes) = unbounded();
        let waker: Waker = Arc::new(move || woken.send(()).unwrap_or_default());
        let factory = || Err(EngineError::Paint("none is needed".to_owned()));
        let engine = EngineHandle::spawn(Box::new(factory), Arc::clone(&waker));
        let state = AppState::new(Settings::default(), None);
        let mut core = Core::new(state, engine.expect("a thread"), Background::new(waker));
        let until_written = |core: &mut Core| {
            while core.writing > 0 {
                let patience = Duration::from_secs(300);
                wakes.recv_timeout(patience).expect("a report");
                core.take_reports();
            }
        };
        core.dispatch(Command::SaveTo(folder.path().join("mill.velatura")));
        until_written(&mut core);
        let document = core.state.front().id();
        core.after_save = Some((document, Box::new(Command::New { size_px: [32; 2] })));
        core.dispatch(Command::Save);
        until_written(&mut core);
        assert_eq!(core.state.front().id(), document);
    }
}
