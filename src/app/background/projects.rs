//! Project files, and the copies of unsaved work.
//!
//! A save and a copy may be written at the same time: neither waits for the other.
//! What is done with copies goes one after the other, through a lane of its own
//! that keeps the program's folder for them.

use std::path::{Path, PathBuf};

use super::events::{BackgroundEvent, OpenedProjectFile, SaveTicket};
use super::{Background, failing};
use crate::app::notices::Subject;
use crate::document::{DocumentId, DocumentSnapshot};
use crate::engine::memory::Memory;
use crate::files::reason_of;
use crate::project::recovery::{Recovery, open_left_behind};
use crate::project::{
    OpenedProject, Project, ProjectError, ReadLimits, open_project, open_psd, save_project,
    save_psd,
};

impl Background {
    /// Saves a project, after the files that are being saved already.
    pub fn save_project(&mut self, ticket: SaveTicket, project: Project) {
        self.save_by(ticket, move |path| save_project(path, &project));
    }

    /// Saves the layers of a document for other programs, after the files that are being
    /// saved already.
    pub fn save_layers(&mut self, ticket: SaveTicket, document: DocumentSnapshot) {
        self.save_by(ticket, move |path| save_psd(path, &document));
    }

    fn save_by(
        &mut self,
        ticket: SaveTicket,
        save: impl FnOnce(&Path) -> Result<(), ProjectError> + Send + 'static,
    ) {
        let failed = {
            let ticket = ticket.clone();
            Box::new(move |text| BackgroundEvent::SaveFailed { ticket, text })
        };
        self.write_in_turn(failed, move || {
            save(&ticket.path).map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::Saved {
                ticket,
                left_out: None,
            })
        });
    }

    /// Takes a folder for copies, and tells of those that were left behind.
    pub fn begin_recovery(&mut self, root: PathBuf) {
        self.recovery_root = Some(root);
        self.with_recovery(Box::new(BackgroundEvent::CopyFailed), |recovery| {
            Ok(left_behind(recovery))
        });
    }

    /// Tells of copies whose programs have ended since that was looked at.
    pub fn look_for_copies(&mut self) {
        self.with_recovery(failing(Subject::Copies), |recovery| {
            let looked = recovery.look_again();
            looked.map_err(|error| reason_of(&error))?;
            Ok(left_behind(recovery))
        });
    }

    /// Makes a copy of a document, in place of the one before.
    pub fn keep_copy(&mut self, project: Project) {
        self.with_recovery(Box::new(BackgroundEvent::CopyFailed), move |recovery| {
            let document = project.document.id();
            recovery
                .keep(document, &project)
                .map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::CopyKept)
        });
    }

    /// Removes the copy of a document.
    pub fn forget_copy(&mut self, document: DocumentId) {
        self.with_recovery(failing(Subject::Copies), move |recovery| {
            recovery.forget(document);
            Ok(BackgroundEvent::CopyForgotten)
        });
    }

    /// Reads a copy that was left behind.
    pub fn open_left_behind(&self, copy: PathBuf) {
        self.spawn("open", failing(Subject::Opening), move || {
            let opened = open_left_behind(&copy, limits());
            let opened = opened.map_err(|error| error.to_string())?;
            Ok(opened_event(copy, opened, true))
        });
    }

    /// Makes a copy that was left behind that of the document opened from it.
    pub fn adopt_copy(&mut self, copy: PathBuf, document: DocumentId) {
        self.with_recovery(Box::new(BackgroundEvent::CopyFailed), move |recovery| {
            recovery
                .adopt(&copy, document)
                .map_err(|error| reason_of(&error))?;
            Ok(BackgroundEvent::CopyForgotten)
        });
    }

    /// Removes a copy that was left behind.
    pub fn give_up_copy(&mut self, copy: PathBuf) {
        self.with_recovery(failing(Subject::Copies), move |recovery| {
            recovery.give_up(&copy);
            Ok(BackgroundEvent::CopyForgotten)
        });
    }

    /// Removes the program's folder for copies, and says so in any case.
    pub fn end_recovery(&mut self) {
        let failed = Box::new(|text| {
            log::warn!("{text}");
            BackgroundEvent::RecoveryEnded
        });
        self.keeper.send(failed, |kept: &mut Option<Recovery>| {
            if let Some(recovery) = kept.take() {
                recovery.end();
            }
            Ok(BackgroundEvent::RecoveryEnded)
        });
    }

    fn with_recovery(
        &mut self,
        failed: super::OnFailure,
        work: impl FnOnce(&mut Recovery) -> Result<BackgroundEvent, String> + Send + 'static,
    ) {
        let Some(root) = self.recovery_root.clone() else {
            return;
        };
        self.keeper
            .send(failed, move |kept| work(begun(kept, &root)?));
    }
}

fn left_behind(recovery: &Recovery) -> BackgroundEvent {
    BackgroundEvent::LeftBehind {
        copies: recovery.left_behind(),
        are_held: recovery.are_held(),
    }
}

/// The program's folder for copies, which is taken at the first errand, and anew
/// if an errand broke off.
fn begun<'a>(kept: &'a mut Option<Recovery>, root: &Path) -> Result<&'a mut Recovery, String> {
    let recovery = match kept.take() {
        Some(recovery) => recovery,
        None => Recovery::begin(root).map_err(|error| {
            format!("\u{201c}{}\u{201d}: {}", root.display(), reason_of(&error))
        })?,
    };
    Ok(kept.insert(recovery))
}

/// Reads a project file.
pub(super) fn opened_project(path: PathBuf) -> Result<BackgroundEvent, String> {
    let opened = open_project(&path, limits()).map_err(|error| error.to_string())?;
    Ok(opened_event(path, opened, false))
}

/// Reads the layers of a Photoshop file.
pub(super) fn opened_psd(path: PathBuf) -> Result<BackgroundEvent, String> {
    let opened = open_psd(&path, limits()).map_err(|error| error.to_string())?;
    Ok(opened_event(path, opened, false))
}

fn opened_event(path: PathBuf, opened: OpenedProject, is_left_behind: bool) -> BackgroundEvent {
    let OpenedProject { project, warnings } = opened;
    BackgroundEvent::OpenedProject(Box::new(OpenedProjectFile {
        path,
        project,
        warnings: warnings.iter().map(ToString::to_string).collect(),
        is_left_behind,
    }))
}

/// Most of the memory at hand: the rest of the program goes on beside.
fn limits() -> ReadLimits {
    Memory::now().map_or_else(ReadLimits::default, |memory| ReadLimits {
        pixel_bytes: memory.available_bytes / 8 * 7,
    })
}
