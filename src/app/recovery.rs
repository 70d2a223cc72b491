//! When copies of unsaved work are made, and what becomes of those left behind.

use std::path::PathBuf;

use super::background::OpenedProjectFile;
use super::command::Dialog;
use super::dispatch::Core;
use super::notices::Severity;
use crate::document::{DocumentId, DocumentRevision};
use crate::project::recovery::LeftBehind;

/// Time between two copies. With the time that a copy takes to be written, at most
/// the last 30 seconds of work are missing after a crash.
const INTERVAL_SECS: f64 = 25.0;

/// When it is looked again for copies after the start, in seconds: a program that was killed
/// in the midst of its work may take a while to end.
const LOOKS_SECS: [f64; 4] = [2.0, 5.0, 10.0, 20.0];

/// What is known of the copies of the document in front.
#[derive(Debug, Default)]
pub(super) struct RecoveryClock {
    /// Whether copies are made.
    is_on: bool,
    now_secs: f64,
    /// When the last copy was begun.
    begun_secs: Option<f64>,
    /// What the last copy is of.
    copied: Option<(DocumentId, DocumentRevision)>,
    /// Whether a copy is being written.
    is_writing: bool,
    /// Whether the next copy is not to wait.
    is_due: bool,
    /// Whether the user knows that no copies can be made.
    has_told: bool,
    /// Since when other programs seemed to have copies, and how often it was looked again.
    held: Option<(f64, usize)>,
    /// The copies that were offered.
    offered: Vec<PathBuf>,
}

impl Core {
    /// From here on unsaved work is copied into a folder; what was left behind
    /// there is offered.
    pub fn start_recovery(&mut self, root: PathBuf) {
        self.recovery.is_on = true;
        self.background.begin_recovery(root);
    }

    /// Makes a copy of unsaved work if it is time to, and removes one that is no
    /// longer needed. `now_secs` is the window's time. Returns the seconds until
    /// it wants to be asked again, unless something is reported before.
    pub fn tend_recovery(&mut self, now_secs: f64) -> Option<f64> {
        self.recovery.now_secs = now_secs;
        if !self.recovery.is_on {
            return None;
        }
        let waits = [self.look_for_copies(), self.tend_copy(now_secs)];
        waits.into_iter().flatten().min_by(f64::total_cmp)
    }

    /// Looks again for what was left behind, if it is time to. Returns the seconds until
    /// then.
    fn look_for_copies(&mut self) -> Option<f64> {
        let clock = &mut self.recovery;
        let (since_secs, looks) = clock.held.as_mut()?;
        let wait_secs = *since_secs + LOOKS_SECS.get(*looks)? - clock.now_secs;
        if wait_secs > 0.0 {
            return Some(wait_secs);
        }
        *looks += 1;
        self.background.look_for_copies();
        None
    }

    fn tend_copy(&mut self, now_secs: f64) -> Option<f64> {
        let front = self.state.front();
        let present = (front.id(), front.document().revision());
        let is_needed = front.has_unsaved_work();
        let clock = &mut self.recovery;
        let stale = clock
            .copied
            .filter(|copied| copied.0 != present.0 || !is_needed);
        if let Some((document, _)) = stale {
            clock.copied = None;
            self.background.forget_copy(document);
        }
        if !is_needed || clock.copied == Some(present) || clock.is_writing {
            return None;
        }
        let due_secs = clock.begun_secs.map(|begun| begun + INTERVAL_SECS);
        let wait_secs = due_secs.map_or(0.0, |due| due - now_secs);
        if wait_secs > 0.0 && !clock.is_due {
            return Some(wait_secs);
        }
        self.copy_unsaved_work();
        None
    }

    /// Makes a copy of unsaved work before something that may end the program.
    pub(super) fn copy_before_generation(&mut self) {
        self.recovery.is_due = true;
        self.tend_recovery(self.recovery.now_secs);
    }

    fn copy_unsaved_work(&mut self) {
        let front = self.state.front();
        let clock = &mut self.recovery;
        clock.copied = Some((front.id(), front.document().revision()));
        clock.begun_secs = Some(clock.now_secs);
        clock.is_writing = true;
        clock.is_due = false;
        let mut project = front.to_project(self.state.form().conditions());
        project.home = front.home();
        self.background.keep_copy(project);
    }

    pub(super) fn take_copy_kept(&mut self) {
        self.recovery.is_writing = false;
        self.recovery.has_told = false;
    }

    /// Tells once that there are no copies; they are tried on.
    pub(super) fn take_copy_failed(&mut self, text: &str) {
        self.recovery.is_writing = false;
        self.recovery.copied = None;
        if !std::mem::replace(&mut self.recovery.has_told, true) {
            let text = format!(
                "No copies of unsaved work can be made for the case of a crash ({text}); save often"
            );
            self.state.notices.push(Severity::Warning, text);
        }
    }

    /// Offers what was left behind and was not offered yet. `are_held` says whether programs
    /// that run, or are just ending, have more.
    pub(super) fn take_left_behind(&mut self, mut copies: Vec<LeftBehind>, are_held: bool) {
        let clock = &mut self.recovery;
        clock.held = match are_held {
            true => clock.held.or(Some((clock.now_secs, 0))),
            false => None,
        };
        copies.retain(|it| !clock.offered.contains(&it.copy));
        if copies.is_empty() {
            return;
        }
        clock
            .offered
            .extend(copies.iter().map(|it| it.copy.clone()));
        copies.append(&mut self.state.left_behind);
        self.state.left_behind = copies;
        if self.state.dialog.is_none() {
            self.state.dialog = Some(Dialog::Recover);
        }
    }

    /// Removes a copy that was left behind and is not wanted.
    pub(super) fn give_up(&mut self, copy: PathBuf) {
        self.state.forget_left_behind(&copy);
        self.background.give_up_copy(copy);
    }

    /// A copy that was opened becomes that of its document, which no file holds.
    pub(super) fn adopt(&mut self, opened: &OpenedProjectFile) {
        let front = self.state.documents.front_mut();
        front.editor.mark_unsaved();
        let id = front.id();
        let revision = front.editor.revision();
        if let Some((closed, _)) = self.recovery.copied.replace((id, revision)) {
            self.background.forget_copy(closed);
        }
        self.state.forget_left_behind(&opened.path);
        self.background.adopt_copy(opened.path.clone(), id);
    }

    /// Closes the window once the copies are gone: what they hold is saved, or
    /// its user gave it up.
    pub(super) fn close(&mut self) {
        if std::mem::take(&mut self.recovery.is_on) {
            self.background.end_recovery();
        } else {
            self.wants_to_close = true;
        }
    }
}
