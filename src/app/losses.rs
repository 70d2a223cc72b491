//! What would be lost, and the question before it is.

use super::command::Command;
use super::jobs::JobKind;
use super::state::AppState;
use crate::document::DocumentRevision;

/// Something that a command would put an end to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Changes of the picture that no file holds.
    Changes,
    /// A mask that no picture was painted with since the last save.
    Mask,
    /// A live picture that was not kept.
    LivePicture,
    /// A training run that is at work.
    Training,
    /// Pictures that are being painted, or that wait to be.
    Painting,
    /// A document that is being made larger.
    Enlarging,
    /// A model that is being written anew.
    Conversion,
}

/// A question that stands before a loss.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is done if the user agrees.
    pub command: Box<Command>,
    /// What goes with it.
    pub losses: Vec<Loss>,
    /// Whether it was asked before, and something was changed meanwhile.
    pub(super) is_repeated: bool,
    /// What the document was when the question was asked. What was changed since
    /// is not agreed to.
    pub(super) revision: DocumentRevision,
}

impl Question {
    /// The title of the dialog.
    pub fn title(&self) -> &'static str {
        if self.is_about_document() {
            "Discard unsaved changes?"
        } else {
            "Stop what is at work?"
        }
    }

    /// The button that agrees.
    pub fn answer(&self) -> &'static str {
        if self.is_about_document() {
            "Discard"
        } else {
            "Stop and quit"
        }
    }

    /// Whether saving the project would help.
    pub fn offers_save(&self) -> bool {
        let is_saved = |loss: &Loss| matches!(loss, Loss::Changes | Loss::Mask);
        self.losses.iter().any(is_saved)
    }

    /// What would be lost, a sentence each. `title` names the document.
    pub fn sentences(&self, title: &str) -> Vec<String> {
        let sentence = |loss: &Loss| match loss {
            Loss::Changes => {
                format!("“{title}” has changes that are not saved. They will be lost.")
            }
            Loss::Mask => "A mask was painted. It will be lost.".to_owned(),
            Loss::LivePicture => {
                "The live picture was not kept. It will be lost; to keep it, press \
                                  Enter on the canvas first."
                    .to_owned()
            }
            Loss::Training => {
                "A training run is at work. It stops with a checkpoint, from which it can go on."
                    .to_owned()
            }
            Loss::Painting => "A picture is still being painted. It will be lost.".to_owned(),
            Loss::Enlarging => {
                "The picture is still being enlarged. It stays as large as it is.".to_owned()
            }
            Loss::Conversion => {
                "A model is still being written. Nothing will be left of the copy.".to_owned()
            }
        };
        let again = self
            .is_repeated
            .then(|| "Something was changed while you were asked.".to_owned());
        again
            .into_iter()
            .chain(self.losses.iter().map(sentence))
            .collect()
    }

    fn is_about_document(&self) -> bool {
        let of_document =
            |loss: &Loss| matches!(loss, Loss::Changes | Loss::Mask | Loss::LivePicture);
        self.losses.iter().any(of_document)
    }
}

impl AppState {
    /// What would be lost if another document took the place of the one in front.
    pub fn losses_of_document(&self) -> Vec<Loss> {
        let front = self.front();
        let mut painted = front.document().layers().iter();
        let is_all_mask = painted.all(|layer| layer.mask().is_some() || layer.content.is_blank());
        let unsaved = if is_all_mask && !front.is_project {
            Loss::Mask
        } else {
            Loss::Changes
        };
        let unsaved = front.has_unsaved_work().then_some(unsaved);
        let live = self.live.has_draft().then_some(Loss::LivePicture);
        unsaved.into_iter().chain(live).collect()
    }

    /// What would be lost if the program ended.
    pub fn losses_of_program(&self) -> Vec<Loss> {
        let mut losses = self.losses_of_document();
        let active = self.jobs.active();
        let any = |is_so: fn(&JobKind) -> bool| active.iter().any(|job| is_so(&job.kind));
        if any(|kind| matches!(kind, JobKind::Train(_))) {
            losses.push(Loss::Training);
        }
        if any(|kind| matches!(kind, JobKind::Generate(_))) {
            losses.push(Loss::Painting);
        }
        if any(|kind| matches!(kind, JobKind::Enlarge(_))) {
            losses.push(Loss::Enlarging);
        }
        if self.library.conversion().is_some() {
            losses.push(Loss::Conversion);
        }
        losses
    }
}
